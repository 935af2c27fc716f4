"""What is declared no more: deleted only when it is surely ours, surely meant, and surely nobody's ground to stand on."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from reconciler.core.plan import Plan, Verb
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.engine.environment import Limits
from reconciler.engine.planfile import load, save
from tests.engine.lab import FLEET, Lab, host, lab, linked, symbols

BASE = """
WindowsFeature/Hyper-V: {}
VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
VirtualSwitch/a: {switchType: Internal}
VirtualSwitch/b: {switchType: Internal}
"""
NAT = "NatNetwork/eflow: {switchName: eflow}\n"
KEPT = "\n".join(BASE.splitlines()[:3]) + "\n"


def fleet(most: int) -> str:
    return FLEET.replace("name: edge}", f"name: edge}}\nspec: {{maxDeletes: {most}}}")


async def converged(resources: str, head: str = FLEET) -> Lab:
    here = lab(head + host("edge-01", resources))
    report = await here.apply()
    assert report.exit_code == 0, report
    return here


def declare(here: Lab, resources: str, head: str = FLEET) -> None:
    here.desired = linked(head + host("edge-01", resources))


def switches(here: Lab) -> list[str]:
    return sorted(switch.name for switch in here.estate.machine("edge-01").switches)


def verbs(plan: Plan) -> dict[str, str]:
    return {step.id.local: step.symbol for step in plan.steps() if step.n}


async def test_what_is_declared_no_more_is_deleted() -> None:
    here = await converged(BASE)
    declare(here, KEPT)
    assert (await here.apply()).exit_code == 0
    assert switches(here) == ["eflow"]
    assert (await here.plan()).exit_code == 0


async def test_a_deletion_says_what_goes_in_the_fields_that_can_be_declared() -> None:
    here = await converged(BASE)
    declare(here, KEPT + "VirtualSwitch/b: {switchType: Internal}\n")
    here.estate.run("edge-01", "New-NetIPAddress -InterfaceAlias 'vEthernet (a)' -IPAddress 172.20.99.1 -PrefixLength 24")
    (step,) = (one for one in (await here.plan()).steps() if one.verb is Verb.DELETE)
    assert [(change.path, str(change.before), change.after) for change in step.changes] == [
        ("name", "a", None),
        ("switchType", "Internal", None),
        ("ipAddress", "172.20.99.1/24", None),
        ("allowManagementOS", "True", None),
    ]


async def test_a_deletion_calls_entries_by_what_they_are_and_not_by_what_windows_numbers_them() -> None:
    mapping = "opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}"
    here = await converged(KEPT + f"NatNetwork/eflow: {{switchName: eflow, staticMappings: {{{mapping}}}}}\n")
    declare(here, KEPT)
    (gone,) = [step for step in (await here.plan()).steps() if step.verb is Verb.DELETE]
    entry = next(change for change in gone.changes if change.path.startswith("staticMappings"))
    assert entry.path == "staticMappings.TCP 4840"
    assert not hasattr(entry.before, "id")


async def test_a_braked_deletion_does_not_run_in_a_later_round_either() -> None:
    here = await converged(BASE, fleet(1))
    declare(here, KEPT.replace("Internal, ipAddress: 172.20.10.1/24", "Private"), fleet(1))
    limits = Limits(replace=("edge-01/VirtualSwitch/eflow",))
    plan = await here.plan(limits=limits)
    assert verbs(plan) == {"VirtualSwitch/a": "!", "VirtualSwitch/b": "!", "VirtualSwitch/eflow": "-/+"}
    report = await here.apply(plan, limits=limits)
    assert (report.exit_code, [id.local for id in report.hosts[0].done]) == (4, ["VirtualSwitch/eflow"])
    assert switches(here) == ["a", "b", "eflow"]


async def test_a_resource_with_a_new_id_and_the_same_name_on_the_host_is_kept() -> None:
    here = await converged(BASE)
    declare(here, BASE.replace("VirtualSwitch/a: {", "VirtualSwitch/plant: {name: a, "))
    plan = await here.plan()
    assert verbs(plan) == {"VirtualSwitch/plant": "=", "VirtualSwitch/a": "."}
    assert (await here.apply(plan)).exit_code == 0
    assert switches(here) == ["a", "b", "eflow"]
    assert symbols(await here.plan()) == []
    assert here.effects("edge-01", "Remove-VMSwitch") == []


async def test_a_resource_with_a_new_name_on_the_host_leaves_nothing_behind() -> None:
    here = await converged(BASE)
    declare(here, BASE.replace("VirtualSwitch/a: {", "VirtualSwitch/a: {name: other, "))
    plan = await here.plan()
    assert verbs(plan) == {"VirtualSwitch/a": "-/+"}
    assert (await here.apply(plan)).exit_code == 0
    assert switches(here) == ["b", "eflow", "other"]
    assert symbols(await here.plan()) == []


async def test_a_new_name_that_others_use_already_is_not_taken_from_them() -> None:
    here = await converged(BASE)
    here.estate.run("edge-01", "New-VMSwitch -Name other -SwitchType Private")
    declare(here, BASE.replace("VirtualSwitch/a: {", "VirtualSwitch/a: {name: other, "))
    plan = await here.plan()
    assert [(step.id.local, step.blocked and step.blocked.code) for step in plan.steps() if step.n] == [("VirtualSwitch/a", "PLN033")]
    assert switches(here) == ["a", "b", "eflow", "other"]


async def test_orphaning_is_remembered_although_nothing_else_changes() -> None:
    here = await converged(BASE)
    declare(here, BASE.replace("VirtualSwitch/a: {", "VirtualSwitch/a: {lifecycle: {deletionPolicy: orphan}, "))
    assert verbs(await here.plan()) == {"VirtualSwitch/a": "="}
    assert (await here.apply()).exit_code == 0
    declare(here, KEPT + "VirtualSwitch/b: {switchType: Internal}\n")
    assert verbs(await here.plan()) == {"VirtualSwitch/a": "."}
    assert (await here.apply()).exit_code == 0
    assert switches(here) == ["a", "b", "eflow"]


async def test_prevent_destroy_survives_the_removal_of_its_block() -> None:
    here = await converged(BASE.replace("VirtualSwitch/a: {", "VirtualSwitch/a: {lifecycle: {preventDestroy: true}, "))
    declare(here, KEPT)
    plan = await here.plan()
    assert verbs(plan) == {"VirtualSwitch/a": "!", "VirtualSwitch/b": "-"}
    assert (await here.apply(plan)).exit_code == 4
    assert switches(here) == ["a", "eflow"]


async def test_nothing_is_deleted_while_something_of_the_host_is_dark() -> None:
    here = await converged(BASE + NAT)
    declare(here, KEPT + NAT)
    here.estate.fault("edge-01", Fault("Get-NetNatStaticMapping", error="AccessDenied,Get-NetNatStaticMapping"))
    plan = await here.plan()
    assert verbs(plan) == {"NatNetwork/eflow": "?", "VirtualSwitch/a": "?", "VirtualSwitch/b": "?"}
    assert plan.exit_code == 5
    here.estate.heal("edge-01")
    assert verbs(await here.plan()) == {"VirtualSwitch/a": "-", "VirtualSwitch/b": "-"}


@pytest.mark.parametrize("broken", ["no fleet", "one resource asked for", "something excluded"])
async def test_nothing_is_pruned_unless_the_whole_fleet_is_meant(broken: str) -> None:
    here = await converged(BASE)
    declare(here, KEPT, "" if broken == "no fleet" else FLEET)
    targets = ("edge-01/VirtualSwitch/eflow",) if broken == "one resource asked for" else ()
    exclude = ("edge-01/VirtualSwitch/eflow",) if broken == "something excluded" else ()
    plan = await here.plan(*targets, exclude=exclude)
    assert [step for step in plan.steps() if step.verb in (Verb.DELETE, Verb.FORGET)] == []


async def test_destroy_takes_the_named_one_in_any_case_and_nothing_else() -> None:
    here = await converged(BASE)
    named = ("EDGE-01/virtualswitch/A",)
    plan = await here.plan(destroy=named)
    assert verbs(plan) == {"VirtualSwitch/a": "-"}
    assert (await here.apply(plan, destroy=named)).exit_code == 0
    assert switches(here) == ["b", "eflow"]


async def test_destroy_never_touches_what_others_made() -> None:
    here = await converged(BASE)
    here.estate.run("edge-01", "New-VMSwitch -Name theirs -SwitchType Private")
    plan = await here.plan(destroy=("edge-01/VirtualSwitch/theirs",))
    assert plan.exit_code == 4
    assert (await here.apply(plan, destroy=("edge-01/VirtualSwitch/theirs",))).exit_code == 4
    assert "theirs" in switches(here)


SECRET = ("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")
MANY = fleet(50)


def cuts(here: Lab) -> list[Estate]:
    """Copies of the estate at every point of every exchange from now on: as controllers killed there leave it."""
    left: list[Estate] = []
    here.cut = lambda exchange, point: left.append(copy.deepcopy(here.estate))
    return left


async def test_a_destroy_that_was_killed_anywhere_is_finished_by_its_saved_plan() -> None:
    here = await converged(BASE)
    named = ("edge-01/VirtualSwitch/a", "edge-01/VirtualSwitch/b")
    plan = await here.plan(destroy=named)
    text = save(plan, here.desired)
    left = cuts(here)
    assert (await here.apply(plan, destroy=named)).exit_code == 0
    for estate in left:
        saved, desired = load(text, here.registry)
        again = Lab(desired, estate)
        assert (await again.apply(saved, destroy=saved.destroy)).exit_code == 0
        assert switches(again) == ["eflow"]


@pytest.mark.parametrize("again", ["apply", "apply edge-01.plan"])
async def test_a_host_of_which_nothing_is_declared_any_more_is_cleared_also_when_killed(again: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(*SECRET)
    here = lab(MANY + "---\n" + (Path(__file__).parents[2] / "specs" / "azure.yaml").read_text(encoding="utf-8"))
    assert (await here.apply()).exit_code == 0
    declare(here, "WindowsFeature/Telnet-Client: {}", MANY)
    plan = await here.plan()
    text = save(plan, here.desired)
    left = cuts(here)
    assert (await here.apply(plan)).exit_code == 0
    for estate in left[::10]:
        resumed = Lab(here.desired, estate)
        report = await resumed.apply(load(text, here.registry)[0] if again != "apply" else None)
        assert report.exit_code == 0, report
        machine = estate.machine("edge-01")
        assert (machine.switches, machine.nats, machine.dhcp.scopes, machine.eflow.deployed) == ([], [], [], False)
        assert symbols(await resumed.plan()) == []


GUEST = """
WindowsFeature/Microsoft-Hyper-V: {}
EflowVm:
  product: 1.5 LTS
  version: ">=1.5.3.12025"
  installer:
    url: https://files.example.net/eflow/AzureIoTEdge_LTS_1.5.3.12025_X64.msi
    sha256: 9f2c4a7be01d5c6688a3f0f2b7c9d1e45a60718293a4b5c6d7e8f9012345abcd
    version: 1.5.3.12025
  acceptEula: Yes
  vswitchName: Default Switch
  provisioning: {provisioningType: ManualConnectionString, devConnString: {env: CONNECTION}}
"""


async def test_a_vm_that_is_off_goes_although_what_is_inside_of_it_cannot_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION", "HostName=hub.example.net;DeviceId=d1;SharedAccessKey=dGhpcmQta2V5")
    here = lab(FLEET + host("edge-01", GUEST, "client-11"))
    assert (await here.apply()).exit_code == 0
    assert here.estate.run("edge-01", "Stop-EflowVm").ok
    here.desired = linked(FLEET + host("edge-01", "WindowsFeature/Microsoft-Hyper-V: {}", "client-11"))
    plan = await here.plan()
    assert verbs(plan) == {"EflowProvisioning": ".", "EflowVm": "-"}
    assert (await here.apply(plan)).exit_code == 0
    assert symbols(await here.plan()) == []
