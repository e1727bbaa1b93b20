// What postgrest-js can ask for without writing.
import assert from "node:assert/strict";
import { it } from "node:test";
import { fails, rows } from "./library.mjs";

const ids = (list) => list.map((row) => row.id);

// Every filter of the library, on books unless told otherwise, and the ids of the rows that pass.
const filters = [
  ["eq", (q) => q.eq("title", "Salt Harbour"), [1]],
  ["eq with reserved characters", (q) => q.eq("title", "Tide, Tables (2nd)"), [4]],
  ["neq", (q) => q.neq("pages", 310), [2, 3, 4]],
  ["gt and lte", (q) => q.gt("pages", 90).lte("pages", 254), [2, 3]],
  ["gte and lt", (q) => q.gte("pages", 254).lt("pages", 310), [3]],
  ["like", (q) => q.like("title", "%t%"), [1, 2, 3]],
  ["ilike", (q) => q.ilike("title", "%TA%"), [4]],
  ["likeAllOf", (q) => q.likeAllOf("title", ["%t%", "%H%"]), [1]],
  ["likeAnyOf", (q) => q.likeAnyOf("title", ["Salt%", "North%"]), [1, 3]],
  ["ilikeAllOf", (q) => q.ilikeAllOf("title", ["%k%", "n%"]), [3]],
  ["ilikeAnyOf", (q) => q.ilikeAnyOf("title", ["salt%", "the%"]), [1, 2]],
  ["regexMatch", (q) => q.regexMatch("title", "^[ST]"), [1, 2, 4]],
  ["regexIMatch", (q) => q.regexIMatch("title", "^tide"), [4]],
  ["is null", (q) => q.is("price", null), [3]],
  ["isDistinct", (q) => q.isDistinct("price", 8), [1, 3, 4]],
  ["in", (q) => q.in("id", [1, 3, 9]), [1, 3]],
  ["in with reserved characters", (q) => q.in("title", ["Tide, Tables (2nd)", "Northern Kites"]), [3, 4]],
  ["notIn", (q) => q.notIn("id", [1, 3]), [2, 4]],
  ["contains, an array", (q) => q.contains("tags", ["sea"]), [1, 4]],
  ["contains, an object", (q) => q.contains("info", { format: { cover: "soft" } }), [2]],
  ["containedBy", (q) => q.containedBy("tags", ["sea", "finance"]), [2, 3, 4]],
  ["overlaps", (q) => q.overlaps("tags", ["history", "finance"]), [1, 2]],
  ["match", (q) => q.match({ author_id: 1, pages: 198 }), [2]],
  ["not", (q) => q.not("price", "is", null), [1, 2, 4]],
  ["not in", (q) => q.not("id", "in", "(1,2)"), [3, 4]],
  ["or", (q) => q.or("id.eq.2,price.is.null"), [2, 3]],
  ["or with and inside", (q) => q.or('id.eq.4,and(pages.gt.200,title.not.like."Salt*")'), [3, 4]],
  ["filter", (q) => q.filter("pages", "in", "(90,254)"), [3, 4]],
  ["filter by a JSON path", (q) => q.eq("info->format->>cover", "hard"), [1]],
  ["filter by a number in JSON", (q) => q.gt("info->grams", 100), [1, 2]],
  ["filter by a computed column", (q) => q.eq("shelf", "N"), [3]],
  ["textSearch", (q) => q.textSearch("blurb", "'ships' & 'lighthouse'", { config: "english" }), [1]],
  ["textSearch, plain", (q) => q.textSearch("blurb", "harbour ship", { type: "plain", config: "english" }), [4]],
  ["textSearch, phrase", (q) => q.textSearch("blurb", "low water", { type: "phrase", config: "english" }), [4]],
  ["textSearch, websearch", (q) => q.textSearch("blurb", "ships -harbour", { type: "websearch", config: "english" }), [1]],
];

const ranges = [
  ["rangeGt", (q) => q.rangeGt("during", "[2024-01-01,2024-01-05)"), [2, 3]],
  ["rangeGte", (q) => q.rangeGte("during", "[2024-01-10,2024-01-12)"), [2, 3]],
  ["rangeLt", (q) => q.rangeLt("during", "[2024-01-18,2024-01-25)"), [1]],
  ["rangeLte", (q) => q.rangeLte("during", "[2024-01-05,2024-01-20)"), [1, 3]],
  ["rangeAdjacent", (q) => q.rangeAdjacent("during", "[2024-01-15,2024-01-16)"), [1]],
  ["overlaps, a range", (q) => q.overlaps("during", "[2024-01-14,2024-01-15)"), [1, 3]],
  ["contains, a range", (q) => q.contains("during", "[2024-02-02,2024-02-03)"), [2]],
  ["is true", (q) => q.is("returned", true), [1]],
  ["is null", (q) => q.is("returned", null), [3]],
];

