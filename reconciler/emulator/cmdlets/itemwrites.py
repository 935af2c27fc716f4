"""Microsoft.PowerShell.Management: making, changing and removing items and their properties. Sources: windows-cmdlets; ids as in `items`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import wildcard
from reconciler.emulator.cmdlets.items import entries, file_row, in_registry, key_path, key_row, keys, missing, paths, properties_row
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.machine import Machine
from reconciler.emulator.stores import FileEntry, RegistryKey, registry_path


def _demand_rights(machine: Machine, bound: Bound, path: str) -> None:
    if not bound.elevated and (not in_registry(path) or registry_path(path).startswith("HKLM")):
        raise CmdletError("System.Security.SecurityException", "PermissionDenied", machine.text("denied"), "System.Security.SecurityException")


def _kind(value: Any, given: str | None) -> str:
    if given:
        return {"dword": "DWord", "qword": "QWord", "string": "String", "expandstring": "ExpandString", "multistring": "MultiString", "binary": "Binary"}.get(
            given.casefold(), "String"
        )
    return "DWord" if isinstance(value, int) and not isinstance(value, bool) else "MultiString" if isinstance(value, list) else "String"


def _written(machine: Machine, bound: Bound) -> Iterator[RegistryKey]:
    """The registry keys whose values are to be written; a path without one fails, and the next goes on."""
    for path, globbing in paths(bound):
        _demand_rights(machine, bound, path)
        found = keys(machine, path, globbing) if in_registry(path) else []
        if not found:
            bound.fail(missing(machine, path))
        yield from found


@cmdlet("Set-ItemProperty", "windows-cmdlets Set-ItemProperty")
def set_property(machine: Machine, bound: Bound) -> None:
    for key in _written(machine, bound):
        old = key.values.get(bound["Name"].casefold())
        machine.registry.put(key.path, bound["Name"], bound["Value"], bound.get("Type") or (old.kind if old else _kind(bound["Value"], None)))


@cmdlet("New-ItemProperty", "windows-cmdlets New-ItemProperty; the id of an existing value is unverified")
def new_property(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for key in _written(machine, bound):
        if bound["Name"].casefold() in key.values and not bound.on("Force"):
            bound.fail(CmdletError("System.IO.IOException", "ResourceExists", "The property already exists.", "System.IO.IOException"))
            continue
        machine.registry.put(key.path, bound["Name"], bound.get("Value", ""), _kind(bound.get("Value", ""), bound.get("PropertyType")))
        row = properties_row(key, [bound["Name"]])
        if row is not None:
            yield row


@cmdlet("Remove-ItemProperty", "windows-cmdlets Remove-ItemProperty")
def remove_property(machine: Machine, bound: Bound) -> None:
    for key in _written(machine, bound):
        for name in bound["Name"]:
            if not machine.registry.drop(key.path, name):
                message = machine.text("property", name=name, path=key_path(key))
                bound.fail(CmdletError("System.Management.Automation.PSArgumentException", "InvalidArgument", message))


@cmdlet("New-Item", "windows-cmdlets New-Item; the id of an existing item is unverified")
def new_item(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for path, _ in paths(bound):
        whole = f"{path}\\{bound['Name']}" if "Name" in bound else path
        _demand_rights(machine, bound, whole)
        if in_registry(whole):
            if machine.registry.key(whole) is not None and not bound.on("Force"):
                raise CmdletError("System.IO.IOException", "ResourceExists", "A key in this path already exists.", "System.IO.IOException")
            yield key_row(machine.registry.create(whole))
        elif bound.get("ItemType", "File").casefold() in ("directory", "container"):
            if machine.files.find(whole) is not None and not bound.on("Force"):
                raise CmdletError("DirectoryExist", "ResourceExists", f"An item with the specified name {whole} already exists.", "System.IO.IOException")
            yield file_row(machine.files.folder(whole, machine.local_now))
        else:
            yield file_row(machine.files.write(whole, str(bound.get("Value", "")), machine.local_now))


@cmdlet("Remove-Item", "windows-cmdlets Remove-Item; a locked file is unverified")
def remove_item(machine: Machine, bound: Bound) -> None:
    for path, globbing in paths(bound):
        _demand_rights(machine, bound, path)
        if in_registry(path):
            found = keys(machine, path, globbing)
            for key in found:
                machine.registry.delete(key.path)
        else:
            found_files = entries(machine, path, globbing)
            for entry in found_files:
                _remove_file(machine, bound, entry)
            if found_files:
                continue
            found = []
        if not found and not (globbing and wildcard(path)):
            bound.fail(missing(machine, path))


def _remove_file(machine: Machine, bound: Bound, entry: FileEntry) -> None:
    if entry.locked or any(e.locked for e in machine.files.below(entry.path)):
        bound.fail(CmdletError("RemoveFileSystemItemIOError", "WriteError", machine.text("in use"), "System.IO.IOException"))
    elif entry.folder and machine.files.children(entry.path) and not bound.on("Recurse"):
        raise CmdletError("InvalidOperation", "InvalidOperation", f"The item at {entry.path} has children and the Recurse parameter was not specified.")
    else:
        machine.files.delete(entry.path)
