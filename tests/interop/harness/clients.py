"""Real MCP clients against the product in its demo."""

import concurrent.futures
import os
import pathlib
import time

from . import examples, oauth
from .processes import Failure, run, server, stop_all, tail
from .tools import LOGS, Tools, binary

TIMEOUT = 180
# How many clients run at a time: most of a run is waiting for sessions to start.
AT_ONCE = 6

# The name that the table shows, the program, and its transports.
CLIENTS = [
    ("TypeScript SDK 1.32", "typescript_sdk_1.mjs", ["http", "sse", "sse-root", "sse-mcp", "stdio"]),
    (
        "TypeScript SDK 2.4",
        "typescript_sdk_2.mjs",
        ["http-legacy", "http-auto", "http-modern", "sse", "stdio-legacy", "stdio-auto"],
    ),
    ("Python SDK 1.30", "python_sdk_1.py", ["http", "sse", "sse-root", "sse-mcp", "stdio"]),
    ("Python SDK 2.3", "python_sdk_2.py", ["http-auto", "http-modern", "http-legacy", "sse", "stdio"]),
    ("FastMCP 4.1", "fastmcp_client.py", ["http-auto", "http-legacy", "sse", "stdio"]),
    ("LangChain adapters 0.3", "langchain_client.py", ["http", "sse", "stdio"]),
    ("OpenAI Agents SDK 0.24", "agents_client.py", ["http", "sse", "stdio"]),
    ("Cline settings", "cline.mjs", ["transport-sse", "no-type", "streamable-http"]),
    (
        "Inspector 2.12",
        "inspector.py",
        ["http-legacy", "http-auto", "http-modern", "sse", "sse-mcp", "stdio"],
    ),
    ("bare JSON-RPC", "bare_json_rpc.py", ["urllib", "httpx", "curl"]),
    ("plain HTTP", "plain_http.py", ["scenario", "job"]),
    ("Schemathesis 4.32", "schemathesis_client.py", ["made-up", "real"]),
    (
        "kasm-mcp connect",
        "snippets.py",
        ["chatgpt-action", "claude-code", "claude-code-project", "claude-desktop", "cline", "cline-http-sse"]
        + ["cline-sse", "codex", "continue", "curl", "curl-rest", "gemini-cli", "langchain", "openai-agents"]
        + ["openai-responses", "python", "rest"],
    ),
]
# The Python packages of a program, if they are not those of `sdk-1`.
ENVIRONMENTS = {
    "python_sdk_2.py": "sdk-2",
    "fastmcp_client.py": "sdk-2",
    "agents_client.py": "sdk-2",
    "schemathesis_client.py": "rest",
}


def check(tools: Tools, only: str) -> tuple[int, int]:
    """Runs every client over each of its transports. Gives how many passed and how many failed."""
    product = binary("kasm-mcp", "KASM_MCP_BIN")
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("KASM_", "MCP_"))
    }
    log = LOGS / "demo.log"
    # All of them share one token, and none of them rests. Some examples show a wrong one.
    rates = ("MCP_RATE_PER_ADDRESS", "MCP_RATE_FAILED_AUTH", "MCP_RATE_PER_CALLER", "MCP_RATE_COSTLY_TOOLS")
    quick = clean | {name: "100000/100000" for name in rates}
    pairs = [(name, program, transport) for name, program, transports in CLIENTS for transport in transports]
    chosen = [pair for pair in pairs if only in f"{pair[0]} {pair[2]}"]
    with server([product, "demo", "--port", "0", "--json"], log, env=quick) as ready:
        try:
            environment = clean | variables(tools, product, ready)
        except KeyError as key:
            raise Failure(f"the first line of the demo has no {key}") from key
        results = attempt_all(tools, chosen, environment, log)
        if only in f"{oauth.NAME} {oauth.TRANSPORT}":
            with oauth.product_with_sign_in(tools, product, clean, ready) as facts:
                chosen.append((oauth.NAME, oauth.PROGRAM, oauth.TRANSPORT))
                results.append(attempt(tools, oauth.PROGRAM, oauth.TRANSPORT, environment | facts, log))
        rows = [(name, transport, result) for (name, _, transport), result in zip(chosen, results)]
        rows += examples.check(tools, only, environment, AT_ONCE)
    print_table(rows)
    failed = sum(not result.startswith("ok") for _, _, result in rows)
    return len(rows) - failed, failed


def variables(tools: Tools, product: str, ready: dict[str, str]) -> dict[str, str]:
    """What a client must know, and what the product needs to serve one over stdio."""
    return {
        "INTEROP_LOGS": str(LOGS),
        "INSPECTOR_JS": str(tools.node_modules / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"),
        "KASM_API_KEY": ready["api_key"],
        "KASM_API_SECRET": ready["api_key_secret"],
        "KASM_API_URL": ready["kasm_url"],
        "KASM_MCP_BIN": product,
        "KASM_USER_ID": ready["user_id"],
        "MCP_TOKEN": ready["token"],
        "MCP_URL": ready["url"],
        "NODE_BIN": tools.node,
        "NO_COLOR": "1",
        "PROGRAMS": str(tools.programs),
        "PYTHON_SDK_2": tools.python["sdk-2"],
        "PYTHONUNBUFFERED": "1",
    }


def attempt_all(
    tools: Tools, pairs: list[tuple[str, str, str]], environment: dict[str, str], demo_log: pathlib.Path
) -> list[str]:
    """Runs some clients at a time, and ends them all if this program is told to end."""
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    try:
        one = lambda pair: attempt(tools, pair[1], pair[2], environment, demo_log)  # noqa: E731
        return list(pool.map(one, pairs))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()


def attempt(tools: Tools, program: str, transport: str, environment: dict[str, str], demo_log: pathlib.Path) -> str:
    """Runs one client over one transport. Gives what the table shows."""
    python = tools.python[ENVIRONMENTS.get(program, "sdk-1")]
    interpreter = tools.node if program.endswith(".mjs") else python
    log = LOGS / f"{pathlib.Path(program).stem}-{transport}.log"
    start = time.monotonic()
    code = run([interpreter, str(tools.clients / program), transport], log, TIMEOUT, env=environment)
    seconds = time.monotonic() - start
    if code == 0 and "the whole scenario passed" in log.read_text():
        return f"ok, {seconds:.1f} s"
    print(f"{program} {transport} ended with {code}\n{tail(log)}\n  the server:\n{tail(demo_log, 20)}", flush=True)
    return f"FAILED, {seconds:.1f} s"


def print_table(rows: list[tuple[str, str, str]]) -> None:
    """The rows below a heading, in columns."""
    lines = [("client", "transport", "result"), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    for line in lines:
        print(" | ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
