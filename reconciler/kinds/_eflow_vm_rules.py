"""Rules of EflowVm alone: what Deploy-Eflow would refuse, or would accept to nobody's joy, said before anything runs.

Handed to the engine by `eflow_vm.KIND`. Pure; what needs a host asks for it and waits for a look. Rules between an EFLOW VM and
other resources (ranges of a scope, NAT, TPM for provisioning) are in reconciler.rules. Sources: eflow-domain 1.1, 1.2, 1.4, 1.11, 2, 9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any

from reconciler.core.addresses import ipv4_network_around, overlap
from reconciler.core.calls import Cmdlet, Row
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, NotSeen, Rule, World
from reconciler.core.observations import Ask, Facts
from reconciler.kinds._eflow_vm_spec import DEFAULT_SWITCH, RUNNING, EflowVm, given, on_default_switch, switch_name
from reconciler.kinds.eflow_trains import AS_OF, BAD, RELEASES, SUSPECT, TRAINS, Train, numbers

GET_CIM = Cmdlet("Get-CimInstance", ("ClassName",))
FREE_MEMORY = Ask(GET_CIM(ClassName="Win32_OperatingSystem", select=("FreePhysicalMemory",)))
PROCESSORS = Ask(GET_CIM(ClassName="Win32_ComputerSystem", select=("NumberOfLogicalProcessors",)))

HEADROOM = 2048  # MB that stay free beside the VM: a deployment passed EFLOW's own check and Hyper-V refused it all the same (1.10)
DEFAULT_MEMORY = 1024
SERVER_2025 = 26100
FIRST_BUILD = 17763
LINK_LOCAL = IPv4Network("169.254.0.0/16")

Check = Callable[[World], Iterable[Finding]]
OneCheck = Callable[[Declared[EflowVm], World], Iterable[Finding]]


def each(check: OneCheck) -> Check:
    """A rule on one spec, over every declared one."""
    return lambda world: (finding for declared in world.declared("EflowVm") for finding in check(declared, world))


def _train(spec: EflowVm) -> Train | None:
    return TRAINS.get(spec.product)


def _whole_address(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    spec = one.spec
    if spec.ip4Address is None:
        if written := [name for name in ("ip4PrefixLength", "ip4GatewayAddress") if given(getattr(spec, name))]:
            yield Finding(
                one.id,
                written[0],
                f"{' and '.join(written)} without ip4Address",
                help="write ip4Address too, or none of them: the guest then leases an address",
            )
        return
    lacking = []
    if spec.ip4PrefixLength is None and spec.ip4Address.prefixlen is None:
        lacking.append("ip4PrefixLength")
    if spec.ip4GatewayAddress is None:
        lacking.append("ip4GatewayAddress")
    if lacking:
        why = "Deploy-Eflow takes address, prefix length and gateway together, or none of them"
        yield Finding(
            one.id,
            "ip4Address",
            f"a static address without {' and '.join(lacking)}",
            why=why,
            help="write what is missing; a switch with an ipAddress gives both",
        )
    elif given(spec.ip4PrefixLength) and spec.ip4Address.prefixlen not in (None, spec.ip4PrefixLength):
        yield Finding(one.id, "ip4Address", f"{spec.ip4Address} does not agree with the prefix length {spec.ip4PrefixLength}", help="write the address alone")


def _own_gateway(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    spec = one.spec
    if spec.ip4Address is None or not given(spec.ip4GatewayAddress) or int(spec.ip4Address) != int(spec.ip4GatewayAddress):
        return
    name = switch_name(spec.vswitchName).casefold()
    also = tuple((switch.id, "ipAddress", "the host has it here") for switch in world.declared("VirtualSwitch") if switch.name.casefold() == name)
    network = _network(spec)
    free = next((host for host in network.hosts() if int(host) != int(spec.ip4Address)), None) if network else None
    yield Finding(
        one.id,
        "ip4Address",
        "the guest's address is its own gateway",
        also=also,
        why="the guest then has no way out, and Get-EflowVmEndpoint shows it as healthy",
        help=f"take a free one, for example {free}" if free else "take a free one",
    )


def _network(spec: EflowVm) -> IPv4Network | None:
    length = spec.ip4Address.prefixlen if spec.ip4Address is not None else None
    if length is None and given(spec.ip4PrefixLength):
        length = spec.ip4PrefixLength
    return ipv4_network_around(f"{spec.ip4Address.ip}/{length}") if spec.ip4Address is not None and length is not None else None


def _in_network(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    network, spec = _network(one.spec), one.spec
    if network is None or spec.ip4Address is None:
        return
    if int(spec.ip4Address) in (int(network.network_address), int(network.broadcast_address)) and network.prefixlen < 31:
        yield Finding(one.id, "ip4Address", f"{spec.ip4Address.ip} is the network or broadcast address of {network}", help="take an address in between")
    if given(spec.ip4GatewayAddress) and spec.ip4GatewayAddress not in network:
        yield Finding(
            one.id,
            "ip4GatewayAddress",
            f"the gateway {spec.ip4GatewayAddress} is not in the guest's network {network}",
            label="cannot be reached from the guest",
        )
    if overlap(network, LINK_LOCAL):
        yield Finding(
            one.id,
            "ip4Address",
            f"{spec.ip4Address.ip} is in the range of self-given addresses",
            why="such guests reach the host alone",
            help="take a private network",
        )


def _default_switch(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    train = _train(one.spec)
    if one.spec.ip4Address is not None and on_default_switch(one.spec) and not (train and train.static_on_default_switch):
        why = 'Deploy-Eflow would stop with "Cannot set Static IP on ICS type virtual switch"'
        also = ((one.id, "vswitchName", ""),)
        yield Finding(
            one.id, "ip4Address", "the Default Switch takes no static address", also=also, why=why, help="remove ip4Address, or attach an External switch"
        )


def _static_needs_dns(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    train = _train(one.spec)
    if one.spec.ip4Address is not None and one.spec.dnsServers is None and not (train and "dnsServers" in train.lacks):
        yield Finding(
            one.id,
            "ip4Address",
            "a static address without dnsServers",
            why='a static guest gets no DNS by itself: modules fail with "Temporary failure in name resolution"',
            help="write dnsServers",
        )


def _switch_type(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    if one.spec.vswitchType == "Private":
        yield Finding(one.id, "vswitchName", "EFLOW takes Internal and External switches, not Private ones", help="attach another switch")
    if one.spec.vswitchType == "Internal" and not on_default_switch(one.spec) and world.sku.startswith("client"):
        yield Finding(one.id, "vswitchName", "on a Windows client EFLOW takes no Internal switch", help=f"attach {DEFAULT_SWITCH}, or an External switch")
    if on_default_switch(one.spec) and world.sku.startswith("server"):
        yield Finding(one.id, "vswitchName", "Windows Server has no Default Switch", help="declare a VirtualSwitch with switchType Internal or External")


def _sizes(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    spec = one.spec
    if spec.memoryInMB is not None and (spec.memoryInMB < DEFAULT_MEMORY or spec.memoryInMB % 2):
        yield Finding(
            one.id,
            "memoryInMB",
            f"{spec.memoryInMB} MB: EFLOW takes even numbers from {DEFAULT_MEMORY}",
            help=f"for example {max(DEFAULT_MEMORY, spec.memoryInMB // 1024 * 1024)}",
        )
    if spec.vmDiskSize is not None and spec.vmDataSize is not None:
        yield Finding(
            one.id, "vmDataSize", "vmDataSize and vmDiskSize exclude each other", also=((one.id, "vmDiskSize", "the other one"),), help="keep one of them"
        )


def _train_limits(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    spec, train = one.spec, _train(one.spec)
    if train is None:
        return
    for field in sorted(train.lacks):
        if getattr(spec, field) is not None:
            yield Finding(one.id, field, f"EFLOW {train.name} has no {field}", help="remove it, or take a later train")
    for field, (low, high) in (("vmDiskSize", train.disk), ("vmDataSize", train.data)):
        size = getattr(spec, field)
        if size is not None and field not in train.lacks and not low <= size <= high:
            yield Finding(one.id, field, f"{size} GB: EFLOW {train.name} takes {low} to {high}")
    if train.static_on_default_switch and spec.ip4Address is not None and not on_default_switch(spec):
        yield Finding(
            one.id, "ip4Address", f"EFLOW {train.name} takes a static address on the {DEFAULT_SWITCH} only", help="remove ip4Address, or take a later train"
        )


def _release(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    spec, train = one.spec, _train(one.spec)
    release = spec.installer.version
    assert release.exact is not None
    if release != spec.version:
        yield Finding(
            one.id, "installer.version", f"the installer brings {release}, and version asks for {spec.version}", also=((one.id, "version", "asked for here"),)
        )
    if train and not train.holds(release.exact):
        yield Finding(
            one.id, "product", f"{release} is no release of EFLOW {train.name}", also=((one.id, "installer.version", "the installer brings this one"),)
        )


def _bad_release(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    for field, version in (("installer.version", one.spec.installer.version.exact), ("version", one.spec.version.exact)):
        if version is not None and version in BAD:
            yield Finding(one.id, field, f"EFLOW {'.'.join(map(str, version))} is refused", why=BAD[version])
            return


def _suspect_release(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    version = one.spec.installer.version.exact
    if version is not None and version in SUSPECT:
        yield Finding(one.id, "installer.version", f"EFLOW {one.spec.installer.version} has open complaints", why=SUSPECT[version])


def _unknown_train(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    if one.spec.product not in TRAINS:
        help_ = f"known: {', '.join(TRAINS)}; sizes, releases and the end of support of others are not checked"
        yield Finding(one.id, "product", f"EFLOW {one.spec.product} is not a train that is known here", help=help_)


def _past_support(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    train = _train(one.spec)
    if train and train.ended is None:
        yield Finding(one.id, "product", f"EFLOW {train.name} is a preview: it was never supported")
    elif train and train.ended and train.ended <= AS_OF:
        help_ = 'accept it for a while, beside the resource\'s fields: accept: [{rule: EFL090, until: 2027-06-30, reason: "…"}]'
        yield Finding(one.id, "product", f"EFLOW {train.name} is past its documented end of support ({train.ended})", help=help_)


def _sequence(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    for state in world.seen("EflowVm").values():
        if state.deployed and state.version is not None and state.version != one.spec.version:
            between = [
                text
                for text in RELEASES
                if numbers(str(state.version)) < numbers(text) <= numbers(str(one.spec.installer.version)) and numbers(text) not in BAD
            ]
            through = f"in place, one after the other: {', '.join(between)} (there may be more in between)" if between else "no update in place leads there"
            why = "EFLOW updates go through every release in between; a replace takes the guest's disk with it"
            yield Finding(
                one.id, "version", f"{state.version} is deployed, and version asks for {one.spec.version}", why=why, help=f"{through}; or --replace {one.id}"
            )


def _host_release(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    facts = world.facts
    if facts.build < FIRST_BUILD:
        yield Finding(one.id, "", f"EFLOW needs Windows build {FIRST_BUILD} (Server 2019, Windows 10 1809) or later; {world.host} has {facts.build}")
    if facts.is_server and facts.build >= SERVER_2025:
        yield Finding(one.id, "", f"EFLOW does not support {facts.caption}", why="Windows Server 2019 and 2022 are supported; Deploy-Eflow would not go on")
    if facts.is_client and facts.caption.casefold().split()[-1:] == ["home"]:
        yield Finding(one.id, "", f"EFLOW does not support {facts.caption}", help="Windows 10 or 11 Pro, Enterprise or IoT Enterprise")


def _declared_release(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    if world.sku in ("server-2025", "server-2016"):
        yield Finding(one.id, "", f"EFLOW does not support {world.sku}", help="Windows Server 2019 and 2022, Windows 10 and 11 are supported")


def _one_row(world: World, ask: Ask) -> Row:
    answer = world.answer(ask)
    if not answer.objects or not isinstance(answer.objects[0], Row):
        raise NotSeen
    return answer.objects[0]


def _processors(world: World) -> int:
    return int(_one_row(world, PROCESSORS)["NumberOfLogicalProcessors"])


def _too_many_processors(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    wanted = one.spec.cpuCount
    if wanted is not None and wanted > (there := _processors(world)):
        yield Finding(one.id, "cpuCount", f"{wanted} processors, and {world.host} has {there}", help=f"take at most {there}")


def _many_processors(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    wanted = one.spec.cpuCount
    if wanted is not None and wanted > 1 and (there := _processors(world)) // 2 < wanted <= there:
        yield Finding(one.id, "cpuCount", f"{wanted} of the {there} processors of {world.host}", why="the host itself and what else runs on it share the rest")


def _more_memory(one: Declared[EflowVm], world: World) -> int:
    """How much more than now the VM will take, in MB; where that cannot be known the rule waits."""
    wanted = one.spec.memoryInMB
    state: Any = next(iter(world.seen("EflowVm").values()), None)
    if state is None or not state.deployed:
        return DEFAULT_MEMORY if wanted is None else wanted
    if one.spec.powerState != RUNNING:
        return 0
    if state.powerState == RUNNING:
        if wanted is None:
            return 0
        if state.memoryInMB is None:
            raise NotSeen
        return max(0, wanted - int(state.memoryInMB))
    return wanted or state.memoryInMB or DEFAULT_MEMORY


def _memory(one: Declared[EflowVm], world: World) -> Iterator[Finding]:
    more = _more_memory(one, world)
    if not more:
        return
    free = int(_one_row(world, FREE_MEMORY)["FreePhysicalMemory"]) // 1024
    if more + HEADROOM > free:
        yield Finding(
            one.id,
            "memoryInMB",
            f"wants {more:,} MB more and {HEADROOM:,} headroom, {free:,} MB are free",
            why="Hyper-V may refuse to start the VM although EFLOW's own check passes",
            help="free memory on the host, or lower memoryInMB",
        )


def _asks(ask: Ask) -> Callable[[Facts], Iterable[Ask]]:
    return lambda facts: (ask,)


ERROR, WARNING = Severity.ERROR, Severity.WARNING

RULES: tuple[Rule[EflowVm], ...] = (
    Rule("EFL010", ERROR, "address, prefix length and gateway: all or none", each(_whole_address)),
    Rule("EFL011", ERROR, "a switch that EFLOW takes on this Windows", each(_switch_type)),
    Rule("EFL012", ERROR, "the guest's static address is the address of its own gateway", each(_own_gateway)),
    Rule("EFL013", ERROR, "the Default Switch takes no static address", each(_default_switch)),
    Rule("EFL014", ERROR, "a static address needs dnsServers", each(_static_needs_dns)),
    Rule("EFL015", ERROR, "address and gateway lie in one network that guests can use", each(_in_network)),
    Rule("EFL020", ERROR, "sizes that every EFLOW takes", each(_sizes)),
    Rule("EFL021", ERROR, "fields and limits of the train", each(_train_limits)),
    Rule("EFL030", ERROR, "a Windows that EFLOW supports, as declared", each(_declared_release)),
    Rule("EFL031", ERROR, "more processors than the host has", each(_too_many_processors), asks=_asks(PROCESSORS)),
    Rule("EFL032", WARNING, "more than half of the host's processors", each(_many_processors), asks=_asks(PROCESSORS)),
    Rule("EFL033", ERROR, "memory for the VM and headroom for the host", each(_memory), asks=_asks(FREE_MEMORY)),
    Rule("EFL034", ERROR, "a Windows that EFLOW supports, as seen", each(_host_release)),
    Rule("EFL070", ERROR, "a release that is known to be bad", each(_bad_release)),
    Rule("EFL072", WARNING, "a release with open complaints", each(_suspect_release)),
    Rule("EFL073", ERROR, "product, version and installer agree", each(_release)),
    Rule("EFL074", WARNING, "a train that is not known here", each(_unknown_train)),
    Rule("EFL075", WARNING, "another version is deployed: updates are sequential", each(_sequence)),
    Rule("EFL090", WARNING, "a train past its documented end of support", each(_past_support)),
)
