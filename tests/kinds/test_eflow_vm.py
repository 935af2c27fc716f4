"""EflowVm: what is made of a host's answers, and what is done about it. Answers are EFLOW's own, written by hand from the reference."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.calls import Answer, Argv, Call, Cmdlet, Good, Later, Out, ProgramCall, Row, Unread, Unreadable
from reconciler.core.capabilities import AZURE_EFLOW, HYPER_V
from reconciler.core.changes import Changes
from reconciler.core.kinds import Action, Disruption, Reboot
from reconciler.core.model import Existing, fields
from reconciler.core.observations import Facts, Present
from reconciler.kinds import eflow_vm
from reconciler.kinds._eflow_vm_spec import EflowVm, EflowVmState, GuestAddress
from reconciler.kinds.eflow_vm import EFLOW, KIND
from reconciler.signatures.check import check_call, check_word
from tests.kinds.eflow_world import (
    CLIENT,
    CODE,
    FAILED,
    INSTALLER,
    MACHINE,
    MINIMAL,
    OFF,
    SERVER,
    SHA,
    STATIC,
    VHDX,
    answers,
    bare_host,
    called,
    changed,
    deployed,
    endpoint,
    msi_only,
    parameters,
    plain,
    product,
    rows,
    spec,
)

MACHINE_OFF = MACHINE | {"State": "Off"}


def present(named: dict[str, Answer], facts: Facts = SERVER) -> Present[EflowVmState]:
    found = KIND.parse(answers(named, facts), facts)
    assert list(found) == [EFLOW]
    return found[EFLOW]


def steps(want: EflowVm, now: EflowVmState | None, changes: Changes[Any], facts: Facts = SERVER) -> list[Action]:
    return list(KIND.converge(want, now, changes, facts))


# -- questions


@pytest.mark.parametrize("facts", [SERVER, CLIENT])
def test_every_question_is_one_that_windows_binds(facts: Facts) -> None:
    asked = list(KIND.ask((), facts))
    assert [fault for ask in asked for fault in check_call(ask.call)] == []
    assert [fault for ask in KIND.evidence(spec(), facts) for fault in check_call(ask.call)] == []
    said = {ask.call.name for ask in asked}
    assert said <= {word.name for word in KIND.words if hasattr(word, "name")}


def test_every_word_of_the_vocabulary_exists() -> None:
    assert [fault for word in KIND.words if isinstance(word, Cmdlet) for fault in check_word(word)] == []


def test_hyper_v_is_only_listed_on_a_server_and_the_guest_is_asked_last() -> None:
    on_server, on_client = ([ask.call.name for ask in KIND.ask((), facts)] for facts in (SERVER, CLIENT))
    assert "Get-VM" in on_server
    assert "Get-VM" not in on_client
    assert on_server[-1] == on_client[-1] == "Invoke-EflowVmCommand"


def test_only_eflows_own_questions_may_fail_without_hiding_the_vm() -> None:
    by_name = eflow_vm.asks(SERVER)
    assert {name for name, ask in by_name.items() if ask.tolerate} == {"vm", "endpoints", "telemetry", "dpsTpm", "defender", "dns"}
    assert all(ask.requires is AZURE_EFLOW for ask in by_name.values() if ask.tolerate)
    assert by_name["deployed"].requires is AZURE_EFLOW
    assert by_name["shells"].requires is HYPER_V


# -- what is there


def test_a_host_without_eflow_has_none() -> None:
    assert KIND.parse(answers(bare_host()), SERVER) == {}


def test_a_deployed_vm_is_seen_with_all_that_can_be_read_of_it() -> None:
    seen = present(deployed())
    assert seen.tainted is None
    assert seen.state == EflowVmState(
        deployed=True,
        version="1.5.3.12025",
        acceptOptionalTelemetry="No",
        vswitchName="eflow",
        vswitchType="Internal",
        ip4Address="172.20.10.2",
        ip4PrefixLength=24,
        ip4GatewayAddress="172.20.10.1",
        dnsServers=("10.30.0.53", "10.30.0.54"),
        cpuCount=2,
        memoryInMB=4096,
        dpsTpm=False,
        powerState="Running",
        macAddress="00-15-5D-01-02-03",
        usedStorageMb=7270,
        totalStorageMb=20480,
        products=(CODE,),
    )
    assert sorted(seen.unseen) == ["defender", "vmDataSize", "vmDiskSize", "vmLogSize"]


def test_every_managed_field_of_the_spec_is_in_the_state() -> None:
    managed = {name for name, marks in fields(EflowVm).items() if marks.managed}
    assert managed <= set(EflowVmState.model_fields)


def test_a_declared_vm_equals_the_seen_one_field_by_field() -> None:
    want = spec(**STATIC | {"dnsServers": ["10.30.0.53", "10.30.0.54"]}, cpuCount=2, memoryInMB=4096, acceptOptionalTelemetry="No", dpsTpm=False)
    state = present(deployed()).state
    for name, marks in fields(EflowVm).items():
        value = getattr(want, name)
        if marks.managed and value is not None:
            assert value == getattr(state, name), name


@pytest.mark.parametrize("named", ["eflow", "EFLOW", Existing(existing="eflow"), Existing(existing="Eflow")])
def test_the_switch_is_the_same_however_it_is_referred_to(named: Any) -> None:
    state = present(deployed()).state
    assert spec(vswitchName=named).vswitchName == state.vswitchName
    assert spec(vswitchName=Existing(existing="other")).vswitchName != state.vswitchName


def test_an_installed_msi_without_a_vm_is_a_state_and_no_error() -> None:
    seen = present(msi_only())
    assert (seen.state.deployed, seen.state.version, seen.state.products) == (False, "1.5.3.12025", (CODE,))
    assert (dict(seen.unseen), seen.tainted) == ({}, None)
    assert seen.state.cpuCount is None


@pytest.mark.parametrize("msi", [True, False])
def test_a_disk_without_a_deployment_taints(msi: bool) -> None:
    named = (msi_only() if msi else bare_host()) | {"disks": rows({"FullName": VHDX})}
    seen = present(named)
    assert seen.tainted == f"left-overs of a failed deployment: {VHDX}"
    assert seen.state.disks == (VHDX,)


def test_a_virtual_machine_without_a_deployment_taints_on_a_server() -> None:
    seen = present(bare_host() | {"shells": rows(MACHINE_OFF)})
    assert seen.tainted == "left-overs of a failed deployment: VM EDGE-01-EFLOW"
    assert (seen.state.shell, seen.state.shellRuns) == ("EDGE-01-EFLOW", False)


def test_the_virtual_machine_of_another_is_none_of_ours() -> None:
    foreign = rows({"Name": "test-EFLOW", "State": "Running", "MemoryStartup": 2**30}, {"Name": "\u202eEDGE-01[*]-EFLOW", "State": "Off", "MemoryStartup": 1})
    assert KIND.parse(answers(bare_host() | {"shells": foreign}), SERVER) == {}


def test_two_virtual_machines_of_eflows_name_cannot_be_told_apart() -> None:
    with pytest.raises(Unreadable, match="2 virtual machines"):
        KIND.parse(answers(bare_host() | {"shells": rows(MACHINE_OFF, MACHINE_OFF)}), SERVER)


def test_two_installed_products_taint() -> None:
    other = product("1.4.5.30033", "{2B0C9F1E-0000-4000-8000-0123456789AB}")
    seen = present(deployed(products=rows(product(), other)))
    assert seen.tainted is not None
    assert seen.tainted.startswith("2 EFLOW products are installed")
    assert seen.state.version == "1.5.3.12025"


@pytest.mark.parametrize(
    "entry",
    [
        {"PSChildName": "Azure IoT Edge", "DisplayName": "Azure IoT Edge LTS", "DisplayVersion": "1.5.3.12025"},
        {"PSChildName": CODE, "DisplayName": Unread("is not there"), "DisplayVersion": Unread("is not there")},
        {"PSChildName": CODE, "DisplayName": "Contoso for Azure IoT Edge", "DisplayVersion": "1"},
    ],
)
def test_other_products_are_not_taken_for_eflow(entry: dict[str, Any]) -> None:
    assert KIND.parse(answers(bare_host() | {"products": rows(entry)}), SERVER) == {}


def test_an_installed_product_whose_version_is_no_version_is_there_with_its_version_unseen() -> None:
    seen = present(msi_only() | {"products": rows(product("n/a"))})
    assert seen.state.version is None
    assert "no version that can be read" in seen.unseen["version"]


def test_while_the_vm_is_off_its_inside_is_unseen_and_its_memory_is_hyper_vs() -> None:
    seen = present(deployed(vm=OFF, dns=FAILED, dpsTpm=FAILED, shells=rows(MACHINE_OFF)))
    assert (seen.state.powerState, seen.state.memoryInMB) == ("Off", 4096)
    assert {name: seen.unseen[name] for name in ("cpuCount", "dnsServers", "dpsTpm", "defender")} == dict.fromkeys(
        ("cpuCount", "dnsServers", "dpsTpm", "defender"), "the VM is off"
    )


def test_on_a_client_memory_is_unseen_and_never_the_guests_total() -> None:
    vm = rows({"VmPowerState": "Running", "SystemStatistics": Row({"CpuCount": 1, "TotalStorageMb": 1, "UsedStorageMb": 1, "TotalMemMb": 1968})})
    named = deployed(
        vm=vm, switches=rows({"Name": "Default Switch", "SwitchType": "Internal"}), endpoints=endpoint(SubNet="Default Switch", AllocationMethod="Dynamic")
    )
    seen = present(named, CLIENT)
    assert seen.state.memoryInMB is None
    assert "client" in seen.unseen["memoryInMB"]
    assert seen.state.vswitchName == "Default Switch"


def test_an_expired_certificate_hides_fields_and_not_the_vm() -> None:
    seen = present(deployed(vm=FAILED, endpoints=FAILED, telemetry=FAILED, dpsTpm=FAILED, dns=FAILED))
    assert (seen.state.deployed, seen.state.powerState, seen.state.memoryInMB) == (True, "Running", 4096)
    assert "certificate has expired" in seen.unseen["vswitchName"]
    assert "certificate has expired" in seen.unseen["dnsServers"]


def test_a_leased_address_proves_neither_prefix_nor_gateway() -> None:
    seen = present(deployed(endpoints=endpoint(AllocationMethod="Dynamic", Address="172.20.10.117")))
    assert seen.state.ip4Address == GuestAddress("172.20.10.117")
    assert (seen.state.ip4PrefixLength, seen.state.ip4GatewayAddress) == (None, None)
    assert seen.unseen["ip4GatewayAddress"] == "the guest leases its address"


def test_a_switch_that_is_gone_leaves_name_and_type_unseen() -> None:
    seen = present(deployed(switches=rows({"Name": "other", "SwitchType": "External"})))
    assert (seen.state.vswitchName, seen.state.vswitchType) == (None, None)
    assert {"vswitchName", "vswitchType"} <= set(seen.unseen)


def test_the_primary_endpoint_is_the_one_on_eth0() -> None:
    second = Row({"Name": "eth1", "MacAddress": "00:15:5d:01:02:04", "GuestInterfaceName": "eth1", "IpConfiguration": Row({"SubNet": "lan"})})
    seen = present(deployed(endpoints=Answer((second, *endpoint().objects))))
    assert seen.state.vswitchName == "eflow"


def test_a_guest_without_dns_has_none_and_is_not_unseen() -> None:
    seen = present(deployed(dns=plain("Link 2 (eth0):")))
    assert seen.state.dnsServers == ()
    assert "dnsServers" not in seen.unseen


def test_a_verdict_that_is_neither_true_nor_false_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="neither True nor False"):
        KIND.parse(answers(deployed(deployed=plain("Exception caught!!!"))), SERVER)


def test_a_vm_without_an_installed_product_is_never_installed_over() -> None:
    seen = present(deployed(products=rows()))
    assert "version" in seen.unseen
    assert steps(spec(), seen.state, changed(cpuCount=4))[0].name == "resize"
    assert list(eflow_vm.delete(seen.state, SERVER)) == []


# -- what is done


def test_on_a_bare_host_it_is_downloaded_compared_installed_and_deployed() -> None:
    want = spec(cpuCount=2, memoryInMB=4096, vmDataSize=20)
    install, deploy = steps(want, None, changed(cpuCount=2, memoryInMB=4096, vmDataSize=20))
    assert called([install, deploy]) == [
        ("install", ["New-Item", "Invoke-WebRequest", "Get-FileHash", "msiexec.exe"]),
        ("deploy", ["Deploy-Eflow"]),
    ]
    msi = rf"C:\Program Files\reconciler\cache\{SHA.lower()}.msi"
    assert parameters(install, 1) == {"Uri": INSTALLER["url"], "OutFile": msi, "UseBasicParsing": True}
    assert install.calls[2].good == Good(returns={"Hash": SHA.lower()})  # type: ignore[union-attr]
    program = install.calls[3]
    assert isinstance(program, ProgramCall)
    assert program.arguments == ("/i", msi, "/qn", "/norestart")
    assert program.good == Good(exit=(0, 3010))
    assert parameters(deploy) == {
        "acceptEula": "Yes",
        "acceptOptionalTelemetry": "No",
        "cpuCount": 2,
        "memoryInMB": 4096,
        "vmDataSize": 20,
        "vswitchName": "eflow",
        "vswitchType": "Internal",
    }
    assert deploy.calls[0].good == Good(returns="OK")  # type: ignore[union-attr]
    assert (install.reboot, install.until, deploy.until) == (Reboot.POSSIBLE, {"version": "1.5.3.12025"}, {"deployed": True})
    assert all(action.long and action.disruption is Disruption.NONE for action in (install, deploy))


def test_folders_of_the_msi_are_its_own_properties() -> None:
    want = spec(installer=INSTALLER | {"installDir": r"D:\EFLOW", "vhdxDir": r"D:\Disks"})
    program = steps(want, None, changed())[0].calls[3]
    assert isinstance(program, ProgramCall)
    assert program.arguments[4:] == (r"INSTALLDIR=D:\EFLOW", r"VHDXDIR=D:\Disks")


def test_with_the_msi_there_only_the_deployment_follows() -> None:
    assert called(steps(spec(), present(msi_only()).state, changed())) == [("deploy", ["Deploy-Eflow"])]


def test_a_static_guest_gets_address_prefix_and_gateway_and_then_its_dns_servers() -> None:
    want = spec(**STATIC)
    deploy, dns = steps(want, present(msi_only()).state, changed(**{name: getattr(want, name) for name in STATIC}))
    assert {name: value for name, value in parameters(deploy).items() if name.startswith("ip4")} == {
        "ip4Address": "172.20.10.2",
        "ip4PrefixLength": 24,
        "ip4GatewayAddress": "172.20.10.1",
    }
    assert called([dns]) == [("set DNS servers", ["Get-EflowVmEndpoint", "Set-EflowVmDNSServers"])]
    assert parameters(dns) == {"vswitchName": "eflow"}
    assert parameters(dns, 1) == {"vendpointName": Out(0, "Name"), "dnsServers": ["10.30.0.53"]}


def test_the_prefix_length_may_stand_with_the_address() -> None:
    want = spec(**STATIC | {"ip4Address": "10.20.7.41/24", "ip4PrefixLength": None, "ip4GatewayAddress": "10.20.7.1"})
    assert parameters(steps(want, present(msi_only()).state, changed())[0])["ip4PrefixLength"] == 24


def test_what_is_only_known_later_is_handed_on_unread() -> None:
    gateway, kind = Later("edge-01/VirtualSwitch/ot", "ipAddress.ip"), Later("edge-01/VirtualSwitch/ot", "switchType")
    want = spec().model_copy(update={"ip4Address": GuestAddress("10.1.1.2/24"), "ip4GatewayAddress": gateway, "vswitchType": kind})
    said = parameters(steps(want, present(msi_only()).state, changed())[0])
    assert (said["ip4GatewayAddress"], said["vswitchType"]) == (gateway, kind)


def test_nothing_is_said_of_the_default_switch() -> None:
    want = spec(vswitchName="Default Switch", vswitchType=None)
    assert not [name for name in parameters(steps(want, present(msi_only(), CLIENT).state, changed(), CLIENT)[0]) if "switch" in name]


def test_an_existing_switch_is_given_by_its_name() -> None:
    want = spec(vswitchName=Existing(existing="plant"), vswitchType="External")
    assert parameters(steps(want, present(msi_only()).state, changed())[0])["vswitchName"] == "plant"


def test_a_new_size_is_one_restart_of_the_vm() -> None:
    (resize,) = steps(spec(memoryInMB=6144), present(deployed()).state, changed(memoryInMB=6144))
    assert parameters(resize) == {"memoryInMB": 6144, "headless": True}
    assert (resize.disruption, resize.until) == (Disruption.VM_RESTART, {"powerState": "Running", "memoryInMB": 6144})
    assert called([resize]) == [("resize", ["Set-EflowVM"])]


def test_on_a_client_nothing_waits_for_memory_that_cannot_be_read() -> None:
    state = present(deployed(), CLIENT).state
    (resize,) = steps(spec(memoryInMB=6144), state, changed(memoryInMB=6144), CLIENT)
    assert resize.until == {"powerState": "Running"}


def test_a_vm_that_is_off_is_started_before_it_is_resized() -> None:
    state = present(deployed(vm=OFF, shells=rows(MACHINE_OFF))).state
    assert called(steps(spec(memoryInMB=6144), state, changed(memoryInMB=6144, powerState="Running"))) == [
        ("start", ["Start-EflowVm"]),
        ("resize", ["Set-EflowVM"]),
    ]


def test_a_vm_that_shall_be_off_is_stopped_again_after_it_was_resized() -> None:
    state = present(deployed(vm=OFF, shells=rows(MACHINE_OFF))).state
    assert [action.name for action in steps(spec(memoryInMB=6144, powerState="Off"), state, changed(memoryInMB=6144))] == ["start", "resize", "stop"]


def test_a_vm_stopped_by_hand_is_started() -> None:
    state = present(deployed(vm=OFF, shells=rows(MACHINE_OFF))).state
    (start,) = steps(spec(), state, changed(powerState="Running"))
    assert called([start]) == [("start", ["Start-EflowVm"])]
    assert start.until == {"powerState": "Running"}


def test_a_fresh_vm_that_shall_be_off_is_stopped_at_the_end() -> None:
    assert [action.name for action in steps(spec(powerState="Off"), None, changed())] == ["install", "deploy", "stop"]


def test_dns_telemetry_and_features_are_set_in_place() -> None:
    want = spec(dnsServers=["10.0.0.1"], acceptOptionalTelemetry="Yes", dpsTpm=True, defender=False)
    changes = changed(dnsServers=want.dnsServers, acceptOptionalTelemetry="Yes", dpsTpm=True, defender=False)
    actions = steps(want, present(deployed()).state, changes)
    assert called(actions) == [
        ("set DNS servers", ["Get-EflowVmEndpoint", "Set-EflowVmDNSServers"]),
        ("switch on DpsTpm", ["Set-EflowVmFeature"]),
        ("switch off Defender", ["Set-EflowVmFeature"]),
        ("set telemetry", ["Set-EflowVmTelemetryOption"]),
    ]
    assert [parameters(action) for action in actions[1:]] == [{"feature": "DpsTpm", "enable": True}, {"feature": "Defender"}, {"optionalTelemetry": True}]


def test_a_fresh_vm_has_its_features_off_already() -> None:
    want = spec(dpsTpm=True, defender=False)
    assert [action.name for action in steps(want, None, changed(dpsTpm=True, defender=False))][2:] == ["switch on DpsTpm"]


def test_nothing_to_do_is_no_action() -> None:
    assert steps(spec(), present(deployed()).state, Changes()) == []


# -- the end of it


def test_removing_a_deployed_vm_stops_it_and_says_what_is_lost() -> None:
    stop, uninstall = KIND.delete(present(deployed()).state, SERVER)  # type: ignore[misc]
    assert called([stop, uninstall]) == [("stop", ["Stop-EflowVm"]), ("uninstall", ["msiexec.exe"])]
    program = uninstall.calls[0]
    assert isinstance(program, ProgramCall)
    assert program.arguments == ("/x", CODE, "/qn", "/norestart")
    assert [loss.text for loss in uninstall.lost] == ["guest disk (7270 of 20480 MB used)", "state of the modules", "the guest's identity keys"]
    assert uninstall.lost[0].things == ("guest disk",)  # however full it is by the time
    assert (uninstall.long, uninstall.disruption) == (True, Disruption.SERVICE)


def test_removing_an_msi_with_what_its_failed_deployment_left_loses_nothing() -> None:
    for named in (msi_only(), msi_only() | {"disks": rows({"FullName": VHDX})}):
        (uninstall,) = KIND.delete(present(named).state, SERVER)  # type: ignore[misc]
        assert (uninstall.name, uninstall.loses) == ("uninstall", ())


def test_left_overs_without_an_msi_are_removed_by_the_names_that_were_seen() -> None:
    state = present(bare_host() | {"disks": rows({"FullName": VHDX}), "shells": rows(MACHINE_OFF | {"State": "Running"})}).state
    (clear,) = KIND.delete(state, SERVER)  # type: ignore[misc]
    assert called([clear]) == [("clear left-overs", ["Stop-VM", "Remove-VM", "Remove-Item"])]
    assert parameters(clear, 1) == {"Name": "EDGE-01-EFLOW", "Force": True}
    assert parameters(clear, 2) == {"LiteralPath": VHDX, "Force": True}
    assert clear.loses == (f"what a former VM may have kept on {VHDX}",)


def test_the_guest_is_asked_in_words_and_never_restarted_from_inside() -> None:
    (guest,) = [ask.call for ask in KIND.ask((), SERVER) if ask.call.name == "Invoke-EflowVmCommand"]
    assert isinstance(guest, Call)
    assert guest.parameters["command"] == Argv(("resolvectl", "dns", "eth0"))


# -- what may be written


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("acceptEula", "No"),
        ("version", "newest"),
        ("installer", INSTALLER | {"sha256": "9f2c"}),
        ("installer", INSTALLER | {"version": ">=1.5"}),
        ("installer", INSTALLER | {"url": r"\\\\share\\eflow.msi"}),
        ("installer", INSTALLER | {"vhdxDir": 'D:\\x" MALICE="1'}),
        ("vswitchName", "a*"),
        ("ip4Address", "172.20.10.300"),
        ("dnsServers", []),
        ("cpuCount", 0),
        ("vmLogSize", "Medium"),
    ],
)
def test_what_can_never_be_is_refused_as_it_is_read(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        spec(**{field: value})


def test_the_licence_is_never_accepted_for_anybody() -> None:
    with pytest.raises(ValidationError):
        EflowVm.model_validate({name: value for name, value in MINIMAL.items() if name != "acceptEula"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.2", "10.0.0.2/24", True),
        ("10.0.0.2/24", "10.0.0.2/24", True),
        ("10.0.0.2/16", "10.0.0.2/24", False),
        ("10.0.0.3", "10.0.0.2/24", False),
    ],
)
def test_prefix_lengths_are_compared_only_where_both_are_known(one: str, other: str, same: bool) -> None:
    assert (GuestAddress(one) == GuestAddress(other)) is same
    assert str(GuestAddress(one)) == one
    assert GuestAddress("10.0.0.2/24") == IPv4Address("10.0.0.2")
    assert hash(GuestAddress("10.0.0.2/24")) == hash(GuestAddress("10.0.0.2"))
