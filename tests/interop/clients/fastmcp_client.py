"""The client of FastMCP: `fastmcp_client.py http-auto|http-legacy|sse|stdio`."""

import asyncio

import scenario
from fastmcp import Client
from fastmcp.client.transports import ClientTransport, SSETransport, StdioTransport, StreamableHttpTransport


def connect(transport: str) -> ClientTransport:
    if transport == "stdio":
        return StdioTransport(
            scenario.STDIO_COMMAND, scenario.STDIO_ARGUMENTS, env=scenario.STDIO_ENVIRONMENT
        )
    if transport == "sse":
        return SSETransport(scenario.BASE_URL + "/sse", headers=scenario.HEADERS)
    return StreamableHttpTransport(scenario.URL, headers=scenario.HEADERS)


async def main() -> None:
    transport = scenario.transport()
    mode = "legacy" if transport in ("http-legacy", "sse") else "auto"
    async with Client(connect(transport), mode=mode) as client:

        async def list_tools() -> list[str]:
            return [tool.name for tool in await client.list_tools()]

        async def call(name: str, arguments: dict) -> scenario.Reply:
            result = await client.call_tool(name, arguments, raise_on_error=False)
            text = scenario.joined_text(result.content)
            return scenario.Reply(result.is_error, text, result.structured_content)

        await scenario.live(list_tools, call)


asyncio.run(main())
