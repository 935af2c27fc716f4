"""The difference between what is wanted and what is seen, as a value. Made by the engine's diff alone; kinds only read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from reconciler.core.values import quick

T = TypeVar("T")


class Cause(StrEnum):
    """Who moved: NEW nothing was there; DRIFT the world (desired equals recorded); CHANGE the declaration."""

    NEW = "new"
    DRIFT = "drift"
    CHANGE = "change"


@quick
@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `path` is a field, or `field.entry` of a KEYED map. None before or after: nothing there."""

    path: str
    before: Any
    after: Any
    cause: Cause
    immutable: bool = False
    secret: bool = False
    again: bool = False

    @property
    def field(self) -> str:
        return self.path.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Changes(Generic[T]):
    """All differences of one resource.

    `gone` and `new` hold, per KEYED field, the observed entries to take away and the declared ones to add.
    """

    items: tuple[Change, ...] = ()
    gone: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: MappingProxyType({}))
    new: Mapping[str, tuple[Any, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __contains__(self, name: str) -> bool:
        return any(change.field == name for change in self.items)

    def __bool__(self) -> bool:
        return bool(self.items)

    def any(self, *names: str) -> bool:
        return any(name in self for name in names)

    def after(self, *names: str) -> dict[str, Any]:
        """Field → wanted value, of those among `names` that change."""
        return {change.path: change.after for change in self.items if change.path in names}

    def removed(self, name: str) -> Sequence[Any]:
        """Entries of a KEYED field to take away, as observed (they carry what Windows calls them)."""
        return self.gone.get(name, ())

    def added(self, name: str) -> Sequence[Any]:
        """Entries of a KEYED field to add, as declared."""
        return self.new.get(name, ())
