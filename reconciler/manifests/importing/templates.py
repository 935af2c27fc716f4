"""Extensions of virtual machines and scale sets, out of whatever JSON of Azure's holds them; each with what could not be kept.

Forms (azure-extensions 6.2): a template, its resources as a list or a map, nested in their machine or beside it, in loops and in nested
deployments; a scale set's child or model; an answer of Azure's or what az prints of it, one or a list; a bare resource out of a page.
Where they are is `walking`'s, what an expression is worth is `evaluation`'s. Pure; nothing is invented: what is not said is a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.manifests.importing.evaluation import PLACEHOLDER, Here, Unknown
from reconciler.manifests.importing.walking import IDENTITY, Machine, Place, Walk, Written, summary

PARENT = re.compile(r"(?:Microsoft\.Compute/)?(virtualMachines|virtualMachineScaleSets)/([^/'\]]+)", re.IGNORECASE)
ASK = "?"  # what validate refuses, whatever the field
SETS = "virtualmachinescalesets"
SIBLING = re.compile(r"/extensions/([^/]+)$", re.IGNORECASE)
TAG = re.compile(r"[A-Za-z0-9._-]{1,64}")
OURS = re.compile(r":\d{1,6}(:[0-9a-f]{16})?$")  # what this product adds to it
KNOWN = {
    "publisher",
    "type",
    "typeHandlerVersion",
    "autoUpgradeMinorVersion",
    "enableAutomaticUpgrade",
    "settings",
    "protectedSettings",
    "protectedSettingsFromKeyVault",
    "forceUpdateTag",
    "suppressFailures",
    "provisionAfterExtensions",
    "provisioningState",  # what Azure adds in its answers
    "instanceView",
}
AROUND = {  # of the resource itself: what is used here, and what says nothing of the extension
    *("id", "name", "type", "properties", "location", "tags", "dependsOn", "condition", "copy", "apiVersion", "existing"),
    *("resourceGroup", "etag", "systemData", "typePropertiesType", "virtualMachineExtensionType"),  # in answers, and in what az prints
}


@dataclass(frozen=True, slots=True)
class Imported:
    """One extension, in the fields of AzureVmExtension. `notes`: what was decided or lost. `questions`: what only a person can say."""

    name: str
    machine: Machine
    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """`notes`: what of the document is kept nowhere."""

    extensions: tuple[Imported, ...]
    notes: tuple[str, ...] = ()


def extensions(document: Any, parameters: Mapping[str, Any] | None = None) -> Found:
    """`parameters`: values by name, over the template's defaults. Raises nothing for odd content."""
    walk = Walk()
    walk.document(document, parameters or {})
    return Found(tuple(_Reading(written).imported() for written in walk.found), tuple(summary(walk)))


