"""Programs that know no MCP and use the tools as plain HTTP: `plain_http.py scenario|job`.

`scenario` does what every client does. `job` is a program as a user would write it: the standard library,
a session, a command, its file.
"""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import scenario

HEADERS = {**scenario.HEADERS, "Content-Type": "application/json"}


def ask(path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    """The status and the JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(scenario.BASE_URL + path, data, HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    """The `data` of a call that succeeds."""
    status, reply = ask(f"/api/v1/tools/{name}", arguments)
    scenario.expect(status == 200 and reply["success"], f"{name}: {status} {reply}")
    return reply["data"]


async def list_tools() -> list[str]:
    status, listed = ask("/tools/list")
    scenario.expect(status == 200, f"{status} {listed}")
    return [entry["name"] for entry in listed["tools"]]


async def call(name: str, arguments: dict[str, Any]) -> scenario.Reply:
    status, reply = ask("/tools/call", {"name": name, "arguments": arguments})
    scenario.expect((status == 200) == reply["success"], f"{name}: {status} {reply}")
    return scenario.Reply(not reply["success"], json.dumps(reply), reply)


def job() -> None:
    image = tool("get_available_workspaces")["workspaces"][0]["name"]
    kasm_id = tool("create_kasm_session", image_name=image)["kasm_id"]
    try:
        command = "seq 3 > /home/kasm-user/numbers; wc -l < /home/kasm-user/numbers"
        ran = tool("execute_kasm_command", kasm_id=kasm_id, command=command)
        scenario.expect((ran["exit_code"], ran["stdout"]) == (0, "3\n"), f"{ran}")
        read = tool("read_kasm_file", kasm_id=kasm_id, file_path="/home/kasm-user/numbers")
        scenario.expect(read["content"] == "1\n2\n3\n", f"{read}")
        status, refused = ask("/api/v1/tools/execute_kasm_command", {"kasm_id": kasm_id, "command": "sudo id"})
        scenario.expect((status, refused["error_type"]) == (403, "security"), f"{status} {refused}")
        status, problem = ask("/api/v1/tools/no_such_tool", {})
        scenario.expect((status, problem["code"]) == (404, "tool_unknown"), f"{status} {problem}")
    finally:
        tool("destroy_kasm_session", kasm_id=kasm_id)
    print("the whole scenario passed")


if scenario.transport() == "job":
    job()
else:
    asyncio.run(scenario.live(list_tools, call))
