"""Values of emulated cmdlets as PSRP sends them, and what clients send as plain values. `pool` uses it; psrpcore does the XML."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from psrpcore import Command
from psrpcore.types import ErrorCategory, ErrorCategoryInfo, NETException, PSCustomObject, PSInt64, PSSecureString

from reconciler.emulator.arguments import Secure
from reconciler.emulator.errors import ErrorRecord
from reconciler.emulator.typed import NotTyped
from reconciler.emulator.winrm.psrp.runspace import Step

INT = range(-(2**31), 2**31)


def shown(value: Any, depth: int = 1) -> Any:
    """A row becomes an object with these properties; what has no form of its own goes as text, and so does what lies deeper.

    Windows sends output of pipelines one level deep, unless a type asks for more.
    """
    match value:
        case Secure():
            return "***"
        case None | bool() | float() | bytes() | datetime() | timedelta():
            return value
        case Enum():
            return shown(value.value, depth)
        case int():
            return value if value in INT else PSInt64(value)
        case Mapping() if depth > 0:
            return PSCustomObject(**{str(name): shown(item, depth - 1) for name, item in value.items()})
        case Mapping():
            return "System.Object"
        case list() | tuple():
            return [shown(item, depth) for item in value]
    return str(value)


def plain(value: Any) -> Any:
    """A value that a client sent, or NotTyped. Secure strings come out as secrets."""
    match value:
        case PSSecureString():
            return Secure(str(value.decrypt()))
        case None | bool() | bytes() | datetime() | timedelta():
            return value
        case str() | int() | float():
            return next(kind(value) for kind in (str, int, float) if isinstance(value, kind))  # without what psrpcore adds
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    raise NotTyped(f"a {type(value).__name__} is no literal value")


def step(command: Command) -> Step:
    return Step(str(command.command_text), bool(command.is_script), [(None if name is None else str(name), plain(v)) for name, v in command.parameters])


def exception(record: ErrorRecord) -> NETException:
    found = NETException(Message=record.message, HResult=-2146233087)
    found.PSObject.type_names = list(dict.fromkeys([record.exception, "System.Exception", "System.Object"]))
    return found


def category(record: ErrorRecord) -> ErrorCategoryInfo:
    known = ErrorCategory.__members__.get(record.category, ErrorCategory.NotSpecified)
    activity = record.id.partition(",")[2].rpartition(".")[2]
    return ErrorCategoryInfo(Category=known, Activity=activity or None, Reason=record.exception.rpartition(".")[2])
