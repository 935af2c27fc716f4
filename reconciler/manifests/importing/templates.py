"""Extensions of virtual machines and scale sets, out of whatever JSON of Azure's holds them; each with what could not be kept.

Forms (azure-extensions 6.2): a template, its resources as a list or a map, nested in their machine or beside it; a scale set's child or
model; an answer of Azure's, one or a list; a bare resource out of a page. Pure; nothing is invented: what is not said is a question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.manifests.importing.evaluation import PLACEHOLDER, Evaluator, Location, Unknown

VM, SET = "virtualmachines", "virtualmachinescalesets"
PARENT = re.compile(r"(?:Microsoft\.Compute/)?(virtualMachines|virtualMachineScaleSets)/([^/'\]]+)", re.IGNORECASE)
IDENTITY = re.compile(
    r"/?subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Compute/(virtualMachines|virtualMachineScaleSets)/([^/]+)", re.IGNORECASE
)
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


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an extension belongs. Empty: not said. `scale_set`: of a set, not of a VM."""

    name: str = ""
    scale_set: bool = False
    subscription: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """One extension, in the fields of AzureVmExtension. `notes`: what was decided or lost. `questions`: what only a person can say."""

    name: str
    machine: Machine
    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


def extensions(document: Any, parameters: Mapping[str, Any] | None = None) -> list[Imported]:
    """`parameters`: values by name, over the template's defaults. Raises nothing for odd content: what is no extension is passed by."""
    found = Evaluator()
    if isinstance(document, Mapping):
        declared = document.get("parameters")
        defaults = {name: said["defaultValue"] for name, said in _maps(declared) if "defaultValue" in said}
        variables = document.get("variables")
        found = Evaluator({**defaults, **(parameters or {})}, variables if isinstance(variables, Mapping) else {})
    return [_Reading(found, raw, parent).imported() for raw, parent in _found(document, Machine(), found)]


