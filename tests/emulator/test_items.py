"""Registry, files, services, CIM, downloads: ids of absence, wildcards, German texts."""

import pytest

from reconciler.emulator.machine import WebFile
from reconciler.emulator.powershell import execute
from tests.emulator.world import MSIEXEC, URL, World

UNINSTALL = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"


def test_a_key_without_values_gives_nothing_at_all() -> None:
    world = World()
    assert world.rows(f"Get-ItemProperty -LiteralPath {UNINSTALL}\\AddressBook") == []
    assert world.error(f"Get-ItemProperty -LiteralPath {UNINSTALL}\\none") == "PathNotFound,Microsoft.PowerShell.Commands.GetItemPropertyCommand"
    assert world.rows(f"Get-ItemProperty -Path {UNINSTALL}\\none*") == []


def test_both_spellings_of_a_hive_mean_the_same_key() -> None:
    world = World()
    world.rows("New-Item -Path HKLM:\\SOFTWARE\\contoso")
    world.rows("New-ItemProperty -Path Registry::HKEY_LOCAL_MACHINE\\SOFTWARE\\Contoso -Name Size -Value 7 -PropertyType DWord")
    assert world.rows("Get-ItemProperty -Path HKLM:\\software\\CONTOSO")[0]["Size"] == 7
    world.rows("Remove-ItemProperty -Path HKLM:\\software\\CONTOSO -Name size")
    assert world.rows("Get-ItemProperty -Path HKLM:\\software\\CONTOSO") == []
    world.rows("Remove-Item -Path HKLM:\\SOFTWARE\\contoso -Recurse")
    assert world.rows("Test-Path -Path HKLM:\\SOFTWARE\\contoso") == [False]


def test_a_pending_restart_shows_in_the_registry() -> None:
    world = World()
    line = "Test-Path -LiteralPath 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending'"
    assert world.rows(line) == [False]
    world.rows("Install-WindowsFeature -Name Hyper-V")
    assert world.rows(line) == [True]
    world.restart()
    assert world.rows(line) == [False]


def test_a_pattern_that_hits_nothing_is_no_error_but_an_absent_folder_is() -> None:
    world = World()
    assert world.rows('Get-ChildItem -Path "C:\\Program Files\\*.vhdx"') == []
    assert world.error('Get-ChildItem -Path "C:\\nowhere\\*.vhdx"') == "PathNotFound,Microsoft.PowerShell.Commands.GetChildItemCommand"


def test_a_folder_with_content_needs_recurse() -> None:
    world = World()
    world.machine.files.write("C:\\data\\one.txt", "hello")
    assert world.run("Remove-Item -LiteralPath C:\\data").errors
    world.rows("Remove-Item -LiteralPath C:\\data -Recurse")
    assert world.rows("Test-Path -LiteralPath C:\\data\\one.txt") == [False]


def test_a_download_needs_its_folder_and_its_hash_is_upper_case() -> None:
    world = World()
    world.estate.site.web[URL] = WebFile(24 << 20, "ab" * 32, "Azure IoT Edge", "1.5.5.07025")
    assert world.run(f"Invoke-WebRequest -Uri {URL} -OutFile C:\\cache\\x.msi").errors
    world.machine.files.folder("C:\\cache")
    outcome = world.run(f"Invoke-WebRequest -Uri {URL} -OutFile C:\\cache\\x.msi")
    assert outcome.seconds > 2
    assert world.rows("Get-FileHash -LiteralPath C:\\cache\\x.msi")[0]["Hash"] == "AB" * 32
    assert world.error("Get-FileHash -LiteralPath C:\\cache\\y.msi") == "FileNotFound,Get-FileHash"
    assert world.run("Invoke-WebRequest -Uri https://nowhere.example/x -OutFile C:\\cache\\x.msi").errors


def test_a_disabled_service_does_not_start_and_dependents_need_force() -> None:
    world = World()
    world.rows("Set-Service -Name Spooler -StartupType Disabled -Status Stopped")
    assert world.error("Start-Service -Name Spooler") == "CouldNotStartService,Microsoft.PowerShell.Commands.StartServiceCommand"
    world.machine.services["lanmanworkstation"].needs = ("Dnscache",)
    assert world.error("Stop-Service -Name Dnscache") == "ServiceHasDependentServices,Microsoft.PowerShell.Commands.StopServiceCommand"
    world.rows("Stop-Service -Name Dnscache -Force")
    assert world.rows("Get-Service -Name LanmanWorkstation")[0]["Status"] == "Stopped"


