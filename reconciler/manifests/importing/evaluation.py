"""The small part of ARM's template expressions that a name, a version or a setting is written with. Everything else is a question.

Source: azure-extensions 6.2: literals, parameters, variables, concat, format, resourceId, toLower; `resourceGroup().location`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]]))")
PLACEHOLDER = re.compile(r"<[^<>]+>")
DEEPEST = 32


class Unknown(Exception):
    """The expression has no value here; the text says which part has none."""


@dataclass(frozen=True, slots=True)
class Location:
    """The resource group's own: where the VM is, which Azure knows."""


@dataclass
class Evaluator:
    """`parameters`: values that are given, or defaults."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    _depth: int = 0

    def value(self, written: Any) -> Any:
        """What was written, its expressions worked out, all the way down. Raises Unknown."""
        if isinstance(written, Mapping):
            return {name: self.value(item) for name, item in written.items()}
        if isinstance(written, list):
            return [self.value(item) for item in written]
        if not isinstance(written, str) or not (written.startswith("[") and written.endswith("]")):
            return written
        if written.startswith("[["):
            return written[1:]
        return self._evaluated(written[1:-1])

    def _evaluated(self, text: str) -> Any:
        if found := PLACEHOLDER.search(text):
            raise Unknown(f"{found[0]} is a placeholder")
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                raise Unknown("a value that is made of itself")
            reader = _Reader(text, self)
            value = reader.expression()
            if reader.rest():
                raise Unknown(f"{text!r} is no expression that is understood here")
            return value
        finally:
            self._depth -= 1

    def parameter(self, name: str) -> Any:
        if name not in self.parameters:
            raise Unknown(f"the parameter {name} has no value")
        return self.value(self.parameters[name])

    def variable(self, name: str) -> Any:
        if name not in self.variables:
            raise Unknown(f"there is no variable {name}")
        return self.value(self.variables[name])


@dataclass
class _Reader:
    """One expression, read from left to right and worked out on the way."""

    text: str
    evaluator: Evaluator
    at: int = 0

    def rest(self) -> str:
        return self.text[self.at :].strip()

    def expression(self) -> Any:
        token = self._next()
        if token["text"] is not None:
            return token["text"].replace("''", "'")
        if token["number"] is not None:
            return int(token["number"])
        if token["name"] is None:
            raise Unknown(f"{self.text!r} is no expression that is understood here")
        return self._called(token["name"])

    def _called(self, name: str) -> Any:
        if not self._taken("("):
            raise Unknown(f"{name} is no value")
        arguments: list[Any] = []
        while not self._taken(")"):
            arguments.append(self.expression())
            if not self._taken(",") and not self.rest().startswith(")"):
                raise Unknown(f"{self.text!r} does not end")
        if name.casefold() == "resourcegroup" and self.rest().casefold() == ".location":
            self.at = len(self.text)
            return Location()
        function = FUNCTIONS.get(name.casefold())
        if function is None:
            raise Unknown(f"{name}() is not worked out here")
        try:
            value = function(self.evaluator, arguments)
        except (TypeError, ValueError, IndexError, AttributeError):
            raise Unknown(f"{name}() was given something else than it takes") from None
        return self._property(value)

    def _property(self, value: Any) -> Any:
        while self._taken("."):
            name = self._next()["name"]
            if not isinstance(value, Mapping) or name not in value:
                raise Unknown(f"there is no property {name}")
            value = value[name]
        return value

    def _next(self) -> Mapping[str, Any]:
        found = TOKEN.match(self.text, self.at)
        if found is None:
            raise Unknown(f"{self.text!r} is no expression that is understood here")
        self.at = found.end()
        return found.groupdict()

    def _taken(self, mark: str) -> bool:
        if not self.rest().startswith(mark):
            return False
        self._next()
        return True


def _format(_: Evaluator, arguments: list[Any]) -> str:
    pattern, *values = arguments
    return re.sub(r"\{(\d+)\}", lambda hole: _text(values[int(hole[1])]), pattern)


def _resource_id(_: Evaluator, arguments: list[Any]) -> str:
    """The tail that names the resource: `type/name`, or `type/sub` with two names. What stands before (subscription, group) is left out."""
    at = next(n for n, item in enumerate(arguments) if "/" in item)
    namespace, *types = arguments[at].split("/")
    names = arguments[at + 1 :]
    pairs = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
    return f"{namespace}/{pairs}"


def _text(value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError
    return str(value)


FUNCTIONS: Mapping[str, Callable[[Evaluator, list[Any]], Any]] = MappingProxyType(
    {
        "parameters": lambda evaluator, arguments: evaluator.parameter(*arguments),
        "variables": lambda evaluator, arguments: evaluator.variable(*arguments),
        "concat": lambda _, arguments: "".join(map(_text, arguments)),
        "format": _format,
        "resourceid": _resource_id,
        "tolower": lambda _, arguments: arguments[0].lower(),
    }
)
