"""Extensions of one virtual machine: GET, list, PUT, PATCH, DELETE. Sections 1.1, 1.3, 1.4 and 1.6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.emulator.arm import body, guests, installers, operations, views
from reconciler.emulator.arm.body import Written
from reconciler.emulator.arm.messages import Answer, ArmError, not_found
from reconciler.emulator.arm.model import Extension, Image, Operation, Run, Vm
from reconciler.emulator.arm.versions import AUTOMATIC_DEFAULT, satisfying
from reconciler.emulator.arm.world import World

KIND = "Microsoft.Compute/virtualMachines"
UNCHANGED = 20.0  # seconds of a write for which no handler runs [assume]
REMOVAL = 30.0  # [rec 1.4]
AGENT_WAIT = 1200.0  # until Azure gives an agent up that says nothing [assume]
NOT_RUNNING = "Cannot modify extensions in the VM when the VM is not running."  # [doc 1.6]


def get(world: World, vm: Vm) -> Answer:
    return Answer(200, _shown(world, vm, _held(world, vm)))


def list_(world: World, vm: Vm) -> Answer:
    """Not paged [rec 1.1]."""
    return Answer(200, {"value": [_shown(world, vm, e) for e in vm.extensions.values()]})


def put(world: World, vm: Vm) -> Answer:
    written = body.read(world.body, world.api, on_set=False)
    body.require(written, on_set=False)
    name = world.names["extension"]
    held = vm.extensions.get(name.lower())
    _may_write(world, vm, name, held)
    if (written.location or "").replace(" ", "").lower() != vm.location.lower():
        raise ArmError(400, "InvalidParameter", f"The location must be that of the virtual machine, '{vm.location}'.", "location")
    return _write(world, vm, held or Extension(name, {}, location=vm.location), written, tags=written.tags or {}, new=held is None)


def patch(world: World, vm: Vm) -> Answer:
    """Some fields; `tags` are replaced as a whole [assume]. Tags alone run no handler."""
    written = body.read(world.body, world.api, on_set=False, patch=True)
    held = _held(world, vm)
    _may_write(world, vm, held.name, held)
    tags = held.tags if written.tags is None else written.tags
    if not written.properties and written.secrets is None:
        return _tags(world, vm, held, tags or {})
    secrets = written.secrets
    merged = Written(held.properties | written.properties, secrets, None, tags)
    return _write(world, vm, held, merged, tags=tags or {}, new=False, keep=secrets is None)


def delete(world: World, vm: Vm) -> Answer:
    """204 when absent; 202 with both URLs [rec 1.4]. The VM must run for it [doc 0.5]."""
    name = world.names["extension"]
    held = vm.extensions.get(name.lower())
    if held is None:
        return Answer(204)
    target = _target(vm, name)
    under_way = _on(world, target)
    if under_way is not None and under_way.kind == "delete":
        return operations.accepted(world, under_way, Answer(202), location=True)
    _runs(world, vm)
    _alone(world, vm, target)
    if under_way is not None:
        operations.preempt(world, under_way)
    held.state = "Deleting"
    operation = operations.begin(world, "delete", target, world.names["subscription"], vm.location, REMOVAL)
    world.log(vm.label, "handler", do="removed", extension=held.name)
    return operations.accepted(world, operation, Answer(202), location=True)


def image(world: World, location: str, properties: Mapping[str, Any]) -> tuple[Image, str]:
    """The type that the region offers, and the version that would be installed. 1.6: ArtifactNotFound, ArtifactVersionNotFound [doc]."""
    publisher, kind, version = properties["publisher"], properties["type"], properties["typeHandlerVersion"]
    found = world.cloud.image(publisher, kind, location)
    if found is None:
        said = f"The VM extension with publisher '{publisher}' and type '{kind}' could not be found."
        raise ArmError(404, "ArtifactNotFound", said)
    best = satisfying(version, found.versions, minor=bool(properties.get("autoUpgradeMinorVersion")))
    if best is None:
        whose = f"for VM extension with publisher '{publisher}' and type '{kind}'"
        said = f"No version found in the artifact repository that satisfies the requested version '{version}' {whose}."
        raise ArmError(404, "ArtifactVersionNotFound", said)
    return found, best


def fill(world: World, properties: dict[str, Any], found: Image) -> dict[str, Any]:
    """Both booleans, as ARM would have them; the automatic upgrade only for handlers that take it. 0.6 and 1.6 [doc], its default [spec]."""
    automatic = properties.get("enableAutomaticUpgrade", found.automatic and world.api >= AUTOMATIC_DEFAULT)
    if automatic and not found.automatic:
        said = f"VM Extension with publisher '{found.publisher}' and type '{found.type}' does not support setting enableAutomaticUpgrade property to true"
        said += " on this subscription."
        raise ArmError(400, "BadRequest", said)
    return properties | {"autoUpgradeMinorVersion": properties.get("autoUpgradeMinorVersion", False), "enableAutomaticUpgrade": automatic}


def same_handler(held: Extension, properties: dict[str, Any]) -> None:
    """1.6: 409 PropertyChangeNotAllowed [doc]."""
    for name in ("publisher", "type"):
        if str(held.properties[name]).lower() != str(properties[name]).lower():
            raise ArmError(409, "PropertyChangeNotAllowed", f"Changing property '{name}' is not allowed.", name)


def asks_a_run(held: Extension, properties: dict[str, Any], protected: str, version: str) -> bool:
    """0.4: the same body again runs nothing, another forceUpdateTag does [doc]. Booleans alone, where the version stays, do not [assume]."""
    old, new = held.properties, properties
    same = all((old.get(name) or None) == (new.get(name) or None) for name in ("settings", "forceUpdateTag", "protectedSettingsFromKeyVault"))
    return not (same and held.protected == protected and held.installed == version)


def _write(world: World, vm: Vm, held: Extension, written: Written, *, tags: dict[str, str], new: bool, keep: bool = False) -> Answer:
    """The body becomes the model, and the handler runs if it has cause to. `keep`: protected settings stay as they are."""
    said = written.properties
    if not new:
        same_handler(held, said)
    _one_per_handler(vm, held.name, said)
    found, version = image(world, vm.location, said)
    properties = fill(world, said, found)
    _no_failed_sibling(vm, held.name)
    target = _target(vm, held.name)
    protected = held.protected if keep else body.digest(target, written.secrets)
    runs = new or asks_a_run(held, properties, protected, version)
    under_way = _on(world, target)
    held.properties, held.protected, held.tags = properties, protected, tags
    held.state = "Creating" if new else "Updating"
    vm.extensions[held.name.lower()] = held
    operation = _begin(world, vm, held, version, under_way, runs=runs)
    return operations.accepted(world, operation, Answer(201 if new else 200, _shown(world, vm, held)))


def _begin(world: World, vm: Vm, held: Extension, version: str, under_way: Operation | None, *, runs: bool) -> Operation:
    """The operation of a write. Where it changes nothing while the handler still runs, it waits for that run."""
    started: dict[str, Run] = {}
    seconds = UNCHANGED
    if runs and not guests.ready(world, vm) and guests.reports_at(world, vm) <= world.now:
        started, seconds = {held.name.lower(): Run(via="agent")}, AGENT_WAIT
    elif runs:
        run = installers.start(world, vm, held, version)
        started, seconds = {held.name.lower(): run}, run.seconds or 0.0
    elif under_way is not None and under_way.runs and under_way.ends is not None:
        started, seconds = under_way.runs, (under_way.ends - world.now).total_seconds()
    if under_way is not None:
        operations.preempt(world, under_way)
    return operations.begin(world, "extension", _target(vm, held.name), world.names["subscription"], vm.location, seconds, runs=started)


def _tags(world: World, vm: Vm, held: Extension, tags: dict[str, str]) -> Answer:
    """Tags alone: a short operation after which the state is what it was [assume]."""
    under_way = _on(world, _target(vm, held.name))
    if under_way is not None:
        raise operations.conflict(under_way)
    before, held.tags, held.state = held.state, tags, "Updating"
    operation = operations.begin(world, "extension", _target(vm, held.name), world.names["subscription"], vm.location, UNCHANGED, before=before)
    return operations.accepted(world, operation, Answer(200, _shown(world, vm, held)))


def _may_write(world: World, vm: Vm, name: str, held: Extension | None) -> None:
    _runs(world, vm)
    if held is not None and held.state == "Deleting":
        raise ArmError(409, "Conflict", f"The extension '{name}' is marked for deletion.")  # [doc 1.6]
    _alone(world, vm, _target(vm, name))


def _runs(world: World, vm: Vm) -> None:
    if guests.power(world, vm) != "running":
        raise ArmError(409, "OperationNotAllowed", NOT_RUNNING)


def _alone(world: World, vm: Vm, target: str) -> None:
    """One writer for each VM; a later write on the same extension preempts instead. 1.6 [doc], which of the two [assume]."""
    if (other := operations.busy(world, vm, target)) is not None:
        raise operations.conflict(other)


def multiple(other: Extension) -> ArmError:
    """1.6 [doc]."""
    said = f"Multiple VMExtensions per handler not supported for OS type 'Windows'. VMExtension '{other.name}' with handler '{other.handler}'"
    return ArmError(400, "BadRequest", said + " already added or specified in input.")


def _one_per_handler(vm: Vm, name: str, properties: dict[str, Any]) -> None:
    """Windows has one extension for each handler; on Linux those of one handler share its version. 1.6 [doc]."""
    handler = f"{properties['publisher']}.{properties['type']}".lower()
    others = [e for e in vm.extensions.values() if e.name.lower() != name.lower() and e.handler.lower() == handler]
    if others and vm.os == "Windows":
        raise multiple(others[0])
    for other in others:
        if _shared(other.properties) != _shared(properties):
            said = f"Cannot update handlerVersion or autoUpgradeMinorVersion for VM extension '{name}'"
            raise ArmError(409, "OperationNotAllowed", f"{said}: they conflict with other extensions under handler '{other.handler}'.")


def _shared(properties: dict[str, Any]) -> tuple[Any, bool]:
    return properties.get("typeHandlerVersion"), bool(properties.get("autoUpgradeMinorVersion"))


def _no_failed_sibling(vm: Vm, name: str) -> None:
    """1.6 [doc]; that every failed sibling blocks every write but a delete [assume]."""
    failed = next((e for e in vm.extensions.values() if e.state == "Failed" and e.name.lower() != name.lower()), None)
    if failed is not None:
        said = f"Cannot modify extensions in the VM. The VM '{vm.name}' has extension '{failed.name}' in failed state."
        raise ArmError(409, "OperationNotAllowed", said)


def _held(world: World, vm: Vm) -> Extension:
    name = world.names["extension"]
    found = vm.extensions.get(name.lower())
    if found is None:
        raise not_found(f"{KIND}/{vm.name}/extensions", name, world.names["group"])
    return found


def _on(world: World, target: str) -> Operation | None:
    return next((o for o in world.cloud.running(target) if o.target == target), None)


def _target(vm: Vm, name: str) -> str:
    return f"{vm.id}/extensions/{name}".lower()


def _shown(world: World, vm: Vm, held: Extension) -> dict[str, Any]:
    view = world.expands and guests.power(world, vm) == "running"
    return views.extension(world, vm.id, KIND, held, view=view)
