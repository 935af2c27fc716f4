"""Rules between an EFLOW VM and what it stands on: its switch, who leases it an address, its way out, its identity.

Sources: eflow-domain 1.6, 1.7, 1.8, 2, 3, 9 (problems 1, 2, 3, 5, 11, 17). What a VM may be by itself is judged by its kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.core.addresses import ipv4_network_around, overlap
from reconciler.core.calls import Row
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, NotSeen, Rule, World
from reconciler.core.model import Existing
from reconciler.core.observations import Ask, Facts
from reconciler.kinds import eflow_vm
from reconciler.kinds._host_network import ADDRESSES
from reconciler.rules.asks import NATS, SWITCHES, asking, host_addresses, nat_prefixes, switch_types
from reconciler.rules.places import DEFAULT_SWITCH, for_example, free_address, guests, known, leased, nats, reserved, scopes, stands, switch, switch_name

INTERFACE = "-eflowinterface"  # what follows the computer's name in the name of the VM's endpoint


def _in_range(world: World) -> Iterator[Finding]:
    kept = {int(address) for _, address in reserved(world)}
    for one, address in guests(world):
        for scope, network in scopes(world):
            if leased(scope.spec, address) and int(address) not in kept:
                yield _would_lease(world, one, address, network, scope.id, ((scope.id, "startRange", f"leased up to {scope.spec.endRange}"),))


def _in_foreign_range(world: World) -> Iterator[Finding]:
    """Scopes that others made are seen where scopes are looked at at all: where one is declared or on record."""
    if not world.declared("DhcpScope"):
        return
    ours = {str(scope.spec.scopeId) for scope, _ in scopes(world)}
    for one, address in guests(world):
        for key, state in sorted(world.states("DhcpScope").items()):
            if str(key) not in ours and leased(state, address):
                yield _would_lease(world, one, address, None, f"scope {state.name} of {world.host}", ())


def _would_lease(
    world: World, one: Declared[Any], address: IPv4Address, network: IPv4Network | None, scope: str, also: tuple[tuple[str, str, str], ...]
) -> Finding:
    return Finding(
        one.id,
        "ip4Address",
        f"{address} is static here, and {scope} would lease it to another machine",
        also=also,
        why="two machines would then have one address",
        help=f"{for_example(free_address(world, network)) if network else 'take one outside its range'}; or exclude {address} in the scope",
    )


def _hosts_own(world: World) -> Iterator[Finding]:
    """Where it is the guest's gateway too, EFL012 says it."""
    for one, address, network in _static(world):
        place = next((switch for switch, own in stands(world) if own.ip == address), None)
        if place is not None:
            yield _taken(world, one, address, network, "the host itself has it", ((place.id, "ipAddress", "the host has it here"),))


def _hosts_own_seen(world: World) -> Iterator[Finding]:
    declared = {int(own.ip) for _, own in stands(world)}
    for one, address, network in _static(world):
        alias = next((alias for alias, own in host_addresses(world) if own.ip == address and int(address) not in declared), None)
        if alias is not None:
            yield _taken(world, one, address, network, f"{world.host} itself has it on {alias}", ())


def _static(world: World) -> Iterator[tuple[Declared[Any], IPv4Address, IPv4Network | None]]:
    for one, address in guests(world):
        length, gateway = one.spec.ip4PrefixLength, one.spec.ip4GatewayAddress
        if not known(gateway) or int(gateway) != int(address):
            yield one, address, ipv4_network_around(f"{address}/{length}") if known(length) else None


def _taken(world: World, one: Declared[Any], address: IPv4Address, network: IPv4Network | None, by: str, also: tuple[tuple[str, str, str], ...]) -> Finding:
    hint = for_example(free_address(world, network) if network else None)
    return Finding(one.id, "ip4Address", f"{address} is taken: {by}", also=also, why="two machines would then have one address", help=hint)


