"""The network of a twin: adapters with their addresses and routes, switches, NATs, and the virtual machines on it. `twin` calls it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from reconciler.core.calls import Row
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, Address, Nat, Route, StaticMapping, VirtualMachine, VmSwitch
from reconciler.emulator.timeline import DEFAULT_SWITCH, schedule
from reconciler.emulator.twinsaid import Said, given, ip

HOST_SIDE = "Hyper-V Virtual Ethernet Adapter"
SUFFIX = {"Dhcp": "Dhcp", "WellKnown": "Link", "Manual": "Manual"}
LATE = 6.0  # when an adapter of the host shows up that is not there yet
DEFAULT_ROUTE = "0.0.0.0/0"


def network(machine: Machine, said: Said) -> None:
    _adapters(machine, said)
    _addresses(machine, said)
    _routes(machine, said)
    _switches(machine, said)
    _uplink(machine, said)


def _adapters(machine: Machine, said: Said) -> None:
    found: dict[str, dict[str, Any]] = {}
    for asked in said.plain("Get-NetAdapter"):
        for row in asked.rows():
            found.setdefault(str(row["Name"]), {}).update((name, given(row, name)) for name in row)
    remote = {str(row["Name"]): bool(given(row, "Enabled")) for row in said.listed("Get-NetAdapterRdma") or ()}
    for name in remote:
        found.setdefault(name, {})
    if not found:
        said.assume("no answer lists its network adapters: it has none")
    machine.next_index = max((int(row.get("InterfaceIndex") or 0) for row in found.values()), default=machine.next_index)
    for number, (name, seen) in enumerate(found.items()):
        machine.adapters.append(_adapter(machine, name, seen, number))
        if name in remote:
            machine.adapters[-1].rdma, machine.adapters[-1].status = True, "Up" if remote[name] else "Disconnected"


def _adapter(machine: Machine, name: str, row: dict[str, Any], number: int) -> Adapter:
    description = str(row.get("InterfaceDescription") or name)
    physical = bool(row.get("HardwareInterface", not description.startswith(HOST_SIDE)))
    return Adapter(
        name=name,
        index=int(row.get("InterfaceIndex") or machine.new_index()),
        mac=f"3C-EC-EF-00-00-{number:02X}" if physical else machine.new_mac(),
        description=description,
        guid="{" + machine.new_guid("adapter").upper() + "}",
        physical=physical,
        status="Disconnected" if str(row.get("MediaConnectionState")) in ("Disconnected", "2") else "Up",
        speed=1_000_000_000 if physical else 10_000_000_000,
        metric=25 if physical else 15,
    )


def _addresses(machine: Machine, said: Said) -> None:
    bindable = said.listed("Get-DhcpServerv4Binding")
    static = {str(row["InterfaceAlias"]).casefold() for row in bindable or ()}
    for row in said.listed("Get-NetIPAddress") or ():
        adapter = machine.adapter(str(given(row, "InterfaceAlias")))
        if adapter is not None and ":" not in str(row["IPAddress"]):
            origin = str(given(row, "PrefixOrigin") or "Manual")
            adapter.addresses.append(Address(ip(row, "IPAddress"), _length(row), origin, SUFFIX.get(origin, "Other")))
    for adapter in machine.adapters:
        origins = {address.origin for address in adapter.addresses}
        guess = "Dhcp" in origins or origins == {"WellKnown"}
        adapter.dhcp = guess if bindable is None or not origins else adapter.name.casefold() not in static


def _length(row: Row) -> int:
    length = int(row["PrefixLength"])
    if not 0 <= length <= 32:
        raise ValueError(f"{length} is no length of a prefix")
    return length


def _routes(machine: Machine, said: Said) -> None:
    rows = next((asked.rows() for asked in said.asked("Get-NetRoute") if "NextHop" in asked.select and asked.answer.ok), None)
    if rows is None:
        _guessed_gateway(machine, said)
        return
    on_link = {(adapter.name, to) for adapter, held in machine.addresses() for to in _reached(held)}
    for row in rows:
        adapter = machine.adapter(str(given(row, "InterfaceAlias")))
        to, hop = str(given(row, "DestinationPrefix")), str(given(row, "NextHop"))
        if adapter is None or ":" in to or (adapter.name, to) in on_link:
            continue
        if to == DEFAULT_ROUTE and adapter.gateway is None:
            adapter.gateway = hop
        else:
            machine.routes.append(Route(to, hop, adapter.index))


def _reached(held: Address) -> tuple[str, str]:
    return str(IPv4Network(f"{held.address}/{held.prefix}", strict=False)), f"{held.address}/32"


def _guessed_gateway(machine: Machine, said: Said) -> None:
    for asked in said.asked("Get-NetRoute"):
        for row in asked.rows():
            adapter = machine.adapter(str(given(row, "InterfaceAlias")))
            if adapter is not None and adapter.addresses and adapter.gateway is None:
                adapter.gateway = str(next(IPv4Network(f"{adapter.addresses[0].address}/{adapter.addresses[0].prefix}", strict=False).hosts()))
                said.assume(f"no answer names the gateway on {adapter.name}: {adapter.gateway} assumed")


# --- switches


def _switches(machine: Machine, said: Said) -> None:
    rows = said.listed("Get-VMSwitch")
    if rows is not None:
        machine.switches = [_switch(machine, row) for row in rows]
    elif machine.switches:
        said.assume("no answer lists its switches: Hyper-V's Default Switch is taken to be there")
    free = [adapter for adapter in machine.adapters if adapter.virtual]
    for switch in machine.switches:
        _bind(machine, said, switch, free)
    for adapter in free:
        said.assume(f"{adapter.name} belongs to no switch that is known here")


def _switch(machine: Machine, row: Row) -> VmSwitch:
    name, kind = str(row["Name"]), {"0": "Private", "1": "Internal", "2": "External"}.get(str(row["SwitchType"]), str(row["SwitchType"]))
    identity = str(given(row, "Id") or machine.new_guid("switch"))
    automatic = identity.casefold() == DEFAULT_SWITCH or (not machine.server and name == "Default Switch")
    manages = given(row, "AllowManagementOS")
    description = str(given(row, "NetAdapterInterfaceDescription") or "")
    return VmSwitch(
        identity, name, kind, adapter_description=description, management_os=kind != "Private" if manages is None else bool(manages), protected=automatic
    )


def _bind(machine: Machine, said: Said, switch: VmSwitch, free: list[Adapter]) -> None:
    """The NIC under an External switch, and the host's own adapter on it, known by its usual name."""
    nic = next((a for a in machine.adapters if a.physical and switch.adapter_description and a.description == switch.adapter_description), None)
    if nic is not None:
        nic.switch, nic.dhcp = switch.id, False
    if not switch.management_os:
        if nic is not None:
            said.assume(f"what address {nic.name} had before switch {switch.name} took it is not known: it gets none back")
        return
    usual = f"vethernet ({switch.name})".casefold()
    own = next((a for a in free if a.name.casefold() == usual), None) or next((a for a in free if a.name.casefold().startswith(usual)), None)
    if own is None:
        schedule(machine, LATE, "adapter", switch.id)
        said.assume(f"the host's adapter on switch {switch.name} is not there yet: it comes after {LATE:g} seconds")
        return
    own.switch = switch.id
    own.mac = nic.mac if nic is not None else own.mac
    free.remove(own)


