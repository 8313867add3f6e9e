"""The official Python SDK 2.x: `python_sdk_2.py http-auto|http-modern|http-legacy|sse|stdio`."""

import asyncio

import httpx2
import scenario
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

MODERN, LEGACY = "2026-07-28", "2025-11-25"


async def main() -> None:
    transport = scenario.transport()
    async with httpx2.AsyncClient(headers=scenario.HEADERS, timeout=60) as http:
        if transport == "stdio":
            target = StdioServerParameters(
                command=scenario.STDIO_COMMAND,
                args=scenario.STDIO_ARGUMENTS,
                env=scenario.STDIO_ENVIRONMENT,
            )
        elif transport == "sse":
            target = sse_client(scenario.BASE_URL + "/sse", headers=scenario.HEADERS)
        else:
            target = streamable_http_client(scenario.URL, http_client=http)
        mode = {"http-modern": MODERN, "http-legacy": "legacy", "sse": "legacy"}.get(transport, "auto")
        expected = LEGACY if mode == "legacy" else MODERN
        async with Client(target, mode=mode) as client:
            scenario.expect(client.protocol_version == expected, f"revision: {client.protocol_version}")

            async def list_tools() -> list[str]:
                return [tool.name for tool in (await client.list_tools()).tools]

            async def call(name: str, arguments: dict) -> scenario.Reply:
                result = await client.call_tool(name, arguments)
                text = scenario.joined_text(result.content)
                return scenario.Reply(result.is_error, text, result.structured_content)

            await scenario.live(list_tools, call)


asyncio.run(main())
