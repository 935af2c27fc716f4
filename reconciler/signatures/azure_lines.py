"""Requests to Azure Resource Manager as what a person would type: a line for az (bash), and lines for Az PowerShell, one or the other.

Pure: call and host in, text out; never run by us. Both name the subscription. Where a tool cannot say what the request says, a remark
does; neither writes our record. Secrets are asked for or read from a file. Source: azure-extensions 6.1; the PowerShell lines have not run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import ArmCall, Later, Secret
from reconciler.core.resources import Azure
from reconciler.signatures import literals

PROTECTED = "protected.json"
SWITCH = object()  # in place of a value: the option stands alone
Option = tuple[str, Any]
Lines = Callable[[ArmCall, Azure], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Variable:
    """Stands as it is."""

    name: str


def typed(call: ArmCall, azure: Azure) -> str:
    """One request: remarks, the az line, the PowerShell lines; of a request that neither tool has, remarks alone."""
    lines = LINES.get(call.operation)
    return "\n".join(lines(call, azure)) if lines else f"# {call.operation}: neither az nor PowerShell has it"


# --- VMs


def _set(call: ArmCall, azure: Azure) -> Iterator[str]:
    said = _properties(call)
    yield from _remarks(said)
    name = call.path["vmExtensionName"]
    yield _az("vm extension set", azure, ("--vm-name", azure.vm), *_az_extension(name, said))
    yield _context(azure)
    yield from _asked(said)
    options: list[Option] = [("VMName", azure.vm), ("Name", name), ("Publisher", said["publisher"]), ("ExtensionType", said["type"])]
    options += [("TypeHandlerVersion", said["typeHandlerVersion"])]
    options += [] if said.get("autoUpgradeMinorVersion") else [("DisableAutoUpgradeMinorVersion", SWITCH)]
    options += [("EnableAutomaticUpgrade", bool(said.get("enableAutomaticUpgrade")))]
    options += [("SettingString", _json(said["settings"]))] if said.get("settings") else []
    options += [("ProtectedSettingString", Variable("$protected"))] if said.get("protectedSettings") is not None else []
    options += [("ForceRerun", said["forceUpdateTag"])] if said.get("forceUpdateTag") else []
    yield _ps("Set-AzVMExtension", azure, *options)


def _delete(call: ArmCall, azure: Azure) -> Iterator[str]:
    name = call.path["vmExtensionName"]
    yield _az("vm extension delete", azure, ("--vm-name", azure.vm), ("--name", name))
    yield _context(azure)
    yield _ps("Remove-AzVMExtension", azure, ("VMName", azure.vm), ("Name", name), ("Force", SWITCH))


def _restart(call: ArmCall, azure: Azure) -> Iterator[str]:
    yield _az("vm restart", azure, ("--name", azure.vm))
    yield _context(azure)
    yield _ps("Restart-AzVM", azure, ("Name", azure.vm))


def _update(call: ArmCall, azure: Azure) -> Iterator[str]:
    if "properties" in (call.body or {}):
        yield "# a change of some fields: neither az nor PowerShell has it"
    else:
        yield "# our record alone, three tags: nothing to type"


# --- scale sets


def _set_on_set(call: ArmCall, azure: Azure) -> Iterator[str]:
    said = _properties(call)
    yield from _remarks(said)
    name = call.path["vmssExtensionName"]
    after = tuple(said.get("provisionAfterExtensions") or ())
    yield _az(
        "vmss extension set",
        azure,
        ("--vmss-name", azure.scale_set),
        *_az_extension(name, said),
        *([("--provision-after-extensions", *after)] if after else []),
    )
    yield _context(azure)
    yield from _asked(said, table=True)
    options: list[Option] = [("Name", name), ("Publisher", said["publisher"]), ("Type", said["type"]), ("TypeHandlerVersion", said["typeHandlerVersion"])]
    options += [("AutoUpgradeMinorVersion", bool(said.get("autoUpgradeMinorVersion")))]
    options += [("EnableAutomaticUpgrade", bool(said.get("enableAutomaticUpgrade")))]
    options += [("Setting", said["settings"])] if said.get("settings") else []
    options += [("ProtectedSetting", Variable("$protected"))] if said.get("protectedSettings") is not None else []
    options += [("ForceUpdateTag", said["forceUpdateTag"])] if said.get("forceUpdateTag") else []
    options += [("ProvisionAfterExtension", list(after))] if after else []
    yield from _on_model(azure, "Add-AzVmssExtension", options)


def _delete_on_set(call: ArmCall, azure: Azure) -> Iterator[str]:
    name = call.path["vmssExtensionName"]
    yield _az("vmss extension delete", azure, ("--vmss-name", azure.scale_set), ("--name", name))
    yield _context(azure)
    yield from _on_model(azure, "Remove-AzVmssExtension", [("Name", name)])


def _instances(call: ArmCall, azure: Azure) -> Iterator[str]:
    ids = [str(one) for one in (call.body or {})["instanceIds"]]
    yield _az("vmss update-instances", azure, ("--name", azure.scale_set), ("--instance-ids", *ids))
    yield _context(azure)
    yield _ps("Update-AzVmssInstance", azure, ("VMScaleSetName", azure.scale_set), ("InstanceId", ids))


def _on_model(azure: Azure, cmdlet: str, options: Sequence[Option]) -> Iterator[str]:
    """PowerShell changes the whole model in its memory and sends it back."""
    there = ("VMScaleSetName", azure.scale_set)
    model = ("VirtualMachineScaleSet", Variable("$vmss"))
    yield "$vmss = " + _ps("Get-AzVmss", azure, there)
    yield _command(cmdlet, [model, *options])
    yield _ps("Update-AzVmss", azure, there, model)


LINES: Mapping[str, Lines] = MappingProxyType(
    {
        "VirtualMachineExtensions_CreateOrUpdate": _set,
        "VirtualMachineExtensions_Update": _update,
        "VirtualMachineExtensions_Delete": _delete,
        "VirtualMachines_Restart": _restart,
        "VirtualMachineScaleSetExtensions_CreateOrUpdate": _set_on_set,
        "VirtualMachineScaleSetExtensions_Delete": _delete_on_set,
        "VirtualMachineScaleSets_UpdateInstances": _instances,
    }
)


# --- words of both


def _properties(call: ArmCall) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (call.body or {})["properties"]
    return {name: value for name, value in found.items() if value is not None}


def _remarks(said: Mapping[str, Any]) -> Iterator[str]:
    """What the tools cannot say."""
    if said.get("suppressFailures"):
        yield "# suppressFailures: true is in our request; neither az nor PowerShell can say it"
    if said.get("protectedSettingsFromKeyVault"):
        yield "# protectedSettingsFromKeyVault is in our request; neither az nor PowerShell can say it"
    if said.get("forceUpdateTag"):
        yield f"# our request runs it again with the tag {literals.remark(str(said['forceUpdateTag']))}; az makes one of its own"
    if said.get("protectedSettings") is not None:
        yield f"# {PROTECTED} holds the protected settings, {_sources(said['protectedSettings'])}: never printed"


def _sources(value: Any) -> str:
    """Where secrets come from, by name."""
    if isinstance(value, Mapping):
        return ", ".join(literals.remark(f"{name} from {secret}" if isinstance(secret, Secret) else str(name)) for name, secret in value.items())
    return literals.remark(f"JSON from {value}")


def _asked(said: Mapping[str, Any], *, table: bool = False) -> Iterator[str]:
    """The protected settings as text, or as the hashtable that the scale set's cmdlet takes."""
    if said.get("protectedSettings") is None:
        return
    read = f"Get-Content -Raw -Path {literals.text(PROTECTED)}"
    if not table:
        yield f"$protected = {read}"
        return
    yield "$protected = @{}"
    yield f"({read} | ConvertFrom-Json).PSObject.Properties | ForEach-Object {{ $protected[$_.Name] = $_.Value }}"


