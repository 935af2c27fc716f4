"""Values that cannot be read back: given once where they changed, wherever the controller dies; never forgotten, never twice."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import anyio
import pytest

from reconciler.core.calls import Secret
from reconciler.core.errors import SecretUnavailable
from reconciler.emulator import lease
from reconciler.emulator.controller import Exchange, Killed, Point
from reconciler.engine.events import Happening
from reconciler.secrets import Vault
from tests.engine.lab import FLEET, Lab, lab, linked, symbols

MAIN = FLEET + "---\n" + (Path(__file__).parents[2] / "specs" / "azure.yaml").read_text(encoding="utf-8")
NAME = "DPS_KEY_EDGE_01"
KEY, OTHER = "YS1rZXktb2YtdGhlLWRldmljZQ==", "YW5vdGhlci1rZXktb2YtdGhlLWRldg=="


@functools.cache
def provisioned() -> Lab:
    """A host as declared, with the first key."""
    here = lab(MAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(NAME, KEY)
        assert anyio.run(here.apply).exit_code == 0
    return here


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv(NAME, KEY)
    return Lab(provisioned().desired, copy.deepcopy(provisioned().estate))


def given(here: Lab) -> int:
    return len(here.effects("edge-01", "Provision-EflowVm"))


async def test_an_equal_value_is_no_change(here: Lab) -> None:
    assert symbols(await here.plan()) == []


async def test_a_changed_value_is_given_once_and_on_record_from_then_on(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, OTHER)
    assert symbols(await here.plan()) == ["~ EflowProvisioning"]
    assert (await here.apply()).exit_code == 0
    assert (symbols(await here.plan()), given(here)) == ([], 2)


@pytest.mark.parametrize("point", list(Point))
@pytest.mark.parametrize("number", range(9))
async def test_killed_while_a_changed_value_is_given_it_is_given_exactly_once(here: Lab, monkeypatch: pytest.MonkeyPatch, number: int, point: Point) -> None:
    monkeypatch.setenv(NAME, OTHER)
    plan = await here.plan()

    def cut(exchange: Exchange, at: Point) -> None:
        if (exchange.number, at) == (number, point):
            raise Killed

    here.cut = cut
    died = False
    try:
        await here.apply(plan)
    except* Killed:
        died = True
    here.cut = None
    assert died
    assert (await here.apply()).exit_code == 0
    assert (symbols(await here.plan()), given(here)) == ([], 2)


async def test_a_value_that_is_not_compared_says_whether_it_or_the_record_is_missing(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def why() -> str:
        here.secrets = Vault()  # another command
        step = next(step for step in (await here.plan()).steps() if step.id.kind == "EflowProvisioning")
        return step.unverified.get("symmKey", "")

    assert await why() == ""
    monkeypatch.delenv(NAME)
    assert await why() == f"its value could not be had here: env {NAME}: the environment variable is not set"
    monkeypatch.setenv(NAME, KEY)
    machine = here.estate.machines["edge-01"]
    for entry in list(lease.store(machine, "fleets\\edge")):
        machine.registry.drop(f"{lease.STORE}\\fleets\\edge", entry)
    assert await why() == "it cannot be read back, and there is nothing on record to compare with"


async def test_a_value_that_cannot_be_had_now_leaves_what_is_on_record(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME)
    here.desired = linked(MAIN.replace("    EflowVm:\n", "    EflowVm:\n      lifecycle: {preventDestroy: true}\n"))
    assert (await here.apply()).exit_code == 0
    monkeypatch.setenv(NAME, KEY)
    assert symbols(await here.plan()) == []
    monkeypatch.setenv(NAME, OTHER)
    assert symbols(await Lab(here.desired, here.estate).plan()) == ["~ EflowProvisioning"]


class Withdrawn(Vault):
    """A vault that is closed once the run has begun with a step."""

    def __init__(self, here: Lab) -> None:
        super().__init__()
        self.here = here

    async def resolve(self, secret: Secret) -> str:
        if any(event.what is Happening.STEP for event in self.here.events):
            raise SecretUnavailable(f"{secret}: the vault is sealed")
        return await super().resolve(secret)


async def test_a_secret_that_cannot_be_had_when_it_is_to_be_sent_fails_its_step_alone(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, OTHER)
    here.secrets = Withdrawn(here)
    report = await here.apply()

    (host,) = report.hosts
    assert (report.exit_code, [str(id) for id in host.failed]) == (1, ["edge-01/EflowProvisioning"])
    assert ("next", "provide it where this command runs, then: reconcile apply edge-01/EflowProvisioning") in host.diagnostics[0].details
    assert given(here) == 1

    here.secrets = Vault()
    assert (await here.apply()).exit_code == 0
    assert (symbols(await here.plan()), given(here)) == ([], 2)


async def test_a_host_that_logs_what_calls_are_given_gets_no_secret_and_all_else(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows\\PowerShell\\ScriptBlockLogging"
    machine = here.estate.machine("edge-01")
    machine.registry.put(key, "EnableScriptBlockLogging", 1)
    monkeypatch.setenv(NAME, OTHER)
    assert here.estate.run("edge-01", "Remove-NetNat -Name eflow -Confirm:$false").ok
    plan = await here.plan()
    assert symbols(plan) == ["+ NatNetwork/eflow", "! EflowProvisioning"]
    (blocked,) = (step.blocked for step in plan.steps() if step.blocked)
    assert (blocked.code, "ScriptBlockLogging" in blocked.message) == ("HST044", True)
    report = await here.apply()
    assert (report.exit_code, given(here), [nat.name for nat in machine.nats]) == (4, 1, ["eflow"])
    machine.registry.put(key, "EnableScriptBlockLogging", 0)
    assert (await here.apply()).exit_code == 0
    assert given(here) == 2
