// What every client does with the server: list the tools, live through one session, make two mistakes.
// The same as scenario.py.

import { setTimeout } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

const environment = process.env;

export const url = new URL(environment.MCP_URL);
export const baseUrl = new URL("/", url);
export const sseUrl = new URL("/sse", url);
export const headers = { Authorization: `Bearer ${environment.MCP_TOKEN}` };
export const transportName = process.argv[2];

/** What starts the server for the stdio transport. */
export const stdio = {
  command: environment.KASM_MCP_BIN,
  args: ["stdio"],
  env: Object.fromEntries(
    Object.entries(environment).filter(([name]) => name.startsWith("KASM_") || name === "PATH"),
  ),
};

const TOOLS = [
  "create_kasm_session",
  "destroy_kasm_session",
  "get_available_workspaces",
  "get_kasm_users",
  "get_session_status",
  "list_user_sessions",
  "pause_kasm_session",
  "resume_kasm_session",
];
const UNKNOWN_SESSION = "00000000000040008000000000000000";

export function expect(condition, message, value) {
  if (!condition) {
    throw new Error(`FAILED: ${message}: ${JSON.stringify(value)}`);
  }
}

/** The object of a result. Its text must be the same object. */
function bodyOf(result) {
  const text = result.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("");
  const parsed = JSON.parse(text);
  expect(isDeepStrictEqual(parsed, result.structuredContent), "text and structured content differ", result);
  return parsed;
}

async function succeed(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  expect(!result.isError, `${name} failed`, result);
  const body = bodyOf(result);
  expect(body.success === true && "data" in body && body.message, name, body);
  return body.data;
}

async function fail(client, name, args, errorType) {
  const result = await client.callTool({ name, arguments: args });
  expect(result.isError === true, `${name} did not fail`, result);
  const body = bodyOf(result);
  expect(body.success === false && body.error_type === errorType, `${name} is not ${errorType}`, body);
  expect(body.error && body.hint, `${name} does not say why`, body);
}

function firstImage(data) {
  const ready = data.workspaces.filter((entry) => entry.available ?? true);
  expect(ready.length > 0, "no workspace", data);
  return ready[0].image_id;
}

async function use(client, kasmId, created) {
  const id = { kasm_id: kasmId };
  expect(created.operational_status === "running", "not running", created);
  const status = await succeed(client, "get_session_status", id);
  expect(status.operational_status === "running", "not running", status);
  const sessions = await succeed(client, "list_user_sessions", {});
  expect(JSON.stringify(sessions).includes(kasmId), `${kasmId} is not among the sessions`, sessions);
  await succeed(client, "pause_kasm_session", id);
  await succeed(client, "resume_kasm_session", id);
}

/** What is no tool: resources, prompts and completion. */
async function lookAround(client, kasmId) {
  const uri = `kasm://sessions/${kasmId}`;
  const uris = (await client.listResources()).resources.map((resource) => resource.uri);
  const wanted = ["kasm://sessions", "kasm://workspaces", uri, `${uri}/screenshot`];
  expect(wanted.every((one) => uris.includes(one)), "resources", uris);
  const { resourceTemplates } = await client.listResourceTemplates();
  const templates = resourceTemplates.map((template) => template.uriTemplate);
  expect(templates.includes("kasm://sessions/{kasm_id}"), "templates", templates);
  const [status] = (await client.readResource({ uri })).contents;
  expect(status.mimeType === "application/json" && JSON.parse(status.text).kasm_id === kasmId, uri, status);
  const [screen] = (await client.readResource({ uri: `${uri}/screenshot` })).contents;
  const head = Buffer.from(screen.blob, "base64").subarray(1, 4).toString("latin1");
  expect(screen.mimeType === "image/jpeg" || head === "PNG", "screenshot", [screen.mimeType, head]);
  const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
  expect(prompts.includes("find_out_why"), "prompts", prompts);
  const filled = { name: "find_out_why", arguments: { problem: "all is blue", kasm_id: kasmId } };
  const [message] = (await client.getPrompt(filled)).messages;
  const { text } = message.content;
  expect(text.includes("all is blue") && text.includes(kasmId), "prompt", text);
  const ref = { type: "ref/prompt", name: "find_out_why" };
  const argument = { name: "kasm_id", value: kasmId.slice(0, 12) };
  const { completion } = await client.complete({ ref, argument });
  expect(isDeepStrictEqual(completion.values, [kasmId]), "completion", completion);
}

/** A change of a session is told to a client that subscribed to it. */
async function watch(client, kasmId, heard) {
  const uri = `kasm://sessions/${kasmId}`;
  await client.subscribeResource({ uri });
  await succeed(client, "extend_kasm_session", { kasm_id: kasmId });
  for (let looks = 0; !heard.includes(uri); looks += 1) {
    expect(looks < 200, "no change is told", heard);
    await setTimeout(50);
  }
  await client.unsubscribeResource({ uri });
}

/** What a caller sees that does not manage users. */
export const TOOLS_OF_USE = TOOLS.filter((name) => name !== "get_kasm_users");

/**
 * The whole scenario, with a connected client of either TypeScript SDK. `heard` is where a client that can
 * subscribe puts the URIs that it is told of.
 */
export async function live(client, heard, tools = TOOLS) {
  const names = (await client.listTools()).tools.map((tool) => tool.name);
  const missing = tools.filter((name) => !names.includes(name));
  expect(missing.length === 0, "tools are missing", missing);
  const image = firstImage(await succeed(client, "get_available_workspaces", {}));
  const created = await succeed(client, "create_kasm_session", { image_name: image });
  expect(created.kasm_id, "no kasm_id", created);
  try {
    await use(client, created.kasm_id, created);
    await lookAround(client, created.kasm_id);
    if (heard) {
      await watch(client, created.kasm_id, heard);
    }
  } finally {
    await succeed(client, "destroy_kasm_session", { kasm_id: created.kasm_id });
  }
  await fail(client, "get_session_status", { kasm_id: UNKNOWN_SESSION }, "not_found");
  await fail(client, "get_session_status", { kasm_id: 12345 }, "validation");
  console.log("the whole scenario passed");
}
