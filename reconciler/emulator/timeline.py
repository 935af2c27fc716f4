"""What happens on a machine by itself as virtual time goes by: late adapters, services that come up, restarts.

`settle` brings a machine up to a moment; everybody who asks a machine calls it first. `schedule` and `restart` are called by cmdlets.
"""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from typing import Any

from reconciler.emulator.deployment import renew
from reconciler.emulator.machine import NAMESPACE, Machine
from reconciler.emulator.parts import Due, Feature, Service, VmSwitch
from reconciler.emulator.vnic import appear, give_back

DEFAULT_SWITCH = "c08cb7b8-9b3c-408e-8e30-5e16a3aeb444"  # windows-outputs Get-HnsNetwork: unverified
PENDING_KEY = "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending"

# Worked off, and so gone, at the next start (MoveFileEx, MOVEFILE_DELAY_UNTIL_REBOOT, as Microsoft documents it).
FILES_WAIT = ("HKLM\\SYSTEM\\CurrentControlSet\\Control\\Session Manager", "PendingFileRenameOperations")


def settle(machine: Machine, at: datetime) -> None:
    """Brings the machine up to `at`; what was due until then has happened, in its order. Time never goes back."""
    if machine.above is not None:
        machine.above()
    if at <= machine.now and not machine.due:
        return
    while machine.due and machine.due[0].at <= at:
        due = machine.due.pop(0)
        machine.now = max(machine.now, due.at)
        _happen(machine, due)
    machine.now = max(machine.now, at)


def schedule(machine: Machine, after: float, what: str, subject: str, **data: Any) -> None:
    """Something will happen `after` seconds from now."""
    machine.due.append(Due(machine.now + timedelta(seconds=after), what, subject, data))
    machine.due.sort(key=lambda due: due.at)


def _happen(machine: Machine, due: Due) -> None:
    match due.what:
        case "adapter":
            appear(machine, due.subject)
        case "preferred":
            _prefer(machine, due.subject)
        case "service":
            service = machine.service(due.subject)
            if service is not None and service.state == "StartPending":
                service.state = "Running"
        case "eflow":
            if machine.eflow.deployed and machine.running("wssdagent"):
                eflow_power(machine, due.subject)
                renew(machine)


def _prefer(machine: Machine, subject: str) -> None:
    for _, address in machine.addresses():
        if address.address == subject and address.state == "Tentative":
            address.state = "Preferred"


def restart(machine: Machine, delay: float = 0) -> datetime:
    """Restarts the machine; the moment at which WinRM answers again. Everything but time itself is done at once.

    eflow-domain 8: enabling Hyper-V boots twice (unverified), so it takes longer.
    """
    pending = any(f.state in ("InstallPending", "UninstallPending") for f in machine.features.values())
    machine.boots += 1
    digest = hashlib.sha256(f"{machine.name}/boot/{machine.boots}".encode()).digest()
    down = delay + 150 + digest[0] % 50 + (85 if pending else 0)
    machine.down_until = machine.now + timedelta(seconds=down)
    machine.booted = machine.down_until - timedelta(seconds=35 + digest[1] % 10)
    machine.boot_id = str(uuid.uuid5(NAMESPACE, f"{machine.name}/boot/{machine.boots}"))
    machine.processes.clear()
    machine.due.clear()
    _finish_features(machine)
    _settle_network(machine)
    _rename(machine)
    machine.servicing_pending = False
    machine.registry.delete(PENDING_KEY)
    machine.registry.drop(*FILES_WAIT)
    _start_services(machine)
    _start_guests(machine)
    return machine.down_until


def power_off(machine: Machine) -> None:
    """The power goes: processes end, nothing is finished in good order."""
    machine.power = "off"
    machine.processes.clear()
    machine.due.clear()


def power_on(machine: Machine) -> datetime:
    machine.power = "on"
    return restart(machine)


def _finish_features(machine: Machine) -> None:
    for feature in machine.features.values():
        if feature.state == "InstallPending":
            feature.state = "Installed"
            installed(machine, feature)
        elif feature.state == "UninstallPending":
            feature.state = "Available"
            removed(machine, feature)


