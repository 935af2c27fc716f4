"""Dism: optional features, on clients and servers. Sources: windows-outputs Get-/Enable-/Disable-WindowsOptionalFeature, eflow-domain 8."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.features import alter
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Feature
from reconciler.emulator.timeline import restart

STATES = {
    "Available": "Disabled",
    "Removed": "DisabledWithPayloadRemoved",
    "Installed": "Enabled",
    "InstallPending": "EnablePending",
    "UninstallPending": "DisablePending",
}
COM = "System.Runtime.InteropServices.COMException"


def _refused(message: str) -> CmdletError:
    """windows-outputs: one id, the class name, for unknown feature, disabled parent and missing elevation."""
    return CmdletError("", "NotSpecified", message, COM)


def _demand_rights(bound: Bound) -> None:
    if not bound.elevated:
        raise _refused("The requested operation requires elevation.")


@cmdlet("Get-WindowsOptionalFeature", "windows-outputs Get-WindowsOptionalFeature")
def get_feature(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _demand_rights(bound)
    bound.takes(1.5)
    wanted = bound.get("FeatureName")
    for feature in machine.features.values():
        if feature.optional is None or (wanted is not None and not matches(feature.optional, wanted)):
            continue
        short: dict[str, Any] = {"FeatureName": feature.optional, "State": STATES[feature.state]}
        full: dict[str, Any] = {
            "DisplayName": feature.display,
            "Description": feature.display,
            "RestartRequired": "Possible" if feature.restart else "No",
            "RestartNeeded": False,
            "CustomProperties": [],
        }
        yield short if wanted is None else {**short, **full}


@cmdlet("Enable-WindowsOptionalFeature", "windows-outputs Enable-WindowsOptionalFeature; eflow-domain 8")
def enable(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _demand_rights(bound)
    targets = _named(machine, bound)
    for feature in list(targets):
        parents = list(_parents(machine, feature))
        if any(not p.installed and p.state != "InstallPending" for p in parents) and not bound.on("All"):
            raise _refused(f"One or more parent features are disabled: {feature.optional}.")
        targets += [p for p in parents if p not in targets]
    if bound.on("All"):
        targets += [c for f in list(targets) for c in _children(machine, f) if c not in targets]
    if not machine.nested and any(f.optional == "Microsoft-Hyper-V" for f in targets):
        raise _refused("The requested feature cannot be enabled: virtualization is not available.")
    bound.takes(55)
    yield _alter(machine, bound, [f for f in targets if f.state in ("Available", "UninstallPending")], add=True)


@cmdlet("Disable-WindowsOptionalFeature", "windows-outputs Disable-WindowsOptionalFeature; eflow-domain 8")
def disable(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _demand_rights(bound)
    targets = _named(machine, bound)
    targets += [c for f in list(targets) for c in _children(machine, f) if c not in targets]
    bound.takes(40)
    yield _alter(machine, bound, [f for f in targets if f.state in ("Installed", "InstallPending")], add=False)


def _named(machine: Machine, bound: Bound) -> list[Feature]:
    found: list[Feature] = []
    for name in bound["FeatureName"]:
        feature = next((f for f in machine.features.values() if f.optional and f.optional.casefold() == name.casefold()), None)
        if feature is None:
            raise _refused(f"Feature name {name} is unknown.")
        found.append(feature)
    return found


def _parents(machine: Machine, feature: Feature) -> Iterator[Feature]:
    above = machine.feature(feature.parent) if feature.parent else None
    if above is not None and above.optional:
        yield above
        yield from _parents(machine, above)


def _children(machine: Machine, feature: Feature) -> Iterator[Feature]:
    for child in machine.features.values():
        if child.parent and child.parent == feature.optional:
            yield child
            yield from _children(machine, child)


def _alter(machine: Machine, bound: Bound, features: list[Feature], *, add: bool) -> dict[str, Any]:
    waits = alter(machine, features, add=add)
    if waits and not bound.on("NoRestart"):  # it asks; with nobody to ask the answer is its default, yes (unverified)
        restart(machine)
        bound.reboot = True
    return {"Online": True, "Path": "", "RestartNeeded": waits}