def _nobody_leases(world: World) -> Iterator[Finding]:
    """An Internal switch that is declared here; what others made, others may serve."""
    for one in world.declared("EflowVm"):
        place = switch(world, one.spec.vswitchName)
        if one.spec.ip4Address is not None or place is None or place.spec.switchType != "Internal" or isinstance(one.spec.vswitchName, Existing):
            continue
        serving = [scope for scope in world.declared("DhcpScope") if _serves(scope, place)]
        if any(scope.spec.state == "Active" for scope in serving):
            continue
        also: tuple[tuple[str, str, str], ...] = ((place.id, "", "this switch"),)
        if serving:
            also = ((serving[0].id, "state", "declared so here"),)
        what = f"{serving[0].id} is not active" if serving else "no DhcpScope is declared there"
        yield Finding(
            one.id,
            "vswitchName",
            f"the guest leases its address on Internal switch {place.name}, and {what}",
            also=also,
            why='nobody else answers there: Deploy-Eflow would stop with "Failed to acquire IP address"',
            help=f"state: Active in {serving[0].id}" if serving else _way(world, place),
        )


def _serves(scope: Declared[Any], place: Declared[Any]) -> bool:
    if scope.spec.switchName is not None:
        return switch_name(scope.spec.switchName) == str(place.spec.name).casefold()
    address = place.spec.ipAddress
    return known(address) and known(scope.spec.scopeId) and bool(scope.spec.scopeId == address.network.network_address)


