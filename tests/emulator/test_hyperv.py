"""Virtual switches and their late adapters, before and after the role, on servers and clients."""

from reconciler.emulator.parts import VirtualMachine
from reconciler.emulator.powershell import execute
from tests.emulator.world import World


def test_without_the_tools_the_command_is_not_there() -> None:
    assert World().error("Get-VMSwitch") == "CommandNotFoundException"


def test_between_installation_and_restart_the_role_does_not_answer() -> None:
    world = World()
    row = world.rows("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")[0]
    assert (row["ExitCode"], row["RestartNeeded"]) == ("SuccessRestartRequired", "Yes")
    seen = world.rows("Get-WindowsFeature -Name Hyper-V")[0]
    assert (seen["Installed"], seen["InstallState"]) == (False, "InstallPending")
    outcome = world.run("Get-VMSwitch")
    assert "WMI class" in outcome.errors[0].message


def test_after_the_restart_vmms_comes_seconds_after_winrm() -> None:
    world = World()
    world.rows("Install-WindowsFeature -Name Hyper-V -IncludeManagementTools")
    before = world.machine.booted
    world.run("Restart-Computer -Force")
    assert not world.machine.answers()
    until = world.machine.down_until
    assert until is not None
    world.estate.clock.set(until)
    assert world.machine.answers()
    assert world.machine.booted > before
    assert world.run("Get-VMHost").errors
    world.wait(15)
    assert world.rows("Get-VMHost")[0]["ComputerName"] == "EDGE-01"


def test_the_adapter_of_an_internal_switch_comes_late_and_with_an_autoconfigured_address() -> None:
    world = World().hyperv()
    world.rows("New-VMSwitch -Name eflow -SwitchType Internal")
    assert world.error("Get-NetAdapter -Name 'vEthernet (eflow)'") == "CmdletizationQuery_NotFound_Name,Get-NetAdapter"
    assert world.rows("Get-VMNetworkAdapter -ManagementOS")[0]["SwitchName"] == "eflow"
    world.wait(10)
    address = world.rows("Get-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -AddressFamily IPv4")[0]
    assert address["IPAddress"].startswith("169.254.")
    assert (address["PrefixLength"], address["PrefixOrigin"], address["SuffixOrigin"]) == (16, "WellKnown", "Link")


def test_an_absent_switch_and_a_protected_one_give_the_same_id() -> None:
    world = World("client-11").hyperv()
    assert world.error("Get-VMSwitch -Name nope") == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.GetVMSwitch"
    assert world.error("Remove-VMSwitch -Name nope -Force") == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.RemoveVMSwitch"
    assert world.error("Remove-VMSwitch -Name 'Default Switch' -Force") == "InvalidParameter,Microsoft.HyperV.PowerShell.Commands.RemoveVMSwitch"


def test_only_clients_have_a_default_switch() -> None:
    assert World("server-2022").hyperv().rows("Get-VMSwitch") == []
    assert [s["Name"] for s in World("client-10").hyperv().rows("Get-VMSwitch")] == ["Default Switch"]


def test_the_default_switch_takes_another_subnet_at_each_restart() -> None:
    world = World("client-11").hyperv()
    line = "Get-NetIPAddress -InterfaceAlias 'vEthernet (Default Switch)'"
    before = world.rows(line)[0]["IPAddress"]
    world.restart()
    assert world.rows(line)[0]["IPAddress"] != before


def test_two_switches_may_have_one_name() -> None:
    world = World().hyperv()
    world.rows("New-VMSwitch -Name twin -SwitchType Private")
    world.rows("New-VMSwitch -Name twin -SwitchType Internal")
    assert len({s["Id"] for s in world.rows("Get-VMSwitch -Name twin")}) == 2


def test_a_switch_in_use_by_a_running_machine_is_not_removed() -> None:
    world = World().hyperv()
    world.rows("New-VMSwitch -Name eflow -SwitchType Internal")
    world.machine.vms.append(VirtualMachine("1", "guest", "Running", switches=[world.machine.switches[0].id]))
    assert world.error("Remove-VMSwitch -Name eflow -Force").startswith("Unverified,")
    world.machine.vms[0].state = "Off"
    world.rows("Remove-VMSwitch -Name eflow -Force")
    assert world.machine.switches == []


