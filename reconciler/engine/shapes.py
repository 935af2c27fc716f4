"""What link and diff need of a spec class, worked out once per class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from reconciler.core.model import Existing, FieldMarks, fields


@dataclass(frozen=True, slots=True)
class Shape:
    """Fields by what link does with them, in declared order."""

    marks: Mapping[str, FieldMarks]
    refs: tuple[FieldMarks, ...]
    derived: tuple[FieldMarks, ...]
    gathered: tuple[FieldMarks, ...]
    parts: tuple[FieldMarks, ...]
    keyed: tuple[FieldMarks, ...]
    secrets: tuple[FieldMarks, ...]
    managed: tuple[FieldMarks, ...]
    plain: tuple[FieldMarks, ...]  # neither derived nor gathered nor a part: written, or the default
    required: tuple[FieldMarks, ...]  # without parts
    recorded: tuple[str, ...]  # what a record is compared in
    may_exist: frozenset[str]  # refs that take {existing: NAME}


def _shape(spec: type[BaseModel]) -> Shape:
    marks = fields(spec)
    every = tuple(marks.values())
    return Shape(
        marks=marks,
        refs=tuple(m for m in every if m.ref),
        derived=tuple(m for m in every if m.source),
        gathered=tuple(m for m in every if m.gather),
        parts=tuple(m for m in every if m.part),
        keyed=tuple(m for m in every if m.keyed),
        secrets=tuple(m for m in every if m.write_only),
        managed=tuple(m for m in every if m.managed),
        plain=tuple(m for m in every if not (m.source or m.gather or m.part)),
        required=tuple(m for m in every if m.required and not m.part),
        recorded=tuple(m.name for m in every if not (m.how or m.part or m.write_only)),
        may_exist=frozenset(name for name, info in spec.model_fields.items() if _mentions(info.annotation, Existing)),
    )


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(argument, wanted) for argument in get_args(annotation))


def _entry_of(spec: type[BaseModel], name: str) -> type[BaseModel] | None:
    return _model_in(spec.model_fields[name].annotation)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument)) is not None), None)


# The shape of a spec class, made once per class.
shape: Callable[[Any], Shape] = cache(_shape)
# What an entry of a KEYED map of a spec class is declared as.
entry_of: Callable[[Any, str], type[BaseModel] | None] = cache(_entry_of)
