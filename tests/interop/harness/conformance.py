"""The official conformance suite against the fixture."""

import json
import pathlib
import re
import shutil

from .processes import run, server, tail
from .tools import LOGS, Tools, binary

REQUIREMENTS = ("2025-11-25", "2026-07-28")
SUITE = "@modelcontextprotocol/conformance/dist/index.js"
SCENARIO = re.compile(r"^([✓✗]) (\S+): (\d+) passed, (\d+) failed", re.MULTILINE)


def check(tools: Tools) -> tuple[int, int]:
    """Runs all requirement sets. Gives the number of scenarios that passed and that failed."""
    passed = failed = 0
    fixture = binary("conformance-fixture", "CONFORMANCE_FIXTURE_BIN")
    with server([fixture, "0"], LOGS / "fixture.log") as ready:
        for requirements in REQUIREMENTS:
            good, bad = check_set(tools, ready["url"], requirements)
            passed, failed = passed + good, failed + bad
    return passed, failed


def check_set(tools: Tools, url: str, requirements: str) -> tuple[int, int]:
    """Runs one requirement set, the scenarios included that it does not score."""
    log = LOGS / f"conformance-{requirements}.log"
    suite = [tools.node, str(tools.node_modules / SUITE), "server"]
    results = LOGS / f"conformance-{requirements}"
    shutil.rmtree(results, ignore_errors=True)
    options = ["--url", url, "--requirements", requirements, "--output-dir", str(results)]
    code = run([*suite, *options], log, 300)
    text = log.read_text(errors="replace")
    scenarios = SCENARIO.findall(text.partition("=== SUMMARY ===")[2])
    bad = [name for mark, name, _, _ in scenarios if mark == "✗"]
    good = len(scenarios) - len(bad)
    checks = sum(int(count) for _, _, count, _ in scenarios)
    failing = sum(int(count) for _, _, _, count in scenarios)
    print(
        f"conformance {requirements}: {good} of {len(scenarios)} scenarios,"
        f" {checks} of {checks + failing} checks",
        flush=True,
    )
    if bad:
        print(f"  failed: {', '.join(bad)}\n{failures(results)}", flush=True)
    elif code != 0 or not scenarios:
        print(f"  the suite ended with {code}\n{tail(log)}", flush=True)
        return good, 1
    return good, len(bad)


def failures(results: pathlib.Path) -> str:
    """What the suite says of each check that failed."""
    lines = []
    for path in sorted(results.glob("*/checks.json")):
        for found in json.loads(path.read_text()):
            if found["status"] == "FAILURE":
                details = json.dumps(found.get("details"))[:1000]
                lines.append(f"    {found['id']}: {found.get('errorMessage')}\n      {details}")
    return "\n".join(lines)
