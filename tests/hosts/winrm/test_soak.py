"""Long random runs: two thousand writes of which none may run twice, through resets, idle drops, chopped output and killed processes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from reconciler.core.calls import LedgerCall
from reconciler.core.errors import LeaseHeld, Unreachable
from reconciler.core.transport import Writer
from reconciler.emulator.winrm.troubles import Trouble, What
from tests.hosts.winrm.serving import HOST, Served, served

MINUTE = timedelta(minutes=1)
CHANCES = ((What.DROP_BEFORE, 0.05), (What.DROP_AFTER, 0.05), (What.IDLE_DROP, 0.05), (What.CHOP, 0.3), (What.KILL_PROCESS, 0.01), (What.KILL_SHELL, 0.01))


def entry(number: int) -> LedgerCall:
    return LedgerCall("put", "default", f"{number:032x}", f'{{"n":{number}}}')


class Run:
    """Writes numbers one by one. An outcome that is not known is found out by looking, never by writing again."""

    def __init__(self, there: Served, count: int) -> None:
        self.there = there
        self.left = list(range(count, 0, -1))
        self.unknown = 0
        self.found = 0
        self.epoch: int | None = None

    async def go(self) -> None:
        while self.left:
            try:
                async with self.there.reach(self.there.target()) as session:
                    await self.session(session)
            except LeaseHeld as held:  # taken, and the answer never came: wait until it is over
                self.there.estate.clock.advance(timedelta(seconds=held.seconds + 1))
            except Unreachable as lost:
                self.unknown += lost.sent
                self.there.estate.clock.advance(timedelta(seconds=1))

    async def session(self, session: Writer) -> None:
        lease = await session.take("soak", 60, self.epoch)
        self.epoch = lease.epoch
        looked = await session.greet()
        if self.left and f"{self.left[-1]:032x}" in looked.ledger:
            self.found += 1
            self.left.pop()
        while self.left:
            answers = await session.run([entry(self.left[-1])], key="k", epoch=lease.epoch, deadline=MINUTE)
            assert [answer.error for answer in answers] == [None]
            self.left.pop()


@pytest.mark.soak
async def test_of_two_thousand_writes_none_runs_twice() -> None:
    async with served() as there:
        for what, chance in CHANCES:
            for verb in ("Send", "Receive"):
                there.endpoint.trouble(HOST, Trouble(what, verb, times=None, chance=chance, amount=40))
        run = Run(there, 2000)
        await run.go()
        there.endpoint.heal(HOST)
        done = Counter((record["pid"], record["id"], record["call"]) for record in there.estate.log(HOST) if record["what"] == "execution")
        async with there.reach(there.target()) as session:
            assert len(session.hello.ledger) == 2000
        assert max(done.values()) == 1
        assert len(done) == 2000
        assert run.found <= run.unknown
        print(f"2000 writes, {run.unknown} outcomes not known, {run.found} of them done: {len(done)} executions")  # noqa: T201 - the figure is the point
