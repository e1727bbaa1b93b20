// People who sign up at the gateway, as functions of the newest library see them: version 4 verifies tokens by the
// keyset that it fetches, and by nothing else.
import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { adminDb, auth, db, runWithContext } from "functions4";

const { ANA_TOKEN, RUN402_ANON_KEY, RUN402_API_BASE, RUN402_PROJECT_ID, RUN402_SERVICE_KEY } = process.env;

// call asks one route of /auth/v1, and wants its status.
async function call(status, method, path, { key = RUN402_ANON_KEY, bearer, body } = {}) {
  const response = await fetch(`${RUN402_API_BASE}/auth/v1/${path}`, {
    method,
    headers: { apikey: key, "content-type": "application/json", ...(bearer && { authorization: `Bearer ${bearer}` }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, status, `${method} ${path}: ${text}`);
  return text && JSON.parse(text);
}

const signUp = (email) => call(201, "POST", "signup", { body: { email, password: "correct horse" } });
const signIn = (email) => call(200, "POST", "token", { body: { email, password: "correct horse" } });
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

// within runs a function's code as the platform does for a request that bears a token.
const within = (token, code, projectId = RUN402_PROJECT_ID) =>
  runWithContext({ request: { headers: { authorization: `Bearer ${token}` } }, projectId, actor: null }, code);

describe("a user who signed in, inside a function", () => {
  let session;
  before(async () => {
    await signUp("cleo@example.com");
    session = await signIn("cleo@example.com");
  });

  it("auth.user() is the user", async () => {
    const user = await within(session.access_token, () => auth.user());
    assert.deepEqual(
      { id: user.id, email: user.email, projectId: user.projectId, amr: user.amr, sessionId: user.sessionId },
      {
        id: session.user.id,
        email: "cleo@example.com",
        projectId: RUN402_PROJECT_ID,
        amr: ["password"],
        sessionId: claims(session.access_token).session_id,
      },
    );
  });

  it("auth.user() after a refresh is still the user", async () => {
    session = await call(200, "POST", "token?grant_type=refresh_token", {
      body: { refresh_token: session.refresh_token },
    });
    assert.equal((await within(session.access_token, () => auth.user())).id, session.user.id);
  });

  it("auth.user() of a developer's token is whom it names", async () => {
    const body = { project_id: RUN402_PROJECT_ID, sub: session.user.id };
    const { token } = await call(201, "POST", "dev-tokens", { bearer: RUN402_SERVICE_KEY, body });
    assert.equal((await within(token, () => auth.user())).id, session.user.id);
  });

  const part = (i) => session.access_token.split(".")[i];
  const forgeries = [
    ["a signature turned around", () => [part(0), part(1), [...part(2)].reverse().join("")].join(".")],
    ["no signature", () => `${part(0)}.${part(1)}.`],
    ["a token without a key's id", () => ANA_TOKEN], // HS256: whoever could check it could sign it
    ["nonsense", () => "nonsense"],
  ];
  for (const [name, forge] of forgeries) {
    it(`auth.user() of ${name} is null`, async () => assert.equal(await within(forge(), () => auth.user()), null));
  }
  it("auth.user() in another project is null", async () =>
    assert.equal(await within(session.access_token, () => auth.user(), "prj_0000000000000000"), null));

  it("db() reads as the user, under row level security", async () => {
    await adminDb().sql(`create table diary (owner text default auth.uid(), entry text);
      alter table diary enable row level security;
      create policy own on diary using (owner = auth.uid()) with check (owner = auth.uid())`);
    await within(session.access_token, () => db().from("diary").insert({ entry: "hers" }));
    await within(ANA_TOKEN, () => db().from("diary").insert({ entry: "ana's" }));
    const rows = await within(session.access_token, () => db().from("diary").select("entry"));
    assert.deepEqual(rows, [{ entry: "hers" }]);
  });
});

describe("functions-mcp token", () => {
  it("names the user who signs up with that address later", async () => {
    const { id } = await signUp("Ana@Example.com");
    assert.equal(claims(ANA_TOKEN).sub, id);
    assert.equal((await call(200, "GET", "user", { bearer: ANA_TOKEN })).id, id);
  });
});

describe("logout", () => {
  it("ends the session", async () => {
    await signUp("dora@example.com");
    const session = await signIn("dora@example.com");
    await call(204, "POST", "logout", { bearer: session.access_token });
    const body = { refresh_token: session.refresh_token };
    assert.equal((await call(401, "POST", "token?grant_type=refresh_token", { body })).code, "INVALID_REFRESH_TOKEN");
    assert.equal((await call(401, "GET", "user", { bearer: session.access_token })).code, "AUTHENTICATION_REQUIRED");
  });
});
