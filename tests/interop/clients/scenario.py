"""What every client does with the server: list the tools, live through one session, make two mistakes.

A client brings `list_tools()`, which gives names, and `call(name, arguments)`, which gives a `Reply`. One that
knows more than tools brings `Besides`, too.
"""

import asyncio
import base64
import dataclasses
import json
import os
import sys
from typing import Any, Awaitable, Callable

URL = os.environ["MCP_URL"]
BASE_URL = URL.removesuffix("/mcp")
TOKEN = os.environ["MCP_TOKEN"]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
STDIO_COMMAND = os.environ["KASM_MCP_BIN"]
STDIO_ARGUMENTS = ["stdio"]
STDIO_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name.startswith("KASM_") or name == "PATH"
}

TOOLS = {
    "create_kasm_session",
    "destroy_kasm_session",
    "get_available_workspaces",
    "get_kasm_users",
    "get_session_status",
    "list_user_sessions",
    "pause_kasm_session",
    "resume_kasm_session",
}
# Not empty after the whole scenario.
PASSED: list[bool] = []
UNKNOWN_SESSION = "00000000000040008000000000000000"


@dataclasses.dataclass
class Reply:
    """The outcome of one call, in whatever form the client shows it."""

    is_error: bool
    text: str
    structured: Any = None

    def body(self) -> dict[str, Any]:
        """The reply as an object. Where a client shows both forms they must be equal."""
        parsed = json.loads(self.text) if self.text else self.structured
        if self.structured is not None:
            expect(parsed == self.structured, f"text and structured content differ: {self}")
        expect(isinstance(parsed, dict), f"not an object: {self}")
        return parsed


@dataclasses.dataclass
class Besides:
    """What a client does with resources, prompts and completion."""

    list_uris: Callable[[], Awaitable[list[str]]]
    list_templates: Callable[[], Awaitable[list[str]]]
    # The media type of the only contents, and their text or their bytes in base64.
    read: Callable[[str], Awaitable[tuple[str, str]]]
    list_prompts: Callable[[], Awaitable[list[str]]]
    # The text of the only message.
    prompt: Callable[[str, dict[str, str]], Awaitable[str]]
    # The values for an argument of a prompt; None if the client cannot ask for them.
    complete: Callable[[str, str, str], Awaitable[list[str]]] | None = None


ListTools = Callable[[], Awaitable[list[str]]]
Call = Callable[[str, dict[str, Any]], Awaitable[Reply]]


def transport() -> str:
    """The transport that the command line asks for."""
    return sys.argv[1]


def expect(condition: object, message: str) -> None:
    """Ends the run with `message` unless `condition` holds."""
    if not condition:
        raise SystemExit(f"FAILED: {message}")


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs a client of the Python SDKs.

    Their `sse_client` (seen with 1.30; that of 2.3 is written alike) raises if a message reaches it while it closes,
    and a client that has listed resources is told when others change them. So that is no failure once the whole
    scenario has passed.
    """
    import anyio  # Other clients have none.

    try:
        asyncio.run(main())
    except* anyio.BrokenResourceError:
        if not PASSED:
            raise


async def live(list_tools: ListTools, call: Call, besides: Besides | None = None) -> None:
    """The whole scenario."""
    names = set(await list_tools())
    expect(TOOLS <= names, f"tools are missing: {sorted(TOOLS - names)}")
    workspaces = await succeed(call, "get_available_workspaces", {})
    created = await succeed(call, "create_kasm_session", {"image_name": first_image(workspaces)})
    kasm_id = created.get("kasm_id")
    expect(kasm_id, f"no kasm_id: {created}")
    try:
        await use(call, kasm_id, created)
        if besides:
            await look_around(besides, kasm_id)
    except BaseException:
        await call("destroy_kasm_session", {"kasm_id": kasm_id})
        raise
    await succeed(call, "destroy_kasm_session", {"kasm_id": kasm_id})
    await fail(call, "get_session_status", {"kasm_id": UNKNOWN_SESSION}, "not_found")
    await fail(call, "get_session_status", {"kasm_id": 12345}, "validation")
    print("the whole scenario passed")
    PASSED.append(True)


async def use(call: Call, kasm_id: str, created: dict[str, Any]) -> None:
    """The part of the scenario that has a running session."""
    expect(created.get("operational_status") == "running", f"not running: {created}")
    status = await succeed(call, "get_session_status", {"kasm_id": kasm_id})
    expect(status.get("operational_status") == "running", f"not running: {status}")
    sessions = await succeed(call, "list_user_sessions", {})
    expect(kasm_id in json.dumps(sessions), f"{kasm_id} is not among the sessions: {sessions}")
    await succeed(call, "pause_kasm_session", {"kasm_id": kasm_id})
    await succeed(call, "resume_kasm_session", {"kasm_id": kasm_id})


async def look_around(besides: Besides, kasm_id: str) -> None:
    """The part that is no tool."""
    uri = f"kasm://sessions/{kasm_id}"
    uris = await besides.list_uris()
    expect({"kasm://sessions", "kasm://workspaces", uri, f"{uri}/screenshot"} <= set(uris), f"resources: {uris}")
    templates = await besides.list_templates()
    expect("kasm://sessions/{kasm_id}" in templates, f"templates: {templates}")
    kind, text = await besides.read(uri)
    expect(kind == "application/json" and json.loads(text)["kasm_id"] == kasm_id, f"{uri}: {kind} {text}")
    kind, blob = await besides.read(f"{uri}/screenshot")
    head = base64.b64decode(blob)[:4]
    expect((kind, head) == ("image/png", b"\x89PNG") or kind == "image/jpeg", f"screenshot: {kind} {head}")
    prompts = await besides.list_prompts()
    expect("find_out_why" in prompts, f"prompts: {prompts}")
    text = await besides.prompt("find_out_why", {"problem": "all is blue", "kasm_id": kasm_id})
    expect("all is blue" in text and kasm_id in text and "diagnose_kasm" in text, f"prompt: {text}")
    if besides.complete:
        values = await besides.complete("find_out_why", "kasm_id", kasm_id[:12])
        expect(values == [kasm_id], f"completion: {values}")
        values = await besides.complete("try_out_software", "image_name", "")
        expect(values, "no workspace is completed")


async def succeed(call: Call, name: str, arguments: dict[str, Any]) -> Any:
    """Calls a tool that must succeed, and gives its data."""
    reply = await call(name, arguments)
    expect(not reply.is_error, f"{name} failed: {reply}")
    expect(reply.structured is not None, f"{name} has no structured content: {reply}")
    body = reply.body()
    expect(body.get("success") is True and "data" in body and body.get("message"), f"{name}: {body}")
    return body["data"]


async def fail(call: Call, name: str, arguments: dict[str, Any], error_type: str) -> None:
    """Calls a tool that must fail with a reason that a model can read."""
    reply = await call(name, arguments)
    expect(reply.is_error, f"{name} {arguments} did not fail: {reply}")
    body = reply.body()
    expect(body.get("success") is False, f"{name} {arguments}: {body}")
    expect(body.get("error_type") == error_type, f"{name} {arguments} is not {error_type}: {body}")
    expect(body.get("error") and body.get("hint"), f"{name} {arguments} does not say why: {body}")


def first_image(data: dict[str, Any]) -> str:
    """The id of the first workspace that is ready to start."""
    ready = [entry["image_id"] for entry in data["workspaces"] if entry.get("available", True)]
    expect(ready, f"no workspace: {data}")
    return ready[0]


def joined_text(blocks: Any) -> str:
    """The text of all blocks of a result."""
    return "".join(block.text for block in blocks if block.type == "text")
