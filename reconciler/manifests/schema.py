"""JSON Schema of what people write, for editors: the same models that `load` reads, seen from the outside.

It is looser than `load` where JSON Schema has no word for it (an address in a network, a reference to a name that exists),
and narrower in two things of taste: words of a closed set in their own case, and no field without a value.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from reconciler.core.calls import Secret
from reconciler.core.kinds import Registry
from reconciler.core.model import fields
from reconciler.manifests.leaves import options
from reconciler.manifests.shapes import API_VERSION, AddressSpec, CommonSpec, FleetMetadata, FleetSpec, HostMetadata, HostSpec, SelectorSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALAR = {"type": ["string", "number", "boolean"]}
EXPRESSION = {"type": "string", "pattern": r"\$\{"}
NAMED = "^{}/.+$"
Json = dict[str, Any]


def schema(registry: Registry) -> Json:
    """The schema of one document; a file holds any number of them."""
    kinds = {name: _spec(registry, name) for name in registry}
    documents = [_document("Fleet", _closed(FleetMetadata), _closed(FleetSpec)), _document("Host", _closed(HostMetadata), _host(registry))]
    documents += [_flat(registry, name) for name in registry]
    return {"$schema": DIALECT, "title": f"{API_VERSION} manifest", "oneOf": documents, "$defs": {**kinds, "secret": _secret()}}


def _document(kind: str, metadata: Json, spec: Json) -> Json:
    said = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind}, "metadata": metadata, "spec": spec}
    return {"title": kind, "type": "object", "properties": said, "required": ["apiVersion", "kind"], "additionalProperties": False}


def _host(registry: Registry) -> Json:
    spec = _closed(HostSpec)
    spec["properties"] |= _closed(AddressSpec)["properties"]
    spec["properties"]["resources"] = {
        "type": "object",
        "properties": {name: _nullable({"$ref": f"#/$defs/{name}"}) for name in registry if registry[name].singleton},
        "patternProperties": {NAMED.format(name): _nullable({"$ref": f"#/$defs/{name}"}) for name in registry if not registry[name].singleton},
        "additionalProperties": False,
    }
    return spec


def _flat(registry: Registry, kind: str) -> Json:
    spec = _spec(registry, kind)
    spec["properties"] |= {"host": {"type": "string"}, "hosts": {"oneOf": [{"const": "all"}, _closed(SelectorSpec)]}}
    spec["oneOf"] = [{"required": ["host"]}, {"required": ["hosts"]}]
    metadata: Json = {"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": False}
    if not registry[kind].singleton:
        metadata["required"] = ["name"]
    return _document(kind, metadata, spec)


def _spec(registry: Registry, kind: str, without: str = "") -> Json:
    """The spec of a kind; of a part, without the field that its parent fills in and without the fields of resources."""
    out = _closed(registry[kind].spec, registry, without)
    if registry[kind].title:
        out["description"] = registry[kind].title
    if not without:
        out["properties"] |= _closed(CommonSpec)["properties"]
    return out


def _closed(model: type[BaseModel], registry: Registry | None = None, without: str = "") -> Json:
    """An object with these fields and no others."""
    marks = {name: mark for name, mark in fields(model).items() if not mark.fixed and name != without}
    properties: Json = {}
    for name, mark in marks.items():
        if mark.part is not None and registry is not None:
            part = _spec(registry, mark.part.kind, mark.part.parent)
            properties[name] = {"type": "object", "additionalProperties": part} if mark.part.many else part
        else:
            properties[name] = of_type(model.model_fields[name].annotation)
    required = [name for name, mark in marks.items() if mark.required and not (mark.source or mark.gather)]
    return {"type": "object", "properties": properties, **({"required": required} if required else {}), "additionalProperties": False}


def of_type(annotation: Any) -> Json:
    """What may stand for a value of this type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return of_type(arguments[0])
    if origin in (Union, types.UnionType):
        members = [of_type(member) for member in arguments if member is not types.NoneType]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if annotation is Secret:
        return {"$ref": "#/$defs/secret"}
    if annotation is Any:
        return {}
    return _of_class(annotation, origin, arguments)


def _of_class(annotation: Any, origin: Any, arguments: tuple[Any, ...]) -> Json:
    if origin is Literal:
        return _words([str(value) for value in arguments])
    plain = origin or annotation
    if not isinstance(plain, type):
        return dict(SCALAR)
    if issubclass(plain, BaseModel):
        return _closed(plain)
    if issubclass(plain, Enum):
        return _words([text for text, _ in options(plain)])
    if issubclass(plain, Mapping):
        return {"type": "object", "additionalProperties": of_type(arguments[1])}
    if issubclass(plain, Sequence) and not issubclass(plain, str | bytes):
        return {"type": "array", "items": of_type(arguments[0])}
    return _leaf(plain)


def _leaf(plain: type) -> Json:
    if plain is bool:
        return {"anyOf": [{"type": "boolean"}, {"enum": ["yes", "no", "on", "off", "Yes", "No", "On", "Off"]}, EXPRESSION]}
    if plain is int:
        return {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^[+-]?(0|[1-9][0-9]*)$"}, EXPRESSION]}
    return dict(SCALAR)


def _words(words: list[str]) -> Json:
    """Editors read YAML by its own guesses: Yes and No come to them as booleans."""
    guessed = [value for word, value in (("Yes", True), ("No", False)) if word in words]
    return {"anyOf": [{"enum": [*words, *guessed]}, EXPRESSION]}


def _nullable(what: Json) -> Json:
    return {"oneOf": [what, {"type": "null"}]}


def _secret() -> Json:
    text = {"type": "string"}
    forms: list[Json] = [{"env": text}, {"file": text}, {"keyring": text}, {"keyVault": text}, {"command": {"type": "array", "items": text, "minItems": 1}}]
    closed = [{"type": "object", "properties": form, "required": list(form), "additionalProperties": False} for form in forms]
    return {"description": "where a secret is fetched from", "oneOf": closed}
