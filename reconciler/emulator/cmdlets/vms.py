"""Hyper-V: virtual machines and network adapters. Sources: windows-outputs Get-VM, Get-VMNetworkAdapter, Get-VMProcessor, Get-VMMemory.

Clients run EFLOW in HCS, so its VM is not seen here there: eflow-domain 1.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches, wildcard
from reconciler.emulator.cmdlets.hyperv import EMPTY_GUID, invalid, ready, rights
from reconciler.emulator.errors import HYPERV, CmdletError, unverified
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, VirtualMachine


def row(machine: Machine, vm: VirtualMachine) -> dict[str, Any]:
    running = vm.state == "Running"
    return {
        "Id": vm.id,
        "VMId": vm.id,
        "Name": vm.name,
        "VMName": vm.name,
        "State": vm.state,
        "Status": "Operating normally",
        "Generation": vm.generation,
        "Version": vm.version,
        "ProcessorCount": vm.processors,
        "MemoryStartup": vm.memory,
        "MemoryAssigned": vm.memory if running else 0,
        "MemoryMinimum": 512 << 20,
        "MemoryMaximum": 1 << 40,
        "DynamicMemoryEnabled": False,
        "Uptime": machine.uptime if running else timedelta(0),
        "Notes": vm.notes,
        "CreationTime": vm.created,
        "IsClustered": False,
        "IsDeleted": False,
        "AutomaticStartAction": "StartIfRunning",
        "AutomaticStopAction": "Save",
        "CheckpointType": "Production",
        "ParentCheckpointId": None,
        "Heartbeat": "OkApplicationsHealthy" if running else "Disabled",
        "Path": "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V",
        "ComputerName": machine.computer_name,
        "VirtualMachineType": "RealizedVirtualMachine",
    }


@cmdlet("Get-VM", "windows-outputs Get-VM")
def get_vm(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    seen = machine.vms if bound.elevated else []
    if "Id" in bound:
        found = [vm for vm in seen if vm.id.casefold() == bound["Id"].casefold()]
        if not found:
            raise CmdletError("ObjectNotFound", "ObjectNotFound", machine.text("no vm", name=bound["Id"]), HYPERV)
    else:
        found = _named(machine, bound, list(seen), bound.get("Name"))
    for vm in found:
        yield row(machine, vm)


def _named(machine: Machine, bound: Bound, seen: list[VirtualMachine], names: list[str] | None) -> list[VirtualMachine]:
    if names is None:
        return seen
    found: list[VirtualMachine] = []
    for name in names:
        hits = [vm for vm in seen if matches(vm.name, name)]
        if not hits and not wildcard(name):
            bound.fail(invalid(machine.text("no vm", name=name)))
        found += [vm for vm in hits if vm not in found]
    return found


@cmdlet("Start-VM", "unverified: refusal texts")
def start_vm(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound["Name"]):
        if vm.state != "Running" and vm.memory >> 20 > machine.free_mb:
            bound.fail(unverified(f"'{vm.name}' could not initialize. Not enough memory in the system to start the virtual machine."))
            continue
        vm.state = "Running"
        _follow(machine, vm)
        bound.takes(6)


@cmdlet("Stop-VM", "unverified: how long a shutdown takes")
def stop_vm(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound["Name"]):
        vm.state = "Saved" if bound.on("Save") else "Off"
        _follow(machine, vm)
        bound.takes(2 if bound.on("TurnOff") else 15)


def _follow(machine: Machine, vm: VirtualMachine) -> None:
    """Whoever stops the EFLOW VM here stops it for EFLOW as well."""
    if vm.id == machine.eflow.vm_id:
        machine.eflow.power = "Running" if vm.state == "Running" else "Off"


@cmdlet("Remove-VM", "unverified: refusal texts", impact="High")
def remove_vm(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound["Name"]):
        if vm.state != "Off":
            bound.fail(unverified(f"The operation cannot be performed while '{vm.name}' is in its current state."))
            continue
        machine.vms.remove(vm)
        if vm.id == machine.eflow.vm_id:
            machine.eflow.deployed = False


@cmdlet("Get-VMProcessor", "windows-outputs Get-VMProcessor; the id of an absent VM is unverified")
def get_processor(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    for vm in _named(machine, bound, machine.vms if bound.elevated else [], bound["VMName"]):
        yield {"VMName": vm.name, "VMId": vm.id, "Count": vm.processors, "ExposeVirtualizationExtensions": vm.nested, "Reserve": 0, "Maximum": 100}


@cmdlet("Set-VMProcessor", "eflow-domain 4.1")
def set_processor(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound["VMName"]):
        if vm.state != "Off":
            bound.fail(unverified(f"The operation cannot be performed while '{vm.name}' is running."))
            continue
        vm.nested = bound.get("ExposeVirtualizationExtensions", vm.nested)
        vm.processors = bound.get("Count", vm.processors)


@cmdlet("Get-VMMemory", "windows-outputs Get-VMMemory; the id of an absent VM is unverified")
def get_memory(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    for vm in _named(machine, bound, machine.vms if bound.elevated else [], bound["VMName"]):
        yield {"VMName": vm.name, "VMId": vm.id, "Startup": vm.memory, "DynamicMemoryEnabled": False, "Minimum": 512 << 20, "Maximum": 1 << 40, "Buffer": 20}


@cmdlet("Set-VMMemory", "unverified: refusal while running")
def set_memory(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound["VMName"]):
        vm.memory = bound.get("StartupBytes", vm.memory)


@cmdlet("Get-VMNetworkAdapter", "windows-outputs Get-VMNetworkAdapter, classes VMInternalNetworkAdapter")
def get_adapter(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    if bound.on("ManagementOS") or bound.on("All"):
        yield from _management(machine, bound)
    if not bound.on("ManagementOS"):
        names = None if bound.on("All") else bound["VMName"]
        for vm in _named(machine, bound, machine.vms if bound.elevated else [], names):
            for n in range(len(vm.switches)):
                yield _guest(machine, vm, n)


def _management(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    """The host's own ports: there with the switch, before Windows shows the vEthernet adapter."""
    switches = [s for s in machine.switches if s.management_os]
    if "SwitchName" in bound:
        switches = [s for s in switches if matches(s.name, bound["SwitchName"])]
        if not switches:
            raise invalid(machine.text("no switch", name=bound["SwitchName"]))
    for switch in switches:
        if "Name" in bound and not matches(switch.name, bound["Name"]):
            continue
        adapter = next((a for a in machine.adapters if a.virtual and a.switch == switch.id), None)
        yield {
            "Name": switch.name,
            "SwitchName": switch.name,
            "SwitchId": switch.id,
            "IsManagementOs": True,
            "IsExternalAdapter": False,
            "MacAddress": _digits(adapter) if adapter else None,
            "DeviceId": adapter.guid if adapter else None,
            "Status": ["Ok"],
            "MacAddressSpoofing": "Off",
            "DhcpGuard": "Off",
            "RouterGuard": "Off",
            "ComputerName": machine.computer_name,
            "IsDeleted": False,
        }


