"""Two hundred writes through resets, idle drops, chopped output and killed processes and shells: none runs twice, what is not known is looked up."""

from __future__ import annotations

from collections import Counter

from reconciler.emulator.winrm import Settings
from reconciler.emulator.winrm.troubles import Trouble, What
from tests.hosts.winrm.serving import HOST, served
from tests.hosts.winrm.test_soak import CHANCES, Run

KILLS = (What.KILL_PROCESS, What.KILL_SHELL)


async def test_of_two_hundred_writes_through_losses_and_kills_none_runs_twice() -> None:
    async with served(settings=Settings(seed=7)) as there:
        for what, chance in CHANCES:
            for verb in ("Send", "Receive"):
                there.endpoint.trouble(HOST, Trouble(what, verb, times=None, chance=0.03 if what in KILLS else chance, amount=40))
        run = Run(there, 200)
        await run.go()
        there.endpoint.heal(HOST)
        done = Counter((record["pid"], record["id"], record["call"]) for record in there.estate.log(HOST) if record["what"] == "execution")
        async with there.reach(there.target()) as session:
            assert len(session.hello.ledger) == 200
        assert (max(done.values()), len(done)) == (1, 200)
        assert 0 < run.found <= run.unknown
        print(f"200 writes, {run.unknown} outcomes not known, {run.found} of them done: {len(done)} executions")  # noqa: T201 - the figure is the point
