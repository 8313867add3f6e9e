// The official TypeScript SDK 1.x: `typescript_sdk_1.mjs http|sse|sse-root|sse-mcp|stdio`.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { baseUrl, headers, live, sseUrl, stdio, transportName, url } from "./scenario.mjs";

const requestInit = { headers };
const transports = {
  http: () => new StreamableHTTPClientTransport(url, { requestInit }),
  sse: () => new SSEClientTransport(sseUrl, { requestInit }),
  "sse-root": () => new SSEClientTransport(baseUrl, { requestInit }),
  "sse-mcp": () => new SSEClientTransport(url, { requestInit }),
  stdio: () => new StdioClientTransport(stdio),
};

const client = new Client({ name: "typescript-sdk-1", version: "1.0.0" });
const transport = transports[transportName]();
await client.connect(transport);
const heard = [];
client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => heard.push(params.uri));
await live(client, heard);
if (transportName === "http") {
  await transport.terminateSession();
}
await client.close();