def _digits(adapter: Adapter) -> str:
    return adapter.mac.replace("-", "")


def _guest(machine: Machine, vm: VirtualMachine, number: int) -> dict[str, Any]:
    switch = machine.switch_by_id(vm.switches[number]) if vm.switches[number] else None
    return {
        "Name": "Network Adapter",
        "VMName": vm.name,
        "VMId": vm.id,
        "SwitchName": switch.name if switch else None,
        "SwitchId": switch.id if switch else EMPTY_GUID,
        "Connected": switch is not None,
        "MacAddress": vm.macs[number] if number < len(vm.macs) else "000000000000",
        "MacAddressSpoofing": "On" if vm.spoofing else "Off",
        "DhcpGuard": "Off",
        "RouterGuard": "Off",
        "IPAddresses": [],
        "IsManagementOs": False,
        "IsLegacy": False,
        "DynamicMacAddressEnabled": True,
        "Status": ["Ok"],
        "ComputerName": machine.computer_name,
        "IsDeleted": False,
    }


@cmdlet("Set-VMNetworkAdapter", "eflow-domain 4.1: MacAddressSpoofing; whether it may run is unverified")
def set_adapter(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for vm in _named(machine, bound, machine.vms, bound.get("VMName", [])):
        if "MacAddressSpoofing" in bound:
            vm.spoofing = bound["MacAddressSpoofing"] == "On"
