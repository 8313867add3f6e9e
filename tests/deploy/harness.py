"""What the tests of the deployment share: an emulated Kasm, the main job of an agent, and a list of cases."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("DEPLOY_CACHE", ROOT / "target" / "deploy-cache"))
# Longer than anything here takes.
PATIENCE = 60


class Failure(Exception):
    """What was expected did not happen."""


def expect(condition, message):
    if not condition:
        raise Failure(message)


def binary() -> Path:
    name = os.environ.get("KASM_MCP_BIN")
    if not name:
        sys.exit("KASM_MCP_BIN must name a built kasm-mcp")
    return Path(name).resolve()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(*command, **options) -> str:
    """What a command prints that has to succeed."""
    ran = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         stdin=subprocess.DEVNULL, **options)
    expect(ran.returncode == 0, f"{command}: exit code {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
    return ran.stdout.strip()


@contextlib.contextmanager
def running(command, **options):
    """A process that ends with the block."""
    process = subprocess.Popen([str(word) for word in command], **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


@contextlib.contextmanager
def emulated_kasm():
    """The settings of a server in front of an emulator that runs outside every container."""
    with running([binary(), "emulate", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True) as process:
        settings = {}
        while "KASM_USER_ID" not in settings:
            line = process.stdout.readline()
            expect(line, "the emulator ended")
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                settings[name] = value
        yield settings


def get(url: str) -> str:
    """The body of a page, or nothing if there is no answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()
    except (OSError, urllib.error.URLError):
        return ""


def wait_for(what, done, patience=PATIENCE):
    end = time.monotonic() + patience
    while not (value := done()):
        expect(time.monotonic() < end, f"{what}: not within {patience} s")
        time.sleep(0.05)
    return value


def call(base: str, token: str, tool: str, **arguments):
    """The data of a tool call that succeeds."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{base}/mcp", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        reply = json.load(answer)["result"]["structuredContent"]
    expect(reply["success"], f"{tool}: {reply}")
    return reply["data"]


def main_job(base: str, token: str):
    """What an agent does first: a session, a command, a file."""
    path = "/home/kasm-user/deployed.txt"
    session = call(base, token, "create_kasm_session", image_name="Terminal")["kasm_id"]
    ran = call(base, token, "execute_kasm_command", kasm_id=session, command=f"echo deployed | tee {path}; exit 3")
    expect(ran["exit_code"] == 3 and ran["stdout"] == "deployed\n", f"the command: {ran}")
    read = call(base, token, "read_kasm_file", kasm_id=session, file_path=path)
    expect(read["content"] == "deployed\n", f"the file: {read}")
    call(base, token, "destroy_kasm_session", kasm_id=session)


def streams(base: str, token: str):
    """The first event of a stream that stays open comes at once; a proxy that buffers keeps it."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    with urllib.request.urlopen(urllib.request.Request(f"{base}/sse", headers=headers), timeout=10) as stream:
        expect(stream.readline() == b"event: endpoint\n", "the stream begins otherwise")


def check(cases) -> int:
    """Runs functions by their docstrings; the exit code. The last line is one that CI reads."""
    passed = failed = 0
    for case in cases:
        start = time.monotonic()
        try:
            case()
            passed, word = passed + 1, "ok    "
        except Failure as failure:
            failed, word = failed + 1, "FAILED"
            print(failure)
        except Exception:
            failed, word = failed + 1, "FAILED"
            traceback.print_exc(file=sys.stdout)
        print(f"{word}  {case.__doc__}  ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
