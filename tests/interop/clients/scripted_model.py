"""A stand-in for a model behind OpenAI's chat completions: `scripted_model.py [PORT]`.

It chooses each call by rule, from the task, the tools that it is offered and what they replied. It refuses what
OpenAI refuses (calls without results, definitions that are no definitions), and a call that it wants to make must
fit the definition that it was given. It prints one JSON line with its URL, and needs no packages.
"""

import http.server
import json
import re
import sys
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list}
# What it asks for first, as models do that guess.
GUESS = "a desktop, please"


class Refusal(Exception):
    """What is wrong with a request."""


def complete(request: dict[str, Any]) -> dict[str, Any]:
    """The message that follows the messages of a request."""
    if request.get("stream"):
        raise Refusal("this model does not stream")
    tools = definitions(request.get("tools") or [])
    messages = request["messages"]
    calls = next_calls(task(messages), results(messages))
    if isinstance(calls, str):
        return {"role": "assistant", "content": calls}
    asked = []
    for number, (name, arguments) in enumerate(calls):
        check(name, arguments, tools)
        function = {"name": name, "arguments": json.dumps(arguments)}
        asked.append({"id": f"call_{len(messages)}_{number}", "type": "function", "function": function})
    return {"role": "assistant", "content": None, "tool_calls": asked}


def definitions(tools: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schemas of the arguments, by name."""
    schemas: dict[str, dict[str, Any]] = {}
    for tool in tools:
        function = tool.get("function", {}) if tool.get("type") == "function" else {}
        name, schema = function.get("name", ""), function.get("parameters", {})
        if not NAME.fullmatch(name) or name in schemas:
            raise Refusal(f"the name is missing, wrong or there twice: {tool}")
        if not function.get("description") or schema.get("type") != "object" or "properties" not in schema:
            raise Refusal(f"{name} has no description or no arguments: {tool}")
        schemas[name] = schema
    return schemas


def check(name: str, arguments: dict[str, Any], tools: dict[str, dict[str, Any]]) -> None:
    """Refuses a call that the offered definition does not allow."""
    if name not in tools:
        raise Refusal(f"{name} is not offered, only {sorted(tools)}")
    properties, required = tools[name]["properties"], tools[name].get("required", [])
    if missing := set(required) - arguments.keys():
        raise Refusal(f"{name} wants {sorted(missing)}, too")
    for argument, value in arguments.items():
        if argument not in properties:
            raise Refusal(f"{name} has no argument {argument}, only {sorted(properties)}")
        if not isinstance(value, TYPES[properties[argument]["type"]]):
            raise Refusal(f"{argument} of {name} is not {properties[argument]['type']}")


def task(messages: list[dict[str, Any]]) -> tuple[str, str, bool]:
    """The command and the file that the user asks for, and whether to destroy the session in the end."""
    text = next(text_of(message["content"]) for message in messages if message["role"] == "user")
    command, file = re.search(r"`([^`]+)`", text), re.search(r"the file (/[\w./-]*\w)", text)
    if not command or not file:
        raise Refusal(f"the task names no `command` or not the file /…: {text}")
    return command[1], file[1], "destroy" in text


def results(messages: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Tools and their replies, in the order of the calls. Each call must have its result, as with OpenAI."""
    found, open_calls = [], {}
    for message in messages:
        if message["role"] == "tool":
            name = open_calls.pop(message.get("tool_call_id"), None)
            if name is None:
                raise Refusal(f"a result without a call: {message}")
            found.append((name, reply_of(name, text_of(message["content"]))))
        elif open_calls:
            raise Refusal(f"calls without results: {open_calls}")
        for call in message.get("tool_calls") or []:
            open_calls[call["id"]] = call["function"]["name"]
    if open_calls:
        raise Refusal(f"calls without results: {open_calls}")
    return found


def text_of(content: Any) -> str:
    """Content is a string, or parts."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def reply_of(name: str, text: str) -> dict[str, Any]:
    """What a tool said. Some loops hand on the whole block of MCP around it."""
    try:
        reply = json.loads(text)
        if "success" not in reply and reply.get("type") == "text":
            reply = json.loads(reply["text"])
        if reply["success"]:
            return {"success": True, "data": reply["data"]}
        return {"success": False, "error": reply["error"], "hint": reply["hint"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"the result of {name} is no reply of a tool: {text}") from error


def next_calls(
    wanted: tuple[str, str, bool], replies: list[tuple[str, dict[str, Any]]]
) -> list[tuple[str, dict]] | str:
    """The calls to make now, or the last word."""
    command, file, tidy = wanted
    data = {name: reply["data"] for name, reply in replies if reply["success"]}
    if not replies:
        return [("get_available_workspaces", {}), ("list_user_sessions", {})]
    _, last = replies[-1]
    if "create_kasm_session" not in data:
        tries = sum(name == "create_kasm_session" for name, _ in replies)
        if tries == 0:
            return [("create_kasm_session", {"image_name": GUESS})]
        if tries > 1:
            return f"It did not work: {last['error']} ({last['hint']})"
        image = first_container(data["get_available_workspaces"]["workspaces"])
        return [("create_kasm_session", {"image_name": image, "lease_minutes": 10})]
    session = {"kasm_id": data["create_kasm_session"]["kasm_id"]}
    if "destroy_kasm_session" in data:
        return last_word(file, data, replies)
    if not last["success"]:
        return [("destroy_kasm_session", session)]
    state = data.get("get_session_status", data["create_kasm_session"])["operational_status"]
    if state != "running":
        return [("get_session_status", session)]
    ran = data.get("get_command_output") or data.get("execute_kasm_command")
    if ran is None:
        return [("execute_kasm_command", {**session, "command": command})]
    if ran["running"]:
        return [("get_command_output", {**session, "job_id": ran["job_id"], "wait_seconds": 10})]
    if "read_kasm_file" not in data:
        return [("read_kasm_file", {**session, "file_path": file})]
    return [("destroy_kasm_session", session)] if tidy else last_word(file, data, replies)


def first_container(workspaces: list[dict[str, Any]]) -> str:
    """The first workspace that can be started and has a shell."""
    ready = [one["image_id"] for one in workspaces if one["available"] and one["image_type"] == "Container"]
    if not ready:
        raise Refusal("there is no workspace with a shell")
    return ready[0]


def last_word(file: str, data: dict[str, Any], replies: list[tuple[str, dict[str, Any]]]) -> str:
    """What the user is told in the end."""
    if "read_kasm_file" not in data:
        failed = [f"{name}: {reply['error']}" for name, reply in replies if not reply["success"]]
        return f"It did not work: {failed[-1]}"
    ran = data.get("get_command_output") or data["execute_kasm_command"]
    return f"The exit code is {ran['exit_code']}, and {file} holds {data['read_kasm_file']['content']!r}."


class Handler(http.server.BaseHTTPRequestHandler):
    """The only route: `POST /v1/chat/completions`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/v1/chat/completions":
            return self.answer(404, error(f"there is nothing at {self.path}"))
        if not self.headers.get("Authorization", "").startswith("Bearer "):
            return self.answer(401, error("no key"))
        try:
            request = json.loads(body)
            message = complete(request)
        except Refusal as refusal:
            return self.answer(400, error(str(refusal)))
        reason = "tool_calls" if message.get("tool_calls") else "stop"
        choice = {"index": 0, "finish_reason": reason, "message": message}
        usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": request["model"]}
        self.answer(200, {**head, "choices": [choice], "usage": usage})

    def answer(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def error(message: str) -> dict[str, Any]:
    """As OpenAI words it."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}/v1"}), flush=True)
    server.serve_forever()
