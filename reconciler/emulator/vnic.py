"""The host's own adapters on virtual switches: how one appears, what it takes from a NIC, and how that comes back.

`timeline` makes them appear, the Hyper-V cmdlets take them away. Source: eflow-domain 2, 3.3.
"""

from __future__ import annotations

import hashlib

from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Adapter, Address, VmSwitch


def autoconfigured(adapter: Adapter) -> Address:
    """The 169.254/16 address that Windows gives an adapter for which nobody else has one."""
    digest = hashlib.sha256(adapter.mac.encode()).digest()
    return Address(f"169.254.{1 + digest[0] % 254}.{1 + digest[1] % 254}", 16, "WellKnown", "Link")


def appear(machine: Machine, switch_id: str) -> None:
    """The host's own adapter of a virtual switch shows up: eflow-domain 3.3 (after seconds, with a 169.254/16 address)."""
    switch = machine.switch_by_id(switch_id)
    if switch is None or not switch.management_os or any(a.switch == switch_id and a.virtual for a in machine.adapters):
        return
    number = sum(1 for a in machine.adapters if a.description.startswith("Hyper-V Virtual Ethernet Adapter")) + 1
    adapter = Adapter(
        name=_free_name(machine, f"vEthernet ({switch.name})"),
        index=machine.new_index(),
        mac=machine.new_mac(),
        description="Hyper-V Virtual Ethernet Adapter" + (f" #{number}" if number > 1 else ""),
        guid="{" + machine.new_guid("adapter").upper() + "}",
        physical=False,
        speed=10_000_000_000,
        dhcp=True,
        switch=switch_id,
        metric=15,
    )
    machine.adapters.append(adapter)
    bound = next((a for a in machine.adapters if a.switch == switch_id and a.physical), None)
    if bound is not None:
        _move_address(bound, adapter)
        unpark(bound, adapter)
    elif switch.protected:
        digest = hashlib.sha256(f"{machine.name}/{machine.boots}".encode()).digest()
        adapter.addresses.append(Address(f"172.{16 + digest[0] % 15}.{16 * (digest[1] % 16)}.1", 20))
        adapter.dhcp = False
    else:
        adapter.addresses.append(autoconfigured(adapter))


def _free_name(machine: Machine, name: str) -> str:
    return name if machine.adapter(name) is None else f"{name} 2"


def _move_address(source: Adapter, target: Adapter) -> None:
    """Hands the host's addresses, gateway, DNS and MAC to the adapter that now carries them."""
    target.addresses, source.addresses = source.addresses, []
    target.gateway, source.gateway = source.gateway, None
    target.dns, source.dns = source.dns, []
    target.dhcp, source.dhcp = source.dhcp, False
    target.mac = source.mac
    target.speed = source.speed


def park(nic: Adapter, source: Adapter) -> None:
    """A NIC keeps, unused, what `source` had: a switch without an adapter of the host has taken it."""
    nic.parked, source.addresses = source.addresses, []
    nic.parked_gateway, source.gateway = source.gateway, None


def unpark(nic: Adapter, target: Adapter) -> None:
    """What was parked on the NIC is in use again, on `target`."""
    if nic.parked:
        target.addresses, nic.parked = nic.parked, []
        target.gateway, nic.parked_gateway = nic.parked_gateway, None


def give_back(machine: Machine, switch: VmSwitch) -> None:
    """An External switch goes: its NIC gets the host's addresses back, and the vEthernet adapter disappears."""
    own = [a for a in machine.adapters if a.switch == switch.id and a.virtual]
    nic = next((a for a in machine.adapters if a.switch == switch.id and a.physical), None)
    if nic is not None:
        nic.switch = None
        if own:
            _move_address(own[0], nic)
        unpark(nic, nic)
    for adapter in own:
        machine.adapters.remove(adapter)
    machine.due = [due for due in machine.due if not (due.what == "adapter" and due.subject == switch.id)]