def _az_extension(name: str, said: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield "--name", said["type"]
    yield "--extension-instance-name", name
    yield "--publisher", said["publisher"]
    yield "--version", said["typeHandlerVersion"]
    if not said.get("autoUpgradeMinorVersion"):
        yield "--no-auto-upgrade-minor-version", "true"
    yield "--enable-auto-upgrade", "true" if said.get("enableAutomaticUpgrade") else "false"
    if said.get("settings"):
        yield "--settings", _json(said["settings"])
    if said.get("protectedSettings") is not None:
        yield "--protected-settings", f"@{PROTECTED}"
    if said.get("forceUpdateTag"):
        yield ("--force-update",)


def _az(command: str, azure: Azure, *options: tuple[str, ...]) -> str:
    every = (("--subscription", azure.subscription), ("--resource-group", azure.resource_group), *options)
    return f"az {command} " + " ".join(shlex.quote(word) if n else word for option in every for n, word in enumerate(option))


def _context(azure: Azure) -> str:
    return f"Set-AzContext -Subscription {literals.text(azure.subscription)} | Out-Null"


def _ps(cmdlet: str, azure: Azure, *options: Option) -> str:
    return _command(cmdlet, [("ResourceGroupName", azure.resource_group), *options])


def _command(cmdlet: str, options: Sequence[Option]) -> str:
    return " ".join([cmdlet, *(f"-{name}" if value is SWITCH else f"-{name} {_value(value)}" for name, value in options)])


def _value(value: Any) -> str:
    match value:
        case Variable():
            return value.name
        case bool():
            return literals.boolean(value)
        case int() | float():
            return literals.number(value)
        case Mapping():
            return "@{ " + "; ".join(f"{literals.text(str(name))} = {_value(item)}" for name, item in value.items()) + " }"
        case list() | tuple():
            return "@(" + ", ".join(_value(item) for item in value) + ")"
        case None:
            return "$null"
    return literals.text(str(value))


def _json(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return f"<{value.resource} {value.field}>" if isinstance(value, Later) else value
