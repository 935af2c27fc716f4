"""Twins of hosts: an estate in memory whose machines answer as the hosts in the snapshots did, made for rehearsals.

`build` reads questions and answers only. What no answer tells is taken for granted and said in a sentence; at the end every
question is asked again, and what the twin answers otherwise is said too. It knows neither kinds nor specs: the caller puts the
installers that specs name into `site.web`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta

from reconciler.core.calls import Unreadable
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.clock import EstateClock
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine, Site
from reconciler.emulator.skus import SKUS, HostWish
from reconciler.emulator.skus import build as bare
from reconciler.emulator.twinazure import alone, azure
from reconciler.emulator.twindhcp import DOMAIN, dhcp
from reconciler.emulator.twineflow import eflow
from reconciler.emulator.twinhost import features, identity, items, memory, remembered, services
from reconciler.emulator.twinnetwork import nats, network, virtual_machines
from reconciler.emulator.twinsaid import Said, differing

ALWAYS = (
    "installers that the specs name can be downloaded and are what their hashes say",
    "cmdlets do what the emulator does: a deployment that would succeed there is taken to succeed here",
    "what no question asked for is as on a fresh Windows",
)
PARTS: Mapping[str, Callable[[Machine, Said], None]] = {
    "features": features,
    "network": network,
    "NATs": nats,
    "services": services,
    "DHCP server": dhcp,
    "virtual machines": virtual_machines,
    "EFLOW": eflow,
    "memory": memory,
    "registry and files": items,
}
BOOTS = 1000  # no boot of the twin is called as one of the host was


def build(snapshots: Iterable[Snapshot], fleet: str = "default", joined: Collection[str] = ()) -> tuple[Estate, tuple[str, ...]]:
    """The estate, and what was taken for granted.

    `fleet` names whose ledger the snapshots hold; `joined` the hosts that are in a domain as far as no answer says otherwise.
    """
    taken = sorted(snapshots, key=lambda snapshot: snapshot.host)
    estate = Estate(clock=EstateClock(max(snapshot.seen for snapshot in taken))) if taken else Estate()
    assumed: dict[str, list[str]] = {}
    for snapshot in taken:
        said = Said(snapshot)
        if not alone(snapshot):
            estate.machines[snapshot.host] = _machine(snapshot, said, estate, fleet, snapshot.host in joined)
            for cmdlet in differing(estate.machines[snapshot.host], snapshot):
                said.assume(f"the twin's {cmdlet} answers otherwise than the host's")
        _azure(estate, snapshot, said)
        for sentence in said.assumed:
            assumed.setdefault(sentence, []).append(snapshot.host)
    return estate, (*(f"{_hosts(hosts)}: {sentence}" for sentence, hosts in assumed.items()), *ALWAYS)


def _azure(estate: Estate, snapshot: Snapshot, said: Said) -> None:
    """An answer of another shape than Azure gives costs the host its place in the twin's Azure, and a sentence."""
    cloud = estate.azure
    there = dict(cloud.vms), dict(cloud.sets)
    try:
        azure(estate, snapshot, said)
    except (LookupError, ValueError, TypeError, AttributeError) as trouble:
        cloud.vms, cloud.sets = there
        said.assume(f"what Azure said of it could not be made whole: {trouble}")


def _hosts(names: list[str]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{names[0]} and {len(names) - 1} more"


def _machine(snapshot: Snapshot, said: Said, estate: Estate, fleet: str, joined: bool) -> Machine:
    machine = _bare(snapshot, said, estate.site)
    if joined and said.listed("Get-DhcpServerSetting") is None:
        machine.domain = DOMAIN
        said.assume("it is joined to a domain: the specs say so, and no answer does")
    machine.now = estate.clock.now()
    identity(machine, said, snapshot.seen)
    for what, part in PARTS.items():
        try:
            part(machine, said)
        except (Unreadable, ValueError, TypeError) as trouble:  # an answer of another shape than Windows gives
            said.assume(f"its {what} could not be made whole: {trouble}")
    remembered(machine, said, fleet)
    return machine


def _bare(snapshot: Snapshot, said: Said, site: Site) -> Machine:
    """A fresh machine of the nearest known Windows, without adapters."""
    hello = snapshot.hello
    build_number, client = int(str(hello.get("build") or 0)), hello.get("product") == 1
    known = {name: sku for name, sku in SKUS.items() if (sku.product_type == 1) == client}
    name = max((name for name in known if known[name].build <= build_number), key=lambda name: known[name].build, default=next(iter(known)))
    if client and build_number >= 22000:
        name = "client-11"
    if not client and known[name].build != build_number:
        said.assume(f"Windows build {build_number} behaves as {known[name].caption}")
    machine = bare(HostWish(snapshot.host, name, (), str(hello.get("ui") or "en-US"), str(hello.get("name") or "")), site)
    machine.caption, machine.version = str(hello.get("os") or machine.caption), str(hello.get("version") or machine.version)
    machine.build, machine.product_type = build_number or machine.build, int(hello.get("product") or machine.product_type)
    machine.boots, machine.counter, machine.booted = BOOTS, BOOTS, snapshot.seen - timedelta(seconds=float(hello.get("uptime") or 0))
    return machine
