"""EFLOW's trains and releases as data: what each takes, until when it is supported, which releases are bad; and version constraints.

No kind: EflowVm and its rules read it. It judges nothing and knows no host. Dates and limits are what the documents say; they are data
so that a new train is a new row. Sources: eflow-domain 1.1, 1.4, 1.11.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Numbers = tuple[int, ...]

_CLAUSE = re.compile(r"\s*(>=|<=|>|<|==|=)?\s*(\d+(?:\.\d+){0,3})\s*")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "==": operator.eq},
)


def numbers(version: str) -> Numbers:
    """A version as numbers, filled up to four: `1.5.6.08025` and `1.5.6.8025` are one (an MSI drops leading zeros)."""
    parts = tuple(int(part) for part in version.split("."))
    return parts + (0,) * (4 - len(parts))


@lru_cache(maxsize=256)
def _clauses(text: str) -> tuple[tuple[str, Numbers], ...]:
    matches = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if not all(matches):
        raise ValueError("a version is written 1.5.3.12025, or as constraints: >=1.5.3.12025, or >=1.5.3,<1.6")
    return tuple(("==" if match[1] in (None, "=") else match[1], numbers(match[2])) for match in matches if match)


class VersionConstraint(str):
    """A version, or constraints on one. A version equals every constraint that allows it, so the engine's `==` is "is satisfied by"."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str) -> VersionConstraint:
        _clauses(str(text))
        return cls(text)

    @property
    def exact(self) -> Numbers | None:
        """The one version that this names, or None of a range."""
        clauses = _clauses(str(self))
        return clauses[0][1] if len(clauses) == 1 and clauses[0][0] == "==" else None

    def allows(self, version: Numbers) -> bool:
        return all(_OPERATORS[sign](version, bound) for sign, bound in _clauses(str(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, str):
            return NotImplemented
        try:
            theirs = VersionConstraint.read(str(other))
        except ValueError:
            return False
        if theirs.exact is not None:
            return self.allows(theirs.exact)
        return theirs.allows(self.exact) if self.exact is not None else set(_clauses(str(self))) == set(_clauses(str(theirs)))

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(VersionConstraint)  # a range equals many versions: no finer hash agrees with that

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.read, core_schema.str_schema())


@dataclass(frozen=True, slots=True)
class Train:
    """`disk` and `data` in GB. `lacks` names the spec's fields that this train has no parameter or cmdlet for."""

    name: str
    series: tuple[tuple[int, int], ...]
    ended: date | None  # None: a preview, never supported
    disk: tuple[int, int]
    data: tuple[int, int]
    lacks: frozenset[str] = frozenset()
    static_on_default_switch: bool = False  # 1.1 takes a static address there and nowhere else; later trains the other way round

    def holds(self, version: Numbers) -> bool:
        return version[:2] in self.series


_DISK, _DATA = (21, 2048), (2, 2048)

TRAINS: Mapping[str, Train] = MappingProxyType(
    {
        train.name: train
        for train in (
            Train(
                "1.1 LTS",
                ((1, 1),),
                date(2022, 12, 13),
                (8, 256),
                _DATA,
                lacks=frozenset({"vmDataSize", "vmLogSize", "dnsServers", "defender"}),
                static_on_default_switch=True,
            ),
            Train("CR", ((1, 2), (1, 3)), None, _DISK, _DATA),
            Train("1.4 LTS", ((1, 4),), date(2024, 11, 12), _DISK, _DATA),
            Train("1.5 LTS", ((1, 5),), date(2026, 11, 10), _DISK, _DATA),
        )
    },
)

# The day these data were last looked at: what had ended by then has ended, whatever a clock says.
AS_OF = date(2026, 11, 24)

# Releases that are refused, and why.
BAD: Mapping[Numbers, str] = MappingProxyType(
    {
        numbers("1.1.2109.0"): "its signing certificate has expired",
        numbers("1.1.2110.03111"): "its signing certificate has expired",
        numbers("1.5.6.08025"): "it was withdrawn on 2026-02-03: the identity service fails over the host name on a fresh installation; take 1.5.7 or later",
    },
)

# Releases that are warned of, and why.
SUSPECT: Mapping[Numbers, str] = MappingProxyType(
    {numbers("1.5.7.01026"): "Provision-EflowVm failed with it for one user, and its Windows Update package was reported invalid; 1.5.3.12025 did not"},
)

# Releases seen in public, oldest first. Updates go through every one in between; there may be more than these.
RELEASES: tuple[str, ...] = (
    "1.1.2107.0",
    "1.1.2202.21022",
    "1.1.2212.12122",
    "1.3.1.02092",
    "1.4.1.13112",
    "1.4.2.12122",
    "1.4.3.23013",
    "1.4.5.30033",
    "1.4.12.24074",
    "1.5.1.28104",
    "1.5.3.12025",
    "1.5.5.07025",
    "1.5.6.08025",
    "1.5.7.01026",
)
