drop table if exists tracks, albums, plays;
create table albums (id int primary key, owner text not null, title text not null, info jsonb);
create table tracks (
  id int primary key, album_id int not null references albums (id), owner text not null, title text not null,
  done boolean not null, length int not null
);
create table plays (id bigint generated always as identity primary key, owner text not null default auth.uid(), track_id int);
insert into albums select n, case when n % 2 = 0 then 'ana' else 'ben' end, 'album ' || n,
  jsonb_build_object('label', 'label ' || n % 10, 'year', 1990 + n % 30) from generate_series(1, 1000) n;
insert into tracks select n, a.id, a.owner, 'track ' || n, n % 3 = 0, 100 + n % 300
  from generate_series(1, 10000) n join albums a on a.id = 1 + n / 10 % 1000;
create index on tracks (album_id);
create index on tracks (owner, id);
create index on albums (owner, id);
alter table albums enable row level security;
alter table tracks enable row level security;
alter table plays enable row level security;
create policy own on albums using (owner = (select auth.uid()));
create policy own on tracks using (owner = (select auth.uid()));
create policy own on plays using (owner = (select auth.uid())) with check (owner = (select auth.uid()));
create or replace function twice(n int) returns int language sql immutable as $$ select n * 2 $$;
grant execute on function twice to authenticated;
drop table if exists numbers;
create table numbers (n int primary key, pad text not null);
insert into numbers select n, repeat('x', 20) from generate_series(1, 1000000) n;
alter table numbers enable row level security;
create policy all_of_it on numbers using (true);
