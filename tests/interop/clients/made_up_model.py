"""A model that is made up: it asks for one tool, and says so when it has heard what the tool answered."""

import http.server
import json
import re
import threading
from typing import Any

import scenario

# In the body of a request, where the reply of a tool is JSON inside of JSON.
SUCCESS = re.compile(r'success\\+":\s*true')


class Model:
    """Speaks as OpenAI's Chat Completions, Anthropic's Messages and Gemini's `streamGenerateContent` do."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.asked: list[str] = []
        self.told: list[str] = []

    def __enter__(self) -> "Model":
        model = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                model.answer(self, body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()

    def was_told(self) -> None:
        """Ends the run unless the client has called the tool and passed its answer on."""
        scenario.expect(self.told, f"no answer of the tool; asked: {self.asked}")

    def answer(self, request: http.server.BaseHTTPRequestHandler, body: str) -> None:
        asked = json.loads(body or "{}")
        self.asked.append(f"{request.path} {body[:200]}")
        tools = asked.get("tools", [])
        functions = [function for tool in tools for function in tool.get("functionDeclarations", [tool])]
        names = [function.get("function", function).get("name", "") for function in functions]
        # Clients put the name of the server in front.
        name = next((name for name in names if name.endswith(self.tool)), None)
        if SUCCESS.search(body):
            self.told.append(body)
            name = None
        path = request.path.split("?")[0]
        if path.endswith("/chat/completions") and asked.get("stream"):
            events = [*completion(name), "[DONE]"]
        elif path.endswith("/messages") and asked.get("stream"):
            events = message(name)
        elif path.endswith(":streamGenerateContent"):
            events = [content(name)]
        else:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        for event in events:
            kind = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
            data = event if isinstance(event, str) else json.dumps(event)
            request.wfile.write(f"{kind}data: {data}\n\n".encode())


def completion(name: str | None) -> list[dict[str, Any]]:
    """The chunks of OpenAI's Chat Completions: a call of the tool, or some words."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}
    delta = {"role": "assistant", "tool_calls": [call]} if name else {"role": "assistant", "content": "Done."}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "made-up"}
    ends = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if name else "stop"}
    return [chunk | {"choices": [choice]} for choice in ({"index": 0, "delta": delta, "finish_reason": None}, ends)]


def message(name: str | None) -> list[dict[str, Any]]:
    """The events of Anthropic's Messages: a call of the tool, or some words."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    begun = {"id": "1", "type": "message", "role": "assistant", "model": "made-up", "content": [], "usage": usage}
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}} if name else {"type": "text", "text": ""}
    delta = {"type": "input_json_delta", "partial_json": "{}"} if name else {"type": "text_delta", "text": "Done."}
    ends = {"stop_reason": "tool_use" if name else "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": begun | {"stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ends, "usage": usage},
        {"type": "message_stop"},
    ]


def content(name: str | None) -> dict[str, Any]:
    """The answer of Gemini: a call of the tool, or some words."""
    part = {"functionCall": {"name": name, "args": {}}} if name else {"text": "Done."}
    candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    counts = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "made-up"}
