"""What Deploy-Eflow checks and does, in the order in which it does it. Sources: eflow-domain 1.2, 1.10, 2, 9.

`cmdlets/eflow` calls `deploy`. A refusal is a text: the cmdlet does not throw. Past step 3 a failure leaves a disk, a VM shell and
the agent's registry behind, and this installation takes no second deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from reconciler.emulator import leasing
from reconciler.emulator.eflow import AGENT_KEY, DISK, Endpoint
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import VirtualMachine, VmSwitch
from reconciler.emulator.trains import train

HEADROOM = 2048  # MB: a check that passes with equality is no guarantee (eflow-domain 1.10)
AGENT_VALID = timedelta(days=365)  # eflow-domain 9.11: about a year
STATIC = ("ip4Address", "ip4PrefixLength", "ip4GatewayAddress")
Say = Callable[[str], None]


class DeployFailed(Exception):
    """The text that Deploy-Eflow ends with. `litter`: it had begun to make the VM."""

    def __init__(self, text: str, *, litter: bool = False, seconds: float = 8) -> None:
        super().__init__(text)
        self.text = text
        self.litter = litter
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Wish:
    """The parameters of a deployment, with the defaults of the train."""

    given: Mapping[str, Any]

    def text(self, name: str) -> str:
        return str(self.given.get(name, ""))

    @property
    def cpus(self) -> int:
        return int(self.given.get("cpuCount", 1))

    @property
    def memory(self) -> int:
        return int(self.given.get("memoryInMB", 1024))

    @property
    def static(self) -> bool:
        return any(name in self.given for name in STATIC)


def deploy(machine: Machine, wish: Wish, say: Say) -> float:
    """Deploys the VM or raises DeployFailed; the seconds it took."""
    eflow = machine.eflow
    if eflow.deployed:
        raise DeployFailed("An existing virtual machine was detected. Please remove the existing virtual machine before deploying.")
    if eflow.attempted:
        raise DeployFailed("A previous deployment failed. Uninstall the Azure IoT Edge MSI, install it again and retry the deployment.")
    eflow.attempted = True
    say(" - Step 1: checking the host")
    _check_host(machine, wish)
    _check_sizes(machine, wish)
    switch = _switch(machine, wish)
    _check_address(machine, wish, switch)
    say(" - Step 3: creating the virtual machine")
    leftover = _leftover(machine)
    if leftover:
        raise DeployFailed(f"Virtual machine {leftover} already exists.", litter=True, seconds=25)
    failing, eflow.deploy_fails = eflow.deploy_fails, ""
    _lay_down(machine, wish)
    if failing:
        raise DeployFailed(failing, litter=True, seconds=95)
    if wish.memory + HEADROOM > machine.free_mb:
        raise DeployFailed("Failed to create the virtual machine: not enough memory in the system to start it.", litter=True, seconds=40)
    _connect(machine, wish, switch, say)
    _finish(machine, wish, switch)
    return 290.0


def _check_host(machine: Machine, wish: Wish) -> None:
    """eflow-domain 1.2, 9: supported systems, features, services, memory, processors, disk."""
    if machine.build < 17763 or machine.release == "2025":
        raise DeployFailed("The host does not meet the minimum requirements: this version of Windows is not supported.")
    if not machine.hyperv or not machine.running("vmms") or not machine.running("vmcompute"):
        raise DeployFailed("Hyper-V is not ready on this host: HyperVisorPresent is false or a service does not run.")
    if machine.service("hns") is None or not machine.running("hns"):
        raise DeployFailed("The Host Network Service is not running.")
    if wish.memory > machine.free_mb:
        raise DeployFailed(f"Host has {machine.free_mb} MB free. A minimum of {wish.memory} MB is required.")
    if wish.cpus < 1 or wish.cpus > machine.processors:
        raise DeployFailed(f"cpuCount must be between 1 and {machine.processors}.")
    if machine.free_gb < 10:
        raise DeployFailed(f"Host has {machine.free_gb} GB of disk free. A minimum of 10 GB is required.")


def _check_sizes(machine: Machine, wish: Wish) -> None:
    least, most, _ = train(machine.eflow.version).disk
    if wish.memory < 1024 or wish.memory % 2:
        raise DeployFailed("memoryInMB must be an even number of at least 1024.")
    if "vmDiskSize" in wish.given and "vmDataSize" in wish.given:
        raise DeployFailed("vmDiskSize and vmDataSize cannot be specified together.")
    if not least <= int(wish.given.get("vmDiskSize", least)) <= most:
        raise DeployFailed(f"vmDiskSize must be between {least} and {most} GB.")
    if not 2 <= int(wish.given.get("vmDataSize", 2)) <= 2048:
        raise DeployFailed("vmDataSize must be between 2 and 2048 GB.")
    if ("gpuName" in wish.given) != ("gpuPassthroughType" in wish.given):
        raise DeployFailed("gpuName and gpuPassthroughType must be specified together.")


def _switch(machine: Machine, wish: Wish) -> VmSwitch:
    """The virtual switch that the parameters mean: eflow-domain 2."""
    name, kind = wish.text("vswitchName"), wish.text("vswitchType")
    if not name:
        name, kind = "Default Switch", "ICS" if not machine.server else "Internal"
    elif not kind:
        raise DeployFailed("vswitchType must be specified together with vswitchName.")
    if kind == "Internal" and not machine.server:
        raise DeployFailed("Internal virtual switch is not supported on current host OS.")
    wanted = "Internal" if kind == "ICS" else kind
    found = [s for s in machine.switches_named(name) if s.type.casefold() == wanted.casefold()]
    if not found:
        raise DeployFailed(f"Virtual switch '{name}' of type '{kind}' was not found.")
    if len(found) > 1:
        raise DeployFailed("Found multiple VMMS switches with the same name.")
    return found[0]


def _check_address(machine: Machine, wish: Wish, switch: VmSwitch) -> None:
    if not wish.static:
        return
    if not all(name in wish.given for name in STATIC):
        raise DeployFailed("ip4Address, ip4PrefixLength and ip4GatewayAddress must be specified together.")
    if switch.protected:
        raise DeployFailed("Cannot set Static IP on ICS type virtual switch.")
    try:
        address = str(IPv4Address(wish.text("ip4Address")))
        IPv4Address(wish.text("ip4GatewayAddress"))
    except ValueError:
        raise DeployFailed(f"{wish.text('ip4Address')} is not a valid IP4 address.") from None
    if machine.holder(address) is not None:
        raise DeployFailed(f"The IP address {address} is already in use.")
    if not 1 <= int(wish.given["ip4PrefixLength"]) <= 32:
        raise DeployFailed("ip4PrefixLength must be between 1 and 32.")


def _leftover(machine: Machine) -> str:
    """A disk or a VM of an earlier deployment: eflow-domain 9.13."""
    name = vm_name(machine)
    if any(vm.name.casefold() == name.casefold() for vm in machine.vms) or machine.files.find(f"{machine.eflow.vhdx_dir}\\{DISK}"):
        return name
    return ""


def vm_name(machine: Machine) -> str:
    """eflow-domain 1.6: the computer name at deployment, in upper case."""
    return f"{machine.computer_name.upper()}-EFLOW"


def _lay_down(machine: Machine, wish: Wish) -> None:
    """Disk, VM shell, agent registry: from here on a failure leaves them."""
    eflow = machine.eflow
    eflow.name, eflow.vm_id = vm_name(machine), machine.new_guid("eflow")
    machine.files.place(f"{eflow.vhdx_dir}\\{DISK}", 3 << 30, "0" * 64, machine.local_now)
    machine.registry.put(AGENT_KEY, "Node", eflow.name)
    machine.files.write("C:\\ProgramData\\wssdagent\\nodelogin.yaml", "name: " + eflow.name, machine.local_now)
    machine.free_gb = max(0, machine.free_gb - 3)
    service = machine.service("wssdagent")
    if service is not None:
        service.state = "Running"
    if machine.server:
        memory = wish.memory << 20
        machine.vms.append(VirtualMachine(eflow.vm_id, eflow.name, "Off", wish.cpus, memory, created=machine.local_now))


def _connect(machine: Machine, wish: Wish, switch: VmSwitch, say: Say) -> None:
    """The VM's network adapter gets its address, or the deployment fails: eflow-domain 9.5."""
    eflow = machine.eflow
    mac = machine.new_mac().lower().replace("-", ":")
    endpoint = Endpoint(f"{machine.computer_name.lower()}-EFLOWInterface", switch.name, mac, "eth0")
    if wish.static:
        endpoint.address, endpoint.prefix = wish.text("ip4Address"), int(wish.given["ip4PrefixLength"])
        endpoint.gateway, endpoint.method = wish.text("ip4GatewayAddress"), "Static"
    elif not attach(machine, switch, endpoint):
        raise DeployFailed("Failed to acquire IP address for virtual machine.", litter=True, seconds=210)
    say(f" - Virtual machine {eflow.name} has the address {endpoint.address}")
    eflow.endpoints = [endpoint]
    eflow.networks = [switch.name]
    for vm in machine.vms:
        if vm.id == eflow.vm_id:
            vm.switches, vm.macs = [switch.id], [mac.replace(":", "").upper()]


