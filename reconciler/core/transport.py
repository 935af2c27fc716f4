"""What the engine needs of a host, as protocols: a Reader asks, a Writer also acts. `hosts` implements them.

A session opens with hello. One process on the host serves it; the lease is that process's. Outcomes are typed errors
(`core.errors`); an error with `sent=True` means: whatever was sent may have acted, look first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

from reconciler.core.calls import Answer, AnyCall, Plane
from reconciler.core.observations import Facts
from reconciler.core.resources import Host


class Clock(Protocol):
    """Time as the engine knows it (UTC). The emulated estate's clock jumps when every task sleeps."""

    def now(self) -> datetime: ...
    async def sleep_until(self, when: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a host: its id may by now be another's, so the time at which it started says which one it is."""

    id: int
    started: datetime

    def same(self, other: Process | None) -> bool:
        return other is not None and self.id == other.id and abs(self.started - other.started) < timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease on the host: who may write. `seconds` is what is left by the host's monotonic clock; 0 when it is free."""

    holder: str | None = None
    epoch: int = 0
    seconds: float = 0.0
    rebooting: str | None = None  # the holder for whom it is kept over a restart
    taker: Process | None = None  # what took it


@dataclass(frozen=True, slots=True)
class Hold:
    """Hands off: found on the host, honoured by every apply. `until` None: for ever."""

    by: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """Detached work on the host. `phase`: starting, running, done, lost, cancelled. `bad`: failed calls, once done.

    `answers` are there after a poll of a job that is done; the last one is the failed one where `bad`.
    """

    id: str
    resource: str
    action: str
    phase: str
    since: datetime | None = None
    last: str = ""  # what it printed last
    key: str = ""
    bad: int = 0
    answers: tuple[Answer, ...] = ()
    joined: bool = False
    pause: float | None = None  # seconds until the next poll, where the other side has a say in it

    @property
    def active(self) -> bool:
        return self.phase in ("starting", "running")


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a machine is and what it remembers. `ledger`: entry name → canonical JSON, of the fleet that was asked for."""

    facts: Facts
    machine: str | None = None  # our own record of which host this is, JSON
    ledger: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lease: Lease = Lease()
    hold: Hold | None = None
    jobs: tuple[Job, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # as it came, for snapshots
    process: Process | None = None  # what serves this session
    logging: tuple[str, ...] = ()  # policies of PowerShell by which the host writes down what calls are given


@dataclass(frozen=True, slots=True)
class Target:
    """What a connection is opened for: the host, by which plane, whose ledger to read, and the names that calls may use."""

    host: Host
    fleet: str
    allow: tuple[str, ...]
    look: bool = False  # only questions follow: a transport may ask along with hello what it was asked last time
    plane: Plane = Plane.HOST


class Reader(Protocol):
    """Asks. `hello` is of the moment the session opened; `greet` asks again."""

    @property
    def hello(self) -> Hello: ...
    async def greet(self) -> Hello: ...
    async def ask(self, calls: Sequence[AnyCall], deadline: timedelta) -> tuple[Answer, ...]:
        """One batch, one answer a call, in order; a failed call does not stop the others. Raises TransportError."""


class Writer(Reader, Protocol):
    """Acts, under a lease that this session took. On the ARM plane there is no lease: `take` gives one of epoch 1, the rest is nothing.

    There every write is a job of one call; see docs/azure.md.
    """

    async def take(self, holder: str, seconds: float, epoch: int | None = None) -> Lease:
        """Take the lease (again). Raises LeaseHeld while another holds it."""

    async def release(self, holder: str, epoch: int) -> None: ...
    async def rebooting(self, holder: str, epoch: int, seconds: float) -> None:
        """Keep the lease for `holder` over the restart that comes now."""

    async def run(self, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> tuple[Answer, ...]:
        """One write batch; stops at the first failure (its answer is the last). `key` is the attempt's idempotency key."""

    async def start(self, job: str, resource: str, action: str, calls: Sequence[AnyCall], *, key: str, epoch: int, deadline: timedelta) -> Job:
        """Start a detached job, or join the unacknowledged one of that resource (`joined`)."""

    async def poll(self, job: str) -> Job: ...
    async def ack(self, job: str) -> None:
        """Forget a finished or lost job, with its answer."""


Connect: TypeAlias = Callable[[Target], AbstractAsyncContextManager[Writer]]


def by_plane(host: Connect, arm: Callable[[], Connect]) -> Connect:
    """One way for both planes. `arm` is made when first asked for: most fleets have nothing on Azure."""
    made: list[Connect] = []

    def connect(target: Target) -> AbstractAsyncContextManager[Writer]:
        if target.plane is Plane.HOST:
            return host(target)
        if not made:
            made.append(arm())
        return made[0](target)

    return connect


class Secrets(Protocol):
    """Gives the value of a reference; raises SecretUnavailable. Values are registered with the scrubber before they are given."""

    async def resolve(self, secret: Any) -> str: ...
    def scrub(self, text: str) -> str: ...
