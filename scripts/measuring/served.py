"""A controller's hold on hosts that `serving` serves in a process of its own, so that what is counted of the controller is its own alone.

`wire` and `reads` begin it; `reader` only reaches the hosts, and so nothing of the emulator is imported here.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.core.calls import Secret
from reconciler.core.resources import Connection

FORKS = 10  # of ansible-playbook
ROOT = Path(__file__).resolve().parents[2]
VARIABLE = "WINRM_PASSWORD"
FREE: Mapping[str, float] = {}
# Seconds, of a PowerShell 7.6 on Linux with two cores (powershell.md k): an empty process, the first call in one, our script's hello less
# the process, one call of twenty in a batch. Windows PowerShell 5.1 and Windows' own modules are slower and not measured.
STATED: Mapping[str, float] = {"process": 0.56, "module": 0.2, "invoker": 0.64, "call": 0.019}

Counts = Mapping[str, float]


@dataclass
class Served:
    """The controller's hold on it. `hosts`: address and port of each."""

    hosts: Mapping[str, tuple[str, int]]
    user: str
    password: str
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)  # None for who only reaches the hosts

    def counts(self) -> Counts:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: Counts = json.loads(self._process.stdout.readline())
        return found

    def connection(self, host: str, session: str, transport: str = "winrm") -> Connection:
        """NTLM over HTTP, sealed: what costs the most requests."""
        options: dict[str, Any] = {"authentication": "ntlm", "scheme": "http", "insecure": ("plainHttp",), "session": session}
        options |= {"username": self.user, "password": Secret("env", VARIABLE)}
        return Connection(transport, self.hosts[host][1], options)


@contextmanager
def served(hosts: int, costs: Mapping[str, float] = FREE) -> Iterator[Served]:
    line = [sys.executable, "-m", "scripts.measuring.serving", json.dumps({"hosts": hosts, "costs": dict(costs)})]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
            yield Served(told["hosts"], told["user"], told["password"], process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def quiet() -> None:
    """That NTLM over HTTP is asked for is said of every host; here it is known."""
    logging.getLogger("reconciler.hosts").setLevel(logging.ERROR)


def since(before: Counts, after: Counts) -> dict[str, float]:
    return {name: value - before.get(name, 0) for name, value in after.items()}
