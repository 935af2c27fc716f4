"""The emulated cmdlets: one function each, one module per PowerShell module, registered with `@cmdlet`.

A function gets the machine and what was bound, changes the machine, and yields rows (property → value) or bare values. It raises
`CmdletError` for a terminating error and calls `bound.fail` for one that is not. `source` names the fact it rests on, or says
"unverified". `powershell.execute` is the only caller.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from reconciler.emulator.errors import CmdletError
from reconciler.emulator.machine import Machine

MODULES = (
    *("cim", "dhcpitems", "dhcpoptions", "dhcpserver", "dhcpservice", "dism", "eflow", "eflowguest", "hostcompute", "hyperv", "items", "itemwrites"),
    *("netadapter", "netnat", "nettcpip", "servermanager", "services", "utility", "vms"),
)


@dataclass(slots=True)
class Bound:
    """The bound parameters of one call, and what the call does besides giving objects."""

    name: str
    set: str
    values: Mapping[str, Any]
    elevated: bool = True
    confirm: str = "None"
    errors: list[CmdletError] = field(default_factory=list)
    info: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.05
    reboot: bool = False
    cut: bool = False

    def __getitem__(self, name: str) -> Any:
        """What was bound to a parameter. One that is not there belongs to a parameter set that is not emulated: said aloud."""
        if name not in self.values:
            raise CmdletError("NotEmulated", "NotImplemented", f"{self.name}: the parameter set {self.set} is not emulated (-{name} is missing).")
        return self.values[name]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: Any = None) -> Any:
        return self.values.get(name, default)

    def on(self, name: str) -> bool:
        """Whether a switch is given and true."""
        return bool(self.values.get(name, False))

    def say(self, text: str) -> None:
        """Prints to the host stream, as Write-Host does."""
        self.info.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def fail(self, error: CmdletError) -> None:
        """Records a non-terminating error; the call goes on."""
        error.terminating = False
        self.errors.append(error)

    def takes(self, seconds: float) -> None:
        self.seconds += seconds


Function: TypeAlias = Callable[[Machine, Bound], Iterable[Any] | None]


@dataclass(frozen=True, slots=True)
class Emulated:
    """A registered cmdlet. `impact` High would ask for confirmation unless ConfirmPreference is None."""

    name: str
    run: Function
    source: str
    impact: str

    @property
    def verified(self) -> bool:
        return "unverified" not in self.source


CMDLETS: dict[str, Emulated] = {}


def cmdlet(name: str, source: str, impact: str = "Medium") -> Callable[[Function], Function]:
    """Registers the function as the emulation of `name`."""

    def register(function: Function) -> Function:
        CMDLETS[name.casefold()] = Emulated(name, function, source, impact)
        return function

    return register


@cache
def load() -> Mapping[str, Emulated]:
    """All emulated cmdlets by casefolded name; imports their modules once."""
    for module in MODULES:
        importlib.import_module(f"reconciler.emulator.cmdlets.{module}")
    return CMDLETS
