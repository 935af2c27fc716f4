"""The shipped catalogue: what cmdlets take (`CmdletSignature`) and what their objects hold (`OutputSignature`).

Read by law 6, the emulator's binder and the printer through `catalogue()`, which loads once, on first use. It knows the official
facts and nothing of kinds; judging a call is `check`, where the facts fall short is `exceptions`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

UNVERIFIED = ("unverified",)


@dataclass(frozen=True, slots=True)
class ParameterSignature:
    """A parameter: `type` as PowerShell names it without `System.`, `values` where the set is closed (official spelling)."""

    name: str
    type: str
    aliases: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    documented: bool = True

    @property
    def switch(self) -> bool:
        return self.type == "SwitchParameter"

    @property
    def array(self) -> bool:
        return self.type.endswith("[]")

    @property
    def element(self) -> str:
        """The type of one value: of an array's entry, or of what may be null."""
        return self.type.removesuffix("[]").removeprefix("Nullable`1[").strip("[]").removeprefix("System.")


@dataclass(frozen=True, slots=True)
class ParameterSet:
    name: str
    default: bool
    mandatory: frozenset[str]
    optional: frozenset[str]

    @property
    def takes(self) -> frozenset[str]:
        return self.mandatory | self.optional

    @property
    def bound(self) -> str:
        """The set that the binder knows: `Path - FileSystem provider` is the documentation's view of the set `Path`."""
        return self.name.partition(" - ")[0].strip()


@dataclass(frozen=True, slots=True)
class CmdletSignature:
    """What a cmdlet takes. `supports` are further common parameters (WhatIf, CimSession …), free in every set.

    `compiled` tells cmdlets of an assembly from functions (script and CDXML modules): the two answer a wrong value with different ids.
    """

    name: str
    module: str
    parameters: Mapping[str, ParameterSignature]
    sets: Mapping[str, ParameterSet]
    supports: frozenset[str]
    compiled: bool
    releases: tuple[str, ...]

    def find(self, name: str) -> ParameterSignature | None:
        """The parameter of that name or alias, case aside, as the binder finds it (prefixes left out)."""
        folded = name.casefold()
        for parameter in self.parameters.values():
            if folded in (parameter.name.casefold(), *(alias.casefold() for alias in parameter.aliases)):
                return parameter
        return None


@dataclass(frozen=True, slots=True)
class PropertySignature:
    """A property: `type` is what PowerShell 5.1 hands out; `since` the first release of Windows Server seen with it."""

    name: str
    type: str
    evidence: tuple[str, ...]
    enum: str | None = None
    values: tuple[str, ...] = ()
    unit: str | None = None
    nullable: bool = False
    since: str | None = None

    @property
    def verified(self) -> bool:
        """Whether anything but belief stands behind it; one that is not must not be selected without a guard."""
        return self.evidence != UNVERIFIED

    @property
    def element(self) -> str:
        """The type of one object in it, whatever holds it."""
        return self.type.removesuffix("[]").removeprefix("IReadOnly").removeprefix("List<").removesuffix(">")


@dataclass(frozen=True, slots=True)
class Missing:
    """The error where the object is absent; `id` None means nothing is answered, or (not `verified`) that the id is not known."""

    id: str | None
    category: str
    exception: str | None
    verified: bool


