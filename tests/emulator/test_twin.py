"""A twin answers as the host did: observed, built, observed again, over hosts bare, half-made, as declared, drifted and broken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.core.calls import Answer, CallError, Row, Unread
from reconciler.core.snapshot import Snapshot, answer_json
from reconciler.core.transport import Target
from reconciler.emulator import jobs, lease
from reconciler.emulator.eflow import UNINSTALL
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Route
from reconciler.emulator.skus import AdapterWish, HostWish
from reconciler.emulator.twin import ALWAYS, build
from reconciler.engine.environment import Scope
from reconciler.engine.planning import observe
from reconciler.hosts.emulated import connect
from tests.engine.lab import FLEET, Lab, host, lab

SPECS = Path(__file__).parents[2] / "specs"
EDGE = (SPECS / "azure.yaml").read_text(encoding="utf-8")
PLANT = (SPECS / "plant.yaml").read_text(encoding="utf-8")
KIOSK = (SPECS / "kiosk.yaml").read_text(encoding="utf-8")
KEYS = {f"DPS_KEY_{name}": "YS1rZXktb2YtdGhlLWRldmljZQ==" for name in ("EDGE_01", "PLANT_RTM_01", "KIOSK_04")}
OTHERWISE = "answers otherwise than the host's"


@cache
def converged(text: str) -> str:
    """The machines of `text` once they are as declared, as JSON: applied once, copied for every test."""

    async def made() -> dict[str, Any]:
        here = lab(FLEET + "---\n" + text)
        report = await here.apply()
        assert report.exit_code == 0, report
        return {"now": here.estate.clock.now().isoformat(), "machines": [machine.to_json() for machine in here.estate.machines.values()]}

    return json.dumps(anyio.run(made))


def as_declared(text: str) -> Lab:
    said = json.loads(converged(text))
    here = lab(FLEET + "---\n" + text)
    here.estate.clock.set(here.estate.clock.now().fromisoformat(said["now"]))
    for value in said["machines"]:
        machine = Machine.from_json(value)
        machine.site = here.estate.site
        here.estate.machines[machine.name] = machine
    return here


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def look(here: Lab, estate: Estate | None = None) -> dict[str, Snapshot]:
    """Every host of the estate as `reconcile observe` sees it."""
    estate = estate or here.estate
    env = replace(here.environment(), connect=connect(estate, estate.clock), clock=estate.clock)
    found = anyio.run(observe, here.desired, Scope(), env)
    taken = {name: snapshot for name, snapshot in found.items() if isinstance(snapshot, Snapshot)}
    assert taken.keys() == found.keys(), found
    return taken


def said(snapshot: Snapshot) -> dict[str, Any]:
    """Question → answer, without what a twin makes up: IPv6 addresses of adapters."""
    return {key: _settled(answer_json(answer)) for key, answer in snapshot.answers.items()}


def _settled(answer: dict[str, Any]) -> dict[str, Any]:
    if "objects" in answer:
        answer["objects"] = [row for row in answer["objects"] if not (isinstance(row, dict) and str(row.get("IPAddress")).startswith("fe80:"))]
    return answer


def twin_of(here: Lab) -> tuple[Estate, tuple[str, ...]]:
    """The twin; asserts that it answers every question as its hosts do, and says so."""
    first = look(here)
    estate, assumed = build(first.values(), here.desired.fleet.name)
    second = look(here, estate)
    for name, snapshot in first.items():
        assert said(second[name]) == said(snapshot)
        for kept in ("ledger", "machine", "hold", "name", "uuid", "guid", "boot", "os", "build", "product", "ui", "log"):
            assert second[name].hello[kept] == snapshot.hello[kept], kept
    assert not [sentence for sentence in assumed if OTHERWISE in sentence]
    return estate, assumed


# --- hosts as they come

BARE = {"server": EDGE, "older server with two cards": PLANT, "client": KIOSK}


@pytest.mark.parametrize("text", BARE.values(), ids=BARE)
def test_a_bare_host_has_a_twin(text: str) -> None:
    twin_of(lab(FLEET + "---\n" + text))


@pytest.mark.parametrize("text", BARE.values(), ids=BARE)
def test_a_host_that_is_as_declared_has_a_twin_to_which_there_is_nothing_to_do(text: str) -> None:
    here = as_declared(text)
    estate, _ = twin_of(here)
    here.estate = estate
    plan = anyio.run(here.plan)

    assert [step.verb.name for step in plan.steps() if step.verb.acts] == []
    assert plan.exit_code == 0


def test_a_german_host_has_a_german_twin() -> None:
    here = lab(FLEET + "---\n" + EDGE, HostWish("edge-01", language="de-DE"))
    estate, _ = twin_of(here)

    assert estate.machines["edge-01"].features["dhcp"].display == "DHCP-Server"


def test_no_hosts_make_an_estate_without_machines() -> None:
    estate, assumed = build(())

    assert estate.machines == {}
    assert assumed == ALWAYS


# --- hosts in the middle of something


def typed(*lines: str, wait: float = 0) -> Callable[[Lab], None]:
    def do(here: Lab) -> None:
        for line in lines:
            outcome = here.estate.run("edge-01", line)
            assert outcome.ok, outcome.errors
            here.estate.clock.advance(timedelta(seconds=wait))

    return do


def fault_at_deploy(here: Lab) -> None:
    here.estate.fault("edge-01", Fault("Deploy-Eflow", says="Failed to acquire IP address for virtual machine.", times=1))
    anyio.run(here.apply)


INSTALL = "Install-WindowsFeature -Name Hyper-V -IncludeManagementTools"
HALF_MADE: dict[str, Callable[[Lab], None]] = {
    "Hyper-V waits for a restart": typed(INSTALL),
    "Hyper-V without its tools waits for a restart": typed("Install-WindowsFeature -Name Hyper-V"),
    "a switch without an address": typed(INSTALL, "Restart-Computer -Force", wait=400),
    "DHCP is there and not set up": typed("Install-WindowsFeature -Name DHCP -IncludeManagementTools"),
    "Telnet is there": typed("Install-WindowsFeature -Name Telnet-Client"),
    "Containers brought WinNAT": typed("Install-WindowsFeature -Name Containers", "Restart-Computer -Force", wait=400),
    "a second address": typed("New-NetIPAddress -InterfaceAlias Ethernet -IPAddress 10.9.9.9 -PrefixLength 24", wait=10),
    "a deployment failed": fault_at_deploy,
}


@pytest.mark.parametrize("make", HALF_MADE.values(), ids=HALF_MADE)
def test_a_host_in_the_middle_has_a_twin(make: Callable[[Lab], None]) -> None:
    here = lab(FLEET + "---\n" + EDGE)
    make(here)
    twin_of(here)


def test_an_adapter_that_is_not_there_yet_comes_on_the_twin_too() -> None:
    here = as_declared(host("edge-01", "WindowsFeature/Hyper-V: {}\nVirtualSwitch/a: {switchType: Private}"))
    typed("New-VMSwitch -Name late -SwitchType Internal")(here)
    machine = here.estate.machine("edge-01")
    machine.due = [due for due in machine.due if due.what != "adapter"]
    estate, assumed = build(look(here).values(), "edge")
    estate.clock.advance(timedelta(seconds=10))

    assert "edge-01: the host's adapter on switch late is not there yet: it comes after 6 seconds" in assumed
    assert estate.machine("edge-01").adapter("vEthernet (late)") is not None


# --- drift and foreign things


def routed(here: Lab) -> None:
    typed("New-VMSwitch -Name lan2 -SwitchType Private")(here)
    machine = here.estate.machine("edge-01")
    machine.routes.append(Route("10.77.0.0/16", "172.20.10.9", machine.adapters[-1].index))


DRIFT: dict[str, Callable[[Lab], None]] = {
    "a NAT of another": typed(
        "Remove-NetNat -Name eflow -Confirm:$false",
        "New-NetNat -Name other -InternalIPInterfaceAddressPrefix 10.99.0.0/24",
        "Add-NetNatStaticMapping -NatName other -Protocol UDP -ExternalIPAddress 0.0.0.0 -ExternalPort 53 -InternalIPAddress 10.99.0.2 -InternalPort 5353",
    ),
    "a scope of another": typed("Add-DhcpServerv4Scope -Name foreign -StartRange 10.99.0.10 -EndRange 10.99.0.20 -SubnetMask 255.255.255.0 -State InActive"),
    "an exclusion and an option": typed(
        "Add-DhcpServerv4ExclusionRange -ScopeId 172.20.10.0 -StartRange 172.20.10.150 -EndRange 172.20.10.160",
        "Set-DhcpServerv4OptionValue -ScopeId 172.20.10.0 -DnsDomain plant.example -Force",
    ),
    "an unbound interface": typed("Set-DhcpServerv4Binding -InterfaceAlias 'vEthernet (eflow)' -BindingState $false"),
    "a stopped DHCP server": typed("Stop-Service -Name DHCPServer", wait=400),
    "a VM that is off": typed("Stop-EflowVm"),
    "a VM of another size": typed("Set-EflowVM -cpuCount 3 -memoryInMB 6144 -headless"),
    "other DNS servers in the guest": typed("Set-EflowVmDNSServers -vendpointName edge-01-EFLOWInterface -dnsServers 9.9.9.9,1.1.1.1"),
    "telemetry and a feature": typed("Set-EflowVmTelemetryOption -optionalTelemetry $true", "Set-EflowVmFeature -feature Defender -enable"),
    "a switch of the same name": typed("New-VMSwitch -Name eflow -SwitchType Internal", wait=10),
    "no agent": typed("Stop-Service -Name wssdagent -Force"),
    "a private switch and a route by hand": routed,
}


@pytest.mark.parametrize("make", DRIFT.values(), ids=DRIFT)
def test_a_host_that_drifted_has_a_twin(make: Callable[[Lab], None]) -> None:
    here = as_declared(EDGE)
    make(here)
    twin_of(here)


@pytest.mark.parametrize("allowed", ["$true", "$false"])
def test_an_external_switch_has_its_card_on_the_twin(allowed: str) -> None:
    here = as_declared(PLANT.split("    EflowVm:")[0])
    here.estate.run("plant-rtm-01", f"Set-VMSwitch -Name ot -AllowManagementOS {allowed}")
    here.estate.clock.advance(timedelta(seconds=30))
    estate, assumed = twin_of(here)
    machine = estate.machines["plant-rtm-01"]

    assert machine.adapter("Ethernet 2").switch == machine.switches[0].id  # type: ignore[union-attr]
    assert any("had before switch ot took it" in sentence for sentence in assumed) == (allowed == "$false")


DPS = {"source": "dps", "global_endpoint": "https://dps.example", "id_scope": "0ne1"}
X509 = {"identity_cert": "file:///etc/cert", "identity_pk": "file:///etc/key"}
PROVISIONED = {
    "by symmetric key": {**DPS, "method": "symmetric_key", "registration_id": "r", "symmetric_key": "a2V5"},
    "by X.509": {**DPS, "method": "x509", "registration_id": "r", **X509},
    "by a connection string": {"source": "manual", "connection_string": "HostName=h.example;DeviceId=d;SharedAccessKey=a2V5"},
    "by X.509 at a hub": {"source": "manual", "iothub_hostname": "h.example", "device_id": "d", "method": "x509", **X509},
    "not at all": {},
}


@pytest.mark.parametrize("settings", PROVISIONED.values(), ids=PROVISIONED)
@pytest.mark.parametrize("version", ["1.5.3.12025", "1.1.2306.10092"], ids=["1.5", "1.1"])
def test_the_guests_identity_is_on_the_twin_and_its_key_is_not(version: str, settings: dict[str, str]) -> None:
    here = as_declared(EDGE)
    machine = here.estate.machine("edge-01")
    machine.eflow.version, machine.eflow.provisioning = version, dict(settings)
    machine.registry.put(f"{UNINSTALL}\\{machine.eflow.product_code}", "DisplayVersion", version)
    estate, _ = build(look(here).values(), "edge")
    mine = estate.machines["edge-01"].eflow.provisioning
    before, after = look(here)["edge-01"], look(here, estate)["edge-01"]
    guest = {key for key in before.answers if "aziot" in key}

    assert {key: answer_json(after.answers[key]) for key in guest} == {key: answer_json(before.answers[key]) for key in guest}
    assert "a2V5" not in str(mine)


# --- what the product left there


def test_jobs_hold_and_lease_are_on_the_twin() -> None:
    here = as_declared(host("edge-01", "WindowsFeature/Hyper-V: {}"))
    machine = here.estate.machine("edge-01")
    machine.registry.put(lease.STORE, "hold", '{"by": "ann", "until": null, "why": "line 3 is being tested"}')
    runner = machine.start_process("powershell.exe", data={"job": "j-1", "next": 0, "frames": [], "resume": machine.now + timedelta(hours=1)})
    state = {"job": "j-1", "resource": "edge-01/EflowVm", "action": "deploy", "phase": "running", "boot": machine.boot_id, "pid": runner.pid}
    machine.files.write(f"{jobs.JOBS}\\j-1\\state", json.dumps({**state, "started": lease.ticks(runner.started), "at": 0.0, "bad": 0, "key": "k"}), machine.now)

    async def held() -> None:
        async with connect(here.estate, here.estate.clock)(Target(here.desired.hosts["edge-01"], "edge", ())) as writer:
            await writer.take("ann@ctl", 3600)

    anyio.run(held)
    estate, assumed = build(look(here).values(), "edge")
    hello = look(here, estate)["edge-01"].hello

    assert json.loads(hello["hold"])["by"] == "ann"
    assert (hello["lease"]["holder"], hello["lease"]["epoch"]) == ("ann@ctl", look(here)["edge-01"].hello["lease"]["epoch"])
    assert [(job["job"], job["phase"], job["resource"]) for job in hello["jobs"]] == [("j-1", "running", "edge-01/EflowVm")]
    assert any("the running job j-1 (deploy) ends after 10 minutes" in sentence for sentence in assumed)


def test_the_twins_clock_and_uptime_go_on_from_the_snapshot() -> None:
    here = as_declared(host("edge-01", "WindowsFeature/Hyper-V: {}"))
    here.estate.machine("edge-01").skew = timedelta(minutes=-7)
    before = look(here)["edge-01"]
    estate, _ = build([before], "edge")
    machine = estate.machines["edge-01"]

    assert estate.clock.now() == before.seen
    assert machine.uptime.total_seconds() == pytest.approx(before.hello["uptime"])
    assert abs(machine.skew - timedelta(minutes=-7)) < timedelta(seconds=60)


# --- what a twin cannot hold is said


def test_an_answer_that_the_twin_cannot_give_is_named() -> None:
    here = lab(FLEET + "---\n" + host("edge-01", "WindowsFeature/Hyper-V: {}"), HostWish("edge-01", adapters=(AdapterWish(),)))
    before = look(here)["edge-01"]
    key = next(key for key, question in before.questions.items() if question.get("cmdlet") == "Get-NetIPAddress")
    blind = replace(before, answers={**before.answers, key: Answer(error=CallError("Windows System Error 5", "PermissionDenied"))})
    _, assumed = build([blind], "edge")

    assert f"edge-01: the twin's Get-NetIPAddress {OTHERWISE}" in assumed


def test_what_no_answer_tells_is_named_with_the_value_that_was_taken() -> None:
    here = lab(FLEET + "---\n" + EDGE)
    before = look(here)["edge-01"]
    kept = {key: answer for key, answer in before.answers.items() if "FreePhysicalMemory" not in key and "LogicalProcessor" not in key}
    _, assumed = build([replace(before, answers=kept, questions={key: before.questions[key] for key in kept})], "edge")

    assert "edge-01: no answer says how much memory is free: 13,784 MB assumed" in assumed
    assert "edge-01: no answer says how many processors it has: 4 assumed" in assumed
    assert set(ALWAYS) <= set(assumed)


def test_a_sentence_about_many_hosts_is_said_once() -> None:
    names = [f"edge-{number:02}" for number in range(1, 6)]
    here = lab(FLEET + "".join(host(name, "WindowsFeature/Hyper-V: {}") for name in names))
    _, assumed = build(look(here).values(), "edge")

    assert [s for s in assumed if "disk" in s] == ["edge-01 and 4 more: no answer says how much disk is free: 180 GB assumed"]


def test_building_twice_gives_the_same_twin() -> None:
    taken = look(as_declared(EDGE))
    (one, said_one), (two, said_two) = build(taken.values(), "edge"), build(taken.values(), "edge")

    assert one.machines["edge-01"].to_json() == two.machines["edge-01"].to_json()
    assert said_one == said_two


@pytest.mark.parametrize("value", [None, "?", -1, [], Unread("no rights")], ids=["null", "text", "number", "list", "unread"])
def test_answers_of_another_shape_cost_no_more_than_a_sentence(value: Any) -> None:
    taken = look(as_declared(EDGE))["edge-01"]
    for key, answer in taken.answers.items():
        for name in {name for row in answer.objects if isinstance(row, Row) for name in row}:
            rows = tuple(Row({**row._values, name: value}) if isinstance(row, Row) else row for row in answer.objects)
            _, assumed = build([replace(taken, answers={**taken.answers, key: Answer(rows)})], "edge")
            assert set(ALWAYS) <= set(assumed)
