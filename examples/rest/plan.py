"""An agent's work over plain HTTP, without MCP and without packages: look around, plan, carry it out.

    MCP_TOKEN=... python examples/rest/plan.py

The plan is fixed, where AutoGPT and its like ask a model for one. What they share is the rest: the plan may only
use tools that the server offers, with arguments that those tools have, and later steps use what earlier ones gave.
"""

import dataclasses
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from typing import Any

BASE_URL = (os.environ.get("MCP_URL") or "http://127.0.0.1:8080/mcp").removesuffix("/mcp")
TOKEN = os.environ.get("MCP_TOKEN") or "none"
FILE = "/home/kasm-user/numbers.txt"
# A value that an earlier step gives, such as {create_kasm_session.kasm_id}.
REFERENCE = re.compile(r"\{(\w+)\.(\w+)\}")


@dataclasses.dataclass
class Step:
    """A call, why it is made, and what its data must hold before the next one."""

    why: str
    tool: str
    arguments: dict[str, Any]
    until: tuple[str, str] | None = None


class Failure(Exception):
    """What a person has to be told, in one line."""


def main() -> None:
    tools = {tool["name"]: tool for tool in ask("GET", "/tools/list")["tools"]}
    print(f"{len(tools)} tools are offered")
    steps, cleanup = plan(choose_workspace())
    for step in [*steps, cleanup]:
        check(step, tools)
    results: dict[str, Any] = {}
    try:
        for step in steps:
            carry_out(step, results)
    finally:
        if "create_kasm_session" in results:
            carry_out(cleanup, results)
            print("destroyed")
    print(f"exit code {results['execute_kasm_command']['exit_code']}")
    print(f"{FILE} holds {results['read_kasm_file']['content']!r}")


def choose_workspace() -> str:
    """The first that can be started. Only containers have a shell and files."""
    for one in call("get_available_workspaces", {})["data"]["workspaces"]:
        if one["available"] and one["image_type"] == "Container":
            return one["image_id"]
    raise Failure("there is no workspace with a shell")


def plan(image: str) -> tuple[list[Step], Step]:
    """What to do, and what to do after it in any case."""
    session = {"kasm_id": "{create_kasm_session.kasm_id}"}
    # grep finds no 4, so it exits with 1: an exit code is what the command said, not whether the call went well.
    command = f"seq 3 > {FILE}; grep 4 {FILE}"
    steps = [
        # The lease ends the session if this program cannot.
        Step("start a session", "create_kasm_session", {"image_name": image, "lease_minutes": 10}),
        Step("wait until it runs", "get_session_status", session, ("operational_status", "running")),
        Step("write a file, search it", "execute_kasm_command", {**session, "command": command}),
        Step("read the file", "read_kasm_file", {**session, "file_path": FILE}),
    ]
    return steps, Step("leave nothing behind", "destroy_kasm_session", session)


def check(step: Step, tools: dict[str, Any]) -> None:
    """Finds out before anything is started whether a step can be carried out at all."""
    if step.tool not in tools:
        raise Failure(f"this token is not offered {step.tool}")
    schema = tools[step.tool]["inputSchema"]
    unknown = step.arguments.keys() - schema["properties"].keys()
    missing = set(schema.get("required", [])) - step.arguments.keys()
    if unknown or missing:
        raise Failure(f"{step.tool} does not fit the plan: unknown {sorted(unknown)}, missing {sorted(missing)}")


def carry_out(step: Step, results: dict[str, Any]) -> None:
    """Calls the tool of a step and keeps its data under the name of the tool."""
    arguments = {name: fill_in(value, results) for name, value in step.arguments.items()}
    print(f"{step.why}: {step.tool} {json.dumps(arguments)}")
    for _ in range(60):
        reply = call(step.tool, arguments)
        results[step.tool] = reply["data"]
        if step.until is None or reply["data"][step.until[0]] == step.until[1]:
            print(f"  {reply['message']}")
            return
        time.sleep(2)
    raise Failure(f"{step.why}: it takes too long; {reply['message']}")


def fill_in(value: Any, results: dict[str, Any]) -> Any:
    """A value with its references replaced by what earlier steps gave."""
    if not isinstance(value, str):
        return value
    return REFERENCE.sub(lambda match: str(results[match[1]][match[2]]), value)


def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The reply of a tool that does what it should."""
    return ask("POST", "/tools/call", {"name": tool, "arguments": arguments})


def ask(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """The JSON of an answer. A failed call has a status to match, and says why and what to do next."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(BASE_URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Failure(why_refused(error)) from error
    except OSError as error:
        raise Failure(f"no server at {BASE_URL}: {getattr(error, 'reason', error)}") from error


def why_refused(error: urllib.error.HTTPError) -> str:
    """The reason that the body of an answer gives: a reply of a tool, or a problem document."""
    if error.code == 401:
        return "the server does not take this token: set MCP_TOKEN to the one that it printed"
    body = json.load(error)
    return f"{body['error']} ({body['hint']})" if "error" in body else f"{body['title']}: {body['detail']}"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failure as failure:
        sys.exit(f"error: {failure}")
