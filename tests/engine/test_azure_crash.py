"""The crash law in Azure: killed at every request and at each of its three points, the next one converges, and no intent acts twice.

A killed controller takes its status URLs along: the next one sees by looking alone. The estate's own log is the judge.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from reconciler.core.plan import Plan
from reconciler.emulator.arm.model import RequestFault, Run
from reconciler.emulator.controller import Exchange, Killed, Point
from reconciler.engine.events import Happening
from reconciler.engine.planfile import load, save
from tests.engine.azurelab import DRIVER, AzureLab, azure_lab
from tests.engine.lab import run, symbols

ASKED = DRIVER.replace("}", ", restart: when-asked}")
SOON = 15.0  # seconds that a handler runs here, so that there are few polls to be killed in
SCRIPT = "AzureVmExtension/ib: {publisher: Microsoft.Compute, type: CustomScriptExtension, version: 1.10}"


def _lab(declared: str, *runs: int, before: str = "") -> Callable[[], AzureLab]:
    """A VM on which `before` was applied and `declared` is wanted; its handlers end as `runs` say."""

    def made() -> AzureLab:
        lab = azure_lab(before or declared)
        if before:
            lab.script(Run(seconds=SOON))
            report = run(lab.apply)
            assert report.exit_code == 0, report
            lab.redeclare(declared)
        lab.script(*(Run(code, SOON) for code in runs))
        return lab

    return made


STORIES: dict[str, Callable[[], AzureLab]] = {
    "create": _lab(DRIVER, 0),
    "update": _lab(DRIVER, 0, before="AzureVmExtension/ib: {driver: InfiniBandDriverWindows, version: 1.2}"),
    "replace": _lab(DRIVER, 0, before=SCRIPT),
    "restart": _lab(ASKED, 3010),
    "run again": _lab(DRIVER, 240, 0),
    "delete": _lab("{}", before=DRIVER),
}


def copied(lab: AzureLab) -> AzureLab:
    return replace(lab, estate=copy.deepcopy(lab.estate), events=[], cut=None)


def effects(lab: AzureLab) -> Counter[str]:
    """What the service was told and did."""
    taken = (r for r in lab.estate.log() if r["what"] == "arm" and r["method"] != "GET" and r["status"] in (200, 201, 202))
    return Counter(f"{r['method']} {r['path'].rpartition('/')[2]}" for r in taken)


def states(lab: AzureLab) -> tuple[AzureLab, Plan, list[tuple[str, AzureLab]]]:
    """One undisturbed run, copied at every point of every request: each copy is the estate as a controller killed there leaves it."""
    copies: list[tuple[str, AzureLab]] = []

    def snap(exchange: Exchange, point: Point) -> None:
        copies.append((f"{exchange.number} {exchange.what}, {point.value}", copied(lab)))

    plan = run(lab.plan)
    lab.cut = snap
    report = run(lambda: lab.apply(plan))
    assert report.exit_code == 0, report
    return lab, plan, copies


QUICK = ("create", "replace")


@pytest.mark.parametrize("story", [story if story in QUICK else pytest.param(story, marks=pytest.mark.soak) for story in STORIES])
def test_a_controller_that_is_killed_anywhere_leaves_what_the_next_one_finishes(story: str) -> None:
    start = STORIES[story]()
    before = effects(start)
    lab, plan, copies = states(start)
    once = effects(lab) - before
    text = save(plan, lab.desired)
    for where, here in copies:
        saved, _ = load(text, here.registry)
        run(partial(_finished, here, saved, f"{story}: {where}"))
        # a restart through Azure leaves no trace until its tag is written: killed in between, there may be one more
        spare = Counter({"POST restart": 1})
        assert not effects(here) - before - once - spare, (story, where, effects(here) - before)


async def _finished(here: AzureLab, saved: Plan, where: str) -> None:
    report = await here.apply(saved)
    assert report.exit_code == 0, (where, report.hosts[0].stale, report.hosts[0].diagnostics, report.hosts[0])
    after = await here.plan()
    assert (symbols(after), after.exit_code) == ([], 0), where


def test_a_kill_stops_a_controller_and_nothing_that_it_wanted_happens() -> None:
    lab = _lab(DRIVER, 0)()

    def cut(exchange: Exchange, point: Point) -> None:
        if "PUT" in exchange.what and point is Point.EXECUTED:
            raise Killed

    lab.cut = cut
    with pytest.raises(BaseException) as raised:
        run(lab.apply)
    assert isinstance(raised.value, Killed) or raised.group_contains(Killed)
    assert effects(lab) == Counter({"PUT ib": 1})


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_line_that_breaks_round_a_write_makes_it_look_before_it_writes_again(drop: str) -> None:
    lab = _lab(DRIVER, 0)()
    lab.estate.azure.faults.append(RequestFault(method="PUT", drop=drop))
    report = run(lab.apply)
    made = lab.extension()
    assert made is not None
    assert (report.exit_code, made.runs) == (0, 1)
    assert any(event.what is Happening.WAITING for event in lab.events)


def test_a_line_that_breaks_while_an_operation_is_polled_is_joined_by_looking() -> None:
    lab = _lab(DRIVER, 0)()
    lab.estate.azure.faults.append(RequestFault(method="GET", path="/operations/", drop="before"))
    report = run(lab.apply)
    assert (report.exit_code, effects(lab)["PUT ib"]) == (0, 1)
