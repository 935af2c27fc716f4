"""Resources as ARM shows them. Sections 1.1 to 1.5; what is null is left out, secrets never stand here [rec]."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.emulator.arm import guests
from reconciler.emulator.arm.model import Extension, Status, Vm
from reconciler.emulator.arm.versions import SECURITY_STANDARD, known
from reconciler.emulator.arm.world import World, stamp

AGENT_VERSION = "2.7.41491.1176"  # [assume]
DISPLAY = {
    "running": "VM running",
    "starting": "VM starting",
    "stopping": "VM stopping",
    "stopped": "VM stopped",
    "deallocating": "VM deallocating",
    "deallocated": "VM deallocated",
}


def extension(world: World, owner: str, kind: str, held: Extension, *, view: bool = False, on_set: bool = False) -> dict[str, Any]:
    """`view`: with its instance view, which a stopped VM has not [doc 1.5]."""
    shown: dict[str, Any] = {"name": held.name, "id": f"{owner}/extensions/{held.name}", "type": f"{kind}/extensions"}
    if held.location:
        shown["location"] = held.location
    if held.tags:
        shown["tags"] = dict(held.tags)
    properties = {name: value for name, value in held.properties.items() if known(name, world.api, on_set=on_set)}
    properties.setdefault("autoUpgradeMinorVersion", False)
    properties["provisioningState"] = held.state
    if view:
        properties["instanceView"] = instance_view(held)
    return shown | {"properties": properties}


def instance_view(held: Extension) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": held.name, "type": held.handler, "typeHandlerVersion": held.installed}
    if held.substatuses:
        shown["substatuses"] = [_status(s) for s in held.substatuses]
    return shown | {"statuses": [_status(held.status)] if held.status else []}


def vm(world: World, held: Vm, *, view: bool = False) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "vmId": held.vm_id,
        "provisioningState": state(world, held),
        "hardwareProfile": {"vmSize": held.size},
        "storageProfile": storage(held),
        "osProfile": _os(world, held),
        "networkProfile": {"networkInterfaces": [{"id": held.id.replace("Microsoft.Compute/virtualMachines", "Microsoft.Network/networkInterfaces") + "-nic"}]},
    }
    if security := _security(world, held):
        properties["securityProfile"] = security
    if held.scale_set:
        properties["virtualMachineScaleSet"] = {"id": held.scale_set}
    if held.created is not None:
        properties["timeCreated"] = stamp(held.created)
    if view:
        properties["instanceView"] = vm_view(world, held)
    shown: dict[str, Any] = {"name": held.name, "id": held.id, "type": "Microsoft.Compute/virtualMachines", "location": held.location}
    if held.tags:
        shown["tags"] = dict(held.tags)
    shown["properties"] = properties
    if held.extensions:
        shown["resources"] = [extension(world, held.id, "Microsoft.Compute/virtualMachines", e) for e in held.extensions.values()]
    return shown


def vm_view(world: World, held: Vm) -> dict[str, Any]:
    """1.5: a VM that does not run says its power state and hardly more [doc]."""
    word = guests.power(world, held)
    provisioned = state(world, held)
    shown_as = "Provisioning succeeded" if provisioned == "Succeeded" else provisioned
    statuses = [_plain(f"ProvisioningState/{provisioned.lower()}", shown_as, world.now), _plain(f"PowerState/{word}", DISPLAY[word])]
    shown: dict[str, Any] = {"hyperVGeneration": held.generation}
    if word == "running":
        machine = guests.host(world, held)
        shown["computerName"] = machine.computer_name if machine else held.computer_name
        shown["osName"] = machine.caption.removeprefix("Microsoft ") if machine else held.os_name
        shown["osVersion"] = f"{machine.version}.{machine.revision}" if machine else held.os_version
        shown["vmAgent"] = _agent(world, held)
        shown["extensions"] = [instance_view(e) for e in held.extensions.values() if e.status]
    return shown | {"statuses": statuses}


def state(world: World, held: Vm) -> str:
    return "Updating" if world.cloud.running(held.id) else "Succeeded"


def _agent(world: World, held: Vm) -> dict[str, Any]:
    """1.5: whether the agent reports, and which handlers are Ready [doc]."""
    if guests.ready(world, held):
        handlers = [_handler(e) for e in held.extensions.values() if e.status]
        said = _plain("ProvisioningState/succeeded", "Ready", world.now) | {"message": "GuestAgent is running and processing the extensions."}
        return {"vmAgentVersion": AGENT_VERSION, "extensionHandlers": handlers, "statuses": [said]}
    told = "VM status blob is found but not yet populated." if held.agent else "VM Agent is not installed."
    return {"vmAgentVersion": "Unknown", "statuses": [_plain("ProvisioningState/Unavailable", "Not Ready", world.now) | {"level": "Warning", "message": told}]}


def _handler(held: Extension) -> dict[str, Any]:
    status = held.status
    dead = status is not None and status.code == "ProvisioningState/failed/1009"
    code, display = ("ProvisioningState/failed/1009", "Not Ready") if dead else ("ProvisioningState/succeeded", "Ready")
    shown = {"code": code, "level": "Error" if dead else "Info", "displayStatus": display}
    return {"type": held.handler, "typeHandlerVersion": held.installed, "status": shown}


def _status(held: Status) -> dict[str, Any]:
    shown = {"code": held.code, "level": held.level, "displayStatus": held.display}
    if held.message:
        shown["message"] = held.message
    return shown | {"time": stamp(held.time)}


def _plain(code: str, display: str, when: datetime | None = None) -> dict[str, Any]:
    shown = {"code": code, "level": "Info", "displayStatus": display}
    return shown | {"time": stamp(when)} if when is not None else shown


def _security(world: World, held: Vm) -> dict[str, Any] | None:
    """Section 3: absent means Standard, which is said from 2025-11-01 on [spec]."""
    if held.security in ("", "Standard"):
        return {"securityType": "Standard"} if world.api >= SECURITY_STANDARD else None
    return {"securityType": held.security, "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True}}


def storage(held: Vm) -> dict[str, Any]:
    disk = {"osType": held.os, "name": f"{held.name}_OsDisk_{held.disks}", "createOption": "FromImage", "caching": "ReadWrite"}
    return {"imageReference": {**held.offer, "version": held.image or "latest"}, "osDisk": disk}


def _os(world: World, held: Vm) -> dict[str, Any]:
    machine = guests.host(world, held)
    shown: dict[str, Any] = {"computerName": machine.computer_name if machine else held.computer_name, "adminUsername": "azureuser", "secrets": []}
    agent = {"provisionVMAgent": bool(held.agent)}
    return shown | ({"windowsConfiguration": agent | {"enableAutomaticUpdates": True}} if held.os == "Windows" else {"linuxConfiguration": agent})
