"""Each rule of EflowVm with a case that passes and one that does not, and what it waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Interface
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import NotSeen
from reconciler.core.observations import Facts
from reconciler.kinds._eflow_vm_spec import EflowVmState
from reconciler.kinds.eflow_vm import EFLOW, KIND
from reconciler.signatures.check import check_call
from tests.kinds.eflow_world import CLIENT, INSTALLER, SERVER, STATIC, FakeWorld, One, findings, rows, spec

RULES = {rule.id: rule for rule in KIND.rules}
ID = "edge-01/EflowVm"


def world(*, switch: str | None = None, **more: Any) -> FakeWorld:
    told = {name: more.pop(name) for name in ("sku_", "facts_", "states_", "answers") if name in more}
    resources = {"EflowVm": [One(ID, "", spec(**more))]}
    if switch:
        resources["VirtualSwitch"] = [One("edge-01/VirtualSwitch/eflow", "eflow", SimpleNamespace(ipAddress=IPv4Interface(switch)))]
    return FakeWorld(resources, **told)


def found(rule: str, **more: Any) -> list[tuple[str, str]]:
    out = findings(RULES[rule], world(**more))
    assert all(one.subject == ID for one in out)
    return [(one.field, one.message) for one in out]


ADDRESS = {name: value for name, value in STATIC.items() if name != "dnsServers"}

FAILING: list[tuple[str, dict[str, Any], str]] = [
    ("EFL010", {"ip4Address": "172.20.10.2"}, "ip4Address"),
    ("EFL010", {"ip4GatewayAddress": "172.20.10.1"}, "ip4GatewayAddress"),
    ("EFL010", STATIC | {"ip4Address": "172.20.10.2/16"}, "ip4Address"),
    ("EFL011", {"vswitchType": "Private"}, "vswitchName"),
    ("EFL011", {"sku_": "client-11"}, "vswitchName"),
    ("EFL011", {"vswitchName": "default switch", "vswitchType": None, "sku_": "server-2022"}, "vswitchName"),
    ("EFL012", STATIC | {"ip4Address": "172.20.10.1"}, "ip4Address"),
    ("EFL013", STATIC | {"vswitchName": "Default Switch"}, "ip4Address"),
    ("EFL013", STATIC | {"vswitchName": {"existing": "Default Switch"}}, "ip4Address"),
    ("EFL014", ADDRESS, "ip4Address"),
    ("EFL015", STATIC | {"ip4Address": "172.20.10.0"}, "ip4Address"),
    ("EFL015", STATIC | {"ip4Address": "172.20.10.255/24"}, "ip4Address"),
    ("EFL015", STATIC | {"ip4GatewayAddress": "172.20.11.1"}, "ip4GatewayAddress"),
    ("EFL015", STATIC | {"ip4Address": "169.254.3.2", "ip4GatewayAddress": "169.254.3.1"}, "ip4Address"),
    ("EFL020", {"memoryInMB": 1023}, "memoryInMB"),
    ("EFL020", {"memoryInMB": 4097}, "memoryInMB"),
    ("EFL020", {"vmDataSize": 20, "vmDiskSize": 40}, "vmDataSize"),
    ("EFL021", {"vmDiskSize": 20}, "vmDiskSize"),
    ("EFL021", {"vmDataSize": 1}, "vmDataSize"),
    ("EFL021", {"product": "1.1 LTS", "vmDataSize": 10}, "vmDataSize"),
    ("EFL021", {"product": "1.1 LTS", "defender": True}, "defender"),
    ("EFL021", {"product": "1.1 LTS", "vmDiskSize": 300}, "vmDiskSize"),
    ("EFL021", ADDRESS | {"product": "1.1 LTS"}, "ip4Address"),
    ("EFL030", {"sku_": "server-2025"}, ""),
    ("EFL070", {"installer": INSTALLER | {"version": "1.5.6.08025"}}, "installer.version"),
    ("EFL070", {"version": "1.5.6.8025"}, "version"),
    ("EFL072", {"installer": INSTALLER | {"version": "1.5.7.01026"}}, "installer.version"),
    ("EFL073", {"version": ">=1.5.5"}, "installer.version"),
    ("EFL073", {"product": "1.4 LTS"}, "product"),
    ("EFL074", {"product": "1.6 LTS"}, "product"),
    ("EFL090", {}, "product"),
    ("EFL090", {"product": "CR"}, "product"),
]

PASSING: list[tuple[str, dict[str, Any]]] = [
    ("EFL010", {}),
    ("EFL010", STATIC),
    ("EFL010", {"ip4Address": "10.20.7.41/24", "ip4GatewayAddress": "10.20.7.1"}),
    ("EFL011", {"sku_": "server-2022"}),
    ("EFL011", {"vswitchType": "External", "sku_": "client-11"}),
    ("EFL011", {"vswitchName": "Default Switch", "vswitchType": None, "sku_": "client-10"}),
    ("EFL012", STATIC),
    ("EFL012", {"ip4Address": None, "ip4GatewayAddress": "172.20.10.1"}),
    ("EFL013", STATIC),
    ("EFL013", {"vswitchName": "Default Switch", "product": "1.1 LTS", **ADDRESS}),
    ("EFL014", STATIC),
    ("EFL014", {}),
    ("EFL014", ADDRESS | {"product": "1.1 LTS"}),
    ("EFL015", STATIC),
    ("EFL020", {"memoryInMB": 1024, "vmDataSize": 20}),
    ("EFL021", {"vmDataSize": 2048, "vmLogSize": "Large", "defender": True}),
    ("EFL021", {"product": "1.1 LTS", "vmDiskSize": 8}),
    ("EFL021", {"product": "1.6 LTS", "vmDiskSize": 8}),
    ("EFL030", {"sku_": "server-2019"}),
    ("EFL070", {}),
    ("EFL072", {}),
    ("EFL073", {"version": "1.5.3.12025"}),
    ("EFL074", {}),
    ("EFL090", {"product": "1.6 LTS"}),
]


@pytest.mark.parametrize(("rule", "written", "field"), FAILING)
def test_what_cannot_work_is_found_where_it_is_written(rule: str, written: dict[str, Any], field: str) -> None:
    assert [at for at, _ in found(rule, **written)] == [field]


@pytest.mark.parametrize(("rule", "written"), PASSING)
def test_what_works_is_not_complained_of(rule: str, written: dict[str, Any]) -> None:
    assert found(rule, **written) == []


def test_every_rule_has_a_case_that_fails_and_one_that_passes() -> None:
    on_hosts = {"EFL031", "EFL032", "EFL033", "EFL034", "EFL075"}
    assert {rule for rule, _, _ in FAILING} == {rule for rule, _ in PASSING} == set(RULES) - on_hosts


def test_the_guest_as_its_own_gateway_points_at_the_switch_and_names_a_free_address() -> None:
    written: dict[str, Any] = STATIC | {"ip4Address": "172.20.10.1"}
    (one,) = findings(RULES["EFL012"], world(switch="172.20.10.1/24", **written))
    assert one.message == "the guest's address is its own gateway"
    assert one.also == (("edge-01/VirtualSwitch/eflow", "ipAddress", "the host has it here"),)
    assert one.help == "take a free one, for example 172.20.10.2"


def test_the_default_switch_says_what_deploy_eflow_would_say() -> None:
    written: dict[str, Any] = STATIC | {"vswitchName": "Default Switch"}
    (one,) = findings(RULES["EFL013"], world(**written))
    assert "Cannot set Static IP on ICS type virtual switch" in one.why


def test_the_end_of_support_is_said_with_its_date() -> None:
    assert found("EFL090") == [("product", "EFLOW 1.5 LTS is past its documented end of support (2026-11-10)")]
    assert RULES["EFL090"].severity is Severity.WARNING


@pytest.mark.parametrize("rule", ["EFL031", "EFL032", "EFL033", "EFL034", "EFL075"])
def test_a_rule_about_the_host_waits_until_it_was_looked_at(rule: str) -> None:
    with pytest.raises(NotSeen):
        found(rule, cpuCount=2)


@pytest.mark.parametrize("rule", ["EFL011", "EFL030"])
def test_the_sku_may_only_be_known_from_a_look(rule: str) -> None:
    with pytest.raises(NotSeen):
        found(rule)


@pytest.mark.parametrize("facts", [SERVER, CLIENT])
def test_what_rules_ask_is_what_windows_binds(facts: Facts) -> None:
    asked = [ask for rule in KIND.rules for ask in rule.asks(facts)]
    assert len(asked) == 3
    assert [fault for ask in asked for fault in check_call(ask.call)] == []


def on(processors: int, wanted: int) -> dict[str, Any]:
    return {"answers": {"Win32_ComputerSystem": rows({"NumberOfLogicalProcessors": processors})}, "cpuCount": wanted}


@pytest.mark.parametrize(("processors", "wanted", "too_many", "many"), [(4, 2, 0, 0), (4, 3, 0, 1), (4, 4, 0, 1), (4, 5, 1, 0), (1, 1, 0, 0)])
def test_processors_are_counted_on_the_host(processors: int, wanted: int, too_many: int, many: int) -> None:
    assert len(found("EFL031", **on(processors, wanted))) == too_many
    assert len(found("EFL032", **on(processors, wanted))) == many


def memory(free: int, wanted: int | None, seen: EflowVmState | None, **more: Any) -> list[tuple[str, str]]:
    states = {"EflowVm": {EFLOW: seen} if seen else {}}
    answers = {"Win32_OperatingSystem": rows({"FreePhysicalMemory": free * 1024})}
    return found("EFL033", memoryInMB=wanted, states_=states, answers=answers, **more)


VM = {"deployed": True, "powerState": "Running", "memoryInMB": 4096}


def test_what_a_running_vm_takes_more_must_be_free_with_headroom() -> None:
    assert memory(3120, 6144, EflowVmState(**VM)) == [("memoryInMB", "wants 2,048 MB more and 2,048 headroom, 3,120 MB are free")]
    assert memory(4096, 6144, EflowVmState(**VM)) == []


@pytest.mark.parametrize(
    ("free", "wanted", "seen", "complaints"),
    [
        (3071, None, None, 1),  # a fresh VM takes 1,024
        (3072, None, None, 0),
        (6143, 4096, EflowVmState(deployed=False, products=("{x}",)), 1),
        (100, 4096, EflowVmState(**VM), 0),  # it has them already
        (100, 2048, EflowVmState(**VM), 0),
        (100, None, EflowVmState(**VM), 0),
        (5000, None, EflowVmState(**VM | {"powerState": "Off"}), 1),  # to be started
        (6144, None, EflowVmState(**VM | {"powerState": "Off"}), 0),
    ],
)
def test_memory_is_weighed_against_what_the_vm_has_now(free: int, wanted: int | None, seen: EflowVmState | None, complaints: int) -> None:
    assert len(memory(free, wanted, seen)) == complaints


def test_a_vm_that_stays_off_takes_nothing() -> None:
    assert memory(10, 4096, EflowVmState(**VM | {"powerState": "Off"}), powerState="Off") == []


def test_on_a_client_the_rule_waits_since_it_cannot_know_what_the_vm_has() -> None:
    with pytest.raises(NotSeen):
        memory(10, 4096, EflowVmState(deployed=True, powerState="Running"))


@pytest.mark.parametrize(
    ("facts", "complaints"),
    [
        (SERVER, 0),
        (CLIENT, 0),
        (Facts("E", "u", "m", "Microsoft Windows Server 2025 Standard", "10.0.26100", 26100, 3), 1),
        (Facts("E", "u", "m", "Microsoft Windows 11 Enterprise", "10.0.26100", 26100, 1), 0),
        (Facts("E", "u", "m", "Microsoft Windows 11 Home", "10.0.22631", 22631, 1), 1),
        (Facts("E", "u", "m", "Microsoft Windows Server 2016 Datacenter", "10.0.14393", 14393, 3, utc=datetime(2026, 11, 24, tzinfo=UTC)), 1),
    ],
)
def test_a_windows_that_eflow_does_not_support_blocks(facts: Facts, complaints: int) -> None:
    assert len(found("EFL034", facts_=facts)) == complaints


def test_another_deployed_version_names_the_releases_in_between() -> None:
    seen = {"EflowVm": {EFLOW: EflowVmState(deployed=True, version="1.4.12.24074", powerState="Running")}}
    (one,) = findings(RULES["EFL075"], world(states_=seen))
    assert one.message == "1.4.12.24074 is deployed, and version asks for >=1.5.3.12025"
    assert "1.5.1.28104, 1.5.3.12025 (there may be more in between)" in one.help
    assert "--replace edge-01/EflowVm" in one.help


def test_a_newer_deployed_version_has_no_way_back_in_place() -> None:
    seen = {"EflowVm": {EFLOW: EflowVmState(deployed=True, version="1.5.7.01026")}}
    (one,) = findings(RULES["EFL075"], world(states_=seen, version="1.5.3.12025"))
    assert one.help == "no update in place leads there; or --replace edge-01/EflowVm"
    assert findings(RULES["EFL075"], world(states_=seen)) == []
