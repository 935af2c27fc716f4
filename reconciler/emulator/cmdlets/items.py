"""Microsoft.PowerShell.Management: reading items and their properties, in the registry and in the file system.

Sources: windows-outputs Get-ItemProperty and Traps 23; windows-cmdlets for parameters. Ids of the other item cmdlets follow the
same engine rule (PathNotFound and the class name). `itemwrites` makes and removes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.cimquery import wildcard
from reconciler.emulator.errors import CmdletError
from reconciler.emulator.machine import Machine
from reconciler.emulator.stores import FileEntry, RegistryKey, file_path, parent, registry_path

ITEM_NOT_FOUND = "System.Management.Automation.ItemNotFoundException"
PROVIDER = "Microsoft.PowerShell.Core\\Registry::"
LONG = {"HKLM": "HKEY_LOCAL_MACHINE", "HKCU": "HKEY_CURRENT_USER", "HKU": "HKEY_USERS", "HKCR": "HKEY_CLASSES_ROOT"}


def in_registry(path: str) -> bool:
    try:
        registry_path(path)
    except KeyError:
        return False
    return True


def paths(bound: Bound) -> list[tuple[str, bool]]:
    """The given paths, and whether wildcards count in them."""
    literal = "LiteralPath" in bound
    value = bound["LiteralPath"] if literal else bound.get("Path", ["."])
    return [(path, not literal) for path in (value if isinstance(value, list) else [value])]


def missing(machine: Machine, path: str) -> CmdletError:
    return CmdletError("PathNotFound", "ObjectNotFound", machine.text("path", name=path), ITEM_NOT_FOUND)


def keys(machine: Machine, path: str, globbing: bool) -> list[RegistryKey]:
    """The registry keys that a path means; wildcards only in its last part, as everybody writes it."""
    whole = registry_path(path)
    if not (globbing and wildcard(whole)):
        found = machine.registry.key(whole)
        return [found] if found else []
    above, _, pattern = whole.rpartition("\\")
    return [k for k in machine.registry.children(above) if fnmatchcase(k.path.rpartition("\\")[2].casefold(), pattern.casefold())]


def entries(machine: Machine, path: str, globbing: bool) -> list[FileEntry]:
    """The files and folders that a path means; wildcards only in its last part."""
    if not (globbing and wildcard(path)):
        found = machine.files.find(path)
        return [found] if found else []
    whole = file_path(path)
    pattern = whole.rpartition("\\")[2].casefold()
    return [e for e in machine.files.children(parent(whole)) if fnmatchcase(e.name.casefold(), pattern)]


def key_path(key: RegistryKey) -> str:
    hive, _, rest = key.path.partition("\\")
    return LONG[hive] + ("\\" + rest if rest else "")


def key_row(key: RegistryKey) -> dict[str, Any]:
    """A registry key as Get-Item gives it."""
    path = key_path(key)
    return {
        "Name": path,
        "PSChildName": path.rpartition("\\")[2],
        "PSPath": PROVIDER + path,
        "PSParentPath": PROVIDER + path.rpartition("\\")[0],
        "ValueCount": len(key.values),
        "Property": [v.name for v in key.values.values()],
    }


def properties_row(key: RegistryKey, names: list[str] | None) -> dict[str, Any] | None:
    """The values of a key as Get-ItemProperty gives them; a key without values gives nothing (Trap 23)."""
    values = [v for v in key.values.values() if names is None or any(fnmatchcase(v.name.casefold(), n.casefold()) for n in names)]
    if not values:
        return None
    row = key_row(key)
    return {**{v.name or "(default)": v.data for v in values}, **{n: row[n] for n in ("PSPath", "PSParentPath", "PSChildName")}}


def file_row(entry: FileEntry) -> dict[str, Any]:
    name = entry.name
    stem, dot, extension = name.rpartition(".")
    row: dict[str, Any] = {
        "FullName": entry.path,
        "Name": name,
        "PSChildName": name,
        "BaseName": stem if dot and not entry.folder else name,
        "Extension": dot + extension if dot and not entry.folder else "",
        "PSIsContainer": entry.folder,
        "Exists": True,
        "LastWriteTime": entry.modified,
        "CreationTime": entry.modified,
        "Attributes": "Directory" if entry.folder else "Archive",
        "PSPath": f"Microsoft.PowerShell.Core\\FileSystem::{entry.path}",
    }
    return row if entry.folder else {**row, "Length": entry.size, "DirectoryName": parent(entry.path)}


@cmdlet("Test-Path", "windows-cmdlets Test-Path")
def test_path(machine: Machine, bound: Bound) -> Iterator[bool]:
    kind = bound.get("PathType", "Any")
    for path, globbing in paths(bound):
        if in_registry(path):
            yield bool(keys(machine, path, globbing)) and kind != "Leaf"
        else:
            yield any(kind == "Any" or e.folder == (kind == "Container") for e in entries(machine, path, globbing))


@cmdlet("Get-Item", "windows-outputs Get-ItemProperty (the same rule of absence)")
def get_item(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for path, globbing in paths(bound):
        if in_registry(path):
            found: list[dict[str, Any]] = [key_row(k) for k in keys(machine, path, globbing)]
        else:
            found = [file_row(e) for e in entries(machine, path, globbing)]
        if not found and not (globbing and wildcard(path)):
            bound.fail(missing(machine, path))
        yield from found


@cmdlet("Get-ChildItem", "windows-outputs Get-ItemProperty (the same rule of absence); an absent folder under a pattern is unverified")
def get_children(machine: Machine, bound: Bound) -> Iterator[Any]:
    for path, globbing in paths(bound):
        rows = _child_keys(machine, bound, path, globbing) if in_registry(path) else _child_files(machine, bound, path, globbing)
        for row in rows:
            yield row["PSChildName"] if bound.on("Name") else row


def _child_keys(machine: Machine, bound: Bound, path: str, globbing: bool) -> list[dict[str, Any]]:
    if globbing and wildcard(path):
        return [key_row(k) for k in keys(machine, path, globbing)]
    if machine.registry.key(path) is None:
        bound.fail(missing(machine, path))
        return []
    return [key_row(k) for k in machine.registry.children(path)]


def _child_files(machine: Machine, bound: Bound, path: str, globbing: bool) -> list[dict[str, Any]]:
    globs = globbing and wildcard(path)
    start = machine.files.find(parent(file_path(path)) if globs else path)
    if start is None:
        bound.fail(missing(machine, path))
        return []
    if globs:
        found = entries(machine, path, globbing)
    elif not start.folder:
        found = [start]
    else:
        found = list(machine.files.below(start.path)) if bound.on("Recurse") else machine.files.children(start.path)
    pattern = bound.get("Filter")
    kept = [e for e in found if (not bound.on("File") or not e.folder) and (not bound.on("Directory") or e.folder)]
    return [file_row(e) for e in kept if pattern is None or fnmatchcase(e.name.casefold(), pattern.casefold())]


@cmdlet("Get-Content", "windows-cmdlets Get-Content; which errors a folder or a locked file gives is unverified")
def get_content(machine: Machine, bound: Bound) -> Iterator[str]:
    """Lines of text files; here wildcards count in every part of a path, as they do on Windows."""
    for path, globbing in paths(bound):
        found = matching(machine, path) if globbing and wildcard(path) else entries(machine, path, globbing)
        if not found and not (globbing and wildcard(path)):
            bound.fail(missing(machine, path))
        lines = [line for entry in found if not entry.folder for line in (entry.content or "").splitlines()]
        yield from lines[-int(bound["Tail"]) :] if "Tail" in bound else lines


def matching(machine: Machine, path: str) -> list[FileEntry]:
    """The files whose path matches part by part."""
    parts = file_path(path).casefold().split("\\")
    plain = next(n for n, part in enumerate(parts) if wildcard(part))
    root = machine.files.find("\\".join(parts[:plain]))
    found = machine.files.below(root.path) if root is not None else ()
    names = [(entry, entry.path.casefold().split("\\")) for entry in found]
    return [entry for entry, name in names if len(name) == len(parts) and all(fnmatchcase(a, b) for a, b in zip(name, parts, strict=True))]


@cmdlet("Get-ItemProperty", "windows-outputs Get-ItemProperty; an absent value by name is unverified")
def get_property(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    for path, globbing in paths(bound):
        if not in_registry(path):
            yield from _file_properties(machine, bound, path, globbing)
            continue
        found = keys(machine, path, globbing)
        if not found and not (globbing and wildcard(path)):
            bound.fail(missing(machine, path))
        for key in found:
            row = properties_row(key, bound.get("Name"))
            if row is not None:
                yield row
            elif "Name" in bound and not wildcard(path):
                message = machine.text("property", name=bound["Name"][0], path=key_path(key))
                bound.fail(CmdletError("System.Management.Automation.PSArgumentException", "InvalidArgument", message))


def _file_properties(machine: Machine, bound: Bound, path: str, globbing: bool) -> Iterator[dict[str, Any]]:
    found = entries(machine, path, globbing)
    if not found and not (globbing and wildcard(path)):
        bound.fail(missing(machine, path))
    for entry in found:
        yield file_row(entry)
