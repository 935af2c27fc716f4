"""One emulated host for a test: lines typed at its console, time that goes by, and short cuts to common states."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.emulator.estate import Estate
from reconciler.emulator.machine import Machine, WebFile
from reconciler.emulator.powershell import Outcome
from reconciler.emulator.programs import ProgramOutcome, run_program
from reconciler.emulator.skus import AdapterWish, HostWish

MSIEXEC = "C:\\Windows\\System32\\msiexec.exe"
URL = "https://downloads.example/eflow.msi"
NIC = AdapterWish("Ethernet", "10.20.7.11", 24, "10.20.7.1", ("10.20.0.53",))


class World:
    """`run` gives the outcome of a typed line, `rows` its objects (and there must be no error), `error` its first error's id."""

    def __init__(self, sku: str = "server-2022", **wish: Any) -> None:
        wish.setdefault("adapters", (NIC,))
        self.estate = Estate.new(None, [HostWish("edge-01", sku, **wish)])

    @property
    def machine(self) -> Machine:
        return self.estate.machine("edge-01")

    def run(self, line: str) -> Outcome:
        return self.estate.run("edge-01", line)

    def rows(self, line: str) -> list[Any]:
        outcome = self.run(line)
        assert outcome.errors == (), outcome.errors
        return list(outcome.objects)

    def error(self, line: str) -> str:
        outcome = self.run(line)
        assert outcome.errors, outcome.objects
        return outcome.errors[0].id

    def wait(self, seconds: float) -> None:
        self.estate.clock.advance(timedelta(seconds=seconds))

    def restart(self) -> None:
        self.run("Restart-Computer -Force")
        self.wait(400)

    def hyperv(self) -> World:
        """With Hyper-V in effect."""
        if self.machine.server:
            self.rows("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
        else:
            self.rows("Enable-WindowsOptionalFeature -Online -FeatureName Microsoft-Hyper-V-All -All -NoRestart")
        self.restart()
        return self

    def network(self) -> World:
        """With an internal switch `eflow`, its gateway address and its NAT."""
        self.rows("New-VMSwitch -Name eflow -SwitchType Internal")
        self.wait(10)
        self.rows("New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress 172.20.0.1 -PrefixLength 24")
        self.rows("New-NetNat -Name eflow -InternalIPInterfaceAddressPrefix 172.20.0.0/24")
        return self

    def dhcp(self) -> World:
        self.rows("Install-WindowsFeature -Name DHCP -IncludeManagementTools")
        return self

    def scope(self) -> World:
        self.rows("Add-DhcpServerv4Scope -Name eflow -StartRange 172.20.0.100 -EndRange 172.20.0.200 -SubnetMask 255.255.255.0")
        self.rows("Set-DhcpServerv4OptionValue -ScopeId 172.20.0.0 -Router 172.20.0.1")
        return self

    def program(self, path: str, *argv: str) -> ProgramOutcome:
        outcome = run_program(self.machine, path, argv, at=self.estate.clock.now())
        self.wait(outcome.seconds)
        return outcome

    def msi(self, version: str = "1.5.5.07025") -> World:
        """With the EFLOW package of `version` installed."""
        sha256 = version.encode().hex().ljust(64, "0")[:64]
        self.estate.site.web[URL] = WebFile(400 << 20, sha256, "Azure IoT Edge", version)
        self.machine.files.folder("C:\\cache")
        self.rows(f"Invoke-WebRequest -Uri {URL} -OutFile C:\\cache\\eflow.msi")
        assert self.program(MSIEXEC, "/i", "C:\\cache\\eflow.msi", "/qn", "/norestart").exit == 0
        return self

    def deploy(self, more: str = "") -> list[Any]:
        return self.rows(f"Deploy-Eflow -acceptEula Yes -acceptOptionalTelemetry No {more}")


def eflow_server(version: str = "1.5.5.07025") -> World:
    """A server with a deployed EFLOW VM on an internal switch with DHCP."""
    world = World().hyperv().network().dhcp().scope().msi(version)
    assert world.deploy("-vswitchName eflow -vswitchType Internal") == ["OK"]
    return world
