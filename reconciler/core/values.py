"""Frozen dataclasses with slots that are made by the million: made, and changed, in less than half the time.

`dataclass(frozen=True)` sets each field by name through `object.__setattr__`. Here a value is filled as one of an open twin of its
class, whose slots take plain assignments, and becomes one of the frozen class once it is whole. For large values on the way of
every resource; they compare, hash, print and refuse changes as before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

from reconciler.core.errors import Defect

T = TypeVar("T")

MAKE = """def __init__(self, {parameters}):
    {become}(self, "__class__", {open})
    {filled}
    self.__class__ = {whole}
"""
CHANGE = """def changed(value, fields):
    made = {open}()
    {copied}
    for name in fields:
        setattr(made, name, fields[name])
    made.__class__ = {whole}
    return made
"""

_changed: dict[type, Callable[[Any, dict[str, Any]], Any]] = {}


def quick(cls: type[T]) -> type[T]:
    """Over `@dataclass(frozen=True, slots=True)`: for a class whose fields are all given to `__init__` and kept as they are."""
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # of a dataclass, as said
    if hasattr(cls, "__post_init__") or not all(field.init for field in fields):
        raise Defect(f"{cls.__name__} is more than its fields")
    names = [field.name for field in fields]
    twin = type(f"Open{cls.__name__}", cls.__bases__, {"__slots__": tuple(names)})
    known: dict[str, Any] = {"_become": object.__setattr__, "_open": twin, "_whole": cls}
    known |= {f"default_{field.name}": field.default for field in fields if field.default is not dataclasses.MISSING}
    known |= {f"make_{field.name}": field.default_factory for field in fields if field.default_factory is not dataclasses.MISSING}
    parts = {
        "parameters": ", ".join(map(_parameter, fields)),
        "filled": "\n    ".join(map(_filled, fields)),
        "copied": "\n    ".join(f"made.{name} = value.{name}" for name in names),
        "become": "_become",
        "open": "_open",
        "whole": "_whole",
    }
    exec(MAKE.format(**parts) + CHANGE.format(**parts), known)
    make = known["__init__"]
    make.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = make  # type: ignore[method-assign]
    _changed[cls] = known["changed"]
    return cls


def _parameter(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"{field.name}=default_{field.name}"
    return field.name if field.default_factory is dataclasses.MISSING else f"{field.name}=_open"


def _filled(field: dataclasses.Field[Any]) -> str:
    """`_open`, which nobody else has, stands for a value that is made anew each time."""
    made = field.default_factory is not dataclasses.MISSING
    return f"self.{field.name} = make_{field.name}() if {field.name} is _open else {field.name}" if made else f"self.{field.name} = {field.name}"


def replace(value: T, /, **fields: Any) -> T:
    """As `dataclasses.replace`."""
    changed = _changed.get(type(value))
    if changed is None:
        return dataclasses.replace(value, **fields)  # type: ignore[type-var]
    made: T = changed(value, fields)
    return made
