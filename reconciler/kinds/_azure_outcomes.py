"""How a run of an extension's handler ended, read from texts: ARM has the installer's exit code nowhere else.

The message is read first, the tail of the status code second (azure-extensions 2.3). What no page documents is decided in `_meant` alone.
"""

from __future__ import annotations

import re
from enum import Enum

from reconciler.core.observations import Meaning
from reconciler.kinds._azure_drivers import GPU

CODE = re.compile(r"[Ee]xit [Cc]ode: ?(-?\d+)")
TAIL = re.compile(r"ProvisioningState/(\w+)/(-?\d+)$")
AGENT = (0, 1007, 1009)  # the agent's own numbers: it never heard, or the handler's command died (1.5, 1.6)


class Outcome(Enum):
    """DONE · REBOOT: done, in effect after a restart · INTERRUPTED: goes on by itself after one · AGAIN: may go well next time · STOP: would not."""

    DONE = "done"
    REBOOT = "reboot"
    INTERRUPTED = "interrupted"
    AGAIN = "again"
    STOP = "stop"


def exit_code(message: str, status: str) -> int | None:
    """The installer's exit code; None where nothing tells it."""
    if found := CODE.findall(message):
        return int(found[-1])
    tail = TAIL.search(status)
    return int(tail[2]) if tail and int(tail[2]) not in AGENT else None


def outcome(type: str, code: int | None, *, failed: bool) -> Outcome:
    if not failed and code is None:
        return Outcome.DONE
    return _meant(type.casefold(), code)


def _meant(type: str, code: int | None) -> Outcome:
    """The table of 2.3. Without any code the agent or the platform gave up: run again (1.6). 3010 counts as done however ARM shows it."""
    if code == 0:
        return Outcome.DONE
    if code == 3010 or (code == 1 and type in GPU):
        return Outcome.REBOOT
    if code is None or code in (240, 840):
        return Outcome.AGAIN
    return Outcome.INTERRUPTED if -60 < code <= -50 else Outcome.STOP


WORDS = {
    100: ("AZR100", "the driver is not supported here or could not be fetched: a size without the device, no way to the internet, an old PowerShell"),
    -1: ("AZR101", "the installer broke off with an exception"),
}


def terminal(code: int | None, name: str) -> Meaning:
    """Why running it again would end the same way."""
    id, why = WORDS.get(code or 0, ("AZR102", "the handler ended with an error of its own"))
    steps = {
        "AZR100": "check the size (RdmaEnabled, GPUs), the VM's way to download.microsoft.com and the driver's log",
        "AZR101": "read the driver's log on the VM",
        "AZR102": "read the extension's log on the VM",
    }
    return Meaning(id, f"{name} ended with exit code {code}: {why}", f"{steps[id]}; then plan again, or give rerun another value")
