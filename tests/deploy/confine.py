"""Runs a program under the unit's filter of system calls: confine.py UNIT PROGRAM [ARGUMENT]...

The same filter as systemd would make of the unit's lines, with the sets of this machine's systemd.
"""

import os
import subprocess
import sys

import seccomp

PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}


def lines(unit: str, key: str) -> list[str]:
    with open(unit) as text:
        pairs = (line.strip().partition("=") for line in text if not line.startswith("#"))
        return [value for name, _, value in pairs if name == key]


def members(name: str) -> set[str]:
    """The calls of a set such as @system-service."""
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    words = (line.strip() for line in shown.stdout.splitlines()[1:])
    return set().union(*(members(word) for word in words if word and not word.startswith("#")))


def calls(unit: str) -> set[str]:
    allowed = members("@default")
    for value in lines(unit, "SystemCallFilter"):
        named = set().union(*(members(word) for word in value.removeprefix("~").split()))
        allowed = allowed - named if value.startswith("~") else allowed | named
    return allowed


def confine(unit: str):
    wall = seccomp.SyscallFilter(seccomp.ERRNO(1))
    no_exec = [seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0)]
    special = {"socket", "mmap", "mprotect", "pkey_mprotect"}
    for name in sorted(calls(unit) - special):
        try:
            wall.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            pass  # Not a call of this machine's.
    for family in " ".join(lines(unit, "RestrictAddressFamilies")).split():
        wall.add_rule(seccomp.ALLOW, "socket", seccomp.Arg(0, seccomp.EQ, FAMILIES[family]))
    # MemoryDenyWriteExecute
    wall.add_rule(seccomp.ALLOW, "mmap", *no_exec)
    wall.add_rule(seccomp.ALLOW, "mmap", seccomp.Arg(2, seccomp.MASKED_EQ, PROT_WRITE, 0))
    wall.add_rule(seccomp.ALLOW, "mprotect", *no_exec)
    wall.load()


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
