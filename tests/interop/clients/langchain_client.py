"""The MCP adapters of LangChain, which open one session for each call: `langchain_client.py http|sse|stdio`."""

import asyncio

import scenario
from langchain_mcp_adapters.client import MultiServerMCPClient

CONNECTIONS = {
    "http": {"transport": "http", "url": scenario.URL, "headers": scenario.HEADERS},
    "sse": {"transport": "sse", "url": scenario.BASE_URL + "/sse", "headers": scenario.HEADERS},
    "stdio": {
        "transport": "stdio",
        "command": scenario.STDIO_COMMAND,
        "args": scenario.STDIO_ARGUMENTS,
        "env": scenario.STDIO_ENVIRONMENT,
    },
}


async def main() -> None:
    client = MultiServerMCPClient({"kasm": CONNECTIONS[scenario.transport()]})
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def list_tools() -> list[str]:
        return list(tools)

    async def call(name: str, arguments: dict) -> scenario.Reply:
        request = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
        message = await tools[name].ainvoke(request)
        text = "".join(block["text"] for block in message.content if block["type"] == "text")
        structured = (message.artifact or {}).get("structured_content")
        return scenario.Reply(message.status == "error", text, structured)

    await scenario.live(list_tools, call)


asyncio.run(main())
