"""One real PowerShell that stands for one process of an emulated host, and what the machine answers to its questions.

`shells` makes them: sessions, whose lines come from a console, and the runners of jobs. While one works, it works in real time and the
estate's stands still; what a cmdlet takes passes in the estate's time. A process that its machine lost (killed, restarted) is killed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from reconciler.emulator import greeting, lease
from reconciler.emulator.arguments import Earlier, Refusal, Secure, argument, masked
from reconciler.emulator.jobs import RUNNER_STARTS
from reconciler.emulator.parts import Process
from reconciler.emulator.policies import logging
from reconciler.emulator.powershell import Outcome, execute
from reconciler.emulator.programs import run_program
from reconciler.emulator.winrm.host import EmulatedHost

VERBS = ("facts", "store", "put", "clock", "started", "stop", "detach", "run", "program")
LOOK = 0.01  # real seconds between two looks at the machine


class Ended(Exception):
    """The process does not live to hear the answer."""


class RealProcess:
    """`found` finds a process of the host by the pid that the operating system gave it; `detach` starts a job's runner."""

    def __init__(
        self, host: EmulatedHost, folder: Path, what: str, cut: Callable[[], None], found: Callable[[int], RealProcess | None], detach: Callable[[str], Any]
    ) -> None:
        self.host = host
        self.folder = folder
        self.emulated: Process = host.settled().start_process("powershell.exe", what)
        self.secrets: set[str] = set()
        self.child: asyncio.subprocess.Process | None = None
        self.runner = False
        self._cut = cut
        self._found = found
        self._detach = detach
        self._hold: AbstractContextManager[None] | None = None
        self._greeted = False
        self._until: datetime | None = None
        self._over = asyncio.Event()

    @property
    def alive(self) -> bool:
        return self.host.machine.process(self.emulated.pid) is not None

    def kill(self) -> None:
        if self.child is not None and self.child.returncode is None:
            with suppress(ProcessLookupError):
                self.child.kill()

    def end(self) -> None:
        """It is over, here and on its machine."""
        self._over.set()
        self.release()
        self.kill()
        self.host.machine.kill_tree(self.emulated.pid)

    @property
    def waiting(self) -> bool:
        """It has nothing to do before the estate's time moves on, or nothing at all any more."""
        over = self.child is not None and self.child.returncode is not None
        return over or not self.alive or (self._until is not None and self.host.clock.now() < self._until)

    # --- time: a runner has no controller that waits for it and holds the clock

    def hold(self) -> None:
        if self.runner and self._hold is None:
            self._hold = self.host.estate.clock.held()
            self._hold.__enter__()

    def release(self) -> None:
        if self._hold is not None:
            self._hold.__exit__(None, None, None)
            self._hold = None

    async def _pass(self, until: datetime) -> None:
        """A session's work moves the time; a runner's goes on beside others, so it waits until the time has come."""
        if not self.runner:
            await self.host.clock.sleep_until(until)
        else:
            self._until = until
            self.release()
            both = [asyncio.ensure_future(self._sleep(until)), asyncio.ensure_future(self._over.wait())]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in both:
                    one.cancel()
            self._until = None
        self.host.settled()
        if not self.alive:
            raise Ended

    async def _sleep(self, until: datetime) -> None:
        """Among those who sleep on the estate's clock, so that time stops here, and is held at once."""
        if self.host.settings.pace is None:
            await self.host.estate.clock.sleep_until(until)
        else:
            await self.host.clock.sleep_until(until)
        if self.alive:
            self.hold()

    # --- questions

    async def answer(self, verb: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if verb not in VERBS:
            raise Ended
        given = argument(fields, Earlier())
        self.host.settled()
        if not self.alive:
            raise Ended
        try:
            said: Mapping[str, Any] = await getattr(self, f"_{verb}_")(**given)
        except Refusal as refusal:
            return {"refused": refusal.id, "text": refusal.text}
        return said

    async def _facts_(self) -> Mapping[str, Any]:
        if self.runner and not self._greeted:
            await self._pass(self.emulated.started + timedelta(seconds=RUNNER_STARTS))
        self._greeted = True
        machine = self.host.machine
        greeting.own_folder(machine)
        about = {"name": (machine.computer_name or machine.name).upper(), "uuid": machine.uuid, "guid": machine.machine_guid, "os": machine.caption}
        about |= {"version": machine.version, "build": str(machine.build), "boot": machine.boot_id}
        return about | {
            "product": machine.product_type,
            "booted": machine.booted + machine.skew,
            "log": [list(pair) for pair in logging(machine).items()],
            "root": str(self.folder),
        }

    async def _store_(self, key: str) -> Mapping[str, Any]:
        return {"pairs": [list(pair) for pair in lease.store(self.host.machine, key).items()]}

    async def _put_(self, key: str, name: str, text: str | None) -> Mapping[str, Any]:
        registry, path = self.host.machine.registry, f"{lease.STORE}\\{key}".rstrip("\\")
        if text is not None:
            registry.put(path, name, text)
        elif (found := registry.key(path)) is not None:
            found.values.pop(name.casefold(), None)
        return {}

    async def _clock_(self) -> Mapping[str, Any]:
        return {"seconds": lease.uptime(self.host.machine)}

    async def _started_(self, id: int) -> Mapping[str, Any]:
        other = self._found(id)
        return {"ticks": lease.ticks(other.emulated.started) if other is not None and other.alive else 0}

    async def _stop_(self, id: int) -> Mapping[str, Any]:
        other = self._found(id)
        if other is not None:
            other.end()
        return {}

    async def _detach_(self, text: str) -> Mapping[str, Any]:
        await self._detach(text)
        return {"done": True}

    async def _run_(self, name: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        values = {parameter: self._marked(value) for parameter, value in parameters.items()}
        outcome = execute(self.host.machine, name, values, at=self.host.clock.now())
        if outcome.drop != "before":
            error = {"error": outcome.errors[0].id} if outcome.errors else {}
            self._acted("cmdlet", name, {"name": name, "parameters": masked(values), "ok": outcome.ok} | error)
        await self._met(outcome.hang, outcome.reboot, outcome.cut, outcome.drop)
        await self._pass(self.host.clock.now() + timedelta(seconds=outcome.seconds))
        return _said(outcome)

    async def _program_(self, path: str, arguments: list[str], ms: int) -> Mapping[str, Any]:
        done = run_program(self.host.machine, path, arguments, at=self.host.clock.now())
        if done.drop != "before":
            self._acted("program", path, {"path": path, "arguments": arguments, "exit": done.exit})
        await self._met(False, done.reboot, False, done.drop)
        late = done.hang or done.seconds > ms / 1000
        await self._pass(self.host.clock.now() + timedelta(seconds=min(done.seconds, ms / 1000)))
        return {"exit": None if late else done.exit, "out": done.out, "err": done.err, "cut": "killed" if late else None}

    def _marked(self, value: Any) -> Any:
        """A secret for a parameter that is text came here as text."""
        return Secure(value) if isinstance(value, str) and value in self.secrets else value

    def _acted(self, what: str, name: str, fields: Mapping[str, Any]) -> None:
        self.host.log(what, fields)
        self.host.counts["executions"] += 1
        self.host.log("execution", {"pid": self.emulated.pid, "name": name})

    async def _met(self, hang: bool, reboot: bool, cut: bool, drop: str | None) -> None:
        """What a fault or a restart makes of the line and of the process (as `winrm.session` does)."""
        if cut or drop:
            self._cut()
        if reboot or drop == "before":
            self.end()
            raise Ended
        if hang:
            self._until = datetime.max.replace(tzinfo=UTC)
            self.release()
            await asyncio.Event().wait()


def _said(outcome: Outcome) -> Mapping[str, Any]:
    errors = [
        {"id": record.id, "category": record.category, "message": record.message, "exception": record.exception, "terminating": record.terminating}
        for record in outcome.errors
    ]
    return {
        "objects": list(outcome.objects),
        "errors": errors,
        "info": [outcome.info_text] if outcome.info_text else [],
        "warnings": list(outcome.warnings),
    }
