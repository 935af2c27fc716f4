"""The official signatures of the cmdlets, as the binder needs them; read from the data that `reconciler.signatures` ships."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

ALL = "__AllParameterSets"
COMPILED = ("Hyper-V", "Dism", "ServerManager", "Microsoft.PowerShell.", "CimCmdlets", "HostComputeService")
PER_PROVIDER = re.compile(r"\s+-\s+\w+ providers?$")
FUNCTIONS = ("Get-FileHash",)  # windows-outputs Get-FileHash: a script function in 5.1

# Parameters that every cmdlet has, and those that come with what it `supports`.
COMMON: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Verbose": ("SwitchParameter", ("vb",)),
    "Debug": ("SwitchParameter", ("db",)),
    "ErrorAction": ("String", ("ea",)),
    "WarningAction": ("String", ("wa",)),
    "InformationAction": ("String", ("infa",)),
    "ErrorVariable": ("String", ("ev",)),
    "WarningVariable": ("String", ("wv",)),
    "InformationVariable": ("String", ("iv",)),
    "OutVariable": ("String", ("ov",)),
    "OutBuffer": ("Int32", ("ob",)),
    "PipelineVariable": ("String", ("pv",)),
}
SUPPORTED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "WhatIf": ("SwitchParameter", ("wi",)),
    "Confirm": ("SwitchParameter", ("cf",)),
    "CimSession": ("Object", ()),
    "ThrottleLimit": ("Int32", ()),
    "AsJob": ("SwitchParameter", ()),
    "ComputerName": ("String[]", ("cn",)),
    "Credential": ("Object", ()),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    common: bool = False


@dataclass(frozen=True, slots=True)
class ParameterSet:
    name: str
    default: bool
    mandatory: tuple[str, ...]
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Signature:
    """One cmdlet. `names` finds a parameter by any exact name or alias, casefolded."""

    name: str
    module: str
    compiled: bool
    parameters: Mapping[str, Parameter]
    names: Mapping[str, str]
    sets: tuple[ParameterSet, ...]
    releases: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What follows the comma in the ids of its errors: a class for compiled cmdlets, its name for functions."""
        return error_suffix(self.name, self.module) if self.compiled else self.name


def error_suffix(name: str, module: str) -> str:
    verb, _, noun = name.partition("-")
    match module:
        case "Hyper-V":
            return f"Microsoft.HyperV.PowerShell.Commands.{verb}{noun}"
        case "Dism":
            return f"Microsoft.Dism.Commands.{verb}{noun}Command"
        case "ServerManager":
            verb = {"Install": "Add", "Uninstall": "Remove"}.get(verb, verb)
            return f"Microsoft.Windows.ServerManager.Commands.{verb}{noun}Command"
        case "CimCmdlets":
            return f"Microsoft.Management.Infrastructure.CimCmdlets.{verb}{noun}Command"
        case "HostComputeService":
            return f"Microsoft.HostCompute.PowerShell.{verb}{noun}"
    return f"Microsoft.PowerShell.Commands.{verb}{noun}Command"


def signature(name: str, raw: Mapping[str, Any]) -> Signature:
    """A signature out of one entry of the catalogue."""
    own = {n: Parameter(n, p["type"], tuple(p.get("aliases", ())), tuple(p.get("values", ()))) for n, p in raw["parameters"].items()}
    more = {**COMMON, **{n: SUPPORTED[n] for n in raw.get("supports", ()) if n in SUPPORTED}}
    shared = {n: Parameter(n, kind, aliases, common=True) for n, (kind, aliases) in more.items() if n not in own}
    parameters = {**own, **shared}
    names = {alias.casefold(): n for n, p in parameters.items() for alias in (*p.aliases, n)}
    sets = _merged([_set(set_name, s, own) for set_name, s in raw["sets"].items()])
    compiled = raw["module"].startswith(COMPILED) and name not in FUNCTIONS
    return Signature(name, raw["module"], compiled, parameters, names, sets, tuple(raw.get("releases", ())))


def _set(name: str, raw: Mapping[str, Any], own: Mapping[str, Parameter]) -> ParameterSet:
    known = {n.casefold(): n for n in own}
    mandatory = tuple(known.get(n.casefold(), n) for n in raw["mandatory"])
    members = frozenset((*mandatory, *(known.get(n.casefold(), n) for n in raw["optional"])))
    return ParameterSet(ALL if name == "(All)" else name, bool(raw.get("default")), mandatory, members)


def _merged(sets: Sequence[ParameterSet]) -> tuple[ParameterSet, ...]:
    """One set for those that the catalogue lists per provider (`Path  - FileSystem provider`): they are one with dynamic parameters."""
    by_name: dict[str, ParameterSet] = {}
    for one in sets:
        name = PER_PROVIDER.sub("", one.name)
        old = by_name.get(name)
        if old is None:
            by_name[name] = ParameterSet(name, one.default, one.mandatory, one.members)
        else:
            mandatory = tuple(m for m in old.mandatory if m in one.mandatory)
            by_name[name] = ParameterSet(name, old.default or one.default, mandatory, old.members | one.members)
    return tuple(by_name.values())


@cache
def _raw() -> Mapping[str, Any]:
    data = resources.files("reconciler.signatures").joinpath("data/inputs.json").read_text(encoding="utf-8")
    cmdlets: Mapping[str, Any] = json.loads(data)
    return {name.casefold(): (name, entry) for name, entry in cmdlets.items()}


@cache
def find(name: str) -> Signature | None:
    """The signature of a cmdlet by its bare name, without regard to case."""
    found = _raw().get(name.casefold())
    return signature(*found) if found else None


def names() -> Sequence[str]:
    """All cmdlets of the catalogue, sorted."""
    return sorted(name for name, _ in _raw().values())
