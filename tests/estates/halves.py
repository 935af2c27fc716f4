"""How a host can be when somebody comes with a declaration: the halves in which people, failures and crashes leave it.

`observed` makes an estate so, with cmdlets that a person would type, faults and machine fields; nothing here plans or judges.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from reconciler.emulator import eflowmsi, timeline
from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine
from tests.estates.wishes import Network, Wish

HOST = "edge-01"
MSI = r"C:\Users\Administrator\eflow.msi"
URL = "https://files.example.net/eflow.msi"
CERTIFICATES = (
    r"New-Item -Path C:\certs -ItemType Directory -Force",
    r"New-Item -Path C:\certs\d.pem -ItemType File -Force",
    r"New-Item -Path C:\certs\d.key -ItemType File -Force",
)


class Half(StrEnum):
    """Those above the line need no guest, those below it do."""

    WHOLE = "as declared before"
    BARE = "bare"
    PENDING = "pending reboot"
    ADDRESSLESS = "switch without address"
    TWINS = "foreign twins"
    UNSEEN = "unseen fields"
    CRASH = "a crash point"
    # ---
    MSI = "MSI only"
    RESIZED = "VM off and resized"
    JOB = "running job"
    LEFTOVERS = "left-overs of a deployment"


WITH_GUEST = (Half.MSI, Half.RESIZED, Half.JOB, Half.LEFTOVERS)
WITH_NETWORK = (Half.ADDRESSLESS, Half.TWINS)
WITH_HISTORY = (Half.WHOLE, Half.RESIZED)  # always on what was applied before
WITHOUT_HISTORY = (Half.BARE, Half.PENDING, Half.TWINS, Half.MSI, Half.JOB, Half.LEFTOVERS)  # what is there already is neither installed nor deployed again


def observed(estate: Estate, half: Half, wish: Wish, choice: int) -> None:
    """Make the host so. `choice` picks among the ways of it."""
    makers: dict[Half, Callable[[Estate, Wish, int], None]] = {
        Half.PENDING: _pending,
        Half.ADDRESSLESS: _addressless,
        Half.TWINS: _twins,
        Half.MSI: _msi,
        Half.RESIZED: _resized,
    }
    if half in makers:
        makers[half](estate, wish, choice)


def typed(estate: Estate, *lines: str) -> None:
    for line in lines:
        outcome = estate.run(HOST, line)
        assert outcome.ok, (line, outcome.errors)


def _hyper_v(estate: Estate, wish: Wish, *, restart: bool = True) -> None:
    if wish.server:
        typed(estate, "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
    else:
        typed(estate, "Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V -All -NoRestart")
    if restart:
        timeline.restart(estate.machine(HOST))
        estate.clock.advance(timedelta(minutes=15))


def _has_hyper_v(machine: Machine) -> bool:
    return machine.hyperv


def _pending(estate: Estate, wish: Wish, choice: int) -> None:
    _hyper_v(estate, wish, restart=False)


def _switch(estate: Estate, network: Network, kind: str = "Internal") -> None:
    typed(estate, f"New-VMSwitch -Name '{network.name}' -SwitchType {kind}")
    estate.clock.advance(timedelta(minutes=1))


def _addressless(estate: Estate, wish: Wish, choice: int) -> None:
    """By hand on what was applied before, or a switch that others made and left so."""
    machine = estate.machine(HOST)
    if not _has_hyper_v(machine):
        _hyper_v(estate, wish)
    for network in wish.networks:
        if not machine.switches_named(network.name):
            _switch(estate, network)
        elif machine.holder(f"{network.prefix}.1") is not None:
            typed(estate, f"Remove-NetIPAddress -IPAddress {network.prefix}.1 -Confirm:$false")


def _twins(estate: Estate, wish: Wish, choice: int) -> None:
    """Objects of our names, made by others: alike, or not."""
    _hyper_v(estate, wish)
    for network in wish.networks:
        alike = choice % 3 != 0
        _switch(estate, network, "Internal" if choice % 5 else "Private")
        if choice % 5 and alike:
            typed(estate, f"New-NetIPAddress -InterfaceAlias 'vEthernet ({network.name})' -IPAddress {network.prefix}.1 -PrefixLength 24")
        if network.nat:
            prefix = network.prefix if alike else "10.99.0"
            typed(estate, f"New-NetNat -Name '{network.name}' -InternalIPInterfaceAddressPrefix {prefix}.0/24")
    leased = next((network for network in wish.networks if network.leases), None)
    if leased is not None:
        typed(estate, "Install-WindowsFeature -Name DHCP -IncludeManagementTools")
        estate.clock.advance(timedelta(minutes=1))
        ends = f"-StartRange {leased.prefix}.100 -EndRange {leased.prefix}.150 -SubnetMask 255.255.255.{0 if choice % 3 else 128}"
        typed(estate, f"Add-DhcpServerv4Scope -Name other {ends.replace('.150', '.120')}")


def _msi(estate: Estate, wish: Wish, choice: int) -> None:
    if choice % 2:
        _hyper_v(estate, wish)
    typed(estate, f"Invoke-WebRequest -Uri {URL} -OutFile {MSI} -UseBasicParsing")
    code, _ = eflowmsi.install(estate.machine(HOST), MSI, {})
    assert code == eflowmsi.OK


def _resized(estate: Estate, wish: Wish, choice: int) -> None:
    machine = estate.machine(HOST)
    if machine.eflow.power != "Running":
        typed(estate, "Start-EflowVm")
    typed(estate, f"Set-EflowVM -cpuCount {1 + choice % 3} -memoryInMB {3072 + 2 * choice} -headless")
    typed(estate, "Stop-EflowVm")