def attach(machine: Machine, switch: VmSwitch, endpoint: Endpoint) -> bool:
    """Asks for an address by DHCP; whether there was one."""
    grant = leasing.grant(machine, switch, endpoint.mac, machine.eflow.name)
    if grant is None:
        endpoint.address, endpoint.prefix, endpoint.gateway, endpoint.dns = "", 0, "", []
        return False
    endpoint.address, endpoint.prefix, endpoint.gateway, endpoint.dns = grant.address, grant.prefix, grant.router, list(grant.dns)
    return True


def _finish(machine: Machine, wish: Wish, switch: VmSwitch) -> None:
    eflow = machine.eflow
    _, _, disk = train(eflow.version).disk
    eflow.deployed, eflow.power = True, "Running"
    eflow.cpus, eflow.memory = wish.cpus, wish.memory
    eflow.disk_gb = int(wish.given.get("vmDiskSize", disk))
    eflow.data_gb = int(wish.given.get("vmDataSize", 10))
    eflow.log_size = wish.text("vmLogSize") or "Small"
    eflow.switch, eflow.switch_type = switch.name, switch.type
    eflow.optional_telemetry = wish.text("acceptOptionalTelemetry").casefold() == "yes"
    eflow.features = {"DpsTpm": False}
    eflow.certificate_expires = machine.local_now + AGENT_VALID
    for vm in machine.vms:
        if vm.id == eflow.vm_id:
            vm.state = "Running"


def renew(machine: Machine) -> None:
    """After a start the guest asks again for its addresses."""
    for endpoint in machine.eflow.endpoints:
        if endpoint.method == "Dynamic":
            switches: Sequence[VmSwitch] = machine.switches_named(endpoint.switch)
            if switches:
                attach(machine, switches[0], endpoint)
