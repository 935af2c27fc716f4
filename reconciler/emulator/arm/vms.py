"""Virtual machines themselves: what is read of them, and restart, start, power off, deallocate. Sections 1.1 and 1.5."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.emulator.arm import guests, operations, views
from reconciler.emulator.arm.messages import Answer, ArmError
from reconciler.emulator.arm.model import Vm
from reconciler.emulator.arm.world import World

OFF = 45.0  # seconds of a stop [assume]
START = 40.0  # [assume]
RESTART = 30.0  # Azure's part; the guest needs longer [assume]


def get(world: World, vm: Vm) -> Answer:
    return Answer(200, views.vm(world, vm, view=world.expands))


def instance_view(world: World, vm: Vm) -> Answer:
    return Answer(200, views.vm_view(world, vm))


def restart(world: World, vm: Vm) -> Answer:
    """A VM that does not run is not restarted [assume: the code]."""
    _alone(world, vm)
    if guests.power(world, vm) != "running":
        said = f"Cannot restart the virtual machine '{vm.name}' because it is not running. Please start it first."
        raise ArmError(409, "OperationNotAllowed", said)
    guests.restart(world, vm)
    return _begun(world, vm, "restart", RESTART)


def start(world: World, vm: Vm) -> Answer:
    _alone(world, vm)
    if guests.power(world, vm) != "running":
        guests.switch_on(world, vm)
    return _begun(world, vm, "start", START)


def _off(kind: str, word: str) -> Callable[[World, Vm], Answer]:
    def act(world: World, vm: Vm) -> Answer:
        _alone(world, vm)
        guests.switch_off(world, vm, word)
        return _begun(world, vm, kind, OFF)

    return act


deallocate = _off("deallocate", "deallocating")
power_off = _off("poweroff", "stopping")


def _begun(world: World, vm: Vm, kind: str, seconds: float) -> Answer:
    operation = operations.begin(world, kind, vm.id, world.names["subscription"], vm.location, seconds)
    return operations.accepted(world, operation, Answer(202), location=True)


def _alone(world: World, vm: Vm) -> None:
    if (other := operations.busy(world, vm)) is not None:
        raise operations.conflict(other)
