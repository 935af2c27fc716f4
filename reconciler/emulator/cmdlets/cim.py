"""CimCmdlets: Get-CimInstance on the classes that the product reads. Sources: windows-outputs `Get-CimInstance Win32_…` and classes.

Filters are the part of WQL that people write: comparisons joined by AND and OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.errors import CIM, CmdletError
from reconciler.emulator.machine import Machine

COMPARISON = re.compile(r"\s*(?P<name>\w+)\s*(?P<op>=|!=|<>|>=|<=|>|<|like)\s*(?P<value>'[^']*'|\"[^\"]*\"|[-\w.]+)\s*", re.IGNORECASE)
START_MODES = {"Automatic": "Auto", "Manual": "Manual", "Disabled": "Disabled", "Boot": "Boot", "System": "System"}
Rows = Iterable[Mapping[str, Any]]


def operating_system(machine: Machine) -> Rows:
    german = machine.language.startswith("de")
    yield {
        "Caption": machine.caption,
        "Version": machine.version,
        "BuildNumber": str(machine.build),
        "ProductType": machine.product_type,
        "OSArchitecture": "64-Bit" if german else "64-bit",
        "OSLanguage": 1031 if german else 1033,
        "MUILanguages": [machine.language],
        "Locale": "0407" if german else "0409",
        "CSName": machine.computer_name,
        "LastBootUpTime": machine.booted + machine.skew,
        "LocalDateTime": machine.local_now,
        "FreePhysicalMemory": machine.free_mb << 10,
        "TotalVisibleMemorySize": machine.memory_mb << 10,
        "SystemDrive": "C:",
        "WindowsDirectory": "C:\\Windows",
        "SystemDirectory": "C:\\Windows\\system32",
        "Status": "OK",
    }


def computer_system(machine: Machine) -> Rows:
    guest = machine.platform in ("hyper-v", "azure")
    hardware = (
        ("Microsoft Corporation", "Virtual Machine") if guest else ("VMware, Inc.", "VMware7,1") if machine.platform == "vmware" else ("Contoso", "Edge 200")
    )
    yield {
        "Name": machine.computer_name,
        "DNSHostName": machine.name,
        "Domain": machine.domain or "WORKGROUP",
        "PartOfDomain": machine.domain is not None,
        "Workgroup": None if machine.domain else "WORKGROUP",
        "DomainRole": (3 if machine.domain else 2) if machine.server else (1 if machine.domain else 0),
        "Manufacturer": hardware[0],
        "Model": hardware[1],
        "HypervisorPresent": machine.hyperv or machine.platform != "physical",
        "NumberOfLogicalProcessors": machine.processors,
        "NumberOfProcessors": 1,
        "TotalPhysicalMemory": machine.memory_mb << 20,
        "SystemType": "x64-based PC",
        "Status": "OK",
    }


def product(machine: Machine) -> Rows:
    yield {"UUID": machine.uuid, "Name": "Edge 200", "Vendor": "Contoso", "IdentifyingNumber": machine.uuid[:8], "Version": "1.0"}


def bios(machine: Machine) -> Rows:
    yield {"SerialNumber": machine.uuid[:8], "Manufacturer": "Contoso", "SMBIOSBIOSVersion": "2.14", "Version": "CONTOSO - 1", "Name": "2.14"}


def processor(machine: Machine) -> Rows:
    """Trap 20: the three virtualisation flags read false once a hypervisor runs."""
    seen = machine.nested and not machine.hyperv
    yield {
        "DeviceID": "CPU0",
        "Name": "Intel(R) Xeon(R) CPU E-2278GEL @ 2.00GHz",
        "Manufacturer": "GenuineIntel",
        "Architecture": 9,
        "NumberOfCores": max(1, machine.processors // 2),
        "NumberOfLogicalProcessors": machine.processors,
        "VirtualizationFirmwareEnabled": seen,
        "VMMonitorModeExtensions": seen,
        "SecondLevelAddressTranslationExtensions": seen,
        "AddressWidth": 64,
        "Status": "OK",
    }


def disks(machine: Machine) -> Rows:
    size, free = machine.disk_gb << 30, machine.free_gb << 30
    yield {"DeviceID": "C:", "Name": "C:", "DriveType": 3, "FileSystem": "NTFS", "Size": size, "FreeSpace": free, "VolumeName": ""}


def services(machine: Machine) -> Rows:
    for service in sorted(machine.services.values(), key=lambda s: s.name.casefold()):
        yield {
            "Name": service.name,
            "DisplayName": service.display,
            "State": {"StartPending": "Start Pending"}.get(service.state, service.state),
            "Started": service.state == "Running",
            "StartMode": START_MODES[service.start],
            "DelayedAutoStart": service.delayed,
            "Status": "OK",
            "StartName": "LocalSystem",
        }


def virtual_systems(machine: Machine) -> Rows:
    """windows-outputs Msvm_ComputerSystem: the host itself is one row."""
    yield {"Name": machine.computer_name, "ElementName": machine.computer_name, "Caption": "Hosting Computer System", "EnabledState": 2}
    for vm in machine.vms:
        yield {"Name": vm.id.upper(), "ElementName": vm.name, "Caption": "Virtual Machine", "EnabledState": {"Running": 2, "Off": 3}.get(vm.state, 6)}


CLASSES: Mapping[tuple[str, str], Callable[[Machine], Rows]] = {
    ("root/cimv2", "win32_operatingsystem"): operating_system,
    ("root/cimv2", "win32_computersystem"): computer_system,
    ("root/cimv2", "win32_computersystemproduct"): product,
    ("root/cimv2", "win32_bios"): bios,
    ("root/cimv2", "win32_processor"): processor,
    ("root/cimv2", "win32_logicaldisk"): disks,
    ("root/cimv2", "win32_service"): services,
    ("root/virtualization/v2", "msvm_computersystem"): virtual_systems,
}


@cmdlet("Get-CimInstance", "windows-outputs Get-CimInstance")
def get_instance(machine: Machine, bound: Bound) -> Iterator[Mapping[str, Any]]:
    namespace = bound.get("Namespace", "root/cimv2").replace("\\", "/").casefold()
    name, filter_text = bound.get("ClassName", ""), bound.get("Filter")
    if "Query" in bound:
        name, filter_text = _query(machine, bound["Query"])
    rows = CLASSES.get((namespace, name.casefold()))
    if rows is None or (namespace.startswith("root/virtualization") and not machine.hyperv):
        raise CmdletError("HRESULT 0x80041010", "MetadataError", machine.text("class"), CIM)
    test = condition(machine, filter_text) if filter_text else None
    wanted = [p.casefold() for p in bound.get("Property", [])]
    for row in rows(machine):
        if test is None or test(row):
            yield {k: v for k, v in row.items() if k.casefold() in wanted} if wanted else row


def _query(machine: Machine, query: str) -> tuple[str, str | None]:
    found = re.fullmatch(r"\s*select\s+.+?\s+from\s+(?P<name>\w+)(?:\s+where\s+(?P<filter>.+))?\s*", query, re.IGNORECASE)
    if found is None:
        raise _invalid(machine)
    return found["name"], found["filter"]


def _invalid(machine: Machine) -> CmdletError:
    return CmdletError("HRESULT 0x80041017", "InvalidArgument", machine.text("query"), CIM)


def condition(machine: Machine, text: str) -> Callable[[Mapping[str, Any]], bool]:
    """A WQL condition as a test of a row: comparisons, AND before OR, no parentheses. Anything else is an invalid query."""
    alternatives = [[_comparison(machine, part) for part in re.split(r"\band\b", choice, flags=re.IGNORECASE)] for choice in _choices(text)]
    return lambda row: any(all(test(row) for test in tests) for tests in alternatives)


def _choices(text: str) -> list[str]:
    return re.split(r"\bor\b", text, flags=re.IGNORECASE)


def _comparison(machine: Machine, text: str) -> Callable[[Mapping[str, Any]], bool]:
    found = COMPARISON.fullmatch(text)
    if found is None:
        raise _invalid(machine)
    name, op, literal = found["name"].casefold(), found["op"].lower(), found["value"]
    wanted = literal[1:-1] if literal[0] in "'\"" else literal

    def test(row: Mapping[str, Any]) -> bool:
        known = {k.casefold(): v for k, v in row.items()}
        if name not in known:
            raise _invalid(machine)
        return _holds(op, known[name], wanted)

    return test


def _holds(op: str, value: Any, wanted: str) -> bool:
    if op == "like":
        return re.fullmatch(re.escape(wanted).replace("%", ".*").replace("_", "."), str(value), re.IGNORECASE) is not None
    left: Any = str(value).casefold()
    right: Any = wanted.casefold()
    if isinstance(value, bool):
        right = "true" if right in ("true", "1") else "false"
    elif isinstance(value, int) and re.fullmatch(r"-?\d+", wanted):
        left, right = value, int(wanted)
    return bool(
        {"=": left == right, "!=": left != right, "<>": left != right, ">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[op]
    )
