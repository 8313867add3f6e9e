"""A session from start to end with the official Python SDK: a command, its exit code, a file, a picture.

    pip install "mcp>=2"
    MCP_TOKEN=... python examples/python/session.py

The picture is written to the current folder.
"""

import asyncio
import base64
import os
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = os.environ.get("MCP_URL") or "http://127.0.0.1:8080/mcp"
TOKEN = os.environ.get("MCP_TOKEN") or "none"
FILE = "/home/kasm-user/numbers.txt"
# grep finds no 4, so it exits with 1: an exit code is what the command said, not whether the call went well.
COMMAND = f"seq 3 > {FILE}; grep 4 {FILE}"


async def job(client: Client) -> None:
    """Everything that is done with a connected client."""
    workspaces = (await call(client, "get_available_workspaces"))["workspaces"]
    # Only containers have a shell and files.
    images = [one["image_id"] for one in workspaces if one["available"] and one["image_type"] == "Container"]
    if not images:
        raise RuntimeError("there is no workspace with a shell")
    # The lease ends the session if this program cannot.
    created = await call(client, "create_kasm_session", image_name=images[0], lease_minutes=10)
    kasm_id = created["kasm_id"]
    try:
        await wait_until_running(client, kasm_id, created["operational_status"])
        print(f"session {kasm_id} is running: {created['image_name']}")
        ran = await call(client, "execute_kasm_command", kasm_id=kasm_id, command=COMMAND)
        print(f"$ {COMMAND}\nexit code {ran['exit_code']}")
        read = await call(client, "read_kasm_file", kasm_id=kasm_id, file_path=FILE)
        print(f"{FILE} holds {read['content']!r}")
        print(f"the screen is in {await save_screenshot(client, kasm_id)}")
    finally:
        await call(client, "destroy_kasm_session", kasm_id=kasm_id)
        print("destroyed")


async def wait_until_running(client: Client, kasm_id: str, status: str) -> None:
    """The server waits for a start, but not for longer than clients do."""
    for _ in range(60):
        if status == "running":
            return
        await asyncio.sleep(2)
        status = (await call(client, "get_session_status", kasm_id=kasm_id))["operational_status"]
    raise RuntimeError(f"session {kasm_id} does not start, it is {status}")


async def save_screenshot(client: Client, kasm_id: str) -> str:
    """Writes what is on the screen now to a file, and gives its name."""
    result = await client.call_tool("get_session_screenshot", {"kasm_id": kasm_id})
    data_of(result)
    picture = next(block for block in result.content if block.type == "image")
    name = "screenshot.png" if picture.mime_type == "image/png" else "screenshot.jpg"
    with open(name, "wb") as file:
        file.write(base64.b64decode(picture.data))
    return name


async def call(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """Calls a tool and gives its data."""
    return data_of(await client.call_tool(name, arguments))


def data_of(result: Any) -> dict[str, Any]:
    """The data of a result. A tool that failed says why, and what to do next."""
    reply = result.structured_content
    if not reply["success"]:
        raise RuntimeError(f"{reply['error']} ({reply['hint']})")
    return reply["data"]


async def main() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    hooks = {"response": [refuse]}
    async with httpx2.AsyncClient(headers=headers, timeout=60, event_hooks=hooks) as http:
        async with Client(streamable_http_client(URL, http_client=http)) as client:
            await job(client)


async def refuse(response: httpx2.Response) -> None:
    """The SDK would only say that there was an error."""
    if response.status_code == 401:
        raise PermissionError("the server does not take this token: set MCP_TOKEN to the one that it printed")


def reason(error: BaseException) -> str:
    """One line for a person. The SDK wraps what goes wrong in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, httpx2.TransportError):
        return f"no server at {URL}: {error}"
    return str(error).partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(f"error: {reason(error)}")
