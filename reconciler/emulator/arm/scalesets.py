"""Scale sets: the model, its instances, and bringing the one to the other. Sections 1.1 and 1.8."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.arm import body, building, catalogue, operations, rollout, setviews, views
from reconciler.emulator.arm.messages import Answer, ArmError
from reconciler.emulator.arm.model import ScaleSet, Vm
from reconciler.emulator.arm.setextensions import KIND, alone, take
from reconciler.emulator.arm.world import World

MODES, ORCHESTRATIONS = ("Manual", "Automatic", "Rolling"), ("Uniform", "Flexible")
CAPACITY = 1000


def get(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, setviews.model(world, scale_set))


def instance_view(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, setviews.summary(world, scale_set))


def instances(world: World, scale_set: ScaleSet) -> Answer:
    """Paged [doc 1.1]."""
    rows = [setviews.instance(world, scale_set, vm, view=world.expands) for vm in world.cloud.instances(scale_set)]
    return catalogue.paged(world, rows, world.cloud.page)


def instance(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, setviews.instance(world, scale_set, _one(world, scale_set), view=world.expands))


def one_view(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, views.vm_view(world, _one(world, scale_set)))


def one_extensions(world: World, scale_set: ScaleSet) -> Answer:
    vm = _one(world, scale_set)
    shown = [views.extension(world, vm.id, f"{KIND}/virtualMachines", e, view=world.expands) for e in vm.extensions.values()]
    return Answer(200, {"value": shown})


def manual_upgrade(world: World, scale_set: ScaleSet) -> Answer:
    """Ids (Uniform), names (Flexible), or `*`. The whole model is applied, another person's change included [mem: arm-contract]."""
    alone(world, scale_set)
    named = world.body.get("instanceIds") if isinstance(world.body, dict) else None
    if not isinstance(named, list) or not named:
        raise ArmError(400, "InvalidParameter", "Required parameter 'instanceIds' is missing (null).", "instanceIds")
    chosen = _chosen(world, scale_set, [str(name) for name in named])
    return _upgrade(world, scale_set, chosen, scale_set.width)


def rolling_upgrade(world: World, scale_set: ScaleSet) -> Answer:
    alone(world, scale_set)
    everyone = world.cloud.instances(scale_set)
    return _upgrade(world, scale_set, everyone, rollout.batch(scale_set, len(everyone)))


def put(world: World, scale_set: ScaleSet | None) -> Answer:
    """The whole model, as az sends it: what it lacks is gone. A set that is not there is made, with its instances at once [assume]."""
    said = body.part({"body": world.body}, "body")
    if scale_set is None:
        return _made(world, said)
    alone(world, scale_set)
    changed = _take_model(world, scale_set, said)
    scale_set.tags = body.tags(said)
    scale_set.version += changed
    operation = rollout.follow(world, scale_set, scale_set.id)
    return operations.accepted(world, operation, Answer(200, setviews.model(world, scale_set)))


def _made(world: World, said: dict[str, Any]) -> Answer:
    sku, properties, names = body.part(said, "sku"), body.part(said, "properties"), world.names
    mode = str(body.part(properties, "upgradePolicy").get("mode") or "Manual").capitalize()
    orchestration = properties.get("orchestrationMode") or "Uniform"
    capacity = sku.get("capacity", 0)
    for name, good in (("location", isinstance(said.get("location"), str)), ("sku", isinstance(sku.get("name"), str))):
        if not good:
            raise ArmError(400, "InvalidParameter", f"Required parameter '{name}' is missing (null).", name)
    if mode not in MODES or orchestration not in ORCHESTRATIONS or not isinstance(capacity, int) or not 0 <= capacity <= CAPACITY:
        raise ArmError(400, "InvalidParameter", "The value of parameter upgradePolicy.mode, orchestrationMode or sku.capacity is invalid.")
    where = {"group": names["group"], "identity": names["subscription"], "location": said["location"], "size": sku["name"]}
    made = building.scale_set(world.estate, names["set"], capacity, mode=mode, orchestration=str(orchestration), **where)
    try:
        made.tags = body.tags(said)
        _take_model(world, made, said, creation=True)
    except ArmError:
        building.remove(world.estate, made)
        raise
    made.version += 1
    operation = rollout.begin(world, made, made.id, world.cloud.instances(made), 0)
    return operations.accepted(world, operation, Answer(201, setviews.model(world, made)))


def _take_model(world: World, scale_set: ScaleSet, said: dict[str, Any], *, creation: bool = False) -> bool:
    """Extensions, and the image's version. Whether the model is another one now."""
    profile = body.part(body.part(said, "properties"), "virtualMachineProfile")
    listed = body.part(profile, "extensionProfile").get("extensions") or []
    if not isinstance(listed, list) or not all(isinstance(raw, dict) and isinstance(raw.get("name"), str) for raw in listed):
        raise ArmError(400, "InvalidParameter", "Every entry of extensionProfile.extensions has a name.", "extensions")
    written = [(raw["name"], body.read(raw, world.api, on_set=True)) for raw in listed]
    for _, one in written:
        body.require(one, on_set=True)
    changed = False
    for name, one in written:
        changed |= take(world, scale_set, name, one, creation=creation)
    gone = set(scale_set.extensions) - {name.lower() for name, _ in written}
    for name in sorted(gone):
        del scale_set.extensions[name]
    version = body.part(body.part(profile, "storageProfile"), "imageReference").get("version")
    if version and str(version) != scale_set.image:
        scale_set.image, changed = str(version), True
    return changed or bool(gone)


def _upgrade(world: World, scale_set: ScaleSet, chosen: list[Vm], width: int) -> Answer:
    operation = rollout.begin(world, scale_set, scale_set.id, chosen, width)
    return operations.accepted(world, operation, Answer(202), location=True)


def _chosen(world: World, scale_set: ScaleSet, named: list[str]) -> list[Vm]:
    everyone = {vm.instance.lower(): vm for vm in world.cloud.instances(scale_set)}
    if named == ["*"]:
        return list(everyone.values())
    for name in named:
        if name.lower() not in everyone:
            said = f"The provided instanceId {name} is not an active Virtual Machine Scale Set VM instanceId."  # [assume]
            raise ArmError(400, "InvalidParameter", said, "instanceIds")
    return [everyone[name.lower()] for name in named]


def _one(world: World, scale_set: ScaleSet) -> Vm:
    wanted = world.names["instance"].lower()
    return next(vm for vm in world.cloud.instances(scale_set) if vm.instance.lower() == wanted)
