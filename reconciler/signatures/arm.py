"""The operations of Azure Resource Manager that this product knows, and law 6 for them: is a request one that the service takes?

Read by the laws, by `perform` before a request is sent, by the client (which address, which api-version) and by the writers of the
least role. It judges shape alone; what a field means at the service is not its business. Data: `data/arm.json`, by hand from
azure-extensions 1.1 and 1.2, each operation with its section.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from reconciler.core.calls import Arm, ArmCall, Later, Printed, Secret
from reconciler.core.errors import Defect
from reconciler.core.resources import Azure

# What the host says by itself: no call names it.
GIVEN = ("vm", "scaleSet", "subscription", "location")
HOLE = re.compile(r"\{(\w+)\}")
MAPS = ("object", "map")
TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,), "object": (Mapping,), "map": (Mapping,), "list": (list, tuple)}


@dataclass(frozen=True, slots=True)
class BodyField:
    """One field of a body, by its dotted path. `since`: the first api-version that has it."""

    type: str
    since: str
    required: bool = False
    secret: bool = False
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `entries`: the property that holds a list's entries, empty where the answer itself is the list, None where it is none.

    `cached`: what the answer is the same for, for a day (location, type). `actions`: what the role must allow.
    """

    name: str
    section: str
    method: str
    template: str
    api_version: str
    path: tuple[str, ...] = ()
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    always: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, BodyField] = field(default_factory=dict)
    entries: str | None = None
    paged: bool = False
    cached: str = ""
    long: bool = False
    writes: bool = False
    answers: tuple[int, ...] = (200,)
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ArmCatalogue:
    api_version: str
    versions: tuple[str, ...]
    operations: Mapping[str, Operation]


@cache
def arm_catalogue() -> ArmCatalogue:
    data = json.loads(files("reconciler.signatures").joinpath("data/arm.json").read_text(encoding="utf-8"))
    bodies = {name: {path: BodyField(**said) for path, said in each.items()} for name, each in data["bodies"].items()}
    found = {name: _operation(name, said, bodies, data["apiVersion"]) for name, said in data["operations"].items()}
    return ArmCatalogue(data["apiVersion"], tuple(data["versions"]), MappingProxyType(found))


def _operation(name: str, said: Mapping[str, Any], bodies: Mapping[str, Mapping[str, BodyField]], api_version: str) -> Operation:
    return Operation(
        name,
        said["section"],
        said["method"],
        said["path"],
        said.get("apiVersion", api_version),
        tuple(hole for hole in HOLE.findall(said["path"]) if hole not in GIVEN),
        {key: tuple(values) for key, values in said.get("query", {}).items()},
        said.get("always", {}),
        bodies[said["body"]] if "body" in said else {},
        said.get("list"),
        said.get("paged", False),
        said.get("cached", ""),
        said.get("long", False),
        said.get("writes", False),
        tuple(said["answers"]),
        tuple(said["actions"]),
    )


def address(call: ArmCall, azure: Azure, location: str, api_version: str = "") -> str:
    """Path and query of a request, beginning with a slash; `api_version` overrides the pinned one where an operation has none of its own."""
    known = arm_catalogue()
    operation = known.operations[call.operation]
    pinned = operation.api_version
    version = api_version if api_version and pinned == known.api_version else pinned
    subscription = f"subscriptions/{azure.subscription}"
    given = {"subscription": subscription, "vm": azure.scope, "scaleSet": azure.scope}
    given |= {"location": f"{subscription}/providers/Microsoft.Compute/locations/{location}"}
    path = HOLE.sub(lambda hole: given[hole[1]] if hole[1] in given else quote(call.path[hole[1]], safe=""), operation.template)
    query = {name: value.replace("{location}", location) for name, value in {**operation.always, **call.query}.items()}
    words = "".join(f"&{name}={quote(value, safe=chr(39))}" for name, value in query.items())
    return f"/{path}?api-version={version}{words}"


def check_arm(call: ArmCall, api_version: str = "") -> list[str]:
    """What is wrong with the request, each fault in one line; a value that is only known later passes as any type."""
    known = arm_catalogue()
    operation = known.operations.get(call.operation)
    if operation is None:
        return [f"{call.operation}: no such operation in the catalogue"]
    return [f"{call.operation}: {fault}" for fault in (*_path(operation, call), *_query(operation, call), *_body(operation, call, api_version))]


def check_arm_word(word: Arm) -> list[str]:
    """What is wrong with a word of a vocabulary."""
    operation = arm_catalogue().operations.get(word.name)
    if operation is None:
        return [f"{word.name}: no such operation in the catalogue"]
    wrong = [f"{word.name}: has no path parameter {name}" for name in word.accepts if name not in operation.path]
    return [*wrong, *(f"{word.name}: has no field {path}" for path in word.sends if path not in operation.body)]


def _path(operation: Operation, call: ArmCall) -> Iterator[str]:
    for name in sorted(set(call.path) ^ set(operation.path)):
        yield f"has no path parameter {name}" if name in call.path else f"lacks the path parameter {name}"
    yield from (f"{name} must not be empty" for name, value in call.path.items() if not value)


def _query(operation: Operation, call: ArmCall) -> Iterator[str]:
    for name, value in call.query.items():
        if value not in operation.query.get(name, ()):
            yield f"takes no {name}={value}"
    if call.where and operation.entries is None:
        yield "answers no list, so nothing can be picked of it"


def _body(operation: Operation, call: ArmCall, api_version: str) -> Iterator[str]:
    if (call.body is None) == bool(operation.body):
        yield "wants a body" if operation.body else "takes no body"
        return
    found = dict(_leaves(operation, call.body or {}))
    for path, value in found.items():
        if path not in operation.body:
            yield f"has no field {path}"
        else:
            yield from _value(path, operation.body[path], value, api_version or operation.api_version)
    yield from (f"lacks {path}" for path, one in operation.body.items() if one.required and found.get(path) is None)


def _leaves(operation: Operation, body: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    """The body's fields by dotted path, as deep as the operation knows them."""
    for name, value in body.items():
        path = f"{under}{name}"
        inner = path not in operation.body and isinstance(value, Mapping) and any(known.startswith(path + ".") for known in operation.body)
        if inner:
            yield from _leaves(operation, value, path + ".")
        else:
            yield path, value


def _value(path: str, one: BodyField, value: Any, api_version: str) -> Iterator[str]:
    if one.since > api_version:
        yield f"{path} came with api-version {one.since}, and {api_version} is used"
    if _holds_secret(value) and not one.secret:
        yield f"{path} would hold a secret, and anybody who may read the resource reads it"
    if value is None or isinstance(value, Later | Printed | Secret):
        return
    if not isinstance(value, TYPES[one.type]):
        yield f"{path} wants a {one.type}, not {type(value).__name__}"
    elif one.pattern and not re.fullmatch(one.pattern, str(value)):
        yield f"{path} cannot be {value!r}"


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, Secret)


def resolved(value: Any, values: Mapping[Secret, str]) -> Any:
    """A body as JSON, its secrets put in, what is None left out. A secret in place of `protectedSettings` holds the map as JSON text."""
    if isinstance(value, Secret):
        return values[value]
    if isinstance(value, Mapping):
        return {name: _opened(name, item, values) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [resolved(item, values) for item in value]
    if isinstance(value, Later | Printed):
        raise Defect("a value that is only known later was to be sent")
    return value


def _opened(name: str, item: Any, values: Mapping[Secret, str]) -> Any:
    if name == "protectedSettings" and isinstance(item, Secret):
        return json.loads(values[item])
    return resolved(item, values)
