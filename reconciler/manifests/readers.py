"""Reads a node as a type wants it: one reader per annotation, compiled once, composed of leaves and of each other.

A reader is handed the Reading, the node and its dotted path; it returns the typed value, None where nothing is written, or
FAILED after reporting. It never raises for bad input (but for `Enough`) and never looks at another host or file.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from reconciler.core.calls import Secret
from reconciler.core.model import Json
from reconciler.manifests import nodes
from reconciler.manifests.jsonvalues import read_json
from reconciler.manifests.leaves import MARKS, Leaf, Wrong, leaf, plain_message
from reconciler.manifests.nodes import Map, Node, Scalar, describe
from reconciler.manifests.reading import FAILED, Reading
from reconciler.manifests.references import read_secret
from reconciler.manifests.report import shown

Reader: TypeAlias = "Callable[[Reading, Node, str], Any]"
Models: TypeAlias = "Callable[[type[BaseModel]], Reader]"
NAME_NOT = frozenset("./\\")


def compile_reader(annotation: Any, metadata: Sequence[Any], models: Models) -> Reader:
    """The reader of one annotation; `models` gives the reader of a nested model."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return compile_reader(inner, (*more, *metadata), models)
    said = next((item for item in metadata if isinstance(item, Json)), None)
    if said is not None:
        return partial(read_json, secrets=said.secrets)
    if get_origin(annotation) in (Union, types.UnionType):
        return _union(annotation, metadata, models)
    composite = _composite(annotation, models)
    if composite is None:
        return scalar_reader(leaf(annotation, metadata))
    return _checked(composite, [item for item in metadata if not isinstance(item, MARKS)])


def _composite(annotation: Any, models: Models) -> Reader | None:
    origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
    if annotation is Secret:
        return read_secret
    if annotation is Any:
        return _anything
    if not isinstance(origin, type):
        return None
    if issubclass(origin, BaseModel):
        return models(origin)
    if issubclass(origin, Mapping):
        return mapping_reader(compile_reader(arguments[1] if len(arguments) > 1 else Any, (), models))
    if issubclass(origin, Sequence | AbstractSet) and not issubclass(origin, str | bytes):
        return _list_reader(compile_reader(arguments[0] if arguments else Any, (), models), tuple if origin is Sequence else origin)
    return None


def scalar_reader(how: Leaf) -> Reader:
    """One value: the text as typed goes to the leaf."""

    def read(reading: Reading, node: Node, path: str) -> Any:
        if not isinstance(node, Scalar):
            return reading.fail("MAN005", f"{reading.name(path)} wants {how.wants}", node, label=f"here stands {describe(node)}")
        if node.empty:
            return None
        text = node.text if "${" not in node.text else reading.text(node)
        if text is None:
            return FAILED
        try:
            return how.read(text)
        except Wrong as wrong:
            message = f"{reading.name(path)} cannot be {shown(text.strip()) or 'empty'}" if wrong.refused else f"{reading.name(path)} wants {how.wants}"
            return reading.fail("MAN005", message, node, label=wrong.label, help=wrong.help, details=reading.details(node, text))

    return read


def _union(annotation: Any, metadata: Sequence[Any], models: Models) -> Reader:
    """The member is chosen by what stands there: a map, a list or one value."""
    members = [member for member in get_args(annotation) if member is not types.NoneType]
    if len(members) == 1:
        return compile_reader(members[0], metadata, models)
    composites = [(member, reader) for member in members if (reader := _composite(_bare(member), models)) is not None]
    scalars = tuple(member for member in members if _composite(_bare(member), models) is None)
    by_map = next((reader for member, reader in composites if _takes_map(_bare(member))), None)
    by_list = next((reader for member, reader in composites if not _takes_map(_bare(member))), None)
    by_scalar = _scalar_of(scalars, metadata, models) if scalars else by_map or by_list
    assert by_scalar is not None

    def read(reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Map) and by_map is not None:
            return by_map(reading, node, path)
        if isinstance(node, nodes.Sequence) and by_list is not None:
            return by_list(reading, node, path)
        return by_scalar(reading, node, path)

    return read


def _scalar_of(members: tuple[Any, ...], metadata: Sequence[Any], models: Models) -> Reader:
    if len(members) == 1:
        return compile_reader(members[0], metadata, models)
    return scalar_reader(leaf(Union[members], metadata))  # noqa: UP007 - the members are only known at run time


def _bare(member: Any) -> Any:
    return get_args(member)[0] if get_origin(member) is Annotated else member


def _takes_map(member: Any) -> bool:
    origin = get_origin(member) or member
    return member is Secret or (isinstance(origin, type) and issubclass(origin, BaseModel | Mapping))


def mapping_reader(entry: Reader) -> Reader:
    """A map of people's own names to entries."""

    def read(reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.empty:
            return None
        if not isinstance(node, Map):
            return reading.fail(
                "MAN005", f"{reading.name(path)} wants a map of names", node, label=f"here stands {describe(node)}", help="write NAME: VALUE, one a line"
            )
        out: dict[str, Any] = {}
        for name, (key, value) in node.entries.items():
            if not entry_name(reading, key, path):
                continue
            reading.mark(f"{path}.{name}", key, value)
            out[name] = entry(reading, value, f"{path}.{name}")
        return FAILED if any(value is FAILED for value in out.values()) else {name: value for name, value in out.items() if value is not None}

    return read


def entry_name(reading: Reading, key: Scalar, path: str) -> bool:
    """Whether a key can be an entry's name: it becomes part of an id and of dotted paths."""
    name = key.text
    if name.strip() == name and name and name.isprintable() and len(name) <= 64 and not NAME_NOT & set(name):
        return True
    reading.fail("MAN014", f"an entry of {reading.name(path)} cannot be called that", key, help="1 to 64 characters, without . / \\ and without spaces around")
    return False


def _list_reader(item: Reader, make: Callable[[list[Any]], Any]) -> Reader:
    def read(reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.empty:
            return None
        if not isinstance(node, nodes.Sequence):
            return reading.fail("MAN005", f"{reading.name(path)} wants a list", node, label=f"here stands {describe(node)}", help=_as_list(node))
        out: list[Any] = []
        for index, child in enumerate(node.items):
            here = f"{path}.{index}"
            reading.where[here] = reading.at(child)
            value = item(reading, child, here)
            out.append(value if value is not None else reading.fail("MAN005", f"{reading.name(path)} has an item that says nothing", child))
        return FAILED if any(value is FAILED for value in out) else make(out)

    return read


def _as_list(node: Node) -> str:
    return f"write [{node.text}]" if isinstance(node, Scalar) and node.length == len(node.text) else ""


def _checked(reader: Reader, validators: Sequence[Any]) -> Reader:
    """A composite whose type has validators of its own."""
    if not validators:
        return reader
    adapter = TypeAdapter(Annotated[Any, *validators])

    def read(reading: Reading, node: Node, path: str) -> Any:
        value = reader(reading, node, path)
        if value is None or value is FAILED:
            return value
        try:
            return adapter.validate_python(value)
        except ValidationError as problem:
            return reading.fail("MAN005", f"{reading.name(path)} cannot be this", node, label=plain_message(problem))

    return read


def _anything(reading: Reading, node: Node, path: str) -> Any:
    """A value without a type: text, lists and maps of text."""
    match node:
        case Scalar() if node.empty:
            return None
        case Scalar():
            text = reading.text(node)
            return FAILED if text is None else text
        case Map():
            return mapping_reader(_anything)(reading, node, path)
        case nodes.Sequence():
            return _list_reader(_anything, tuple)(reading, node, path)
