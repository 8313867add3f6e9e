"""A chat model without a model: it chooses each tool call by rule, from what the tools replied so far.

With it the agent runs without an account, and always does the same.
"""

import json
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult

Call = tuple[str, dict[str, Any]]


class ScriptedModel(BaseChatModel):
    """Does one job: `command` in a session, then a look at `file`."""

    command: str
    file: str
    offered: list[str] = []

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> "ScriptedModel":
        return self.model_copy(update={"offered": [tool.name for tool in tools]})

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        replies = [message for message in messages if isinstance(message, ToolMessage)]
        message = self.answer({reply.name: read(reply) for reply in replies}, len(replies))
        return ChatResult(generations=[ChatGeneration(message=message)])

    def answer(self, replies: dict[str, dict[str, Any]], number: int) -> AIMessage:
        """The next call, or the last word. `replies` has the newest reply of each tool."""
        failed = [reply for reply in replies.values() if not reply["success"]]
        data = {name: reply["data"] for name, reply in replies.items() if reply["success"]}
        if failed and ("create_kasm_session" not in data or "destroy_kasm_session" in replies):
            return AIMessage(f"It did not work: {failed[0]['error']}")
        call = self.next_call(data, bool(failed))
        if call is None:
            code, content = data["execute_kasm_command"]["exit_code"], data["read_kasm_file"]["content"]
            return AIMessage(f"The exit code is {code}, and {self.file} holds {content!r}.")
        name, arguments = call
        if name not in self.offered:
            return AIMessage(f"I would need {name}, and it is not among my tools.")
        return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call_{number}"}])

    def next_call(self, data: dict[str, Any], failed: bool) -> Call | None:
        """What is to be done now, or None if all is done."""
        if "get_available_workspaces" not in data:
            return "get_available_workspaces", {}
        if "create_kasm_session" not in data:
            return "create_kasm_session", {"image_name": first_container(data), "lease_minutes": 10}
        session = {"kasm_id": data["create_kasm_session"]["kasm_id"]}
        state = data.get("get_session_status", data["create_kasm_session"])
        if "destroy_kasm_session" in data:
            return None
        if failed:
            return "destroy_kasm_session", session
        if state["operational_status"] != "running":
            return "get_session_status", session
        if "execute_kasm_command" not in data:
            return "execute_kasm_command", {**session, "command": self.command}
        if "read_kasm_file" not in data:
            return "read_kasm_file", {**session, "file_path": self.file}
        return "destroy_kasm_session", session


def read(message: ToolMessage) -> dict[str, Any]:
    """The reply in a message of a tool. What the tool did not say itself counts as a failure, too."""
    text = "".join(block["text"] for block in message.content_blocks if block["type"] == "text")
    try:
        return json.loads(text)
    except ValueError:
        return {"success": False, "error": text}


def first_container(data: dict[str, Any]) -> str:
    """The first workspace that can be started and has a shell."""
    workspaces = data["get_available_workspaces"]["workspaces"]
    shells = (one["image_id"] for one in workspaces if one["available"] and one["image_type"] == "Container")
    return next(shells, "none")
