// A real authorization server on loopback, oidc-provider with its development logins:
// `authorization_server.mjs RESOURCE`. Prints one JSON line with its issuer when it is ready.
//
// Clients register themselves, and tokens are JWTs for the resource that they name (RFC 8707).

import { createServer } from "node:http";
import Provider from "oidc-provider";

const [resource] = process.argv.slice(2);
const scopes = "kasm:read kasm:use kasm:admin";

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    cookies: { keys: ["only for this run"] },
    features: {
      devInteractions: { enabled: true },
      registration: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        getResourceServerInfo: async (_, indicator) => {
          if (indicator !== resource) {
            throw new Error(`the resource is ${indicator}`);
          }
          return { scope: scopes, audience: resource, accessTokenFormat: "jwt", accessTokenTTL: 300 };
        },
      },
    },
    // Whoever signs in is who they say: it is their Kasm user's id.
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    scopes: scopes.split(" "),
    pkce: { required: () => true },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
