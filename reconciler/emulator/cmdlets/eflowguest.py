"""AzureEFLOW: the guest's networks, DNS, provisioning and commands. Source: eflow-domain 1.4, 1.5, 1.7, 1.8."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.emulator import deployment, guest, trains
from reconciler.emulator.cmdlets import Bound, cmdlet
from reconciler.emulator.cmdlets.eflow import caught, deployed, prompts
from reconciler.emulator.eflow import Endpoint
from reconciler.emulator.errors import unverified
from reconciler.emulator.machine import Machine

DPS = "https://global.azure-devices-provisioning.net"
# type → (required, optional): eflow-domain 1.7. Anything else that is given is refused.
TYPES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "manualconnectionstring": (("devConnString",), ()),
    "manualx509": (("iotHubHostname", "deviceId", "identityCertPath", "identityPrivKeyPath"), ()),
    "dpstpm": (("scopeId",), ("registrationId", "globalEndpoint")),
    "dpsx509": (("scopeId", "identityCertPath", "identityPrivKeyPath"), ("registrationId", "globalEndpoint")),
    "dpssymmetrickey": (("scopeId", "registrationId", "symmKey"), ("globalEndpoint",)),
}
CONNECTION = re.compile(r"HostName=[^;]+;DeviceId=[^;]+;SharedAccessKey=[A-Za-z0-9+/]+=*", re.IGNORECASE)
KEY = re.compile(r"[A-Za-z0-9+/]{8,}={0,2}")


@cmdlet("Get-EflowVmAddr", "eflow-domain 1.5")
def get_address(machine: Machine, bound: Bound) -> Iterator[str]:
    if not deployed(machine, bound, running=True):
        return
    endpoint = machine.eflow.endpoints[0]
    bound.say(f"[{machine.local_now:%m/%d/%Y %H:%M:%S}] Querying IP and MAC addresses from virtual machine ({machine.eflow.name})")
    yield endpoint.mac
    yield endpoint.address


@cmdlet("Get-EflowVmEndpoint", "eflow-domain 1.5: it echoes what was configured")
def get_endpoint(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not deployed(machine, bound):
        return
    for endpoint in machine.eflow.endpoints:
        if "vswitchName" not in bound or endpoint.switch.casefold() == bound["vswitchName"].casefold():
            yield _endpoint(endpoint)


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "Name": endpoint.name,
        "MacAddress": endpoint.mac,
        "HealthStatus": "currentState:OK previousState:OK",
        "IpConfiguration": {
            "Address": endpoint.address,
            "PrefixLength": endpoint.prefix,
            "Gateway": endpoint.gateway,
            "AllocationMethod": endpoint.method,
            "SubNet": endpoint.switch,
        },
        "GuestInterfaceName": endpoint.guest,
    }


@cmdlet("Get-EflowNetwork", "eflow-domain 1.4: values beyond Static and Dynamic are unverified")
def get_network(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not deployed(machine, bound):
        return
    for name in machine.eflow.networks:
        if "vswitchName" not in bound or name.casefold() == bound["vswitchName"].casefold():
            yield _network(machine, name)


def _network(machine: Machine, name: str) -> dict[str, Any]:
    endpoint = next((e for e in machine.eflow.endpoints if e.switch == name), None)
    switches = machine.switches_named(name)
    cidr = str(IPv4Network(f"{endpoint.address}/{endpoint.prefix}", strict=False)) if endpoint and endpoint.address else ""
    return {"Name": name, "AllocationMethod": endpoint.method if endpoint else "Dynamic", "Cidr": cidr, "Type": switches[0].type if switches else ""}


@cmdlet("Add-EflowNetwork", "eflow-domain 1.4; refusal texts are unverified")
def add_network(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not deployed(machine, bound, running=True):
        return
    found = [s for s in machine.switches_named(bound["vswitchName"]) if s.type.casefold() == bound["vswitchType"].casefold()]
    if not found or bound["vswitchName"].casefold() in [n.casefold() for n in machine.eflow.networks]:
        caught(bound, f"Virtual switch '{bound['vswitchName']}' was not found or is already added.")
        return
    machine.eflow.networks.append(found[0].name)
    yield _network(machine, found[0].name)


@cmdlet("Remove-EflowNetwork", "eflow-domain 1.6: the deployment switch stays")
def remove_network(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    name = bound["vswitchName"].casefold()
    if name == machine.eflow.switch.casefold() or any(e.switch.casefold() == name for e in machine.eflow.endpoints):
        caught(bound, f"Network '{bound['vswitchName']}' is in use.")
        return
    machine.eflow.networks = [n for n in machine.eflow.networks if n.casefold() != name]


@cmdlet("Add-EflowVmEndpoint", "eflow-domain 1.4, 1.6; refusal texts are unverified")
def add_endpoint(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if not deployed(machine, bound, running=True):
        return
    eflow = machine.eflow
    switches = machine.switches_named(bound["vswitchName"])
    if not switches or switches[0].name not in eflow.networks:
        caught(bound, f"Network '{bound['vswitchName']}' was not added.")
        return
    number = len(eflow.endpoints)
    name = bound.get("vendpointName") or f"{machine.computer_name.lower()}-EFLOWInterface{number}"
    endpoint = Endpoint(name, switches[0].name, machine.new_mac().lower().replace("-", ":"), f"eth{number}")
    if "ip4Address" in bound:
        endpoint.address, endpoint.prefix = bound["ip4Address"], bound.get("ip4PrefixLength", 24)
        endpoint.gateway, endpoint.method = bound.get("ip4GatewayAddress", ""), "Static"
    else:
        deployment.attach(machine, switches[0], endpoint)
    eflow.endpoints.append(endpoint)
    bound.takes(8)
    yield _endpoint(endpoint)


@cmdlet("Remove-EflowVmEndpoint", "eflow-domain 1.6: the primary endpoint stays")
def remove_endpoint(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    found = [e for e in machine.eflow.endpoints[1:] if e.name.casefold() == bound["vendpointName"].casefold()]
    if not found:
        caught(bound, f"Endpoint '{bound['vendpointName']}' was not found or cannot be removed.")
    for endpoint in found:
        machine.eflow.endpoints.remove(endpoint)


@cmdlet("Set-EflowVmDNSServers", "eflow-domain 1.4, 1.8")
def set_dns(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    for address in bound["dnsServers"]:
        try:
            IPv4Address(address)
        except ValueError:
            caught(bound, f"{address} is not a valid IP4 address.")
            return
    found = [e for e in machine.eflow.endpoints if e.name.casefold() == bound["vendpointName"].casefold()]
    if not found:
        caught(bound, f"Endpoint '{bound['vendpointName']}' was not found.")
    for endpoint in found:
        endpoint.dns = list(bound["dnsServers"])
    bound.takes(6)


@cmdlet("Provision-EflowVm", "eflow-domain 1.7")
def provision(machine: Machine, bound: Bound) -> Iterator[str]:
    if not deployed(machine, bound, running=True):
        return
    eflow = machine.eflow
    if eflow.provisioning and not bound.on("headless"):
        prompts(bound)
    refusal = _refusal(machine, bound)
    if refusal:
        bound.takes(3)
        caught(bound, refusal)
        yield refusal
        return
    eflow.provisioning = settings(bound.values)
    bound.takes(45)
    bound.say(" - Restarting the Azure IoT Edge runtime")
    yield "OK"


def _refusal(machine: Machine, bound: Bound) -> str:
    """Why the parameters do not do: missing, forbidden, malformed, or the host lacks what they need."""
    kind = bound["provisioningType"]
    required, optional = TYPES[kind.casefold()]
    given = [n for n in bound.values if n not in ("provisioningType", "headless") and bound[n] != ""]
    wrong = [f"{name} not specified for provisioning type {kind}." for name in required if name not in given]
    wrong += [f"{name} must not be specified for provisioning type {kind}." for name in given if name not in (*required, *optional)]
    paths = [bound[n] for n in ("identityCertPath", "identityPrivKeyPath") if n in given]
    wrong += [f"The file {path} was not found." for path in paths if machine.files.find(path) is None]
    if "devConnString" in given and not CONNECTION.fullmatch(bound["devConnString"]):
        wrong.append("The device connection string is not valid.")
    if "symmKey" in given and not KEY.fullmatch(bound["symmKey"]):
        wrong.append("The symmetric key is not valid.")
    if kind.casefold() == "dpstpm" and not machine.eflow.features.get("DpsTpm"):
        wrong.append("The feature DpsTpm must be enabled for this provisioning type.")
    return wrong[0] if wrong else ""


def settings(given: Mapping[str, Any]) -> dict[str, str]:
    """What the guest's configuration says after a provisioning with these parameters."""
    kind = given["provisioningType"].casefold()
    said = {"source": "dps" if kind.startswith("dps") else "manual"}
    names = {
        "devConnString": "connection_string",
        "iotHubHostname": "iothub_hostname",
        "deviceId": "device_id",
        "scopeId": "id_scope",
        "registrationId": "registration_id",
        "symmKey": "symmetric_key",
        "globalEndpoint": "global_endpoint",
    }
    said |= {own: given[name] for name, own in names.items() if given.get(name)}
    if kind.startswith("dps"):
        said.setdefault("global_endpoint", DPS)
    if kind != "manualconnectionstring":
        said["method"] = {"dpstpm": "tpm", "dpssymmetrickey": "symmetric_key"}.get(kind, "x509")
    if said.get("method") == "x509":
        said |= {"identity_cert": "file:///etc/aziot/certs/device.pem", "identity_pk": "file:///etc/aziot/certs/device.key"}
    return said


