"""Scale sets and their instances as ARM shows them. Sections 1.1 and 1.8; the model's shape [rec]."""

from __future__ import annotations

from collections import Counter
from typing import Any

from reconciler.emulator.arm import guests, views
from reconciler.emulator.arm.model import Extension, ScaleSet, Vm
from reconciler.emulator.arm.versions import known
from reconciler.emulator.arm.world import World, stamp

KIND = "Microsoft.Compute/virtualMachineScaleSets"


def model(world: World, held: ScaleSet) -> dict[str, Any]:
    policy: dict[str, Any] = {"mode": held.mode}
    if held.rolling:
        policy["rollingUpgradePolicy"] = dict(held.rolling)
    image = {**held.offer, "version": held.image}
    profile: dict[str, Any] = {
        "osProfile": {"computerNamePrefix": held.name[:9], "adminUsername": "azureuser", "allowExtensionOperations": True},
        "storageProfile": {"osDisk": {"osType": held.os, "createOption": "FromImage"}, "imageReference": image},
    }
    if held.extensions:
        profile["extensionProfile"] = {"extensions": [_in_model(world, e) for e in held.extensions.values()]}
    properties = {
        "singlePlacementGroup": held.single_placement_group,
        "orchestrationMode": held.orchestration,
        "upgradePolicy": policy,
        "virtualMachineProfile": profile,
        "provisioningState": "Updating" if world.cloud.running(held.id) else held.state,
        "uniqueId": held.unique_id,
    }
    if held.created is not None:
        properties["timeCreated"] = stamp(held.created)
    sku = {"name": held.size, "tier": "Standard", "capacity": len(world.cloud.instances(held))}
    shown = {"name": held.name, "id": held.id, "type": KIND, "location": held.location, "sku": sku, "properties": properties}
    return shown | ({"tags": dict(held.tags)} if held.tags else {})


def instance(world: World, owner: ScaleSet, held: Vm, *, view: bool = False) -> dict[str, Any]:
    """1.8: latestModelApplied, and the states of what is installed, under `resources` [doc]."""
    properties: dict[str, Any] = {
        "latestModelApplied": held.applied == owner.version,
        "vmId": held.vm_id,
        "provisioningState": views.state(world, held),
        "hardwareProfile": {"vmSize": held.size},
        "storageProfile": views.storage(held),
        "osProfile": {"computerName": held.computer_name, "adminUsername": "azureuser"},
    }
    if view:
        properties["instanceView"] = views.vm_view(world, held)
    kind = f"{KIND}/virtualMachines" if owner.orchestration == "Uniform" else "Microsoft.Compute/virtualMachines"
    name = f"{owner.name}_{held.instance}" if owner.orchestration == "Uniform" else held.name
    shown: dict[str, Any] = {"name": name, "id": held.id, "type": kind, "location": held.location, "instanceId": held.instance}
    shown |= {"sku": {"name": held.size, "tier": "Standard"}, "properties": properties}
    if held.extensions:
        shown["resources"] = [views.extension(world, held.id, kind, e) for e in held.extensions.values()]
    return shown


def summary(world: World, held: ScaleSet) -> dict[str, Any]:
    """1.1: counts of codes, not instances [spec]."""
    everyone = world.cloud.instances(held)
    powers = Counter(f"PowerState/{guests.power(world, vm)}" for vm in everyone)
    states = Counter(f"ProvisioningState/{views.state(world, vm).lower()}" for vm in everyone)
    extensions = []
    for name, model_ in held.extensions.items():
        codes = Counter(e.status.code for vm in everyone if (e := vm.extensions.get(name)) is not None and e.status is not None)
        extensions.append({"name": model_.name, "statusesSummary": _counts(codes)})
    statuses = [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded", "time": stamp(world.now)}]
    return {"virtualMachine": {"statusesSummary": _counts(states + powers)}, "extensions": extensions, "statuses": statuses}


def _in_model(world: World, held: Extension) -> dict[str, Any]:
    return {"name": held.name, "properties": {n: v for n, v in held.properties.items() if known(n, world.api, on_set=True)}}


def _counts(codes: Counter[str]) -> list[dict[str, Any]]:
    return [{"code": code, "count": count} for code, count in sorted(codes.items())]