def test_an_external_switch_takes_the_address_of_the_host_and_cuts_the_line() -> None:
    world = World().hyperv()
    outcome = world.run("New-VMSwitch -Name lan -NetAdapterName Ethernet -AllowManagementOS $true")
    assert outcome.cut
    assert not world.machine.answers()
    world.wait(20)
    assert world.machine.answers()
    row = world.rows("Get-NetIPAddress -IPAddress 10.20.7.11")[0]
    assert row["InterfaceAlias"] == "vEthernet (lan)"
    assert world.rows("Get-VMSwitch -Name lan")[0]["SwitchType"] == "External"
    world.rows("Remove-VMSwitch -Name lan -Force")
    assert world.rows("Get-NetIPAddress -IPAddress 10.20.7.11")[0]["InterfaceAlias"] == "Ethernet"


def test_without_management_os_the_host_is_lost() -> None:
    world = World().hyperv()
    world.run("New-VMSwitch -Name lan -NetAdapterName Ethernet -AllowManagementOS $false")
    world.wait(3600)
    assert not world.machine.answers()


def test_without_rights_there_seem_to_be_no_machines_but_the_host_refuses() -> None:
    world = World().hyperv()
    world.machine.vms.append(VirtualMachine("1", "guest"))
    assert execute(world.machine, "Get-VM", {}, elevated=False).objects == ()
    assert execute(world.machine, "Get-VM", {}, elevated=False).errors == ()
    assert execute(world.machine, "Get-VMHost", {}, elevated=False).errors[0].category == "PermissionDenied"


def test_a_stopped_vmms_is_an_error_and_not_an_empty_list() -> None:
    world = World().hyperv()
    world.rows("Stop-Service -Name vmms -Force")
    assert world.run("Get-VM").errors


def test_hyperv_is_refused_where_virtualisation_is_not_exposed() -> None:
    world = World(nested=False)
    outcome = world.run("Install-WindowsFeature -Name Hyper-V")
    assert outcome.errors[0].id == "Alteration_PrerequisiteCheck_Failed,Microsoft.Windows.ServerManager.Commands.AddWindowsFeatureCommand"
    assert outcome.objects[0]["Success"] is False
    assert world.rows("Get-WindowsFeature -Name Hyper-V")[0]["InstallState"] == "Available"


def test_a_confirmation_that_nobody_can_give_fails_the_call() -> None:
    world = World().hyperv()
    world.rows("New-VMSwitch -Name eflow -SwitchType Private")
    outcome = execute(world.machine, "Remove-VMSwitch", {"Name": "eflow"}, confirm_preference="High")
    assert outcome.errors[0].category == "InvalidOperation"
    assert len(world.machine.switches) == 1
    assert execute(world.machine, "Remove-VMSwitch", {"Name": "eflow", "Confirm": False}, confirm_preference="High").ok
    assert world.machine.switches == []


def test_taking_the_switch_away_at_the_console_brings_the_host_back() -> None:
    world = World().hyperv()
    world.run("New-VMSwitch -Name lan -NetAdapterName Ethernet -AllowManagementOS $false")
    world.wait(60)
    assert not world.machine.answers()
    world.rows("Remove-VMSwitch -Name lan -Force")
    assert world.machine.answers()
    assert world.rows("Get-NetIPAddress -IPAddress 10.20.7.11")[0]["InterfaceAlias"] == "Ethernet"


def test_taking_the_host_off_its_switch_cuts_it_until_it_is_put_back() -> None:
    world = World().hyperv()
    world.run("New-VMSwitch -Name lan -NetAdapterName Ethernet -AllowManagementOS $true")
    world.wait(30)
    world.run("Set-VMSwitch -Name lan -AllowManagementOS $false")
    world.wait(30)
    assert not world.machine.answers()
    world.run("Set-VMSwitch -Name lan -AllowManagementOS $true")
    world.wait(30)
    assert world.machine.answers()
    assert world.rows("Get-NetIPAddress -IPAddress 10.20.7.11")[0]["InterfaceAlias"] == "vEthernet (lan)"
