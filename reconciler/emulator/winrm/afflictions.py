"""What each trouble of a request does to a host, its service and its answer. `connection` calls it before it serves a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from reconciler.emulator import timeline
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import Machine
from reconciler.emulator.sockets.httplines import Response
from reconciler.emulator.winrm.service import Service
from reconciler.emulator.winrm.troubles import Trouble, What

FLOOD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml;charset=UTF-8\r\nConnection: close\r\n\r\n"


class Reset(Exception):
    """The connection breaks instead of an answer."""


async def strike(service: Service, trouble: Trouble) -> Response | None:
    """The response where the request is never served, or None where it goes on. Raises Reset."""
    service.host.log("trouble", {"kind": str(trouble.what)})
    if trouble.what is What.HANG:
        await asyncio.Event().wait()
    act = _ACTS.get(trouble.what)
    if act is not None:
        act(service)
    if trouble.what in (What.DROP_BEFORE, What.REBOOT, What.POWER):
        raise Reset
    answer = _ANSWERS.get(trouble.what)
    return answer(trouble) if answer is not None else None


def _reboot(service: Service) -> None:
    timeline.restart(service.host.settled())
    service.host.log("reboot", {"by": "trouble"})


def _power(service: Service) -> None:
    service.host.estate.power(service.host.name, on=False)


def _kill_shells(service: Service) -> None:
    for shell in service.shells.all():
        service.shells.delete(shell)


def _kill_processes(service: Service) -> None:
    for command in [command for shell in service.shells.all() for command in shell.commands.values()]:
        service.host.machine.kill_tree(command.program.pid)
    service.shells.sweep()


_ACTS: Mapping[What, Callable[[Service], None]] = {
    What.REBOOT: _reboot,
    What.POWER: _power,
    What.KILL_SHELL: _kill_shells,
    What.KILL_PROCESS: _kill_processes,
}
_ANSWERS: Mapping[What, Callable[[Trouble], Response]] = {
    What.REDIRECT: lambda trouble: Response(302, headers=(("Location", trouble.text),)),
    What.STATUS: lambda trouble: Response(trouble.amount),
    What.BODY: lambda trouble: Response(200, trouble.text.encode()),
    What.RAW: lambda trouble: Response(0, trouble.text.encode("latin-1")),
    What.FLOOD: lambda trouble: Response(0, FLOOD_HEAD + b"A" * trouble.amount),
}


def line_fault(machine: Machine) -> list[Trouble]:
    """A fault of the line that was put on the machine itself (`emulate fault` without a cmdlet), used up by this request."""
    faults = machine.faults
    fault: Fault | None = next((fault for fault in faults if not fault.cmdlet and (fault.hang or fault.drop)), None)
    if fault is None:
        return []
    if fault.times is not None:
        fault.times -= 1
        if fault.times <= 0:
            faults.remove(fault)
    return [Trouble(What.HANG if fault.hang else What.DROP_BEFORE if fault.drop == "before" else What.DROP_AFTER)]
