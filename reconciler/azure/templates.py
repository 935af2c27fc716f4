"""Extensions as an ARM template: for those who deploy by template, and to be imported again. Pure; called by `reconcile export --arm`.

What the template's api-version does not know is left out where it is off, and refused where it is on. Secrets become parameters of type
securestring, without a value. Source: azure-extensions 1.2, 6.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.calls import Secret
from reconciler.core.resources import Azure
from reconciler.signatures import arm_catalogue

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
VM, SET = "Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets"
OPERATIONS = {VM: "VirtualMachineExtensions_CreateOrUpdate", SET: "VirtualMachineScaleSetExtensions_CreateOrUpdate"}
HERE = "[resourceGroup().location]"


class TooOld(Exception):
    """The api-version does not know a property that is on; the text says which one does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One extension: its machine, its name, `properties` of a PUT's body (secrets as references), names of those that come before it."""

    azure: Azure
    name: str
    properties: Mapping[str, Any]
    after: tuple[str, ...] = ()


@dataclass
class _Writing:
    api_version: str
    parameters: dict[str, Secret] = field(default_factory=dict)

    def resource(self, entry: Entry) -> dict[str, Any]:
        kind = VM if entry.azure.vm else SET
        found: dict[str, Any] = {"type": f"{kind}/extensions", "apiVersion": self.api_version, "name": f"{entry.azure.name}/{entry.name}"}
        if entry.azure.vm:
            found["location"] = HERE
        if entry.after:
            found["dependsOn"] = [f"[resourceId({_quoted(kind + '/extensions')}, {_quoted(entry.azure.name)}, {_quoted(name)})]" for name in entry.after]
        return found | {"properties": dict(self._properties(kind, entry))}

    def _properties(self, kind: str, entry: Entry) -> Iterator[tuple[str, Any]]:
        known = arm_catalogue().operations[OPERATIONS[kind]].body
        for name, value in entry.properties.items():
            if value is None:
                continue
            since = known[f"properties.{name}"].since
            if since > self.api_version:
                if value:
                    raise TooOld(f"{entry.azure.name}/{entry.name}: {name} came with api-version {since}")
                continue
            yield name, self._value(value, name)

    def _value(self, value: Any, name: str) -> Any:
        if isinstance(value, Secret):
            return f"[parameters({_quoted(self._parameter(value, name))})]"
        if isinstance(value, Mapping):
            return {str(key): self._value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(item, name) for item in value]
        return f"[{value}" if isinstance(value, str) and value.startswith("[") else value

    def _parameter(self, secret: Secret, name: str) -> str:
        """One parameter a secret, under the name of the field that first holds it."""
        for taken, other in self.parameters.items():
            if other == secret:
                return taken
        wished = re.sub(r"\W+", "", name) or "secret"
        number = sum(re.fullmatch(rf"{wished}\d*", taken) is not None for taken in self.parameters)
        self.parameters[f"{wished}{number + 1}" if number else wished] = secret
        return f"{wished}{number + 1}" if number else wished


def template(entries: Sequence[Entry], api_version: str = "") -> dict[str, Any]:
    """Raises TooOld."""
    writing = _Writing(api_version or arm_catalogue().api_version)
    resources = [writing.resource(entry) for entry in entries]
    found: dict[str, Any] = {"$schema": SCHEMA, "contentVersion": "1.0.0.0"}
    if writing.parameters:
        found["parameters"] = {
            name: {"type": "secureObject" if name == "protectedSettings" else "securestring", "metadata": {"description": f"was {secret}"}}
            for name, secret in writing.parameters.items()
        }
    return found | {"resources": resources}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
