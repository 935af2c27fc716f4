"""NetAdapter. Source: windows-outputs Get-NetAdapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import demand_rights, select
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter

FILTERS = {
    "Name": ("Name", "Name"),
    "InterfaceIndex": ("InterfaceIndex", "InterfaceIndex"),
    "InterfaceDescription": ("InterfaceDescription", "InterfaceDescription"),
}


def row(adapter: Adapter) -> dict[str, Any]:
    up = adapter.status == "Up"
    speed = adapter.speed if up else 0
    return {
        "Name": adapter.name,
        "InterfaceAlias": adapter.name,
        "ifAlias": adapter.name,
        "InterfaceDescription": adapter.description,
        "ifDesc": adapter.description,
        "InterfaceIndex": adapter.index,
        "ifIndex": adapter.index,
        "InterfaceGuid": adapter.guid,
        "MacAddress": adapter.mac,
        "LinkLayerAddress": adapter.mac,
        "PermanentAddress": adapter.mac.replace("-", ""),
        "Status": adapter.status,
        "AdminStatus": "Down" if adapter.status == "Disabled" else "Up",
        "MediaConnectionState": "Connected" if up else "Disconnected",
        "ifOperStatus": "Up" if up else "Down",
        "LinkSpeed": f"{speed // 1_000_000_000} Gbps" if speed >= 1_000_000_000 else f"{speed // 1_000_000} Mbps",
        "Speed": speed,
        "MtuSize": 1500,
        "Virtual": adapter.virtual,
        "HardwareInterface": adapter.physical,
        "ConnectorPresent": adapter.physical,
        "Hidden": False,
        "InterfaceType": 6,
        "MediaType": "802.3",
        "DriverDescription": adapter.description,
        "DeviceID": adapter.guid,
    }


@cmdlet("Get-NetAdapter", "windows-outputs Get-NetAdapter")
def get_adapter(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    rows = [row(a) for a in machine.adapters if a.physical or not bound.on("Physical")]
    yield from select(machine, bound, rows, "MSFT_NetAdapter", FILTERS)


@cmdlet("Get-NetAdapterRdma", "unverified: which properties; rows are of adapters with RDMA only")
def get_rdma(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    rows = [row(a) | {"Enabled": a.status == "Up", "OperationalState": a.status == "Up"} for a in machine.adapters if a.rdma]
    shown = ("Name", "InterfaceDescription", "ifAlias", "InterfaceAlias", "ifDesc", "Enabled", "OperationalState")
    for found in select(machine, bound, rows, "MSFT_NetAdapterRdmaSettingData", FILTERS):
        yield {name: found[name] for name in shown}


def _found(machine: Machine, bound: Bound) -> Iterator[Adapter]:
    for found in select(machine, bound, [row(a) for a in machine.adapters], "MSFT_NetAdapter", FILTERS):
        adapter = machine.adapter_at(found["InterfaceIndex"])
        if adapter is not None:
            yield adapter


@cmdlet("Rename-NetAdapter", "unverified: a taken name is refused with 183 on Windows; here as 87")
def rename(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    for adapter in list(_found(machine, bound)):
        adapter.name = bound["NewName"]


@cmdlet("Disable-NetAdapter", "windows-outputs Get-NetAdapter Status", impact="High")
def disable(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    for adapter in list(_found(machine, bound)):
        adapter.status = "Disabled"
        if any(a.address == machine.uplink for a in adapter.addresses):
            bound.cut = True


@cmdlet("Enable-NetAdapter", "windows-outputs Get-NetAdapter Status")
def enable(machine: Machine, bound: Bound) -> None:
    demand_rights(machine, bound)
    for adapter in list(_found(machine, bound)):
        adapter.status = "Up"
