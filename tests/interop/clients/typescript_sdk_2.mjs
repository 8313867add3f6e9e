// The official TypeScript SDK 2.x:
// `typescript_sdk_2.mjs http-legacy|http-auto|http-modern|sse|stdio-legacy|stdio-auto`.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, headers, live, sseUrl, stdio, transportName, url } from "./scenario.mjs";

const requestInit = { headers };
const [kind, era = "legacy"] = transportName.split("-");
const transports = {
  http: () => new StreamableHTTPClientTransport(url, { requestInit }),
  sse: () => new SSEClientTransport(sseUrl, { requestInit }),
  stdio: () => new StdioClientTransport(stdio),
};
const mode = era === "modern" ? { pin: "2026-07-28" } : era;

const client = new Client({ name: "typescript-sdk-2", version: "1.0.0" }, { versionNegotiation: { mode } });
await client.connect(transports[kind]());
const expected = era === "legacy" ? "legacy" : "modern";
expect(client.getProtocolEra() === expected, "era", client.getProtocolEra());
await live(client);
await client.close();
