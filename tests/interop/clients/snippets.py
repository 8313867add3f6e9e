"""What `kasm-mcp connect` prints, given to the client as it is: `snippets.py CLIENT`.

Nothing here knows how a configuration looks: it goes into the client's file, a shell or Python, and the client
has to use a tool with it.
"""

import ast
import asyncio
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
from typing import Any

import programs
import scenario

# The packages of programs that are not those of this interpreter.
INTERPRETERS = {"openai-agents": "PYTHON_SDK_2", "openai-responses": "PYTHON_SDK_2"}
NASTY_TOKEN = "q'\"\\$HOME`id`$(id)${X}{{url}}#;&%\\n"
NASTY_URL = "https://mcp.example.org/a'b$HOME;(id)"


def printed(client: str, url: str = scenario.BASE_URL, token: str = scenario.TOKEN) -> str:
    """What the command prints, and nothing else."""
    environment = {"KASM_MCP_TOKEN": token, "PATH": os.environ["PATH"]}
    command = [scenario.STDIO_COMMAND, "connect", client, "--url", url]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def python(client: str, folder: pathlib.Path, **environment: str) -> str:
    """Runs the program that is printed; gives what it prints."""
    interpreter = os.environ.get(INTERPRETERS.get(client, ""), sys.executable)
    program = folder / "program.py"
    program.write_text(printed(client))
    command = [interpreter, str(program)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, timeout=60)
    scenario.expect(done.returncode == 0, f"the program ends with {done.returncode}: {done.stdout}")
    return done.stdout


def shell(client: str, folder: pathlib.Path) -> str:
    """Pastes what is printed into a shell; gives what that prints."""
    done = subprocess.run(["sh", "-ec", printed(client)], cwd=folder, stdout=subprocess.PIPE, text=True, timeout=60)
    scenario.expect(done.returncode == 0, f"the shell ends with {done.returncode}: {done.stdout}")
    return done.stdout


def lists_tools(client: str, folder: pathlib.Path) -> None:
    """A program prints the tools, and maybe the outcome of a call."""
    said = python(client, folder)
    names = ast.literal_eval(said.splitlines()[0])
    scenario.expect(scenario.TOOLS <= set(names), f"tools are missing: {names}")
    replies = [ast.literal_eval(line) for line in said.splitlines()[1:]]
    scenario.expect(all(reply["success"] is True for reply in replies), f"{replies}")
    scenario.expect(len(replies) == (client in ("python", "rest")), f"{said}")


def posts(client: str, folder: pathlib.Path) -> None:
    """A line of curl calls a tool."""
    answer = json.loads(shell(client, folder))
    reply = answer["result"]["structuredContent"] if "jsonrpc" in answer else answer
    scenario.expect(reply["success"] is True and reply["data"]["workspaces"], f"{answer}")


def saves_the_document(client: str, folder: pathlib.Path) -> None:
    """The document of an action is saved."""
    shell(client, folder)
    document = json.loads((folder / "openapi.json").read_text())
    paths = document["paths"]
    scenario.expect("/api/v1/tools/create_kasm_session" in paths, f"{sorted(paths)}")
    scenario.expect(document["servers"][0]["url"].rstrip("/") == scenario.BASE_URL, f"{document['servers']}")


def is_started(client: str, folder: pathlib.Path) -> None:
    """A desktop program starts `kasm-mcp stdio` with what is printed, and with nothing of this environment."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    entry = json.loads(printed(client))["mcpServers"]["kasm"]
    values = {"YOUR_KASM_URL": "KASM_API_URL", "YOUR_USER_ID": "KASM_USER_ID"}
    values |= {"YOUR_API_KEY": "KASM_API_KEY", "YOUR_API_SECRET": "KASM_API_SECRET"}
    variables = {name: os.environ[values[value]] for name, value in entry["env"].items()}
    server = StdioServerParameters(command=entry["command"], args=entry["args"], env=variables, cwd=folder)

    async def use() -> None:
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            scenario.expect(scenario.TOOLS <= names, f"tools are missing: {names}")
            reply = await session.call_tool("list_user_sessions", {})
            scenario.expect(reply.structuredContent["success"] is True, f"{reply}")

    asyncio.run(use())


class Responses(http.server.BaseHTTPRequestHandler):
    """A stand-in of OpenAI's API: it lists the tools at the address and with the token of a request."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        [tool] = body["tools"]
        text = ", ".join(self.listed(tool)) if tool["type"] == "mcp" and self.path == "/v1/responses" else "wrong"
        message = {
            "id": "1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []}],
        }
        answer = {
            "id": "1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"],
            "output": [message], "tools": [], "tool_choice": "auto", "parallel_tool_calls": True,
        }
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def listed(self, tool: dict[str, Any]) -> list[str]:
        import httpx

        headers = {"Authorization": f"Bearer {tool['authorization']}"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = httpx.post(tool["server_url"], json=message, headers=headers).raise_for_status().json()
        only_reads = tool["allowed_tools"]["read_only"]
        tools = answer["result"]["tools"]
        return [each["name"] for each in tools if each["annotations"]["readOnlyHint"] or not only_reads]


def asks_the_api(client: str, folder: pathlib.Path) -> None:
    """A program asks OpenAI's API to use the tools."""
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Responses)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{api.server_port}/v1"
    said = python(client, folder, OPENAI_BASE_URL=base, OPENAI_API_KEY="none")
    names = set(said.strip().split(", "))
    scenario.expect("list_user_sessions" in names and "create_kasm_session" not in names, said)


def is_read(client: str, folder: pathlib.Path) -> None:
    """YAML and Python keep a token and an address that are full of quotes."""
    import yaml

    text = printed(client, NASTY_URL, NASTY_TOKEN)
    if client == "continue":
        [entry] = yaml.safe_load(text)["mcpServers"]
        found = [entry["url"], entry["requestOptions"]["headers"]["Authorization"]]
    else:
        nodes = ast.walk(ast.parse(text))
        found = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    has = lambda wanted: any(wanted in value for value in found)  # noqa: E731
    scenario.expect(has(NASTY_TOKEN) and has(NASTY_URL), f"{client}: {found}")


CHECKS = {
    "chatgpt-action": [saves_the_document],
    "claude-code": [programs.claude_code],
    "claude-code-project": [programs.claude_code_project],
    "claude-desktop": [is_started],
    "cline": [programs.cline],
    "cline-http-sse": [programs.cline],
    "cline-sse": [programs.cline],
    "codex": [programs.codex],
    "continue": [is_read, programs.continue_cli],
    "curl": [posts],
    "curl-rest": [posts],
    "gemini-cli": [programs.gemini],
    "langchain": [is_read, lists_tools],
    "openai-agents": [is_read, lists_tools],
    "openai-responses": [is_read, asks_the_api],
    "python": [is_read, lists_tools],
    "rest": [is_read, lists_tools],
}


def main() -> None:
    client = scenario.transport()
    # Beside the logs, because Codex does without some of its programs below /tmp.
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{client}-", dir=os.environ["INTEROP_LOGS"]))
    try:
        for check in CHECKS[client]:
            if check in programs.ALL:
                check(printed(client), folder)
            else:
                check(client, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("the whole scenario passed")


if __name__ == "__main__":
    main()