@cmdlet("Get-EflowVmTpmProvisioningInfo", "eflow-domain 1.4: property names are unverified")
def get_tpm(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if deployed(machine, bound, running=True):
        yield {"Endorsement Key": "AToAAQALAAMAsgAgg3GXZ0SEs", "Registration Id": machine.eflow.name.lower()}


@cmdlet("Invoke-EflowVmCommand", "eflow-domain 1.4; what a failing command gives is unverified")
def invoke(machine: Machine, bound: Bound) -> Iterator[str]:
    if not deployed(machine, bound, running=True):
        return
    ended = guest.run(machine, bound.get("command", ""))
    bound.takes(1.5)
    yield from ended.out.splitlines()
    if ended.code and not bound.on("ignoreError"):
        bound.fail(unverified(f"Exception caught!!! - the command ended with {ended.code}"))


@cmdlet("Add-EflowVmSharedFolder", "eflow-domain 1.4; refusal texts are unverified")
def add_shared_folder(machine: Machine, bound: Bound) -> None:
    if not deployed(machine, bound, running=True):
        return
    file = machine.files.find(bound["sharedFoldersJsonPath"])
    if file is None or file.content is None:
        caught(bound, f"The file {bound['sharedFoldersJsonPath']} was not found.")
        return
    machine.eflow.shared_folders += trains.shared_folders(file.content)


@cmdlet("Get-EflowVmSharedFolder", "eflow-domain 1.4; windows-outputs Get-EflowVmSharedFolder")
def get_shared_folder(machine: Machine, bound: Bound) -> Iterator[dict[str, Any]]:
    if deployed(machine, bound):
        for folder in machine.eflow.shared_folders:
            if "hostFolderPath" not in bound or folder["hostFolderPath"] in bound["hostFolderPath"]:
                yield folder


@cmdlet("Remove-EflowVmSharedFolder", "eflow-domain 1.4")
def remove_shared_folder(machine: Machine, bound: Bound) -> None:
    if deployed(machine, bound, running=True):
        gone = bound.get("hostFolderPath", [])
        machine.eflow.shared_folders = [f for f in machine.eflow.shared_folders if f["hostFolderPath"] not in gone]
