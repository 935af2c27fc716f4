"""WMI of a host, read without PowerShell: what `doctor` can still ask where a policy keeps scripts from running.

`Cim` is what is asked, `winrm.cim` asks over WS-Management, `emulated_cim` in this process. It reads; nothing here writes or calls a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from reconciler.hosts.winrm.errors import Faulted

CIMV2, STANDARD, VIRTUALIZATION = "root/cimv2", "root/StandardCimv2", "root/virtualization/v2"
Value: TypeAlias = str | tuple[str, ...] | None
Instance: TypeAlias = Mapping[str, Value]


class NotThere(Faulted):
    """The host has no such class, namespace or instance: a role is missing, or Windows is too old."""


class Cim(Protocol):
    """Values are text; a list of one is not told from one value, for the protocol does not."""

    async def query(self, namespace: str, name: str, properties: Sequence[str], where: str = "") -> tuple[Instance, ...]:
        """Properties of all instances of a class. Raises NotThere, TransportError."""

    async def shells(self) -> int | None:
        """How many shells are open in the WinRM service, of anybody; None where there is no such service. Raises TransportError."""

    async def settings(self) -> Mapping[str, str]:
        """What the WinRM service is set to: `MaxEnvelopeSizekb`, `Winrs/MaxShellsPerUser` … Empty where there is none. Raises TransportError."""


def one(value: Value) -> str:
    """The value as one text; empty where there is none."""
    return "" if value is None else value if isinstance(value, str) else ", ".join(value)


def is_true(value: Value) -> bool:
    return one(value).casefold() in ("true", "1")


def number(value: Value) -> int | None:
    text = one(value)
    return int(text) if text.isascii() and text.lstrip("-").isdecimal() else None
