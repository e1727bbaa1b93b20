// email.send of the library that functions use, unchanged: both of its modes, and what it throws. The project has no
// relay, so mail is kept in its outbox.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { email } from "@run402/functions";
import { email as email4 } from "functions4";

const { RUN402_API_BASE, RUN402_SERVICE_KEY } = process.env;

// call asks one route of /mailboxes/v1.
async function call(status, method, path, body) {
  const response = await fetch(`${RUN402_API_BASE}/mailboxes/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${RUN402_SERVICE_KEY}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, status, `${method} ${path}: ${text}`);
  return JSON.parse(text);
}

const letter = (to, more) => ({ to, subject: "Grüße", html: "<p>Your <b>order</b> is on its way.</p>", ...more });

describe("email.send", { concurrency: false }, () => {
  let box;

  it("says what to do when there is no mailbox", async () => {
    await assert.rejects(email.send(letter("ana@example.com")), (error) => {
      assert.equal(error.name, "EmailConfigurationError");
      assert.equal(error.code, "DEFAULT_MAILBOX_REQUIRED");
      assert.equal(error.next_actions[0].path, "/mailboxes/v1");
      assert.deepEqual(error.next_actions[0].fields, { slug: "notifications" });
      return true;
    });
  });

  it("asks which of several, when none is the default", async () => {
    box = await call(201, "POST", "", { slug: "shop" });
    const second = await call(201, "POST", "", { slug: "orders" });
    await call(200, "PATCH", "/settings", { default_outbound_mailbox_id: null });
    await assert.rejects(email.send(letter("ana@example.com")), (error) => {
      assert.equal(error.code, "AMBIGUOUS_MAILBOX");
      assert.deepEqual(error.details.candidates.map((c) => c.slug).sort(), ["orders", "shop"]);
      return true;
    });
    await call(200, "DELETE", `/${second.mailbox_id}`);
  });

  it("sends HTML with a text of its own, from the only mailbox", async () => {
    const sent = await email.send(letter("ana@example.com", { from_name: "The shop" }));
    assert.equal(sent.mailbox_id, box.mailbox_id);
    assert.equal(sent.from_address, box.address);
    assert.equal(sent.status, "kept");
    assert.equal(sent.template, null);
    const got = await call(200, "GET", `/${box.mailbox_id}/messages/${sent.message_id}`);
    assert.equal(got.body_text, "Your order is on its way.");
    assert.equal(got.subject, "Grüße");
  });

  it("sends the text that it is given", async () => {
    const sent = await email.send(letter("ana@example.com", { text: "Plain." }));
    assert.equal(sent.body_text, "Plain.");
  });

  for (const [template, variables, subject] of [
    ["project_invite", { project_name: "Shop", invite_url: "https://shop.example.com/i" }, "You are invited to Shop"],
    ["magic_link", { project_name: "Shop", link_url: "https://shop.example.com/l", expires_in: "15 minutes" }, "Sign in to Shop"],
    ["notification", { project_name: "Shop", message: "Your order is here" }, "A message from Shop"],
  ]) {
    it(`sends the template ${template}`, async () => {
      const sent = await email.send({ to: "ana@example.com", template, variables });
      assert.equal(sent.template, template);
      assert.equal(sent.subject, subject);
    });
  }

  it("works in version 4 of the library", async () => {
    const sent = await email4.send(letter("ana@example.com"));
    assert.equal(sent.status, "kept");
  });

  it("throws what the gateway says of an unknown template, a bad address and a missing subject", async () => {
    for (const wrong of [
      { to: "ana@example.com", template: "welcome", variables: {} },
      letter("Ana <ana@example.com>"),
      letter("ana@example.com", { subject: "" }),
      letter("ana@example.com", { subject: "a\r\nBcc: eve@example.org" }),
    ]) {
      await assert.rejects(email.send(wrong), { message: "Email send failed (400): invalid_request" });
    }
  });

  it("throws what the gateway says of a suppressed recipient", async () => {
    await call(201, "POST", "/suppressions", { address: "gone@example.com" });
    await assert.rejects(email.send(letter("gone@example.com")), {
      message: "Email send failed (403): recipient_suppressed",
    });
  });

  it("throws what the gateway says beyond the rate", async () => {
    const sending = Array.from({ length: 61 }, () => email.send(letter("ana@example.com")));
    const refused = (await Promise.allSettled(sending)).filter((result) => result.status === "rejected");
    assert.ok(refused.length > 0);
    for (const { reason } of refused) {
      assert.equal(reason.message, "Email send failed (429): mailbox_send_rate_limited");
    }
  });
});
