"""Windows PowerShell on an emulated machine: resolves a command, binds it, runs it, and says what came of it and how long it took.

The invoker, the wire endpoint and `emulate run` call `execute`. It keeps no session: what a call changes is in the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciler.emulator import catalogue, trains
from reconciler.emulator.binder import Binding, bind
from reconciler.emulator.catalogue import Signature
from reconciler.emulator.cmdlets import Bound, Emulated, load
from reconciler.emulator.errors import CmdletError, ErrorRecord
from reconciler.emulator.faults import Fault, take
from reconciler.emulator.machine import Machine
from reconciler.emulator.timeline import restart, settle


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave. `seconds` is the virtual time it took; its effects count from its start.

    `reboot`: the machine is restarting now. `cut`: the management adapter lost its link for a while. `hang`: it never answers.
    `drop`: the connection breaks before or after the call acted (`before`: nothing was done).
    """

    objects: tuple[Any, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()
    info_text: str = ""
    warnings: tuple[str, ...] = ()
    seconds: float = 0.05
    reboot: bool = False
    cut: bool = False
    hang: bool = False
    drop: str | None = None

    @property
    def ok(self) -> bool:
        return not self.errors and not self.hang


def execute(
    machine: Machine, name: str, parameters: Mapping[str, Any], *, at: datetime | None = None, elevated: bool = True, confirm_preference: str = "None"
) -> Outcome:
    """Runs one cmdlet. `at` is the estate's time; without it the machine's own stands still."""
    settle(machine, at or machine.now)
    try:
        emulated, signature = resolve(machine, name)
        bound = _bound(machine, emulated, signature, bind(signature, parameters, machine.language), elevated, confirm_preference)
    except CmdletError as error:
        return Outcome(errors=(_record(error, _suffix(name)),), seconds=0.01)
    if bound is None:
        return Outcome(info_text=f'What if: Performing the operation "{emulated.name}".')
    fault = take(machine.faults, emulated.name)
    if fault is not None and (met := _met(machine, emulated, fault)) is not None:
        return met
    return _run(machine, emulated, signature, bound, "after" if fault and fault.drop == "after" else None)


def _run(machine: Machine, emulated: Emulated, signature: Signature, bound: Bound, drop: str | None) -> Outcome:
    objects: list[Any] = []
    try:
        objects.extend(emulated.run(machine, bound) or ())
    except CmdletError as error:
        bound.errors.append(error)
    errors = tuple(_record(error, signature.suffix) for error in bound.errors)
    return Outcome(tuple(objects), errors, "\n".join(bound.info), tuple(bound.warnings), bound.seconds, bound.reboot, bound.cut, drop=drop)


def resolve(machine: Machine, name: str) -> tuple[Emulated, Signature]:
    """The cmdlet that `name` (plain or `Module\\Name`) means on this machine, or CommandNotFoundException."""
    module, _, bare = name.rpartition("\\")
    emulated = load().get(bare.casefold())
    signature = catalogue.find(bare)
    if emulated is None or signature is None or (module and module.casefold() != signature.module.casefold()) or not available(machine, signature):
        exception = "System.Management.Automation.CommandNotFoundException"
        raise CmdletError("CommandNotFoundException", "ObjectNotFound", machine.text("command", name=name), exception)
    return emulated, trains.narrowed(signature, machine.eflow.version) if signature.module == "AzureEFLOW" else signature


def available(machine: Machine, signature: Signature) -> bool:
    """Whether the module is on this machine: eflow-domain 3 and 8, windows-outputs Trap 9."""
    match signature.module:
        case "ServerManager":
            return machine.server
        case "Hyper-V":
            return _present(machine, "Microsoft-Hyper-V-Management-PowerShell")
        case "DhcpServer":
            return _present(machine, "RSAT-DHCP")
        case "HostComputeService":
            return machine.hyperv
        case "HostNetworkingService":
            return machine.hyperv and machine.release in signature.releases
        case "AzureEFLOW":
            return machine.eflow.installed and trains.offers(machine.eflow.version, signature.name)
    return True


def _present(machine: Machine, feature_name: str) -> bool:
    """Tools are usable as soon as their files are there, so also while the role itself waits for the restart."""
    feature = machine.feature(feature_name)
    return feature is not None and feature.state in ("Installed", "InstallPending", "UninstallPending")


def _bound(machine: Machine, emulated: Emulated, signature: Signature, binding: Binding, elevated: bool, preference: str) -> Bound | None:
    """The bound call, or None under -WhatIf. Without a person to ask, a call that would ask fails (powershell.md 0.5)."""
    bound = Bound(emulated.name, binding.set, binding.values, elevated, preference)
    if bound.on("WhatIf"):
        return None
    asks = bound.on("Confirm") or (emulated.impact == "High" and preference != "None" and bound.get("Confirm", True))
    if "Confirm" in signature.parameters and asks:
        exception = "System.Management.Automation.PSInvalidOperationException"
        raise CmdletError(
            f"InvalidOperation,{signature.suffix}", "InvalidOperation", "A command that prompts the user failed: non-interactive mode.", exception
        )
    return bound


def _met(machine: Machine, emulated: Emulated, fault: Fault) -> Outcome | None:
    """What a fault makes of the call, or None where the call goes on (and what it gave may be lost afterwards)."""
    if fault.hang:
        return Outcome(hang=True, seconds=0)
    if fault.drop == "before":
        return Outcome(drop="before", seconds=0)
    if fault.reboot:
        restart(machine)
        return Outcome(reboot=True, seconds=0)
    if fault.error is not None:
        return Outcome(errors=(ErrorRecord(fault.error, "NotSpecified", fault.says or fault.error, "System.Exception"),))
    if fault.says is not None and emulated.name == "Deploy-Eflow":
        machine.eflow.deploy_fails = fault.says
        return None
    return Outcome(objects=(fault.says,)) if fault.says is not None else None


def _record(error: CmdletError, suffix: str) -> ErrorRecord:
    whole = error.id if "," in error.id or error.id == "CommandNotFoundException" else f"{error.id},{suffix}" if error.id else suffix
    return ErrorRecord(whole, error.category, error.message, error.exception, error.terminating)


def _suffix(name: str) -> str:
    found = catalogue.find(name.rpartition("\\")[2])
    return found.suffix if found else name
