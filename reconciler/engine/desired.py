"""What one host should be, and what may be done about it: the argument of decide. A value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Registry
from reconciler.core.resources import Fleet, Host, Resource
from reconciler.core.values import quick
from reconciler.engine.environment import Limits
from reconciler.engine.judge import UNJUDGED, Settled
from reconciler.engine.shapes import shape


@quick
@dataclass(frozen=True, slots=True)
class Desired:
    """What one host should be, and what may be done about it.

    `chosen` None: every resource. `whole`: the whole fleet was loaded and asked for, so pruning is possible.
    `secrets`: id → WRITE_ONLY field → same | differs | unavailable (none on record), or why its value could not be had;
    `hashes`: id → field → scrypt for the record;
    `missing`: id → why a secret of it cannot be had (a step that would send it is blocked).
    `settled`: the verdict of rules that needed no look at the host.
    """

    host: Host
    fleet: Fleet
    resources: tuple[Resource, ...]
    registry: Registry
    limits: Limits = field(default_factory=Limits)
    chosen: frozenset[ResourceId] | None = None
    excluded: frozenset[ResourceId] = frozenset()
    whole: bool = False
    destroy: tuple[ResourceId, ...] = ()
    secrets: Mapping[ResourceId, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    hashes: Mapping[ResourceId, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    missing: Mapping[ResourceId, str] = field(default_factory=lambda: MappingProxyType({}))
    settled: Settled = UNJUDGED
    run: str = ""  # the plan that is being applied
    braked: str = ""  # why nothing of what is declared no more is deleted: the fleet's brake


def brought(desired: Desired, resource: Resource) -> frozenset[str]:
    """The capabilities that what this resource needs brings along, by name."""
    needs = {need.target for need in resource.needs}
    return frozenset(c.name for other in desired.resources if other.id in needs for c in desired.registry[other.kind].provides(other.spec))


def is_part(registry: Registry, parent: str, kind: str) -> bool:
    """Whether resources of `kind` live inside `parent` and go with it."""
    return any(mark.part and mark.part.kind == kind for mark in shape(registry[parent].spec).parts)
