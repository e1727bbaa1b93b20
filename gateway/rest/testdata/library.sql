-- A lending library: what embedding is tested on.
drop schema if exists lib cascade;
create schema lib;
grant usage on schema lib to anon, authenticated;
set search_path = lib;

create table authors (id int primary key, name text not null, born int, facts jsonb);
create table shelves (id int primary key, room text);
create table books (
	id int primary key,
	title text not null,
	author int references authors,
	editor int constraint books_by_editor references authors,
	shelf int references shelves,
	pages int,
	price numeric,
	about jsonb,
	notes json
);
create table covers (book int primary key references books, color text);
create table genres (id int primary key, name text);
create table book_genres (book int references books, genre int references genres, weight int, primary key (book, genre));
create table folders (id int primary key, name text, parent int references folders);
create table loans (id int primary key, book int references books, reader text);
alter table loans enable row level security;
create policy mine on loans using (reader = auth.uid());
create table ledger (id int primary key, shelf int references shelves, sum numeric);
create table circles (id int primary key);
create table people (id int primary key);
create table circle_people (circle int references circles, person int references people, primary key (circle, person));
create table circle_spies (circle int references circles, person int references people, primary key (circle, person));
create view novels as select id, title, author as writer, shelf from books where pages > 200;
create table q (q int primary key, r int, w int, book int references books);
create table years (year int primary key) partition by range (year);
create table years_old partition of years for values from (0) to (2000);
create table texts (id int primary key, words text, vec tsvector generated always as (to_tsvector('english', words)) stored, data jsonb);
create table "My Things" ("the id" int primary key, "x.y" text, "say ""hi""" jsonb, "ÄÖ" int, shelf int references shelves);

create function loudly(books) returns text language sql stable as $$ select upper($1.title) $$;
create function first_reader(books) returns setof loans rows 1 language sql stable as $$ select * from lib.loans where book = $1.id order by id limit 1 $$;
create function neighbours(books) returns setof books language sql stable as $$ select * from lib.books b where b.shelf = $1.shelf and b.id <> $1.id $$;

create function pairs() returns table (q int, r int) language sql stable as $$ values (1, 2), (3, 4) $$;
create function all_shelves() returns setof shelves language sql stable as $$ select * from lib.shelves $$;

insert into authors values (1, 'Ada', 1815, '{"home": {"town": "London"}, "tags": ["x", "y"]}'), (2, 'Bo', 1900, '{"home": {"town": "Oslo"}}'), (3, 'Cy', null, null);
insert into shelves values (1, 'red'), (2, 'blue'), (3, 'empty');
insert into books values
	(1, 'Notes', 1, 2, 1, 100, 10.50, '{"kind": "essay", "n": 10, "list": [1, {"deep": "yes"}]}', '{"b":1, "a":2}'),
	(2, 'Engines', 1, null, 1, 300, 20.00, '{"kind": "novel", "n": 9}', null),
	(3, 'Fjords', 2, 1, 2, 250, 5.25, '{"kind": "novel", "n": null}', null),
	(4, 'Lost', null, null, null, 50, null, null, null);
insert into covers values (1, 'green'), (3, 'grey');
insert into genres values (1, 'science'), (2, 'travel'), (3, 'none');
insert into book_genres values (1, 1, 5), (2, 1, 3), (3, 2, 1), (3, 1, 2);
insert into folders values (1, 'root', null), (2, 'left', 1), (3, 'right', 1), (4, 'leaf', 2);
insert into loans values (1, 1, 'ana'), (2, 1, 'ben'), (3, 3, 'ben');
insert into q values (1, 2, 3, 1), (4, 5, 6, 1);
insert into ledger values (1, 1, 5);
insert into texts (id, words, data) values (1, 'The fat cats ran', '{"t": "fat rats"}'), (2, 'One quick fox', '{"t": "the dog"}'), (3, 'Les chats courent', null);
insert into "My Things" values (1, 'dot', '{"a b": {"c.d": 1}, "-2": "neg"}', 7, 1), (2, 'x', null, 8, null);

grant select, insert, update, delete on q, years, years_old, authors, shelves, books, covers, genres, book_genres, folders, loans, novels, texts, "My Things", circles, people, circle_people to authenticated;
grant execute on all functions in schema lib to authenticated;
reset search_path;
