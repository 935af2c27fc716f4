"""What the emulated Azure of an estate needs so that declared hosts with `azure:` are there: their subscriptions, groups, VMs and scale sets.

A manifest does not say a VM's size: it is one with the device of the driver that is declared on it, else one that can nest. A host that is
reached itself is one machine on both planes; `connection: none` is a VM that no machine of the estate stands for.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.core.resources import Azure, Host
from reconciler.emulator.arm import building
from reconciler.emulator.estate import Estate
from reconciler.emulator.skus import SKUS
from reconciler.engine.link import Linked

RDMA, GPU = "Standard_HB120rs_v3", "Standard_NC4as_T4_v3"
DEVICES = (("infiniband", RDMA), ("gpu", GPU))
NESTING = (building.SIZE,)
INSTANCES = 3  # of a scale set
RELEASE = "2022"  # of a VM whose host declares no sku


def size(specs: Iterable[object]) -> str:
    """The size for what is declared on the host."""
    for spec in specs:
        named = f"{getattr(spec, 'driver', '') or ''} {getattr(spec, 'type', '') or ''}".lower()
        for word, chosen in DEVICES:
            if word in named:
                return chosen
    return building.SIZE


def populate(estate: Estate, linked: Linked) -> tuple[str, ...]:
    """Adds what the estate's Azure lacks; a sentence each. What is there stays as it is."""
    there = estate.azure.vms.keys() | estate.azure.sets.keys()
    missing = [(host, host.azure) for host in linked.hosts.values() if host.azure is not None and f"/{host.azure.scope}".lower() not in there]
    return tuple(_add(estate, host, where, size(r.spec for r in linked.resources.get(host.name, ()))) for host, where in missing)


def _add(estate: Estate, host: Host, where: Azure, chosen: str) -> str:
    if where.scale_set:
        building.scale_set(estate, where.scale_set, INSTANCES, group=where.resource_group, identity=where.subscription, size=chosen)
        return f"{where.scale_set}, a scale set of {INSTANCES} in Azure ({chosen})"
    machine = host.name if host.connected else ""
    release = SKUS[host.sku].release if host.sku in SKUS else RELEASE
    made = building.vm(estate, where.vm, group=where.resource_group, identity=where.subscription, size=chosen, machine=machine, release=release)
    made.computer_name = host.expected_name
    same = f", which is the host {host.name}" if machine else ""
    return f"{where.vm}, a virtual machine in Azure ({chosen}){same}"
