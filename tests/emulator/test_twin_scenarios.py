"""Twins of every stage of every scenario of the laws: they answer as their host did, and a rehearsal ends as the real run then does."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from reconciler.cli.reach import emulated
from reconciler.cli.rehearsing import rehearsed
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.estate import Estate
from reconciler.emulator.twin import build
from reconciler.engine.environment import Scope
from reconciler.engine.planning import observe
from tests.emulator.test_twin import said
from tests.engine.lab import Lab
from tests.laws.scenarios import SCENARIOS
from tests.laws.stages import HOST, Play, Scenario, Stage, leave

SHORT = ("AzureVmExtension",)  # a second; the others take half a minute


async def look(here: Lab, estate: Estate) -> Snapshot:
    env = replace(here.environment(), connect=emulated(estate, here.secrets), clock=estate.clock)
    found = (await observe(here.desired, Scope(), env))[HOST]
    assert isinstance(found, Snapshot), found
    return found


async def rehearse_and_run(play: Play, stage: Stage) -> None:
    play.prepare(stage)
    here, limits = play.lab, leave(play.lab.desired, stage)
    taken = await look(here, here.estate)
    twin, assumed = build([taken], here.desired.fleet.name)
    assert said(await look(here, twin)) == said(taken), stage.name
    assert not [sentence for sentence in assumed if "otherwise" in sentence or "whole" in sentence], stage.name

    plan = await here.plan(limits=limits)
    rehearsal = await rehearsed(plan, here.desired, {HOST: await look(here, here.estate)}, here.request(limits=limits), here.environment())
    if stage.held:
        return
    report = await here.apply(plan, limits=limits)
    here.estate.heal(HOST)
    if stage.fails:  # by a fault of the host, which no snapshot tells
        assert rehearsal.ok, (stage.name, rehearsal.left)
        return
    assert rehearsal.ok == (report.exit_code == 0), (stage.name, rehearsal.left, rehearsal.report)
    assert set(rehearsal.report.hosts[0].done) == set(report.hosts[0].done), stage.name


@pytest.mark.parametrize("scenario", [one if one.kind in SHORT else pytest.param(one, marks=pytest.mark.soak) for one in SCENARIOS], ids=str)
def test_a_rehearsal_ends_as_the_run_does(scenario: Scenario) -> None:
    async def whole() -> None:
        play = Play.begin(scenario)
        for stage in scenario.stages:
            await rehearse_and_run(play, stage)

    anyio.run(whole)
