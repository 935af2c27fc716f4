"""A CIM value as text, as every binding of CIM to XML writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any


def written(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return f"P{value.days}DT{value.seconds // 3600}H{value.seconds // 60 % 60}M{value.seconds % 60}S"
    return str(value)
