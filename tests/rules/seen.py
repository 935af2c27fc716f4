"""A host as a look left it, written by hand: answers as Windows gives them, states as kinds read them.

`healthy()` is a server with nothing of ours on it; `CASES` says, for each rule that needs a look, what is otherwise on the host where its bad
example is bad (and, where that differs, on the one where its good example is good).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from types import SimpleNamespace
from typing import Any

from reconciler.core.azure import AzureFacts
from reconciler.core.calls import Answer, CallError, Row
from reconciler.core.capabilities import feature_ask
from reconciler.core.ids import Key
from reconciler.core.kinds import NotSeen
from reconciler.core.observations import Ask, Facts
from reconciler.core.snapshot import call_key
from reconciler.kinds import _host_network as network
from reconciler.kinds import dhcp_server, eflow_vm, windows_feature
from reconciler.kinds._azure_vm_extension_rules import RDMA_ADAPTERS, sku_ask
from reconciler.kinds._eflow_vm_rules import FREE_MEMORY, PROCESSORS
from reconciler.kinds.eflow_trains import VersionConstraint
from reconciler.rules import asks

SERVER = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2022 Standard", "10.0.20348", 20348, 3)
SERVER_2016 = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2016 Standard", "10.0.14393", 14393, 3)
SERVER_2025 = Facts("EDGE-01", "u", "m", "Microsoft Windows Server 2025 Standard", "10.0.26100", 26100, 3)
CLIENT = Facts("EDGE-01", "u", "m", "Microsoft Windows 11 Pro", "10.0.22631", 22631, 1)


def rows(*values: Mapping[str, Any]) -> Answer:
    return Answer(tuple(Row(value) for value in values))


@dataclass(frozen=True)
class Host:
    """What `engine.world.Seen` wants. A kind that is not in `kinds` was looked at, and nothing of it is there."""

    facts: Facts = SERVER
    kinds: Mapping[str, Mapping[Key, Any]] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    reach: Mapping[str, Mapping[Key, Any]] = field(default_factory=dict)  # where a plan's end state differs from what is seen
    former: Mapping[str, Key] = field(default_factory=dict)  # id → the key that it has until it is replaced

    def states(self, kind: str) -> Mapping[Key, Any]:
        return self.kinds.get(kind, {})

    def answer(self, ask: Ask) -> Answer:
        found = self.answers.get(call_key(ask.call))
        if found is None or (found.error is not None and not ask.tolerate):
            raise NotSeen
        return found

    def but(self, *pairs: tuple[Ask, Answer], facts: Facts | None = None, **kinds: Sequence[Any]) -> Host:
        """The same host, otherwise answered; states of kinds by their key."""
        told = {call_key(ask.call): answer for ask, answer in pairs}
        seen = {kind: {key(kind, state): state for state in states} for kind, states in kinds.items()}
        return replace(self, facts=facts or self.facts, answers={**self.answers, **told}, kinds={**self.kinds, **seen})

    def ending(self, **kinds: Sequence[Any]) -> Host:
        """The same host under a plan that makes this of it."""
        return replace(self, reach={**self.reach, **{kind: {key(kind, state): state for state in states} for kind, states in kinds.items()}})


def key(kind: str, state: Any) -> Key:
    match kind:
        case "DhcpScope":
            return Key(str(state.scopeId))
        case "EflowVm":
            return Key("eflow")
        case _:
            return Key(state.name.casefold())


def address(alias: str, ip: str, length: int = 24) -> dict[str, Any]:
    return {"IPAddress": ip, "PrefixLength": length, "InterfaceAlias": alias, "PrefixOrigin": "Manual"}


def card(name: str, *, type: int = 6, real: bool = True, link: str | int = "Connected") -> dict[str, Any]:
    return {"Name": name, "InterfaceType": type, "HardwareInterface": real, "MediaConnectionState": link}


def route(destination: str, hop: str = "0.0.0.0", alias: str = "Ethernet") -> dict[str, Any]:
    return {"DestinationPrefix": destination, "NextHop": hop, "InterfaceAlias": alias}


LAN = (address("Ethernet", "10.30.7.21"), address("Loopback Pseudo-Interface 1", "127.0.0.1", 8), address("Ethernet", "fe80::1%4", 64))
USUAL = (
    route("0.0.0.0/0", "10.30.7.1"),
    route("10.30.7.0/24"),
    route("10.30.7.21/32"),
    route("127.0.0.0/8", alias="Loopback Pseudo-Interface 1"),
    route("224.0.0.0/4"),
    route("255.255.255.255/32"),
)


def names(now: str, next_: str) -> Answer:
    return rows({"PSChildName": "ComputerName", "ComputerName": next_}, {"PSChildName": "ActiveComputerName", "ComputerName": now})


def named(key: str) -> Ask:
    """What the kind itself asks of one feature of a server."""
    return next(iter(windows_feature.ask((Key(key),), SERVER)))


def features(**states: str) -> tuple[tuple[Ask, Answer], ...]:
    both = {"Hyper-V": "Available", "DHCP": "Available", **{name.replace("_", "-"): state for name, state in states.items()}}
    return tuple((feature_ask(name, name, SERVER), rows({"Name": name, "InstallState": state})) for name, state in both.items())


def healthy(facts: Facts = SERVER) -> Host:
    """A server with two wired adapters and nothing of ours; others' switches lan (External) and shared (Private)."""
    physical = [{"Name": name, "InterfaceDescription": f"Intel {name}", "InterfaceIndex": n} for n, name in enumerate(("Ethernet", "Ethernet 2"), 4)]
    return Host(facts).but(
        *features(),
        (network.ADDRESSES, rows(*LAN)),
        (network.ADAPTERS, rows(*physical)),
        (network.CONNECTIONS, rows({"LocalAddress": "10.30.7.21"})),
        (network.ROUTES, rows({"InterfaceAlias": "Ethernet"})),
        (dhcp_server.SETTING, rows({"IsDomainJoined": False, "IsAuthorized": False})),
        (FREE_MEMORY, rows({"FreePhysicalMemory": 12288 * 1024})),
        (PROCESSORS, rows({"NumberOfLogicalProcessors": 8})),
        (asks.SWITCHES, rows({"Name": "lan", "SwitchType": "External"}, {"Name": "shared", "SwitchType": 0})),
        (asks.NATS, rows()),
        (asks.CARDS, rows(card("Ethernet"), card("Ethernet 2", link=1), card("Ethernet 3", link="Disconnected"), card("Wi-Fi", type=71))),
        (asks.ROUTES, rows(*USUAL)),
        (asks.AZURE_AGENT, rows()),
        (asks.COMPUTER_NAMES, names("EDGE-01", "edge-01")),
    )


