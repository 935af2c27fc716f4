"""Extensions in the model of a scale set: GET, list, PUT, PATCH, DELETE. Section 1.8. Like a VM's, without location and tags."""

from __future__ import annotations

from typing import Any

from reconciler.emulator.arm import body, operations, rollout, views
from reconciler.emulator.arm.body import Written
from reconciler.emulator.arm.extensions import fill, image, multiple, same_handler
from reconciler.emulator.arm.messages import Answer, ArmError, not_found
from reconciler.emulator.arm.model import Extension, ScaleSet
from reconciler.emulator.arm.world import World

KIND = "Microsoft.Compute/virtualMachineScaleSets"


def get(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, _shown(world, scale_set, _held(world, scale_set)))


def list_(world: World, scale_set: ScaleSet) -> Answer:
    return Answer(200, {"value": [_shown(world, scale_set, e) for e in scale_set.extensions.values()]})


def put(world: World, scale_set: ScaleSet) -> Answer:
    written = body.read(world.body, world.api, on_set=True)
    body.require(written, on_set=True)
    return _write(world, scale_set, world.names["extension"], written)


def patch(world: World, scale_set: ScaleSet) -> Answer:
    written = body.read(world.body, world.api, on_set=True, patch=True)
    held = _held(world, scale_set)
    return _write(world, scale_set, held.name, Written(held.properties | written.properties, written.secrets, None, None), keep=written.secrets is None)


def delete(world: World, scale_set: ScaleSet) -> Answer:
    held = scale_set.extensions.get(world.names["extension"].lower())
    if held is None:
        return Answer(204)
    alone(world, scale_set)
    held.state = "Deleting"
    scale_set.version += 1
    operation = rollout.follow(world, scale_set, _target(scale_set, held.name))
    return operations.accepted(world, operation, Answer(202), location=True)


def alone(world: World, scale_set: ScaleSet) -> None:
    """One writer for each set [assume]."""
    if under_way := world.cloud.running(scale_set.id):
        raise operations.conflict(under_way[0])


def take(world: World, scale_set: ScaleSet, name: str, written: Written, *, keep: bool = False, creation: bool = False) -> bool:
    """The definition becomes part of the model; whether the model is another one now."""
    said = written.properties
    held = scale_set.extensions.get(name.lower())
    if held is not None:
        same_handler(held, said)
    _one_per_handler(scale_set, name, said)
    found, version = image(world, scale_set.location, said)
    if held is None and found.creation and not creation:
        said_no = f"VM Scale Set extensions of handler '{found.publisher}.{found.type}' can be added only at the time of VM Scale Set creation."  # [doc 1.8]
        raise ArmError(409, "OperationNotAllowed", said_no)
    properties = fill(world, said, found)
    protected = held.protected if keep and held else body.digest(f"{scale_set.id}/{name}", written.secrets)
    changed = held is None or held.properties != properties or held.protected != protected
    if held is None:
        held = scale_set.extensions[name.lower()] = Extension(name, properties)
    else:
        held.state = "Updating"
    held.properties, held.protected, held.installed = properties, protected, version
    return changed


def _write(world: World, scale_set: ScaleSet, name: str, written: Written, *, keep: bool = False) -> Answer:
    alone(world, scale_set)
    new = name.lower() not in scale_set.extensions
    if take(world, scale_set, name, written, keep=keep):
        scale_set.version += 1
    operation = rollout.follow(world, scale_set, _target(scale_set, name))
    return operations.accepted(world, operation, Answer(201 if new else 200, _shown(world, scale_set, scale_set.extensions[name.lower()])))


def _one_per_handler(scale_set: ScaleSet, name: str, properties: dict[str, Any]) -> None:
    handler = f"{properties['publisher']}.{properties['type']}".lower()
    other = next((e for e in scale_set.extensions.values() if e.name.lower() != name.lower() and e.handler.lower() == handler), None)
    if other is not None and scale_set.os == "Windows":
        raise multiple(other)


def _held(world: World, scale_set: ScaleSet) -> Extension:
    name = world.names["extension"]
    found = scale_set.extensions.get(name.lower())
    if found is None:
        raise not_found(f"{KIND}/{scale_set.name}/extensions", name, world.names["group"])
    return found


def _target(scale_set: ScaleSet, name: str) -> str:
    return f"{scale_set.id}/extensions/{name}"


def _shown(world: World, scale_set: ScaleSet, held: Extension) -> dict[str, Any]:
    return views.extension(world, scale_set.id, KIND, held, on_set=True)
