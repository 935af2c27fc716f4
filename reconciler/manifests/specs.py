"""Readers of whole models: fields by name, what is missing, what must not be written; and the specs of kinds with their marks.

`Specs` compiles one reader per model, once per load. A kind's spec is read into a dict of typed values: references, derived
values and parts are the engine's to fill in. Nested models are built at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from reconciler.core.calls import Secret
from reconciler.core.diagnostics import Label
from reconciler.core.errors import Defect
from reconciler.core.kinds import Registry
from reconciler.core.model import FieldMarks, Part, fields
from reconciler.manifests.leaves import plain_message
from reconciler.manifests.nodes import Map, Node, Scalar, describe
from reconciler.manifests.readers import Reader, compile_reader, entry_name
from reconciler.manifests.reading import FAILED, Reading
from reconciler.manifests.report import NOT_SHOWN, closest, listed, meant, shown

NAME = "metadata.name"
MANY = 24  # more fields than this are not listed in a help line


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model: how it is read, and what its marks say about writing it."""

    name: str
    read: Reader
    required: bool
    fixed: bool = False
    secret: bool = False
    form: str = "…"


@dataclass(frozen=True, slots=True)
class Spec:
    """The readable fields of a kind or of a part. `named`: the field that is the resource's own name."""

    fields: Mapping[str, Field]
    named: Field | None = None


