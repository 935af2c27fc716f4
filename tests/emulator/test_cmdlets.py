"""What holds for every emulated cmdlet: it is an official one, names its source, and gives only properties that are known."""

import sys
from typing import Any

import pytest

from reconciler.emulator import catalogue
from reconciler.emulator.cmdlets import load
from reconciler.signatures import catalogue as official
from tests.emulator.world import eflow_server

# Cmdlets whose rows are asked with these lines on a server that has everything.
TOUR = (
    "Get-CimInstance -ClassName Win32_OperatingSystem",
    "Get-CimInstance -ClassName Win32_ComputerSystem",
    "Get-CimInstance -ClassName Win32_ComputerSystemProduct",
    "Get-CimInstance -ClassName Win32_BIOS",
    "Get-CimInstance -ClassName Win32_Processor",
    "Get-CimInstance -ClassName Win32_LogicalDisk",
    "Get-CimInstance -ClassName Win32_Service",
    "Get-DhcpServerSetting",
    "Get-DhcpServerv4Binding",
    "Get-DhcpServerv4ExclusionRange",
    "Get-DhcpServerv4Lease -ScopeId 172.20.0.0",
    "Get-DhcpServerv4OptionDefinition",
    "Get-DhcpServerv4OptionValue -ScopeId 172.20.0.0",
    "Get-DhcpServerv4Reservation -ScopeId 172.20.0.0",
    "Get-DhcpServerv4Scope",
    "Get-DhcpServerv4ScopeStatistics",
    "Get-DnsClientServerAddress",
    "Get-EflowHostConfiguration",
    "Get-EflowNetwork",
    "Get-EflowVm",
    "Get-EflowVmEndpoint",
    "Get-FileHash -LiteralPath C:\\cache\\eflow.msi",
    "Get-NetAdapter",
    "Get-NetIPAddress",
    "Get-NetIPInterface",
    "Get-NetNat",
    "Get-NetNatStaticMapping",
    "Get-NetRoute",
    "Get-NetTCPConnection",
    "Get-Process",
    "Get-Service",
    "Get-VM",
    "Get-VMHost",
    "Get-VMMemory -VMName *",
    "Get-VMNetworkAdapter -VMName *",
    "Get-VMProcessor -VMName *",
    "Get-VMSwitch",
    "Get-WindowsFeature",
    "Get-WindowsOptionalFeature -Online -FeatureName *",
)


def test_every_emulated_cmdlet_is_in_the_official_catalogue() -> None:
    assert [e.name for e in load().values() if catalogue.find(e.name) is None] == []


def test_every_emulated_cmdlet_names_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert [e.name for e in load().values() if not e.source] == []
    unverified = sorted(e.name for e in load().values() if not e.verified)
    with capsys.disabled():
        sys.stdout.write(f"\nemulated cmdlets with something unverified: {len(unverified)} of {len(load())}\n")
    assert len(unverified) < len(load()) / 2


def test_rows_have_only_properties_that_the_reference_knows() -> None:
    world = eflow_server()
    world.rows("Add-DhcpServerv4Reservation -ScopeId 172.20.0.0 -IPAddress 172.20.0.150 -ClientId 00155d010203")
    world.rows("Add-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0 -StartRange 172.20.0.110 -EndRange 172.20.0.120")
    world.rows(
        "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0 -ExternalPort 80 -InternalIPAddress 172.20.0.2 -InternalPort 80"
    )
    world.machine.start_process("powershell.exe", "a test")
    unknown: dict[str, set[str]] = {}
    for line in TOUR:
        rows: list[Any] = world.rows(line)
        assert rows, line
        name, _, rest = line.partition(" ")
        class_ = rest.removeprefix("-ClassName ") if name == "Get-CimInstance" else None
        outputs = official().outputs(name, class_)
        assert outputs is not None, line
        strange = {property for row in rows for property in row} - set(outputs.properties)
        if strange:
            unknown[line] = strange
    assert unknown == {}