def _in(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _said(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The properties: in a map of their own, or, as az prints them, beside the name. What is null is not said."""
    properties = raw.get("properties")
    if not isinstance(properties, Mapping):
        properties = {name: value for name, value in raw.items() if name not in AROUND}
        properties["type"] = raw.get("typePropertiesType") or raw.get("virtualMachineExtensionType")
    return {name: value for name, value in properties.items() if value is not None}


@dataclass
class _Reading:
    written: Written
    notes: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def raw(self) -> Mapping[str, Any]:
        return self.written.raw

    @property
    def place(self) -> Place:
        return self.written.place

    def imported(self) -> Imported:
        name, machine = self._named()
        said = _said(self.raw)
        fields = {**self._handler(said), **self._upgrades(said), **self._settings(said), **self._rest(said, machine)}
        for unknown in sorted(said.keys() - KNOWN):
            self.notes.append(f"{unknown} is no property that is known here: left out")
        self._beside()
        self._location()
        return Imported(name, machine, fields, (*self.notes, *self.place.notes), tuple(self.questions))

    def _beside(self) -> None:
        """What the resource itself says and a spec has no word for. Azure's answers say what is empty too."""
        tags = self.raw.get("tags")
        if isinstance(tags, Mapping) and (theirs := [str(name) for name in tags if not str(name).startswith("reconciler.")]):
            self.notes.append(f"tags are left out: {', '.join(theirs)}; those that are on the extension in Azure stay there")
        if isinstance(self.raw.get("properties"), Mapping):
            others = sorted(name for name, value in self.raw.items() if value and name not in AROUND)
            self.notes += [f"{name} is left out: a spec has no word for it" for name in others]

    # --- where it belongs

    def _named(self) -> tuple[str, Machine]:
        """The extension's own name, and its machine: by its id, by its name, by what encloses it, by what it depends on."""
        identity = IDENTITY.match(str(self.raw.get("id", "")))
        name = self._text(self.raw.get("name", ""), "name", "what is the extension's name in Azure?")
        before, _, own = name.rpartition("/")
        if identity is not None:
            return own or name, Machine(identity[4], identity[3].casefold() == SETS, identity[1], identity[2])
        if before:
            return own, replace(self.place.machine, name=before)
        if self.place.machine.name:
            return own, self.place.machine
        return own, self._depended() or self.place.machine

    def _depended(self) -> Machine | None:
        for _, path in self._dependencies():
            if isinstance(path, Unknown):
                if "virtualMachine" in str(self.raw.get("dependsOn")):
                    self.notes.append(f"the machine is not named: {path}")
            elif (found := PARENT.search(path)) and not PLACEHOLDER.fullmatch(found[2]):
                return replace(self.place.machine, name=found[2], scale_set=found[1].casefold() == SETS)
        return None

    def _dependencies(self) -> Iterator[tuple[str, str | Unknown]]:
        """As written, and as a type/name path; what is named by symbol or by name alone is looked up."""
        said = self.raw.get("dependsOn")
        for one in said if isinstance(said, list) else ():
            try:
                value = str(self.place.evaluator.value(one))
            except Unknown as why:
                yield str(one), why
            else:
                yield value, self.place.named.get(value.casefold(), value)

    def _location(self) -> None:
        said = self.raw.get("location")
        try:
            value = self.place.evaluator.value(said)
        except Here:
            return
        except Unknown as why:
            self.notes.append(f"location is left to the VM: {why}")
            return
        if isinstance(value, str) and PLACEHOLDER.search(value):
            self.notes.append(f"location is left to the VM: {value} is a placeholder")
        elif isinstance(value, str):
            self.notes.append(f"location {value} is left out: an extension is where its VM is")

    # --- what it is

    def _handler(self, said: Mapping[str, Any]) -> dict[str, Any]:
        fields = {name: self._text(said.get(name, ""), name, f"which {name}?") for name in ("publisher", "type")}
        if " " in fields["publisher"]:
            right = fields["publisher"].replace(" ", "")
            self.notes.append(f"no publisher has a space in its name, {fields['publisher']!r} is written: {right} is taken")
            fields["publisher"] = right
        return fields | {"version": self._version(said.get("typeHandlerVersion"))}

    def _version(self, said: Any) -> str:
        if isinstance(said, int | float) and not isinstance(said, bool):
            self.notes.append(f"typeHandlerVersion is the number {said}: a last nought is lost in it (1.10 is read as 1.1); look whether it is meant")
            said = f"{said}" if isinstance(said, float) else f"{said}.0"
        text = self._text(said or "", "typeHandlerVersion", "which version, as text: major.minor?")
        found = re.fullmatch(r"(\d+\.\d+)(\.[\d.]+)?", text)
        if found and found[2]:
            self.notes.append(f"version {text}: major and minor alone are declared, {found[1]}")
        return found[1] if found else text

    def _upgrades(self, said: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {"autoUpgradeMinorVersion": self._flag(said, "autoUpgradeMinorVersion")}
        if said.get("autoUpgradeMinorVersion") is None:
            self.notes.append("autoUpgradeMinorVersion is not written: false, as Azure takes it")
        for name in ("enableAutomaticUpgrade", "suppressFailures"):
            if value := self._flag(said, name):
                fields[name] = value
        return fields

    def _settings(self, said: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        settings = self._value(said.get("settings"), "settings")
        if settings:
            fields["settings"] = settings
        if said.get("protectedSettings"):
            fields["protectedSettings"] = self._secrets(said["protectedSettings"])
        vault = self._value(said.get("protectedSettingsFromKeyVault"), "protectedSettingsFromKeyVault")
        if isinstance(vault, Mapping):
            source = vault.get("sourceVault")
            fields["protectedSettingsFromKeyVault"] = {"secretUrl": vault.get("secretUrl", ASK), "sourceVault": _in(source, "id") or source or ASK}
        elif vault == ASK:
            fields["protectedSettingsFromKeyVault"] = vault
        return fields

    def _secrets(self, said: Any) -> Any:
        """References in place of values: what stood in the template is copied nowhere."""
        names = list(said) if isinstance(said, Mapping) else []
        self.notes.append("protectedSettings: the values are not copied; each is read from the environment variable that is named, or name another source")
        if not names:
            return {"env": "PROTECTED_SETTINGS"}
        return {name: {"env": re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).upper())} for name in names}

    def _rest(self, said: Mapping[str, Any], machine: Machine) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        tag = said.get("forceUpdateTag")
        try:
            tag = self.place.evaluator.value(tag)
        except Unknown as why:
            self.notes.append(f"forceUpdateTag is left out: {why}")
            tag = None
        plain = OURS.sub("", tag) if isinstance(tag, str) else ""
        if TAG.fullmatch(plain):
            fields["rerun"] = plain
        elif plain or (tag and not isinstance(tag, str)):
            self.notes.append("forceUpdateTag cannot be kept as it is: rerun takes 1 to 64 letters, digits and . _ -")
        after = self._value(said.get("provisionAfterExtensions"), "provisionAfterExtensions")
        before = [str(item) for item in after] if isinstance(after, list) else []
        before += [name for name in self._siblings(machine) if name not in before]
        return fields | ({"after": ASK} if after == ASK else {"after": before} if before else {})

    def _siblings(self, machine: Machine) -> Iterator[str]:
        """Extensions of the same machine that it depends on. The machine itself goes without saying; of the rest there is a note."""
        for written, path in self._dependencies():
            if isinstance(path, Unknown):
                if machine.name:  # else `_depended` has said so
                    self.notes.append(f"dependsOn {written} is left out: {path}")
                continue
            of, extension = PARENT.search(path), SIBLING.search(path)
            same = (of[2] if of else path).casefold() == machine.name.casefold()
            if extension and same:
                yield extension[1]
            elif extension or not (same or PLACEHOLDER.search(path)):
                self.notes.append(f"dependsOn {path} is left out: after names extensions of the same machine alone")

    # --- values

    def _flag(self, said: Mapping[str, Any], name: str) -> bool | str:
        value = self._value(said.get(name), name)
        if isinstance(value, str) and value.casefold() in ("true", "false"):
            return value.casefold() == "true"
        return ASK if value == ASK else value is True

    def _text(self, written: Any, name: str, question: str) -> str:
        try:
            value = self.place.evaluator.value(written)
        except Unknown as why:
            self.notes.append(f"{name}: {why}")
            value = ""
        if not isinstance(value, str) or not value:
            self.questions.append(question)
            return ""
        if PLACEHOLDER.fullmatch(value):
            self.notes.append(f"{name}: {value} is a placeholder")
            self.questions.append(question)
            return ""
        return value

    def _value(self, written: Any, name: str) -> Any:
        """What it is worth; where a part of it has no value, that part is named, and the whole is asked for."""
        part, found = name, {}
        try:
            if not isinstance(written, Mapping):
                return self.place.evaluator.value(written)
            for key, item in written.items():
                part = f"{name}.{key}"
                found[key] = self.place.evaluator.value(item)
        except Unknown as why:
            self.notes.append(f"{part}: {why}")
            self.questions.append(f"what is {name}?")
            return ASK
        return found
