"""Child processes: each has a time limit, a log, and an end."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
from typing import Any, Iterator


RUNNING: set[subprocess.Popen] = set()
SERVERS: set[subprocess.Popen] = set()


class Failure(Exception):
    """Something that a person has to look at, with the lines that help."""


def tail(log: pathlib.Path, lines: int = 40) -> str:
    """The end of a log, indented."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def start(command: list[str], **options: Any) -> subprocess.Popen:
    """Starts a command in a process group of its own."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
        RUNNING.add(process)
        return process
    except OSError as error:
        raise Failure(f"{command[0]} does not start: {error}") from error


def run(command: list[str], log: pathlib.Path, seconds: float, **options: Any) -> int:
    """Runs a command to its end and gives its exit code. All it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = start(command, stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            output.write(f"\nstopped after {seconds:.0f} s\n")
            return -1
        finally:
            stop(process)


def must_run(command: list[str], log: pathlib.Path, seconds: float, **options: Any) -> None:
    """Runs a command that has to succeed."""
    code = run(command, log, seconds, **options)
    if code != 0:
        raise Failure(f"{' '.join(command)} ended with {code}\n{tail(log)}")


@contextlib.contextmanager
def server(command: list[str], log: pathlib.Path, seconds: float = 60, **options: Any) -> Iterator[dict[str, Any]]:
    """A server that prints one JSON line when it is ready. It runs until the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    ready = log.with_suffix(".ready")
    with log.open("w") as errors, ready.open("w") as output:
        process = start(command, stdout=output, stderr=errors, **options)
    SERVERS.add(process)
    try:
        line = first_line(process, ready, log, seconds)
        try:
            facts = json.loads(line)
        except ValueError as error:
            raise Failure(f"{command[0]} printed something else than JSON: {line}") from error
        yield facts
    finally:
        stop(process)


def first_line(process: subprocess.Popen, ready: pathlib.Path, log: pathlib.Path, seconds: float) -> str:
    """The first whole line of what the process prints."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = ready.read_text()
        if "\n" in text:
            return text.splitlines()[0]
        if process.poll() is not None:
            raise Failure(f"{process.args} ended with {process.returncode}\n{tail(log)}")
        time.sleep(0.02)
    raise Failure(f"{process.args} is not ready after {seconds:.0f} s\n{tail(log)}")


def stop(process: subprocess.Popen) -> None:
    """Ends a process and all that it started: politely, then not."""
    for number, seconds in ((signal.SIGTERM, 25), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    RUNNING.discard(process)
    SERVERS.discard(process)


def stop_all() -> None:
    """Ends whatever still runs at once, but for the servers: they end with their blocks."""
    for process in tuple(RUNNING - SERVERS):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
