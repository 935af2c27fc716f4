"""Addresses, NATs, published ports: what Windows refuses, and what outlives what."""

from reconciler.emulator.parts import Nat
from reconciler.emulator.powershell import execute
from tests.emulator.world import World


def test_a_new_address_gives_two_rows_and_is_tentative_at_first() -> None:
    world = World().hyperv()
    world.rows("New-VMSwitch -Name eflow -SwitchType Internal")
    world.wait(10)
    rows = world.rows("New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress 172.20.0.1 -PrefixLength 24")
    assert [(r["Store"], r["AddressState"]) for r in rows] == [("ActiveStore", "Tentative"), ("PersistentStore", "Invalid")]
    world.wait(4)
    held = world.rows("Get-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -AddressFamily IPv4")
    assert [(r["IPAddress"], r["AddressState"]) for r in held] == [("172.20.0.1", "Preferred")]


def test_an_address_that_is_anywhere_on_the_host_is_refused_like_a_bad_one() -> None:
    world = World().hyperv().network()
    for address in ("172.20.0.1", "10.20.7.11", "172.20.0.0", "172.20.0.255", "999.1.1.1"):
        line = f"New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress {address} -PrefixLength 24"
        assert world.error(line) == "Windows System Error 87,New-NetIPAddress"


def test_an_unknown_interface_is_another_error() -> None:
    assert World().error("New-NetIPAddress -InterfaceIndex 999 -IPAddress 172.20.0.1") == "Windows System Error 1168,New-NetIPAddress"


def test_two_filters_that_miss_drop_the_name_of_the_property() -> None:
    world = World()
    assert world.error("Get-NetIPAddress -IPAddress 1.2.3.4") == "CmdletizationQuery_NotFound_IPAddress,Get-NetIPAddress"
    assert world.error("Get-NetIPAddress -IPAddress 1.2.3.4 -AddressFamily IPv4") == "CmdletizationQuery_NotFound,Get-NetIPAddress"
    assert world.rows("Get-NetIPAddress -IPAddress 1.2.*") == []


def test_without_a_default_route_the_question_for_it_is_an_error() -> None:
    world = World()
    assert world.rows("Get-NetRoute -DestinationPrefix 0.0.0.0/0")[0]["NextHop"] == "10.20.7.1"
    world.machine.adapters[0].gateway = None
    assert world.error("Get-NetRoute -DestinationPrefix 0.0.0.0/0") == "CmdletizationQuery_NotFound_DestinationPrefix,Get-NetRoute"


def test_winnat_has_no_class_without_hyperv() -> None:
    assert World().error("Get-NetNat") == "HRESULT 0x80041010,Get-NetNat"


def test_duplicate_overlapping_and_malformed_nats_give_one_and_the_same_error() -> None:
    world = World().hyperv().network()
    for name, prefix in (("eflow", "172.30.0.0/24"), ("other", "172.20.0.128/25"), ("other", "172.16.0.0/12"), ("other", "nonsense")):
        assert world.error(f"New-NetNat -Name {name} -InternalIPInterfaceAddressPrefix {prefix}") == "Windows System Error 87,New-NetNat"
    world.rows("New-NetNat -Name other -InternalIPInterfaceAddressPrefix 172.30.0.0/24")
    assert [n["Name"] for n in world.rows("Get-NetNat")] == ["eflow", "other"]


def test_old_builds_take_one_nat_only() -> None:
    world = World("server-2016").hyperv().network()
    assert world.error("New-NetNat -Name other -InternalIPInterfaceAddressPrefix 172.30.0.0/24") == "Windows System Error 87,New-NetNat"


def test_removing_the_switch_keeps_its_nat_and_the_other_way_round() -> None:
    world = World().hyperv().network()
    world.rows("Remove-VMSwitch -Name eflow -Force")
    assert [n["Name"] for n in world.rows("Get-NetNat")] == ["eflow"]
    world.rows("New-VMSwitch -Name eflow -SwitchType Internal")
    world.rows("Remove-NetNat -Name eflow")
    assert [s["Name"] for s in world.rows("Get-VMSwitch")] == ["eflow"]


def test_removing_the_nat_keeps_the_gateway_address() -> None:
    world = World().hyperv().network()
    world.rows("Remove-NetNat -Name eflow")
    assert world.rows("Get-NetIPAddress -IPAddress 172.20.0.1")[0]["InterfaceAlias"] == "vEthernet (eflow)"