def nat(name: str, prefix: str) -> SimpleNamespace:
    return SimpleNamespace(name=name, internalIPInterfaceAddressPrefix=IPv4Network(prefix), staticMappings=())


def switch(name: str, **more: Any) -> SimpleNamespace:
    return SimpleNamespace(**({"name": name, "switchType": "Internal", "ipAddress": None, "netAdapterName": None, "twins": 0} | more))


def scope(network_: str, first: str, last: str, name: str = "theirs") -> SimpleNamespace:
    net = IPv4Network(network_)
    return SimpleNamespace(
        name=name, scopeId=net.network_address, subnetMask=net.netmask, startRange=IPv4Address(first), endRange=IPv4Address(last), exclusions=()
    )


def vm(**more: Any) -> SimpleNamespace:
    known = {"deployed": True, "version": VersionConstraint("1.5.3.12025"), "powerState": "Running", "memoryInMB": None, "cpuCount": 1}
    return SimpleNamespace(**(known | more))


EXPIRED = Answer(error=CallError("Unverified,Get-EflowVm", "NotSpecified", "x509: certificate has expired or is not yet valid"))
EFLOW = eflow_vm.asks(SERVER)


def endpoint(computer: str) -> Answer:
    return rows({"Name": f"{computer}-EFLOWInterface"})


