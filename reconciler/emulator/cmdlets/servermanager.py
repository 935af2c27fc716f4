"""ServerManager: roles and features of a server. Sources: windows-outputs Get-/Install-/Uninstall-WindowsFeature, eflow-domain 8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import matches
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.features import alter
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Feature
from reconciler.emulator.timeline import restart

LASTS = {"hyper-v": 75.0, "dhcp": 35.0, "hyper-v-powershell": 18.0}


def row(machine: Machine, feature: Feature) -> dict[str, Any]:
    """A Feature object; names and display names as in windows-outputs Get-WindowsFeature."""
    children = [f.role for f in machine.features.values() if f.role and f.parent == feature.role]
    return {
        "Name": feature.role,
        "DisplayName": feature.display,
        "Installed": feature.state == "Installed",
        "InstallState": feature.state,
        "FeatureType": feature.kind,
        "Parent": feature.parent,
        "Path": feature.display,
        "SubFeatures": children,
        "DependsOn": [],
        "Depth": 1 if feature.parent is None else 2,
        "PostConfigurationNeeded": feature.role == "DHCP" and feature.state == "Installed" and not configured(machine),
        "SystemService": ["DHCPServer"] if feature.role == "DHCP" else [],
    }


def configured(machine: Machine) -> bool:
    """windows-outputs: PostConfigurationNeeded until the groups exist and the ServerManager role flag is 2."""
    return machine.dhcp.groups and machine.registry.get("HKLM\\SOFTWARE\\Microsoft\\ServerManager\\Roles\\12", "ConfigurationState") == 2


@cmdlet("Get-WindowsFeature", "windows-outputs Get-WindowsFeature")
def get_feature(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    bound.takes(2.5)
    wanted = bound.get("Name")
    for feature in machine.features.values():
        if feature.role and (wanted is None or any(matches(feature.role, name) for name in wanted)):
            yield row(machine, feature)


@cmdlet("Install-WindowsFeature", "windows-outputs Install-WindowsFeature; eflow-domain 3.1, 8")
def install(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _demand_rights(bound)
    targets = _targets(machine, bound)
    if targets is None:
        yield _failed("InvalidArgs")
        return
    for feature in list(targets):
        targets += [parent for parent in _parents(machine, feature) if parent not in targets]
    if any(f.role == "Hyper-V" for f in targets) and not machine.nested:
        message = "Hyper-V cannot be installed: The processor does not have required virtualization capabilities."
        bound.fail(CmdletError("Alteration_PrerequisiteCheck_Failed", "InvalidOperation", message))
        yield _failed("Failed")
        return
    if any(f.state == "Removed" for f in targets) and "Source" not in bound:
        bound.takes(40)
        message = "The request to add features failed: The source files could not be found. Error: 0x800f0906"
        bound.fail(CmdletError("DISMAPI_Error__Cbs_Download_Failure", "InvalidResult", message))
        yield _failed("Failed")
        return
    changed = [feature for feature in targets if feature.state in ("Available", "Removed", "UninstallPending")]
    bound.takes(max((LASTS.get((f.role or "").casefold(), 15.0) for f in changed), default=2.0))
    bringing = alter(machine, changed, add=True)
    _start_now(machine)
    yield _result(machine, changed, bringing, bound)


@cmdlet("Uninstall-WindowsFeature", "windows-outputs Uninstall-WindowsFeature; eflow-domain 8")
def uninstall(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    _demand_rights(bound)
    targets = _targets(machine, bound)
    if targets is None:
        yield _failed("InvalidArgs")
        return
    changed = [feature for feature in targets if feature.state in ("Installed", "InstallPending")]
    bound.takes(max((LASTS.get((f.role or "").casefold(), 15.0) for f in changed), default=2.0))
    leaving = alter(machine, changed, add=False)
    if bound.on("Remove"):
        for feature in changed:
            feature.state = "Removed" if feature.state == "Available" else feature.state
    yield _result(machine, changed, leaving, bound)


def _demand_rights(bound: Bound) -> None:
    if not bound.elevated:
        raise CmdletError("Unverified", "PermissionDenied", "You do not have adequate user rights to make changes to the target computer.")


def _named(machine: Machine, bound: Bound) -> list[Feature] | None:
    """The features that -Name means; None where one is unknown (the error is recorded)."""
    found: list[Feature] = []
    for name in bound["Name"]:
        feature = next((f for f in machine.features.values() if f.role and f.role.casefold() == name.casefold()), None)
        if feature is None:
            message = f"ArgumentNotValid: The role, role service, or feature name is not valid: '{name}'. The name was not found."
            bound.fail(CmdletError("NameDoesNotExist", "InvalidArgument", message))
            return None
        found.append(feature)
    return found


def _targets(machine: Machine, bound: Bound) -> list[Feature] | None:
    """Those, with their management tools where these are asked for too."""
    targets = _named(machine, bound)
    if targets is not None and bound.on("IncludeManagementTools"):
        targets += [tool for f in list(targets) for name in f.tools if (tool := machine.feature(name)) is not None and tool not in targets]
    return targets


def _parents(machine: Machine, feature: Feature) -> Iterable[Feature]:
    above = machine.feature(feature.parent) if feature.parent else None
    if above is not None and above.role:
        yield above
        yield from _parents(machine, above)


def _start_now(machine: Machine) -> None:
    """A role that needs no restart has its service running at once: eflow-domain 3.7."""
    service = machine.service("DHCPServer")
    if service is not None and service.state == "Stopped":
        service.state = "Running"


def _result(machine: Machine, changed: list[Feature], waits: bool, bound: Bound) -> dict[str, Any]:
    if waits:
        bound.warn("You must restart this server to finish the installation process.")
    if waits and bound.on("Restart"):
        restart(machine)
        bound.reboot = True
    return {
        "Success": True,
        "ExitCode": "SuccessRestartRequired" if waits else "Success" if changed else "NoChangeNeeded",
        "RestartNeeded": "Yes" if waits or (machine.servicing_pending and not changed) else "No",
        "FeatureResult": [
            {"DisplayName": f.display, "Id": n + 1, "Message": [], "RestartNeeded": "Yes" if f.restart else "No", "SkipReason": "NotSkipped", "Success": True}
            for n, f in enumerate(changed)
        ],
    }


def _failed(code: str) -> dict[str, Any]:
    return {"Success": False, "ExitCode": code, "RestartNeeded": "No", "FeatureResult": []}
