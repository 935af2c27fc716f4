"""`watch`: sweep after sweep over the whole fleet, in one process, until told to stop.

Called by the command line. Every sweep begins with the specs and ends with one line that says how the fleet stands; it ends at
the latest when the next one is due, whatever hosts do. A sweep line that does not come means that the loop itself is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import anyio
from anyio.abc import TaskGroup

from reconciler.core.plan import SpecsInfo
from reconciler.engine.environment import Environment
from reconciler.engine.link import Linked
from reconciler.operator.cell import Cell, Order, Shared, Slots
from reconciler.operator.events import Say, SweepCounts, Watched, WatchEvent
from reconciler.operator.schedule import next_start, offset, pause, spread
from reconciler.operator.specs import Reloaded, Specs

LAST = timedelta(seconds=9)  # after a stop, until whatever still waits is left behind; see cell.GRACE


@dataclass(frozen=True, slots=True)
class WatchEnd:
    """How the fleet stood when the loop ended. `seconds`: how long ending took."""

    sweeps: int
    ready: int
    not_ready: int
    seconds: float


def unversioned() -> SpecsInfo:
    """For specs that are in no repository."""
    return SpecsInfo("specs")


async def watch(
    load: Callable[[], Linked],
    env: Environment,
    every: timedelta,
    emit: Say,
    stop: anyio.Event,
    *,
    jitter_seed: str = "",
    sweeps: int | None = None,
    revision: Callable[[], SpecsInfo] = unversioned,
) -> WatchEnd:
    """Keep the fleet as declared, as far as drift alone goes. Raises Refused if the very first load gives nothing good.

    `load` and `revision` are called before every sweep, `load` in a thread. `sweeps`: end by itself after so many.
    """
    specs = Specs(load, revision)
    await specs.first()
    async with anyio.create_task_group() as group:
        loop = _Loop(specs, env, every, emit, stop, group, jitter_seed)
        group.start_soon(loop.heed)
        end = await loop.run(sweeps)
        group.cancel_scope.cancel()
    return end


@dataclass(slots=True)
class _Sweep:
    """One sweep under way: whose first look is still to come."""

    number: int
    start: datetime
    pending: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)  # still at the last sweep's visit
    over: anyio.Event = field(default_factory=anyio.Event)

    def done(self, host: str) -> None:
        self.pending.discard(host)
        if not self.pending:
            self.over.set()


class _Loop:
    def __init__(self, specs: Specs, env: Environment, every: timedelta, emit: Say, stop: anyio.Event, group: TaskGroup, seed: str) -> None:
        self.specs = specs
        self.env = env
        self.every = every
        self.emit = emit
        self.stop = stop
        self.group = group
        self.seed = seed
        self.shared = Shared(env, every, emit, anyio.Event(), group, Slots.of(env.at_once))
        self.cells: dict[str, Cell] = {}
        self.not_ready: set[str] = set()  # after the last sweep
        self.last_finished: datetime | None = None

    async def heed(self) -> None:
        """The one who asks us to stop knows nothing of `sweeps`; everything inside heeds `ending`."""
        await self.stop.wait()
        self.shared.ending.set()

    async def run(self, sweeps: int | None) -> WatchEnd:
        hosts = len(self.specs.linked.hosts)
        self._say(Watched.STARTED, text="1 host" if hosts == 1 else f"{hosts} hosts", seconds=self.every.total_seconds())
        number, start = 0, self.env.clock.now()
        while not self.shared.ending.is_set():
            number += 1
            await self._sweep(_Sweep(number, start))
            start = next_start(start, self.every, self.env.clock.now())
            if number == sweeps or await pause(self.env.clock, start, self.shared.ending):
                break
            self._tell(await self.specs.reload())
        return await self._end(number)

    # -- one sweep

    async def _sweep(self, sweep: _Sweep) -> None:
        """Send every host's worker off, unless it is still at the last sweep's; wait for them, but not past the next sweep."""
        end = sweep.start + self.every
        cells = self._cells()
        over = spread(len(cells), self.every)
        for cell in cells:
            if cell.busy:
                sweep.late.add(cell.host)
                continue
            sweep.pending.add(cell.host)
            at = sweep.start + offset(cell.host, over, self.seed)
            self.group.start_soon(cell.visit, Order(at, end, self.specs.linked, self.specs.info, sweep.done))
        if sweep.pending:
            await pause(self.env.clock, end, sweep.over, self.shared.ending)
        if not self.shared.ending.is_set():
            self._finish(sweep)

    def _cells(self) -> Collection[Cell]:
        """One a declared host; a host that is no longer declared is forgotten, with everything said about it."""
        self.cells = {host: self.cells.get(host) or Cell(host, self.shared) for host in self.specs.linked.hosts}
        return self.cells.values()

    def _finish(self, sweep: _Sweep) -> None:
        now = self.env.clock.now()
        self.last_finished = now
        under_way = {host for host in sweep.pending | sweep.late if self.cells[host].busy}
        not_ready = {host for host, cell in self.cells.items() if not cell.ready or host in under_way}
        counts = SweepCounts(
            sweep.number,
            len(self.cells),
            len(self.cells) - len(not_ready),
            len(not_ready),
            len(not_ready - self.not_ready),
            len(under_way),
            self.last_finished,
        )
        self.not_ready = not_ready
        self._say(Watched.SWEEP, seconds=(now - sweep.start).total_seconds(), sweep=counts)

    def _tell(self, reloaded: Reloaded) -> None:
        if reloaded.refused:
            self._say(Watched.REFUSED, text=f"{self.specs.info.commit or 'the last good one'} stays in force", diagnostics=reloaded.refused)
        elif reloaded.moved:
            self._say(Watched.SPECS, text=_moved(reloaded), code=self.specs.info.commit)

    # -- the end

    async def _end(self, sweeps: int) -> WatchEnd:
        """No new step; a call that runs ends, or is left behind after the grace. Leases are given back by those who took them."""
        began = self.env.clock.now()
        self.shared.ending.set()
        mending = [cell.host for cell in self.cells.values() if cell.mending]
        if mending:
            self._say(Watched.STOPPING, text=", ".join(mending[:5]), more=max(0, len(mending) - 5))
        await self._all_home(began + LAST)
        seconds = (self.env.clock.now() - began).total_seconds()
        ready = sum(1 for cell in self.cells.values() if cell.ready)
        self._say(Watched.STOPPED, seconds=seconds)
        return WatchEnd(sweeps, ready, len(self.cells) - ready, seconds)

    async def _all_home(self, latest: datetime) -> None:
        while any(cell.busy for cell in self.cells.values()) and self.env.clock.now() < latest:
            await self.env.clock.sleep_until(min(latest, self.env.clock.now() + timedelta(seconds=0.5)))

    def _say(self, what: Watched, **more: object) -> None:
        self.emit(WatchEvent(self.env.clock.now(), what, **more))  # type: ignore[arg-type]


def _moved(reloaded: Reloaded) -> str:
    parts = ["they load again"] if reloaded.again else []
    parts += [f"new: {', '.join(reloaded.added)}"] if reloaded.added else []
    parts += [f"no longer declared: {', '.join(reloaded.gone)}"] if reloaded.gone else []
    parts += [f"{reloaded.changed} resources changed: reported, not applied"] if reloaded.changed else []
    return "; ".join(parts)
