"""Argument conversion as Windows PowerShell 5.1 does it for the parameter types of the catalogue.

`binder` calls `convert` for every bound value. A value comes in as the invoker decoded it (None, bool, int, float, str, bytes,
timedelta, datetime, list, dict) and leaves as what a cmdlet function works with: addresses, guids and enums are text.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

NUMBERS: Mapping[str, tuple[int, int]] = {
    "Byte": (0, 2**8 - 1),
    "SByte": (-(2**7), 2**7 - 1),
    "Int16": (-(2**15), 2**15 - 1),
    "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1),
    "UInt32": (0, 2**32 - 1),
    "Int64": (-(2**63), 2**63 - 1),
    "UInt64": (0, 2**64 - 1),
}
TIMESPAN = re.compile(r"(?P<sign>-)?(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{1,2})(?::(?P<seconds>\d{1,2})(?P<fraction>\.\d{1,7})?)?")


class Unconvertible(ValueError):
    """The value has no form in the parameter's type."""


def bare_type(name: str) -> str:
    """`System.Nullable`1[[System.DateTime]]` → DateTime; `System.String[]` → String[]; other namespaces fall away."""
    inner = re.fullmatch(r"System\.Nullable`1\[+(?P<inner>[\w.]+)\]+", name)
    return (inner["inner"] if inner else name).rpartition(".")[2]


def convert(value: Any, type_name: str, values: Sequence[str] = ()) -> Any:
    """`value` as `type_name`; arrays take a single value as well, scalars take no array. Raises Unconvertible."""
    kind = bare_type(type_name)
    if kind.endswith("[]") and kind != "Byte[]":
        items = value if isinstance(value, list | tuple) else [value]
        return [scalar(item, kind[:-2], values) for item in items]
    return scalar(value, kind, values)


def scalar(value: Any, kind: str, values: Sequence[str] = ()) -> Any:
    if kind in ("Object", "PSObject", "Hashtable", "IDictionary", "Byte[]"):
        return value
    if isinstance(value, list | tuple):
        raise Unconvertible("an array")
    if kind in NUMBERS:
        return number(value, kind)
    if kind in CONVERTERS:
        return CONVERTERS[kind](value)
    if values:
        return enumerated(value, values)
    if kind.startswith(("Cim", "VM", "VirtualMachine", "PSCredential", "SecureString")) and not isinstance(value, dict):
        raise Unconvertible("no such object")
    return value if isinstance(value, dict) else string(value)


def string(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "True" if value else "False"
        case dict() | bytes():
            raise Unconvertible("an object")
    return str(value)


def boolean(value: Any) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    raise Unconvertible("text is no Boolean")


def number(value: Any, kind: str) -> int:
    if isinstance(value, str):
        value = _number_in(value.strip())
    if not isinstance(value, bool | int | float):
        raise Unconvertible("no number")
    whole = round(value)
    least, most = NUMBERS[kind]
    if not least <= whole <= most:
        raise Unconvertible("out of range")
    return whole


def _number_in(text: str) -> float | int:
    try:
        return int(text, 16) if text.lower().startswith("0x") else float(text) if re.search(r"[.eE]", text) else int(text)
    except ValueError:
        raise Unconvertible("no number") from None


def real(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Unconvertible("no number") from None


def address(value: Any) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        raise Unconvertible("no address") from None


def timespan(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return timedelta(microseconds=value / 10)
    if isinstance(value, str):
        if re.fullmatch(r"\d+", value):
            return timedelta(days=int(value))
        if found := TIMESPAN.fullmatch(value):
            parts = {name: float(found[name] or 0) for name in ("days", "hours", "minutes", "seconds")}
            span = timedelta(**parts) + timedelta(seconds=float(found["fraction"] or 0))
            return -span if found["sign"] else span
    raise Unconvertible("no time span")


def moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unconvertible("no date") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def guid(value: Any) -> str:
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise Unconvertible("no guid") from None


def enumerated(value: Any, values: Sequence[str]) -> str:
    """The member that `value` names, whole or by an unambiguous beginning, as .NET spells it."""
    text = string(value).casefold()
    exact = [name for name in values if name.casefold() == text]
    begun = [name for name in values if text and name.casefold().startswith(text)]
    if len(exact or begun) == 1:
        return (exact or begun)[0]
    raise Unconvertible("no member of the enumeration")


CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("String", "Uri", "Char", "Feature", "Version"), string),
    **dict.fromkeys(("SwitchParameter", "Boolean"), boolean),
    **dict.fromkeys(("Double", "Single"), real),
    "IPAddress": address,
    "TimeSpan": timespan,
    "DateTime": moment,
    "Guid": guid,
}
