"""Hyper-V: host and virtual switches. Sources: windows-outputs Get-/New-/Remove-VMSwitch, Get-VMHost; eflow-domain 2, 3.2-3.3.

`vms` has the virtual machines; both ask `ready` and `rights` here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches, wildcard
from reconciler.emulator.errors import HYPERV, CmdletError, unverified
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, VmSwitch
from reconciler.emulator.timeline import schedule
from reconciler.emulator.vnic import give_back, park

VNIC_AFTER = 6.0  # eflow-domain 3.3: the host's adapter appears after seconds
LINK_LOST = 12.0  # eflow-domain 2: binding an External switch interrupts the NIC (how long: unverified)
EMPTY_GUID = "00000000-0000-0000-0000-000000000000"


def ready(machine: Machine) -> None:
    """eflow-domain 3.2: before the restart, and while vmms is down, every cmdlet of the module fails (id not known)."""
    if not machine.hyperv or not machine.running("vmms"):
        raise CmdletError("Unverified", "NotSpecified", machine.text("wmi class", name=machine.computer_name), HYPERV)


def rights(machine: Machine, bound: Bound) -> None:
    if not bound.elevated:
        raise CmdletError("Unverified", "PermissionDenied", machine.text("rights", name=machine.computer_name), HYPERV)


def invalid(message: str) -> CmdletError:
    """windows-outputs: absence by name and refusal alike are InvalidParameter, InvalidArgument."""
    return CmdletError("InvalidParameter", "InvalidArgument", message, HYPERV)


@cmdlet("Get-VMHost", "windows-outputs Get-VMHost")
def get_host(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    rights(machine, bound)
    domain = f".{machine.domain}" if machine.domain else ""
    yield {
        "Name": machine.computer_name,
        "ComputerName": machine.computer_name,
        "FullyQualifiedDomainName": machine.computer_name + domain,
        "LogicalProcessorCount": machine.processors,
        "MemoryCapacity": machine.memory_mb << 20,
        "VirtualHardDiskPath": "C:\\Users\\Public\\Documents\\Hyper-V\\Virtual Hard Disks",
        "VirtualMachinePath": "C:\\ProgramData\\Microsoft\\Windows\\Hyper-V",
        "EnableEnhancedSessionMode": not machine.server,
        "NumaSpanningEnabled": True,
        "MacAddressMinimum": "00155D010000",
        "MacAddressMaximum": "00155D0100FF",
        "MaximumStorageMigrations": 2,
        "MaximumVirtualMachineMigrations": 2,
        "VirtualMachineMigrationEnabled": False,
        "IovSupport": False,
        "IsDeleted": False,
    }


def row(machine: Machine, switch: VmSwitch) -> dict[str, Any]:
    nic = next((a for a in machine.adapters if a.physical and a.switch == switch.id), None)
    return {
        "Id": switch.id,
        "Name": switch.name,
        "SwitchType": switch.type,
        "Notes": switch.notes,
        "AllowManagementOS": switch.management_os,
        "NetAdapterInterfaceDescription": switch.adapter_description or None,
        "NetAdapterInterfaceDescriptions": [switch.adapter_description] if switch.adapter_description else [],
        "NetAdapterInterfaceGuid": [nic.guid] if nic else [],
        "BandwidthReservationMode": switch.bandwidth,
        "EmbeddedTeamingEnabled": False,
        "IovEnabled": False,
        "IovSupport": False,
        "PacketDirectEnabled": False,
        "SoftwareRscEnabled": machine.build >= 17763,
        "ComputerName": machine.computer_name,
        "IsDeleted": False,
    }


@cmdlet("Get-VMSwitch", "windows-outputs Get-VMSwitch; eflow-domain 3.2")
def get_switch(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    found = [s for s in machine.switches if bound.elevated]
    if "SwitchType" in bound:
        found = [s for s in found if s.type in bound["SwitchType"]]
    if "Id" in bound:
        found = [s for s in found if s.id.casefold() in [i.casefold() for i in bound["Id"]]]
        if not found:
            raise unverified(machine.text("no switch", name=bound["Id"][0]), "ObjectNotFound")
    if "Name" in bound:
        name = bound["Name"]
        found = [s for s in found if matches(s.name, name)]
        if not found and not wildcard(name):
            raise invalid(machine.text("no switch", name=name))
    for switch in found:
        yield row(machine, switch)


@cmdlet("New-VMSwitch", "windows-outputs New-VMSwitch; eflow-domain 2, 3.3")
def new_switch(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    rights(machine, bound)
    kind = bound.get("SwitchType", "External")
    nic = _nic(machine, bound) if kind == "External" else None
    switch = VmSwitch(
        machine.new_guid("switch"),
        bound["Name"],
        kind,
        notes=bound.get("Notes", ""),
        adapter_description=nic.description if nic else "",
        management_os={"Private": False, "Internal": True}.get(kind, bound.get("AllowManagementOS", True)),
        bandwidth=bound.get("MinimumBandwidthMode", "Absolute"),
    )
    machine.switches.append(switch)
    bound.takes(4)
    if nic is not None:
        _bind(machine, bound, switch, nic)
    elif switch.management_os:
        schedule(machine, VNIC_AFTER + len(switch.name) % 3, "adapter", switch.id)
    yield row(machine, switch)


def _nic(machine: Machine, bound: Bound) -> Adapter:
    """The physical adapter for an External switch: it must be there, up, and free."""
    names, wanted = ("name", bound.get("NetAdapterName")) if "NetAdapterName" in bound else ("description", bound["NetAdapterInterfaceDescription"])
    nic = next((a for a in machine.adapters if getattr(a, names).casefold() in [w.casefold() for w in wanted]), None)
    if nic is None:
        raise invalid(f"Failed while creating virtual Ethernet switch: the network adapter '{wanted[0]}' could not be found.")
    if machine.platform == "azure":
        raise unverified("Failed while creating virtual Ethernet switch: the adapter cannot be bound on this platform.")  # eflow-domain 2
    if nic.virtual or nic.status == "Disabled" or nic.switch is not None:
        raise unverified("Failed while adding virtual Ethernet switch connections: the adapter is already bound or cannot be bound.")
    return nic


def _bind(machine: Machine, bound: Bound, switch: VmSwitch, nic: Adapter) -> None:
    """The NIC's link drops; the host's address comes back on the new vEthernet adapter, or never without AllowManagementOS."""
    carries = any(a.address == machine.uplink for a in nic.addresses)
    nic.switch = switch.id
    if switch.management_os:
        schedule(machine, VNIC_AFTER, "adapter", switch.id)
    else:
        park(nic, nic)
    if carries:
        bound.cut = True
        schedule_outage(machine, LINK_LOST)


def schedule_outage(machine: Machine, seconds: float) -> None:
    """WinRM does not answer for a while; processes on the machine live on."""
    machine.down_until = machine.now + timedelta(seconds=seconds)


@cmdlet("Set-VMSwitch", "unverified: which changes of type Windows takes")
def set_switch(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    rights(machine, bound)
    for switch in _one(machine, bound["Name"]):
        if "Notes" in bound:
            switch.notes = bound["Notes"]
        _retype(machine, bound, switch)
        if "AllowManagementOS" in bound and switch.type == "External":
            _management_os(machine, bound, switch, bound["AllowManagementOS"])
        if bound.on("Passthru"):
            yield row(machine, switch)


def _retype(machine: Machine, bound: Bound, switch: VmSwitch) -> None:
    if switch.protected and ("SwitchType" in bound or "NetAdapterName" in bound):
        raise invalid(f"The operation is not allowed on the automatically created switch '{switch.name}'.")
    if "NetAdapterName" in bound or "NetAdapterInterfaceDescription" in bound:
        values = {name: [bound[name]] for name in ("NetAdapterName", "NetAdapterInterfaceDescription") if name in bound}
        nic = _nic(machine, Bound(bound.name, "", values))
        give_back(machine, switch)
        switch.type, switch.adapter_description, switch.management_os = "External", nic.description, bound.get("AllowManagementOS", True)
        _bind(machine, bound, switch, nic)
    elif "SwitchType" in bound and bound["SwitchType"] != switch.type:
        if bound["SwitchType"] == "External":
            raise unverified("An External switch needs a network adapter.")
        give_back(machine, switch)
        switch.type, switch.adapter_description = bound["SwitchType"], ""
        switch.management_os = switch.type == "Internal"
        if switch.management_os:
            schedule(machine, VNIC_AFTER, "adapter", switch.id)


def _management_os(machine: Machine, bound: Bound, switch: VmSwitch, wanted: bool) -> None:
    if wanted == switch.management_os:
        return
    nic = next(a for a in machine.adapters if a.physical and a.switch == switch.id)
    switch.management_os = wanted
    if wanted:
        schedule(machine, VNIC_AFTER, "adapter", switch.id)
        return
    own = [a for a in machine.adapters if a.virtual and a.switch == switch.id]
    if any(a.address == machine.uplink for adapter in own for a in adapter.addresses):
        bound.cut = True
    for adapter in own:
        park(nic, adapter)
    machine.adapters = [a for a in machine.adapters if a not in own]


@cmdlet("Rename-VMSwitch", "unverified: the vEthernet adapter follows the name")
def rename_switch(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    ready(machine)
    rights(machine, bound)
    for switch in _one(machine, [bound["Name"]]):
        own = next((a for a in machine.adapters if a.virtual and a.switch == switch.id), None)
        if own is not None and own.name == f"vEthernet ({switch.name})":
            own.name = f"vEthernet ({bound['NewName']})"
        switch.name = bound["NewName"]
        if bound.on("Passthru"):
            yield row(machine, switch)


@cmdlet("Remove-VMSwitch", "windows-outputs errors.writes Remove-VMSwitch; eflow-domain 5", impact="High")
def remove_switch(machine: Machine, bound: Bound) -> None:
    ready(machine)
    rights(machine, bound)
    for switch in _one(machine, bound["Name"]):
        if switch.protected:
            raise invalid(f"The automatically created switch '{switch.name}' cannot be removed.")
        if any(switch.id in vm.switches for vm in machine.vms if vm.state == "Running") or _carries_eflow(machine, switch):
            raise unverified(f"Failed while removing virtual Ethernet switch: '{switch.name}' is in use by a running virtual machine.")
        own = [a for a in machine.adapters if a.virtual and a.switch == switch.id]
        if any(a.address == machine.uplink for adapter in own for a in adapter.addresses):
            bound.cut = True
            schedule_outage(machine, LINK_LOST)
        for vm in machine.vms:
            vm.switches = ["" if identity == switch.id else identity for identity in vm.switches]
        give_back(machine, switch)
        machine.switches.remove(switch)
        bound.takes(3)


def _carries_eflow(machine: Machine, switch: VmSwitch) -> bool:
    eflow = machine.eflow
    return eflow.deployed and eflow.power == "Running" and any(e.switch.casefold() == switch.name.casefold() for e in eflow.endpoints)


def _one(machine: Machine, names: list[str]) -> list[VmSwitch]:
    """All switches of these names, which need not be unique; a name that hits nothing is an error unless it is a pattern."""
    found: list[VmSwitch] = []
    for name in names:
        hits = [s for s in machine.switches if matches(s.name, name)]
        if not hits and not wildcard(name):
            raise invalid(machine.text("no switch", name=name))
        found += [s for s in hits if s not in found]
    return found
