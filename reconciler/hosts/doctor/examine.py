"""One examination: the way there, WMI, a session, and then the checks. `cli.commands.doctor` runs it for each host."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TypeAlias

import anyio

from reconciler.core.checkup import Checkup, Finding
from reconciler.core.errors import ReconcilerError, WrongMachine
from reconciler.core.resources import Host
from reconciler.core.transport import Clock, Connect, Hello, Target
from reconciler.hosts.cim import Cim
from reconciler.hosts.doctor import on_host, on_line, on_session
from reconciler.hosts.doctor.ask import WORDS, ask_session, ask_wmi
from reconciler.hosts.doctor.line import walk
from reconciler.hosts.doctor.seen import Seen
from reconciler.hosts.winrm.errors import OutOfTime
from reconciler.hosts.winrm.way import Way

Check: TypeAlias = Callable[[Seen], Iterable[Finding]]
CHECKS: tuple[Check, ...] = (*on_line.CHECKS, *on_session.CHECKS, *on_host.CHECKS)
Beside: TypeAlias = Callable[[Host], Awaitable[Sequence[Finding]]]
PATIENCE = 10.0  # seconds of each step of the way
LIMIT = 300.0  # seconds of one host

__all__ = ["CHECKS", "WORDS", "Beside", "Clinic", "examine"]


@dataclass(frozen=True, slots=True)
class Clinic:
    """How hosts are reached. `way`, `cim`, `connect` None: there is no network between, no WMI, no session. `verify` raises WrongMachine.

    `beside`: what others look at about the host without going there, and find.
    """

    fleet: str
    allow: tuple[str, ...]
    connect: Connect | None
    clock: Clock
    verify: Callable[[Host, Hello], None]
    way: Callable[[Host], Way] | None = None
    cim: Callable[[Host], AbstractAsyncContextManager[Cim]] | None = None
    beside: tuple[Beside, ...] = ()
    patience: float = PATIENCE
    limit: float = LIMIT
    where: str = ""


async def examine(host: Host, clinic: Clinic, checks: Sequence[Check] = CHECKS) -> Checkup:
    """Never raises for what a host does, nor for a connection that cannot be used. Of a host without one only what is looked at beside it is said."""
    checks = checks if host.connected else ()
    seen = Seen(host, clinic.clock.now(), clinic.fleet)
    try:
        with anyio.move_on_after(clinic.limit) as scope:
            await _look(seen, clinic)
        if scope.cancelled_caught:
            seen.unasked = OutOfTime(f"{host.name}: not all was answered within {clinic.limit:g} s")
    except ReconcilerError as failed:  # the connection's own fields, or a secret that is not there: said as a finding
        seen.signed = seen.signed or failed
    found = [finding for check in checks for finding in check(seen)]
    for look in clinic.beside:
        found += await look(host)
    return Checkup(host.name, _where(seen, clinic), tuple(found))


async def _look(seen: Seen, clinic: Clinic) -> None:
    if not seen.host.connected:
        return
    if clinic.way is not None:
        seen.line = await walk(clinic.way(seen.host), clinic.clock, clinic.patience)
        if seen.line.offer is None:
            return
    if clinic.cim is not None:
        async with clinic.cim(seen.host) as cim:
            await ask_wmi(cim, seen)
    if seen.signed is None and clinic.connect is not None:
        await _session(seen, clinic.connect, clinic)


async def _session(seen: Seen, connect: Connect, clinic: Clinic) -> None:
    try:
        async with connect(Target(seen.host, clinic.fleet, clinic.allow)) as reader:
            seen.session = reader.hello
            clinic.verify(seen.host, reader.hello)
            await ask_session(reader, seen)
    except WrongMachine as failed:
        seen.stranger = failed
    except ReconcilerError as failed:
        if seen.session is None:
            seen.session = failed
        else:
            seen.unasked = failed


def _where(seen: Seen, clinic: Clinic) -> str:
    if seen.line is None:
        return clinic.where or f"{seen.host.address or seen.host.name} · {seen.host.connection.transport}"
    way = seen.line.way
    shown = {"ntlm": "NTLM", "kerberos": "Kerberos", "basic": "Basic", "certificate": "a certificate"}.get(way.authentication, way.authentication)
    who = f" as {way.username}" if way.username else ""
    return f"{way.address} · {seen.host.connection.transport}, {shown}{who}"
