"""The programs in `examples/`, as they are in the tree, against the product in its demo."""

import concurrent.futures
import contextlib
import dataclasses
import json
import pathlib
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from typing import Iterator

from .processes import run, server, stop_all, tail
from .tools import INTEROP, LOGS, ROOT, Tools

TIMEOUT = 180
FOLDER = ROOT / "examples"
PROGRAMS = {".mjs", ".py", ".sh", ".ts"}
# What a program imports from beside it.
PARTS = {"langchain/scripted_model.py"}


@dataclasses.dataclass(frozen=True)
class Example:
    """A program, where its packages are, and in which ways it is run."""

    name: str
    program: str
    # A set of Python packages, `node`, or nothing: the Python that runs this, without packages.
    packages: str
    cases: tuple[str, ...]
    # How it names the stand-in for a model, if it has an agent.
    model: str = ""


AGENT = ("job", "left behind", "errors")
EXAMPLES = [
    Example("example: Python SDK", "python/session.py", "sdk-2", ("job", "errors")),
    Example("example: TypeScript SDK", "typescript/session.ts", "node", ("job", "errors")),
    Example("example: REST", "rest/plan.py", "", ("job", "errors")),
    Example("example: LangChain", "langchain/agent.py", "sdk-1", ("scripted", *AGENT), "openai:scripted"),
    Example("example: OpenAI functions", "openai/function_calling.py", "sdk-2", AGENT, "scripted"),
    Example("example: OpenAI Agents SDK", "openai-agents/agent.py", "sdk-2", AGENT, "scripted"),
]

SESSION = re.compile(r'(?:session |"kasm_id": ")([0-9a-f]{32})')
# All of them do the same.
EXPECTED = [
    re.compile(r"exit code (?:is )?1\b"),
    re.compile(r"/home/kasm-user/numbers\.txt holds ['\"]1\\n2\\n3\\n['\"]"),
    re.compile(r"^destroy(?:ed|_kasm_session)", re.MULTILINE),
]
# A task without its last sentence: the session is for the program to end.
FORGETFUL = "Run `echo left > ~/left.txt` in a Kasm session and read the file /home/kasm-user/left.txt."
LEFT_BEHIND = re.compile(r"left\.txt holds 'left\\n'\.\ndestroyed ([0-9a-f]{32}), which the \w+ left behind\n$")


class Wrong(Exception):
    """What an example should not have done."""


def check(tools: Tools, only: str, environment: dict[str, str], at_once: int) -> list[tuple[str, str, str]]:
    """Runs the examples that the table shows as `only` asks. Gives the rows of the table."""
    rows = [("examples", "all are run", all_are_run())] if only in "examples all are run" else []
    chosen = [(one, case) for one in EXAMPLES for case in one.cases if only in f"{one.name} {case}"]
    if not chosen:
        return rows
    # Node.js finds packages from where a program is.
    beside_packages = tools.clients.parent / "examples"
    shutil.rmtree(beside_packages, ignore_errors=True)
    shutil.copytree(FOLDER, beside_packages, ignore=shutil.ignore_patterns("node_modules"))
    private = ("KASM_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_", "MODEL")
    clean = {name: value for name, value in environment.items() if not name.startswith(private)}
    model = [sys.executable, str(INTEROP / "clients" / "scripted_model.py")]
    with server(model, LOGS / "scripted_model.log") as ready:
        facts = {"OPENAI_BASE_URL": ready["url"], "OPENAI_API_KEY": "none", "PYTHONDONTWRITEBYTECODE": "1"}
        pool = concurrent.futures.ThreadPoolExecutor(at_once)
        try:
            attempts = pool.map(lambda row: attempt(tools, *row, clean | facts), chosen)
            return rows + [(one.name, case, result) for (one, case), result in zip(chosen, attempts)]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()


def all_are_run() -> str:
    """An example that nobody runs would rot, and one that nobody is told of would not be read."""
    files = {path.relative_to(FOLDER) for path in FOLDER.glob("*/*") if path.suffix in PROGRAMS}
    programs = {path.as_posix() for path in files} - PARTS
    known = {one.program for one in EXAMPLES}
    text = (FOLDER / "README.md").read_text()
    untold = {program for program in known if f"examples/{program}" not in text}
    if programs == known and not untold:
        return "ok"
    print(f"examples: not run {programs - known}, not there {known - programs}, not in README.md {untold}", flush=True)
    return "FAILED"


