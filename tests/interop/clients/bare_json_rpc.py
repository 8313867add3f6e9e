"""Programs without an MCP library that post bare JSON-RPC: `bare_json_rpc.py urllib|httpx|curl`."""

import asyncio
import itertools
import json
import subprocess
import urllib.request
from typing import Any, Callable

import httpx
import scenario

HEADERS = {**scenario.HEADERS, "Content-Type": "application/json"}


def with_urllib(body: str) -> str:
    request = urllib.request.Request(scenario.URL, body.encode(), HEADERS)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.read().decode()


def with_httpx(body: str) -> str:
    response = httpx.post(scenario.URL, content=body, headers=HEADERS, timeout=60)
    return response.raise_for_status().text


def with_curl(body: str) -> str:
    headers = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-sS", "--fail-with-body", "--max-time", "60", *headers, "--data-binary", "@-", scenario.URL]
    return subprocess.run(command, input=body, capture_output=True, text=True, check=True).stdout


POSTS: dict[str, Callable[[str], str]] = {"urllib": with_urllib, "httpx": with_httpx, "curl": with_curl}


async def main() -> None:
    post = POSTS[scenario.transport()]
    numbers = itertools.count(1)

    def request(method: str, params: dict[str, Any] | None) -> dict[str, Any]:
        message = {"jsonrpc": "2.0", "id": next(numbers), "method": method}
        if params is not None:
            message["params"] = params
        answer = json.loads(post(json.dumps(message)))
        scenario.expect(answer.get("id") == message["id"] and "result" in answer, f"{message} -> {answer}")
        return answer["result"]

    async def list_tools() -> list[str]:
        return [tool["name"] for tool in request("tools/list", None)["tools"]]

    async def call(name: str, arguments: dict) -> scenario.Reply:
        result = request("tools/call", {"name": name, "arguments": arguments})
        text = "".join(block["text"] for block in result["content"] if block["type"] == "text")
        return scenario.Reply(result.get("isError", False), text, result.get("structuredContent"))

    await scenario.live(list_tools, call)


asyncio.run(main())
