"""Faults that a person or a test puts on a machine, and that calls then meet.

`put` and `heal` are what `emulate fault` and `emulate heal` call; the engine takes matching faults with `take`. A fault ends by
itself after `times` uses. What `hang` and `drop` mean on the wire is the invoker's business: it reads them from the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(slots=True)
class Fault:
    """`cmdlet` is a name or pattern ('' any call). Exactly one of says, error, hang, drop, reboot is what happens.

    `says`: the call does nothing and answers this text as its only object, without throwing. `error`: it does nothing and
    fails with this id. `drop`: the connection breaks before or after the call acted. `times` None: until healed.
    """

    cmdlet: str = ""
    says: str | None = None
    error: str | None = None
    hang: bool = False
    drop: str | None = None
    reboot: bool = False
    times: int | None = None

    def meets(self, name: str) -> bool:
        bare = name.rpartition("\\")[2].casefold()
        return not self.cmdlet or fnmatchcase(bare, self.cmdlet.casefold())


def take(faults: list[Fault], name: str) -> Fault | None:
    """The first fault that meets a call of `name`; its use is counted, and a used-up fault is removed."""
    for fault in faults:
        if fault.meets(name):
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    faults.remove(fault)
            return fault
    return None


def heal(faults: list[Fault], cmdlet: str = "") -> Sequence[Fault]:
    """Removes the faults on `cmdlet`, or all of them; gives what was removed."""
    gone = [fault for fault in faults if not cmdlet or fault.cmdlet.casefold() == cmdlet.casefold()]
    for fault in gone:
        faults.remove(fault)
    return gone
