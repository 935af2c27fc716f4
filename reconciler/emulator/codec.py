"""Plain dataclasses to JSON values and back, by their type hints. Used only when an estate is saved or opened."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar, Union

T = TypeVar("T")


def encode(value: Any) -> Any:
    """`value` as JSON. Fields that equal their default are left out; fields marked `metadata={"transient": True}` always are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in dataclasses.fields(value) if not f.metadata.get("transient") and not _is_default(value, f)}
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode(v) for v in value]
    match value:
        case datetime():
            return {"$time": value.isoformat()}
        case timedelta():
            return {"$seconds": value.total_seconds()}
        case bytes():
            return {"$bytes": base64.b64encode(value).decode()}
    return value


def _is_default(value: Any, field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING and bool(getattr(value, field.name) == field.default)


def decode(kind: type[T], value: Any) -> T:
    """The dataclass (or plain type) `kind` out of what `encode` gave."""
    decoded: T = _decode(kind, value)
    return decoded


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1 and (marked := _marked(value)) is not None:
        return marked
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode(next(a for a in typing.get_args(kind) if a is not type(None)), value)
    if origin is dict:
        return {k: _decode(typing.get_args(kind)[1], v) for k, v in value.items()}
    if origin in (list, tuple):
        items = [_decode(typing.get_args(kind)[0], v) for v in value]
        return items if origin is list else tuple(items)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = _hints(kind)
        return kind(**{name: _decode(hints[name], v) for name, v in value.items() if name in hints})
    if kind is Any and isinstance(value, list | dict):
        return [_decode(Any, v) for v in value] if isinstance(value, list) else {k: _decode(Any, v) for k, v in value.items()}
    return value


def _marked(value: dict[str, Any]) -> Any:
    match value:
        case {"$time": str(text)}:
            return datetime.fromisoformat(text)
        case {"$seconds": int() | float() as seconds}:
            return timedelta(seconds=seconds)
        case {"$bytes": str(text)}:
            return base64.b64decode(text)
    return None
