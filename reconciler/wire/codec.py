"""Values to JSON and back, with one-key maps that begin with `$` for what JSON cannot hold (powershell d and e, docs/wire.md).

`encode` writes arguments and Good values; `decode` reads what a host projected. Only typed values make tags: a map that
has a `$` key of its own travels as `$map`. A Secret is resolved here and nowhere else, by the resolver that is handed in.
"""

from __future__ import annotations

import base64
import binascii
import math
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from reconciler.core.calls import Argv, Out, Row, Secret, Unread
from reconciler.core.errors import Defect
from reconciler.wire.strict import Malformed

Resolve = Callable[[Secret], str | int]  # the secret, or its number among those that go beside the line
TICK = timedelta(microseconds=1)  # ten ticks of .NET


def unresolved(secret: Secret) -> str:
    """The resolver of those who send no secrets."""
    raise Defect(f"no one resolves the secret {secret} here")


def ticks(value: timedelta) -> int:
    return (value // TICK) * 10


def moment(value: datetime) -> str:
    """A moment as .NET's round-trip format writes it: UTC with `Z`, or without a zone where none is known."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + ("0Z" if value.tzinfo else "0")


def encode(value: Any, resolve: Resolve = unresolved) -> Any:
    """`value` as JSON-able data with tags. Raises Defect for what cannot travel, such as a `Later` that nobody filled in."""
    match value:
        case None | bool() | int():
            return value
        case Enum():
            return encode(value.value, resolve)
        case str():
            return str(value)
        case float():
            return value if math.isfinite(value) else {"$num": _infinite(value)}
        case Mapping():
            return _encode_map(value, resolve)
        case list() | tuple():
            return [encode(item, resolve) for item in value]
    return _encode_special(value, resolve)


def _encode_special(value: Any, resolve: Resolve) -> Any:
    match value:
        case timedelta():
            return {"$ts": ticks(value)}
        case datetime():
            return {"$dt" if value.tzinfo else "$dtu": moment(value)}
        case bytes():
            return {"$b64": base64.b64encode(value).decode("ascii")}
        case Out():
            return {"$out": [value.call, value.property]}
        case Secret():
            return {"$secure": resolve(value)}
        case Argv():
            return shlex.join(value.words)
        case IPv4Address() | IPv4Interface() | IPv4Network():
            return str(value)
    raise Defect(f"{type(value).__name__} cannot be sent to a host")


def _infinite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _encode_map(value: Mapping[Any, Any], resolve: Resolve) -> dict[str, Any]:
    pairs = [(str(key), encode(item, resolve)) for key, item in value.items()]
    if any(key.startswith("$") for key, _ in pairs):
        return {"$map": [[key, item] for key, item in pairs]}
    return dict(pairs)


def _decode_ticks(body: Any) -> Any:
    return timedelta(microseconds=int(body) // 10)


def _decode_utc(body: Any) -> Any:
    found = datetime.fromisoformat(_micro(body))
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _decode_local(body: Any) -> Any:
    return datetime.fromisoformat(_micro(body))


def _micro(text: Any) -> str:
    """.NET writes seven digits of a second, Python reads six."""
    head, point, rest = str(text).partition(".")
    digits = rest.removesuffix("Z")
    zone = "+00:00" if str(text).endswith("Z") else ""
    return f"{head}.{digits[:6]}{zone}" if point else head.removesuffix("Z") + zone


def _decode_bytes(body: Any) -> Any:
    return base64.b64decode(body, validate=True)


def _decode_pairs(body: Any) -> Any:
    return Row({str(key): decode(item) for key, item in body})


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "$ts": _decode_ticks,
    "$dt": _decode_utc,
    "$dtu": _decode_local,
    "$b64": _decode_bytes,
    "$num": float,
    "$dec": lambda body: float(Decimal(body)),
    "$map": _decode_pairs,
    "$secret": lambda _: Unread("a secret is never sent back"),
    "$refused": lambda body: Unread(f"a {body} is never sent"),
    "$err": lambda body: Unread(f"reading it failed with {body}"),
    "$absent": lambda _: Unread("this release of Windows does not have it"),
    "$cut": lambda body: Unread(f"a {body} too deep to send"),
}


def decode(value: Any) -> Any:
    """What a host projected, as Python values: maps become `Row`, lists tuples, what could not be read `Unread`. Raises Malformed."""
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    if not isinstance(value, dict):
        return value
    if not any(key.startswith("$") for key in value):
        return Row({key: decode(item) for key, item in value.items()})
    return _decode_tag(value)


def _decode_tag(value: dict[str, Any]) -> Any:
    if set(value) == {"$type", "$str"}:
        return Unread(f"an object of type {value['$type']}")
    tag = next(iter(value))
    if len(value) != 1 or tag not in _READERS:
        raise Malformed(f"tag: {sorted(value)} is none")
    try:
        return _READERS[tag](value[tag])
    except (ValueError, TypeError, OverflowError, binascii.Error, InvalidOperation):
        raise Malformed(f"tag: {tag} holds no such value") from None
