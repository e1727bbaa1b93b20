// assets.put, assets.list and assets.fromRef of @run402/functions, unchanged, with every option that they have.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, it } from "node:test";
import { assets } from "@run402/functions";
import { assets as assets4 } from "functions4";

const { RUN402_API_BASE } = process.env;

const hash = (bytes, encoding) => createHash("sha256").update(bytes).digest(encoding);
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);
const body = async (url) => Buffer.from(await (await fetch(url)).arrayBuffer());

describe("assets.put", () => {
  it("returns the whole reference, in both spellings, and its URLs serve the bytes", async () => {
    const content = "body { color: teal }";
    const ref = await assets.put("npm/site.css", content);
    const hex = hash(content, "hex");
    const url = `${RUN402_API_BASE}/_blob/npm/site.css`;
    const lasting = `${RUN402_API_BASE}/_blob/npm/site-${hex.slice(0, 8)}.css`;
    assert.deepEqual(ref, {
      key: "npm/site.css",
      sha256: hex,
      size_bytes: content.length,
      content_type: "text/css; charset=utf-8",
      visibility: "public",
      immutable: true,
      url,
      immutable_url: lasting,
      cdn_url: url,
      cdn_immutable_url: lasting,
      sri: `sha256-${hash(content, "base64")}`,
      etag: `"sha256-${hex}"`,
      content_digest: `sha-256=:${hash(content, "base64")}:`,
      immutableUrl: lasting,
      cdnUrl: url,
      cdnImmutableUrl: lasting,
      size: content.length,
      contentType: "text/css; charset=utf-8",
      contentSha256: hex,
      metadata: null,
      image_format: null,
    });
    assert.equal(String(await body(ref.url)), content);
    assert.equal(String(await body(ref.immutableUrl)), content);
    assert.deepEqual(assets.fromRef(JSON.parse(JSON.stringify(ref))), ref);
  });

  it("takes bytes, and either field of a source", async () => {
    const ref = await assets.put("npm/dot.png", new Uint8Array(png));
    assert.deepEqual(
      [ref.content_type, ref.image_format, ref.width_px, ref.height_px, ref.image_exif_policy],
      ["image/png", "png", 1, 1, "keep"],
    );
    assert.deepEqual(await body(ref.cdnUrl), png);
    assert.equal((await assets.put("npm/a", { bytes: png })).sha256, ref.sha256);
    assert.equal((await assets.put("npm/b", { content: "caf\u00e9" })).size, 5);
  });

  it("takes every option", async () => {
    const ref = await assets.put("npm/all.bin", png, {
      contentType: "image/png",
      visibility: "private",
      immutable: false,
      metadata: { title: "caf\u00e9", n: 1.5, ok: true, tags: ["x", "y"], gone: null },
      exifPolicy: "strip",
    });
    assert.deepEqual(
      [ref.content_type, ref.visibility, ref.immutable, ref.url, ref.immutable_url, ref.cdn_url, ref.cdn_immutable_url],
      ["image/png", "private", false, null, null, null, null],
    );
    assert.deepEqual(ref.metadata, { title: "caf\u00e9", n: 1.5, ok: true, tags: ["x", "y"] });
    assert.equal(ref.image_exif_policy, "strip");
    assert.equal((await fetch(`${RUN402_API_BASE}/_blob/npm/all.bin`)).status, 404);
    assert.equal((await assets.put("npm/all.bin", png)).metadata, null); // left out is cleared
  });

  it("is the same in version 4", async () => {
    const ref = await assets4.put("npm/four.txt", "four", { immutable: false });
    assert.deepEqual([ref.immutable, ref.immutable_url], [false, null]);
    assert.equal(String(await body(ref.url)), "four");
  });

  it("says why it was refused", async () => {
    await assert.rejects(assets.put("../x", "x"), /Asset put failed \(400\): INVALID_STORAGE_KEY: /);
    await assert.rejects(assets.put("npm/x", "x", { visibility: "secret" }), /\(400\): INVALID_VISIBILITY: /);
    await assert.rejects(assets.put("npm/x", new Uint8Array(25 * 2 ** 20 + 1)), /\(413\): REQUEST_BODY_TOO_LARGE: /);
    const key = process.env.RUN402_SERVICE_KEY;
    process.env.RUN402_SERVICE_KEY = process.env.RUN402_ANON_KEY;
    try {
      await assert.rejects(assets.put("npm/x", "x"), /\(403\): FORBIDDEN: /);
    } finally {
      process.env.RUN402_SERVICE_KEY = key;
    }
  });
});

describe("assets.list", () => {
  it("pages, sorts and filters", async () => {
    for (const [i, name] of ["a", "b", "c"].entries()) {
      await assets.put(`list/${name}.png`, png, { metadata: { tags: [`t${i}`], uploaded_by: "ana" } });
    }
    const keys = async (options) => (await assets.list({ prefix: "list/", ...options })).blobs.map((row) => row.key);
    assert.deepEqual(await keys(), ["list/a.png", "list/b.png", "list/c.png"]);
    assert.deepEqual(await keys({ sort: "createdAt:desc" }), ["list/c.png", "list/b.png", "list/a.png"]);
    assert.deepEqual(await keys({ filter: { tag: "t1" } }), ["list/b.png"]);
    assert.deepEqual(await keys({ filter: { uploaded_by: "ben" } }), []);
    assert.equal((await keys({ filter: { is_image: true, format: "png", min_width: 1, max_height: 1 } })).length, 3);
    const first = await assets.list({ prefix: "list/", limit: 2 });
    assert.equal(first.blobs.length, 2);
    assert.deepEqual(await keys({ limit: 2, cursor: first.next_cursor }), ["list/c.png"]);
    const [row] = first.blobs;
    assert.deepEqual(
      [row.size_bytes, row.sha256, row.visibility, row.immutable_suffix, row.width_px, row.image_format, row.metadata],
      [png.length, hash(png, "hex"), "public", hash(png, "hex").slice(0, 8), 1, "png", { tags: ["t0"], uploaded_by: "ana" }],
    );
    await assert.rejects(keys({ sort: "createdAt:asc", cursor: first.next_cursor }), /\(400\): INVALID_CURSOR_FOR_SORT/);
  });
});
