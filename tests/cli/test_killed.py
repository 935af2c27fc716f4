"""A `reconcile apply` that is killed outright: what the hosts did by then has happened, and the next apply goes on from there."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.conftest import Reconcile

# Dies as a process does that is killed with -9: between two exchanges, without a word and without anything being closed.
KILLED = """
import os, signal, sys
from reconciler.cli.main import run
from reconciler.emulator.controller import Controller

begin = Controller.begin

def dying(self, host, request):
    if self.exchanges == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return begin(self, host, request)

Controller.begin = dying
sys.exit(run(["--estate", "lab", "apply", "--yes"]))
"""


def killed_at(exchange: int) -> int:
    done = subprocess.run((sys.executable, "-c", KILLED, str(exchange)), capture_output=True, timeout=60, check=False)
    return done.returncode


def changes(lab: Reconcile) -> Counter[str]:
    """Every cmdlet that changes something, and how often it ran, since the estate was made."""
    entries = lab("emulate", "log", "--output", "json").json()["entries"]
    return Counter(f"{e['host']} {e['name']}" for e in entries if e["what"] == "cmdlet" and e["name"].partition("-")[0] in ("New", "Install", "Enable"))


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("exchange", [18, 25, 40, 60])
def test_an_apply_killed_in_the_middle_is_gone_on_with_and_does_nothing_twice(lab: Reconcile, fleet: Path, exchange: int) -> None:
    before = lab("emulate", "clock", "--output", "json").json()["now"]

    assert killed_at(exchange) == -signal.SIGKILL
    then = lab("emulate", "clock", "--output", "json").json()["now"]
    standing = changes(lab)
    resumed = lab("apply", "--yes")
    if resumed.code == 5:  # killed while a host was restarting: it is not seen, and there the next time
        resumed = lab("apply", "--yes")

    assert then > before
    assert standing
    assert resumed.code == 0
    assert changes(lab) >= standing
    assert set(changes(lab).values()) == {1}
    assert lab("plan").code == 0


def test_a_log_that_was_cut_in_the_middle_of_an_entry_goes_on_with_a_whole_one(built: Reconcile, fleet: Path) -> None:
    log = fleet / "lab" / "log.jsonl"
    log.write_text(log.read_text(encoding="utf-8") + '{"n": 99, "at": "2026', encoding="utf-8")

    assert built("plan").code == 0
    assert built("emulate", "log", "--output", "json").code == 0
