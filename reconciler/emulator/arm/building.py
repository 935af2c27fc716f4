"""Makes what the emulated Azure holds: subscriptions, VMs, scale sets. Tests, `emulate` and the demo call it; ARM itself makes only scale sets."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.emulator.arm import catalogue
from reconciler.emulator.arm.model import SUBSCRIPTION, Cloud, Extension, Image, Run, ScaleSet, Script, Status, Subscription, Vm
from reconciler.emulator.arm.versions import satisfying
from reconciler.emulator.machine import NAMESPACE
from reconciler.emulator.skus import SKUS

if TYPE_CHECKING:
    from reconciler.emulator.estate import Estate

GROUP = "rg-edge"
LOCATION = "westeurope"
SIZE = "Standard_D4s_v5"


def subscription(estate: Estate, identity: str = SUBSCRIPTION, group: str = GROUP, location: str = LOCATION) -> Cloud:
    """The subscription and the group, made where they are missing; sizes and extension types, where there are none."""
    cloud = estate.azure
    held = cloud.subscriptions.setdefault(identity.lower(), Subscription(identity))
    if cloud.group(identity, group) is None:
        held.groups[group] = location
    cloud.sizes = cloud.sizes or catalogue.sizes()
    cloud.images = cloud.images or catalogue.images()
    return cloud


def vm(
    estate: Estate,
    name: str,
    *,
    group: str = GROUP,
    identity: str = SUBSCRIPTION,
    location: str = LOCATION,
    size: str = SIZE,
    machine: str = "",
    os: str = "Windows",
    security: str = "",
    release: str = "2022",
) -> Vm:
    """A running VM. With `machine` it is that host of the estate: its vmId is the host's BIOS UUID [mem: arm-contract].

    `release`: 2016, 2019, 2022, 2025, 10 or 11, where no host says it.
    """
    cloud = subscription(estate, identity, group, location)
    host = estate.machines.get(machine)
    vm_id = host.uuid.lower() if host is not None else str(uuid.uuid5(NAMESPACE, f"vm/{identity}/{group}/{name}".lower()))
    held = Vm(f"{_head(identity, group)}/virtualMachines/{name}", location, size, vm_id, os=os, security=security, machine=machine if host else "")
    if held.machine:
        estate.put_in_azure(held.machine)
    held.computer_name = name[:15]
    held.os_name, held.os_version, held.offer = _system(os, host.release if host is not None else release)
    held.created = estate.clock.now()
    cloud.vms[held.id.lower()] = held
    return held


def _system(os: str, release: str) -> tuple[str, str, dict[str, str]]:
    """Name and version of the system, and the image that it comes of [assume: as the marketplace names them today]."""
    if os != "Windows":
        return "ubuntu", "24.04", {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    sku = next(sku for sku in SKUS.values() if sku.release == release)
    version = f"{sku.version}.{sku.revision}"
    if sku.product_type == 1:
        return f"Windows {release} Enterprise", version, {"publisher": "MicrosoftWindowsDesktop", "offer": f"windows-{release}", "sku": f"win{release}-ent"}
    return f"Windows Server {release} Datacenter", version, {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": f"{release}-datacenter-g2"}


def scale_set(
    estate: Estate,
    name: str,
    count: int,
    *,
    group: str = GROUP,
    identity: str = SUBSCRIPTION,
    location: str = LOCATION,
    size: str = SIZE,
    mode: str = "Manual",
    orchestration: str = "Uniform",
) -> ScaleSet:
    """A set with so many running instances that have its model."""
    cloud = subscription(estate, identity, group, location)
    head = _head(identity, group)
    held = ScaleSet(f"{head}/virtualMachineScaleSets/{name}", location, size, str(uuid.uuid5(NAMESPACE, f"set/{name}")), orchestration, mode)
    held.created = estate.clock.now()
    _, _, held.offer = _system("Windows", "2022")
    cloud.sets[held.id.lower()] = held
    for number in range(count):
        instance = str(number) if orchestration == "Uniform" else f"{name}_{uuid.uuid5(NAMESPACE, f'{name}/{number}').hex[:8]}"
        path = f"{held.id}/virtualMachines/{number}" if orchestration == "Uniform" else f"{head}/virtualMachines/{instance}"
        one = Vm(path, location, size, str(uuid.uuid5(NAMESPACE, f"vm/{path}")), scale_set=held.id, instance=instance)
        one.os_name, one.os_version, one.offer = _system("Windows", "2022")
        one.applied, one.image, one.computer_name = held.version, held.image, f"{name[:9]}{number:06}"
        cloud.vms[path.lower()] = one
    return held


def remove(estate: Estate, held: ScaleSet) -> None:
    """The set and its instances are no more."""
    cloud = estate.azure
    cloud.vms = {key: vm for key, vm in cloud.vms.items() if vm.scale_set.lower() != held.id.lower()}
    del cloud.sets[held.id.lower()]


def extension(estate: Estate, held: Vm, name: str, publisher: str, kind: str, version: str, *, failed: str = "") -> Extension:
    """An extension that is installed already, by somebody else; with `failed`, one that failed saying so."""
    said = {"publisher": publisher, "type": kind, "typeHandlerVersion": version, "autoUpgradeMinorVersion": True, "enableAutomaticUpgrade": False}
    made = Extension(name, said, location=held.location, tags={}, state="Failed" if failed else "Succeeded", runs=1)
    made.installed = version_of(estate.azure.image(publisher, kind), said)
    code, level, display = ("failed/1", "Error", "Provisioning failed") if failed else ("succeeded", "Info", "Provisioning succeeded")
    made.status = Status(f"ProvisioningState/{code}", level, display, failed, estate.clock.now())
    held.extensions[name.lower()] = made
    return made


def version_of(image: Image | None, properties: Mapping[str, Any]) -> str:
    """What would be installed for these properties."""
    asked = str(properties.get("typeHandlerVersion") or "1.0")
    best = satisfying(asked, image.versions, minor=bool(properties.get("autoUpgradeMinorVersion"))) if image else None
    return best or f"{asked}.0.0"


def power(estate: Estate, held: Vm, word: str) -> None:
    """Somebody else puts the VM into that state: running, stopped or deallocated; the host that it is with it."""
    if held.machine and (word == "running") != (estate.machine(held.machine).power == "on"):
        estate.power(held.machine, on=word == "running")
    held.power = word
    estate.record(held.label, "power", on=word == "running", state=word, by="azure")


def change_image(held: ScaleSet, version: str) -> None:
    """Somebody changes the image in the model: every instance is behind from now on."""
    held.image = version
    held.version += 1


def script(estate: Estate, vm: str, extension: str, *runs: Run | int) -> None:
    """What the next runs come to, first to last; a number is an exit code. Patterns: see `Script`."""
    estate.azure.scripts.append(Script(vm, extension, [run if isinstance(run, Run) else Run(run) for run in runs]))


def _head(identity: str, group: str) -> str:
    return f"/subscriptions/{identity}/resourceGroups/{group}/providers/Microsoft.Compute"
