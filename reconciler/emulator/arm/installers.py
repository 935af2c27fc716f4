"""How runs of handlers end, and how ARM tells it: state, instance view, and the operation's error. Sections 1.4, 1.5 and 2.3.

A run's outcome is scripted (`Script`), or follows from the VM: a driver that the size has no device for ends with 100 [doc 2.3].
Whether 3010 shows as Succeeded or Failed nobody says: it is decided in `_good` alone [assume].
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reconciler.emulator.arm import aftermath, guests
from reconciler.emulator.arm.model import Cloud, Extension, Run, Status, Vm
from reconciler.emulator.arm.world import World

USUAL = 135.0  # seconds: a handler that does nothing took 2 min 15 s [rec 1.4]
DRIVER = 240.0  # [assume]
LIMIT = 20 * 60.0  # what the platform allows an extension [doc 1.4]
LONG_LIMIT = 90 * 60.0
LONG = ("customscriptextension", "customscript", "dsc", "chefclient")
DEVICES = {"infinibanddriverwindows": "RdmaEnabled", "infinibanddriverlinux": "RdmaEnabled", "nvidiagpudriverwindows": "GPUs", "amdgpudriverwindows": "GPUs"}
REBOOT_ON_1 = ("nvidiagpudriverwindows", "amdgpudriverwindows")


def limit(extension: Extension) -> float:
    return LONG_LIMIT if extension.type.lower() in LONG else LIMIT


def start(world: World, vm: Vm, extension: Extension, version: str) -> Run:
    """The handler begins a run: what it will come to, and that it is counted."""
    run = _scripted(world.cloud, vm, extension) or Run(_by_nature(world.cloud, vm, extension))
    usual = DRIVER if extension.type.lower() in DEVICES else USUAL
    seconds = run.seconds if run.seconds is not None else usual
    via = run.via
    if seconds > limit(extension):
        via, seconds = "timeout", limit(extension)
    extension.runs += 1
    extension.installed = version
    extension.status = Status("ProvisioningState/transitioning", "Info", "Transitioning", "", world.now)
    extension.substatuses = []
    data = {"extension": extension.name, "handler": extension.handler, "version": version, "run": extension.runs}
    world.log(vm.label, "handler", do="begins", **data)
    return Run(run.exit, seconds, via, run.says)


def finish(world: World, vm: Vm, extension: Extension, run: Run) -> dict[str, Any] | None:
    """The run is over: the extension's status and state, and what is wrong, as the operation's error. The host bears its marks."""
    reported = run.via not in ("timeout", "agent", "internal")
    good = reported and _good(world.cloud, extension, run)
    extension.status = status(extension, run, world.now, good=good)
    if run.says and extension.type.lower() in LONG:
        extension.substatuses = _output(run, world.now, good=good)
    extension.exit = run.exit if reported else None
    extension.state = "Succeeded" if good or extension.properties.get("suppressFailures") else "Failed"
    world.log(vm.label, "handler", do="ends", extension=extension.name, exit=run.exit, ok=good, run=extension.runs)
    if reported:
        aftermath.leave(world, vm, extension, run)
    return None if extension.state == "Succeeded" else error(extension, run)


def resume(world: World, vm: Vm, extension: Extension) -> None:
    """An install that a pending restart broke off (-5x) goes on by itself after it [doc 2.3]. Its state stays until the next write [assume]."""
    held = extension.status
    booted = guests.booted(world, vm)
    if extension.exit is None or not -60 < extension.exit <= -50 or held is None or booted is None or booted <= held.time:
        return
    extension.exit = 0
    extension.status = status(extension, Run(), booted, good=True)
    world.log(vm.label, "handler", do="goes on", extension=extension.name, exit=0, ok=True, run=extension.runs)
    aftermath.leave(world, vm, extension, Run())


def error(extension: Extension, run: Run) -> dict[str, Any]:
    """The operation's error, with the texts of 1.6 [doc]."""
    name, handler = extension.name, extension.handler
    whose = f"VM extension '{name}' (publisher '{extension.publisher}' and type '{extension.type}')"
    match run.via or usual_way(run.exit):
        case "timeout":
            said = f"Provisioning of VM extension {name} has timed out. Extension provisioning has taken too long to complete."
            code = "VMExtensionProvisioningTimeout"
        case "agent":
            said = "VM has not reported status for VM agent or extensions. Verify that the OS is up and healthy, and that the VM has a running VM agent."
            code = "VMAgentStatusCommunicationError"
        case "internal":
            code, said = "VMExtensionManagementInternalError", f"Internal error occurred while processing {whose}."
        case "handler":
            told = f"The handler for VM extension type '{handler}' has reported terminal failure for VM extension '{name}'"
            told += f" with error message: '{_told(extension, run)}'."
            code, said = "VMExtensionHandlerNonTransientError", told
        case _:
            code = "VMExtensionProvisioningError"
            said = f"VM has reported a failure when processing {whose.replace('VM extension', 'extension')}. Error message: '{_told(extension, run)}'."
    link = f"https://aka.ms/VMExtension{extension.type}Troubleshoot"
    return {"code": code, "message": f"{said} More information on troubleshooting is available at {link}"}


