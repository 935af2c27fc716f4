"""root/virtualization/v2: virtual machines and switches, as long as Hyper-V is there.

Sources: windows-outputs `classes` Msvm_…; the numbers of EnabledState as Microsoft documents Msvm_ComputerSystem. Clients run EFLOW beside
vmms, so its VM has no row there (eflow-domain 1.9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.emulator.cim.repository import CimClass
from reconciler.emulator.machine import Machine

NAMESPACE = "root/virtualization/v2"
RUNNING, OFF, SAVED, PAUSED, STARTING = 2, 3, 6, 9, 10
STATES = {"Running": RUNNING, "Off": OFF, "Saved": SAVED, "Paused": PAUSED, "Starting": STARTING}
HEALTHY, OPERATING = 5, 2


def systems(machine: Machine) -> Iterator[Mapping[str, Any]]:
    """windows-outputs Msvm_ComputerSystem: the host itself is one row, its Name the computer's; that of a VM is its id."""
    common = {"CreationClassName": "Msvm_ComputerSystem", "HealthState": HEALTHY, "OperationalStatus": [OPERATING]}
    host = {"Name": machine.computer_name, "ElementName": machine.computer_name, "Caption": "Hosting Computer System", "EnabledState": RUNNING}
    yield {**common, **host}
    for vm in machine.vms:
        running = vm.state == "Running"
        yield {
            **common,
            "Name": vm.id.upper(),
            "ElementName": vm.name,
            "Caption": "Virtual Machine",
            "EnabledState": STATES.get(vm.state, 0),
            "OnTimeInMilliseconds": int(machine.uptime.total_seconds() * 1000) if running else 0,
            "InstallDate": vm.created,
        }


def switches(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for switch in machine.switches:
        yield {
            "CreationClassName": "Msvm_VirtualEthernetSwitch",
            "Name": switch.id.upper(),
            "ElementName": switch.name,
            "Caption": "Virtual Switch",
            "EnabledState": RUNNING,
            "HealthState": HEALTHY,
            "OperationalStatus": [OPERATING],
        }


def settings(machine: Machine) -> Iterator[Mapping[str, Any]]:
    for switch in machine.switches:
        yield {
            "InstanceID": f"Microsoft:{switch.id.upper()}",
            "ElementName": switch.name,
            "VirtualSystemIdentifier": switch.id.upper(),
            "Notes": [switch.notes] if switch.notes else [],
            "IOVPreferred": False,
        }


SYSTEM = "Caption CreationClassName Description ElementName EnabledState HealthState InstallDate Name OnTimeInMilliseconds OperationalStatus"
SWITCH = "Caption CreationClassName Description ElementName EnabledState HealthState InstallDate Name OperationalStatus"
SETTING = "ElementName InstanceID IOVPreferred Notes VirtualSystemIdentifier"
KEYS = ("CreationClassName", "Name")
CLASSES = (
    CimClass(NAMESPACE, "Msvm_ComputerSystem", KEYS, tuple(SYSTEM.split()), systems),
    CimClass(NAMESPACE, "Msvm_VirtualEthernetSwitch", KEYS, tuple(SWITCH.split()), switches),
    CimClass(NAMESPACE, "Msvm_VirtualEthernetSwitchSettingData", ("InstanceID",), tuple(SETTING.split()), settings),
)
