"""Troubles of the line and of the service, put on a host by a test: what a network, a proxy, a sick WinRM or a hostile host does.

Troubles of cmdlets are `emulator.faults`; these are about requests. `Troubles.take` is asked once for every request that was read.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from enum import StrEnum


class What(StrEnum):
    DROP_BEFORE = "drop before"  # the connection is reset, nothing was done
    DROP_AFTER = "drop after"  # it was done, the answer is lost
    IDLE_DROP = "idle drop"  # answered; then the connection is dropped while nobody uses it
    HANG = "hang"  # no answer, until the other end gives up
    SLOW = "slow"  # the answer drips: `amount` bytes a tenth of a second
    CHOP = "chop"  # output comes in pieces of at most `amount` bytes, cut at random
    KILL_PROCESS = "kill process"  # the commands' processes are killed first
    KILL_SHELL = "kill shell"  # the shells are gone first
    REBOOT = "reboot"  # the host restarts instead of answering
    POWER = "power"  # the plug is pulled instead
    PLAINTEXT = "plaintext"  # the answer is right, but not sealed
    REDIRECT = "redirect"  # 302 to `text`
    STATUS = "status"  # an empty answer with status `amount`
    BODY = "body"  # `text` instead of the answer, sealed where answers are
    RAW = "raw"  # `text` instead of any HTTP answer, then the connection closes
    FLOOD = "flood"  # `amount` bytes of a body without a length
    SHELLS = "shell quota"  # as if the quota of shells were exhausted
    OPERATIONS = "operation quota"


ENDS_BEFORE = (What.DROP_BEFORE, What.HANG, What.REBOOT, What.POWER, What.REDIRECT, What.STATUS, What.BODY, What.RAW, What.FLOOD)
HANDSHAKE = "handshake"  # the verb of requests that are answered with a 401; only named ones meet them


@dataclass(slots=True)
class Trouble:
    """`verb`: Create, Command, Send, Receive, Signal, Delete, or '' for any, or `handshake`. `times` None: until healed. `chance`: of meeting a request."""

    what: What
    verb: str = ""
    times: int | None = 1
    chance: float = 1.0
    skip: int = 0  # so many requests that it would meet pass first
    amount: int = 0
    text: str = ""


@dataclass(slots=True)
class Troubles:
    """Of one host. Chances are drawn from a generator of the host's own, so a run can be repeated."""

    seed: str
    items: list[Trouble] = field(default_factory=list)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def take(self, verb: str) -> list[Trouble]:
        """What meets a request of this verb; uses are counted. At most one that ends it, any number that shape its answer."""
        met: list[Trouble] = []
        for trouble in list(self.items):
            if trouble.verb not in (("", verb) if verb != HANDSHAKE else (verb,)) or (met and met[-1].what in ENDS_BEFORE):
                continue
            if trouble.skip > 0:
                trouble.skip -= 1
                continue
            if trouble.chance < 1 and self.random.random() >= trouble.chance:
                continue
            met.append(trouble)
            self._used(trouble)
        return met

    def _used(self, trouble: Trouble) -> None:
        if trouble.times is not None:
            trouble.times -= 1
            if trouble.times <= 0:
                self.items.remove(trouble)
