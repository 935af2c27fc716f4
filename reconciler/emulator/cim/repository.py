"""Which classes there are on a machine, and their instances. `emulator.winrm.wmi` serves them, `hosts.emulated_cim` reads them in this process.

What is asked for and not there is a `CimError` with WMI's own HRESULT (windows-outputs errors.general; MS-WMI WBEMSTATUS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from reconciler.emulator.machine import Machine

Row: TypeAlias = Mapping[str, Any]

INVALID_NAMESPACE, INVALID_CLASS, INVALID_QUERY, NOT_FOUND = 0x8004100E, 0x80041010, 0x80041017, 0x80041002


class CimError(Exception):
    """What WMI refuses with; `hresult` is its number."""

    def __init__(self, hresult: int, message: str) -> None:
        super().__init__(message)
        self.hresult = hresult


@dataclass(frozen=True, slots=True)
class CimClass:
    """`keys` name an instance. `there`: whether the machine has the class at all; a class may be there and have no instance."""

    namespace: str
    name: str
    keys: tuple[str, ...]
    properties: tuple[str, ...]
    rows: Callable[[Machine], Iterable[Row]]
    there: Callable[[Machine], bool] = lambda machine: True
    singleton: bool = False

    def instances(self, machine: Machine) -> list[Row]:
        """Every property of every instance; what the machine has no value for is None."""
        return [{name: row.get(name) for name in sorted(self.properties, key=str.casefold)} for row in self.rows(machine)]

    def named(self, name: str) -> str | None:
        """The property as it is spelled, whatever its case in a request."""
        return next((own for own in self.properties if own.casefold() == name.casefold()), None)


def find(machine: Machine, namespace: str, name: str) -> CimClass:
    """The class; WMI knows no case. Raises CimError."""
    space = namespace.replace("\\", "/").strip("/").casefold()
    known = [one for one in _classes() if one.namespace.casefold() == space]
    if not known or (space == "root/virtualization/v2" and not machine.hyperv):
        raise CimError(INVALID_NAMESPACE, f"Invalid namespace {namespace}")
    found = next((one for one in known if one.name.casefold() == name.casefold()), None)
    if found is None or not found.there(machine):
        raise CimError(INVALID_CLASS, machine.text("class"))
    return found


def get(machine: Machine, found: CimClass, selectors: Mapping[str, str]) -> Row:
    """The one instance that `selectors` name by its keys. Raises CimError."""
    given = {name.casefold(): value.casefold() for name, value in selectors.items()}
    for row in found.instances(machine):
        if all(str(row[key]).casefold() == given.get(key.casefold()) for key in found.keys):
            return row
    raise CimError(NOT_FOUND, machine.text("not found"))


def _classes() -> Sequence[CimClass]:
    from reconciler.emulator.cim import hyperv, network, win32  # they name this module's CimClass

    return (*win32.CLASSES, *network.CLASSES, *hyperv.CLASSES)
