"""The official Python SDK 2.x: `python_sdk_2.py http-auto|http-modern|http-legacy|sse|stdio`."""

import httpx2
import scenario
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference

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

            async def list_uris() -> list[str]:
                return [str(resource.uri) for resource in (await client.list_resources()).resources]

            async def list_templates() -> list[str]:
                templates = (await client.list_resource_templates()).resource_templates
                return [template.uri_template for template in templates]

            async def read(uri: str) -> tuple[str, str]:
                (contents,) = (await client.read_resource(uri)).contents
                return contents.mime_type, contents.text if hasattr(contents, "text") else contents.blob

            async def list_prompts() -> list[str]:
                return [prompt.name for prompt in (await client.list_prompts()).prompts]

            async def prompt(name: str, arguments: dict[str, str]) -> str:
                (message,) = (await client.get_prompt(name, arguments)).messages
                return message.content.text

            async def complete(name: str, argument: str, value: str) -> list[str]:
                reference = PromptReference(type="ref/prompt", name=name)
                result = await client.complete(reference, {"name": argument, "value": value})
                return result.completion.values

            besides = scenario.Besides(list_uris, list_templates, read, list_prompts, prompt, complete)
            await scenario.live(list_tools, call, besides)


scenario.run(main)