def _maps(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield from ((str(name), item) for name, item in value.items() if isinstance(item, Mapping))


def _found(node: Any, parent: Machine, evaluator: Evaluator) -> Iterator[tuple[Mapping[str, Any], Machine]]:
    """Every extension as it is written, with the machine that encloses it."""
    if isinstance(node, list):
        for item in node:
            yield from _found(item, parent, evaluator)
    if not isinstance(node, Mapping):
        return
    kind = str(node.get("type", "")).casefold()
    properties = node.get("properties")
    if kind.endswith("/extensions") or kind == "extensions" or (isinstance(properties, Mapping) and "publisher" in properties and "type" in properties):
        yield node, Machine(parent.name, parent.scale_set or SET in kind, parent.subscription, parent.group)
        return
    inside = _machine(node, kind, evaluator) or parent
    resources = node.get("resources")
    yield from _found(list(resources.values()) if isinstance(resources, Mapping) else resources, inside, evaluator)
    yield from _found(node.get("value"), inside, evaluator)
    for holder in (node, properties, _in(properties, "virtualMachineProfile")):
        yield from _found(_in(_in(holder, "extensionProfile"), "extensions"), Machine(inside.name, True, inside.subscription, inside.group), evaluator)


def _in(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else None


def _machine(node: Mapping[str, Any], kind: str, evaluator: Evaluator) -> Machine | None:
    if not kind.endswith((VM, SET)):
        return None
    identity = IDENTITY.match(str(node.get("id", "")))
    try:
        name = str(evaluator.value(node.get("name", "")))
    except Unknown:
        name = ""
    return Machine(name, kind.endswith(SET), identity[1] if identity else "", identity[2] if identity else "")


@dataclass
class _Reading:
    evaluator: Evaluator
    raw: Mapping[str, Any]
    parent: Machine
    notes: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def imported(self) -> Imported:
        name, machine = self._named()
        properties = self.raw.get("properties")
        said = dict(properties) if isinstance(properties, Mapping) else {}
        fields = {**self._handler(said), **self._upgrades(said), **self._settings(said), **self._rest(said)}
        for unknown in sorted(said.keys() - KNOWN):
            self.notes.append(f"{unknown} is no property that is known here: left out")
        for word, why in (("condition", "it is taken as true"), ("copy", "one is made, not a number of them")):
            if word in self.raw:
                self.notes.append(f"{word} is not worked out: {why}")
        self._location()
        return Imported(name, machine, fields, tuple(self.notes), tuple(self.questions))

    # --- where it belongs

    def _named(self) -> tuple[str, Machine]:
        """The extension's own name, and its machine: by its id, by its name, by what encloses it, by what it depends on."""
        identity = IDENTITY.match(str(self.raw.get("id", "")))
        name = self._text(self.raw.get("name", ""), "name", "what is the extension's name in Azure?")
        before, _, own = name.rpartition("/")
        if identity is not None:
            return own or name, Machine(identity[4], identity[3].casefold() == SET, identity[1], identity[2])
        if before:
            return own, Machine(before, self.parent.scale_set, self.parent.subscription, self.parent.group)
        if self.parent.name:
            return own, self.parent
        return own, self._depended() or self.parent

    def _depended(self) -> Machine | None:
        for said in self.raw.get("dependsOn") or ():
            try:
                found = PARENT.search(str(self.evaluator.value(said)))
            except Unknown as why:
                if PARENT.search(str(said)) or "virtualMachine" in str(said):
                    self.notes.append(f"the machine is not named: {why}")
                continue
            if found and not PLACEHOLDER.fullmatch(found[2]):
                return Machine(found[2], found[1].casefold() == SET)
        return None

    def _location(self) -> None:
        said = self.raw.get("location")
        try:
            value = self.evaluator.value(said)
        except Unknown as why:
            self.notes.append(f"location is left to the VM: {why}")
            return
        if isinstance(value, str) and PLACEHOLDER.search(value):
            self.notes.append(f"location is left to the VM: {value} is a placeholder")
        elif isinstance(value, str) and not isinstance(value, Location):
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
        fields = {"autoUpgradeMinorVersion": self._flag(said, "autoUpgradeMinorVersion")}
        if said.get("autoUpgradeMinorVersion") is None:
            self.notes.append("autoUpgradeMinorVersion is not written: false, as Azure takes it")
        if self._flag(said, "enableAutomaticUpgrade"):
            fields["enableAutomaticUpgrade"] = True
        if self._flag(said, "suppressFailures"):
            fields["suppressFailures"] = True
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
            fields["protectedSettingsFromKeyVault"] = {"secretUrl": vault.get("secretUrl", ""), "sourceVault": _in(source, "id") or source or ""}
        return fields

    def _secrets(self, said: Any) -> Any:
        """References in place of values: what stood in the template is copied nowhere."""
        names = list(said) if isinstance(said, Mapping) else []
        self.notes.append("protectedSettings: the values are not copied; each is read from the environment variable that is named, or name another source")
        if not names:
            return {"env": "PROTECTED_SETTINGS"}
        return {name: {"env": re.sub(r"[^A-Z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(name)).upper())} for name in names}

    def _rest(self, said: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        tag = said.get("forceUpdateTag")
        if isinstance(tag, str) and (plain := OURS.sub("", tag)) and TAG.fullmatch(plain):
            fields["rerun"] = plain
        elif tag:
            self.notes.append("forceUpdateTag cannot be kept as it is: rerun takes 1 to 64 letters, digits and . _ -")
        after = self._value(said.get("provisionAfterExtensions"), "provisionAfterExtensions")
        before = [str(item) for item in after] if isinstance(after, list) else []
        before += [name for name in self._siblings() if name not in before]
        return fields | ({"after": before} if before else {})

    def _siblings(self) -> Iterator[str]:
        """Extensions of the same machine that it depends on."""
        for said in self.raw.get("dependsOn") or ():
            try:
                found = SIBLING.search(str(self.evaluator.value(said)))
            except Unknown:
                continue  # `_depended` has said so
            if found:
                yield found[1]

    # --- values

    def _flag(self, said: Mapping[str, Any], name: str) -> bool:
        value = self._value(said.get(name), name)
        if isinstance(value, str) and value.casefold() in ("true", "false"):
            return value.casefold() == "true"
        return value is True

    def _text(self, written: Any, name: str, question: str) -> str:
        try:
            value = self.evaluator.value(written)
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
        try:
            return self.evaluator.value(written)
        except Unknown as why:
            self.notes.append(f"{name} is left out: {why}")
            self.questions.append(f"what is {name}?")
            return None
