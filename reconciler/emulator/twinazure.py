"""The Azure side of a host's twin: its VM or scale set, extensions, size and known versions, as the snapshot's answers say. Used by `twin` only.

What handlers come to cannot be known before they run: exit code 0 is taken for granted, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.snapshot import Snapshot, value_json
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Extension, Image, ScaleSet, Size, Status, Vm
from reconciler.emulator.estate import Estate
from reconciler.emulator.twinsaid import Said

OPTIMISM = "handlers of extensions end with exit code 0"
Json = Mapping[str, Any]


def alone(snapshot: Snapshot) -> bool:
    """Whether the host was seen through Azure alone: no machine is built for it."""
    return set(snapshot.hello) == {"arm"}


def azure(estate: Estate, snapshot: Snapshot, said: Said) -> None:
    """What Azure said of the host, in the twin's own Azure. Raises ValueError, TypeError or KeyError for an answer of another shape."""
    body = snapshot.hello.get("arm")
    if not isinstance(body, Mapping):
        return
    parts = str(body["id"]).split("/")
    where = {"identity": parts[2], "group": parts[4], "location": str(body["location"])}
    building.subscription(estate, parts[2], parts[4], where["location"])
    _catalogue(estate, snapshot, where["location"])
    if parts[7].casefold() == "virtualmachines":
        _vm(estate, snapshot, body, where)
    else:
        _set(estate, snapshot, body, where)
    said.assume(OPTIMISM)


def _vm(estate: Estate, snapshot: Snapshot, body: Json, where: dict[str, str]) -> None:
    properties = body["properties"]
    machine = "" if alone(snapshot) else snapshot.host
    os = str(_in(properties, "storageProfile", "osDisk", "osType") or "Windows")
    vm = building.vm(estate, str(body["id"]).rpartition("/")[2], size=properties["hardwareProfile"]["vmSize"], machine=machine, os=os, **where)
    vm.id, vm.vm_id, vm.tags = str(body["id"]), properties["vmId"], dict(body.get("tags") or {})
    vm.security = str(_in(properties, "securityProfile", "securityType") or "")
    vm.offer, vm.image = _image(properties)
    view = properties.get("instanceView") or {}
    vm.os_name, vm.os_version = str(view.get("osName") or vm.os_name), str(view.get("osVersion") or vm.os_version)
    vm.computer_name = str(_in(properties, "osProfile", "computerName") or vm.computer_name)
    vm.power = next((s["code"].partition("/")[2] for s in view.get("statuses", ()) if s["code"].startswith("PowerState/")), vm.power)
    agent = _in(view, "vmAgent", "statuses") or ()
    vm.agent = str(agent[0]["displayStatus"]) if agent else vm.agent
    for row in _rows(snapshot, "VirtualMachineExtensions_List"):
        vm.extensions[row["name"].lower()] = _extension(estate, row, vm.location)


def _set(estate: Estate, snapshot: Snapshot, body: Json, where: dict[str, str]) -> None:
    properties, sku = body["properties"], body["sku"]
    mode, orchestration = str(_in(properties, "upgradePolicy", "mode") or "Manual"), str(properties.get("orchestrationMode") or "Uniform")
    held = building.scale_set(estate, str(body["id"]).rpartition("/")[2], 0, size=sku["name"], mode=mode, orchestration=orchestration, **where)
    held.unique_id = str(properties.get("uniqueId") or held.unique_id)
    held.single_placement_group = bool(properties.get("singlePlacementGroup"))
    held.rolling = dict(_in(properties, "upgradePolicy", "rollingUpgradePolicy") or {})
    held.offer, image = _image(properties.get("virtualMachineProfile") or {})
    held.image = image or held.image
    for row in _rows(snapshot, "VirtualMachineScaleSetExtensions_List"):
        held.extensions[row["name"].lower()] = _extension(estate, row, "")
    held.version = 2
    for row in _rows(snapshot, "VirtualMachineScaleSetVMs_List"):
        _instance(estate, held, row)


