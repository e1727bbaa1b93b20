// rpc, as postgrest-js calls it.
import assert from "node:assert/strict";
import { it } from "node:test";
import { fails, rows } from "./library.mjs";

export function calls(client) {
  const verbs = [["POST", {}], ["GET", { get: true }]];
  for (const [verb, options] of verbs) {
    it(`${verb}: scalars and defaults`, async () => {
      assert.equal(await rows(client.rpc("add", { a: 1, b: 2 }, options)), 3);
      assert.equal(await rows(client.rpc("add", { a: 1 }, options)), 11);
    });

    it(`${verb}: a set with filters, order, range and embedding`, async () => {
      const long = () => client.rpc("longer_than", { pages: 100 }, options);
      assert.deepEqual(await rows(long().select("id").order("id", { ascending: false })), [{ id: 3 }, { id: 2 }, { id: 1 }]);
      assert.deepEqual(await rows(long().select("id").eq("author_id", 1).order("id").limit(1)), [{ id: 1 }]);
      assert.deepEqual(await rows(long().select("id,authors(name)").eq("id", 3).single()), { id: 3, authors: { name: "Tomas Reed" } });
      assert.equal(await rows(long().select("id").eq("id", 4).maybeSingle()), null);
    });

    it(`${verb}: a count`, async () => {
      const { count, status, data } = await client.rpc("longer_than", { pages: 100 }, { ...options, count: "exact" }).range(0, 1);
      assert.deepEqual([count, status, data.length], [3, 206, 2]);
    });

    it(`${verb}: one row`, async () => {
      assert.equal((await rows(client.rpc("first_author", {}, options))).name, "Selma Varga");
    });
  }

  it("HEAD answers the count alone", async () => {
    const head = await client.rpc("longer_than", { pages: 100 }, { head: true, count: "exact" });
    assert.deepEqual([head.status, head.count, head.data], [200, 3, null]);
  });

  it("arrays, as a GET and as variadic arguments", async () => {
    assert.equal(await rows(client.rpc("join_words", { words: ["so", "it", "goes"] })), "so it goes");
  });

  it("a JSON argument", async () => assert.equal(await rows(client.rpc("describe", { doc: [1, { a: 2 }] })), "array"));

  it("void answers nothing", async () => {
    const { status, data, error } = await client.rpc("nothing");
    assert.deepEqual([status, data, error], [204, null, null]);
  });

  it("a GET may not call what writes or may write", async () => {
    const { status, error } = await client.rpc("nothing", {}, { get: true });
    assert.ok(error === null ? status === 204 : status === 405, `${status} ${JSON.stringify(error)}`);
  });

  it("errors that a function raises", async () => {
    const error = await fails(client.rpc("complain", { why: "teapot" }), 418, "PT418");
    assert.deepEqual([error.message, error.details, error.hint], ["teapot", "short and stout", "tip me"]);
  });

  it("a near miss is named", async () => {
    const error = await fails(client.rpc("ad", { a: 1 }), 404, "PGRST202");
    assert.match(error.hint, /add/);
    await fails(client.rpc("add", { c: 1 }), 404, "PGRST202");
  });
}
