"""root/cimv2: the machine, its Windows, services, disks and optional features.

Source: windows-outputs `Get-CimInstance Win32_…` (names and types); Win32_OptionalFeature and keys as Microsoft documents the classes. The
rows that Get-CimInstance shows are the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.emulator.cim.repository import CimClass
from reconciler.emulator.cmdlets import cim
from reconciler.emulator.machine import Machine

NAMESPACE = "root/cimv2"
ENABLED, DISABLED, ABSENT = 1, 2, 3
INSTALL_STATES = {"Installed": ENABLED, "UninstallPending": ENABLED, "Available": DISABLED, "InstallPending": DISABLED, "Removed": ABSENT}


def operating_system(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for row in cim.operating_system(machine):
        yield {**row, "Name": f"{machine.caption}|C:\\Windows|\\Device\\Harddisk0\\Partition3", "CurrentTimeZone": 0}


def services(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for row in cim.services(machine):
        yield {**row, "SystemName": machine.computer_name, "AcceptStop": row["State"] == "Running"}


def disks(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for row in cim.disks(machine):
        yield {**row, "SystemName": machine.computer_name, "MediaType": 12}


def optional_features(machine: Machine) -> Iterator[Mapping[str, Any]]:
    """Pending states are not told apart here: the class has Enabled, Disabled, Absent, Unknown (which one a pending one shows is unverified)."""
    for feature in machine.features.values():
        if feature.optional:
            yield {"Name": feature.optional, "Caption": feature.display, "InstallState": INSTALL_STATES[feature.state]}


def _class(name: str, keys: str, properties: str, rows: Any, singleton: bool = False) -> CimClass:
    return CimClass(NAMESPACE, name, tuple(keys.split()), tuple(properties.split()), rows, singleton=singleton)


CLASSES = (
    _class(
        "Win32_OperatingSystem",
        "Name",
        "BuildNumber Caption CSName CurrentTimeZone FreePhysicalMemory LastBootUpTime LocalDateTime Locale MUILanguages Name OSArchitecture OSLanguage"
        " ProductType Status SystemDirectory SystemDrive TotalVisibleMemorySize Version WindowsDirectory",
        operating_system,
        singleton=True,
    ),
    _class(
        "Win32_ComputerSystem",
        "Name",
        "DNSHostName Domain DomainRole HypervisorPresent Manufacturer Model Name NumberOfLogicalProcessors NumberOfProcessors PartOfDomain Status"
        " SystemType TotalPhysicalMemory Workgroup",
        cim.computer_system,
    ),
    _class("Win32_ComputerSystemProduct", "IdentifyingNumber Name Version", "IdentifyingNumber Name UUID Vendor Version", cim.product),
    _class(
        "Win32_Processor",
        "DeviceID",
        "AddressWidth Architecture DeviceID Manufacturer Name NumberOfCores NumberOfLogicalProcessors SecondLevelAddressTranslationExtensions Status"
        " VirtualizationFirmwareEnabled VMMonitorModeExtensions",
        cim.processor,
    ),
    _class("Win32_LogicalDisk", "DeviceID", "DeviceID DriveType FileSystem FreeSpace MediaType Name Size SystemName VolumeName", disks),
    _class("Win32_Service", "Name", "AcceptStop DelayedAutoStart DisplayName Name Started StartMode StartName State Status SystemName", services),
    _class("Win32_OptionalFeature", "Name", "Caption InstallState Name", optional_features),
)
