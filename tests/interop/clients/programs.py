"""The programs that people use, each in a home of its own, with what `kasm-mcp connect` has printed for it.

None has an account or a way to the internet. Those that do nothing without a model get one that is made up: it
asks for one tool and hears what it answered.
"""

import glob
import json
import os
import pathlib
import subprocess
from typing import Any

import scenario
from made_up_model import Model

PACKAGES = os.environ.get("PROGRAMS", "")
TOOL = "list_user_sessions"
SECONDS = 90


def binary(pattern: str) -> str:
    """The program for this machine among the packages."""
    found = sorted(glob.glob(f"{PACKAGES}/{pattern}"))
    scenario.expect(found, f"{PACKAGES} has no {pattern}")
    return found[0]


def surroundings(home: pathlib.Path, **more: str) -> dict[str, str]:
    """An environment in which nobody else's settings are, and from which only this machine is reached."""
    nowhere = "http://127.0.0.1:9"
    return {
        "HOME": str(home),
        "PATH": f"{home}/bin:{pathlib.Path(os.environ['NODE_BIN']).parent}:{os.environ['PATH']}",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
        "NO_COLOR": "1",
        **more,
    }


def run(command: list[str], folder: pathlib.Path, environment: dict[str, str]) -> str:
    """Runs a program in a folder to its end; gives what it says."""
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=SECONDS,
    )
    print(done.stdout)
    scenario.expect(done.returncode == 0, f"{command[:3]} ends with {done.returncode}")
    return done.stdout


def write(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def claude_code(printed: str, home: pathlib.Path) -> None:
    """The line goes into a shell."""
    (home / "bin").mkdir()
    (home / "bin/claude").symlink_to(binary("@anthropic-ai/claude-code-*/claude"))
    run(["sh", "-ec", printed], home, claude_surroundings(home))
    uses_claude(home)


def claude_code_project(printed: str, home: pathlib.Path) -> None:
    """The file is in a project that somebody has approved of."""
    (home / "bin").mkdir()
    (home / "bin/claude").symlink_to(binary("@anthropic-ai/claude-code-*/claude"))
    write(home / ".mcp.json", printed)
    write(home / ".claude/settings.json", json.dumps({"enableAllProjectMcpServers": True}))
    write(home / ".claude.json", json.dumps({"projects": {str(home): {"hasTrustDialogAccepted": True}}}))
    uses_claude(home)


def claude_surroundings(home: pathlib.Path, **more: str) -> dict[str, str]:
    quiet = {"DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    return surroundings(home, KASM_MCP_TOKEN=scenario.TOKEN, **quiet, **more)


def uses_claude(home: pathlib.Path) -> None:
    said = run(["claude", "mcp", "list"], home, claude_surroundings(home))
    scenario.expect("kasm: " in said and "Connected" in said, "Claude Code does not connect")
    with Model(TOOL) as model:
        environment = claude_surroundings(home, ANTHROPIC_API_KEY="none", ANTHROPIC_BASE_URL=model.base)
        run(["claude", "-p", "Look at it.", "--allowedTools", f"mcp__kasm__{TOOL}"], home, environment)
        model.was_told()


def cline(printed: str, home: pathlib.Path) -> None:
    settings = home / ".cline/data/settings"
    write(settings / "cline_mcp_settings.json", printed)
    write(settings / "global-settings.json", json.dumps({"telemetryOptOut": True}))
    # Without a server in the background.
    environment = surroundings(home, CLINE_NO_AUTO_UPDATE="1", CLINE_SESSION_BACKEND_MODE="local")
    with Model(TOOL) as model:
        name = "openai-compatible"
        provider = {"provider": name, "apiKey": "none", "model": "made-up", "baseUrl": f"{model.base}/v1"}
        entry = {"settings": provider, "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
        providers = {"version": 1, "lastUsedProvider": name, "modes": {}, "providers": {name: entry}}
        write(settings / "providers.json", json.dumps(providers))
        run([binary("@cline/cli-*/bin/cline"), "--json", "-t", "60", "Look at it."], home, environment)
        model.was_told()


def continue_cli(printed: str, home: pathlib.Path) -> None:
    with Model(TOOL) as model:
        entry = {"name": "made-up", "provider": "openai", "model": "gpt-4o", "apiBase": f"{model.base}/v1"}
        # JSON is YAML, too.
        models = json.dumps([entry | {"apiKey": "none", "roles": ["chat"]}])
        write(home / "config.yaml", f"{printed}models: {models}\n")
        command = [os.environ["NODE_BIN"], binary("@continuedev/cli/dist/cn.js")]
        environment = surroundings(home, CONTINUE_TELEMETRY_ENABLED="0")
        run([*command, "--config", str(home / "config.yaml"), "--auto", "-p", "Look at it."], home, environment)
        model.was_told()


def gemini(printed: str, home: pathlib.Path) -> None:
    write(home / ".gemini/settings.json", printed)
    project = home / "project"
    # How to sign in to the model, which has nothing to do with the server, is in the settings of the project.
    write(project / ".gemini/settings.json", json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}}))
    write(home / ".gemini/trustedFolders.json", json.dumps({str(project): "TRUST_FOLDER"}))
    command = [os.environ["NODE_BIN"], binary(".bin/gemini")]
    said = run([*command, "mcp", "list"], project, surroundings(home))
    scenario.expect("kasm: " in said and "Connected" in said, "Gemini CLI does not connect")
    with Model(TOOL) as model:
        environment = surroundings(home, GEMINI_API_KEY="none", GOOGLE_GEMINI_BASE_URL=model.base)
        run([*command, "--yolo", "-m", "gemini-2.5-pro", "-p", "Look at it."], project, environment)
        model.was_told()


def codex(printed: str, home: pathlib.Path) -> None:
    """Its server for editors calls tools without a model."""
    write(home / ".codex/config.toml", printed)
    command = [binary("@openai/codex-*/vendor/*/bin/codex"), "app-server"]
    environment = surroundings(home, KASM_MCP_TOKEN=scenario.TOKEN)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=home, env=environment, stdin=pipe, stdout=pipe, text=True) as server:
        try:
            answers = Codex(server)
            answers.ask("initialize", {"clientInfo": {"name": "interop", "title": "interop", "version": "1"}})
            answers.send({"method": "initialized"})
            thread = answers.ask("thread/start", {})["thread"]["id"]
            call = {"server": "kasm", "threadId": thread, "tool": TOOL, "arguments": {}}
            reply = answers.ask("mcpServer/tool/call", call)
            scenario.expect(reply["structuredContent"]["success"] is True, f"{reply}")
        finally:
            server.terminate()


class Codex:
    """Requests to Codex's server, one at a time."""

    def __init__(self, server: subprocess.Popen) -> None:
        self.server = server
        self.number = 0

    def send(self, message: dict[str, Any]) -> None:
        self.server.stdin.write(json.dumps(message) + "\n")
        self.server.stdin.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        self.send({"id": self.number, "method": method, "params": params})
        for line in self.server.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.number and "method" not in answer:
                scenario.expect("result" in answer, f"{method}: {answer}")
                return answer["result"]
        raise SystemExit(f"FAILED: Codex ends at {method}")


ALL = [claude_code, claude_code_project, cline, continue_cli, gemini, codex]
