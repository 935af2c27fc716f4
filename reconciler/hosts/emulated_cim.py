"""`hosts.cim.Cim` of a machine of the emulated estate, in this process: the same rows that the emulated WinRM service serves.

Used by `doctor` where an estate is named.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from reconciler.core.errors import Unreachable
from reconciler.core.resources import Host
from reconciler.core.transport import Clock
from reconciler.emulator import jobs
from reconciler.emulator.cim import repository, wql
from reconciler.emulator.cim.repository import CimError
from reconciler.emulator.cim.written import written
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.hosts.cim import Cim, Instance, NotThere, Value
from reconciler.hosts.emulated import NotEmulated


class EmulatedCim:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def query(self, namespace: str, name: str, properties: Sequence[str], where: str = "") -> tuple[Instance, ...]:
        text = f"SELECT {', '.join(properties)} FROM {name}{f' WHERE {where}' if where else ''}"
        try:
            rows = wql.run(self._machine, repository.find(self._machine, namespace, name), wql.parse(text))
        except CimError:
            raise NotThere(f"{self._machine.name}: there is no {name}") from None
        return tuple({key: _value(row[key]) for key in row} for row in rows)

    async def shells(self) -> int | None:
        return None

    async def settings(self) -> Mapping[str, str]:
        return {}


def connect_cim(estate: Estate, clock: Clock) -> Callable[[Host], AbstractAsyncContextManager[Cim]]:
    """WMI of the estate's machines, of those that answer. Raises Unreachable."""

    @asynccontextmanager
    async def opened(host: Host) -> AsyncIterator[Cim]:
        machine = estate.machines.get(host.name)
        if machine is None:
            raise NotEmulated(f"{host.name}: the estate has no such host")
        jobs.advance(machine, clock.now(), lambda what, fields: estate.record(host.name, what, **fields))
        if not machine.answers():
            raise Unreachable(f"{host.name}: it does not answer")
        yield EmulatedCim(machine)

    return opened


def _value(value: object) -> Value:
    if isinstance(value, list):
        return None if not value else written(value[0]) if len(value) == 1 else tuple(written(each) for each in value)
    return None if value is None else written(value)
