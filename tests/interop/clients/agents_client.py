"""The MCP servers of the OpenAI Agents SDK, without a model: `agents_client.py http|sse|stdio`."""

import asyncio

import scenario
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp


def connect(transport: str) -> MCPServer:
    seconds = 60
    if transport == "stdio":
        params = {
            "command": scenario.STDIO_COMMAND,
            "args": scenario.STDIO_ARGUMENTS,
            "env": scenario.STDIO_ENVIRONMENT,
        }
        return MCPServerStdio(params, client_session_timeout_seconds=seconds)
    if transport == "sse":
        params = {"url": scenario.BASE_URL + "/sse", "headers": scenario.HEADERS}
        return MCPServerSse(params, client_session_timeout_seconds=seconds)
    params = {"url": scenario.URL, "headers": scenario.HEADERS, "timeout": seconds}
    return MCPServerStreamableHttp(params, client_session_timeout_seconds=seconds)


async def main() -> None:
    async with connect(scenario.transport()) as server:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await server.list_tools()]

        async def call(name: str, arguments: dict) -> scenario.Reply:
            result = await server.call_tool(name, arguments)
            text = scenario.joined_text(result.content)
            return scenario.Reply(result.is_error, text, result.structured_content)

        await scenario.live(list_tools, call)


asyncio.run(main())
