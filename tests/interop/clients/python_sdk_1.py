"""The official Python SDK 1.x: `python_sdk_1.py http|sse|sse-root|sse-mcp|stdio`."""

import asyncio
import contextlib

import scenario
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


def connect(transport: str) -> contextlib.AbstractAsyncContextManager:
    if transport == "http":
        return streamablehttp_client(scenario.URL, headers=scenario.HEADERS)
    if transport == "stdio":
        return stdio_client(
            StdioServerParameters(
                command=scenario.STDIO_COMMAND,
                args=scenario.STDIO_ARGUMENTS,
                env=scenario.STDIO_ENVIRONMENT,
            )
        )
    urls = {"sse": scenario.BASE_URL + "/sse", "sse-root": scenario.BASE_URL, "sse-mcp": scenario.URL}
    return sse_client(urls[transport], headers=scenario.HEADERS)


async def main() -> None:
    async with connect(scenario.transport()) as (reader, writer, *_):
        async with ClientSession(reader, writer) as session:
            initialized = await session.initialize()
            scenario.expect(initialized.protocolVersion == "2025-11-25", f"revision: {initialized}")

            async def list_tools() -> list[str]:
                return [tool.name for tool in (await session.list_tools()).tools]

            async def call(name: str, arguments: dict) -> scenario.Reply:
                result = await session.call_tool(name, arguments)
                text = scenario.joined_text(result.content)
                return scenario.Reply(result.isError, text, result.structuredContent)

            await scenario.live(list_tools, call)


asyncio.run(main())
