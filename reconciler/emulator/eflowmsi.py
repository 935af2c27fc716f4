"""What the EFLOW packages do to a machine when msiexec installs or removes them. Source: eflow-domain 1.1, 1.3, 1.6.

Only `programs` calls it. A package is known by the hash of its file, through the emulated web that it came from.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from reconciler.emulator import packages
from reconciler.emulator.eflow import AGENT_KEY, DEFAULT_INSTALL, DISK, MODULE, UNINSTALL, Eflow
from reconciler.emulator.machine import NAMESPACE, Machine, WebFile
from reconciler.emulator.parts import Service

OK, FATAL, NO_PACKAGE, UNKNOWN_PRODUCT, NEWER_THERE, BAD_PACKAGE = 0, 1603, 1619, 1605, 1638, 1620
GUID = re.compile(r"\{[0-9A-Fa-f-]{36}\}")
# The uninstall entry's name does not tell the trains apart: eflow-domain 1.3.
DISPLAY_NAME = "Azure IoT Edge LTS"
MINIMUM_BUILD = 17763
AGENT_FILES = ("nodectl.exe", "wssdagent.exe", "EFLOWProxy.exe", "AzureIoTEdgeForLinux-v1.vhdx")


def product_code(version: str) -> str:
    """The code of a version's package; every version has its own."""
    return "{" + str(uuid.uuid5(NAMESPACE, f"eflow/{version}")).upper() + "}"


def is_eflow(package: WebFile) -> bool:
    """Whether a package is EFLOW rather than any other MSI."""
    return package.kind == "eflow"


def install(machine: Machine, target: str, properties: Mapping[str, str]) -> tuple[int, float]:
    """`msiexec /i`: the exit code and how long it took."""
    file = machine.files.find(target)
    if file is None or file.folder:
        return NO_PACKAGE, 1
    package = _package(machine, file.sha256)
    if package is None:
        return BAD_PACKAGE, 1
    if not is_eflow(package):
        return packages.install(machine, package)
    if machine.build < MINIMUM_BUILD:
        return FATAL, 8
    if machine.eflow.installed:
        return _over(machine, package)
    if machine.free_gb < 4:
        return FATAL, 8
    _lay_down(machine, package.version, properties)
    return OK, 75


def _package(machine: Machine, sha256: str) -> WebFile | None:
    known = (f for f in machine.site.web.values() if f.product and f.sha256.upper() == sha256.upper())
    return next(known, None)


def _over(machine: Machine, package: WebFile) -> tuple[int, float]:
    """On top of what is there: the same again is a repair; anything else is refused, trains never mix (eflow-domain 1.1)."""
    return (OK, 30) if package.version == machine.eflow.version else (NEWER_THERE, 6)


def _lay_down(machine: Machine, version: str, properties: Mapping[str, str]) -> None:
    folder = properties.get("INSTALLDIR", DEFAULT_INSTALL).rstrip("\\")
    expires = machine.eflow.certificate_expires
    machine.eflow = Eflow(
        version=version,
        product_code=product_code(version),
        display_name=DISPLAY_NAME,
        install_dir=folder,
        vhdx_dir=properties.get("VHDXDIR", folder).rstrip("\\"),
        certificate_expires=expires,
    )
    for name in AGENT_FILES:
        machine.files.place(f"{folder}\\{name}", 1 << 20, f"{version}{name}".encode().hex()[:64].ljust(64, "0"), machine.local_now)
    machine.files.folder(f"{folder}\\yaml", machine.local_now)
    machine.files.folder(machine.eflow.vhdx_dir, machine.local_now)
    machine.files.write(MODULE, f"# AzureEFLOW {version}", machine.local_now)
    key = f"{UNINSTALL}\\{machine.eflow.product_code}"
    for name, value in (("DisplayName", DISPLAY_NAME), ("DisplayVersion", version), ("Publisher", "Microsoft Corporation"), ("InstallLocation", folder)):
        machine.registry.put(key, name, value)
    machine.add_service(Service("wssdagent", "WSSD Agent Service", start="Automatic", needs=("hns",) if machine.service("hns") else (), late=12))
    machine.add_service(Service("EFLOWProxy", "EFLOW Proxy Service", state="Stopped", start="Manual", needs=("wssdagent",)))
    machine.free_gb = max(0, machine.free_gb - 2)


def uninstall(machine: Machine, target: str, properties: Mapping[str, str]) -> tuple[int, float]:
    """`msiexec /x`: takes away the product, the VM and what a failed deployment left. Guest data goes with it (eflow-domain 1.6)."""
    eflow = machine.eflow
    code = target if GUID.fullmatch(target) else ""
    if not code:
        file = machine.files.find(target)
        package = _package(machine, file.sha256) if file else None
        code = (product_code(package.version) if is_eflow(package) else packages.product_code(package)) if package else ""
    if code and packages.present(machine, code):
        return packages.uninstall(machine, code)
    if not eflow.installed or code.casefold() != eflow.product_code.casefold():
        return UNKNOWN_PRODUCT, 1
    clear_vm(machine)
    for folder in {eflow.install_dir, eflow.vhdx_dir}:
        if folder == eflow.install_dir or not machine.files.children(folder):
            machine.files.delete(folder)
    machine.files.delete(MODULE.rpartition("\\")[0])
    machine.files.delete("C:\\ProgramData\\wssdagent")
    machine.registry.delete(f"{UNINSTALL}\\{eflow.product_code}")
    machine.registry.delete(AGENT_KEY)
    for name in ("wssdagent", "eflowproxy"):
        machine.services.pop(name, None)
    machine.eflow = Eflow()
    machine.free_gb = min(machine.disk_gb, machine.free_gb + 2)
    return OK, 50


def clear_vm(machine: Machine) -> None:
    """The VM and its disk go."""
    eflow = machine.eflow
    machine.vms = [vm for vm in machine.vms if vm.id != eflow.vm_id]
    machine.files.delete(f"{eflow.vhdx_dir}\\{DISK}")
