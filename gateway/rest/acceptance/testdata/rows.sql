truncate authors, books, genres, book_genres, covers, translations, loans, events, copies, stamps, seats, tallies,
  cautious, "Odd Table", notes, days restart identity;
insert into authors values
  (1, 'Selma Varga', '1961-02-03', 'HU'), (2, 'Tomas Reed', '1980-11-30', null), (3, 'Ines Okafor', null, 'NG');
insert into books (id, author_id, sequel_of, title, pages, price, tags, info, published, blurb, state) values
  (1, 1, null, 'Salt Harbour', 310, 12.50, '{sea,history}',
   '{"format": {"cover": "hard"}, "grams": 420, "awards": ["Kestrel Prize", "Lantern"]}', '2001-05-04',
   'A lighthouse keeper counts the ships that never return', 'worn'),
  (2, 1, 1, 'The Quiet Ledger', 198, 8, '{finance}', '{"format": {"cover": "soft"}, "grams": 210, "awards": []}',
   '2010-10-10', 'An accountant finds a poem between two columns', 'new'),
  (3, 2, null, 'Northern Kites', 254, null, '{}', null, null, null, 'new'),
  (4, null, null, 'Tide, Tables (2nd)', 90, 3.20, '{sea}', '{"format": null, "grams": 95, "odd key": {"x.y": 1}}',
   '1999-01-01', 'High and low water for every harbour, and the ships in it', 'lost');
insert into genres values (1, 'fiction'), (2, 'travel'), (3, 'reference');
insert into book_genres values (1, 1, 5), (1, 2, 1), (2, 1, 3), (4, 3, 9);
insert into covers values (1, 'blue'), (3, 'red');
insert into translations values (1, 1, 3, 'en'), (2, 2, null, 'hu');
insert into loans values
  (1, 1, 'ana', '[2024-01-01,2024-01-15)', true), (2, 1, 'ben', '[2024-02-01,2024-02-10)', false),
  (3, 2, 'ana', '[2024-01-10,2024-01-20)', null);
insert into events values
  (1, 'Reading', '[2024-03-01,2024-03-04)', '2024-03-01 18:00+00', '[1,20)'),
  (2, 'Sale', '[2024-03-04,2024-03-08)', '2024-03-04 09:30+02', '[10,40)'),
  (3, 'Closing', null, null, null);
insert into copies (id, book_id, barcode, shelf, amount) values
  (101, 1, 'A-1', 'sea', 2), (102, 2, 'A-2', 'money', 1), (103, 3, 'A-3', 'kites', 5);
select setval(pg_get_serial_sequence('copies', 'id'), 200);
insert into seats values ('east', 1, 'Ana'), ('east', 2, 'Ben'), ('west', 1, null);
insert into "Odd Table" values (1, 'U', 's', 'd', 'q', 10, 1, 2, 'x'), (2, 'u', null, 'd.2', 'q"2', 20, 3, 4, 'y');
insert into notes values (1, 'ana', 'ana''s', false), (2, 'ana', 'for all', true), (3, 'ben', 'ben''s', false);
insert into days values ('2024-06-01', 1), ('2025-06-01', 2);
