"""One spelling for every value: canonical JSON, used by ledger, plan files, snapshots, digests and comparison of bytes.

Models are written as the fields that are set; marks as one-key maps that begin with `$`. Map keys are sorted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from pydantic import BaseModel

from reconciler.core.calls import Argv, Later, Out, Printed, Secret
from reconciler.core.errors import Defect

AS_IS = frozenset((str, int, bool, float, type(None)))  # most of what there is


def plain(value: Any) -> Any:  # noqa: C901 - one case a type
    """`value` as JSON can hold it. Raises Defect for what has no one spelling (sets of unknown things, floats that are no numbers)."""
    if type(value) in AS_IS:
        return value
    match value:
        case int() | float():
            return value
        case Enum():
            return value.value
        case str():
            return str(value)
        case timedelta():
            return duration_text(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case IPv4Interface() | IPv4Address() | IPv4Network():
            return str(value)
        case BaseModel():
            set_ = value.__dict__
            return {name: item if type(item) in AS_IS else plain(item) for name in sorted(set_) if (item := set_[name]) is not None}
        case Mapping():
            return {str(key): item if type(item) in AS_IS else plain(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
        case list() | tuple():
            return [item if type(item) in AS_IS else plain(item) for item in value]
        case set() | frozenset():
            return sorted((plain(item) for item in value), key=str)
        case Secret():
            return {"$secret": {value.source: list(value.argument) if isinstance(value.argument, tuple) else value.argument}}
        case Later():
            return {"$later": [value.resource, value.field]}
        case Out():
            return {"$out": [value.call, value.property]}
        case Printed():
            return {"$print": [value.text, value.field]}
        case Argv():
            return {"$argv": list(value.words)}
    raise Defect(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> str:
    """`value` as canonical JSON: ASCII, sorted keys, no spaces."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, in hex."""
    return sha256(canonical(value).encode()).hexdigest()


def duration_text(value: timedelta) -> str:
    """A duration as Windows writes it: `8.00:00:00`, `00:30:00`."""
    seconds = int(value.total_seconds())
    days, seconds = divmod(seconds, 86400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{days}.{clock}" if days else clock
