"""Specs and states: frozen pydantic models, and the marks on their fields that tell the engine what a field means.

A mark stands in `Annotated[...]`. `fields(SPEC)` reads them once per class. A field whose value is None is not managed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A value with named fields. Frozen; unknown fields are refused; text is taken as it is typed."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, arbitrary_types_allowed=True, str_strip_whitespace=False)


M = TypeVar("M", bound=BaseModel)


def construct(model: type[M], values: dict[str, Any]) -> M:
    """An instance out of values that were read already: all fields, in the order of the model. Takes `values` as its own.

    As pydantic's `model_construct` with every field given, without looking for aliases and defaults; instances share the names.
    """
    made = model.__new__(model)
    for slot, value in (("__dict__", values), ("__pydantic_fields_set__", _names(model)), ("__pydantic_extra__", None), ("__pydantic_private__", None)):
        object.__setattr__(made, slot, value)
    return made


@cache
def _names(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


@dataclass(frozen=True, slots=True)
class Mark:
    """A meaning without arguments; see the constants below."""

    name: str


HOW = Mark("HOW")  # used by actions and recorded; never compared; a change of it alone is no step
IMMUTABLE = Mark("IMMUTABLE")  # a change is a replace
FIXED = Mark("FIXED")  # always managed with its default, never typed
WRITE_ONLY = Mark("WRITE_ONLY")  # cannot be read back: compared by salted hash with the record
AGAIN = Mark("AGAIN")  # a difference means: run it again
UNTOLD = Mark("UNTOLD")  # its default is nothing that a plan of something new has to tell


@dataclass(frozen=True, slots=True)
class Json:
    """A map that a service defines: read as JSON has it. With `secrets`, a reference such as {env: NAME} may stand for any value in it."""

    secrets: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A map name → entry in YAML, matched to the host's entries by these fields of the entry."""

    fields: tuple[str, ...]


def KEYED(*names: str) -> Keyed:  # noqa: N802 - reads as a mark beside IMMUTABLE and HOW
    """Match entries by `names`; two declared entries with equal fields are an error; foreign entries stay unless `exclusive`."""
    return Keyed(names)


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of a resource of `kind` on the same host. Bound: the target cannot be replaced or deleted while this stays.

    `behind`: fields of other kinds (`DhcpScope.switchName`); what names the same target there serves it, and is needed too.
    """

    kind: str
    bound: bool = False
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class From:
    """A left-out value that comes from elsewhere: `metadata.name`, `refField.path`, or `refField.state.path` (Later until seen).

    Where the first part is no reference, it is a field of this spec whose value knows more than its name (`driver.publisher`).
    `beside`: only where that field of the same spec is given (a gateway has no meaning without an address).
    `yields`: what is written may differ; it is only what is taken where nothing is.
    """

    path: str
    beside: str = ""
    yields: bool = False


@dataclass(frozen=True, slots=True)
class Gather:
    """A left-out value that collects `Kind.field` of all resources of that kind on the host; edges go to what was gathered."""

    path: str


@dataclass(frozen=True, slots=True)
class Part:
    """Written inside its parent, lifted into a resource of `kind` of its own.

    `parent` is the part's field that gets the parent's name (its bound reference). `many`: a map name → part, else one part.
    """

    kind: str
    parent: str
    many: bool = False


class Existing(Model):
    """`{existing: NAME}`: something others made; looked up, never made."""

    existing: str


@dataclass(frozen=True, slots=True)
class FieldMarks:
    """All that one field of a spec says about itself."""

    name: str
    how: bool = False
    immutable: bool = False
    fixed: bool = False
    write_only: bool = False
    again: bool = False
    untold: bool = False
    keyed: tuple[str, ...] = ()
    ref: Ref | None = None
    source: From | None = None
    gather: Gather | None = None
    part: Part | None = None
    required: bool = False
    default: Any = None

    @property
    def managed(self) -> bool:
        """Whether the field is compared with what is seen on the host."""
        return not (self.how or self.write_only or self.part)


@cache
def fields(spec: type[BaseModel]) -> Mapping[str, FieldMarks]:
    """The marks of every field of `spec`, in declared order."""
    return MappingProxyType({name: _marks(name, info) for name, info in spec.model_fields.items()})


def _marks(name: str, info: Any) -> FieldMarks:
    said: dict[str, Any] = {
        "name": name,
        "required": info.is_required(),
        "default": None if info.is_required() else info.get_default(call_default_factory=True),
    }
    for mark in info.metadata:
        match mark:
            case Mark():
                said[{"HOW": "how", "IMMUTABLE": "immutable", "FIXED": "fixed", "WRITE_ONLY": "write_only"}.get(mark.name, mark.name.lower())] = True
            case Keyed():
                said["keyed"] = mark.fields
            case Ref():
                said["ref"] = mark
            case From():
                said["source"] = mark
            case Gather():
                said["gather"] = mark
            case Part():
                said["part"] = mark
    return FieldMarks(**said)
