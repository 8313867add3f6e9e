// A session from start to end with the official TypeScript SDK: a command, its exit code, a file, a picture.
//
//     npm install --prefix examples/typescript
//     MCP_TOKEN=... node examples/typescript/session.ts
//
// Node.js 22.18 or later runs it as it is. The picture is written to the current folder.

import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

type Data = Record<string, any>;

const url = process.env.MCP_URL || "http://127.0.0.1:8080/mcp";
const token = process.env.MCP_TOKEN || "none";
const file = "/home/kasm-user/numbers.txt";
// grep finds no 4, so it exits with 1: an exit code is what the command said, not whether the call went well.
const command = `seq 3 > ${file}; grep 4 ${file}`;

const client = new Client({ name: "kasm-mcp-example", version: "1.0.0" });

/** Calls a tool and gives its result. A tool that failed says why, and what to do next. */
async function callTool(name: string, args: Data) {
  const result = await client.callTool({ name, arguments: args });
  const reply = result.structuredContent as Data;
  if (!reply.success) {
    throw new Error(`${reply.error} (${reply.hint})`);
  }
  return { data: reply.data as Data, content: result.content };
}

/** Calls a tool and gives its data. */
async function call(name: string, args: Data = {}): Promise<Data> {
  return (await callTool(name, args)).data;
}

/** The server waits for a start, but not for longer than clients do. */
async function waitUntilRunning(session: Data, status: string): Promise<void> {
  for (let looks = 0; status !== "running"; looks += 1) {
    if (looks === 60) {
      throw new Error(`session ${session.kasm_id} does not start, it is ${status}`);
    }
    await setTimeout(2000);
    status = (await call("get_session_status", session)).operational_status;
  }
}

/** Writes what is on the screen now to a file, and gives its name. */
async function saveScreenshot(session: Data): Promise<string> {
  const { content } = await callTool("get_session_screenshot", session);
  const picture = content.find((block) => block.type === "image");
  if (!picture) {
    throw new Error("there is no picture in the reply");
  }
  const name = picture.mimeType === "image/png" ? "screenshot.png" : "screenshot.jpg";
  await writeFile(name, Buffer.from(picture.data, "base64"));
  return name;
}

/** Everything that is done with a connected client. */
async function job(): Promise<void> {
  const { workspaces } = await call("get_available_workspaces");
  // Only containers have a shell and files.
  const image = workspaces.find((one: Data) => one.available && one.image_type === "Container");
  if (!image) {
    throw new Error("there is no workspace with a shell");
  }
  // The lease ends the session if this program cannot.
  const created = await call("create_kasm_session", { image_name: image.image_id, lease_minutes: 10 });
  const session = { kasm_id: created.kasm_id };
  try {
    await waitUntilRunning(session, created.operational_status);
    console.log(`session ${created.kasm_id} is running: ${created.image_name}`);
    const ran = await call("execute_kasm_command", { ...session, command });
    console.log(`$ ${command}\nexit code ${ran.exit_code}`);
    const read = await call("read_kasm_file", { ...session, file_path: file });
    console.log(`${file} holds ${JSON.stringify(read.content)}`);
    console.log(`the screen is in ${await saveScreenshot(session)}`);
  } finally {
    await call("destroy_kasm_session", session);
    console.log("destroyed");
  }
}

/** One line for a person. */
function reason(error: any): string {
  if (error.data?.status === 401) {
    return "the server does not take this token: set MCP_TOKEN to the one that it printed";
  }
  // What fetch throws when nobody answers.
  return error instanceof TypeError && error.cause ? `no server at ${url}: ${error.cause.message}` : error.message;
}

try {
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  await job();
} catch (error) {
  console.error(`error: ${reason(error)}`);
  process.exitCode = 1;
} finally {
  await client.close();
}
