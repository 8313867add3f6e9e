"""Installs the conformance suite and the clients into a cache, and builds the servers."""

import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
from typing import Callable

from .processes import Failure, must_run

INTEROP = pathlib.Path(__file__).resolve().parent.parent
ROOT = INTEROP.parent.parent
CACHE = pathlib.Path(os.environ.get("INTEROP_CACHE") or ROOT / "target" / "interop-cache").resolve()
LOGS = CACHE / "logs"
NPM_FILES = ("package.json", "package-lock.json")


@dataclasses.dataclass
class Tools:
    """Where everything is that a run needs."""

    node: str
    node_modules: pathlib.Path
    clients: pathlib.Path
    python: dict[str, str]
    programs: pathlib.Path


def install() -> Tools:
    """Installs what is not there yet."""
    if sys.version_info < (3, 11):
        raise Failure(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}")
    home = entry("npm", [INTEROP / name for name in NPM_FILES], install_npm)
    programs = entry("programs", [INTEROP / "programs" / name for name in NPM_FILES], install_npm)
    python = {}
    for name in ("sdk-1", "sdk-2", "rest"):
        venv = entry(name, [INTEROP / "requirements" / f"{name}.txt"], install_python)
        python[name] = str(venv / "bin" / "python")
    # Programs find their packages from where they are, so the clients are copied beside the packages.
    clients = home / "clients"
    shutil.rmtree(clients, ignore_errors=True)
    shutil.copytree(INTEROP / "clients", clients)
    return Tools(find_node(home), home / "node_modules", clients, python, programs / "node_modules")


def entry(name: str, inputs: list[pathlib.Path], fill: Callable[[pathlib.Path, list[pathlib.Path]], None]) -> pathlib.Path:
    """A folder of the cache whose name tells what is in it. Older ones of that name are removed."""
    digest = hashlib.sha256(sys.version.encode())
    for path in inputs:
        digest.update(path.read_bytes())
    folder = CACHE / f"{name}-{digest.hexdigest()[:16]}"
    complete = folder / ".complete"
    if not complete.exists():
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old)
        folder.mkdir(parents=True)
        print(f"installing {name}", flush=True)
        fill(folder, inputs)
        complete.touch()
    return folder


def install_npm(folder: pathlib.Path, inputs: list[pathlib.Path]) -> None:
    for path in inputs:
        shutil.copy(path, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    must_run(command, LOGS / "npm.log", 600, cwd=folder)


def install_python(folder: pathlib.Path, inputs: list[pathlib.Path]) -> None:
    log = LOGS / "pip.log"
    must_run([sys.executable, "-m", "venv", str(folder)], log, 120)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    must_run([*pip, "install", "--quiet", "--no-deps", "-r", str(inputs[0])], log, 600)
    must_run([*pip, "check"], log, 60)


def find_node(home: pathlib.Path) -> str:
    """The Node.js that is among the packages, for the suite needs a recent one."""
    bundled = sorted(home.glob("node_modules/node-*/bin/node"))
    node = str(bundled[0]) if bundled else shutil.which("node")
    if node is None:
        raise Failure("no Node.js: install version 22.19 or later")
    return node


def binary(package: str, variable: str) -> str:
    """A server: the file that `variable` names, or one that is built now."""
    given = os.environ.get(variable)
    if given:
        return str(pathlib.Path(given).resolve())
    profile = os.environ.get("INTEROP_PROFILE", "release")
    print(f"building {package} ({profile})", flush=True)
    command = ["cargo", "build", "--locked", "--package", package, "--bin", package, "--profile", profile]
    must_run(command, LOGS / f"cargo-{package}.log", 3600, cwd=ROOT)
    metadata = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    target = json.loads(subprocess.check_output(metadata, cwd=ROOT, timeout=60))["target_directory"]
    return str(pathlib.Path(target) / ("debug" if profile == "dev" else profile) / package)
