"""The product behind a real authorization server, with a client that signs in."""

import contextlib
import socket
import subprocess
import time
import urllib.request
from typing import Iterator

from .processes import Failure, server, start, stop, tail
from .tools import LOGS, Tools

NAME, PROGRAM, TRANSPORT = "TypeScript SDK 2.4, OAuth", "typescript_oauth.mjs", "http-auto"
READY_SECONDS = 30


@contextlib.contextmanager
def product_with_sign_in(
    tools: Tools, product: str, clean: dict[str, str], ready: dict[str, str]
) -> Iterator[dict[str, str]]:
    """A server in front of the demo's Kasm that takes access tokens and no other. Gives what its client must know."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    command = [tools.node, str(tools.clients / "authorization_server.mjs"), url]
    with server(command, LOGS / "authorization_server.log", env=clean) as authorization:
        settings = {
            "KASM_API_KEY": ready["api_key"],
            "KASM_API_SECRET": ready["api_key_secret"],
            "KASM_API_URL": ready["kasm_url"],
            # Whoever is not mapped to a user of their own would have none.
            "KASM_USER_ID": "0" * 32,
            "MCP_OAUTH_ISSUERS": authorization["issuer"],
            "MCP_OAUTH_USER_CLAIM": "sub",
            "MCP_PUBLIC_URL": url,
            "MCP_SERVER_HOST": "127.0.0.1",
            "MCP_SERVER_PORT": str(port),
            "MCP_STATE_DIR": str(LOGS / "no-state"),
        }
        log = LOGS / "oauth-product.log"
        with log.open("w") as output:
            process = start([product], stdout=output, stderr=subprocess.STDOUT, env=clean | settings)
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}/healthz", process, log)
            yield {"KASM_USER_ID": ready["user_id"], "MCP_URL": url, "MCP_TOKEN": ""}
        finally:
            stop(process)


def free_port() -> int:
    """A port that nobody listens on: the public URL has to be known before the server starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_healthy(url: str, process: subprocess.Popen, log) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise Failure(f"the server does not answer {url}\n{tail(log)}")