def installed(machine: Machine, feature: Feature) -> None:
    """What a feature brings when it takes effect."""
    match feature.role or feature.optional:
        case "Hyper-V" | "Microsoft-Hyper-V":
            for service in (
                Service("vmms", "Hyper-V Virtual Machine Management", late=9),
                Service("vmcompute", "Hyper-V Host Compute Service", start="Automatic", late=4),
                Service("hvhost", "HV Host Service", start="Automatic", late=2),
                Service("hns", "Host Network Service", start="Automatic", late=5),
            ):
                machine.add_service(service)
            if not machine.server:
                machine.switches.append(VmSwitch(DEFAULT_SWITCH, "Default Switch", "Internal", protected=True))
        case "Containers":
            machine.add_service(Service("hns", "Host Network Service", late=5))
        case "DHCP":
            machine.add_service(Service("DHCPServer", "DHCP Server", late=6))
            machine.registry.put("HKLM\\SOFTWARE\\Microsoft\\ServerManager\\Roles\\12", "ConfigurationState", 1)


def removed(machine: Machine, feature: Feature) -> None:
    """What goes when a feature is gone. NATs and DHCP's own data stay: eflow-domain 5."""
    match feature.role or feature.optional:
        case "Hyper-V" | "Microsoft-Hyper-V":
            for name in ("vmms", "vmcompute", "hvhost"):
                machine.services.pop(name, None)
            for switch in list(machine.switches):
                give_back(machine, switch)
            machine.switches.clear()
            machine.vms.clear()
        case "DHCP":
            machine.services.pop("dhcpserver", None)
            machine.registry.delete("HKLM\\SOFTWARE\\Microsoft\\ServerManager\\Roles\\12")


def _settle_network(machine: Machine) -> None:
    """eflow-domain 5: HNS NATs do not outlive a restart from 2019 on; the Default Switch takes another subnet (TE)."""
    if machine.build >= 17763:
        machine.nats = [nat for nat in machine.nats if nat.kind != "hns"]
    for _, address in machine.addresses():
        address.state = "Preferred"
    for adapter in machine.adapters:
        if adapter.status == "Not Present":  # its driver waited for this restart
            adapter.status = "Up"
    for switch in machine.switches:
        if switch.protected:
            machine.adapters = [a for a in machine.adapters if a.switch != switch.id]
        if machine.hyperv and not any(a.switch == switch.id and a.virtual for a in machine.adapters):
            appear(machine, switch.id)


def _rename(machine: Machine) -> None:
    if machine.pending_rename:
        machine.computer_name = machine.pending_rename
        machine.pending_rename = None
        name = "HKLM\\SYSTEM\\CurrentControlSet\\Control\\ComputerName\\ActiveComputerName"
        machine.registry.put(name, "ComputerName", machine.computer_name)


def _start_services(machine: Machine) -> None:
    """Automatic services start; some only seconds after WinRM answers."""
    answered = machine.down_until or machine.now
    for service in machine.services.values():
        if service.start != "Automatic":
            service.state = "Stopped"
        elif service.late:
            service.state = "StartPending"
            machine.due.append(Due(answered + timedelta(seconds=service.late), "service", service.name))
        else:
            service.state = "Running"
    machine.due.sort(key=lambda due: due.at)
    machine.dhcp.groups_known = machine.dhcp.groups


def _start_guests(machine: Machine) -> None:
    """The EFLOW VM is started by its agent once that runs; VMs of vmms that ran are running again."""
    if machine.eflow.deployed and machine.eflow.power == "Running":
        eflow_power(machine, "Off")
        machine.due.append(Due((machine.down_until or machine.now) + timedelta(seconds=40), "eflow", "Running"))
        machine.due.sort(key=lambda due: due.at)


def eflow_power(machine: Machine, state: str) -> None:
    """Switches the EFLOW VM, also as vmms shows it on servers. Clients run it in HCS, where only running systems exist."""
    machine.eflow.power = state
    for vm in machine.vms:
        if vm.id == machine.eflow.vm_id:
            vm.state = state
