"""The DHCP server: what it refuses and with which number, and who gets an address."""

from datetime import timedelta

from reconciler.emulator.leasing import grant
from reconciler.emulator.powershell import execute
from tests.emulator.world import NIC, World


def served() -> World:
    return World().hyperv().network().dhcp().scope()


def test_the_module_comes_with_the_tools_and_needs_no_restart() -> None:
    world = World()
    assert world.error("Get-DhcpServerv4Scope") == "CommandNotFoundException"
    row = world.rows("Install-WindowsFeature -Name DHCP -IncludeManagementTools")[0]
    assert (row["RestartNeeded"], row["ExitCode"]) == ("No", "Success")
    assert world.rows("Get-DhcpServerv4Scope") == []
    assert world.rows("Get-WindowsFeature -Name DHCP")[0]["PostConfigurationNeeded"] is True


def test_the_role_without_its_tools_has_no_cmdlets() -> None:
    world = World()
    world.rows("Install-WindowsFeature -Name DHCP")
    assert world.error("Get-DhcpServerv4Scope") == "CommandNotFoundException"
    assert world.rows("Get-Service -Name DHCPServer")[0]["Status"] == "Running"


def test_a_stopped_service_and_missing_rights_are_no_absence() -> None:
    world = World().dhcp()
    assert execute(world.machine, "Get-DhcpServerv4Scope", {}, elevated=False).errors[0].id == "WIN32 5,Get-DhcpServerv4Scope"
    world.rows("Stop-Service -Name DHCPServer")
    assert world.error("Get-DhcpServerv4Scope") == "WIN32 1753,Get-DhcpServerv4Scope"


def test_a_scope_is_named_by_its_network_address() -> None:
    world = served()
    row = world.rows("Get-DhcpServerv4Scope")[0]
    assert (row["ScopeId"], row["State"], row["LeaseDuration"]) == ("172.20.0.0", "Active", timedelta(days=8))
    assert world.error("Get-DhcpServerv4Scope -ScopeId 172.20.0.100") == "DHCP 20005,Get-DhcpServerv4Scope"


def test_a_second_scope_of_that_network_exists_already() -> None:
    line = "Add-DhcpServerv4Scope -Name again -StartRange 172.20.0.10 -EndRange 172.20.0.20 -SubnetMask 255.255.255.0"
    outcome = served().run(line)
    assert (outcome.errors[0].id, outcome.errors[0].category) == ("DHCP 20052,Add-DhcpServerv4Scope", "ResourceExists")


def test_inactive_is_spelled_otherwise_in_the_object_than_in_the_parameter() -> None:
    world = served()
    world.rows("Set-DhcpServerv4Scope -ScopeId 172.20.0.0 -State InActive")
    assert world.rows("Get-DhcpServerv4Scope")[0]["State"] == "Inactive"


def test_exclusions_that_overlap_are_invalid_data() -> None:
    world = served()
    world.rows("Add-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0 -StartRange 172.20.0.110 -EndRange 172.20.0.120")
    outcome = world.run("Add-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0 -StartRange 172.20.0.120 -EndRange 172.20.0.130")
    assert (outcome.errors[0].id, outcome.errors[0].category) == ("DHCP 20023,Add-DhcpServerv4ExclusionRange", "InvalidData")
    world.rows("Remove-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0 -StartRange 172.20.0.110 -EndRange 172.20.0.120")
    assert world.rows("Get-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0") == []


def test_reservations_are_unique_by_address_and_by_client() -> None:
    world = served()
    add = "Add-DhcpServerv4Reservation -ScopeId 172.20.0.0 -IPAddress {} -ClientId {}"
    world.rows(add.format("172.20.0.150", "00155D010203"))
    for address, client in (("172.20.0.150", "aa-bb-cc-dd-ee-ff"), ("172.20.0.151", "00-15-5d-01-02-03")):
        assert world.error(add.format(address, client)) == "DHCP 20022,Add-DhcpServerv4Reservation"
    assert world.rows("Get-DhcpServerv4Reservation -ScopeId 172.20.0.0")[0]["ClientId"] == "00-15-5d-01-02-03"
    assert world.error("Get-DhcpServerv4Reservation -IPAddress 172.20.0.151") == "DHCP 20018,Get-DhcpServerv4Reservation"


def test_option_values_are_texts_and_an_absent_one_is_an_error_only_by_number() -> None:
    world = served()
    rows = world.rows("Get-DhcpServerv4OptionValue -ScopeId 172.20.0.0")
    assert [(r["OptionId"], r["Value"]) for r in rows] == [(3, ["172.20.0.1"]), (51, ["691200"])]
    assert world.error("Get-DhcpServerv4OptionValue -ScopeId 172.20.0.0 -OptionId 6") == "DHCP 20010,Get-DhcpServerv4OptionValue"
    assert world.rows("Get-DhcpServerv4OptionValue") == []


def test_a_dns_server_that_does_not_answer_needs_force() -> None:
    world = served()
    line = "Set-DhcpServerv4OptionValue -ScopeId 172.20.0.0 -DnsServer 172.20.0.1"
    assert world.run(line).errors
    world.rows(line + " -Force")
    assert world.rows("Get-DhcpServerv4OptionValue -ScopeId 172.20.0.0 -OptionId 6")[0]["Value"] == ["172.20.0.1"]


def test_a_workgroup_host_has_no_directory_to_be_authorised_in() -> None:
    assert World().dhcp().error("Get-DhcpServerInDC") == "DHCP 20070,Get-DhcpServerInDC"


def test_a_domain_member_leases_only_once_it_is_authorised() -> None:
    world = World(domain="contoso.example").hyperv().network().dhcp().scope()
    switch = world.machine.switches[0]
    assert grant(world.machine, switch, "00:15:5d:00:00:01", "guest") is None
    world.rows("Add-DhcpServerInDC -DnsName edge-01.contoso.example -IPAddress 10.20.7.11")
    given = grant(world.machine, switch, "00:15:5d:00:00:01", "guest")
    assert given is not None
    assert (given.address, given.router) == ("172.20.0.100", "172.20.0.1")


def test_addresses_are_given_by_reservation_then_from_what_is_free() -> None:
    world = served()
    world.rows("Add-DhcpServerv4ExclusionRange -ScopeId 172.20.0.0 -StartRange 172.20.0.100 -EndRange 172.20.0.110")
    world.rows("Add-DhcpServerv4Reservation -ScopeId 172.20.0.0 -IPAddress 172.20.0.150 -ClientId 00155D000002")
    switch = world.machine.switches[0]
    given = [grant(world.machine, switch, f"00:15:5d:00:00:0{n}", "guest") for n in (1, 2, 3, 1)]
    assert [g.address for g in given if g] == ["172.20.0.111", "172.20.0.150", "172.20.0.112", "172.20.0.111"]


def test_a_server_that_is_not_bound_to_the_switch_gives_nothing() -> None:
    world = served()
    world.rows("Set-DhcpServerv4Binding -InterfaceAlias 'vEthernet (eflow)' -BindingState $false")
    assert grant(world.machine, world.machine.switches[0], "00:15:5d:00:00:01", "guest") is None
    states = {r["InterfaceAlias"]: r["BindingState"] for r in world.rows("Get-DhcpServerv4Binding")}
    assert states == {NIC.name: True, "vEthernet (eflow)": False}
