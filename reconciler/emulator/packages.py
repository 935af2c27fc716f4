"""MSI packages other than EFLOW: an uninstall entry, a folder, for Windows Admin Center a service. `eflowmsi` hands them over.

Source: eflow-domain 7.1; names of services and exact display names are unverified.
"""

from __future__ import annotations

import uuid

from reconciler.emulator.machine import NAMESPACE, Machine, WebFile
from reconciler.emulator.parts import Service
from reconciler.emulator.stores import Registry

UNINSTALL = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
OK, NEWER_THERE = 0, 1638
ADMIN_CENTER, GATEWAY = "windows admin center", "ServerManagementGateway"


def product_code(package: WebFile) -> str:
    """The code of a package; every version has its own."""
    return "{" + str(uuid.uuid5(NAMESPACE, f"{package.product.casefold()}/{package.version}")).upper() + "}"


def present(machine: Machine, code: str) -> bool:
    """Whether a product of this code is installed that `install` put there."""
    return bool(machine.registry.get(f"{UNINSTALL}\\{code}", "PackageKind") == "msi")


def install(machine: Machine, package: WebFile) -> tuple[int, float]:
    """`msiexec /i`: a newer version takes the place of an older one; an older one is refused."""
    older = _of_product(machine.registry, package.product)
    if older is not None and _number(machine.registry.get(older, "DisplayVersion")) > _number(package.version):
        return NEWER_THERE, 5
    if older is not None:
        machine.registry.delete(older)
    folder = f"C:\\Program Files\\{package.product}"
    machine.files.folder(folder, machine.local_now)
    key = f"{UNINSTALL}\\{product_code(package)}"
    for name, value in (("DisplayName", package.product), ("DisplayVersion", package.version), ("InstallLocation", folder), ("PackageKind", "msi")):
        machine.registry.put(key, name, value)
    if ADMIN_CENTER in package.product.casefold():
        machine.add_service(Service(GATEWAY, "Windows Admin Center"))
    return OK, 40


def _of_product(registry: Registry, product: str) -> str | None:
    for key in registry.children(UNINSTALL):
        if str(registry.get(key.path, "DisplayName")).casefold() == product.casefold() and registry.get(key.path, "PackageKind") == "msi":
            return key.path
    return None


def _number(version: object) -> tuple[int, ...]:
    return tuple(int(part) for part in str(version).split(".") if part.isdecimal())


def uninstall(machine: Machine, code: str) -> tuple[int, float]:
    """`msiexec /x`."""
    key = f"{UNINSTALL}\\{code}"
    machine.files.delete(str(machine.registry.get(key, "InstallLocation")))
    if ADMIN_CENTER in str(machine.registry.get(key, "DisplayName")).casefold():
        machine.services.pop(GATEWAY.casefold(), None)
    machine.registry.delete(key)
    return OK, 20
