"""Values of PowerShell as the reading of the invoker needs them: tables, lists, truth, equality, conversion.

A Python str, int, float, bool, None, list, bytes or datetime stands for its like. Where PowerShell would do something that the
invoker must not rely on (a list on the left of -eq filters), this raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any


class Nothing:
    """No output at all, which is not null."""


NOTHING = Nothing()


class Thrown(Exception):
    """A terminating error with its record."""

    def __init__(
        self, id: str, text: str, target: Any = None, kind: str = "System.Management.Automation.RuntimeException", category: str = "InvalidOperation"
    ) -> None:
        super().__init__(text)
        self.id, self.text, self.target, self.kind, self.category = id, text, target, kind, category


class Char(str):
    __slots__ = ()


class EnumName(str):
    __slots__ = ()


class Map:
    """A dictionary. `cased`: keys that differ in case are two (Dictionary); else they are one (hashtable)."""

    def __init__(self, *, cased: bool = False) -> None:
        self.cased = cased
        self.entries: dict[Any, tuple[Any, Any]] = {}

    def _key(self, key: Any) -> Any:
        return key if self.cased or not isinstance(key, str) else key.casefold()

    def get(self, key: Any) -> Any:
        return self.entries.get(self._key(key), (None, None))[1]

    def put(self, key: Any, value: Any) -> None:
        at = self._key(key)
        self.entries[at] = (self.entries[at][0] if at in self.entries else key, value)

    def drop(self, key: Any) -> bool:
        return self.entries.pop(self._key(key), None) is not None

    def has(self, key: Any) -> bool:
        return self._key(key) in self.entries

    def keys(self) -> list[Any]:
        return [key for key, _ in self.entries.values()]

    def pairs(self) -> list[tuple[Any, Any]]:
        return list(self.entries.values())


class NetList:
    """List, Queue or a collection of what a pipeline gave."""

    def __init__(self, items: Any = ()) -> None:
        self.items: list[Any] = list(items)


class NetSet:
    def __init__(self) -> None:
        self.items: dict[str, str] = {}


class Ref:
    def __init__(self, scope: Any, name: str) -> None:
        self.scope, self.name = scope, name


def enumerated(value: Any) -> list[Any] | None:
    """The elements of what the pipeline enumerates; None for what it passes whole (dictionaries and text among it)."""
    match value:
        case list():
            return list(value)
        case NetList():
            return list(value.items)
        case NetSet():
            return list(value.items.values())
        case bytes() | bytearray():
            return list(value)
    return None


def each(value: Any) -> Iterator[Any]:
    """What foreach goes over."""
    if value is None or value is NOTHING:
        return
    found = enumerated(value)
    yield from [value] if found is None else found


def collected(outputs: list[Any]) -> Any:
    return NOTHING if not outputs else outputs[0] if len(outputs) == 1 else list(outputs)


def plain(value: Any) -> Any:
    return None if value is NOTHING else value


def truth(value: Any) -> bool:
    match value:
        case None | Nothing():
            return False
        case bool() | int() | float() | str():
            return bool(value)
        case list() | NetList():
            items = value if isinstance(value, list) else value.items
            return truth(items[0]) if len(items) == 1 else bool(items)
    return True


def text(value: Any) -> str:
    match value:
        case None | Nothing():
            return ""
        case bool():
            return str(value)
        case float():
            return number(value)
        case list() | NetList():
            return " ".join(text(item) for item in each(value))
    return str(value)


def number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value).replace("e", "E")


def to_int(value: Any) -> int:
    match value:
        case None:
            return 0
        case bool() | int():
            return int(value)
        case float():
            return round(value)
        case Char():
            return ord(value)
        case str():
            try:
                return int(value)
            except ValueError:
                raise Thrown("InvalidCastFromStringToInteger", f"Cannot convert value {value!r}") from None
    raise Thrown("ConvertToFinalInvalidCastException", f"Cannot convert {type(value).__name__} to a number")


def to_float(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float(to_int(value))


def equal(left: Any, right: Any, *, cased: bool) -> bool:
    """-eq and -ceq: the right side takes the type of the left."""
    if isinstance(left, list | NetList):
        raise AssertionError("a list on the left of -eq would filter")
    if left is None or right is None:
        return left is None and right is None
    if isinstance(left, bool):
        return left == truth(right)
    if isinstance(left, str):
        one, two = str(left), text(right)
        return one == two if cased else one.casefold() == two.casefold()
    if isinstance(left, int | float):
        if isinstance(right, str):
            try:
                return bool(left == float(right))
            except ValueError:
                return False
        return bool(left == right)
    return bool(left is right or left == right)


def is_type(value: Any, name: str) -> bool:
    """-is, for the types that the invoker asks about."""
    low = name.casefold()
    whole = isinstance(value, int) and not isinstance(value, bool)
    known: dict[str, bool] = {
        "string": isinstance(value, str) and not isinstance(value, Char | EnumName),
        "bool": isinstance(value, bool),
        "int": whole and -(2**31) <= value < 2**31,
        "long": whole and (-(2**63) <= value < -(2**31) or 2**31 <= value < 2**63),
        "uint64": whole and value >= 2**63,
        "double": isinstance(value, float),
        "char": isinstance(value, Char),
        "enum": isinstance(value, EnumName),
        "datetime": isinstance(value, datetime),
        "timespan": isinstance(value, timedelta),
        "valuetype": isinstance(value, bool | int | float | Char | EnumName | datetime | timedelta),
        "byte[]": isinstance(value, bytes | bytearray),
        "array": isinstance(value, list | bytes | bytearray),
        "collections.idictionary": isinstance(value, Map),
        "collections.ienumerable": isinstance(value, str | Map) or enumerated(value) is not None,
        "scriptblock": type(value).__name__ == "Block",
        "security.securestring": type(value).__name__ == "Secure",
        "management.automation.pscustomobject": type(value).__name__ == "Row",
        "management.automation.icontainserrorrecord": getattr(value, "kind", "") == "Exception",
    }
    return known.get(low, False)
