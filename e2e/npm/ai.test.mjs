// The AI helpers of the library that Run402 functions use, unchanged, against a gateway that npm_test.go started with a
// server that speaks OpenAI's API (gateway/ai/aitest). A text with "(refuse STATUS CODE)" makes that server refuse it.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ai } from "@run402/functions";
import { ai as ai4 } from "functions4";

const throws = (call, message) => assert.rejects(call, (error) => {
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /sk-|quotes/);
  return true;
});

for (const [version, library] of [["3", ai], ["4", ai4]]) {
  describe(`ai of @run402/functions ${version}`, () => {
    it("translates", async () => {
      const out = await library.translate("Hello {name}", "es", { context: "a greeting" });
      assert.deepEqual([out.text, out.from, out.to], ["[es] Hello {name}", "en", "es"]);
      const given = await library.translate("Bonjour", "es", { from: "fr" });
      assert.equal(given.from, "fr");
    });

    it("moderates", async () => {
      const bad = await library.moderate("I will kill you");
      assert.equal(bad.flagged, true);
      assert.equal(bad.categories.violence, true);
      assert.equal(bad.category_scores.violence, 0.97);
      assert.equal((await library.moderate("Hello")).flagged, false);
    });

    it("makes images", async () => {
      const out = await library.generateImage({ prompt: " a house ", aspect: "landscape" });
      assert.deepEqual([out.content_type, out.aspect], ["image/png", "landscape"]);
      const bytes = Buffer.from(out.image, "base64");
      assert.deepEqual([...bytes.subarray(1, 4)].map((c) => String.fromCharCode(c)).join(""), "PNG");
      assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [1536, 864]);
    });

    it("throws what the gateway refuses", async () => {
      await throws(library.translate("", "es"), /^Translation failed \(400\): invalid_request$/);
      await throws(library.translate("a".repeat(10001), "es"), /^Translation failed \(400\): invalid_request$/);
      await throws(library.translate("Hello", "klingon"), /^Translation failed \(400\): invalid_request$/);
      await throws(library.translate("a\u0000b", "es"), /^Translation failed \(400\)/);
      await throws(library.moderate(""), /^Moderation failed \(400\): invalid_request$/);
      await throws(library.generateImage({ prompt: "a".repeat(1001) }), /^Image generation failed \(400\): INVALID_REQUEST: prompt/);
      await throws(library.generateImage({ prompt: "a", aspect: "round" }), /Invalid image aspect/);
    });

    it("throws what the provider refuses", async () => {
      for (const [refusal, status, code] of [
        ["401 invalid_api_key", 502, "provider_access_denied"],
        ["404 model_not_found", 502, "provider_rejected"],
        ["429 insufficient_quota", 429, "provider_rate_limited"],
        ["400 content_policy_violation", 400, "content_rejected"],
        ["501 none", 502, "provider_unavailable"],
      ]) {
        const text = `Hello (refuse ${refusal})`;
        await throws(library.translate(text, "es"), new RegExp(`^Translation failed \\(${status}\\): ${code}$`));
        await throws(library.generateImage({ prompt: text }),
          new RegExp(`^Image generation failed \\(${status}\\): ${code.toUpperCase()}: `));
      }
    });
  });
}

it("throws when the month's images are used up", async () => {
  await ai.generateImage({ prompt: "a house" });
  await throws(ai.generateImage({ prompt: "a house" }), /^Image generation failed \(403\): QUOTA_EXCEEDED: /);
});

it("throws without the service key", async () => {
  const key = process.env.RUN402_SERVICE_KEY;
  process.env.RUN402_SERVICE_KEY = process.env.RUN402_ANON_KEY;
  try {
    await throws(ai.moderate("Hello"), /^Moderation failed \(403\): forbidden$/);
  } finally {
    process.env.RUN402_SERVICE_KEY = key;
  }
});