def _instance(estate: Estate, owner: ScaleSet, row: Json) -> None:
    properties = row["properties"]
    vm = Vm(str(row["id"]), owner.location, owner.size, str(properties["vmId"]), scale_set=owner.id, instance=str(row["instanceId"]))
    vm.applied = owner.version if properties.get("latestModelApplied") else 1
    vm.offer, image = _image(properties)
    vm.image = image or owner.image
    vm.computer_name = str(_in(properties, "osProfile", "computerName") or "")
    for extension in row.get("resources") or ():
        vm.extensions[extension["name"].lower()] = _extension(estate, extension, "")
    estate.azure.vms[vm.id.lower()] = vm


def _image(properties: Json) -> tuple[dict[str, str], str]:
    """Of a VM or of a set's model: whose image, and which version of it."""
    image = dict(_in(properties, "storageProfile", "imageReference") or {})
    version = str(image.pop("version", ""))
    return {name: str(value) for name, value in image.items()}, version


def _extension(estate: Estate, row: Json, location: str) -> Extension:
    """As it was left; what its secrets are, nobody can read."""
    properties = {name: value for name, value in row["properties"].items() if name not in ("provisioningState", "instanceView")}
    view = row["properties"].get("instanceView") or {}
    held = Extension(str(row["name"]), properties, location=location, tags=dict(row.get("tags") or {}), runs=1)
    held.state = str(row["properties"].get("provisioningState") or "Succeeded")
    found = estate.azure.image(held.publisher, held.type)
    held.installed = str(view.get("typeHandlerVersion") or building.version_of(found, properties))
    statuses = [_status(estate, one) for one in view.get("statuses", ())]
    good = held.state.lower() != "failed"
    code, level = ("succeeded", "Info") if good else ("failed/0", "Error")
    held.status = statuses[0] if statuses else Status(f"ProvisioningState/{code}", level, f"Provisioning {code.partition('/')[0]}", "", estate.clock.now())
    return held


def _status(estate: Estate, row: Json) -> Status:
    when = estate.clock.now() if "time" not in row else estate.clock.now().fromisoformat(str(row["time"]).replace("Z", "+00:00").replace("0+00:00", "+00:00"))
    return Status(str(row["code"]), str(row.get("level") or "Info"), str(row.get("displayStatus") or ""), str(row.get("message") or ""), when)


def _catalogue(estate: Estate, snapshot: Snapshot, location: str) -> None:
    """Sizes and versions that were asked for take the place of those that a new Azure has."""
    cloud = estate.azure
    for row in _rows(snapshot, "ResourceSkus_List"):
        if row.get("resourceType") == "virtualMachines":
            cloud.sizes = [size for size in cloud.sizes if size.name.lower() != row["name"].lower()]
            cloud.sizes.append(Size(row["name"], str(row.get("family") or ""), {c["name"]: str(c["value"]) for c in row.get("capabilities") or ()}))
    for question, rows in _asked(snapshot, "VirtualMachineExtensionImages_ListVersions"):
        publisher, kind = str(question["path"]["publisherName"]), str(question["path"]["type"])
        there = cloud.image(publisher, kind)
        made = there or Image(publisher, kind, [])
        made.versions = [str(row["name"]) for row in rows]
        if there is None:
            cloud.images.append(made)


def _rows(snapshot: Snapshot, operation: str) -> list[Any]:
    return next((rows for _, rows in _asked(snapshot, operation)), [])


def _asked(snapshot: Snapshot, operation: str) -> list[tuple[Json, list[Any]]]:
    """Questions of that operation that were answered, with the entries as JSON, the fullest first."""
    found = [(snapshot.questions[key], answer) for key, answer in sorted(snapshot.answers.items()) if snapshot.questions[key].get("arm") == operation]
    answered = [(question, [value_json(item) for item in answer.objects]) for question, answer in found if answer.ok]
    return sorted(answered, key=lambda pair: -len(str(pair[1])))


def _in(value: Any, *names: str) -> Any:
    """What stands under these names, or None where one of them is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
