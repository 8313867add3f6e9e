"""Schemathesis against the OpenAPI document of the product: `schemathesis_client.py made-up|real`.

No answer may be one that the document does not tell of. `made-up` sends what fits the document, and what does
not; almost all of it is about sessions that do not exist. `real` names a session, commands and files that do, so
that what succeeds is held against the document, too. Each run has a demo of its own: it ends sessions that it
finds in answers, whosever they are.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from typing import Any, Iterator

import scenario

# What the document says of Kasm's own failures is no defect. 500 would be one.
CONFIG = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "4xx", "501", "502", "503", "504"]\n'
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
]
HOME = "/home/kasm-user"
# What an argument is in `real`.
CHOICES = {
    "command": ["true", "echo hello; exit 3", "sudo id", "echo to a file > a", "cat a no-such-file"],
    "file_path": [f"{HOME}/a", f"{HOME}/new/b", f"{HOME}/no-such-file", "/etc/passwd"],
    "path": [HOME, f"{HOME}/Downloads", f"{HOME}/a"],
    "working_dir": [HOME, f"{HOME}/Downloads", "/etc"],
    "stdin": ["hello\n"],
    "save_to_file": [f"{HOME}/screen.png"],
}
# They would end the session for all others, or take the time of every call.
LEFT_OUT = ["create_kasm_session", "destroy_kasm_session", "pause_kasm_session", "control_desktop"]


class Product:
    """The demo, and what to send there."""

    def __init__(self, ready: dict[str, str]) -> None:
        self.base = ready["url"].removesuffix("/mcp")
        self.authorization = f"Bearer {ready['token']}"

    def request(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": self.authorization, "Content-Type": "application/json"}
        sent = urllib.request.Request(self.base + path, data, headers)
        try:
            with urllib.request.urlopen(sent, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"FAILED: {path} {body}: {error.code} {error.read()}") from None


@contextlib.contextmanager
def demo() -> Iterator[Product]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KASM_", "MCP_"))}
    rates = ("MCP_RATE_PER_ADDRESS", "MCP_RATE_PER_CALLER", "MCP_RATE_COSTLY_TOOLS")
    environment |= {name: "100000/100000" for name in rates}
    command = [scenario.STDIO_COMMAND, "demo", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        try:
            yield Product(json.loads(process.stdout.readline()))
        finally:
            process.terminate()


def real(document: dict[str, Any], kasm_id: str) -> None:
    """Narrows the document to a session and things that are there."""
    for tool in LEFT_OUT:
        del document["paths"][f"/api/v1/tools/{tool}"]
    choices = CHOICES | {"kasm_id": [kasm_id]}
    for item in document["paths"].values():
        schema = item["post"]["requestBody"]["content"]["application/json"]["schema"]
        for name, argument in schema["properties"].items():
            if name in choices:
                argument["enum"] = choices[name]
            elif name in ("wait_seconds", "timeout_seconds"):
                argument["maximum"] = 5
        # With a user of its own a session is nobody's; that is of the other run.
        if "kasm_id" in schema["properties"]:
            schema["properties"].pop("user_id", None)


def check(product: Product, document: dict[str, Any], mode: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config, schema = pathlib.Path(folder, "config.toml"), pathlib.Path(folder, "openapi.json")
        config.write_text(CONFIG)
        schema.write_text(json.dumps(document))
        program = pathlib.Path(sys.executable).with_name("schemathesis")
        command = [program, "--no-color", "--config-file", config, "run", schema, "--url", product.base]
        command += ["--checks", ",".join(CHECKS), "--mode", mode, "--max-examples", "10"]
        command += ["--phases", "coverage,fuzzing", "--rate-limit", "auto", "--warnings", "off", "--workers", "2"]
        command += ["--request-timeout", "90", "--continue-on-failure", "--seed", "1"]
        command += ["--header", f"Authorization: {product.authorization}"]
        done = subprocess.run(command, cwd=folder, check=False)
        scenario.expect(done.returncode == 0, f"schemathesis ended with {done.returncode}")


def main() -> None:
    with demo() as product:
        document = product.request("/openapi.json")
        scenario.expect(len(document["paths"]) > 20, f"only {list(document['paths'])}")
        if scenario.transport() == "made-up":
            check(product, document, "all")
        else:
            created = product.request("/api/v1/tools/create_kasm_session", {"image_name": "Terminal"})
            real(document, created["data"]["kasm_id"])
            check(product, document, "positive")
    print("the whole scenario passed")


main()
