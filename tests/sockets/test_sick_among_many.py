"""A few hosts that hang, drip or flood among many: the others are looked at all the same, and not much later."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from reconciler.core.transport import Connect, Target, Writer
from reconciler.emulator.winrm import Endpoint, Trouble, What
from reconciler.hosts.winrm.line import Workers
from tests.engine.lab import FLEET, Lab, host, lab
from tests.sockets.lying import over_sockets

SICK = (
    Trouble(What.HANG, "Receive", times=None),
    Trouble(What.SLOW, "Receive", times=None, amount=1),
    Trouble(What.FLOOD, "Receive", times=None, amount=2**25),
)
NEVER = 600.0  # seconds until a sick host is given up: later than any test lasts


@dataclass
class Sweep:
    """One plan for the whole fleet, ended as soon as all healthy hosts were looked at."""

    here: Lab
    sick: frozenset[str]
    done: set[str] = field(default_factory=set)
    seconds: float = 0.0

    @property
    def healthy(self) -> set[str]:
        return set(self.here.desired.hosts) - self.sick

    async def go(self) -> None:
        reach, over = self.here.connect(), anyio.Event()

        @asynccontextmanager
        async def noted(target: Target) -> AsyncIterator[Writer]:
            async with reach(target) as writer:
                yield writer
            self.done.add(target.host.name)
            if self.healthy <= self.done:
                over.set()

        connect: Connect = noted
        self.here.connect = lambda: connect  # type: ignore[method-assign]
        begun = time.perf_counter()
        with anyio.fail_after(NEVER / 2):
            async with anyio.create_task_group() as group:
                group.start_soon(self.here.plan)
                await over.wait()
                self.seconds = time.perf_counter() - begun
                group.cancel_scope.cancel()
        self.here.connect = lambda: reach  # type: ignore[method-assign]


@asynccontextmanager
async def fleet(count: int, threads: int) -> AsyncIterator[tuple[Lab, Endpoint]]:
    here = lab(FLEET + "".join(host(f"edge-{number:03}", "WindowsFeature/DHCP: {}") for number in range(count)))
    workers = Workers(anyio.CapacityLimiter(threads), here.estate.clock.held)
    async with over_sockets(here, opening=NEVER, workers=workers) as endpoint:
        yield here, endpoint


def chosen(here: Lab, count: int, endpoint: Endpoint) -> frozenset[str]:
    """Not the very first: with that one the credential is tried out, alone, for up to five seconds."""
    names = random.Random(5).sample(sorted(here.desired.hosts)[1:], count)
    for name, trouble in zip(names, SICK, strict=True):
        endpoint.trouble(name, trouble)
    return frozenset(names)


async def test_three_sick_of_thirty_keep_nobody_waiting() -> None:
    """Two of them are waited for until the end, in threads of their own; the flood is cut off."""
    async with fleet(30, threads=16) as (here, endpoint):
        sick = chosen(here, 3, endpoint)
        sweep = Sweep(here, sick)
        await sweep.go()
        assert sweep.done == sweep.healthy
        assert {endpoint.counts(name)["requests"] for name in sweep.healthy} == {9 + 2}


@pytest.mark.soak
async def test_three_sick_of_two_hundred_cost_the_others_a_fifth_at_most(record_property: Callable[[str, object], None]) -> None:
    took: dict[int, list[float]] = {0: [], len(SICK): []}
    for _ in range(3):
        for sick, seconds in took.items():
            async with fleet(200, threads=64) as (here, endpoint):
                sweep = Sweep(here, chosen(here, sick, endpoint) if sick else frozenset(sorted(here.desired.hosts)[-3:]))
                await sweep.go()
                seconds.append(sweep.seconds)
    well, ill = min(took[0]), min(took[len(SICK)])
    record_property(
        "shares", f"197 of 200 hosts looked at in {well:.2f} s, and in {ill:.2f} s where the other three hang, drip and flood: {ill / well:.2f} times"
    )
    assert ill <= 1.2 * well
