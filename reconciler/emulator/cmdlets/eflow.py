"""AzureEFLOW: the VM's life: deploy, read, resize, start, stop, features, telemetry. Source: eflow-domain 1.4-1.6; windows-outputs Get-EflowVm…

The cmdlets print banners to the host stream and, on most failures, print `Exception caught!!!` instead of throwing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator import deployment, trains
from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.deployment import DeployFailed, Wish
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.machine import Machine
from reconciler.emulator.timeline import eflow_power

HOST = "System.Management.Automation.Host.HostException"


class Caught(Exception):
    """A failure that the module prints and swallows."""


def agent(machine: Machine, bound: Bound) -> None:
    """The agent must run and its certificate be valid: eflow-domain 9.11, 9.12. What a failure looks like is unverified."""
    if not bound.elevated:
        raise CmdletError("Unverified", "PermissionDenied", machine.text("denied"))
    if not machine.running("wssdagent"):
        raise CmdletError("Unverified", "ConnectionError", "Exception caught!!! - the WSSD agent is not running")
    expires = machine.eflow.certificate_expires
    if machine.eflow.deployed and expires is not None and machine.local_now > expires:
        raise CmdletError("Unverified", "AuthenticationError", "Exception caught!!! - x509: certificate has expired or is not yet valid")


def caught(bound: Bound, text: str) -> None:
    bound.say(f"Exception caught!!!\n - {text}")


def deployed(machine: Machine, bound: Bound, *, running: bool = False) -> bool:
    """Whether there is a VM (and whether it runs); else the module says so on the host stream and gives nothing."""
    agent(machine, bound)
    if not machine.eflow.deployed:
        caught(bound, "No virtual machine was found.")
        return False
    if running and machine.eflow.power != "Running":
        caught(bound, f"Virtual machine {machine.eflow.name} is not running.")
        return False
    return True


def prompts(bound: Bound) -> None:
    """A question that nobody can answer: powershell.md c, ShouldContinue and Read-Host under a host without a user."""
    raise CmdletError("HostException", "NotSpecified", "A command that prompts the user failed because the host has no user.", HOST)


@cmdlet("Deploy-Eflow", "eflow-domain 1.4, 1.10")
def deploy(machine: Machine, bound: Bound) -> Iterator[str]:
    agent_rights(machine, bound)
    for name in ("acceptEula", "acceptOptionalTelemetry"):
        if name not in bound:
            prompts(bound)
    if bound["acceptEula"].casefold() != "yes":
        yield "The EULA must be accepted to deploy Azure IoT Edge for Linux on Windows."
        return
    bound.say(f"[{machine.local_now:%m/%d/%Y %H:%M:%S}] Azure IoT Edge for Linux on Windows deployment")
    try:
        bound.takes(deployment.deploy(machine, Wish(bound.values), bound.say))
    except DeployFailed as failed:
        bound.takes(failed.seconds)
        caught(bound, failed.text)
        yield failed.text
        return
    bound.say(f"[{machine.local_now:%m/%d/%Y %H:%M:%S}] Deployment successful")
    yield "OK"


def agent_rights(machine: Machine, bound: Bound) -> None:
    if not bound.elevated:
        raise CmdletError("Unverified", "PermissionDenied", machine.text("denied"))


@cmdlet("Verify-EflowVm", "eflow-domain 1.4; windows-outputs Verify-EflowVm")
def verify(machine: Machine, bound: Bound) -> Iterator[bool]:
    agent(machine, bound)
    bound.takes(1)
    yield machine.eflow.deployed


@cmdlet("Get-EflowVm", "eflow-domain 1.5; windows-outputs Get-EflowVm")
def get_vm(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    bound.takes(4)
    if not deployed(machine, bound):
        return
    eflow = machine.eflow
    bound.say(f" - Querying {eflow.name}")
    kind = trains.train(eflow.version)
    on = eflow.power == "Running"
    yield {
        "VmConfiguration": {"ID": eflow.vm_id, "name": eflow.name, "properties": {}, "tags": None},
        "VmPowerState": eflow.power,
        "EdgeRuntimeVersion": {"IotEdgeVersion": kind.runtime, "MobyEngineVersion": "20.10.25", "MobyCliVersion": "20.10.25"} if on else {},
        "EdgeRuntimeStatus": _runtime(machine, kind) if on else {},
        "SystemStatistics": _statistics(machine) if on else {},
    }


def _runtime(machine: Machine, kind: trains.Train) -> dict[str, Any]:
    alive = "Running" if machine.eflow.provisioning else "Down"
    modules = ["NAME             STATUS           DESCRIPTION      CONFIG", "edgeAgent        running          Up 2 minutes"]
    return {"SystemCtlStatus": [f"{s}        {alive}" for s in kind.services], "ModuleList": modules if machine.eflow.provisioning else []}


def _statistics(machine: Machine) -> dict[str, Any]:
    """TotalMemMb is the guest's own total, below what was assigned (unverified by how much)."""
    eflow = machine.eflow
    total = eflow.memory - 38 - eflow.memory // 64
    storage = eflow.data_gb * 1000
    return {
        "TotalMemMb": total,
        "UsedMemMb": 410,
        "AvailableMemMb": total - 410,
        "TotalStorageMb": storage,
        "UsedStorageMb": 600,
        "AvailableStorageMb": storage - 600,
        "CpuCount": eflow.cpus,
        "KernelVersion": "5.15.150.1",
    }


