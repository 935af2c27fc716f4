"""Microsoft.PowerShell.Management: services, processes and the restart. Sources: windows-outputs Get-Service, Get-Process; eflow-domain 1.3, 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches, wildcard
from reconciler.emulator.errors import CmdletError, unverified
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Process, Service
from reconciler.emulator.timeline import eflow_power, restart, schedule

SERVICE_EXCEPTION = "Microsoft.PowerShell.Commands.ServiceCommandException"
STARTS = {"dhcpserver": 3.0, "vmms": 4.0, "wssdagent": 6.0}


def row(machine: Machine, service: Service) -> dict[str, Any]:
    running = service.state == "Running"
    return {
        "Name": service.name,
        "ServiceName": service.name,
        "DisplayName": service.display,
        "Status": service.state,
        "StartType": service.start,
        "CanStop": running,
        "CanShutdown": running,
        "CanPauseAndContinue": False,
        "MachineName": ".",
        "ServiceType": "Win32OwnProcess",
    }


def _found(machine: Machine, bound: Bound) -> list[Service]:
    """The services that -Name or -DisplayName means; a plain name that misses is an error each."""
    key, attribute, what = ("DisplayName", "display", "DisplayName") if "DisplayName" in bound else ("Name", "name", "Name")
    names = bound.get(key)
    every = sorted(machine.services.values(), key=lambda s: s.name.casefold())
    if names is None:
        return every
    found: list[Service] = []
    for name in names if isinstance(names, list) else [names]:
        hits = [s for s in every if matches(getattr(s, attribute), name)]
        if not hits and not wildcard(name):
            message = machine.text("no service", name=name)
            bound.fail(CmdletError(f"NoServiceFoundForGiven{what}", "ObjectNotFound", message, SERVICE_EXCEPTION))
        found += [s for s in hits if s not in found]
    return found


@cmdlet("Get-Service", "windows-outputs Get-Service")
def get_service(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for service in _found(machine, bound):
        yield row(machine, service)


def _demand_rights(machine: Machine, bound: Bound, service: Service) -> bool:
    if bound.elevated:
        return True
    message = f"Service '{service.display} ({service.name})' cannot be configured due to the following error: {machine.text('denied')}"
    bound.fail(CmdletError("Unverified", "PermissionDenied", message, SERVICE_EXCEPTION))
    return False


def _dependents(machine: Machine, service: Service) -> list[Service]:
    return [s for s in machine.services.values() if service.name.casefold() in [n.casefold() for n in s.needs] and s.state == "Running"]


def start(machine: Machine, bound: Bound, service: Service) -> bool:
    """Starts a service and what it needs; a disabled one is refused."""
    if service.start == "Disabled":
        bound.fail(CmdletError("CouldNotStartService", "OpenError", f"Failed to start service '{service.display} ({service.name})'.", SERVICE_EXCEPTION))
        return False
    for name in service.needs:
        below = machine.service(name)
        if below is None or (below.state != "Running" and not start(machine, bound, below)):
            bound.fail(CmdletError("CouldNotStartService", "OpenError", f"Failed to start service '{service.display} ({service.name})'.", SERVICE_EXCEPTION))
            return False
    if service.state != "Running":
        service.state = "Running"
        bound.takes(STARTS.get(service.name.casefold(), 1.0))
        if service.name == "wssdagent" and machine.eflow.deployed and machine.eflow.power != "Running":
            schedule(machine, 20, "eflow", "Running")
    if service.name == "DHCPServer":
        machine.dhcp.groups_known = machine.dhcp.groups
    return True


def stop(machine: Machine, bound: Bound, service: Service, force: bool) -> bool:
    """Stops a service; running dependents go first with -Force, else refuse it: eflow-domain 1.3."""
    dependents = _dependents(machine, service)
    if dependents and not force:
        message = f"Cannot stop service '{service.display} ({service.name})' because it has dependent services."
        bound.fail(CmdletError("ServiceHasDependentServices", "InvalidOperation", message, SERVICE_EXCEPTION))
        return False
    for dependent in dependents:
        stop(machine, bound, dependent, force)
    service.state = "Stopped"
    bound.takes(1.0)
    if service.name == "wssdagent" and not machine.server and machine.eflow.deployed:
        eflow_power(machine, "Off")
    return True


@cmdlet("Start-Service", "windows-outputs Get-Service; the id of a failed start is code:PowerShell engine")
def start_service(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for service in _found(machine, bound):
        if _demand_rights(machine, bound, service) and start(machine, bound, service) and bound.on("PassThru"):
            yield row(machine, service)


@cmdlet("Stop-Service", "eflow-domain 1.3: dependents need -Force")
def stop_service(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for service in _found(machine, bound):
        if _demand_rights(machine, bound, service) and stop(machine, bound, service, bound.on("Force")) and bound.on("PassThru"):
            yield row(machine, service)


@cmdlet("Restart-Service", "eflow-domain 3.8, 3.12")
def restart_service(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for service in _found(machine, bound):
        if not _demand_rights(machine, bound, service):
            continue
        dependents = _dependents(machine, service)
        if service.state == "Running" and not stop(machine, bound, service, bound.on("Force")):
            continue
        bound.warn(f"Waiting for service '{service.display} ({service.name})' to start...")
        start(machine, bound, service)
        for dependent in dependents:
            start(machine, bound, dependent)
        if bound.on("PassThru"):
            yield row(machine, service)


@cmdlet("Set-Service", "windows-outputs Get-Service")
def set_service(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for service in _found(machine, bound):
        if not _demand_rights(machine, bound, service):
            continue
        service.start = bound.get("StartupType", service.start)
        service.display = bound.get("DisplayName", service.display) if bound.set == "Name" else service.display
        match bound.get("Status"):
            case "Running":
                start(machine, bound, service)
            case "Stopped":
                stop(machine, bound, service, force=False)
        if bound.on("PassThru"):
            yield row(machine, service)


def process_row(machine: Machine, process: Process) -> dict[str, Any]:
    bare = process.name.removesuffix(".exe")
    return {
        "Id": process.pid,
        "Name": bare,
        "ProcessName": bare,
        "StartTime": process.started + machine.skew,
        "Path": process.path or None,
        "SessionId": 0,
        "SI": 0,
        "HasExited": False,
        "Responding": True,
        "WorkingSet64": 60 << 20,
        "WS": 60 << 20,
    }


@cmdlet("Get-Process", "windows-outputs Get-Process")
def get_process(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    every = sorted(machine.processes.values(), key=lambda p: p.pid)
    if "Id" in bound:
        for pid in bound["Id"]:
            found = machine.process(pid)
            if found is None:
                bound.fail(CmdletError("NoProcessFoundForGivenId", "ObjectNotFound", f"Cannot find a process with the process identifier {pid}."))
            else:
                yield process_row(machine, found)
        return
    for name in bound.get("Name", ["*"]):
        hits = [p for p in every if matches(p.name.removesuffix(".exe"), name)]
        if not hits and not wildcard(name):
            bound.fail(CmdletError("NoProcessFoundForGivenName", "ObjectNotFound", f'Cannot find a process with the name "{name}".'))
        for process in hits:
            yield process_row(machine, process)


@cmdlet("Restart-Computer", "eflow-domain 8", impact="Medium")
def restart_computer(machine: Machine, bound: Bound) -> None:
    if not bound.elevated:
        raise unverified(machine.text("denied"), "PermissionDenied")
    restart(machine, delay=5)
    bound.reboot = True
