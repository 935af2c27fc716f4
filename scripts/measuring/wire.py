"""What a plan over the wire costs: requests, processes and bytes as the endpoint counts them, time and memory of the controller.

Measurements of `figures`, turned into sections by `wiresections`. The endpoint runs in a process of its own (`served`).
"""

from __future__ import annotations

import itertools
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from reconciler.cli.wallclock import WallClock
from reconciler.core.transport import Target, Writer
from reconciler.engine.environment import Environment, Request
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import make_plan
from reconciler.hosts.connect import Connections, connections
from reconciler.secrets import Vault
from scripts.measuring.fleet import REGISTRY, RESOURCES, NoSecrets, loaded
from scripts.measuring.served import VARIABLE, Served, quiet, served, since

Figures = dict[str, float]
# What each plan is called, and how its hosts are reached: by controllers of their own, which keep sessions for their next plan.
PLANS = (
    (("first", "per-look", "winrm"), ("known", "persistent", "winrm"), ("warm", "persistent", "winrm")),
    (("psrp first", "persistent", "psrp"), ("psrp warm", "persistent", "psrp")),
)
KEPT = ("requests", "processes", "executions", "handshakes", "bytes received", "bytes sent")


@dataclass
class Controller:
    """One that plans for the served hosts again and again. It compares no secrets: their hashes are slow on purpose, and no matter of the wire."""

    there: Served
    linked: Linked
    reach: Connections

    async def plan(self, session: str, transport: str = "winrm") -> None:
        """One plan of all hosts, which are as declared."""
        runs = itertools.count(1)
        environment = Environment(REGISTRY, self._to(session, transport), NoSecrets(), WallClock(), lambda: f"r-{next(runs):04}", "bench")
        plan = await make_plan(self.linked, Request(), environment)
        steps = list(plan.steps())
        if len(steps) != len(self.linked.hosts) * RESOURCES or any(step.runs for step in steps):
            raise AssertionError(f"the served hosts are not as declared: {next((step for step in steps if step.runs), steps)}")

    def _to(self, session: str, transport: str) -> Callable[[Target], AbstractAsyncContextManager[Writer]]:
        def to(target: Target) -> AbstractAsyncContextManager[Writer]:
            name = target.host.name
            connection = self.there.connection(name, session, transport)
            return self.reach(replace(target, host=replace(target.host, address=self.there.hosts[name][0], connection=connection)))

        return to


@asynccontextmanager
async def controller(there: Served) -> AsyncIterator[Controller]:
    quiet()
    linked = link(loaded(len(there.hosts)), REGISTRY)
    async with connections(Vault({VARIABLE: there.password}), WallClock()) as reach:
        yield Controller(there, linked, reach)


def measure_wire(hosts: int) -> Figures:
    """What one plan costs a host: first contact, with what the last look asked at hand, and in a session that was kept."""
    with served(hosts) as there:
        return anyio.run(_counted, there)


async def _counted(there: Served) -> Figures:
    found: Figures = {}
    for plans in PLANS:
        async with controller(there) as here:
            for name, session, transport in plans:
                before = there.counts()
                await here.plan(session, transport)
                spent = since(before, there.counts())
                ending = 2 * spent.get("Delete", 0)  # Signal and Delete
                found |= {f"{name} {what}": spent[what] / len(there.hosts) for what in KEPT}
                found |= {f"{name} requests": (spent["requests"] - ending) / len(there.hosts), f"{name} ending": ending / len(there.hosts)}
    return found


def measure_sweep(hosts: int) -> Figures:
    """A fleet planned twice: with nothing known, and in sessions that were kept."""
    with served(hosts) as there:
        return anyio.run(_swept, there)


async def _swept(there: Served) -> Figures:
    found: Figures = {}
    async with controller(there) as here:
        for name in ("cold", "warm"):
            before, memory, wall, cpu = there.counts(), _peak(), time.perf_counter(), time.process_time()
            await here.plan("persistent")
            found |= {f"{name} wall": time.perf_counter() - wall, f"{name} cpu": time.process_time() - cpu, f"{name} memory": _peak() - memory}
            spent = since(before, there.counts())
            found |= {f"{name} {what}": spent[what] / len(there.hosts) for what in (*KEPT, "cpu")} | {f"{name} cpu": found[f"{name} cpu"]}
            found[f"{name} endpoint"] = spent["cpu"]
    return found


def _peak() -> float:
    """Peak of resident memory, KiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 10 if sys.platform == "darwin" else 1)
