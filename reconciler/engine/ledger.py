"""The record on the host: what this fleet applied, or is about to. Encoding only; the invoker alone reads and writes it.

One value per resource, canonical JSON with the id in it. Secrets stand in it as salted scrypt, never as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from reconciler.core.calls import LedgerCall, Secret
from reconciler.core.canonical import canonical, plain
from reconciler.core.ids import Key, ResourceId
from reconciler.core.resources import Lifecycle, Resource
from reconciler.core.values import quick
from reconciler.engine.shapes import shape

INTENT = "intent"
APPLIED = "applied"


@quick
@dataclass(frozen=True, slots=True)
class Record:
    """What is on record for one resource.

    `spec` in canonical form, secrets as scrypt. `applied`: it was seen to be as declared at least once, under any plan.
    `needs`: (id, bound) of what it needed when it was recorded; prune orders by them.
    `digest`: of a record that lies on the resource itself (engine.tags) all that is known of the spec; `spec` then holds secrets alone.
    """

    id: ResourceId
    key: Key
    spec: Mapping[str, Any]
    phase: str = APPLIED
    plan: str = ""
    commit: str = ""
    applied: bool = False
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    needs: tuple[tuple[str, bool], ...] = ()
    actions: tuple[str, ...] = ()
    tainted: str = ""  # why only a replace helps, kept from the acknowledgement of a failed job until the old is gone
    digest: str = ""
    begun: str = ""  # of an intent: when it was first recorded, UTC, by the clock of whoever acts

    def to_json(self) -> str:
        life = self.lifecycle
        begun = {"begun": self.begun} if self.begun else {}
        return canonical(
            begun
            | {
                "id": str(self.id),
                "key": self.key,
                "spec": self.spec,
                "phase": self.phase,
                "plan": self.plan,
                "commit": self.commit,
                "applied": self.applied,
                "lifecycle": {
                    "preventDestroy": life.prevent_destroy,
                    "deletionPolicy": life.deletion_policy,
                },
                "needs": [list(need) for need in self.needs],
                "actions": list(self.actions),
                "tainted": self.tainted,
            }
        )

    @classmethod
    def of(cls, text: str) -> Record:
        """Raises ValueError for what is no record. What later versions added may be missing: a host keeps records for years."""
        try:
            data = json.loads(text)
            life = data["lifecycle"]
            return cls(
                ResourceId.parse(data["id"]),
                Key(data["key"]),
                data["spec"],
                data["phase"],
                data["plan"],
                data["commit"],
                data["applied"],
                _lifecycle(life["preventDestroy"], life["deletionPolicy"]),
                tuple((id, bound) for id, bound in data["needs"]),
                tuple(data.get("actions", ())),
                data.get("tainted", ""),
                begun=data.get("begun", ""),
            )
        except (KeyError, TypeError, json.JSONDecodeError) as bad:
            raise ValueError(f"not a record: {bad}") from bad


@lru_cache(maxsize=16)
def _lifecycle(prevent_destroy: bool, deletion_policy: str | None) -> Lifecycle:
    """Alike for most records of a fleet, and then one."""
    return Lifecycle(prevent_destroy=prevent_destroy, deletion_policy=deletion_policy)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one host, by id; `foreign` are entries that name another host, `broken` those that cannot be read."""

    by_id: Mapping[ResourceId, Record] = field(default_factory=lambda: MappingProxyType({}))
    foreign: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    fleet: str = ""  # whose they are

    @classmethod
    def read(cls, host: str, ledger: Mapping[str, str], fleet: str = "") -> Records:
        found: dict[ResourceId, Record] = {}
        foreign: list[str] = []
        broken: list[str] = []
        for entry, text in sorted(ledger.items()):
            try:
                record = Record.of(text)
            except ValueError:
                broken.append(entry)
                continue
            if record.id.host.casefold() != host.casefold():
                foreign.append(str(record.id))
            else:
                found[record.id] = record
        return cls(MappingProxyType(dict(sorted(found.items()))), tuple(foreign), tuple(broken), fleet)


def needed(resource: Resource) -> tuple[tuple[str, bool], ...]:
    """What a resource needs, as its record holds it."""
    return tuple((str(need.target), need.bound) for need in resource.needs)


def renamed(resources: Sequence[Resource], records: Records) -> dict[ResourceId, Record]:
    """New id → the record of an id that is declared no more and is the same thing to the host: a resource that got another name."""
    declared = {resource.id for resource in resources}
    free = {(id.kind, record.key): record for id, record in records.by_id.items() if id not in declared}
    return {r.id: free[r.kind, r.key] for r in resources if r.id not in records.by_id and (r.kind, r.key) in free} if free else {}


def recorded_spec(resource: Resource, hashes: Mapping[str, str]) -> dict[str, Any]:
    """The spec as it goes into the record; `hashes`: WRITE_ONLY field → salted scrypt of its value."""
    out = plain(resource.spec)
    for mark in shape(type(resource.spec)).secrets:
        value = getattr(resource.spec, mark.name)
        if value is not None:
            out[mark.name] = {"$scrypt": hashes.get(mark.name, "")} if isinstance(value, Secret | Mapping) else out[mark.name]
    return dict(out)


def salt(machine: str, fleet: str, id: ResourceId, name: str) -> bytes:
    """The salt of one secret on one machine: no two resources or machines share it, and planning twice gives equal bytes."""
    return sha256(f"{machine}\n{fleet}\n{id}\n{name}".encode()).digest()[:16]


def put(fleet: str, record: Record) -> LedgerCall:
    return LedgerCall("put", fleet, record.id.entry, record.to_json())


def drop(fleet: str, id: ResourceId) -> LedgerCall:
    return LedgerCall("delete", fleet, id.entry)