// What a select makes of one book.
const shapes = [
  ["columns with blanks", "id , title", 4, { id: 4, title: "Tide, Tables (2nd)" }],
  ["aliases and casts", "number:id::text,name:title", 1, { number: "1", name: "Salt Harbour" }],
  ["JSON paths", "info->format->>cover,heavy:info->grams,prize:info->awards->>0", 1,
    { cover: "hard", heavy: 420, prize: "Kestrel Prize" }],
  ["a computed column", "id,shelf", 2, { id: 2, shelf: "T" }],
  ["to-one", "title,authors(name)", 1, { title: "Salt Harbour", authors: { name: "Selma Varga" } }],
  ["to-one that is null", "id,authors(name)", 4, { id: 4, authors: null }],
  ["an alias and a hint", "id,writer:authors!books_author_id_fkey(born)", 2, { id: 2, writer: { born: "1961-02-03" } }],
  ["by the name of the column", "id,author_id(name)", 2, { id: 2, author_id: { name: "Selma Varga" } }],
  ["many-to-many", "id,genres(name)", 4, { id: 4, genres: [{ name: "reference" }] }],
  ["to oneself, up", "id,before:sequel_of(title)", 2, { id: 2, before: { title: "Salt Harbour" } }],
  ["to oneself, down", "id,after:books!sequel_of(id)", 1, { id: 1, after: [{ id: 2 }] }],
  ["three levels", "id,authors(name,books(id,genres(name)))", 3,
    { id: 3, authors: { name: "Tomas Reed", books: [{ id: 3, genres: [] }] } }],
  ["spread to-one", "id,...authors(author:name,country)", 1, { id: 1, author: "Selma Varga", country: "HU" }],
  ["spread to-many", "id,...genres(names:name)", 4, { id: 4, names: ["reference"] }],
  ["a computed relationship", "id,companions(title)", 1, { id: 1, companions: [{ title: "The Quiet Ledger" }] }],
  ["nothing of what is embedded", "id,authors()", 1, { id: 1 }],
];

