"""What a host's cmdlets gave over PSRP, as the JSON with tags that the wire has for it (docs/wire.md): MS-PSRP 2.2.5 → `wire.codec`.

`line` calls it. pypsrp's own values do not tell a moment or a span from a text, so the XML that it kept is read again.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from typing import Any

NAMESPACE = re.compile(r"\{[^}]*\}")
ESCAPED = re.compile(r"(_x[0-9A-Fa-f]{4}_)+")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)?")
SPAN = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,7}))?S)?)?")
DEPTH = 8
# fmt: off
CATEGORIES = (
    "NotSpecified", "OpenError", "CloseError", "DeviceError", "DeadlockDetected", "InvalidArgument", "InvalidData", "InvalidOperation",
    "InvalidResult", "InvalidType", "MetadataError", "NotImplemented", "NotInstalled", "ObjectNotFound", "OperationStopped", "OperationTimeout",
    "SyntaxError", "ParserError", "PermissionDenied", "ResourceBusy", "ResourceExists", "ResourceUnavailable", "ReadError", "WriteError",
    "FromStdErr", "SecurityError", "ProtocolError", "ConnectionError", "AuthenticationError", "LimitsExceeded", "QuotaExceeded", "NotEnabled",
)
# fmt: on


def category(number: Any) -> str:
    """An error's category by its number (MS-PSRP 2.2.3.9)."""
    return CATEGORIES[number] if isinstance(number, int) and 0 <= number < len(CATEGORIES) else CATEGORIES[0]


def tagged(value: Any) -> Any:
    """One object of a pipeline's output, by pypsrp."""
    if isinstance(value, list | tuple):
        return [tagged(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return _real(repr(value))
    xml = getattr(value, "_xml", None)
    return _Reader().read(ET.fromstring(xml)) if isinstance(xml, str) else {"$type": type(value).__name__, "$str": str(value)}


def _text(text: str) -> str:
    """_xHHHH_ stands for a character that XML cannot hold (MS-PSRP 2.2.5.3.2)."""

    def units(found: re.Match[str]) -> str:
        data = b"".join(int(code, 16).to_bytes(2, "little") for code in re.findall(r"_x([0-9A-Fa-f]{4})_", found[0]))
        return data.decode("utf-16-le", "surrogatepass")

    return ESCAPED.sub(units, text)


def _real(text: str) -> Any:
    value = float(text)
    return value if math.isfinite(value) else {"$num": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}


def _moment(text: str) -> Any:
    """Ticks of seven digits; with an offset it is a moment, without one the zone is not known."""
    found = MOMENT.fullmatch(text)
    if found is None:
        return {"$err": "DateTime"}
    head = f"{found[1]}.{(found[2] or '').ljust(7, '0')}"
    if found[3] is None:
        return {"$dtu": head}
    return {"$dt": _utc(head, found[3])}


def _utc(head: str, zone: str) -> str:
    from datetime import UTC, datetime

    if zone == "Z":
        return head + "Z"
    moment = datetime.fromisoformat(head[:19] + zone).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + head[19:] + "Z"


def _span(text: str) -> Any:
    found = SPAN.fullmatch(text)
    if found is None:
        return {"$err": "TimeSpan"}
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:5])
    ticks = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 10**7 + int((found[6] or "").ljust(7, "0") or 0)
    return {"$ts": -ticks if found[1] else ticks}


_PRIMITIVES: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("S", "URI", "Version", "XD", "ToString", "G"), _text),
    **dict.fromkeys(("By", "SB", "U16", "I16", "U32", "I32", "U64", "I64"), int),
    **dict.fromkeys(("Sg", "Db"), _real),
    "C": lambda text: chr(int(text)),
    "B": lambda text: text.casefold() == "true",
    "D": lambda text: {"$dec": text},
    "DT": _moment,
    "TS": _span,
    "BA": lambda text: {"$b64": text},
    "SS": lambda _: {"$secret": True},
    "SBK": lambda _: {"$refused": "ScriptBlock"},
}


class _Reader:
    """Of one object: later parts of it refer to earlier ones."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}

    def read(self, element: ET.Element, depth: int = DEPTH) -> Any:
        tag = NAMESPACE.sub("", element.tag)
        if tag == "Nil":
            return None
        if tag in _PRIMITIVES:
            try:
                return _PRIMITIVES[tag](element.text or "")
            except (ValueError, OverflowError):
                return {"$err": tag}
        if tag == "Ref":
            return self._known.get(element.get("RefId", ""))
        if tag != "Obj" or depth <= 0:
            return {"$cut": "System.Object"}
        value = self._known[element.get("RefId", "")] = self._object(element, depth - 1)
        return value

    def _object(self, element: ET.Element, depth: int) -> Any:
        """An enum by its name, a collection by its items, anything else by its properties, or by its text where it has none."""
        parts = {NAMESPACE.sub("", part.tag): part for part in element}
        for tag in ("LST", "IE", "QUE", "STK"):
            if tag in parts:
                return [self.read(item, depth) for item in parts[tag]]
        if "DCT" in parts:
            return _mapped([(self._entry(item, "Key", depth), self._entry(item, "Value", depth)) for item in parts["DCT"]])
        properties = [(_text(item.get("N", "")), self.read(item, depth)) for name in ("Props", "MS") if name in parts for item in parts[name]]
        if properties:
            return _mapped(properties)
        return _text(parts["ToString"].text or "") if "ToString" in parts else {}

    def _entry(self, element: ET.Element, name: str, depth: int) -> Any:
        return next((self.read(item, depth) for item in element if item.get("N") == name), None)


def _mapped(pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    named = [(str(name), value) for name, value in pairs]
    return {"$map": [list(pair) for pair in named]} if any(name.startswith("$") for name, _ in named) else dict(named)