def test_an_absent_service_is_an_error_and_the_others_are_given() -> None:
    outcome = World().run("Get-Service -Name nope,WinRM")
    assert [r["Name"] for r in outcome.objects] == ["WinRM"]
    assert outcome.errors[0].id == "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand"


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("Name='WinRM'", ["WinRM"]),
        ("Name='WinRM' OR Name='Spooler'", ["Spooler", "WinRM"]),
        ("Name LIKE 'Lanman%' AND State='Running'", ["LanmanServer", "LanmanWorkstation"]),
        ("Name='nope'", []),
        ("StartMode!='Auto' AND Started=FALSE AND Name LIKE 'w%'", ["wuauserv"]),
    ],
)
def test_cim_filters_select(condition: str, names: list[str]) -> None:
    rows = World().rows(f'Get-CimInstance -ClassName Win32_Service -Filter "{condition}"')
    assert [r["Name"] for r in rows if r["Name"] != "W32Time"] == names


def test_a_class_that_is_not_there_and_a_query_that_is_none() -> None:
    world = World()
    suffix = "Microsoft.Management.Infrastructure.CimCmdlets.GetCimInstanceCommand"
    assert world.error("Get-CimInstance -ClassName Win32_Nothing") == f"HRESULT 0x80041010,{suffix}"
    assert world.error('Get-CimInstance -ClassName Win32_Service -Filter "Name LIKES x"') == f"HRESULT 0x80041017,{suffix}"
    assert world.error("Get-CimInstance -Namespace root/virtualization/v2 -ClassName Msvm_ComputerSystem") == f"HRESULT 0x80041010,{suffix}"


def test_the_virtualisation_flags_read_false_once_a_hypervisor_runs() -> None:
    world = World()
    line = "Get-CimInstance -ClassName Win32_Processor"
    assert world.rows(line)[0]["VirtualizationFirmwareEnabled"] is True
    world.hyperv()
    assert world.rows(line)[0]["VirtualizationFirmwareEnabled"] is False
    assert world.rows("Get-CimInstance -ClassName Win32_ComputerSystem")[0]["HypervisorPresent"] is True


def test_a_process_ends_with_the_machine() -> None:
    world = World()
    process = world.machine.start_process("powershell.exe", "runner")
    child = world.machine.start_process("msiexec.exe", parent=process.pid)
    assert world.machine.kill_tree(process.pid) == [process.pid, child.pid]
    world.machine.start_process("powershell.exe", "runner")
    world.restart()
    assert world.machine.processes == {}


def test_what_if_changes_nothing() -> None:
    world = World()
    world.rows("Stop-Service -Name WinRM -WhatIf")
    assert world.rows("Get-Service -Name WinRM")[0]["Status"] == "Running"


def test_writes_under_hklm_need_rights() -> None:
    world = World()
    outcome = execute(world.machine, "New-Item", {"Path": ["HKLM:\\SOFTWARE\\x"]}, elevated=False)
    assert outcome.errors[0].category == "PermissionDenied"
    assert world.machine.registry.key("HKLM\\SOFTWARE\\x") is None


def test_a_package_leaves_its_entry_and_a_newer_one_takes_its_place() -> None:
    world = World()
    world.machine.files.folder("C:\\cache")
    for version in ("1.0", "2.0"):
        world.estate.site.web[f"https://x/{version}"] = WebFile(1 << 20, version[0] * 64, "Windows Admin Center", version, kind="msi")
        world.rows(f"Invoke-WebRequest -Uri https://x/{version} -OutFile C:\\cache\\{version}.msi")
        assert world.program(MSIEXEC, "/i", f"C:\\cache\\{version}.msi", "/qn").exit == 0
    rows = world.rows(f"Get-ItemProperty -Path {UNINSTALL}\\* -Name DisplayName,DisplayVersion,PSChildName")
    assert [r["DisplayVersion"] for r in rows if r["DisplayName"] == "Windows Admin Center"] == ["2.0"]
    assert world.rows("Get-Service -Name ServerManagementGateway")[0]["Status"] == "Running"
    assert world.program(MSIEXEC, "/i", "C:\\cache\\1.0.msi", "/qn").exit == 1638
    assert world.program(MSIEXEC, "/x", "C:\\cache\\2.0.msi", "/qn").exit == 0
    assert world.run("Get-Service -Name ServerManagementGateway").errors
