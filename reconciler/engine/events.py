"""What happens during a run, as values: one event a line in a log, one change of a live screen. Views render them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from reconciler.core.diagnostics import Diagnostic
from reconciler.core.ids import ResourceId


class Happening(StrEnum):
    LEASED = "leased"
    UNLEASED = "no lease"  # there is none to take: through Azure alone nobody is kept out
    WAITING = "waiting"  # for somebody's lease, or for services after a restart
    THROTTLED = "throttled"  # Azure takes no request for `seconds`; `text` is the quota that is used up
    STEP = "step"  # a step starts
    ACTION = "action"  # an action of it starts
    PROGRESS = "progress"  # a long action still runs; `text` is the host's own last line
    JOINED = "joined"  # a job that an earlier run started is taken over
    DONE = "done"  # a step is done, seen to be so
    RECORDED = "recorded"  # only our record was written
    FAILED = "failed"
    BLOCKED = "blocked"  # a step does not run because of another; said once
    REBOOTING = "rebooting"
    REBOOTED = "rebooted"
    RECONNECTED = "reconnected"
    ROUND = "round"  # something became visible that differs: another round
    CONVERGED = "converged"  # the host is as declared
    STALE = "stale"
    STOPPED = "stopped"  # interrupted: what runs on is named in `text`
    UNSEEN = "unseen"


@dataclass(frozen=True, slots=True)
class Event:
    """`index`/`of`: which step of how many on that host. `seconds`: how long it took, or has taken so far."""

    at: datetime
    run: str
    host: str
    what: Happening
    id: ResourceId | None = None
    text: str = ""
    action: str = ""
    index: int = 0
    of: int = 0
    seconds: float | None = None
    usual: tuple[float, float] | None = None
    diagnostic: Diagnostic | None = None


Emit: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class HostReport:
    """How one host came out of a run. `left`: ids that still differ; `running`: jobs that go on without us."""

    host: str
    done: tuple[ResourceId, ...] = ()
    recorded: tuple[ResourceId, ...] = ()
    failed: tuple[ResourceId, ...] = ()
    blocked: tuple[ResourceId, ...] = ()
    left: tuple[ResourceId, ...] = ()
    running: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # id → job
    reboots: int = 0
    unreachable: float = 0.0  # seconds, through our reboots
    rounds: int = 1
    unseen: str = ""
    stale: tuple[str, ...] = ()  # what moved, one line each
    stopped: bool = False
    diagnostics: tuple[Diagnostic, ...] = ()

    def ended(self, code: int) -> bool:
        """Whether this host gives a run cause to end with `code`."""
        return bool({1: self.failed, 3: self.stale, 4: self.blocked, 5: self.unseen, 2: self.left}[code])

    @property
    def converged(self) -> bool:
        return not (self.failed or self.blocked or self.left or self.unseen or self.stale or self.stopped)


@dataclass(frozen=True, slots=True)
class RunReport:
    """The end of a run. `exit_code`: 1 failed, 3 stale, 4 blocked, 5 not all seen, 2 differences left, 0; 130 stopped."""

    run: str
    hosts: tuple[HostReport, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        if any(host.stopped for host in self.hosts):
            return 130
        return next((code for code in (1, 3, 4, 5, 2) if any(host.ended(code) for host in self.hosts)), 0)
