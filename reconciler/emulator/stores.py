"""The registry and the file system of an emulated machine: flat maps keyed by the casefolded full path.

Used by the cmdlets of `cmdlets/management.py` and by the invoker (ledger, lease, hold, job folders). They hold values and enforce
parents; rights and error ids are the cmdlets' business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DRIVE = re.compile(r"[A-Za-z]:")
HOME = "C:\\Users\\Administrator"
HIVES = {
    "hkey_local_machine": "HKLM",
    "hkey_current_user": "HKCU",
    "hkey_users": "HKU",
    "hkey_classes_root": "HKCR",
    "hklm": "HKLM",
    "hkcu": "HKCU",
    "hku": "HKU",
    "hkcr": "HKCR",
}


@dataclass(slots=True)
class RegistryValue:
    """A value with the name as first written. `kind` is String, ExpandString, MultiString, DWord, QWord or Binary."""

    name: str
    kind: str
    data: Any


@dataclass(slots=True)
class RegistryKey:
    path: str
    values: dict[str, RegistryValue] = field(default_factory=dict)


def registry_path(path: str) -> str:
    """`HKLM:\\A\\B`, `HKLM\\A\\B` or `Registry::HKEY_LOCAL_MACHINE\\A\\B` as `HKLM\\A\\B`. Raises KeyError for another root."""
    for prefix in ("Microsoft.PowerShell.Core\\Registry::", "Registry::"):
        if path.lower().startswith(prefix.lower()):
            path = path[len(prefix) :]
    root, _, rest = path.replace("/", "\\").partition("\\")
    hive = HIVES[root.rstrip(":").lower()]
    parts = [part for part in rest.split("\\") if part]
    return "\\".join((hive, *parts))


@dataclass(slots=True)
class Registry:
    """Keys by casefolded path. A key's parents exist; deleting a key deletes what is under it."""

    keys: dict[str, RegistryKey] = field(default_factory=dict)

    def key(self, path: str) -> RegistryKey | None:
        return self.keys.get(registry_path(path).casefold())

    def create(self, path: str) -> RegistryKey:
        """The key at `path`, made with its parents where it does not exist."""
        whole = registry_path(path)
        parts = whole.split("\\")
        for n in range(1, len(parts)):
            parent = "\\".join(parts[:n])
            self.keys.setdefault(parent.casefold(), RegistryKey(parent))
        return self.keys.setdefault(whole.casefold(), RegistryKey(whole))

    def children(self, path: str) -> list[RegistryKey]:
        """The direct subkeys, in the order of their names."""
        prefix = registry_path(path).casefold() + "\\"
        found = [key for name, key in self.keys.items() if name.startswith(prefix) and "\\" not in name[len(prefix) :]]
        return sorted(found, key=lambda key: key.path.casefold())

    def delete(self, path: str) -> bool:
        name = registry_path(path).casefold()
        gone = [key for key in self.keys if key == name or key.startswith(name + "\\")]
        for key in gone:
            del self.keys[key]
        return bool(gone)

    def get(self, path: str, name: str) -> Any:
        """The data of a value, or None where key or value is absent."""
        key = self.key(path)
        value = key.values.get(name.casefold()) if key else None
        return value.data if value else None

    def put(self, path: str, name: str, data: Any, kind: str | None = None) -> None:
        """Writes a value, making the key. Without `kind` it follows from the data."""
        key = self.create(path)
        kind = kind or ("DWord" if isinstance(data, int) else "MultiString" if isinstance(data, list) else "Binary" if isinstance(data, bytes) else "String")
        old = key.values.get(name.casefold())
        key.values[name.casefold()] = RegistryValue(old.name if old else name, kind, data)

    def drop(self, path: str, name: str) -> bool:
        key = self.key(path)
        return key is not None and key.values.pop(name.casefold(), None) is not None


@dataclass(slots=True)
class FileEntry:
    """A file or folder. Big files have no content, only size and hash; `locked` while a process holds it open."""

    path: str
    folder: bool = False
    size: int = 0
    sha256: str = ""
    content: str | None = None
    modified: datetime | None = None
    owner: str = "BUILTIN\\Administrators"
    locked: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition("\\")[2]


def file_path(path: str) -> str:
    """`path` without doubled or trailing separators and with backslashes; a relative one starts in the account's own folder."""
    said = path.replace("/", "\\")
    if not DRIVE.match(said):
        said = "C:" + said if said.startswith("\\") else f"{HOME}\\{said}"
    parts = [part for part in said[2:].split("\\") if part and part != "."]
    return said[:2].upper() + "\\" + "\\".join(parts)


def parent(path: str) -> str:
    """The folder that holds `path`; a drive is its own parent."""
    head = path.rpartition("\\")[0]
    return head + "\\" if head.endswith(":") else head


@dataclass(slots=True)
class FileSystem:
    """Files and folders by casefolded path. Drives are folders; a file's folders exist."""

    entries: dict[str, FileEntry] = field(default_factory=dict)

    def find(self, path: str) -> FileEntry | None:
        return self.entries.get(file_path(path).casefold())

    def folder(self, path: str, now: datetime | None = None) -> FileEntry:
        whole = file_path(path)
        if found := self.entries.get(whole.casefold()):
            return found
        above = parent(whole)
        if above.casefold() != whole.casefold():
            self.folder(above, now)
        entry = self.entries[whole.casefold()] = FileEntry(whole, folder=True, modified=now)
        return entry

    def write(self, path: str, content: str, now: datetime | None = None) -> FileEntry:
        """A small file with its text; its folder is made."""
        data = content.encode("utf-8", "surrogatepass")
        return self.place(path, len(data), hashlib.sha256(data).hexdigest(), now, content)

    def place(self, path: str, size: int, sha256: str, now: datetime | None = None, content: str | None = None) -> FileEntry:
        """A file of which only size and hash matter (an MSI, a virtual disk)."""
        whole = file_path(path)
        self.folder(parent(whole), now)
        entry = self.entries[whole.casefold()] = FileEntry(whole, False, size, sha256.upper(), content, now)
        return entry

    def delete(self, path: str) -> bool:
        name = file_path(path).casefold()
        gone = [key for key in self.entries if key == name or key.startswith(name.rstrip("\\") + "\\")]
        for key in gone:
            del self.entries[key]
        return bool(gone)

    def children(self, path: str) -> list[FileEntry]:
        """What lies directly in the folder, in the order of names."""
        prefix = file_path(path).casefold().rstrip("\\") + "\\"
        found = [entry for name, entry in self.entries.items() if name.startswith(prefix) and len(name) > len(prefix) and "\\" not in name[len(prefix) :]]
        return sorted(found, key=lambda entry: entry.path.casefold())

    def below(self, path: str) -> Iterator[FileEntry]:
        """Everything under the folder at any depth, in the order of paths."""
        prefix = file_path(path).casefold().rstrip("\\") + "\\"
        for name in sorted(self.entries):
            if name.startswith(prefix) and len(name) > len(prefix):
                yield self.entries[name]
