"""A LangChain agent that works in a Kasm session through the MCP adapters.

    pip install langchain langchain-mcp-adapters langchain-openai
    MCP_TOKEN=... MODEL=openai:gpt-5 OPENAI_API_KEY=... python examples/langchain/agent.py ["a task"]
    MCP_TOKEN=... python examples/langchain/agent.py --scripted

MODEL is what `init_chat_model` of LangChain takes. With `--scripted` a stand-in plays the model.
"""

import asyncio
import json
import os
import sys
from typing import Any

import httpx
from langchain.agents import create_agent
from langchain.chat_models import init_chat_model
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from scripted_model import ScriptedModel

URL = os.environ.get("MCP_URL") or "http://127.0.0.1:8080/mcp"
TOKEN = os.environ.get("MCP_TOKEN") or "none"
FILE = "/home/kasm-user/numbers.txt"
COMMAND = f"seq 3 > {FILE}; grep 4 {FILE}"
TASK = f"""Start a Kasm session with a lease of ten minutes and run the command `{COMMAND}` in it.
Then read the file {FILE}, destroy the session, and tell me the exit code and what the file holds."""


class Sessions:
    """Shows the agent's calls, and remembers the sessions that it started."""

    def __init__(self) -> None:
        self.alive: set[str] = set()

    async def __call__(self, request: Any, handler: Any) -> Any:
        result = await handler(request)
        reply = result.structuredContent
        print(f"{request.name} {json.dumps(request.args)}\n  {reply.get('message') or reply.get('error')}")
        if reply["success"] and request.name == "create_kasm_session":
            self.alive.add(reply["data"]["kasm_id"])
        if reply["success"] and request.name == "destroy_kasm_session":
            self.alive.discard(request.args["kasm_id"])
        return result


async def main(model: BaseChatModel, task: str) -> None:
    # Four toolsets are enough, and a model chooses better among fewer tools.
    headers = {"Authorization": f"Bearer {TOKEN}", "X-MCP-Toolsets": "workspaces,sessions,exec,files"}
    client = MultiServerMCPClient({"kasm": {"transport": "http", "url": URL, "headers": headers}})
    sessions = Sessions()
    async with client.session("kasm") as connection:
        tools = await load_mcp_tools(connection, tool_interceptors=[sessions])
        print(f"{len(tools)} tools are offered")
        agent = create_agent(model, tools)
        try:
            state = await agent.ainvoke({"messages": [{"role": "user", "content": task}]}, {"recursion_limit": 60})
            print(state["messages"][-1].text)
        finally:
            # A model may forget, or fail before it comes to it.
            for kasm_id in sessions.alive:
                await connection.call_tool("destroy_kasm_session", {"kasm_id": kasm_id})
                print(f"destroyed {kasm_id}, which the agent left behind")


def choose_model(scripted: bool) -> BaseChatModel:
    """The model that MODEL names, or the one that needs no account."""
    if scripted:
        return ScriptedModel(command=COMMAND, file=FILE)
    if not os.environ.get("MODEL"):
        raise ValueError("set MODEL, such as openai:gpt-5, or add --scripted")
    return init_chat_model(os.environ["MODEL"])


def reason(error: BaseException) -> str:
    """One line for a person. The SDK wraps what goes wrong in groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, httpx.HTTPStatusError) and error.response.status_code == 401:
        return "the server does not take this token: set MCP_TOKEN to the one that it printed"
    if isinstance(error, httpx.TransportError):
        return f"no server at {URL}: {error}"
    return str(error).partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    arguments = sys.argv[1:]
    scripted = "--scripted" in arguments
    words = [word for word in arguments if word != "--scripted"]
    try:
        asyncio.run(main(choose_model(scripted), " ".join(words) or TASK))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sys.exit(f"error: {reason(error)}")
