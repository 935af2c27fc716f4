"""A counter on an emulated host, and a controller that counts on it: each call succeeds every time it runs, so none may run twice.

The counting call is `Add-VMNetworkAdapter`, which on Windows adds one more adapter each time it is called; here it only counts, and now
and then ends the process that runs it, after it counted. What the controller believes is compared with the endpoint's own log of executions.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from reconciler.core.calls import Cmdlet
from reconciler.core.errors import LeaseHeld, Unreachable
from reconciler.core.transport import Target, Writer
from reconciler.emulator.cmdlets import CMDLETS, Bound, Emulated, load
from reconciler.emulator.machine import Machine
from reconciler.emulator.winrm.troubles import Trouble, What
from tests.hosts.winrm.serving import HOST, Served

MINUTE = timedelta(minutes=1)
ADD = Cmdlet("Add-VMNetworkAdapter", ("VMName", "Name"))
READ = Cmdlet("Get-ItemProperty", ("Path", "Name"))
KEY, TOTAL = "HKLM\\SOFTWARE\\Counter", "total"
LINE = ((What.DROP_BEFORE, 0.05), (What.DROP_AFTER, 0.05), (What.IDLE_DROP, 0.05), (What.CHOP, 0.3))
KILLS = (What.KILL_PROCESS, What.KILL_SHELL)


@dataclass
class Deadly:
    """The cmdlet. `chance`: of ending its own process, and nothing is left of it but what it did."""

    chance: float
    dice: random.Random = field(default_factory=lambda: random.Random(11))
    kills: int = 0

    def __call__(self, machine: Machine, bound: Bound) -> Iterable[Any]:
        bound.takes(1.0)  # so that a killed process is noticed before its next call
        machine.registry.put(KEY, TOTAL, counted(machine) + 1)
        if self.dice.random() < self.chance:
            self.kills += 1
            for pid in [process.pid for process in machine.processes.values() if process.what == "reconciler session"]:
                machine.kill_tree(pid)
        return ()


def counted(machine: Machine) -> int:
    return int(machine.registry.get(KEY, TOTAL) or 0)


def install(patch: pytest.MonkeyPatch, chance: float = 0.0) -> Deadly:
    """The counting call, known to all hosts of this process."""
    load()
    deadly = Deadly(chance)
    patch.setitem(CMDLETS, ADD.name.casefold(), Emulated(ADD.name, deadly, "of this test", "Medium"))
    return deadly


def prepare(there: Served) -> None:
    """The module of the counting call is on the host."""
    there.estate.run(HOST, "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")


def beset(there: Served, line: float = 1.0, kills: float = 0.01) -> None:
    """Every trouble of the line, and kills, each by its chance on every Send and Receive."""
    for what, chance in (*((what, chance * line) for what, chance in LINE), *((what, kills) for what in KILLS)):
        for verb in ("Send", "Receive"):
            there.endpoint.trouble(HOST, Trouble(what, verb, times=None, chance=chance, amount=40))


@dataclass
class Count:
    """Counts up to `goal` in batches of one to `most` calls. What became of a batch that was not answered is looked up, never guessed."""

    there: Served
    goal: int
    most: int = 4
    done: int = 0  # what this controller believes
    batches: int = 0
    unknown: int = 0  # batches whose outcome was not known
    acted: int = 0  # of these, how many had counted something
    partly: int = 0  # of those, how many not everything
    epoch: int | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(12))
    _open: int = 0  # calls of the batch whose outcome is not known

    async def go(self) -> None:
        host = self.there.host()
        while self.done < self.goal:
            try:
                async with self.there.reach(Target(host, "default", (ADD.name, READ.name))) as session:
                    await self._session(session)
            except LeaseHeld as held:  # taken by a process that was killed before it could say so: wait until that is over
                self.there.estate.clock.advance(timedelta(seconds=held.seconds + 1))
            except Unreachable:
                self.there.estate.clock.advance(timedelta(seconds=1))

    async def _session(self, session: Writer) -> None:
        self.epoch = (await session.take("counter", 60, self.epoch)).epoch
        await self._settle(session)
        while self.done < self.goal:
            calls = [ADD(VMName="vm", Name="nic")] * min(self.dice.randint(1, self.most), self.goal - self.done)
            self.batches += 1
            try:
                answers = await session.run(calls, key="k", epoch=self.epoch, deadline=MINUTE)
            except Unreachable as lost:
                self._open = len(calls) if lost.sent else 0
                self.unknown += lost.sent
                raise
            assert [answer.error for answer in answers] == [None] * len(calls)
            self.done += len(calls)

    async def _settle(self, session: Writer) -> None:
        """Looks what became of an open batch."""
        if not self._open:
            return
        (answer,) = await session.ask([READ(Path=f"Registry::{KEY}", Name=TOTAL, select=(TOTAL,))], MINUTE)
        found = int(answer.objects[0][TOTAL]) if answer.error is None else 0
        assert self.done <= found <= self.done + self._open
        self.acted += found > self.done
        self.partly += self.done < found < self.done + self._open
        self.done, self._open = found, 0

    def judged(self) -> str:
        """By the host: its counter, and its log of executions by process, request and call. The figures."""
        log = [record for record in self.there.estate.log(HOST) if record["what"] == "execution" and record["name"] == ADD.name]
        ran = Counter((record["pid"], record["id"], record["call"]) for record in log)
        assert max(ran.values()) == 1
        assert counted(self.there.estate.machines[HOST]) == len(ran) == self.done == self.goal
        return (
            f"{self.goal} counting calls in {self.batches} batches: {len(ran)} executions, none twice; "
            f"{self.unknown} outcomes not known and looked up: {self.acted} had acted, {self.partly} of them in part"
        )
