-- Computed columns and relationships.
create function shelf_mark(books) returns text language sql immutable as $$ select upper(left($1.title, 1)) $$;
create function companions(books) returns setof books language sql stable
  as $$ select * from books where author_id = $1.author_id and id <> $1.id $$;
create function maker(books) returns setof authors rows 1 language sql stable
  as $$ select * from authors where id = $1.author_id $$;

-- What can be called.
create function add(a int, b int default 10) returns int language sql immutable as $$ select a + b $$;
create function greet(name text default 'guest') returns text language sql immutable as $$ select 'Hello, ' || name $$;
create function join_words(variadic words text[]) returns text language sql immutable
  as $$ select array_to_string(words, ' ') $$;
create function sum_of(numbers int[]) returns bigint language sql immutable as $$ select sum(n) from unnest(numbers) n $$;
create function kind_of(jsonb) returns text language sql immutable as $$ select jsonb_typeof($1) $$;
create function shout(text) returns text language sql immutable as $$ select upper($1) $$;
create function pick(doc json, key text) returns json language sql immutable as $$ select doc -> key $$;
create function longer_than(pages int) returns setof books language sql stable
  as $$ select * from books b where b.pages > longer_than.pages $$;
create function first_author() returns authors language sql stable as $$ select * from authors order by id limit 1 $$;
create function no_author() returns authors language sql stable as $$ select * from authors where false $$;
create function even_numbers(most int) returns setof int language sql immutable
  as $$ select n from generate_series(2, most, 2) n $$;
create function price_range(out lowest numeric, out highest numeric) language sql stable
  as $$ select min(price), max(price) from books $$;
create function pages_by_author() returns table (author text, pages bigint) language sql stable
  as $$ select a.name, sum(b.pages) from books b join authors a on a.id = b.author_id group by a.name $$;
create function nothing() returns void language sql as $$ select $$;
create function quiet() returns void language sql stable as $$ select $$;
create function absent() returns text language sql immutable as $$ select null::text $$;
create function drop_copies(most int) returns setof copies language sql as $$ delete from copies where id <= most returning * $$;
create function tally() returns int language sql as $$ insert into tallies values ('sneaked', 1) returning 1 $$;
create function sneaky() returns int language plpgsql stable as $$ begin return tally(); end $$;
create function overloaded(a int) returns text language sql immutable as $$ select 'one' $$;
create function overloaded(a int, b int) returns text language sql immutable as $$ select 'two' $$;
create function torn(a int) returns text language sql immutable as $$ select 'int' $$;
create function torn(a text) returns text language sql immutable as $$ select 'text' $$;
create function whoami() returns json language sql stable
  as $$ select json_build_object('role', current_user, 'sub', auth.uid(), 'method', current_setting('request.method')) $$;
create function teapot() returns void language plpgsql as $$
begin
  raise exception using errcode = 'PT418', message = 'short', detail = 'and stout', hint = 'tip me';
end $$;
create function raises(code text) returns void language plpgsql as $$
begin raise exception using errcode = code, message = 'raised', detail = 'why', hint = 'what now'; end $$;
create function raises_in_full() returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using
    message = '{"code":"L-17","message":"The desk is closed","details":"until nine","hint":"come back"}',
    detail = '{"status":423,"headers":{"X-Desk":"north"}}';
end $$;
create function sets_headers() returns text language plpgsql as $$
begin
  perform set_config('response.headers', '[{"X-Shelf":"sea"},{"Cache-Control":"max-age=60"}]', true);
  perform set_config('response.status', '202', true);
  return 'done';
end $$;
create function set_bad_headers() returns void language plpgsql
  as $$ begin perform set_config('response.headers', 'not json', true); end $$;
create function set_bad_status() returns void language plpgsql
  as $$ begin perform set_config('response.status', 'many', true); end $$;
create function dawdle() returns void language sql set statement_timeout = '50ms' as $$ select pg_sleep(60) $$;
create function strictly() returns text language sql stable set default_transaction_isolation = 'serializable'
  as $$ select current_setting('transaction_isolation') $$;
create function unreachable() returns int language sql immutable as $$ select 1 $$;

grant execute on all functions in schema project to anon, authenticated;
revoke execute on function unreachable from anon, authenticated;