def test_removing_a_nat_with_a_pattern_takes_everybodys() -> None:
    world = World().hyperv().network()
    world.machine.nats.append(Nat("docker", "10.99.0.0/24", "hns"))
    world.rows("Remove-NetNat -Name *")
    assert world.machine.nats == []


def test_a_nat_of_hns_is_gone_after_a_restart_and_ours_is_not() -> None:
    world = World().hyperv().network()
    world.machine.nats.append(Nat("nat", "10.99.0.0/24", "hns"))
    world.restart()
    assert [n["Name"] for n in world.rows("Get-NetNat")] == ["eflow"]


def test_addresses_and_the_adapter_outlive_a_restart() -> None:
    world = World().hyperv().network()
    world.restart()
    assert world.rows("Get-NetIPAddress -IPAddress 172.20.0.1")[0]["InterfaceAlias"] == "vEthernet (eflow)"


def test_published_ports_are_numbered_and_taken_ones_refused() -> None:
    world = World().hyperv().network()
    add = "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0/0 -ExternalPort {} -InternalIPAddress 172.20.0.2 -InternalPort 80"
    assert [world.rows(add.format(port))[0]["StaticMappingID"] for port in (8080, 8081)] == [0, 1]
    assert world.rows("Get-NetNatStaticMapping -NatName eflow")[0]["ExternalIPAddress"] == "0.0.0.0"
    assert world.error(add.format(8080)) == "Windows System Error 32,Add-NetNatStaticMapping"
    world.rows("Remove-NetNatStaticMapping -NatName eflow -StaticMappingID 0")
    assert [m["StaticMappingID"] for m in world.rows("Get-NetNatStaticMapping")] == [1]
    world.rows(add.format(8080))
    assert [m["StaticMappingID"] for m in world.rows("Get-NetNatStaticMapping")] == [1, 2]


def test_writes_without_rights_are_denied() -> None:
    world = World().hyperv().network()
    outcome = execute(world.machine, "Remove-NetNat", {"Name": "eflow"}, elevated=False)
    assert (outcome.errors[0].id, outcome.errors[0].category) == ("Windows System Error 5,Remove-NetNat", "PermissionDenied")
    assert len(world.machine.nats) == 1


def test_a_german_host_says_it_in_german_under_the_same_id() -> None:
    world = World(language="de-DE").hyperv()
    outcome = world.run("Get-NetNat -Name nope")
    assert outcome.errors[0].id == "CmdletizationQuery_NotFound_Name,Get-NetNat"
    assert outcome.errors[0].message.startswith("Es wurden keine")


def test_dns_rows_have_a_bare_number_for_the_family() -> None:
    rows = World().rows("Get-DnsClientServerAddress -InterfaceAlias Ethernet -AddressFamily IPv4")
    assert [(r["AddressFamily"], r["ServerAddresses"]) for r in rows] == [(2, ["10.20.0.53"])]


def test_loopback_and_ipv6_are_listed_with_the_rest() -> None:
    rows = World().rows("Get-NetIPAddress")
    assert {(r["IPAddress"], r["AddressFamily"]) for r in rows} >= {("127.0.0.1", "IPv4"), ("::1", "IPv6"), ("10.20.7.11", "IPv4")}
    assert [r["IPv4Address"] for r in rows if r["AddressFamily"] == "IPv6"] == [None, None]
    assert [a["Name"] for a in World().rows("Get-NetAdapter")] == ["Ethernet"]


def test_disabling_the_management_adapter_cuts_the_host_off() -> None:
    world = World()
    assert world.run("Disable-NetAdapter -Name Ethernet -Confirm:$false").cut
    assert not world.machine.answers()
    world.rows("Enable-NetAdapter -Name Ethernet")
    assert world.machine.answers()


def test_the_connection_of_the_controller_ends_on_the_management_address() -> None:
    rows = World().rows("Get-NetTCPConnection -LocalPort 5985,5986 -State Established")
    assert [(r["LocalAddress"], r["LocalPort"]) for r in rows] == [("10.20.7.11", 5985)]
    assert World().error("Get-NetTCPConnection -LocalPort 1") == "CmdletizationQuery_NotFound_LocalPort,Get-NetTCPConnection"
