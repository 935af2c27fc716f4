"""Types that specs and states share, so that equality is decided by type and never by a kind.

Each reads what people type and what Windows answers; `Declared…` forms add what may not be declared.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from reconciler.core.canonical import duration_text


class Folded(str):
    """Text that Windows compares without case: equal and hashed by its casefolded form, printed as given."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.casefold() == other.casefold()

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.casefold())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema())


class SeenName(Folded):
    """The name of an object as Windows shows it; anything may stand in it."""

    __slots__ = ()


def _declarable(name: SeenName) -> SeenName:
    if not name.strip():
        raise ValueError("a name cannot be empty")
    if len(name) > 256:
        raise ValueError("a name has at most 256 characters")
    bad = sorted(set(re.findall(r"[*?\[\]\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", name)))
    if bad:
        raise ValueError(f"a name cannot hold {', '.join(ascii(c) for c in bad)}: cmdlets would read it as a pattern, or it would not print")
    if name != name.strip():
        raise ValueError("a name cannot begin or end with a space")
    return name


# A name that may be declared: no wildcard, no control character (query parameters of CDXML cmdlets take wildcards).
WindowsName = Annotated[SeenName, AfterValidator(_declarable)]


_DASHED = re.compile(r"[0-9A-F]{2}(?:-[0-9A-F]{2}){5}")


class MacAddress(str):
    """Six octets, kept as upper-case hex with dashes: the four spellings of Windows are one value (windows-outputs trap 13)."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str) -> MacAddress:
        upper = text.upper()
        if _DASHED.fullmatch(upper):
            return cls(upper)  # as DHCP and EFLOW show it
        digits = re.sub(r"[-:.\s]", "", upper)
        if not re.fullmatch(r"[0-9A-F]{12}", digits):
            raise ValueError("a MAC address has twelve hex digits, for example 00-15-5D-01-02-03")
        return cls("-".join(digits[i : i + 2] for i in range(0, 12, 2)))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls.read, core_schema.str_schema())


_DOTTED = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_UNITS = re.compile(r"(\d+)\s*(d|h|m|min|s)")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}


def _read_duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if dotted := _DOTTED.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in dotted.groups())
        if hours < 24 and minutes < 60 and seconds < 60:
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    elif text and not _UNITS.sub("", text).strip():
        return timedelta(seconds=sum(int(n) * _SECONDS[unit] for n, unit in _UNITS.findall(text)))
    raise ValueError("a duration is written 8.00:00:00 (days.hours:minutes:seconds), 00:30:00, or 8d, 30m")


Duration = Annotated[timedelta, BeforeValidator(_read_duration)]


def _interface(value: Any) -> Any:
    if isinstance(value, str) and "/" not in value:
        raise ValueError("write the address with its prefix length, for example 172.20.10.1/24")
    return value


# An address that brings its network: `172.20.10.1/24`.
AddressWithPrefix = Annotated[IPv4Interface, BeforeValidator(_interface)]


def _host_address(value: Any) -> Any:
    if isinstance(value, str):
        return IPv4Interface(value) if "/" in value else IPv4Address(value)
    return value


# An address, with or without its prefix length.
HostAddress = Annotated[IPv4Interface | IPv4Address, BeforeValidator(_host_address)]

__all__ = [
    "AddressWithPrefix",
    "Duration",
    "Folded",
    "HostAddress",
    "IPv4Address",
    "IPv4Interface",
    "IPv4Network",
    "MacAddress",
    "SeenName",
    "WindowsName",
    "duration_text",
]