def in_azure(size: str = "Standard_HB120rs_v3", family: str = "standardHBv3Family", rdma: str | None = "True", **more: Any) -> Host:
    """A server that is a VM of Azure, with what the list of sizes says of it; without a family the list does not have it."""
    known = {"os_type": "Windows", "os_name": "Windows Server 2019 Datacenter", "power": "running", "agent": "Ready"}
    facts = replace(SERVER, azure=AzureFacts("/subscriptions/s/…/hpc-01", "0", "westeurope", size, **(known | more)))
    capabilities = [] if rdma is None else [Row({"name": "RdmaEnabled", "value": rdma})]
    listed = rows({"name": size, "family": family, "capabilities": tuple(capabilities)}) if family else rows()
    return healthy(facts).but(*((ask, listed) for ask in sku_ask(facts)), facts=facts)


def extension(name: str = "ib", **more: Any) -> SimpleNamespace:
    known = {"handler": "microsoft.hpccompute.infinibanddriverwindows", "installed": True, "healthy": True, "awaitsRestart": False, "exit": 0, "said": ""}
    return SimpleNamespace(**({"name": name} | known | more))


HEALTHY = healthy()
HPC = in_azure()
REACHED = HPC.but((RDMA_ADAPTERS, rows()), facts=replace(HPC.facts, boot="b-1"), AzureVmExtension=[extension()])
D4V5, D2V3 = (
    in_azure("Standard_D4s_v5", "standardDSv5Family", "False"),
    in_azure("Standard_D2s_v3", "standardDSv3Family", "False", security_type="TrustedLaunch"),
)
LAN_SWITCH = switch("lan", switchType="External", netAdapterName="Ethernet 2", ipAddress=IPv4Interface("10.30.8.21/24"))
DOMAIN = rows({"IsDomainJoined": True, "IsAuthorized": False})
DEPLOYED = HEALTHY.but((EFLOW["vm"], rows({"VmPowerState": "Running"})), (EFLOW["endpoints"], endpoint("EDGE-01")), EflowVm=[vm()])

# A network that is in use on 172.20.10.0/24, and a plan that can move the switch to 172.20.11.0/24.
GUEST, MOVED_GUEST = (vm(ip4Address=IPv4Interface(f"172.20.{n}.2/32"), ip4GatewayAddress=IPv4Address(f"172.20.{n}.1")) for n in (10, 11))
SCOPE, MOVED_SCOPE = (scope(f"172.20.{n}.0/24", f"172.20.{n}.100", f"172.20.{n}.200", "eflow") for n in (10, 11))
for one, n in ((SCOPE, 10), (MOVED_SCOPE, 11)):
    one.router = IPv4Address(f"172.20.{n}.1")
IN_USE = replace(
    HEALTHY.but(
        VirtualSwitch=[switch("eflow", ipAddress=IPv4Interface("172.20.10.1/24"))],
        NatNetwork=[nat("eflow", "172.20.10.0/24")],
        DhcpScope=[SCOPE],
        EflowVm=[GUEST],
    ),
    former={"edge-01/DhcpScope/eflow": Key("172.20.10.0")},
)
SWITCH_MOVES = IN_USE.ending(VirtualSwitch=[switch("eflow", ipAddress=IPv4Interface("172.20.11.1/24"))])
ALL_MOVES = SWITCH_MOVES.ending(NatNetwork=[nat("eflow", "172.20.11.0/24")], DhcpScope=[MOVED_SCOPE], EflowVm=[MOVED_GUEST])

