"""The way of one controller to its hosts, by their `connection`: the engine's `Connect` for hosts that are real, or served as if they were.

    async with connections(vault, clock) as reach:
        environment = Environment(..., connect=reach)

`session: persistent` keeps a session after it was used, for the next who asks for the same host; `per-look` (the default) ends it. A kept
one is greeted again when it is taken up, and replaced between batches once it is worn. Nothing here reads manifests or prints.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import anyio

from reconciler.core.errors import SecretUnavailable, TransportError, Unreachable
from reconciler.core.resources import Host
from reconciler.core.transport import Clock, Secrets, Target, Writer
from reconciler.hosts.breaker import Breaker
from reconciler.hosts.credentials import SignIns
from reconciler.hosts.session import Asked, Channel, Session
from reconciler.hosts.winrm.channel import Setup, WinrmChannel
from reconciler.hosts.winrm.cim import WinrmCim
from reconciler.hosts.winrm.errors import BadConnection, OutOfTime
from reconciler.hosts.winrm.journal import Journal
from reconciler.hosts.winrm.line import Line, Workers
from reconciler.hosts.winrm.way import Way, warn, way_to

PSRP = "psrp"
OURS = ("env", "file")  # sources of secrets that are on this machine
AT_ONCE = 64  # requests under way
OPENING = 150.0  # seconds from the first packet to the hello
BATCHES, AGE, MEMORY = 500, timedelta(hours=1), 512 * 2**20  # a process is replaced after so much


@dataclass(frozen=True, slots=True)
class Options:
    """`folder`: where relative files of `connection` lie. `journal`: where shell ids are kept; None: nowhere. `setup` and `workers` are for tests."""

    folder: Path = Path()
    journal: Path | None = None
    at_once: int = AT_ONCE
    opening: float = OPENING
    along: bool = True  # whether questions of the last look ride with the next hello
    setup: Setup | None = None
    workers: Workers | None = None


class Process(Channel, Protocol):
    """A channel with the process at its other end."""

    batches: int

    @property
    def broken(self) -> bool: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...


@dataclass
class _Kept:
    """An open session and what it runs over."""

    target: Target
    channel: Process
    session: Session
    since: datetime

    def worn(self, now: datetime) -> bool:
        used = self.session.hello.raw.get("ws")
        memory = used if isinstance(used, int) else 0
        taint = self.session.tainted or bool(self.session.hello.raw.get("taint"))
        return self.channel.broken or taint or self.channel.batches >= BATCHES or now - self.since >= AGE or memory >= MEMORY


@dataclass
class Connections:
    """Call it with a target. `signins.reset()`: a person says that refused credentials may be tried again."""

    secrets: Secrets
    clock: Clock
    options: Options = Options()
    signins: SignIns = field(init=False)

    def __post_init__(self) -> None:
        self.signins = SignIns(self.secrets)
        self._journal = Journal(self.options.journal)
        self._workers = self.options.workers or Workers(anyio.CapacityLimiter(self.options.at_once))
        self._breakers: dict[str, Breaker] = {}
        self._warned: set[Way] = set()
        self._asked: dict[tuple[str, str], Asked] = {}  # what the last look at a host asked first, of a fleet
        self._kept: dict[str, list[_Kept]] = {}

    def __call__(self, target: Target) -> AbstractAsyncContextManager[Writer]:
        return self._opened(target)

    @asynccontextmanager
    async def _opened(self, target: Target) -> AsyncIterator[Writer]:
        way = way_to(target.host, self.options.folder)
        if way not in self._warned:
            self._warned.add(way)
            warn(way)
        breaker = self._breakers.setdefault(target.host.name, Breaker(target.host.name, self.clock))
        with breaker.watching():
            along = self._asked.get((target.host.name, target.fleet)) if target.look and self.options.along else None
            kept = await self._in_time(target, way, along)
        sound = False
        try:
            yield kept.session
            sound = True
        finally:
            if target.look and kept.session.first is not None:
                self._asked[target.host.name, target.fleet] = kept.session.first
            if sound and target.host.connection.options.get("session") == "persistent" and not kept.worn(self.clock.now()):
                self._kept.setdefault(target.host.name, []).append(kept)
            else:
                await kept.channel.close()

    async def _in_time(self, target: Target, way: Way, along: Asked | None) -> _Kept:
        """A session within its time. What rides along has its own. A password that cannot be had is an affair of this host, and no other's."""
        limit = self.options.opening + (along.deadline.total_seconds() if along else 0)
        try:
            with anyio.move_on_after(limit):
                return await self._taken(target, along) or await self._begun(target, way, along)
        except SecretUnavailable as missing:
            raise BadConnection(f"{way.host}: no password to sign in with: {missing}") from None
        raise OutOfTime(f"{way.host}: no session within {limit:.0f} s")

    async def _taken(self, target: Target, along: Asked | None) -> _Kept | None:
        """A session that was kept for this target, greeted again; one that does not answer, or is worn, is closed."""
        while waiting := self._kept.get(target.host.name):
            kept = waiting.pop()
            if replace(kept.target, look=target.look) == target and not kept.worn(self.clock.now()):
                try:
                    await kept.session.greet(along)
                    return kept
                except Unreachable:
                    await kept.channel.close()
                    continue
                except BaseException:
                    await kept.channel.close()
                    raise
            await kept.channel.close()
        return None

    async def _begun(self, target: Target, way: Way, along: Asked | None) -> _Kept:
        channel = self._channel(target.host, way)
        try:
            await channel.start()
            session = await Session.open(channel, target, self.secrets, self.clock, along)
        except Unreachable as failed:
            await channel.close()
            if (missing := await self._missing(way, failed)) is not None:
                raise type(failed)(f"{failed}; besides, there is no password: {missing}") from failed
            raise
        except BaseException:
            await channel.close()
            raise
        return _Kept(target, channel, session, self.clock.now())

    async def _missing(self, way: Way, failed: Unreachable) -> SecretUnavailable | None:
        """What stands in the way on this side as well, where that is told without asking anybody: it need not come to light only once the host answers."""
        if failed.sent or way.password is None or way.password.source not in OURS:
            return None
        try:
            await self.secrets.resolve(way.password)
        except SecretUnavailable as missing:
            return missing
        return None

    @asynccontextmanager
    async def cim(self, host: Host) -> AsyncIterator[WinrmCim]:
        """WMI of the host over WS-Management, on a connection of its own and with the same sign-in; no process is started for it."""
        line = Line(way_to(host, self.options.folder), self.signins, self._workers)
        try:
            yield WinrmCim(line)
        finally:
            line.close()

    def _channel(self, host: Host, way: Way) -> Process:
        """Not opened yet. PSRP has a library of its own, loaded only where a host asks for it."""
        if host.connection.transport != PSRP:
            return WinrmChannel(Line(way, self.signins, self._workers), self._journal, self.options.setup)
        try:
            from reconciler.hosts.psrp import connect as psrp
        except ModuleNotFoundError as missing:
            raise BadConnection(f"{host.name}: transport psrp needs the extra psrp of this product ({missing.name} is not installed)") from None
        return psrp.channel(host, way, self.signins, self._workers, self._journal, self.options.setup)

    async def aclose(self) -> None:
        """Ends what was kept."""
        everything = [kept for waiting in self._kept.values() for kept in waiting]
        self._kept.clear()
        async with anyio.create_task_group() as group:
            for kept in everything:
                group.start_soon(kept.channel.close)
        self._journal.close()


@asynccontextmanager
async def connections(secrets: Secrets, clock: Clock, options: Options = Options()) -> AsyncIterator[Connections]:
    made = Connections(secrets, clock, options)
    try:
        yield made
    finally:
        await made.aclose()


def by_transport(transports: dict[str, Callable[[Target], AbstractAsyncContextManager[Writer]]]) -> Callable[[Target], AbstractAsyncContextManager[Writer]]:
    """One Connect out of several, chosen by `connection.transport`."""

    def chosen(target: Target) -> AbstractAsyncContextManager[Writer]:
        found = transports.get(target.host.connection.transport)
        if found is None:
            raise _unknown(target.host)
        return found(target)

    return chosen


def _unknown(host: Host) -> TransportError:
    return BadConnection(f"{host.name}: this version knows no transport {host.connection.transport}")
