"""EFLOW on a twin: the package, left-overs of a deployment, the VM with its network, its options and its identity. `twin` calls it.

Keys are in no snapshot: where the guest is provisioned, the twin's configuration holds a stand-in for them. What a VM that is
off cannot tell is taken from our record on the host, whose fields are called as the cmdlets' own parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

from reconciler.core.calls import Row
from reconciler.emulator import eflowmsi
from reconciler.emulator.cmdlets.eflowguest import settings
from reconciler.emulator.deployment import AGENT_VALID, vm_name
from reconciler.emulator.dhcp import Lease
from reconciler.emulator.eflow import AGENT_KEY, DISK, UNINSTALL, Endpoint
from reconciler.emulator.leasing import client_id
from reconciler.emulator.machine import Machine, WebFile
from reconciler.emulator.twinsaid import Asked, Said, given

PRODUCT = "azure iot edge"
UNKNOWN = "1.5.0.0"
STAND_IN = "dHdpbg=="
STAND_INS = {"devConnString": f"HostName=twin.invalid;DeviceId=twin;SharedAccessKey={STAND_IN}"}
PACKAGE = "C:\\Windows\\Temp\\twin.msi"
SHA256 = "f" * 64
SECTIONS = ("[provisioning]", "[provisioning.attestation]", "[provisioning.authentication]")
OLD_NAMES = {"device_connection_string": "connection_string", "scope_id": "id_scope"}  # of the YAML file of 1.1
LINE = re.compile(r"\s*(\w+)\s*[=:]\s*[\"']?([^\"']*)")
LINK = re.compile(r"\((\w+)\):\s*(.*)")
TOO_MANY = "more than one EFLOW product is installed: the twin has the last of them"


def eflow(machine: Machine, said: Said) -> None:
    if said.lacks("Verify-EflowVm") is not False:
        return
    _package(machine, said)
    shell = next((vm for vm in machine.vms if vm.name.casefold() == vm_name(machine).casefold()), None)
    disks = [str(row["FullName"]) for asked in said.asked("Get-ChildItem") for row in asked.rows() if str(row["FullName"]).casefold().endswith(".vhdx")]
    verdict = next((texts[-1] for asked in said.asked("Verify-EflowVm") if (texts := asked.texts())), "")
    deployed = verdict.casefold() == "true"
    if not verdict:
        _silent(machine, said)
        deployed = bool(disks or shell)
    if not (deployed or disks or shell):
        said.assume("its EFLOW package takes a deployment: no answer tells whether one was tried before")
        return
    own = machine.eflow
    own.attempted, own.name, own.vm_id = True, vm_name(machine), shell.id if shell else machine.new_guid("eflow")
    own.vhdx_dir = disks[0].rpartition("\\")[0] if disks else own.vhdx_dir
    machine.registry.put(AGENT_KEY, "Node", own.name)
    if not disks and deployed:
        machine.files.place(f"{own.vhdx_dir}\\{DISK}", 3 << 30, "", machine.now)
    if deployed:
        _vm(machine, said)


def _package(machine: Machine, said: Said) -> None:
    """Installs what the Uninstall entries name, by the emulator's own means, under the code that the host knows it by."""
    found = [
        (str(given(row, "DisplayVersion") or UNKNOWN), str(row["PSChildName"]))
        for asked in said.asked("Get-ItemProperty")
        for row in asked.rows()
        if str(given(row, "DisplayName") or "").casefold().startswith(PRODUCT) and given(row, "PSChildName")
    ]
    if len(found) > 1:
        said.assume(TOO_MANY)
    version, code = found[-1] if found else (UNKNOWN, "")
    if not found:
        said.assume(f"EFLOW answers and no installed package is called so: version {UNKNOWN} assumed")
    free, build = machine.free_gb, machine.build
    machine.files.place(PACKAGE, 0, SHA256, machine.now)
    machine.site.web[PACKAGE] = WebFile(0, SHA256, PRODUCT, version)
    machine.build = max(build, eflowmsi.MINIMUM_BUILD)  # it is there, whatever the package asks for
    eflowmsi.install(machine, PACKAGE, {})
    del machine.site.web[PACKAGE]
    machine.files.delete(PACKAGE)
    machine.free_gb, machine.build = free, build
    machine.registry.delete(f"{UNINSTALL}\\{machine.eflow.product_code}")
    machine.eflow.product_code = code or machine.eflow.product_code


def _silent(machine: Machine, said: Said) -> None:
    """The module is there and does not answer: its certificate is over, or its agent does not run."""
    failed = said.failed("Verify-EflowVm")
    if failed is not None and failed.category == "AuthenticationError":
        machine.eflow.certificate_expires = machine.local_now - timedelta(days=1)
        said.assume("EFLOW's certificate is over, and its VM is deployed")
        return
    agent = machine.service("wssdagent")
    if agent is not None:
        agent.state = "Stopped"
    said.assume("EFLOW's agent is stopped and can be started")


def _vm(machine: Machine, said: Said) -> None:
    own = machine.eflow
    own.deployed = True
    own.certificate_expires = own.certificate_expires or machine.local_now + AGENT_VALID
    row = next((asked.rows()[-1] for asked in said.asked("Get-EflowVm") if asked.rows()), None)
    shell = next((vm for vm in machine.vms if vm.id == own.vm_id), None)
    power = given(row, "VmPowerState") if row is not None else None
    own.power = str(power or (shell.state if shell else "Running"))
    _size(machine, said, given(row, "SystemStatistics") if row is not None else None)
    own.optional_telemetry = any(_last(asked).casefold() == "optional" for asked in said.asked("Get-EflowVmTelemetryOption"))
    own.features = {str(asked.parameters["feature"]): _last(asked).casefold() == "true" for asked in said.asked("Get-EflowVmFeature") if asked.answer.ok}
    own.endpoints = [_endpoint(row) for row in said.listed("Get-EflowVmEndpoint") or ()]
    own.networks = list(dict.fromkeys(endpoint.switch for endpoint in own.endpoints))
    own.switch = own.networks[0] if own.networks else ""
    own.switch_type = next((switch.type for switch in machine.switches_named(own.switch)), "")
    for endpoint in own.endpoints:
        _connected(machine, endpoint)
    _guest(machine, said)


