"""How CIM cmdlets select objects and say that there are none: windows-outputs errors.general, CmdletizationQuery_NotFound.

Used by the modules whose cmdlets come from CDXML. Wildcards and no filter give nothing without an error; an exact value that
misses is an error each, named after the CIM property; several filters together drop the name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from reconciler.emulator.cmdlets import Bound
from reconciler.emulator.errors import CIM, CIM_JOB, CmdletError
from reconciler.emulator.machine import Machine


def wildcard(value: Any) -> bool:
    return isinstance(value, str) and any(c in value for c in "*?[")


def matches(value: Any, pattern: Any) -> bool:
    """Whether a property equals `pattern`; text without case, with wildcards."""
    if isinstance(pattern, str):
        return fnmatchcase(str(value).casefold(), pattern.casefold())
    return bool(value == pattern)


def select(machine: Machine, bound: Bound, rows: Iterable[Mapping[str, Any]], what: str, filters: Mapping[str, tuple[str, str]]) -> list[Mapping[str, Any]]:
    """The rows that the bound filters leave. `filters`: parameter → (property of the row, CIM name of the property)."""
    given = {name: _listed(bound[name]) for name in filters if name in bound}
    found = list(rows)
    if not given:
        return found
    if len(given) == 1:
        name, values = next(iter(given.items()))
        return _by_one(machine, bound, found, what, filters[name], values)
    kept = [row for row in found if all(any(matches(row[filters[name][0]], value) for value in values) for name, values in given.items())]
    if not kept and not any(wildcard(value) for values in given.values() for value in values):
        message = machine.text("none found", what=what, property=", ".join(given), value=", ".join(str(v) for values in given.values() for v in values))
        bound.fail(CmdletError("CmdletizationQuery_NotFound", "ObjectNotFound", message, CIM_JOB))
    return kept


def _by_one(
    machine: Machine, bound: Bound, rows: Sequence[Mapping[str, Any]], what: str, names: tuple[str, str], values: Sequence[Any]
) -> list[Mapping[str, Any]]:
    own, cim = names
    kept: list[Mapping[str, Any]] = []
    for value in values:
        found = [row for row in rows if matches(row[own], value)]
        if not found and not wildcard(value):
            message = machine.text("none found", what=what, property=cim, value=value)
            bound.fail(CmdletError(f"CmdletizationQuery_NotFound_{cim}", "ObjectNotFound", message, CIM_JOB))
        kept += [row for row in found if row not in kept]
    return kept


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def system_error(machine: Machine, number: int) -> CmdletError:
    """A Win32 error as CIM cmdlets report it."""
    category, name = {
        5: ("PermissionDenied", "denied"),
        32: ("NotSpecified", "in use"),
        87: ("InvalidArgument", "invalid parameter"),
        1168: ("ObjectNotFound", "not found"),
        1753: ("NotSpecified", "service"),
    }[number]
    return CmdletError(f"Windows System Error {number}", category, machine.text(name), CIM)


def demand_rights(machine: Machine, bound: Bound) -> None:
    """Refuses a write of somebody who is not elevated."""
    if not bound.elevated:
        raise system_error(machine, 5)
