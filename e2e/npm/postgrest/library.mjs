// A little library (of books) in the gateway's project, and clients for everyone who uses it.
import assert from "node:assert/strict";
import { PostgrestClient } from "@supabase/postgrest-js";

const { ANA_TOKEN, RUN402_ANON_KEY, RUN402_API_BASE, RUN402_PROJECT_ID, RUN402_SERVICE_KEY } = process.env;

const caller = { apikey: RUN402_ANON_KEY };
const signedIn = { ...caller, authorization: `Bearer ${ANA_TOKEN}` };

export const anon = new PostgrestClient(`${RUN402_API_BASE}/rest/v1`, { headers: caller });
export const ana = new PostgrestClient(`${RUN402_API_BASE}/rest/v1`, { headers: signedIn });
export const admin = new PostgrestClient(`${RUN402_API_BASE}/admin/v1/rest`, { headers: { apikey: RUN402_SERVICE_KEY } });

// rows awaits a query that has to succeed, and returns its data.
export async function rows(query) {
  const { data, error, status } = await query;
  assert.equal(error, null, `${status} ${JSON.stringify(error)}`);
  return data;
}

// fails awaits a query that has to fail, and returns the error that the library makes of the answer.
export async function fails(query, status, code) {
  const got = await query;
  assert.deepEqual(
    { status: got.status, code: got.error?.code, data: got.data },
    { status, code, data: null },
    JSON.stringify(got.error),
  );
  return got.error;
}

// sql runs statements as the project's owner.
export async function sql(text) {
  const response = await fetch(`${RUN402_API_BASE}/projects/v1/admin/${RUN402_PROJECT_ID}/sql`, {
    method: "POST",
    headers: { authorization: `Bearer ${RUN402_SERVICE_KEY}`, "content-type": "text/plain" },
    body: text,
  });
  assert.equal(response.status, 200, await response.text());
}

// Everyone reads the catalogue; a loan is its borrower's business. No table of the tests that write is in it.
const catalogue = ["authors", "books", "genres", "book_genres"];

export const createLibrary = `
  create table authors (
    id int primary key, name text not null, born date, country text
  );
  create table books (
    id int primary key,
    author_id int references authors (id),
    sequel_of int references books (id),
    title text not null,
    pages int not null,
    price numeric,
    tags text[] not null default '{}',
    info jsonb,
    published date,
    blurb text
  );
  create table genres (id int primary key, name text not null);
  create table book_genres (
    book_id int references books (id), genre_id int references genres (id), primary key (book_id, genre_id)
  );
  create table loans (
    id int primary key,
    book_id int not null references books (id),
    borrower text not null,
    during daterange not null,
    returned boolean
  );

  insert into authors values
    (1, 'Selma Varga', '1961-02-03', 'HU'), (2, 'Tomas Reed', '1980-11-30', null), (3, 'Ines Okafor', null, 'NG');
  insert into books values
    (1, 1, null, 'Salt Harbour', 310, 12.50, '{sea,history}',
     '{"format": {"cover": "hard"}, "grams": 420, "awards": ["Kestrel Prize", "Lantern"]}', '2001-05-04',
     'A lighthouse keeper counts the ships that never return'),
    (2, 1, 1, 'The Quiet Ledger', 198, 8, '{finance}',
     '{"format": {"cover": "soft"}, "grams": 210, "awards": []}', '2010-10-10',
     'An accountant finds a poem between two columns'),
    (3, 2, null, 'Northern Kites', 254, null, '{}', null, null, null),
    (4, null, null, 'Tide, Tables (2nd)', 90, 3.20, '{sea}', '{"format": null, "grams": 95}', '1999-01-01',
     'High and low water for every harbour, and the ships in it');
  insert into genres values (1, 'fiction'), (2, 'travel'), (3, 'reference');
  insert into book_genres values (1, 1), (1, 2), (2, 1), (4, 3);
  insert into loans values
    (1, 1, 'ana@example.com', '[2024-01-01,2024-01-15)', true),
    (2, 1, 'ben@example.com', '[2024-02-01,2024-02-10)', false),
    (3, 2, 'ana@example.com', '[2024-01-10,2024-01-20)', null);

  ${catalogue.map((table) => `
    alter table ${table} enable row level security;
    create policy read on ${table} for select using (true);`).join("")}
  alter table loans enable row level security;
  create policy own on loans for select using (borrower = auth.jwt_claim('email'));

  create view short_books with (security_invoker) as select id, author_id, title, pages from books where pages < 200;
  create function shelf(books) returns text language sql immutable as $$ select upper(left($1.title, 1)) $$;
  create function companions(books) returns setof books language sql stable
    as $$ select * from books where author_id = $1.author_id and id <> $1.id $$;

  create function add(a int, b int default 10) returns int language sql immutable as $$ select a + b $$;
  create function join_words(variadic words text[]) returns text language sql immutable
    as $$ select array_to_string(words, ' ') $$;
  create function longer_than(pages int) returns setof books language sql stable
    as $$ select * from books b where b.pages > longer_than.pages $$;
  create function first_author() returns authors language sql stable as $$ select * from authors order by id limit 1 $$;
  create function describe(doc jsonb) returns text language sql immutable as $$ select jsonb_typeof(doc) $$;
  create function nothing() returns void language sql as $$ select $$;
  create function nap(seconds float8) returns text language sql as $$ select pg_sleep(seconds)::text $$;
  create function complain(why text) returns void language plpgsql
    as $$ begin raise exception using errcode = 'PT418', message = why, detail = 'short and stout', hint = 'tip me'; end $$;
  grant execute on function shelf, companions, add, join_words, longer_than, first_author, describe, nothing, nap, complain
    to anon, authenticated;`;
