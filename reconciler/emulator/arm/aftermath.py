"""What a handler's run leaves on the host that the VM is: its log, its status file, and with a driver the RDMA adapter. Section 2.1.

`installers` calls it when a run ends; the adapter of a driver that asks for a restart comes with the host's next boot (`timeline`).
"""

from __future__ import annotations

import json

from reconciler.emulator.arm import guests
from reconciler.emulator.arm.model import Extension, Run, Vm
from reconciler.emulator.arm.world import World
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter

LOGS = "C:\\WindowsAzure\\Logs\\Plugins"  # [doc 2.1]
PLUGINS = "C:\\Packages\\Plugins"
RDMA = "Mellanox ConnectX-6 Virtual Adapter"  # [assume]


def leave(world: World, vm: Vm, extension: Extension, run: Run) -> None:
    machine = guests.host(world, vm)
    if machine is None or vm.os != "Windows" or extension.status is None:
        return
    _files(machine, extension, run)
    if extension.type.lower() == "infinibanddriverwindows" and run.exit in (0, 3010):
        _adapter(machine, waits=run.exit == 3010)


def _files(machine: Machine, extension: Extension, run: Run) -> None:
    """The names of log and status file: [assume]; their folders: [doc 2.1]."""
    held = extension.status
    assert held is not None
    log = f"{LOGS}\\{extension.handler}\\{extension.installed}\\CommandExecution.log"
    before = machine.files.find(log)
    lines = f"{held.time:%Y-%m-%dT%H:%M:%SZ} enable of {extension.handler} {extension.installed}, run {extension.runs}\r\n"
    lines += f"{held.time:%Y-%m-%dT%H:%M:%SZ} {held.message}\r\n{held.time:%Y-%m-%dT%H:%M:%SZ} Exit code: {run.exit}\r\n"
    machine.files.write(log, ((before.content or "") if before else "") + lines, machine.now)
    number = extension.runs - 1
    body = {"status": "error" if held.failed else "success", "code": run.exit, "formattedMessage": {"lang": "en-US", "message": held.message}}
    text = json.dumps([{"version": "1.0", "timestampUTC": held.time.isoformat(), "status": body}])
    machine.files.write(f"{PLUGINS}\\{extension.handler}\\{extension.installed}\\Status\\{number}.status", text, machine.now)


def _adapter(machine: Machine, *, waits: bool) -> None:
    """The device is there as soon as its driver is in effect; before a needed restart Windows knows it, and it is not up."""
    there = next((a for a in machine.adapters if a.rdma), None)
    if there is None:
        names = {a.name for a in machine.adapters}
        name = next(n for n in ("Ethernet 2", "Ethernet 3", "InfiniBand") if n not in names)
        there = Adapter(name, machine.new_index(), "00-15-5D-33-FF-0A", RDMA, "{" + machine.new_guid("adapter").upper() + "}", rdma=True, speed=200_000_000_000)
        there.status = "Not Present" if waits else "Up"
        machine.adapters.append(there)
    if not waits:
        there.status = "Up"
