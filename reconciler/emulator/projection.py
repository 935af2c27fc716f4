"""Objects as the wire shows them: the properties that were asked for, JSON-safe, nothing deeper than four levels (powershell e).

Cmdlet functions give rows (dicts) and bare values; property names do not know case, and come back as they were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.emulator.errors import ErrorRecord
from reconciler.wire.codec import encode

DEPTH = 4


def member(value: Any, name: str) -> tuple[bool, Any]:
    """Whether `value` has the property, and what it is."""
    if not isinstance(value, Mapping):
        return False, None
    if name in value:
        return True, value[name]
    wanted = name.casefold()
    return next(((True, item) for key, item in value.items() if str(key).casefold() == wanted), (False, None))


def shown(value: Any, depth: int = DEPTH) -> Any:
    """A value as JSON; what lies too deep is named, not shown."""
    match value:
        case str():
            return str(value)
        case None | bool() | int() | float():
            return encode(value)
        case Mapping() | list() | tuple() if depth <= 0:
            return {"$cut": "System.Collections.Hashtable" if isinstance(value, Mapping) else "System.Object[]"}
        case Mapping():
            pairs = [(str(key), shown(item, depth - 1)) for key, item in value.items()]
            return {"$map": [list(pair) for pair in pairs]} if any(key.startswith("$") for key, _ in pairs) else dict(pairs)
        case list() | tuple():
            return [shown(item, depth - 1) for item in value]
    return encode(value)


def selected(value: Any, select: Sequence[Any], depth: int = DEPTH) -> Any:
    """One object reduced to the properties in `select` (names, or maps of name and what to show of it)."""
    if value is None:
        return None
    row: dict[str, Any] = {}
    for item in select:
        name, inner = (str(item.get("n")), item.get("s")) if isinstance(item, Mapping) else (str(item), None)
        found, property_ = member(value, name)
        row[name] = _inner(property_, inner, depth) if found else {"$absent": True}
    return row


def _inner(value: Any, select: Sequence[Any] | None, depth: int) -> Any:
    if select is None:
        return shown(value, depth)
    if isinstance(value, list | tuple):
        return [selected(item, select, depth - 1) for item in value]
    return selected(value, select, depth - 1)


def listed(objects: Sequence[Any], select: Sequence[Any] | None) -> list[Any]:
    """All objects of a call."""
    return [shown(item) if select is None else selected(item, select) for item in objects]


def error(record: ErrorRecord) -> dict[str, Any]:
    """An error record as a frame has it."""
    reason = record.exception.rpartition(".")[2]
    return {"fqid": record.id, "cat": record.category, "reason": reason, "target": "", "ex": [{"type": record.exception, "hr": 0, "msg": record.message}]}