def status(extension: Extension, run: Run, now: datetime, *, good: bool) -> Status:
    if good:
        tail = "" if run.exit == 0 else f"/{run.exit}"
        return Status(f"ProvisioningState/succeeded{tail}", "Info", "Provisioning succeeded", run.says or _done(run), now)
    way = run.via or usual_way(run.exit)
    # the agent's own number where the handler's command died, and none where it never heard anything [doc 1.6]
    tail = {"handler": "1009", "timeout": "0", "agent": "0", "internal": "0"}.get(way, str(run.exit))
    return Status(f"ProvisioningState/failed/{tail}", "Error", "Provisioning failed", _told(extension, run), now)


def usual_way(code: int) -> str:
    """By which way a code comes: those of an exception and of an interruption kill the handler's command [doc 2.3]."""
    return "handler" if code < 0 else "message"


def _good(cloud: Cloud, extension: Extension, run: Run) -> bool:
    if run.exit == 0:
        return True
    reboot = run.exit == 3010 or (run.exit == 1 and extension.type.lower() in REBOOT_ON_1)
    return reboot and cloud.reboot_as == "succeeded"


def _scripted(cloud: Cloud, vm: Vm, extension: Extension) -> Run | None:
    """The next scripted run that is meant for this extension here; it is used up."""
    for script in cloud.scripts:
        if script.runs and vm.meant(script.vm) and extension.meant(script.extension):
            return script.runs.pop(0)
    return None


def _by_nature(cloud: Cloud, vm: Vm, extension: Extension) -> int:
    """100 where the size lacks the driver's device, or there is no such device to speak of [doc 2.3]."""
    needed = DEVICES.get(extension.type.lower())
    size = cloud.size(vm.size)
    if needed is None or size is None:
        return 0
    return 0 if size.facts.get(needed, "False") not in ("False", "0") else 100


def _done(run: Run) -> str:
    return "The driver was installed." if run.exit == 0 else f"The driver was installed. A restart is needed. Exit code: {run.exit}"


def _told(extension: Extension, run: Run) -> str:
    """The cause, as text: the exit code is nowhere else [doc 2.3]."""
    if run.says:
        return run.says
    match run.via or usual_way(run.exit):
        case "code":
            return "The extension reported an error."
        case "handler":
            path = f"C:\\Packages\\Plugins\\{extension.handler}\\{extension.installed}\\enable.cmd"
            return f"Enable failed for plugin (name: {extension.handler}, version {extension.installed}): {path} has exited with Exit code: {run.exit}"
        case "timeout" | "agent" | "internal":
            return ""
    return f"{_cause(run.exit)} Exit code: {run.exit}"


def _cause(code: int) -> str:
    """2.3 [doc]."""
    causes: Mapping[int, str] = {
        100: "The installation is not supported here or could not be completed.",
        240: "The installation timed out.",
        840: "The installation timed out.",
        3010: "The driver was installed. A restart is needed.",
        1: "The driver was installed. A restart is needed.",
    }
    return causes.get(code, "The installation failed.")


def _output(run: Run, now: datetime, *, good: bool) -> list[Status]:
    """1.5: what a script wrote, in its last 4096 bytes [doc 2.2]."""
    word = "succeeded"
    said = run.says.encode()[-4096:].decode(errors="ignore")
    streams = {"StdOut": said if good else "", "StdErr": "" if good else said}
    return [Status(f"ComponentStatus/{name}/{word}", "Info", "Provisioning succeeded", text, now) for name, text in streams.items()]
