"""An agent of the OpenAI Agents SDK, which speaks MCP itself, that works in a Kasm session.

    pip install openai-agents "mcp>=2"
    MCP_TOKEN=... MODEL=gpt-5 OPENAI_API_KEY=... python examples/openai-agents/agent.py ["a task"]

OPENAI_BASE_URL leads to any other server that speaks chat completions, such as Ollama or vLLM.
"""

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
import openai
from agents import Agent, Runner, set_default_openai_api, set_tracing_disabled
from agents.mcp import MCPServerStreamableHttp

URL = os.environ.get("MCP_URL") or "http://127.0.0.1:8080/mcp"
TOKEN = os.environ.get("MCP_TOKEN") or "none"
FILE = "/home/kasm-user/numbers.txt"
TASK = f"""Start a Kasm session with a lease of ten minutes and run the command `seq 3 > {FILE}; grep 4 {FILE}` in it.
Then read the file {FILE}, destroy the session, and tell me the exit code and what the file holds."""
TURNS = 40


class Kasm(MCPServerStreamableHttp):
    """The server. It shows the agent's calls, and remembers the sessions that the agent started."""

    def __init__(self) -> None:
        # Four toolsets are enough, and a model chooses better among fewer tools.
        headers = {"Authorization": f"Bearer {TOKEN}", "X-MCP-Toolsets": "workspaces,sessions,exec,files"}
        # The SDK's own 5 s are too short for the start of a session.
        super().__init__(
            {"url": URL, "headers": headers, "timeout": 60, "httpx_client_factory": http_client},
            client_session_timeout_seconds=60,
        )
        self.alive: set[str] = set()

    async def call_tool(self, name: str, arguments: dict[str, Any] | None, meta: Any = None) -> Any:
        result = await super().call_tool(name, arguments, meta)
        reply = result.structured_content
        print(f"{name} {json.dumps(arguments)}\n  {reply.get('message') or reply.get('error')}")
        if reply["success"] and name == "create_kasm_session":
            self.alive.add(reply["data"]["kasm_id"])
        if reply["success"] and name == "destroy_kasm_session":
            self.alive.discard(arguments["kasm_id"])
        return result

    async def clean_up(self) -> None:
        """A model may forget, or fail before it comes to it."""
        for kasm_id in self.alive:
            await super().call_tool("destroy_kasm_session", {"kasm_id": kasm_id})
            print(f"destroyed {kasm_id}, which the agent left behind")


def http_client(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    """As the SDK makes it, but a refused token is told as one."""
    hooks = {"response": [refuse]}
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks=hooks)


async def refuse(response: httpx2.Response) -> None:
    if response.status_code == 401:
        raise PermissionError("the server does not take this token: set MCP_TOKEN to the one that it printed")


async def main(task: str) -> None:
    if not os.environ.get("MODEL"):
        raise ValueError("set MODEL, such as gpt-5")
    # What servers other than OpenAI's know, too; and nothing is sent to OpenAI but what the model reads.
    set_default_openai_api("chat_completions")
    set_tracing_disabled(True)
    async with Kasm() as kasm:
        print(f"{len(await kasm.list_tools())} tools are offered")
        agent = Agent("worker", model=os.environ["MODEL"], mcp_servers=[kasm])
        try:
            print((await Runner.run(agent, task, max_turns=TURNS)).final_output)
        finally:
            await kasm.clean_up()


def reason(error: BaseException) -> str:
    """One line for a person. The SDK wraps what goes wrong in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, openai.OpenAIError):
        return f"the model: {error}"
    return str(error).partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) or TASK))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(f"error: {reason(error)}")
