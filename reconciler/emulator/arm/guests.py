"""The VM behind the resource: its power, its agent, its boots. Where the VM is a host of the estate, that host answers; one machine, two planes."""

from __future__ import annotations

from datetime import datetime, timedelta

from reconciler.emulator import timeline
from reconciler.emulator.arm.model import Vm
from reconciler.emulator.arm.world import World
from reconciler.emulator.machine import Machine

BOOT = timedelta(seconds=75)  # of a VM that no host of the estate stands for [assume]
AGENT = "WindowsAzureGuestAgent"


def host(world: World, vm: Vm) -> Machine | None:
    """The host that the VM is, brought up to now."""
    machine = world.estate.machines.get(vm.machine)
    if machine is not None:
        timeline.settle(machine, world.now)
    return machine


def power(world: World, vm: Vm) -> str:
    """running, starting, stopping, stopped, deallocating or deallocated. Who pulls the plug in the estate stops the VM, without deallocating it."""
    machine = host(world, vm)
    if machine is None or vm.power not in ("running", "stopped", "deallocated"):
        return vm.power
    if machine.power == "on":
        return "running"
    return "stopped" if vm.power == "running" else vm.power


def ready(world: World, vm: Vm) -> bool:
    """Whether the VM's agent reports."""
    return power(world, vm) == "running" and vm.agent == "Ready" and reports_at(world, vm) <= world.now and _serves(host(world, vm))


def reports_at(world: World, vm: Vm) -> datetime:
    """From when on the agent reports, if it is well: after a boot, later than now."""
    machine = host(world, vm)
    again = machine.down_until if machine is not None else vm.ready_at
    return again or world.now


def booted(world: World, vm: Vm) -> datetime | None:
    """When it last came up; None while it has not yet."""
    machine = host(world, vm)
    when = machine.booted if machine is not None else vm.booted
    return when if when is not None and when <= world.now else None


def _boot(world: World, vm: Vm) -> datetime:
    vm.booted = vm.ready_at = world.now + BOOT
    return vm.ready_at


def _serves(machine: Machine | None) -> bool:
    """A host's agent is a service of it; where the host has none by that name, nothing is known against it."""
    service = machine.service(AGENT) if machine is not None else None
    return service is None or service.state in ("Running", "StartPending")


def restart(world: World, vm: Vm) -> datetime:
    """Restarts it; when it is up again."""
    machine = host(world, vm)
    if machine is None:
        return _boot(world, vm)
    up = timeline.restart(machine)
    world.log(machine.name, "reboot", by="arm")
    return up


def switch_off(world: World, vm: Vm, word: str) -> None:
    """`word`: stopping or deallocating. The host is silent from this moment."""
    vm.power = word
    machine = host(world, vm)
    if machine is not None and machine.power == "on":
        timeline.power_off(machine)
        world.log(machine.name, "power", on=False, by="arm")


def switch_on(world: World, vm: Vm) -> datetime:
    vm.power = "starting"
    machine = host(world, vm)
    if machine is None:
        return _boot(world, vm)
    if machine.power != "on":
        timeline.power_on(machine)
        world.log(machine.name, "power", on=True, by="arm")
    return machine.down_until or world.now