// reads adds the tests of one client; loans are the ids of the loans that it may see.
export function reads(client, loans) {
  const books = (columns = "id", options) => client.from("books").select(columns, options);

  for (const [name, filter, want] of filters) {
    it(name, async () => assert.deepEqual(ids(await rows(filter(books()).order("id"))), want));
  }
  for (const [name, filter, want] of ranges) {
    it(name, async () => {
      const seen = want.filter((id) => loans.includes(id));
      assert.deepEqual(ids(await rows(filter(client.from("loans").select("id")).order("id"))), seen);
    });
  }
  for (const [name, columns, id, want] of shapes) {
    it(`select ${name}`, async () => assert.deepEqual(await rows(books(columns).eq("id", id).single()), want));
  }

  it("a star with additions", async () => {
    const book = await rows(books("*,shelf").eq("id", 3).single());
    assert.deepEqual([Object.keys(book).length, book.title, book.shelf], [11, "Northern Kites", "N"]);
  });

  it("what is embedded shows only what the client may see", async () => {
    const found = await rows(books("id,loans(id)").order("id").order("id", { referencedTable: "loans" }));
    assert.deepEqual(found.map((book) => ids(book.loans)), [[1, 2], [3], [], []].map((all) => all.filter((id) => loans.includes(id))));
  });

  it("filters, orders and limits what is embedded", async () => {
    const query = client.from("authors").select("name,books(title)").eq("id", 1);
    const titles = async (q) => (await rows(q.single())).books.map((book) => book.title);
    const byTitle = { referencedTable: "books" };
    assert.deepEqual(await titles(query.order("title", { ...byTitle, ascending: false })), ["The Quiet Ledger", "Salt Harbour"]);
    assert.deepEqual(await titles(query.limit(1, byTitle)), ["The Quiet Ledger"]);
    assert.deepEqual(await titles(query.range(1, 1, byTitle)), ["Salt Harbour"]);
    const filtered = client.from("authors").select("name,books(title)").eq("id", 1);
    assert.deepEqual(await titles(filtered.gt("books.pages", 200)), ["Salt Harbour"]);
    const either = client.from("authors").select("name,books(title)").eq("id", 1);
    assert.deepEqual(await titles(either.or("pages.gt.300,price.eq.8", byTitle).order("id", byTitle)), ["Salt Harbour", "The Quiet Ledger"]);
  });

  it("inner embedding and is.null keep and drop rows", async () => {
    assert.deepEqual(ids(await rows(books("id,authors!inner(id)").eq("authors.country", "HU").order("id"))), [1, 2]);
    assert.deepEqual(ids(await rows(books("id,authors(id)").is("authors", null))), [4]);
    assert.deepEqual(ids(await rows(books("id,genres()").not("genres", "is", null).order("id"))), [1, 2, 4]);
  });

  it("a view embeds, and is embedded", async () => {
    const short = client.from("short_books").select("title,authors(name)").order("id");
    assert.deepEqual((await rows(short)).map((book) => book.authors?.name ?? null), ["Selma Varga", null]);
    const writers = client.from("authors").select("id,short_books(title)").eq("id", 1).single();
    assert.deepEqual((await rows(writers)).short_books, [{ title: "The Quiet Ledger" }]);
  });

  it("order: directions, nulls, two columns, a JSON path, an embedded column", async () => {
    assert.deepEqual(ids(await rows(books().order("price", { nullsFirst: true }).order("id"))), [3, 4, 2, 1]);
    assert.deepEqual(ids(await rows(books().order("price", { ascending: false, nullsFirst: false }))), [1, 2, 4, 3]);
    assert.deepEqual(ids(await rows(books().order("author_id", { nullsFirst: false }).order("pages"))), [2, 1, 3, 4]);
    assert.deepEqual(ids(await rows(books().order("info->grams", { nullsFirst: false }))), [4, 2, 1, 3]);
    assert.deepEqual(ids(await rows(books("id,authors(id)").order("authors(name)", { ascending: false }).order("id"))), [4, 3, 1, 2]);
  });

  it("limit, range and the three counts", async () => {
    assert.deepEqual(ids(await rows(books().order("id").limit(2))), [1, 2]);
    assert.deepEqual(ids(await rows(books().order("id").range(1, 2))), [2, 3]);
    const exact = await books("id", { count: "exact" }).order("id").range(2, 9);
    assert.deepEqual([exact.status, exact.count, ids(exact.data)], [206, 4, [3, 4]]);
    const all = await books("id", { count: "exact" });
    assert.deepEqual([all.status, all.count], [200, 4]);
    for (const count of ["planned", "estimated"]) {
      const about = await books("id", { count });
      assert.equal(about.error, null);
      assert.ok(Number.isInteger(about.count), `${count}: ${about.count}`);
    }
    await fails(books("id", { count: "exact" }).range(9, 12), 416, "PGRST103");
  });

  it("head answers the count alone", async () => {
    const head = await books("*", { head: true, count: "exact" });
    assert.deepEqual([head.status, head.count, head.data, head.error], [200, 4, null, null]);
  });

  it("single and maybeSingle", async () => {
    assert.equal((await rows(books("title").eq("id", 2).single())).title, "The Quiet Ledger");
    assert.equal(await rows(books().eq("id", 9).maybeSingle()), null);
    assert.deepEqual(await rows(books().eq("id", 1).maybeSingle()), { id: 1 });
    const none = await fails(books().eq("id", 9).single(), 406, "PGRST116");
    assert.deepEqual([none.message, none.details], ["Cannot coerce the result to a single JSON object", "The result contains 0 rows"]);
    await fails(books().single(), 406, "PGRST116");
    await fails(books().maybeSingle(), 406, "PGRST116");
  });

  it("csv", async () => {
    const text = await rows(books("id,title,price").order("id").range(2, 3).csv());
    assert.equal(text, 'id,title,price\n3,"Northern Kites",\n4,"Tide, Tables (2nd)",3.20');
  });

  it("stripNulls", async () => {
    assert.deepEqual(await rows(books("id,price").gte("id", 3).order("id").stripNulls()), [{ id: 3 }, { id: 4, price: 3.2 }]);
    assert.deepEqual(await rows(books("id,price").eq("id", 3).stripNulls().single()), { id: 3 });
  });

  it("explain and aggregates are refused unless the operator turns them on", async () => {
    await fails(books().explain(), 406, "PGRST107");
    await fails(books("pages.sum()"), 400, "PGRST123");
  });

  it("schema: a local project has one, whatever it is called", async () => {
    for (const name of ["project", "public", "internal"]) {
      assert.deepEqual(ids(await rows(client.schema(name).from("books").select("id").eq("id", 1))), [1]);
    }
  });

  it("refusals carry code, details and a hint that names the near miss", async () => {
    const table = await fails(client.from("boks").select(), 404, "PGRST205");
    assert.match(table.hint, /books/);
    const column = await fails(books("titel"), 400, "42703");
    assert.match(column.hint ?? column.message, /titel|title/);
    const relation = await fails(books("id,author(name)"), 400, "PGRST200");
    assert.match(relation.hint, /authors/);
    await fails(client.from("genres").select("id,books!wrong(id)"), 400, "PGRST200");
    await fails(books("id").eq("authors.name", "x"), 400, "PGRST108");
    await fails(books().eq("pages", "many"), 400, "22P02");
    await fails(books().or("pages.eq.1,)"), 400, "PGRST100");
  });

  it("throwOnError throws what the database said", async () => {
    await assert.rejects(Promise.resolve(books().eq("pages", "many").throwOnError()), (error) => {
      assert.deepEqual([error.name, error.code], ["PostgrestError", "22P02"]);
      return true;
    });
    assert.deepEqual((await books().eq("id", 1).throwOnError()).data, [{ id: 1 }]);
  });

  it("abortSignal ends a request", async () => {
    const stop = new AbortController();
    const nap = client.rpc("nap", { seconds: 10 }).abortSignal(stop.signal);
    setTimeout(() => stop.abort(), 50);
    const { error, status } = await nap;
    assert.equal(status, 0);
    assert.match(error.message, /abort/i);
  });

  it("getOpenApiSpec", async () => {
    const { data, error } = await client.getOpenApiSpec();
    assert.equal(error, null);
    assert.equal(data.swagger, "2.0");
    assert.ok(data.paths["/books"].get && data.paths["/rpc/add"].post && data.definitions.books.properties.title);
  });
}
