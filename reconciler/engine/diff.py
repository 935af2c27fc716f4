"""The one place where wanted and seen are compared. Pure.

Fields that are left out are not compared; a field that cannot be read now is compared with the record instead:
wanted against recorded is a change all the same, wanted against nothing is never drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.calls import Later
from reconciler.core.canonical import plain
from reconciler.core.changes import Cause, Change, Changes
from reconciler.core.model import FieldMarks, construct
from reconciler.core.observations import Present
from reconciler.core.resources import Resource
from reconciler.engine.ledger import Record
from reconciler.engine.shapes import Shape, entry_of, shape
from reconciler.engine.tags import digest_of

SAME, DIFFERS, UNAVAILABLE = "same", "differs", "unavailable"


@dataclass(frozen=True, slots=True)
class Difference:
    """`unverified`: field → why it could not be compared."""

    changes: Changes[Any]
    unverified: Mapping[str, str] = field(default_factory=dict)


def everything(resource: Resource, record: Record | None) -> Changes[Any]:
    """The changes of something that is not there: every set field, FIXED ones left out."""
    of = shape(type(resource.spec))
    items: list[Change] = []
    new: dict[str, tuple[Any, ...]] = {}
    whole = _as_a_whole(resource, record)
    for mark in (*of.managed, *of.secrets):
        want = getattr(resource.spec, mark.name)
        if want is None or mark.fixed or (mark.untold and want == mark.default):
            continue
        if mark.keyed:
            new[mark.name] = tuple(want.values())
            items += [Change(f"{mark.name}.{name}", None, entry, whole or _cause(record, mark.name, want, name)) for name, entry in want.items()]
        else:
            items.append(Change(mark.name, None, want, whole or _cause(record, mark.name, want), secret=mark.write_only))
    return Changes(tuple(items), {}, new)


def compare(resource: Resource, present: Present[Any], record: Record | None, secrets: Mapping[str, str]) -> Difference:
    """What differs between a resource and what is there. `secrets`: WRITE_ONLY field → the verdict that `Desired.secrets` holds."""
    of = shape(type(resource.spec))
    found = _Found(resource, present, record)
    ignored = resource.common.lifecycle.ignore_changes
    for mark in of.managed:
        want = getattr(resource.spec, mark.name)
        if want is not None and mark.name not in ignored:
            found.field(mark, want)
    for mark in of.secrets:
        if getattr(resource.spec, mark.name) is not None and mark.name not in ignored:
            found.secret(mark, secrets.get(mark.name, UNAVAILABLE))
    return Difference(Changes(tuple(found.items), found.gone, found.new), found.unverified)


class _Found:
    def __init__(self, resource: Resource, present: Present[Any], record: Record | None) -> None:
        self.resource = resource
        self.present = present
        self.record = record
        self.whole = Cause.CHANGE if present.recordless else _as_a_whole(resource, record)
        self.items: list[Change] = []
        self.gone: dict[str, tuple[Any, ...]] = {}
        self.new: dict[str, tuple[Any, ...]] = {}
        self.unverified: dict[str, str] = {}

    def field(self, mark: FieldMarks, want: Any) -> None:
        if isinstance(want, Later):
            self.unverified[mark.name] = "known after apply"
        elif mark.name in self.present.unseen:
            self._unseen(mark, want, self.present.unseen[mark.name])
        elif mark.keyed:
            self._keyed(mark, want, getattr(self.present.state, mark.name) or ())
        else:
            have = getattr(self.present.state, mark.name)
            if want != have:
                immutable = mark.immutable and have is not None
                self.items.append(Change(mark.name, have, want, self.whole or _cause(self.record, mark.name, want), immutable, again=mark.again))

    def _unseen(self, mark: FieldMarks, want: Any, why: str) -> None:
        """Against the record. What is declared for the first time is a change too, unless only a replace could make it so."""
        known = self.record is not None and mark.name in self.record.spec
        before = self.record.spec[mark.name] if self.record is not None and known else None
        moved = self.record is not None and self.record.applied and not self.record.digest and before != plain(want)
        if moved and (known or not mark.immutable):
            self.items.append(Change(mark.name, before, want, Cause.CHANGE, mark.immutable))
        else:
            self.unverified[mark.name] = why

    def secret(self, mark: FieldMarks, verdict: str) -> None:
        if verdict == DIFFERS:
            self.items.append(Change(mark.name, None, getattr(self.resource.spec, mark.name), Cause.CHANGE, secret=True))
        elif verdict == UNAVAILABLE:
            self.unverified[mark.name] = "it cannot be read back, and there is nothing on record to compare with"
        elif verdict != SAME:
            self.unverified[mark.name] = verdict

    def _keyed(self, mark: FieldMarks, want: Mapping[str, Any], have: tuple[Any, ...]) -> None:
        """Entries meet by their identity; those of others stay, unless `exclusive`."""
        there = {_identity(mark, entry): entry for entry in have}
        before = {_recorded_identity(mark, entry) for entry in ((self.record.spec.get(mark.name) or {}) if self.record else {}).values()}
        gone: list[Any] = []
        new: list[Any] = []
        for name, entry in want.items():
            seen = there.pop(_identity(mark, entry), None)
            if seen is None or not _covers(entry, seen):
                new.append(entry)
                gone += [seen] if seen is not None else []
                self.items.append(Change(f"{mark.name}.{name}", _as(entry, seen), entry, self.whole or _cause(self.record, mark.name, want, name)))
        for identity, seen in there.items():
            if self.resource.common.exclusive or tuple(plain(part) for part in identity) in before:
                gone.append(seen)
                self.items.append(leaving(type(self.resource.spec), mark, seen, Cause.DRIFT if self.resource.common.exclusive else Cause.CHANGE))
        if gone or new:
            self.gone[mark.name], self.new[mark.name] = tuple(gone), tuple(new)


def _identity(mark: FieldMarks, entry: Any) -> tuple[Any, ...]:
    return tuple(getattr(entry, name) for name in mark.keyed)


def _recorded_identity(mark: FieldMarks, entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in mark.keyed)


def leaving(spec: type[Any], mark: FieldMarks, seen: Any, cause: Cause) -> Change:
    """An observed entry of a KEYED map that goes, called by its identity, in the fields that somebody could have declared."""
    declared = entry_of(spec, mark.name)
    shown = seen if declared is None else declared.model_construct(None, **{name: getattr(seen, name, None) for name in declared.model_fields})
    return Change(f"{mark.name}.{' '.join(str(part) for part in _identity(mark, seen))}", shown, None, cause)


def _covers(want: Any, have: Any) -> bool:
    """Whether every set field of a declared entry is so on the host."""
    return all(value is None or value == getattr(have, name, None) for name, value in want.__dict__.items())


def _as(want: Any, have: Any) -> Any:
    """An observed entry in the fields of the declared one, for showing."""
    return None if have is None else type(want).model_construct(None, **{name: getattr(have, name, None) for name in want.__dict__})


def _as_a_whole(resource: Resource, record: Record | None) -> Cause | None:
    """The cause of every difference, where the record knows the spec by its digest alone."""
    if record is None or not record.digest:
        return None
    return Cause.DRIFT if record.digest == digest_of(resource) else Cause.CHANGE


def _cause(record: Record | None, name: str, want: Any, entry: str | None = None) -> Cause:
    """Desired equals recorded: the world moved. Desired differs from recorded: the declaration did."""
    if record is None or not record.applied:
        return Cause.NEW
    if entry is not None:
        recorded = (record.spec.get(name) or {}).get(entry)
        return Cause.DRIFT if recorded == plain(want[entry]) else Cause.CHANGE
    if name not in record.spec:
        return Cause.CHANGE
    before = record.spec[name]
    hidden = isinstance(before, Mapping) and "$scrypt" in before
    return Cause.DRIFT if hidden or isinstance(want, Later) or before == plain(want) else Cause.CHANGE


def project(of: Shape, state_type: Any, resource: Resource, state: Any, changes: Changes[Any]) -> Any:
    """The state that converging will make: the spec laid over what is seen. Of what is there, an ignored field stays as it is."""
    ignored = resource.common.lifecycle.ignore_changes if state is not None else ()
    values = {name: getattr(state, name, None) for name in state_type.model_fields}
    for mark in of.managed:
        want = getattr(resource.spec, mark.name)
        if want is None or mark.name in ignored or mark.name not in values:
            continue
        if mark.keyed:
            gone = changes.removed(mark.name)
            values[mark.name] = (*(entry for entry in values[mark.name] or () if entry not in gone), *changes.added(mark.name))
        else:
            values[mark.name] = want
    return construct(state_type, values)
