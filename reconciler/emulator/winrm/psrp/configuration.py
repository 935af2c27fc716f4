"""Session configurations of an emulated host: what a runspace of one may run, read from the files that Windows registers.

`load` reads a folder as `reconcile jea` writes it: a .pssc, the role capability that it names, the function module beside it. What is
read is names, parameters and their sets of values; files that say anything else that matters here are refused.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from reconciler.emulator import catalogue
from reconciler.emulator.estate import EstateError
from reconciler.emulator.winrm.psrp.datafile import read

# Parameters that may be given, each with the values that it may have (None: any); None instead of the map: all parameters.
Fence: TypeAlias = "Mapping[str, frozenset[str] | None] | None"

DEFAULT = "microsoft.powershell"
BATCH = "invoke-batch"
ALLOWED = re.compile(r"-Only\s+@\((.*?)\)", re.DOTALL)
QUOTED = re.compile(r"'((?:[^']|'')*)'")


@dataclass(frozen=True, slots=True)
class Configuration:
    """`cmdlets` by name in small letters; `language` False: no script runs. `sha256`: of the invoker that `Invoke-Batch` is, fenced to `only`."""

    name: str
    language: bool = True
    cmdlets: Mapping[str, Fence] = field(default_factory=lambda: MappingProxyType({}))
    providers: frozenset[str] = frozenset()
    sha256: str = ""
    only: frozenset[str] = frozenset()

    def sees(self, name: str) -> bool:
        """Whether a command of that name is visible."""
        return self.language or name.casefold() in self.cmdlets


FULL = Configuration(DEFAULT)


def load(folder: Path) -> Configuration:
    """The configuration that lies in `folder`, or EstateError."""
    session = read(_one(folder, "*.pssc").read_text(encoding="utf-8-sig"))
    if str(session.get("SessionType", "")).casefold() != "restrictedremoteserver":
        raise EstateError(f"{folder}: only SessionType RestrictedRemoteServer is emulated")
    roles = {str(name) for role in (session.get("RoleDefinitions") or {}).values() for name in _list(role.get("RoleCapabilities"))}
    if len(roles) != 1:
        raise EstateError(f"{folder}: one role capability is emulated, and the session names {len(roles)}")
    role = read(_one(folder, f"**/RoleCapabilities/{roles.pop()}.psrc").read_text(encoding="utf-8-sig"))
    cmdlets = dict(map(_visible, _list(role.get("VisibleCmdlets"))))
    functions = dict(map(_visible, _list(role.get("VisibleFunctions"))))
    sha256, only = _module(folder) if functions.pop(BATCH, {}) is None else ("", frozenset())
    seen = {name: fence for name, fence in cmdlets.items() if not _is_function(name)} | {name: fence for name, fence in functions.items() if _is_function(name)}
    providers = frozenset(str(name).casefold() for name in _list(role.get("VisibleProviders")))
    return Configuration(_one(folder, "*.pssc").stem, False, MappingProxyType(seen), providers, sha256, only)


def _is_function(name: str) -> bool:
    """CDXML and script modules have functions, and those are visible only where they are called so (powershell.md 0.5)."""
    found = catalogue.find(name)
    return found is not None and not found.compiled


def _module(folder: Path) -> tuple[str, frozenset[str]]:
    """What `Invoke-Batch` is: the print of the invoker, and the names that the module keeps it to."""
    text = _one(folder, "**/*.psm1").read_text(encoding="utf-8-sig")
    fence = ALLOWED.search(text)
    if fence is None:
        raise EstateError(f"{folder}: the module does not say what Invoke-Batch is kept to")
    only = frozenset(name.replace("''", "'").casefold() for name in QUOTED.findall(fence[1]))
    return hashlib.sha256(_one(folder, "**/invoker.ps1").read_bytes()).hexdigest(), only


def _visible(said: Any) -> tuple[str, Fence]:
    """One entry of what is visible: a name, or a map with the parameters that are let through.

    Seen on PowerShell 7.0.13: a name with its module imports that, and no session opens where it is absent; in a map it names nothing at all.
    """
    name = str(said["Name"] if isinstance(said, Mapping) else said)
    if "\\" in name and _bare(name) != BATCH:
        raise EstateError(f"{name}: names with their module are not emulated; no session would open on a host without it")
    if not isinstance(said, Mapping):
        return _bare(said), None
    parameters: dict[str, frozenset[str] | None] = {}
    for item in _list(said.get("Parameters")):
        values = item.get("ValidateSet")
        parameters[str(item["Name"]).casefold()] = None if values is None else frozenset(str(value).casefold() for value in _list(values))
    return _bare(said["Name"]), parameters or None


def _bare(name: Any) -> str:
    return str(name).casefold().rpartition("\\")[2]


def _list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise EstateError(f"{folder}: {len(found)} files are called {pattern}, and one is needed")
    return found[0]
