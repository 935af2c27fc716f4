"""What happens when an operation's time has come, by its kind. `settling` calls it, with the world at that moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator.arm import guests, installers
from reconciler.emulator.arm.model import Extension, Operation, Run, Vm
from reconciler.emulator.arm.world import World

Error = dict[str, Any] | None


def delayed(world: World, operation: Operation) -> datetime | None:
    """A VM that boots ends nothing: when it is up. A handler that a restart met begins again after it [assume]."""
    vm = _vm(world, operation)
    if vm is None or operation.kind not in ("extension", "instance", "delete"):
        return None
    again = guests.reports_at(world, vm)
    if guests.power(world, vm) != "running" or again <= world.now:
        return None
    return again + max((timedelta(seconds=run.seconds or 0) for run in operation.runs.values()), default=timedelta(seconds=15))


def happen(world: World, operation: Operation) -> Error:
    return KINDS[operation.kind](world, operation)


def _extension(world: World, operation: Operation) -> Error:
    """Handlers have run, or nothing had to: the operation ends as the agent's status says."""
    vm = _vm(world, operation)
    if vm is None:
        return {"code": "NotFound", "message": "The virtual machine is gone."}
    if operation.before:  # tags alone were written
        for extension in _named(vm, operation):
            extension.state = operation.before
        return None
    errors = []
    for name, run in operation.runs.items():
        if not guests.ready(world, vm):
            run.via = "agent"
        if (ran := vm.extensions.get(name)) is not None:
            errors.append(installers.finish(world, vm, ran, run))
    if not operation.runs:
        errors = [_as_it_is(extension) for extension in _named(vm, operation)]
    return _together(vm, [e for e in errors if e])


def _as_it_is(extension: Extension) -> Error:
    """A body that changed nothing ran nothing; what is reported still holds [doc 0.4; the end of a failed one: assume]."""
    held = extension.status
    failed = held is not None and held.failed and not extension.properties.get("suppressFailures")
    extension.state = "Failed" if failed else "Succeeded"
    return installers.error(extension, Run(extension.exit or 0, says=held.message)) if failed and held is not None else None


def _together(vm: Vm, errors: list[dict[str, Any]]) -> Error:
    """1.6: several at once [doc]."""
    if len(errors) < 2:
        return errors[0] if errors else None
    said = (
        f"Multiple VM extensions failed to be provisioned on the VM. Please see the VM instance view for other failures. The first is: '{errors[0]['message']}'"
    )
    return {"code": "VMExtensionProvisioningError", "message": said}


def _delete(world: World, operation: Operation) -> Error:
    vm = _vm(world, operation)
    if vm is not None:
        vm.extensions.pop(operation.target.rpartition("/")[2], None)
    return None


def _power(word: str) -> Callable[[World, Operation], Error]:
    def end(world: World, operation: Operation) -> Error:
        vm = _vm(world, operation)
        if vm is not None:
            vm.power = word
        return None

    return end


def _model(world: World, operation: Operation) -> Error:
    """The model of a set has taken a change; where instances do not follow by themselves, that is all [doc 1.8]."""
    return None


def _vm(world: World, operation: Operation) -> Vm | None:
    vm = world.cloud.vms.get(operation.target.partition("/extensions/")[0])
    if vm is not None:
        for extension in vm.extensions.values():
            installers.resume(world, vm, extension)
    return vm


def _named(vm: Vm, operation: Operation) -> list[Extension]:
    found = vm.extensions.get(operation.target.rpartition("/")[2])
    return [found] if found else []


KINDS: Mapping[str, Callable[[World, Operation], Error]] = {
    "extension": _extension,
    "instance": _extension,
    "delete": _delete,
    "restart": _power("running"),
    "start": _power("running"),
    "deallocate": _power("deallocated"),
    "poweroff": _power("stopped"),
    "model": _model,
}
