"""Hosts of the emulated estate, in this process: the same frames as over a wire, in virtual time.

`connect` gives the engine's `Connect`. Tests cut it: a `Cut` is asked at three points of every exchange and may raise
`Killed`, after which this controller is dead. Its processes on the hosts live on, as after a real kill.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

from reconciler.core.calls import LedgerCall
from reconciler.core.errors import Unreachable
from reconciler.core.transport import Clock, Connect, Secrets, Target, Writer
from reconciler.emulator import jobs
from reconciler.emulator.controller import Controller, Cut, Exchange, Killed, Point, Tap
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.invoker import Gone, Invoker
from reconciler.emulator.machine import Machine
from reconciler.hosts.session import NoSecrets, Session
from reconciler.wire.requests import Request

CONNECTING = timedelta(seconds=5)  # how long a dead address is tried


class NotEmulated(Unreachable):
    """The host is declared, and the estate was made before it was."""

    code = "HST011"


def about(request: Request) -> str:
    """What a request asks for, in a few words."""
    words = ["hello"] if request.hello else []
    if request.lease:
        words.append(f"lease {request.lease.do}")
    if request.job:
        words.append(f"job {request.job.do} {request.job.job}")
    if request.calls:
        names = [f"{call.name} {call.entry}" if isinstance(call, LedgerCall) else call.name for call in request.calls]
        words.append(("write " if request.write else "ask ") + ", ".join(names))
    return "; ".join(words)


class EmulatedChannel:
    """A line to one emulated powershell process. Once it broke it stays broken."""

    def __init__(self, controller: Controller, machine: Machine) -> None:
        self._controller = controller
        self._machine = machine
        self._broken = ""
        self._invoker = self._start()

    def _start(self) -> Invoker:
        def log(what: str, fields: Mapping[str, Any]) -> None:
            self._controller.record(self._machine.name, what, fields)

        invoker = Invoker(self._machine, self._controller.clock, log)
        log("process", {"do": "start", "pid": invoker.pid})
        return invoker

    def nonce(self, number: int) -> str:
        """Different for every request, the same in every run."""
        return hashlib.sha256(f"{self._machine.name}/{self._machine.boot_id}/{self._invoker.pid}/{number}".encode()).hexdigest()[:32]

    async def exchange(self, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        """One request and its answer. What the host did by then is kept: a controller that is killed undoes nothing."""
        exchange = self._controller.begin(self._machine.name, about(request))
        try:
            return await self._exchanged(exchange, request, texts, deadline)
        finally:
            self._controller.estate.keep(self._machine.name)

    async def _exchanged(self, exchange: Exchange, request: Request, texts: Sequence[str], deadline: timedelta) -> str:
        self._controller.at(exchange, Point.BEFORE)
        if self._broken:
            raise Unreachable(f"{self._machine.name}: {self._broken}")
        self._controller.record(self._machine.name, "request", {"pid": self._invoker.pid, "asks": exchange.what})
        fault = self._line_fault()
        await self._lose(fault, "before", deadline)
        frames = ""
        try:
            for text in texts:
                frames = await self._invoker.line(text)
        except Gone as gone:
            self._controller.at(exchange, Point.EXECUTED)
            raise self._break(str(gone)) from None
        self._controller.at(exchange, Point.EXECUTED)
        await self._lose(fault, "after", deadline)
        self._controller.tapped(exchange, texts, frames)
        self._controller.at(exchange, Point.ANSWERED)
        return frames

    def _line_fault(self) -> Fault | None:
        """A fault of the line itself (no cmdlet named), used up by this exchange."""
        fault = next((fault for fault in self._machine.faults if not fault.cmdlet and (fault.hang or fault.drop)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._machine.faults.remove(fault)
        return fault

    async def _lose(self, fault: Fault | None, when: str, deadline: timedelta) -> None:
        """The connection breaks where the fault says so. What was sent may have acted: nobody here can know."""
        if fault is None or (when == "before") != (fault.hang or fault.drop == "before"):
            return
        if fault.hang:
            await self._controller.clock.sleep_until(self._controller.clock.now() + deadline)
            raise self._break(f"no answer within {deadline.total_seconds():g} s")
        raise self._break("the connection broke")

    def _break(self, why: str) -> Unreachable:
        self._broken = why
        return Unreachable(f"{self._machine.name}: {why}", sent=True)

    async def renew(self) -> None:
        self._invoker.end()
        self._invoker = self._start()

    def close(self) -> None:
        """The controller hangs up and the process ends; over a broken line, or from a dead controller, it lives on."""
        if not self._broken and not self._controller.dead and self._invoker.alive:
            self._invoker.end()
            self._controller.record(self._machine.name, "process", {"do": "end", "pid": self._invoker.pid})


def connect(estate: Estate, clock: Clock, *, secrets: Secrets | None = None, taps: Sequence[Tap] = (), cut: Cut | None = None) -> Connect:
    """The way of one controller to the machines of `estate`."""
    return reach(Controller(estate, clock, secrets or NoSecrets(), taps, cut))


def reach(controller: Controller) -> Connect:
    """The same for a controller that has other planes too."""

    @asynccontextmanager
    async def opened(target: Target) -> AsyncIterator[Writer]:
        channel = EmulatedChannel(controller, await _reach(controller, target))
        try:
            yield await Session.open(channel, target, controller.secrets, controller.clock)
        finally:
            channel.close()

    def connecting(target: Target) -> AbstractAsyncContextManager[Writer]:
        return opened(target)

    return connecting


async def _reach(controller: Controller, target: Target) -> Machine:
    """The machine under the target's name, if it answers."""
    if controller.dead:
        raise Killed
    machine = controller.estate.machines.get(target.host.name)
    if machine is not None:
        jobs.advance(machine, controller.clock.now(), lambda what, fields: controller.record(target.host.name, what, fields))
        if machine.answers():
            return machine
    await controller.clock.sleep_until(controller.clock.now() + CONNECTING)
    where = f"{target.host.name} ({target.host.address})" if target.host.address else target.host.name
    if machine is None:
        raise NotEmulated(f"the estate has no {target.host.name}")
    raise Unreachable(f"{where} does not answer")
