// The OAuth client of the official TypeScript SDK 2.x, through the whole flow: `typescript_oauth.mjs http-auto`.
//
// 401, RFC 9728, discovery, registration, code with PKCE and resource, token, scenario. A person is played by
// requests that fill in the authorization server's forms.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { expect, live, TOOLS_OF_USE, url } from "./scenario.mjs";

const CALLBACK = "http://127.0.0.1:1/callback";
const FORM = "application/x-www-form-urlencoded";

/** Follows the browser's way from the authorization URL to the callback. Gives the callback's parameters. */
async function signIn(start, login) {
  const cookies = new Map();
  let next = new URL(start);
  let body;
  for (let step = 0; step < 20; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = body ? { cookie, "content-type": FORM } : { cookie };
    const method = body ? "POST" : "GET";
    const answer = await fetch(next, { method, headers, body, redirect: "manual" });
    for (const line of answer.headers.getSetCookie()) {
      const [name, ...value] = line.split(";")[0].split("=");
      cookies.set(name, value.join("="));
    }
    const page = await answer.text();
    body = undefined;
    const location = answer.headers.get("location");
    if (location) {
      next = new URL(location, next);
      if (next.href.startsWith(CALLBACK)) {
        return next.searchParams;
      }
      continue;
    }
    const action = page.match(/<form[^>]*action="([^"]+)"/);
    expect(answer.ok && action, "a form", [answer.status, page.slice(0, 2_000)]);
    next = new URL(action[1], next);
    const prompt = page.match(/name="prompt" value="(\w+)"/)?.[1];
    body = new URLSearchParams({ prompt, ...(prompt === "login" && { login, password: "x" }) }).toString();
  }
  throw new Error("FAILED: the sign-in does not end");
}

/** What a client keeps, and where it sends its user. */
const kept = {};
const provider = {
  redirectUrl: CALLBACK,
  clientMetadata: {
    client_name: "interop",
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
    application_type: "native",
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.tokens,
  saveTokens: (tokens) => void (kept.tokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  discoveryState: () => kept.discovery,
  saveDiscoveryState: (discovery) => void (kept.discovery = discovery),
  redirectToAuthorization: (to) => void (kept.authorization = to),
};

const transport = () => new StreamableHTTPClientTransport(url, { authProvider: provider });
const make = () => new Client({ name: "typescript-oauth", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });

const first = transport();
try {
  await make().connect(first);
  throw new Error("FAILED: nobody was asked to sign in");
} catch (error) {
  expect(error instanceof UnauthorizedError || /unauthorized/i.test(String(error)), "401", String(error));
}
const asked = kept.authorization.searchParams;
expect(asked.get("resource") === url.href, "resource", asked.get("resource"));
expect(asked.get("code_challenge_method") === "S256", "PKCE", [...asked]);
expect(asked.get("scope").includes("kasm:use"), "the scope of the challenge", asked.get("scope"));
await first.finishAuth(await signIn(kept.authorization, process.env.KASM_USER_ID));
expect(kept.tokens.access_token.split(".").length === 3, "a JWT", Object.keys(kept.tokens));

const client = make();
const second = transport();
await client.connect(second);

// More than was asked for: the server says which scope is missing, and the client asks for that.
// This authorization server binds a registration to the scopes of its time, so there has to be another.
kept.client = undefined;
const all = { name: "list_all_sessions", arguments: {} };
const refused = await client.callTool(all).then(() => undefined, (error) => error);
expect(refused, "a refusal of what needs more scope");
const more = kept.authorization.searchParams.get("scope");
expect(more.includes("kasm:admin"), "the scope that is missing", [more, String(refused)]);
await second.finishAuth(await signIn(kept.authorization, process.env.KASM_USER_ID));
const done = await client.callTool(all);
expect(!done.isError, "the same call with more scope", done);

await live(client, undefined, TOOLS_OF_USE);
await client.close();