def _uplink(machine: Machine, said: Said) -> None:
    """The address that controllers come in on: where a connection of WinRM was seen, else where the default route is."""
    held = {address.address for _, address in machine.addresses()}
    spoken = [str(given(row, "LocalAddress")) for asked in said.asked("Get-NetTCPConnection") for row in asked.rows()]
    routed = [address.address for adapter, address in machine.addresses() if adapter.gateway]
    others = [address.address for adapter, address in machine.addresses() if not IPv4Address(address.address).is_link_local]
    machine.uplink = next((address for address in (*spoken, *routed, *others) if address in held), "")
    machine.address = machine.uplink
    if machine.uplink and machine.uplink not in spoken:
        adapter = machine.holder(machine.uplink)
        said.assume(f"WinRM comes in on {adapter.name if adapter else machine.uplink}: no connection was seen")


# --- what is on the switches


def nats(machine: Machine, said: Said) -> None:
    for row in said.listed("Get-NetNat") or ():
        prefix = given(row, "InternalIPInterfaceAddressPrefix")
        if prefix:
            machine.nats.append(Nat(str(row["Name"]), str(IPv4Network(str(prefix)))))
        else:
            said.assume(f"NAT {row['Name']} has no internal prefix: the twin leaves it out")
    for row in said.listed("Get-NetNatStaticMapping") or ():
        nat = machine.nat(str(row["NatName"]))
        if nat is not None:
            nat.mappings.append(_mapping(row))
            nat.next_mapping = max(nat.next_mapping, int(row["StaticMappingID"]) + 1)
    if machine.nats:
        said.assume("its NATs are WinNAT's own and outlive a restart; none was made by containers")


def _mapping(row: Row) -> StaticMapping:
    return StaticMapping(
        int(row["StaticMappingID"]),
        str(row["Protocol"]),
        ip(row, "ExternalIPAddress"),
        int(row["ExternalPort"]),
        ip(row, "InternalIPAddress"),
        int(row["InternalPort"]),
    )


def virtual_machines(machine: Machine, said: Said) -> None:
    for row in said.listed("Get-VM") or ():
        memory = int(given(row, "MemoryStartup") or 1 << 30)
        machine.vms.append(VirtualMachine(machine.new_guid("vm"), str(row["Name"]), str(given(row, "State") or "Off"), memory=memory))
    foreign = [vm.name for vm in machine.vms if vm.name.casefold() != f"{machine.computer_name}-EFLOW".casefold()]
    if foreign:
        said.assume(f"{_names(foreign)}: connected to no switch, for no answer says to which")


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
