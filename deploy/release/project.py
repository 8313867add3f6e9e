"""What the scripts of a release share: facts of the project, and files that are the same bytes each time."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "kasm-mcp"
# In the registry of MCP servers. Its first part is what the owner of the repository on GitHub may use.
REGISTRY_NAME = "io.github.kasm-mcp/kasm-mcp"
IMAGE = "ghcr.io/kasm-mcp/kasm-mcp"
TITLE = "Kasm Workspaces"
# The registry takes at most 100 characters.
DESCRIPTION = "Gives AI agents Kasm Workspaces desktops: shell, files, screen, mouse and keyboard"
# What `kasm-mcp stdio` needs: the variable, its title, what it means, whether it is secret.
SETTINGS = (
    ("KASM_API_URL", "Address of Kasm", "Address of the Kasm server, such as https://kasm.example.org", False),
    ("KASM_API_KEY", "API key", "API key of Kasm (Settings, Developers, Add API Key)", True),
    ("KASM_API_SECRET", "API key secret", "Secret of the API key", True),
    ("KASM_USER_ID", "Kasm user", "Id of the Kasm user for the agent, 32 hex digits (Access Management, Users)", False),
)


def fail(message: str):
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")


def cargo(*arguments: str) -> str:
    """What cargo prints for this workspace."""
    ran = subprocess.run(["cargo", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if ran.returncode != 0:
        fail(f"cargo {arguments[0]} failed")
    return ran.stdout


def package() -> dict:
    """The package in Cargo.toml: version, license, repository and the like."""
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1", "--locked"))
    return next(package for package in metadata["packages"] if package["name"] == NAME)


def program(path: str, version: str) -> Path:
    """The built program, which must be of this version."""
    binary = Path(path).resolve()
    ran = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True)
    if ran.stdout.strip() != f"{NAME} {version}":
        fail(f"{binary} is {ran.stdout.strip()!r}, not {NAME} {version}")
    return binary


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: dict):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    print(path)


def release_notes(version: str) -> str:
    """The section of CHANGELOG.md for a version."""
    text = (ROOT / "CHANGELOG.md").read_text()
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        fail(f"CHANGELOG.md has no section [{version}]")
    return found[1].strip() + "\n"