def _last(asked: Asked) -> str:
    texts = asked.texts()
    return texts[-1].strip() if texts else ""


def _size(machine: Machine, said: Said, statistics: object) -> None:
    """Processors and disk by EFLOW's own word while the VM runs; memory by Hyper-V's, which a client does not give."""
    own = machine.eflow
    shell = next((vm for vm in machine.vms if vm.id == own.vm_id), None)
    told = statistics if isinstance(statistics, Row) else Row({})
    processors, storage = told.maybe("CpuCount"), told.maybe("TotalStorageMb")
    own.cpus = int(processors or 1)
    own.data_gb = round(float(storage) / 1000) if storage else own.data_gb
    record = recorded(said, "EflowVm")
    if processors is None:
        own.cpus = int(record.get("cpuCount") or 1)
        said.assume(f"the EFLOW VM does not tell how many processors it has: {own.cpus} {_where('cpuCount', record)}")
    if shell is not None:
        own.memory, shell.processors = shell.memory >> 20, own.cpus
    else:
        own.memory = int(record.get("memoryInMB") or 2048)
        said.assume(f"no answer tells the memory of the EFLOW VM: {own.memory:,} MB {_where('memoryInMB', record)}")


def recorded(said: Said, kind: str) -> Mapping[str, Any]:
    """The spec that stands on record for the host's one resource of a kind; empty where there is none, or it cannot be read."""
    for text in (said.hello.get("ledger") or {}).values():
        try:
            record = json.loads(text)
        except ValueError:
            continue
        if isinstance(record, dict) and str(record.get("id")).split("/")[1:2] == [kind] and isinstance(record.get("spec"), dict):
            return dict(record["spec"])
    return {}


def _where(name: str, record: Mapping[str, Any]) -> str:
    return "as on record" if record.get(name) else "assumed"


def _endpoint(row: Row) -> Endpoint:
    config = given(row, "IpConfiguration")
    ip = config if isinstance(config, Row) else Row({})
    return Endpoint(
        str(row["Name"]),
        str(ip.maybe("SubNet") or ""),
        str(given(row, "MacAddress") or ""),
        str(given(row, "GuestInterfaceName") or ""),
        str(ip.maybe("Address") or ""),
        int(ip.maybe("PrefixLength") or 0),
        str(ip.maybe("Gateway") or ""),
        str(ip.maybe("AllocationMethod") or "Dynamic"),
    )


def _connected(machine: Machine, endpoint: Endpoint) -> None:
    """The VM is on the endpoint's switch, and holds its lease in our own DHCP scope, so that it gets the same again."""
    for switch in machine.switches_named(endpoint.switch)[:1]:
        for vm in machine.vms:
            if vm.id == machine.eflow.vm_id:
                vm.switches.append(switch.id)
                vm.macs.append(endpoint.mac.replace(":", "").replace("-", "").upper())
    if endpoint.method.casefold() == "dynamic" and endpoint.address:
        for scope in machine.dhcp.scopes:
            if IPv4Address(endpoint.address) in scope.network:
                scope.leases.append(Lease(endpoint.address, client_id(endpoint.mac), machine.eflow.name))


# --- inside the guest


def _guest(machine: Machine, said: Said) -> None:
    own = machine.eflow
    answered = False
    for asked in said.asked("Invoke-EflowVmCommand"):
        lines = asked.texts()
        answered |= bool(lines)
        for link in LINK.finditer("\n".join(lines)) if "resolvectl" in str(asked.parameters) else ():
            for endpoint in own.endpoints:
                if endpoint.guest == link[1]:
                    endpoint.dns = link[2].split()
        if "grep" in str(asked.parameters) and lines:
            own.provisioning = dict(_provisioning(lines))
    if not answered:
        _silent_guest(machine, said)


def _silent_guest(machine: Machine, said: Said) -> None:
    """Its name servers and its identity are those on record."""
    servers, identity = recorded(said, "EflowVm").get("dnsServers"), recorded(said, "EflowProvisioning")
    for endpoint in machine.eflow.endpoints[:1]:
        endpoint.dns = [str(server) for server in servers or ()]
    if identity.get("provisioningType"):
        given = {name: STAND_INS.get(name, STAND_IN) if isinstance(value, dict) else str(value) for name, value in identity.items()}
        machine.eflow.provisioning = settings(given)
    said.assume("the EFLOW guest does not answer: its DNS servers and its identity are those on record, if any")


def _provisioning(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The settings under the provisioning sections; those of an unprovisioned guest are none."""
    ours = True
    found: dict[str, str] = {}
    for line in lines:
        if line.strip().startswith("["):
            ours = line.strip() in SECTIONS
        elif ours and (pair := LINE.match(line)) and pair[1] != "ID":
            found.setdefault(OLD_NAMES.get(pair[1], pair[1]), pair[2].strip())
    if set(found) <= {"source"}:
        return
    for name, value in found.items():
        yield name, f"{value};SharedAccessKey={STAND_IN}" if name == "connection_string" else value
    if found.get("method") == "symmetric_key":
        yield "symmetric_key", STAND_IN