class Specs:
    """All readers of one registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._specs: dict[tuple[str, str], Spec] = {}
        self._models: dict[type[BaseModel], Reader] = {}
        self._shapes: dict[type[BaseModel], Mapping[str, Field]] = {}

    def of(self, kind: str, without: str = "") -> Spec:
        """The spec of a registered kind; of a part, `without` the field that its parent fills in."""
        key = (kind, without)
        if key not in self._specs:
            if kind not in self.registry:
                raise Defect(f"a part refers to the kind {kind}, which is not registered")
            model: type[BaseModel] = self.registry[kind].spec
            readable = {name: self._field(model, marks) for name, marks in fields(model).items() if name != without}
            named = next((readable[name] for name, marks in fields(model).items() if marks.source and marks.source.path == NAME), None)
            self._specs[key] = Spec(MappingProxyType(readable), named)
        return self._specs[key]

    def shape(self, model: type[BaseModel]) -> Mapping[str, Field]:
        """The fields of a model that is read field by field, so that one bad field does not cost the others."""
        if model not in self._shapes:
            self._shapes[model] = MappingProxyType({name: self._field(model, marks) for name, marks in fields(model).items()})
        return self._shapes[model]

    def model(self, model: type[BaseModel]) -> Reader:
        """The reader of a nested model: a map becomes an instance."""
        if model not in self._models:
            self._models[model] = _later(self._models, model)  # for a model that holds itself
            self._models[model] = _model_reader(model, self.shape(model))
        return self._models[model]

    def _field(self, model: type[BaseModel], marks: FieldMarks) -> Field:
        info = model.model_fields[marks.name]
        if marks.part is not None:
            return Field(marks.name, self._part(marks.part), marks.required, form="{NAME: {…}}" if marks.part.many else "{…}")
        read = compile_reader(info.annotation, info.metadata, self.model)
        given = marks.source or marks.gather
        return Field(marks.name, read, marks.required and not given, marks.fixed, _is_secret(info.annotation), form_of(info.annotation))

    def _part(self, part: Part) -> Reader:
        one = _part_reader(self, part)
        return _many_parts(one, self, part) if part.many else one


def _later(models: Mapping[type[BaseModel], Reader], model: type[BaseModel]) -> Reader:
    def read(reading: Reading, node: Node, path: str) -> Any:
        return models[model](reading, node, path)

    return read


def form_of(annotation: Any) -> str:
    """How a value of that type is written, as far as its type says: `A | B`, `true`, `{env: NAME}`, `[…]`."""
    if _is_secret(annotation):
        return "{env: NAME}"
    inner = get_args(annotation)
    origin = get_origin(annotation) or annotation
    if origin is Annotated:
        return form_of(inner[0])
    if origin is Literal:
        return " | ".join(str(choice) for choice in inner)
    if isinstance(origin, type):
        return _form_of_class(origin)
    forms = [form for each in inner if each is not type(None) and (form := form_of(each)) != "…"]
    return next((form for form in forms if not form.startswith("{")), forms[0] if forms else "…")  # the short way to write it first


def _form_of_class(found: type) -> str:
    if issubclass(found, Enum):
        return " | ".join(str(choice.value) for choice in found)
    forms = (
        (bool, "true | false"),
        (int, "NUMBER"),
        (str, "TEXT"),
        (IPv4Address, "ADDRESS"),
        (timedelta, "DURATION"),
        (BaseModel, "{…}"),
        (Mapping, "{NAME: …}"),
        (tuple, "[…]"),
        (list, "[…]"),
    )
    return next((form for base, form in forms if issubclass(found, base)), "…")


def _is_secret(annotation: Any) -> bool:
    return annotation is Secret or any(_is_secret(member) for member in get_args(annotation))


def read_fields(reading: Reading, node: Map, known: Mapping[str, Field], path: str = "", skip: Collection[str] = ()) -> dict[str, Any]:
    """The typed values of a map's fields. What failed is left out, and `reading.broken` says so; fields in `skip` are somebody else's."""
    values: dict[str, Any] = {}
    prefix = f"{path}." if path else ""
    for name, (key, value_node) in node.entries.items():
        if name in skip:
            continue
        field = known.get(name)
        if field is None or field.fixed:
            _refuse(reading, key, value_node, known, path, skip)
            continue
        here = prefix + name
        reading.mark(here, key, value_node)
        value = field.read(reading, value_node, here)
        if value is not FAILED and value is not None:
            values[name] = value
    return values


def missing(reading: Reading, node: Map, at: Node, values: Mapping[str, Any], known: Mapping[str, Field], path: str = "") -> bool:
    """Report every required field that is not written. A field that was written and failed has been reported."""
    absent = [name for name, field in known.items() if field.required and name not in values and _unwritten(node, name)]
    if absent and not node.damaged:
        forms = ", ".join(f"{name}: {known[name].form}" for name in absent)
        reading.fail("MAN006", f"{reading.name(path)} lacks {listed(absent, 'and')}", at, help=f"write {forms}")
    return bool(absent)


def _unwritten(node: Map, name: str) -> bool:
    entry = node.entries.get(name)
    return entry is None or (isinstance(entry[1], Scalar) and entry[1].empty)


def _refuse(reading: Reading, key: Scalar, value: Node, known: Mapping[str, Field], path: str, skip: Collection[str]) -> None:
    owner, name = reading.name(path), key.text
    if name in known:
        reading.fail("MAN015", f"{owner}.{name} is never written", key, help="remove it: it always holds")
        return
    writable = [*(field.name for field in known.values() if not field.fixed), *skip]
    near = closest(name, writable)
    hidden = (Label(reading.at(value), NOT_SHOWN),) if near in known and known[near].secret and isinstance(value, Scalar) and not value.empty else ()
    help = f"it has {listed(sorted(writable), 'and')}" if not near and 0 < len(writable) <= MANY else ""
    reading.fail("MAN004", f"{owner} has no field {shown(name)}", key, label=meant(name, writable), labels=hidden, help=help)


def as_map(reading: Reading, node: Node, path: str, at: Node | None = None) -> Map | None:
    """The node as a map of fields; nothing written is an empty one; anything else is an error."""
    if isinstance(node, Map):
        return node
    if isinstance(node, Scalar) and node.empty:
        empty = Map(node.line, node.column) if at is None else Map(at.line, at.column)
        empty.size = 1
        return empty
    reading.fail("MAN005", f"{reading.name(path)} wants a map of fields", node, label=f"here stands {describe(node)}")
    return None


def _model_reader(model: type[BaseModel], known: Mapping[str, Field]) -> Reader:
    def read(reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.empty:
            return None
        map_node = as_map(reading, node, path)
        if map_node is None:
            return FAILED
        before, reading.broken = reading.broken, map_node.damaged
        values = read_fields(reading, map_node, known, path)
        lacks = missing(reading, map_node, node, values, known, path)
        failed, reading.broken = reading.broken, reading.broken or before
        if failed or lacks:
            return FAILED
        try:
            return model(**values)
        except ValidationError as problem:
            return reading.fail("MAN005", f"{reading.name(path)} cannot be this", node, label=plain_message(problem))

    return read


def _part_reader(specs: Specs, part: Part) -> Reader:
    """A part's fields stay a dict: the engine lifts it into a resource of its own."""

    def read(reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.empty:
            return None
        map_node = as_map(reading, node, path)
        if map_node is None:
            return FAILED
        known = specs.of(part.kind, part.parent).fields
        values = read_fields(reading, map_node, known, path)
        missing(reading, map_node, node, values, known, path)
        return values

    return read


def _many_parts(one: Reader, specs: Specs, part: Part) -> Reader:
    """Parts by name; a part's field that is its own name is read from the key."""

    def read(reading: Reading, node: Node, path: str) -> Any:
        map_node = as_map(reading, node, path)
        if map_node is None:
            return FAILED
        parts: dict[str, Any] = {}
        for name, (key, value) in map_node.entries.items():
            if not entry_name(reading, key, path):
                continue
            here = f"{path}.{name}"
            reading.mark(here, key, value)
            entry = as_map(reading, value, here, key)
            if entry is not None:
                parts[name] = values = one(reading, entry, here)
                own_name(reading, specs.of(part.kind, part.parent), key, name, values, here)
        return parts

    return read


def own_name(reading: Reading, spec: Spec, key: Scalar, name: str, values: dict[str, Any], path: str = "") -> None:
    """The field that is a resource's name is read from its key, by that field's own type, unless it is written."""
    if spec.named is None:
        return
    here = f"{path}.{spec.named.name}" if path else spec.named.name
    if here in reading.where:
        return
    literal = Scalar(name, key.line, key.column, key.length, plain=False)
    value = spec.named.read(reading, literal, here)
    if value is not FAILED:
        values[spec.named.name] = value
        reading.where[here] = reading.at(key)