def attempt(tools: Tools, example: Example, case: str, environment: dict[str, str]) -> str:
    """Runs an example in one way. Gives what the table shows."""
    start = time.monotonic()
    trial = Trial(tools, example, case.replace(" ", "-"), environment | {"MODEL": example.model})
    try:
        {"job": trial.job, "scripted": trial.scripted, "left behind": trial.left_behind, "errors": trial.errors}[case]()
    except Wrong as wrong:
        print(f"{example.program} {case}: {wrong}\n{tail(trial.log)}", flush=True)
        return f"FAILED, {time.monotonic() - start:.1f} s"
    return f"ok, {time.monotonic() - start:.1f} s"


class Trial:
    """One way to run an example."""

    def __init__(self, tools: Tools, example: Example, case: str, environment: dict[str, str]):
        name = f"example-{pathlib.PurePosixPath(example.program).parent}-{case}"
        self.example, self.environment = example, environment
        self.log, self.folder = LOGS / f"{name}.log", LOGS / name
        program = str(FOLDER / example.program)
        if example.packages == "node":
            program = str(tools.clients.parent / "examples" / example.program)
        python = tools.python.get(example.packages, sys.executable)
        self.command = [tools.node if example.packages == "node" else python, program]

    def job(self, *arguments: str) -> None:
        """A session from start to end."""
        text = self.run(*arguments)
        for pattern in EXPECTED:
            expect(pattern.search(text), f"it does not say {pattern.pattern}")
        sessions = set(SESSION.findall(text))
        expect(len(sessions) == 1, f"it speaks of the sessions {sessions}")
        self.expect_gone(sessions.pop())
        for name in re.findall(r"the screen is in (\S+)", text):
            head = (self.folder / name).read_bytes()[:4]
            expect(head == b"\x89PNG" or head[:3] == b"\xff\xd8\xff", f"{name} is no picture")

    def scripted(self) -> None:
        """The same without any model server."""
        self.environment |= {"MODEL": "", "OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
        self.job("--scripted")

    def left_behind(self) -> None:
        """The model does not destroy its session."""
        found = LEFT_BEHIND.search(self.run(FORGETFUL))
        expect(found, "it does not end the session that the model left")
        self.expect_gone(found[1])

    def errors(self) -> None:
        """What a newcomer gets wrong is told in one line."""
        with nobody() as address:
            wrong = {"MCP_TOKEN": ("wrong", "token"), "MCP_URL": (f"http://{address}/mcp", address)}
            if self.example.model:
                wrong |= {"MODEL": ("", "set MODEL"), "OPENAI_BASE_URL": (f"http://{address}/v1", "model: Connection")}
            if self.example.packages == "sdk-1":
                # LangChain has models of many kinds, so it says less.
                wrong |= {"OPENAI_BASE_URL": (f"http://{address}/v1", "Connection error")}
            for name, (value, told) in wrong.items():
                code, text = self.run_to_end({name: value})
                last = [line for line in text.splitlines() if not line.endswith(" tools are offered")]
                expect(code == 1, f"with {name}={value} it ends with {code}")
                told_so = len(last) == 1 and last[0].startswith("error: ") and told in last[0]
                expect(told_so, f"with {name}={value} it does not say in one line what is wrong")

    def run(self, *arguments: str) -> str:
        """What it prints. It must succeed."""
        code, text = self.run_to_end({}, *arguments)
        expect(code == 0, f"it ended with {code}")
        return text

    def run_to_end(self, changes: dict[str, str], *arguments: str) -> tuple[int, str]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        environment = self.environment | changes
        code = run([*self.command, *arguments], self.log, TIMEOUT, env=environment, cwd=self.folder)
        return code, self.log.read_text(errors="replace")

    def expect_gone(self, kasm_id: str) -> None:
        """Kasm ends a session in the background."""
        url = self.environment["MCP_URL"].removesuffix("/mcp") + "/api/v1/tools/get_session_status"
        headers = {"Authorization": f"Bearer {self.environment['MCP_TOKEN']}", "Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps({"kasm_id": kasm_id}).encode(), headers)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(request, timeout=30).close()
            except urllib.error.HTTPError as error:
                expect(json.load(error).get("error_type") == "not_found", f"{kasm_id}: {error}")
                return
            time.sleep(0.1)
        raise Wrong(f"session {kasm_id} is still there")


def expect(condition: object, message: str) -> None:
    """Says what is wrong unless `condition` holds."""
    if not condition:
        raise Wrong(message)


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """An address that is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
