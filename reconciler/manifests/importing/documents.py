"""Imported extensions as manifests: one Host document a machine, every decision in a comment above it, every gap as a `?` that validate refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from reconciler.manifests.importing.templates import ASK, Found, Imported
from reconciler.manifests.importing.walking import Machine

Drivers = Mapping[tuple[str, str], str]  # publisher and type in small letters → the shorthand for both


def yaml_text(found: Found, source: str, drivers: Drivers, hosts: Mapping[str, str]) -> str:
    """`hosts`: machine's name in small letters → the host that is declared for it; its extensions are written as documents of their own."""
    machines: dict[Machine, list[Imported]] = {}
    for one in found.extensions:
        machines.setdefault(one.machine, []).append(one)
    texts = [_document(machine, extensions, drivers, hosts.get(machine.name.casefold(), "")) for machine, extensions in machines.items()]
    return _comments([f"from {source}", *found.notes]) + "---\n".join(text for each in texts for text in each)


def questions(found: Iterable[Imported]) -> list[str]:
    """What only a person can say, once each."""
    asked: dict[str, None] = {}
    for one in found:
        machine = one.machine
        whose = machine.name or "the machine"
        asked |= dict.fromkeys(f"{one.name or 'the extension'}: {question}" for question in one.questions)
        if not machine.name:
            asked[f"{one.name or 'the extension'}: which VM or scale set has it?"] = None
        if not machine.subscription:
            asked[f"{whose}: which subscription is it in? (az account show --query id)"] = None
        if not machine.group:
            asked[f"{whose}: which resource group is it in?"] = None
    return list(asked)


def _document(machine: Machine, found: Sequence[Imported], drivers: Drivers, host: str) -> list[str]:
    resources = {f"AzureVmExtension/{one.name or ASK}": _fields(one, drivers) for one in found}
    remarks = [f"{one.name or ASK}: {note}" for one in found for note in one.notes]
    if host:
        flat = [_flat(host, name, spec) for name, spec in resources.items()]
        return [_commented(remarks, flat[0]), *(_dumped(each) for each in flat[1:])]
    azure = {"subscription": machine.subscription or ASK, "resourceGroup": machine.group or ASK}
    azure |= {"scaleSet" if machine.scale_set else "vm": machine.name or ASK}
    spec = {"azure": azure, "connection": "none", "resources": resources}
    return [_commented(remarks, {"apiVersion": "reconciler/v1", "kind": "Host", "metadata": {"name": host_name(machine.name)}, "spec": spec})]


def host_name(machine: str) -> str:
    """A name that a host can have."""
    return re.sub(r"[^a-z0-9-]+", "-", machine.casefold()).strip("-") or ASK


def _flat(host: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    kind, _, own = name.partition("/")
    return {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": own}, "spec": {"host": host, **spec}}


def _fields(one: Imported, drivers: Drivers) -> dict[str, Any]:
    fields = {name: value if value != "" else ASK for name, value in one.fields.items()}
    driver = drivers.get((str(fields["publisher"]).casefold(), str(fields["type"]).casefold()))
    if driver is None:
        return fields
    return {"driver": driver, **{name: value for name, value in fields.items() if name not in ("publisher", "type")}}


def _commented(remarks: Iterable[str], document: Mapping[str, Any]) -> str:
    return _comments(remarks) + _dumped(document)


def _comments(remarks: Iterable[str]) -> str:
    return "".join(f"# {line}\n" for remark in remarks for line in remark.splitlines())


def _dumped(document: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=140)
    return text
