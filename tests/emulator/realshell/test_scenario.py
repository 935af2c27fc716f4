"""The main scenario of specs/ with our invoker in a real PowerShell on the emulated host: what is asked and answered is as in one process.

Skipped where no PowerShell is installed. It takes minutes: every start of a PowerShell costs a second or more, and every restart needs one.
"""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.emulator.realshell import RealShells
from reconciler.wire.answers import error_of
from tests.hosts.winrm.test_main_scenario import in_one_process, over_sockets
from tests.wire.powershell.pwsh import found

PWSH = found()
pytestmark = [pytest.mark.interop, pytest.mark.skipif(PWSH is None, reason="no PowerShell here: set RECONCILE_PWSH or put pwsh on the path")]
# What an engine says of itself, and what a job has printed so far: the emulated one prints as time goes by.
OWN = {"ps", "bits", "ui", "last"}


def decoded(value: Any) -> Any:
    """As the controller takes it: of a call's errors it keeps the first one's id, category, text and type."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    said = {name: decoded(item) for name, item in value.items() if name not in OWN}
    return said | {"err": error_of(value)} if isinstance(value.get("err"), list) else said


@pytest.mark.parametrize("specs", ["kiosk.yaml"])
async def test_through_a_real_powershell_the_same_is_asked_and_answered_as_in_one_process(specs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PWSH is not None
    here, ended_here, done_here = await in_one_process(specs)
    async with RealShells(PWSH) as shells:
        there, ended_there, done_there = await over_sockets(specs, monkeypatch, [shells.launch])
    assert ended_here == ended_there == [0, 0]
    assert done_here == done_there
    assert sorted(here) == sorted(there)
    for host in sorted(here):
        for one, other in zip(here[host], there[host], strict=True):
            assert decoded(one[0]) == decoded(other[0])
            assert decoded(one[1]) == decoded(other[1])