def _way(world: World, place: Declared[Any]) -> str:
    """Both ways out, with values of this very network."""
    address = place.spec.ipAddress
    name = place.name
    if not known(address):
        return f"give {name} an ipAddress and declare DhcpScope/{name}, or give the guest ip4Address and dnsServers"
    hosts = address.network.num_addresses
    first, last = (address.network.network_address + n for n in ((100, 200) if hosts >= 256 else (hosts // 2, hosts - 2)))
    return (
        f"DhcpScope/{name}: {{switchName: {name}, startRange: {first}, endRange: {last}, dnsServer: [ADDRESS]}} with DhcpServer: {{}} "
        f"and WindowsFeature/DHCP: {{}}; or static, for example ip4Address: {free_address(world, address.network)} and dnsServers"
    )


def _no_way_out(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowVm"):
        place = switch(world, one.spec.vswitchName)
        if place is None or place.spec.switchType != "Internal" or not known(place.spec.ipAddress):
            continue
        network = place.spec.ipAddress.network
        if any(overlap(prefix, network) for _, prefix in nats(world)) or any(overlap(prefix, network) for prefix in nat_prefixes(world)):
            continue
        yield Finding(
            one.id,
            "vswitchName",
            f"the guest has no way out of {network}: there is no NAT for it",
            also=((place.id, "ipAddress", f"{network} is declared here"),),
            why="it reaches the host alone; the hub and the registry of its modules stay out of reach",
            help=f"NatNetwork/{place.name}: {{switchName: {place.name}}}",
        )


def _existing_type(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowVm"):
        named = one.spec.vswitchName
        if not isinstance(named, Existing) or switch_name(named) == DEFAULT_SWITCH or switch(world, named) is not None:
            continue
        types = switch_types(world).get(switch_name(named), ())
        wrong = _unfit(named.existing, types, world)
        if wrong:
            yield Finding(one.id, "vswitchName", wrong[0], why=wrong[1], help=wrong[2])


def _unfit(name: str, types: tuple[str, ...], world: World) -> tuple[str, str, str] | None:
    if len(types) > 1:
        return f"{world.host} has {len(types)} switches called {name}", "EFLOW finds its switch by name and type, and wants one", "rename the others"
    if types == ("Private",):
        return f"{name} is a Private switch", "EFLOW takes Internal and External switches", "attach another switch"
    if types == ("Internal",) and world.sku.startswith("client"):
        return (
            f"{name} is an Internal switch, and {world.host} is a client",
            "there EFLOW takes no Internal switch",
            "attach Default Switch, or an External one",
        )
    return None


def _tpm_off(world: World) -> Iterator[Finding]:
    for identity in world.declared("EflowProvisioning"):
        for one in world.declared("EflowVm"):
            if identity.spec.provisioningType == "DpsTPM" and one.spec.dpsTpm is not True:
                yield Finding(
                    identity.id,
                    "provisioningType",
                    "provisioning by TPM, and the VM's feature DpsTpm is not on",
                    also=((one.id, "dpsTpm", "switched off here" if one.spec.dpsTpm is False else "dpsTpm is left out here"),),
                    why="without it the guest does not see the host's TPM",
                    help="dpsTpm: true in EflowVm",
                )


def _identity_while_off(world: World) -> Iterator[Finding]:
    for identity in world.declared("EflowProvisioning"):
        for one in world.declared("EflowVm"):
            if one.spec.powerState == "Off":
                yield Finding(
                    identity.id,
                    "",
                    "the VM is declared Off, and it can be provisioned only while it runs",
                    also=((one.id, "powerState", "declared here"),),
                    help="let it run until it is provisioned, then declare powerState: Off",
                )


def _eflow_ask(name: str, facts: Facts) -> Ask:
    return eflow_vm.asks(facts)[name]


def _deployed(world: World) -> bool:
    return any(state.deployed for state in world.seen("EflowVm").values())


def _agent_mute(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowVm"):
        error = world.answer(_eflow_ask("vm", world.facts)).error if _deployed(world) else None
        if error is None:
            continue
        expired = "x509" in error.message or "certificate" in error.message  # chooses the hint alone
        yield Finding(
            one.id,
            "",
            f"EFLOW does not answer on {world.host}: {error.message or error.id}",
            why="its agent's certificates last about a year; with expired ones the workload runs on, and the host has no say over it"
            if expired
            else "what runs inside goes on; the host has no say over it",
            help="renew them with updateWssdCert.ps1 of the EFLOW project, at the host" if expired else "look at services hns, vmcompute and wssdagent",
        )


def _named_otherwise(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowVm"):
        if not _deployed(world):
            continue
        now = world.facts.computer_name
        rows = [row for row in world.answer(_eflow_ask("endpoints", world.facts)).objects if isinstance(row, Row)]
        names = [str(row["Name"]) for row in rows]
        then = sorted(name[: -len(INTERFACE)] for name in names if name.casefold().endswith(INTERFACE))
        if not then:
            raise NotSeen
        if now.casefold() not in [name.casefold() for name in then]:
            yield Finding(
                one.id,
                "",
                f"{world.host} was called {then[0]} when EFLOW was deployed, and is called {now} now",
                why="EFLOW keeps the old name everywhere, and looks for its VM under it",
                help=f"rename the computer back; or --replace {one.id}, which takes the guest's disk with it",
            )


# What EFLOW answers is asked by the kind, where a VM is declared: asked of every host it would load EFLOW's module everywhere.
RULES: tuple[Rule[Any], ...] = (
    Rule("EFL016", Severity.ERROR, "a static address inside a leased range", _in_range),
    Rule("EFL017", Severity.ERROR, "a static address that the host itself has", _hosts_own),
    Rule("EFL018", Severity.ERROR, "a guest that leases its address where nobody leases one", _nobody_leases),
    Rule("EFL019", Severity.WARNING, "a guest on an Internal switch without a NAT", _no_way_out, asks=asking(NATS)),
    Rule("EFL023", Severity.ERROR, "a switch that others made and that EFLOW does not take", _existing_type, asks=asking(SWITCHES)),
    Rule("EFL024", Severity.ERROR, "a static address inside a range that others lease", _in_foreign_range),
    Rule("EFL025", Severity.ERROR, "a static address that an adapter of the host has", _hosts_own_seen, asks=asking(ADDRESSES)),
    Rule("EFL042", Severity.ERROR, "provisioning by TPM without the feature", _tpm_off),
    Rule("EFL043", Severity.WARNING, "provisioning of a VM that is declared off", _identity_while_off),
    Rule("EFL080", Severity.WARNING, "EFLOW does not answer for its VM", _agent_mute),
    Rule("EFL081", Severity.WARNING, "a computer renamed after the deployment", _named_otherwise),
)
