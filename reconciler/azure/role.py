"""The least that an identity must be allowed for declared hosts, and a custom role of it. Pure.

`reconcile jea --azure` writes the role, the doctor compares what is needed with what is allowed. What must be allowed follows from the
words of the kinds; a restart is needed only where a spec asks for one and nothing but Azure could make it. Sources: azure-extensions 1.9;
`signatures/data/arm.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.calls import Plane
from reconciler.core.kinds import Registry
from reconciler.core.resources import Azure, Host, Resource
from reconciler.signatures import arm_catalogue

POLL = "Microsoft.Compute/locations/operations/read"  # the status URLs of whatever takes long
GREETINGS = ("VirtualMachines_Get", "VirtualMachineScaleSets_Get")
RESTART = "VirtualMachines_Restart"


@dataclass(frozen=True, slots=True)
class Needs:
    """Actions at the machine's scope; `told` are those of the whole subscription, without which rules about sizes and versions wait."""

    actions: tuple[str, ...]
    told: tuple[str, ...] = ()


def needs(host: Host, resources: Iterable[Resource], registry: Registry) -> Needs:
    """What looking at a host with `azure:` and keeping its resources takes."""
    assert host.azure is not None
    words = {*registry.operations(), *GREETINGS} - {RESTART}
    if not host.connected and any(_restarts(registry, one) for one in resources):
        words.add(RESTART)
    known = arm_catalogue().operations
    here = [known[word] for word in sorted(words) if _of(known[word].template, host.azure)]
    polled = [POLL] if any(one.long for one in here) else []
    return Needs(
        _ordered(action for one in here if not one.cached for action in [*one.actions, *polled]),
        _ordered(action for one in here if one.cached for action in one.actions),
    )


def _restarts(registry: Registry, resource: Resource) -> bool:
    kind = registry[resource.kind]
    return kind.plane is Plane.ARM and kind.restart(resource.spec)


def _of(template: str, azure: Azure) -> bool:
    """Whether the operation is one of such a machine; what names neither is one of both."""
    other = "{scaleSet}" if azure.vm else "{vm}"
    return not template.startswith(other)


def custom_roles(name: str, hosts: Sequence[tuple[Azure, Needs]]) -> Mapping[str, Mapping[str, Any]]:
    """Role definitions by file name, as `az role definition create` takes them: one for resource groups, one for subscriptions."""
    groups = _ordered(f"/subscriptions/{azure.subscription}/resourceGroups/{azure.resource_group}" for azure, _ in hosts)
    whole = _ordered(f"/subscriptions/{azure.subscription}" for azure, _ in hosts)
    machine = _ordered(action for _, need in hosts for action in need.actions)
    told = _ordered(action for _, need in hosts for action in need.told)
    found = {"role.json": _definition(name, "What the specs of reconcile need of these resource groups", machine, groups)}
    if told:
        found["role-facts.json"] = _definition(f"{name} facts", "Sizes and versions, that rules of reconcile ask for; optional", told, whole)
    return found


def _definition(name: str, description: str, actions: Sequence[str], scopes: Sequence[str]) -> dict[str, Any]:
    lists: dict[str, Any] = {"Actions": list(actions), "NotActions": [], "DataActions": [], "NotDataActions": [], "AssignableScopes": list(scopes)}
    return {"Name": name, "IsCustom": True, "Description": description} | lists


def lacking(wanted: Iterable[str], allowed: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Those of the actions that no row of Azure's permissions list allows. A row: `actions` but for its `notActions`, with wildcards."""
    rows = list(allowed)
    return tuple(action for action in wanted if not any(_any(row.get("actions"), action) and not _any(row.get("notActions"), action) for row in rows))


def _any(patterns: Any, action: str) -> bool:
    """`*` stands for any text, slashes included; nothing else is special."""
    return any(re.fullmatch(re.escape(str(pattern)).replace(r"\*", ".*"), action, re.IGNORECASE) for pattern in patterns or ())


def _ordered(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({one.casefold(): one for one in found}.values(), key=str.casefold))
