// The client that people write for PostgREST with, unchanged, against a gateway that npm_test.go started: as nobody and
// as a user on the caller plane, and with the service key on the admin plane.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { calls } from "./postgrest/call.mjs";
import { admin, ana, anon, createLibrary, fails, sql } from "./postgrest/library.mjs";
import { reads } from "./postgrest/read.mjs";
import { writes } from "./postgrest/write.mjs";

before(() => sql(createLibrary));

describe("postgrest-js reads as nobody", () => reads(anon, []));
describe("postgrest-js reads as a user", () => reads(ana, [1, 3]));
describe("postgrest-js reads as the admin", () => reads(admin, [1, 2, 3]));
describe("postgrest-js calls as a user", () => calls(ana));
describe("postgrest-js calls as the admin", () => calls(admin));
describe("postgrest-js writes as a user", () => writes(ana, "stock_caller", { bound: true }));
describe("postgrest-js writes as the admin", () => writes(admin, "stock_admin", { bound: false }));

describe("postgrest-js as nobody", () => {
  it("may not write what only users may", async () => {
    await sql("create table guarded (id int primary key); alter table guarded enable row level security");
    const error = await fails(anon.from("guarded").insert({ id: 1 }), 401, "42501");
    assert.match(error.message, /permission denied/);
  });
});