@dataclass(frozen=True, slots=True)
class OutputSignature:
    """What an answered object holds. A name in brackets, such as `(value)`, says that the object is a bare value."""

    name: str
    type: str
    module: str
    properties: Mapping[str, PropertySignature]
    missing: Missing | None = None
    siblings: Mapping[str, Missing] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All shipped signatures. Names are looked up with their case aside and with or without a module in front."""

    cmdlets: Mapping[str, CmdletSignature]
    answers: Mapping[str, OutputSignature]
    classes: Mapping[str, OutputSignature]
    enums: Mapping[str, Mapping[str, int | None]]
    _folded: Mapping[str, str]
    _by_type: Mapping[str, OutputSignature]

    def cmdlet(self, name: str) -> CmdletSignature | None:
        module, _, bare = name.rpartition("\\")
        found = self.cmdlets.get(self._folded.get(bare.casefold(), ""))
        return None if found and module and module.casefold() != found.module.casefold() else found

    def outputs(self, name: str, class_: str | None = None) -> OutputSignature | None:
        """What `name` answers; `class_` is the CIM class that Get-CimInstance was asked for, or the full name of an object type."""
        bare = name.rpartition("\\")[2]
        if class_ is not None:
            return self.answers.get(f"{bare} {class_}") or self.classes.get(class_)
        return self.answers.get(self._folded.get(bare.casefold(), bare))

    def objects(self, type_: str) -> OutputSignature | None:
        """What an object of the type (its last name) holds, where it is known."""
        return self._by_type.get(type_.rpartition(".")[2])


@cache
def catalogue() -> Catalogue:
    """The shipped catalogue, read on first use."""
    inputs, outputs = _read("inputs.json"), _read("outputs.json")
    cmdlets = {name: _cmdlet(name, entry) for name, entry in inputs.items()}
    answers = {name: _output(name, entry) for name, entry in outputs["cmdlets"].items()}
    classes = {name: _output(name, entry) for name, entry in outputs["classes"].items()}
    return Catalogue(
        cmdlets=MappingProxyType(cmdlets),
        answers=MappingProxyType(answers),
        classes=MappingProxyType(classes),
        enums=MappingProxyType({name: MappingProxyType(entry["values"]) for name, entry in outputs["enums"].items()}),
        _folded=MappingProxyType({name.casefold(): name for name in (*answers, *cmdlets)}),
        _by_type=MappingProxyType(_types(answers, classes)),
    )


def _read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(files("reconciler.signatures").joinpath("data", name).read_text(encoding="utf-8"))
    return loaded


def _types(answers: Mapping[str, OutputSignature], classes: Mapping[str, OutputSignature]) -> dict[str, OutputSignature]:
    """Objects by the last name of their type; a Get- cmdlet's own account goes before another's of the same type."""
    ranked = sorted(answers.values(), key=lambda answer: (answer.name.startswith("Get-"), answer.name))
    known = {answer.type.rpartition(".")[2]: answer for answer in ranked if answer.type.startswith("Microsoft.") and "#" not in answer.type}
    return known | {name.rpartition(".")[2]: answer for name, answer in classes.items()}


def _cmdlet(name: str, entry: Mapping[str, Any]) -> CmdletSignature:
    return CmdletSignature(
        name=name,
        module=entry["module"],
        parameters=MappingProxyType({parameter: _parameter(parameter, facts) for parameter, facts in entry["parameters"].items()}),
        sets=MappingProxyType({label: _set(label, facts) for label, facts in entry["sets"].items()}),
        supports=frozenset(entry["supports"]),
        compiled=entry["compiled"],
        releases=tuple(entry["releases"]),
    )


def _parameter(name: str, facts: Mapping[str, Any]) -> ParameterSignature:
    return ParameterSignature(
        name, facts["type"].removeprefix("System."), tuple(facts.get("aliases", ())), tuple(facts.get("values", ())), facts.get("documented", True)
    )


def _set(name: str, facts: Mapping[str, Any]) -> ParameterSet:
    return ParameterSet(name, facts["default"], frozenset(facts["mandatory"]), frozenset(facts["optional"]))


def _output(name: str, entry: Mapping[str, Any]) -> OutputSignature:
    missing = entry.get("missing")
    siblings = {label: _missing(facts) for label, facts in (missing or {}).items() if isinstance(facts, dict)}
    return OutputSignature(
        name=name,
        type=entry.get("type", name),
        module=entry.get("module", ""),
        properties=MappingProxyType({label: _property(label, facts) for label, facts in entry["properties"].items()}),
        missing=_missing(missing) if missing else None,
        siblings=MappingProxyType(siblings),
    )


def _missing(facts: Mapping[str, Any]) -> Missing:
    evidence = tuple(facts.get("evidence", UNVERIFIED))
    return Missing(facts.get("errorId"), facts.get("category", "unverified"), facts.get("exception"), evidence != UNVERIFIED)


def _property(name: str, facts: Mapping[str, Any]) -> PropertySignature:
    return PropertySignature(
        name=name,
        type=facts["type"],
        evidence=tuple(facts["evidence"]),
        enum=facts.get("enum"),
        values=tuple(facts.get("values", ())),
        unit=facts.get("unit"),
        nullable=facts.get("nullable", False),
        since=facts.get("since"),
    )
