set search_path = p1;
truncate strict, items, notes, pairs, inbox, traced, trail restart identity;
insert into items (id, owner, title, done, price, tags, data, open) values
	(1, 'ana', 'milk', false, 1.50, '{shop,food}', '{"n":1}', false),
	(2, 'ana', 'tax', true, null, null, null, false),
	(3, 'ana', 'Bread', false, 2.00, '{food}', '{"n":3}', true),
	(4, 'ben', 'bike', false, 300, '{sport}', null, false),
	(5, 'ben', 'news', true, 0, '{}', '[]', true);
select setval(pg_get_serial_sequence('items', 'id'), 100);
insert into notes values (1, 1, 'two bottles'), (2, 1, 'fresh');
insert into pairs values (1, 1, 'x'), (1, 2, 'y');
insert into strict values (0, 1, '0');
