"""How a scale set's model reaches its instances: one operation over all of them, and one below it for each. Section 1.8.

How many instances are worked on at once, and that a manual upgrade stops at the first that fails: [assume].
"""

from __future__ import annotations

from copy import deepcopy

from reconciler.emulator.arm import installers, operations
from reconciler.emulator.arm.extensions import asks_a_run, image
from reconciler.emulator.arm.model import Extension, Operation, Run, ScaleSet, Vm
from reconciler.emulator.arm.world import World

MODEL = 15.0  # seconds until a model has taken a change that no instance follows [assume]
BARE = 20.0  # seconds of an instance that has nothing to run [assume]
SHARE = 20  # percent: a rolling upgrade's defaults [rec: the set's recorded model]


def begin(world: World, scale_set: ScaleSet, target: str, instances: list[Vm], width: int) -> Operation:
    """An operation that brings these instances to the model, so many at once; without any it is about the model alone."""
    subscription = world.names["subscription"]
    behind = [vm for vm in instances if vm.applied != scale_set.version]
    if not behind:
        return operations.begin(world, "model", target, subscription, scale_set.location, MODEL)
    waiting = [vm.id.lower() for vm in behind]
    parent = operations.begin(world, "upgrade", target, subscription, scale_set.location, None, waiting=waiting, width=width or len(behind))
    _next(world, scale_set, parent)
    return parent


def follow(world: World, scale_set: ScaleSet, target: str) -> Operation:
    """What happens by itself after a change of the model: nothing (Manual), all at once (Automatic), in batches (Rolling) [doc 1.8]."""
    instances = [] if scale_set.mode == "Manual" else world.cloud.instances(scale_set)
    return begin(world, scale_set, target, instances, batch(scale_set, len(instances)) if scale_set.mode == "Rolling" else 0)


def batch(scale_set: ScaleSet, count: int) -> int:
    return max(1, count * int(scale_set.rolling.get("maxBatchInstancePercent", SHARE)) // 100)


def go_on(world: World, parent: Operation, child: Operation) -> None:
    """An instance is through: the next ones begin, or all is over."""
    scale_set = _set(world, parent)
    vm = world.cloud.vms.get(child.target)
    if scale_set is None or parent.status != "InProgress":
        return
    if vm is not None:
        vm.applied = child.version  # also where a handler failed [assume]
    parent.error = parent.error or child.error
    if any(o.parent == parent.id and o.status == "InProgress" for o in world.cloud.operations.values()):
        return
    if parent.waiting and not _stops(world, scale_set, parent):
        _next(world, scale_set, parent)
        return
    operations.close(world, parent, parent.error)
    settled(world, parent)


def settled(world: World, operation: Operation) -> None:
    """The states in the model when its operation is over."""
    scale_set = _set(world, operation)
    if scale_set is None:
        return
    scale_set.state = "Succeeded"
    for name, held in list(scale_set.extensions.items()):
        if held.state == "Deleting":
            del scale_set.extensions[name]
        elif held.state in ("Creating", "Updating"):
            held.state = "Failed" if operation.error else "Succeeded"


def _stops(world: World, scale_set: ScaleSet, parent: Operation) -> bool:
    failed = [o for o in world.cloud.operations.values() if o.parent == parent.id and o.error]
    if not failed:
        return False
    if scale_set.mode != "Rolling":
        return True
    allowed = int(scale_set.rolling.get("maxUnhealthyInstancePercent", SHARE))
    return len(failed) * 100 > allowed * len(world.cloud.instances(scale_set))


def _next(world: World, scale_set: ScaleSet, parent: Operation) -> None:
    for _ in range(min(parent.width, len(parent.waiting))):
        vm = world.cloud.vms[parent.waiting.pop(0)]
        runs = _apply(world, scale_set, vm)
        seconds = sum(run.seconds or 0 for run in runs.values()) or BARE
        child = operations.begin(world, "instance", vm.id, parent.subscription, scale_set.location, seconds, runs=runs, parent=parent.id)
        child.version = scale_set.version


def _apply(world: World, scale_set: ScaleSet, vm: Vm) -> dict[str, Run]:
    """The whole model: a new image takes the OS disk, and all extensions with it [mem: arm-contract]."""
    if vm.image != scale_set.image:
        vm.image, vm.disks = scale_set.image, vm.disks + 1
        vm.extensions.clear()
    wanted = {name: held for name, held in scale_set.extensions.items() if held.state != "Deleting"}
    for name in [name for name in vm.extensions if name not in wanted]:
        del vm.extensions[name]
    return {held.name.lower(): run for held in in_order(list(wanted.values())) if (run := _brought(world, vm, held)) is not None}


def _brought(world: World, vm: Vm, model: Extension) -> Run | None:
    held = vm.extensions.get(model.name.lower())
    said = model.properties
    _, version = image(world, vm.location, said)
    runs = held is None or held.handler.lower() != model.handler.lower() or asks_a_run(held, said, model.protected, version)
    if held is None or runs:
        held = vm.extensions[model.name.lower()] = held or Extension(model.name, {})
        held.state = "Updating" if held.runs else "Creating"
    held.properties, held.protected = deepcopy(said), model.protected
    return installers.start(world, vm, held, version) if runs else None


def in_order(extensions: list[Extension]) -> list[Extension]:
    """After those that provisionAfterExtensions names, else as they stand."""
    done: list[Extension] = []
    rest = list(extensions)
    while rest:
        names = {e.name.lower() for e in rest}
        free = [e for e in rest if not names & {str(n).lower() for n in e.properties.get("provisionAfterExtensions") or ()}]
        taken = free[0] if free else rest[0]
        done.append(taken)
        rest.remove(taken)
    return done


def _set(world: World, operation: Operation) -> ScaleSet | None:
    return world.cloud.sets.get(operation.target.partition("/extensions/")[0])
