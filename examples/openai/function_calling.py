"""OpenAI function calling without MCP: the definitions of the tools and the calls go over plain HTTP.

    pip install openai
    MCP_TOKEN=... MODEL=gpt-5 OPENAI_API_KEY=... python examples/openai/function_calling.py ["a task"]

OPENAI_BASE_URL leads to any other server that speaks chat completions, such as Ollama or vLLM.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

import openai

BASE_URL = (os.environ.get("MCP_URL") or "http://127.0.0.1:8080/mcp").removesuffix("/mcp")
TOKEN = os.environ.get("MCP_TOKEN") or "none"
FILE = "/home/kasm-user/numbers.txt"
TASK = f"""Start a Kasm session with a lease of ten minutes and run the command `seq 3 > {FILE}; grep 4 {FILE}` in it.
Then read the file {FILE}, destroy the session, and tell me the exit code and what the file holds."""
TURNS = 40


class Failure(Exception):
    """What a person has to be told, in one line."""


def main(task: str) -> None:
    if not os.environ.get("MODEL"):
        raise Failure("set MODEL, such as gpt-5")
    tools = ask("GET", "/tools/list?format=openai")["tools"]
    print(f"{len(tools)} tools are offered")
    alive: set[str] = set()
    try:
        print(work(openai.OpenAI(), tools, task, alive))
    finally:
        # A model may forget, or fail before it comes to it.
        for kasm_id in alive:
            ask("POST", "/api/v1/tools/destroy_kasm_session", {"kasm_id": kasm_id})
            print(f"destroyed {kasm_id}, which the model left behind")


def work(client: openai.OpenAI, tools: list[Any], task: str, alive: set[str]) -> str:
    """Lets the model call tools until it has an answer. `alive` are the sessions that it started."""
    messages: list[Any] = [{"role": "user", "content": task}]
    for _ in range(TURNS):
        completion = client.chat.completions.create(model=os.environ["MODEL"], messages=messages, tools=tools)
        message = completion.choices[0].message
        messages.append(message)
        if not message.tool_calls:
            return message.content or "the model has nothing to say"
        for call in message.tool_calls:
            reply = call_tool(call.function.name, call.function.arguments, alive)
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(reply)})
    raise Failure(f"the model is not done after {TURNS} turns")


def call_tool(name: str, arguments: str, alive: set[str]) -> dict[str, Any]:
    """The reply to a call, which the model reads whether it is good or not."""
    print(f"{name} {arguments}")
    try:
        values = json.loads(arguments or "{}")
        reply = ask("POST", "/tools/call", {"name": name, "arguments": values}, any_status=True)
    except ValueError as error:
        reply = {"success": False, "error": f"the arguments are not JSON: {error}"}
    if reply.get("success") and name == "create_kasm_session":
        alive.add(reply["data"]["kasm_id"])
    if reply.get("success") and name == "destroy_kasm_session":
        alive.discard(values["kasm_id"])
    print(f"  {reply.get('message') or reply.get('error') or reply.get('detail')}")
    return reply


def ask(method: str, path: str, body: Any = None, any_status: bool = False) -> dict[str, Any]:
    """The JSON of an answer; with `any_status` that of a failed call, too."""
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        # Four toolsets are enough, and a model chooses better among fewer tools.
        "X-MCP-Toolsets": "workspaces,sessions,exec,files",
    }
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE_URL + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == 401:
            text = "the server does not take this token: set MCP_TOKEN to the one that it printed"
            raise Failure(text) from error
        reply = json.load(error)
        if any_status:
            return reply
        raise Failure(reply.get("error") or reply["detail"]) from error
    except OSError as error:
        raise Failure(f"no server at {BASE_URL}: {getattr(error, 'reason', error)}") from error


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or TASK)
    except KeyboardInterrupt:
        sys.exit(130)
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except openai.OpenAIError as error:
        sys.exit(f"error: the model: {error}")
