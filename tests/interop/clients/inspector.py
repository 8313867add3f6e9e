"""The command line of the MCP Inspector: `inspector.py http-legacy|http-auto|http-modern|sse|sse-mcp|stdio`.

Each step is a process of its own, so each connects anew. The list of tools is read with `--strict`,
which fails on a schema that some clients cannot read.
"""

import asyncio
import json
import os
import subprocess

import scenario

INSPECTOR = [os.environ["NODE_BIN"], os.environ["INSPECTOR_JS"], "--cli"]
HTTP = ["--header", f"Authorization: {scenario.HEADERS['Authorization']}"]


def target(transport: str) -> list[str]:
    if transport == "stdio":
        variables = [part for pair in scenario.STDIO_ENVIRONMENT.items() for part in ("-e", "=".join(pair))]
        return [*variables, scenario.STDIO_COMMAND, *scenario.STDIO_ARGUMENTS]
    if transport == "sse":
        return [scenario.BASE_URL + "/sse", "--transport", "sse", *HTTP]
    if transport == "sse-mcp":
        return [scenario.URL, "--transport", "sse", *HTTP]
    era = transport.removeprefix("http-")
    return [scenario.URL, "--transport", "http", "--protocol-era", era, *HTTP]


def inspect(*options: str) -> dict:
    command = [*INSPECTOR, *target(scenario.transport()), "--format", "json", "--quiet", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    # Exit code 5 stands for a tool that answered with an error.
    scenario.expect(done.returncode in (0, 5), f"exit {done.returncode}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)["result"]


async def list_tools() -> list[str]:
    return [tool["name"] for tool in inspect("--method", "tools/list", "--strict")["tools"]]


async def call(name: str, arguments: dict) -> scenario.Reply:
    options = ["--method", "tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments)]
    result = inspect(*options)
    text = "".join(block["text"] for block in result["content"] if block["type"] == "text")
    return scenario.Reply(result.get("isError", False), text, result.get("structuredContent"))


async def list_uris() -> list[str]:
    return [resource["uri"] for resource in inspect("--method", "resources/list")["resources"]]


async def list_templates() -> list[str]:
    templates = inspect("--method", "resources/templates/list")["resourceTemplates"]
    return [template["uriTemplate"] for template in templates]


async def read(uri: str) -> tuple[str, str]:
    (contents,) = inspect("--method", "resources/read", "--uri", uri)["contents"]
    return contents["mimeType"], contents.get("text") or contents["blob"]


async def list_prompts() -> list[str]:
    return [prompt["name"] for prompt in inspect("--method", "prompts/list")["prompts"]]


async def prompt(name: str, arguments: dict) -> str:
    pairs = [f"{name}={value}" for name, value in arguments.items()]
    result = inspect("--method", "prompts/get", "--prompt-name", name, "--prompt-args", *pairs)
    (message,) = result["messages"]
    return message["content"]["text"]


# It has no option for completion.
besides = scenario.Besides(list_uris, list_templates, read, list_prompts, prompt)
asyncio.run(scenario.live(list_tools, call, besides))
