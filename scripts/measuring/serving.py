"""Emulated hosts, as declared, behind the WinRM endpoint in a process of their own: `python -m scripts.measuring.serving JSON`.

`served` begins and ends it. It answers every line of its standard input with what the endpoint counted so far, and the seconds of CPU
that this took it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread

from reconciler.core.ids import ResourceId
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from reconciler.emulator.winrm import Costs, Settings, serve
from scripts.measuring.fleet import Lab, name_of, subnet_of


async def as_declared(hosts: int) -> Estate:
    """The first host of the fleet is brought to what is declared; the others are told anew from it, as snapshots are."""
    lab, one = Lab.of(hosts), Lab.of(1)
    await one.converge()
    first = one.estate.machines[name_of(0)]
    text = json.dumps(first.to_json())
    for number in range(hosts):
        name, bare = name_of(number), lab.estate.machines[name_of(number)]
        told = _told(text, number, {resource.id: resource.id._replace(host=name) for resource in one.linked.resources[name_of(0)]})
        machine = Machine.from_json(json.loads(told.replace(first.uuid, bare.uuid).replace(first.machine_guid, bare.machine_guid)))
        machine.site = lab.estate.site
        lab.estate.machines[name] = machine
    lab.estate.clock.set(one.estate.clock.now())
    return lab.estate


def _told(text: str, number: int, ids: Mapping[ResourceId, ResourceId]) -> str:
    """Of the first host, told of another: its names, its subnet, the names of its records."""
    name = name_of(number)
    text = text.replace(name_of(0), name).replace(name_of(0).upper(), name.upper()).replace(f"{subnet_of(0)}.", f"{subnet_of(number)}.")
    for here, there in ids.items():
        text = text.replace(here.entry, there.entry)
    return text


async def main(given: dict[str, Any]) -> None:
    estate = await as_declared(given["hosts"])
    async with serve(estate, Settings(costs=Costs(**given["costs"], real=True))) as endpoint:
        at = {name: (endpoint.address(name).ip, endpoint.address(name).http) for name in endpoint.hosts}
        _say({"hosts": at, "user": endpoint.credentials.user, "password": endpoint.credentials.password})
        while await anyio.to_thread.run_sync(sys.stdin.readline):
            _say({**endpoint.counts(), "cpu": time.process_time()})


def _say(what: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]))
