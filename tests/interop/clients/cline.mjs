// A reader of Cline's settings, on the SDK that Cline uses: `cline.mjs transport-sse|no-type|streamable-http`.
//
// Cline knows `type` and the older `transportType`. An entry with a URL and neither is HTTP+SSE, and it
// drops fields that it does not know, such as `"transport": "http+sse"`. It then opens the stream at the
// very URL of the entry.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, headers, live, transportName, url } from "./scenario.mjs";

const entries = {
  "transport-sse": { url: url.origin, transport: "http+sse", headers },
  "no-type": { url: url.href, headers },
  "streamable-http": { type: "streamableHttp", url: url.href, headers, timeout: 60 },
};

function connect(entry) {
  const address = new URL(entry.url);
  const requestInit = { headers: entry.headers };
  if (entry.type === "streamableHttp") {
    return new StreamableHTTPClientTransport(address, { requestInit });
  }
  // The options of the stream are Cline's: they replace the fetch of the SDK with one that passes its headers on.
  const eventSourceInit = {
    max_retry_time: 5000,
    withCredentials: Boolean(entry.headers.Authorization),
    fetch: (target, init) => fetch(target, { ...init, headers: new Headers(init?.headers) }),
  };
  return new SSEClientTransport(address, { requestInit, eventSourceInit });
}

/** Cline asks for these lists at once after it connects, and takes an error for an empty list. */
async function orEmpty(list) {
  try {
    return await list;
  } catch (error) {
    expect(error.code === -32601, "a list fails with something else than method not found", String(error));
    return {};
  }
}

const client = new Client({ name: "Cline", version: "3.0.0" }, { capabilities: {} });
await client.connect(connect(entries[transportName]));
await orEmpty(client.listResources());
await orEmpty(client.listResourceTemplates());
await orEmpty(client.listPrompts());
await live(client);
await client.close();
