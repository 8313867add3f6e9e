"""The official Python SDK 1.x: `python_sdk_1.py http|sse|sse-root|sse-mcp|stdio`."""

import contextlib

import scenario
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from mcp.types import PromptReference


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

            async def list_uris() -> list[str]:
                return [str(resource.uri) for resource in (await session.list_resources()).resources]

            async def list_templates() -> list[str]:
                templates = (await session.list_resource_templates()).resourceTemplates
                return [template.uriTemplate for template in templates]

            async def read(uri: str) -> tuple[str, str]:
                (contents,) = (await session.read_resource(uri)).contents
                return contents.mimeType, contents.text if hasattr(contents, "text") else contents.blob

            async def list_prompts() -> list[str]:
                return [prompt.name for prompt in (await session.list_prompts()).prompts]

            async def prompt(name: str, arguments: dict[str, str]) -> str:
                (message,) = (await session.get_prompt(name, arguments)).messages
                return message.content.text

            async def complete(name: str, argument: str, value: str) -> list[str]:
                reference = PromptReference(type="ref/prompt", name=name)
                result = await session.complete(reference, {"name": argument, "value": value})
                return result.completion.values

            besides = scenario.Besides(list_uris, list_templates, read, list_prompts, prompt, complete)
            await scenario.live(list_tools, call, besides)


scenario.run(main)
