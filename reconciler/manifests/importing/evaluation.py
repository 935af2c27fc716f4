"""The small part of ARM's template expressions that a name, a version or a setting is written with. Everything else is a question.

Source: azure-extensions 6.2: literals, parameters, variables, concat, format, resourceId, toLower; `resourceGroup().location`. To these come
what loops are written with, by hand and by Bicep: copyIndex, range, length, createArray and an index in brackets. Names count without case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

TOKEN = re.compile(r"\s*(?:'(?P<text>(?:[^']|'')*)'|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)|(?P<mark>[(),.\[\]]))")
PLACEHOLDER = re.compile(r"<[^<>]+>")
HOLE = re.compile(r"\{\{|\}\}|\{(\d+)\}|[{}]")
DEEPEST = 32
LARGEST = 24_576  # characters of an expression: ARM takes no more
LONGEST = 800  # turns of a loop: ARM makes no more


class Unknown(Exception):
    """The expression has no value here; the text says which part has none."""


class Here(Unknown):
    """The resource group's own location: where the VM is, which Azure alone knows."""


@dataclass
class Evaluator:
    """`parameters`: defaults, as they are written. `given`: values, which are no expressions any more, or why there is none.

    `loops`: where each loop is, the innermost last.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    loops: Mapping[str, int] = field(default_factory=dict)
    _depth: int = 0

    def __post_init__(self) -> None:
        self.parameters, self.variables, self.given = (_folded(each) for each in (self.parameters, self.variables, self.given))

    def looped(self, name: str, index: int) -> Evaluator:
        """The same, in one turn of a loop."""
        others = {other: at for other, at in self.loops.items() if other != name.casefold()}
        return replace(self, loops=others | {name.casefold(): index})

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
        if len(text) > LARGEST:
            raise Unknown(f"the expression is longer than the {LARGEST} characters that Azure takes")
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
        except RecursionError:
            raise Unknown("the expression is nested too deeply") from None
        finally:
            self._depth -= 1

    def parameter(self, name: str) -> Any:
        known = name.casefold()
        if isinstance(said := self.given.get(known), Unknown):
            raise said
        if known in self.given:
            return said
        if known not in self.parameters:
            raise Unknown(f"the parameter {name} has no value")
        return self.value(self.parameters[known])

    def variable(self, name: str) -> Any:
        if name.casefold() not in self.variables:
            raise Unknown(f"there is no variable {name}")
        return self.value(self.variables[name.casefold()])

    def index(self, *said: Any) -> int:
        """`copyIndex(loop, offset)`, both of which may be left out."""
        names, offset = [one for one in said if isinstance(one, str)], sum(one for one in said if isinstance(one, int))
        at = self.loops.get(names[0].casefold()) if names else next(reversed([*self.loops.values()]), None)
        if at is None:
            raise Unknown("copyIndex() is in no loop that is worked out")
        return at + offset


def _folded(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name.casefold(): value for name, value in named.items()}


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
        if name.casefold() == "resourcegroup" and self.rest().casefold().startswith(".location"):
            raise Here("where the resource group is, Azure knows")
        function = FUNCTIONS.get(name.casefold())
        if function is None:
            raise Unknown(f"{name}() is not worked out here")
        try:
            value = function(self.evaluator, arguments)
        except (TypeError, ValueError, IndexError, AttributeError):
            raise Unknown(f"{name}() was given something else than it takes") from None
        return self._property(value)

    def _property(self, value: Any) -> Any:
        while True:
            if self._taken("."):
                value = _member(value, self._next()["name"])
            elif self._taken("["):
                value = _member(value, self.expression())
                if not self._taken("]"):
                    raise Unknown(f"{self.text!r} does not end")
            else:
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


def _member(value: Any, name: Any) -> Any:
    """A property, or an entry of a list. Azure takes a property's name without case."""
    if isinstance(value, Mapping) and isinstance(name, str) and name.casefold() in (held := _folded(value)):
        return held[name.casefold()]
    if isinstance(value, list) and isinstance(name, int) and 0 <= name < len(value):
        return value[name]
    raise Unknown(f"there is no {'entry' if isinstance(name, int) else 'property'} {name}")


def _format(_: Evaluator, arguments: list[Any]) -> str:
    """`{0}` alone: what says how a number is to look (`{0:D2}`) is not worked out, and would be a wrong name if it were passed by."""
    pattern, *values = arguments

    def filled(hole: re.Match[str]) -> str:
        if hole[1] is None and len(hole[0]) < 2:
            raise Unknown(f"the format {pattern!r} is not worked out here")
        return _text(values[int(hole[1])]) if hole[1] else hole[0][0]

    return HOLE.sub(filled, pattern)


def _range(_: Evaluator, arguments: list[Any]) -> list[int]:
    first, count = arguments
    if not 0 <= count <= LONGEST:
        raise ValueError
    return list(range(first, first + count))


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
        "copyindex": lambda evaluator, arguments: evaluator.index(*arguments),
        "createarray": lambda _, arguments: arguments,
        "length": lambda _, arguments: len(arguments[0]),
        "range": _range,
    }
)