# rule → the host where the bad example is bad, and the one where the good example is good.
CASES: Mapping[str, tuple[Host, Host]] = {
    "HYP003": (HEALTHY.but(*features(DHCP="Removed")),) * 2,
    "HYP005": (HEALTHY.but((named("hyperv"), rows())), HEALTHY.but((named("hyper-v"), rows({"Name": "Hyper-V", "InstallState": "Available"})))),
    "HYP014": (HEALTHY.but(VirtualSwitch=[LAN_SWITCH]),) * 2,
    "HYP015": (HEALTHY.but(VirtualSwitch=[switch("eflow", twins=1)]),) * 2,
    "HYP022": (HEALTHY.but((asks.AZURE_AGENT, rows({"Name": "WindowsAzureGuestAgent", "Status": "Running"}))),) * 2,
    "HST101": (HEALTHY.but(facts=CLIENT), HEALTHY),
    "NET010": (HEALTHY.but(NatNetwork=[nat("nat", "172.28.0.0/16")]),) * 2,
    "NET011": (HEALTHY.but(facts=SERVER_2016, NatNetwork=[nat("nat", "172.28.0.0/16")]),) * 2,
    "NET013": (HEALTHY.but(NatNetwork=[nat("nat", "172.20.0.0/16")]),) * 2,
    "NET025": (HEALTHY.but((asks.ROUTES, rows(*USUAL, route("172.20.10.0/24", alias="VPN")))),) * 2,
    "NET026": (HEALTHY.but((asks.ROUTES, rows(*USUAL, route("172.20.0.0/16", "10.30.7.254")))),) * 2,
    "NET027": (SWITCH_MOVES, ALL_MOVES),
    "NET028": (SWITCH_MOVES, ALL_MOVES),
    "NET029": (SWITCH_MOVES, ALL_MOVES),
    "AZR002": (HPC, HPC),
    "AZR003": (in_azure("Standard_X9", "standardXNewFamily"),) * 2,
    "AZR004": (in_azure("Standard_DC4as_v5", "standardDCASv5Family", security_type="ConfidentialVM"),) * 2,
    "AZR005": (D2V3, D2V3),
    "AZR010": (in_azure(power="deallocated"), HPC),
    "AZR011": (in_azure(agent="Not Ready"), HPC),
    "AZR012": (HPC.but(AzureVmExtension=[extension("InfiniBandDriverWindows")]), HPC.but(AzureVmExtension=[extension()])),
    "AZR013": (HPC.but(AzureVmExtension=[extension("mde", handler="m.d", installed=False)]), HPC.but(AzureVmExtension=[extension("mde", handler="m.d")])),
    "AZR017": (HPC, HPC),
    "AZR018": (D4V5, HPC),
    "AZR019": (in_azure("Standard_HB999rs_v9", ""), HPC),
    "AZR020": (in_azure(os_name="Windows Server 2022 Datacenter"), HPC),
    "AZR021": (in_azure(os_name="Windows Server 2012 R2 Datacenter"), HPC),
    "AZR022": (in_azure(scale_set=True, single_placement_group=False), in_azure(scale_set=True, single_placement_group=True)),
    "AZR025": (in_azure(scale_set=True, upgrade="Rolling"), in_azure(scale_set=True, upgrade="Manual")),
    "AZR301": (HPC.but(AzureVmExtension=[extension(awaitsRestart=True, exit=3010)]),) * 2,
    "AZR302": (HPC.but(AzureVmExtension=[extension(healthy=False, said="it went wrong")]), HPC.but(AzureVmExtension=[extension()])),
    "AZR303": (REACHED, REACHED.but((RDMA_ADAPTERS, rows({"Name": "Ethernet 2", "Enabled": True})))),
    "DHC010": (HEALTHY.but((dhcp_server.SETTING, DOMAIN)),) * 2,
    "DHC036": (HEALTHY.but(DhcpScope=[scope("172.20.10.48/28", "172.20.10.50", "172.20.10.60")]),) * 2,
    "EFL024": (HEALTHY.but(DhcpScope=[scope("172.20.10.48/28", "172.20.10.50", "172.20.10.90")]),) * 2,
    "EFL034": (HEALTHY.but(facts=SERVER_2025), HEALTHY),
    "EFL035": (HEALTHY.but((asks.COMPUTER_NAMES, names("EDGE-01", "EDGE-02"))), HEALTHY),
    "EFL075": (HEALTHY.but(EflowVm=[vm(version=VersionConstraint("1.4.5.30033"))]), DEPLOYED),
    "EFL080": (DEPLOYED.but((EFLOW["vm"], EXPIRED)), DEPLOYED),
    "EFL081": (DEPLOYED.but((EFLOW["endpoints"], endpoint("OLD-01"))), DEPLOYED),
}
