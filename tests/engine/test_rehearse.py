"""Rehearsals: the plan run on a twin and planned again, from live hosts and from snapshots; a kind that does not converge is caught."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from reconciler.cli.rehearsing import rehearsed
from reconciler.core.changes import Changes
from reconciler.core.kinds import Action, Kind, Registry
from reconciler.core.plan import Plan
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.controller import Exchange, Killed, Point
from reconciler.emulator.faults import Fault
from reconciler.engine.environment import Limits, Scope
from reconciler.engine.planning import observe, plan_from
from reconciler.engine.rehearse import Rehearsal
from reconciler.kinds import registry
from reconciler.rules import RULES
from tests.engine.lab import FLEET, HostWish, Lab, host, lab, linked, symbols

SPECS = Path(__file__).parents[2] / "specs"
WHOLE = "\n---\n".join((SPECS / name).read_text(encoding="utf-8") for name in ("fleet.yaml", "azure.yaml", "kiosk.yaml", "plant.yaml"))
AZURE = (SPECS / "azure.yaml").read_text(encoding="utf-8")
KEYS = ("DPS_KEY_EDGE_01", "DPS_KEY_KIOSK_04", "DPS_KEY_PLANT_RTM_01")
NETWORK = """
    WindowsFeature/Hyper-V: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
    NatNetwork/eflow:
      switchName: eflow
      staticMappings:
        opcua: {protocol: TCP, externalPort: 4840, internalPort: 4840, internalIPAddress: 172.20.10.2}
    """


def snapshots(here: Lab) -> dict[str, Snapshot]:
    found = anyio.run(observe, here.desired, Scope(), here.environment())
    return {name: snapshot for name, snapshot in found.items() if isinstance(snapshot, Snapshot)}


def rehearse(here: Lab, plan: Plan | None = None, *, taken: Mapping[str, Snapshot] | None = None, **more: Any) -> Rehearsal:
    plan = plan or anyio.run(functools.partial(here.plan, **more))
    found = taken if taken is not None else snapshots(here)
    return anyio.run(rehearsed, plan, here.desired, found, here.request(**more), here.environment())


def network(text: str = NETWORK, **more: Any) -> Lab:
    return lab(FLEET + host("edge-01", text), **more)


def built(text: str = NETWORK) -> Lab:
    here = network(text)
    assert anyio.run(here.apply).exit_code == 0
    return here


def typed(here: Lab, *lines: str) -> None:
    for line in lines:
        assert here.estate.run("edge-01", line).ok, line


# --- what is proved


def test_a_whole_fleet_is_rehearsed_from_bare_machines_and_nothing_reaches_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "YS1rZXktb2YtdGhlLWRldmljZQ==")
    here = lab(WHOLE)
    plan = anyio.run(here.plan)
    rehearsal = rehearse(here, plan)
    said = {record["name"] for name in here.estate.machines for record in here.estate.log(name) if record["what"] == "cmdlet"}

    assert rehearsal.ok, rehearsal.left
    assert rehearsal.second.exit_code == 0
    assert [host.reboots for host in rehearsal.report.hosts] == [1, 1, 1]
    assert {id for host in rehearsal.report.hosts for id in host.done} >= {step.id for step in plan.steps() if step.verb.acts}
    assert not [name for name in said if not name.startswith(("Get-", "Verify-", "Invoke-EflowVmCommand"))]
    assert "installers that the specs name can be downloaded and are what their hashes say" in rehearsal.assumptions
    assert symbols(anyio.run(here.plan)) == symbols(plan)


def test_a_host_that_is_as_declared_needs_nothing_on_its_twin_either() -> None:
    rehearsal = rehearse(built())

    assert rehearsal.ok
    assert [host.done for host in rehearsal.report.hosts] == [()]


DRIFT: dict[str, tuple[str, ...]] = {
    "a NAT is gone": ("Remove-NetNat -Name eflow -Confirm:$false",),
    "a port is open that nobody declared": (
        "Add-NetNatStaticMapping -NatName eflow -Protocol TCP -ExternalIPAddress 0.0.0.0 -ExternalPort 8080 -InternalIPAddress 172.20.10.3 -InternalPort 80",
    ),
    "the gateway's address is another": (
        "Remove-NetIPAddress -IPAddress 172.20.10.1 -Confirm:$false",
        "New-NetIPAddress -InterfaceAlias 'vEthernet (eflow)' -IPAddress 172.20.10.9 -PrefixLength 24",
    ),
    "the switch is gone": ("Remove-VMSwitch -Name eflow -Force",),
    "the role is going": ("Uninstall-WindowsFeature -Name Hyper-V",),
}


@pytest.mark.parametrize("lines", DRIFT.values(), ids=DRIFT)
def test_drift_is_put_back_on_the_twin(lines: tuple[str, ...]) -> None:
    here = built()
    typed(here, *lines)
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)


def test_a_replace_with_leave_is_rehearsed() -> None:
    here = built()
    here.desired = linked(FLEET + host("edge-01", NETWORK.replace("172.20.10", "172.20.11")))
    rehearsal = rehearse(here, limits=Limits(replace=("edge-01/NatNetwork/eflow",)))

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert "edge-01/NatNetwork/eflow" in {str(id) for id in rehearsal.report.hosts[0].done}


def test_a_replace_without_leave_stays_blocked_and_that_is_no_failure() -> None:
    here = built()
    here.desired = linked(FLEET + host("edge-01", NETWORK.replace("172.20.10", "172.20.11")))
    plan = anyio.run(here.plan)
    rehearsal = rehearse(here, plan)

    assert plan.exit_code == 4
    assert rehearsal.ok, (rehearsal.left, rehearsal.report)


def test_a_block_that_was_taken_out_is_pruned_on_the_twin_by_its_ledger() -> None:
    here = built()
    here.desired = linked(FLEET + host("edge-01", "WindowsFeature/Hyper-V: {}"))
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert {str(id) for id in rehearsal.report.hosts[0].done} == {"edge-01/NatNetwork/eflow", "edge-01/VirtualSwitch/eflow"}


def test_the_repair_of_a_failed_deployment_is_rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")
    here = lab(FLEET + "---\n" + AZURE)
    here.estate.fault("edge-01", Fault("Deploy-Eflow", says="Failed to acquire IP address for virtual machine.", times=1))
    assert anyio.run(here.apply).exit_code == 1
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert "edge-01/EflowVm" in {str(id) for id in rehearsal.report.hosts[0].done}


def test_a_host_that_was_not_seen_is_left_out() -> None:
    here = lab(FLEET + host("edge-01", NETWORK) + host("edge-02", NETWORK))
    here.estate.power("edge-02", on=False)
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert [host.host for host in rehearsal.report.hosts] == ["edge-01"]


SYMMETRIC = AZURE[AZURE.index("        provisioningType:") :]
CERTIFICATE = (
    "        provisioningType: DpsX509\n        scopeId: 0ne00A1B2C3\n"
    "        identityCertPath: C:\\certs\\d.pem\n        identityPrivKeyPath: C:\\certs\\d.key\n"
)


def test_a_vm_that_is_off_is_started_on_the_twin_with_the_size_and_identity_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")
    here = lab(FLEET + "---\n" + AZURE)
    assert anyio.run(here.apply).exit_code == 0
    typed(here, "Stop-EflowVm")
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert [str(id) for id in rehearsal.report.hosts[0].done] == ["edge-01/EflowVm"]
    assert "edge-01: the EFLOW VM does not tell how many processors it has: 2 as on record" in rehearsal.assumptions


@pytest.mark.parametrize("nth", [3, 4], ids=["of the installation", "of the deployment"])
def test_a_running_job_is_waited_for_on_the_twin_too(monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    monkeypatch.setenv("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")
    started: list[str] = []

    def cut(exchange: Exchange, point: Point) -> None:
        if "job start" in exchange.what and point is Point.ANSWERED:
            started.append(exchange.what)
            if len(started) == nth:
                raise Killed

    here = lab(FLEET + "---\n" + AZURE, cut=cut)
    with pytest.raises(BaseExceptionGroup):
        anyio.run(here.apply)
    here.cut = None
    here.estate.clock.advance(timedelta(seconds=20))
    plan = anyio.run(here.plan)
    rehearsal = rehearse(here, plan)

    assert symbols(plan) == ["… EflowVm", "+ EflowProvisioning"]
    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert any("has done nothing: what it does is not in a snapshot" in sentence for sentence in rehearsal.assumptions)


def test_files_that_specs_name_are_taken_to_lie_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    here = lab(FLEET + "---\n" + AZURE.replace(SYMMETRIC, CERTIFICATE))
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert "edge-01: C:\\certs\\d.pem is there, and holds what it should" in rehearsal.assumptions


def test_a_host_that_is_to_act_in_its_domain_is_taken_to_be_in_one() -> None:
    text = "WindowsFeature/DHCP: {}\nDhcpServer: {authorizedInDC: true}"
    here = lab(FLEET + host("edge-01", text), HostWish("edge-01", domain="corp.example.net"))
    rehearsal = rehearse(here)

    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert "edge-01: it is joined to a domain: the specs say so, and no answer does" in rehearsal.assumptions


# --- from snapshots


def offline(here: Lab, taken: Mapping[str, Snapshot]) -> tuple[Plan, Rehearsal]:
    plan = anyio.run(plan_from, here.desired, taken, here.request(), here.environment())
    return plan, rehearse(here, plan, taken=taken)


def test_a_plan_from_snapshots_is_rehearsed_without_any_host() -> None:
    here = network()
    taken = snapshots(here)
    here.estate.machines.clear()
    plan, rehearsal = offline(here, taken)

    assert plan.exit_code == 2
    assert rehearsal.ok, (rehearsal.left, rehearsal.report)


def test_secrets_that_a_build_server_does_not_have_are_stood_in_for_and_named() -> None:
    here = lab(WHOLE)
    plan, rehearsal = offline(here, snapshots(here))

    assert len([step for step in plan.steps() if step.id.kind == "EflowProvisioning" and not step.blocked]) == 3
    assert rehearsal.ok, (rehearsal.left, rehearsal.report)
    assert {f"env {name} cannot be had here: the twin got another value" for name in KEYS} <= set(rehearsal.assumptions)


def test_a_secret_on_record_is_not_changed_for_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPS_KEY_EDGE_01", "YS1rZXktb2YtdGhlLWRldmljZQ==")
    here = lab(FLEET + "---\n" + AZURE)
    assert anyio.run(here.apply).exit_code == 0
    monkeypatch.delenv("DPS_KEY_EDGE_01")
    plan, rehearsal = offline(here, snapshots(here))

    assert not [step for step in plan.steps() if step.verb.acts]
    assert rehearsal.ok, (rehearsal.left, rehearsal.report)


# --- what is caught

Converge = Callable[[Any, Any, Changes[Any], Any], Any]


def mutated(name: str, **changed: Any) -> Registry:
    """The registry with one kind broken."""
    kinds = registry()
    return Registry([replace(kind, **changed) if kind.name == name else kind for kind in kinds.values()], RULES)


def without(kind: Kind[Any, Any], *actions: str) -> Converge:
    def converge(want: Any, now: Any, changes: Changes[Any], facts: Any) -> Any:
        return [action for action in kind.converge(want, now, changes, facts) if not action.name.startswith(actions)]

    return converge


def empty_handed(kind: Kind[Any, Any]) -> Converge:
    def converge(want: Any, now: Any, changes: Changes[Any], facts: Any) -> Any:
        return [Action(action.name, action.summary) for action in kind.converge(want, now, changes, facts)]

    return converge


KINDS = registry()
MUTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "NAT that never publishes": ("NatNetwork", {"converge": without(KINDS["NatNetwork"], "publish")}),
    "switch that never gets its address": ("VirtualSwitch", {"converge": without(KINDS["VirtualSwitch"], "set address")}),
    "NAT that does nothing": ("NatNetwork", {"converge": empty_handed(KINDS["NatNetwork"])}),
    "role that does nothing": ("WindowsFeature", {"converge": empty_handed(KINDS["WindowsFeature"])}),
    "NAT that is never seen": ("NatNetwork", {"parse": lambda answers, facts: {}}),
}


@pytest.mark.parametrize(("kind", "changed"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_kind_that_does_not_converge_is_caught(kind: str, changed: dict[str, Any]) -> None:
    here = network(registry=mutated(kind, **changed))
    rehearsal = rehearse(here)

    assert not rehearsal.ok
    assert any(step.id.kind == kind for step in rehearsal.left)


def test_what_windows_refuses_is_caught_with_its_words() -> None:
    here = built("WindowsFeature/Hyper-V: {}")
    typed(here, "New-NetNat -Name theirs -InternalIPInterfaceAddressPrefix 172.20.0.0/16")
    here.registry = Registry(replace(kind, rules=()) for kind in registry().values())  # no rule stands between the plan and Windows
    here.desired = linked(FLEET + host("edge-01", NETWORK), here.registry)
    plan = anyio.run(here.plan)
    rehearsal = rehearse(here, plan)

    assert plan.exit_code == 2
    assert not rehearsal.ok
    assert [str(id) for id in rehearsal.report.hosts[0].failed] == ["edge-01/NatNetwork/eflow"]
    assert "New-NetNat" in str(rehearsal.report.hosts[0].diagnostics)


def test_a_host_that_changed_after_the_plan_was_made_is_stale_on_its_twin() -> None:
    here = built()
    typed(here, "Remove-NetNat -Name eflow -Confirm:$false")
    plan = anyio.run(here.plan)
    typed(here, "New-NetNat -Name eflow -InternalIPInterfaceAddressPrefix 10.99.0.0/24")
    rehearsal = rehearse(here, plan)

    assert not rehearsal.ok
    assert rehearsal.report.hosts[0].stale
