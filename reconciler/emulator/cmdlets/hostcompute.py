"""HostComputeService and HostNetworkingService: what HCS and HNS run. Sources: windows-outputs Get-ComputeProcess, Get-HnsNetwork; eflow-domain 6."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches
from reconciler.emulator.errors import unverified
from reconciler.emulator.machine import Machine

EFLOW_OWNER = "wssdagent"


def systems(machine: Machine) -> list[dict[str, Any]]:
    """The running compute systems; on clients the EFLOW VM is one, and it vanishes when stopped: eflow-domain 6."""
    if machine.server or not machine.eflow.deployed or machine.eflow.power != "Running":
        return []
    return [{"Id": machine.eflow.vm_id, "Type": "VirtualMachine", "Owner": EFLOW_OWNER, "IsTemplate": False}]


@cmdlet("Get-ComputeProcess", "eflow-domain 6; windows-outputs Get-ComputeProcess: availability on clients is unverified")
def get_compute_process(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not bound.elevated:
        raise unverified(machine.text("denied"), "PermissionDenied")
    if not machine.running("vmcompute"):
        raise unverified("The Host Compute Service is not running.")
    for system in systems(machine):
        owner, kind, wanted = bound.get("Owner"), bound.get("Type"), bound.get("Id")
        if owner is not None and not any(matches(system["Owner"], o) for o in owner):
            continue
        if kind is not None and system["Type"] not in kind:
            continue
        if wanted is None or system["Id"] in wanted:
            yield system


@cmdlet("Get-HnsNetwork", "windows-outputs Get-HnsNetwork; what is not found is unverified")
def get_network(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not machine.running("hns"):
        raise unverified("The Host Network Service is not running.")
    rows: list[dict[str, Any]] = [
        {"ID": n.name.upper(), "Name": n.name, "Type": "NAT", "Subnets": [{"AddressPrefix": n.prefix}]} for n in machine.nats if n.kind == "hns"
    ]
    rows += [{"ID": s.id.upper(), "Name": s.name, "Type": "ICS", "Subnets": []} for s in machine.switches if s.protected]
    for row in rows:
        if "Id" not in bound or row["ID"] == bound["Id"].upper():
            yield row
