"""A small emulated fleet under the loop, in virtual time: what its tests begin with."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import anyio

from reconciler import kinds
from reconciler.core.kinds import Registry
from reconciler.core.resources import Host
from reconciler.core.transport import Target, Writer
from reconciler.emulator.controller import Cut
from reconciler.emulator.estate import Estate
from reconciler.emulator.lease import STORE, current, uptime
from reconciler.emulator.skus import HostWish
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Request
from reconciler.engine.link import Linked, link
from reconciler.engine.planning import make_plan
from reconciler.hosts.emulated import connect
from reconciler.manifests import load
from reconciler.operator.events import Watched, WatchEvent
from reconciler.operator.loop import WatchEnd, watch
from reconciler.secrets import Vault

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
HOSTS = ("edge-01", "edge-02", "edge-03", "edge-04", "edge-05")

HOST = """
---
apiVersion: reconciler/v1
kind: Host
metadata: {{name: {host}}}
spec:
  sku: server-2022
  resources:
    WindowsFeature/Hyper-V: {{}}
    VirtualSwitch/eflow: {{switchType: Internal, ipAddress: {address}}}
    NatNetwork/eflow: {{switchName: eflow}}
"""
FLEET = """
apiVersion: reconciler/v1
kind: Fleet
metadata: {name: edge}
"""


@dataclass
class Fleet:
    """Hosts, specs and a loop over them. `events` is what the loop said so far; `at` runs something at a minute of the watch."""

    path: Path
    estate: Estate
    registry: Registry = field(default_factory=kinds.registry)
    events: list[WatchEvent] = field(default_factory=list)
    stop: anyio.Event = field(default_factory=anyio.Event)
    broken: set[str] = field(default_factory=set)  # hosts on which this product has a bug
    _on: list[tuple[Watched, Callable[[], object]]] = field(default_factory=list)

    @classmethod
    async def converged(cls, path: Path, *hosts: str) -> Fleet:
        """A fleet whose hosts are as declared."""
        fleet = cls(path, Estate.new(None, [HostWish(host) for host in hosts]))
        fleet.write(*hosts)
        plan = await make_plan(fleet.load(), Request(), fleet.env("person"))
        report = await apply(plan, fleet.load(), Request(), fleet.env("person"), lambda _: None, anyio.Event())
        assert report.exit_code == 0, report
        return fleet

    def write(self, *hosts: str, address: str = "172.20.10.1/24") -> None:
        (self.path / "fleet.yaml").write_text(FLEET + "".join(HOST.format(host=host, address=address) for host in hosts), encoding="utf-8")

    def load(self) -> Linked:
        return link(load([self.path], self.registry), self.registry)

    async def by_person(self) -> None:
        """Somebody applies what is declared."""
        env = self.env("person")
        plan = await make_plan(self.load(), Request(), env)
        await apply(plan, self.load(), Request(), env, lambda _: None, anyio.Event())

    def env(self, by: str = "loop", cut: Cut | None = None) -> Environment:
        clock = self.estate.clock
        numbers = itertools.count(1)
        vault = Vault()
        reach = connect(self.estate, clock, secrets=vault, cut=cut)

        def connecting(target: Target) -> AbstractAsyncContextManager[Writer]:
            if target.host.name in self.broken:
                raise KeyError("a defect")
            return reach(target)

        return Environment(self.registry, connecting, vault, clock, lambda: f"r-{by}-{next(numbers)}", by)

    async def watch(self, minutes: float, *moments: tuple[float, Callable[[], object]], every: timedelta = QUARTER) -> WatchEnd:
        """Watch for so long; each of `moments` is done at its minute."""
        begun = self.estate.clock.now()
        ends: list[WatchEnd] = []

        async def do(minute: float, what: Callable[[], object]) -> None:
            await self.estate.clock.sleep_until(begun + minute * MINUTE)
            done = what()
            if isinstance(done, Awaitable):
                await done

        async with anyio.create_task_group() as group:
            for minute, what in (*moments, (minutes, self.stop.set)):
                group.start_soon(do, minute, what)
            ends.append(await watch(self.load, self.env(), every, self._hear, self.stop))
            group.cancel_scope.cancel()
        return ends[0]

    def _hear(self, event: WatchEvent) -> None:
        self.events.append(event)
        for what, do in self._on:
            if event.what is what:
                do()

    def when(self, what: Watched, do: Callable[[], object]) -> None:
        """Something happens each time that this is said."""
        self._on.append((what, do))

    def stop_when(self, what: Watched) -> None:
        """SIGTERM, as soon as this is said."""
        self.when(what, self.stop.set)

    def copy(self) -> Fleet:
        """The same fleet as it is now, in a world of its own."""
        return Fleet(self.path, copy.deepcopy(self.estate), self.registry)

    # -- what others do

    def breaks(self, host: str) -> None:
        self.broken.add(host)

    def hold(self, host: str, why: str) -> None:
        self.estate.machine(host).registry.put(STORE, "hold", json.dumps({"by": "ann", "why": why, "until": None}))

    async def leased(self, host: str, until: float) -> None:
        """Another controller takes the host's lease and keeps it until that minute of the watch."""
        begun = self.events[0].at
        async with connect(self.estate, self.estate.clock)(Target(Host(host), "edge", ())) as writer:
            lease = await writer.take("someone else", 7200)
            await self.estate.clock.sleep_until(begun + until * MINUTE)
            await writer.release("someone else", lease.epoch)

    # -- what was said, and how it stands

    def said(self, *what: Watched, host: str = "") -> list[WatchEvent]:
        return [event for event in self.events if event.what in what and (not host or event.host == host)]

    @staticmethod
    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text)

    def minute(self, event: WatchEvent) -> float:
        return (event.at - self.events[0].at) / MINUTE

    def lease(self, host: str) -> object:
        """Who holds it; None when it is free, or lapsed."""
        machine = self.estate.machine(host)
        lease = current(machine)
        return lease["holder"] if lease["until"] > uptime(machine) and lease["boot"] == machine.boot_id else None

    def addresses(self, host: str) -> list[str]:
        return [held.address for _, held in self.estate.machine(host).addresses()]

    def nats(self, host: str) -> list[str]:
        return [str(nat.name) for nat in self.estate.machine(host).nats]

    def remove_nat(self, host: str) -> Callable[[], object]:
        return lambda: self.estate.run(host, "Remove-NetNat -Name eflow -Confirm:$false")