@cmdlet("Get-EflowVmName", "eflow-domain 1.4")
def get_name(machine: Machine, bound: Bound) -> Iterator[str]:
    if deployed(machine, bound):
        yield machine.eflow.name


@cmdlet("Set-EflowVM", "eflow-domain 1.6: refused while Off; the restart is unverified")
def set_vm(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    eflow = machine.eflow
    cpus, memory = bound.get("cpuCount", eflow.cpus), bound.get("memoryInMB", eflow.memory)
    if "gpuName" in bound and not bound.on("headless"):
        prompts(bound)
    if not 1 <= cpus <= machine.processors:
        caught(bound, f"cpuCount must be between 1 and {machine.processors}.")
    elif memory < 1024 or memory % 2 or memory - eflow.memory > machine.free_mb:
        caught(bound, f"memoryInMB {memory} is not valid. Host has {machine.free_mb} MB free.")
    elif (cpus, memory) != (eflow.cpus, eflow.memory):
        eflow.cpus, eflow.memory = cpus, memory
        for vm in machine.vms:
            if vm.id == eflow.vm_id:
                vm.processors, vm.memory = cpus, memory << 20
        bound.takes(95)


@cmdlet("Start-EflowVm", "eflow-domain 1.4; how long it takes is unverified")
def start(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound) or machine.eflow.power == "Running":
        return
    if machine.eflow.memory > machine.free_mb:
        caught(bound, f"Failed to start {machine.eflow.name}: not enough memory in the system.")
        return
    eflow_power(machine, "Running")
    deployment.renew(machine)
    bound.takes(55)


@cmdlet("Stop-EflowVm", "eflow-domain 1.4; how long it takes is unverified")
def stop(machine: Machine, bound: Bound) -> None:
    if deployed(machine, bound) and machine.eflow.power == "Running":
        eflow_power(machine, "Off")
        bound.takes(25)


@cmdlet("Get-EflowVmFeature", "eflow-domain 1.4: the shape is unverified")
def get_feature(machine: Machine, bound: Bound) -> Iterator[bool]:
    if deployed(machine, bound):
        yield machine.eflow.features.get(bound.get("feature", "DpsTpm"), False)


@cmdlet("Set-EflowVmFeature", "eflow-domain 1.4: enabling DpsTpm asks; what suppresses it is unverified")
def set_feature(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    name = next(n for n in ("DpsTpm", "Defender") if n.casefold() == bound["feature"].casefold())
    if name not in trains.FEATURES.get(machine.eflow.train, ("DpsTpm", "Defender")):
        caught(bound, f"Feature {name} is not supported.")
        return
    if name == "DpsTpm" and bound.on("enable") and bound.confirm != "None":
        prompts(bound)
    machine.eflow.features[name] = bound.on("enable")
    proxy = machine.service("EFLOWProxy")
    if name == "DpsTpm" and proxy is not None:
        proxy.state, proxy.start = ("Running", "Automatic") if bound.on("enable") else ("Stopped", "Manual")
    bound.takes(12)


@cmdlet("Get-EflowVmTelemetryOption", "eflow-domain 1.4")
def get_telemetry(machine: Machine, bound: Bound) -> Iterator[str]:
    if deployed(machine, bound):
        yield "Optional" if machine.eflow.optional_telemetry else "Required"


@cmdlet("Set-EflowVmTelemetryOption", "eflow-domain 1.4")
def set_telemetry(machine: Machine, bound: Bound) -> None:
    if deployed(machine, bound, running=True):
        machine.eflow.optional_telemetry = bound["optionalTelemetry"]


@cmdlet("Get-EflowHostConfiguration", "eflow-domain 1.4: value types are unverified")
def get_host(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    agent_rights(machine, bound)
    yield {
        "FreePhysicalMemoryInMB": machine.free_mb,
        "NumberOfLogicalProcessors": machine.processors,
        "DiskInfo": [{"Drive": "C:", "FreeSizeInGB": machine.free_gb}],
        "GpuInfo": [],
    }


@cmdlet("Get-EflowLogs", "eflow-domain 1.3")
def get_logs(machine: Machine, bound: Bound) -> None:
    agent_rights(machine, bound)
    name = bound.get("zipName") or f"{machine.eflow.install_dir}\\eflowlogs.zip"
    machine.files.place(name, 1 << 16, "1" * 64, machine.local_now)
    bound.takes(20)
