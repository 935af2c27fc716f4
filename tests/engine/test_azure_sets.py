"""Extensions of scale sets: the model, instances in batches, and what is left where one of them fails."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.plan import Plan, Step
from reconciler.emulator.arm import building
from reconciler.emulator.arm.model import Run
from reconciler.emulator.controller import Exchange, Point
from reconciler.engine.environment import Limits
from reconciler.secrets import Vault
from tests.engine.azurelab import DRIVER, IB, AzureLab, set_host, set_lab
from tests.engine.lab import FLEET, linked, run, symbols

FIVES = "AzureVmExtension/ib: {driver: InfiniBandDriverWindows, batchSize: 5}"


def only(plan: Plan) -> Step:
    (step,) = [step for step in plan.steps() if step.n]
    return step


def states(lab: AzureLab) -> dict[str, str]:
    """Instance → the state of the extension on it; nothing where it has none."""
    found = {vm.instance: vm.extensions.get("ib") for vm in lab.estate.azure.vms.values()}
    return {instance: held.state if held else "" for instance, held in sorted(found.items(), key=lambda pair: int(pair[0]))}


def upgrades(lab: AzureLab) -> list[list[str]]:
    return [r["body"]["instanceIds"] for r in lab.estate.log() if r["what"] == "arm" and r["path"].endswith("/manualupgrade")]


def test_the_model_is_put_and_every_instance_brought_along_in_batches() -> None:
    async def story() -> None:
        lab = set_lab(FIVES, count=12)
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([f"+ {IB}"], 2)
        report = await lab.apply(plan)
        assert (report.exit_code, report.hosts[0].rounds) == (0, 2)
        assert set(states(lab).values()) == {"Succeeded"}
        assert [len(batch) for batch in upgrades(lab)] == [5, 5, 2]
        after = await lab.plan()
        assert (symbols(after), after.exit_code) == ([], 0)

    run(story)


def test_an_instance_that_fails_stops_the_rest_and_is_named_with_its_cause() -> None:
    async def story() -> None:
        lab = set_lab(FIVES)
        building.script(lab.estate, "hpc/7", "*", Run(100))
        report = await lab.apply()
        assert report.exit_code == 1
        found = states(lab)
        assert [n for n, state in found.items() if state == "Succeeded"] == [str(n) for n in range(7)]
        assert [n for n, state in found.items() if state == ""] == [str(n) for n in range(8, 20)]
        (diagnostic,) = report.hosts[0].diagnostics
        assert dict(diagnostic.details)["so far"] == "7 of 20 as declared, 12 untouched; instance 7: exit code 100"
        plan = await lab.plan()
        assert symbols(plan) == [f"~ {IB}"]
        assert [c.path for c in only(plan).changes] == ["instances", "installed"]
        assert (await lab.apply(plan)).exit_code == 0
        assert set(states(lab).values()) == {"Succeeded"}
        assert (await lab.plan()).exit_code == 0

    run(story)


@pytest.mark.parametrize("code", [240, 840])
def test_an_instance_that_ran_out_of_time_is_run_again_in_the_same_apply(code: int) -> None:
    async def story() -> None:
        lab = set_lab(count=3)
        building.script(lab.estate, "hpc/1", "*", Run(code))
        report = await lab.apply()
        assert (report.exit_code, report.hosts[0].rounds) == (0, 3)
        assert set(states(lab).values()) == {"Succeeded"}
        assert next(iter(lab.estate.azure.sets.values())).extensions["ib"].properties["forceUpdateTag"] == ":1"
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_instances_are_not_run_again_for_ever_nor_where_one_would_fail_again() -> None:
    async def story() -> None:
        tired, broken = set_lab(count=2), set_lab(count=2, mode="Automatic")  # where all instances are worked on at once
        building.script(tired.estate, "hpc/1", "*", Run(240), Run(240))
        building.script(broken.estate, "hpc/0", "*", Run(240))
        building.script(broken.estate, "hpc/1", "*", Run(100))
        for lab, puts in ((tired, 2), (broken, 1)):
            report = await lab.apply()
            told = [r for r in lab.estate.log() if r["what"] == "arm" and r["method"] == "PUT"]
            assert (report.exit_code, len(told)) == (1, puts)
            (diagnostic,) = report.hosts[0].diagnostics
            assert "exit code" in dict(diagnostic.details)["so far"]

    run(story)


def test_chosen_instances_are_brought_along_and_no_others() -> None:
    async def story() -> None:
        lab = set_lab("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, instances: [0, 2]}", count=4)
        assert (await lab.apply()).exit_code == 0
        assert states(lab) == {"0": "Succeeded", "1": "", "2": "Succeeded", "3": ""}
        assert (await lab.plan()).exit_code == 0
        lab.desired = linked(FLEET + set_host("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, instances: none}"))
        assert (await lab.plan()).exit_code == 0
        lab.desired = linked(FLEET + set_host(FIVES))
        plan = await lab.plan()
        assert only(plan).action_names == ("upgrade 0-3",)
        assert (str(only(plan).changes[0].before), only(plan).changes[0].after) == ("2 of 4 as declared, 2 untouched", "all")
        assert (await lab.apply(plan)).exit_code == 0
        assert upgrades(lab)[-1] == ["1", "3"]

    run(story)


def test_where_azure_rolls_by_itself_the_model_is_all() -> None:
    async def story() -> None:
        lab = set_lab(count=3, mode="Automatic")
        report = await lab.apply()
        assert (report.exit_code, upgrades(lab), set(states(lab).values())) == (0, [], {"Succeeded"})
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_what_somebody_else_changed_is_not_taken_along_without_leave() -> None:
    async def story() -> None:
        lab = set_lab(count=3)
        await lab.apply()
        building.change_image(next(iter(lab.estate.azure.sets.values())), "2026.1")
        plan = await lab.plan()
        step = only(plan)
        assert (step.symbol, plan.exit_code) == ("!", 4)
        assert step.blocked is not None
        assert (step.blocked.code, step.blocked.next) == ("AZR410", f"--replace hpc/{IB}")
        assert "OS disk of 3 instances" in step.blocked.message
        assert str(step.changes[0].before) == "0 of 3 as declared, 3 behind the model"
        leave = Limits(replace=(f"hpc/{IB}",))
        report = await lab.apply(await lab.plan(limits=leave), limits=leave)
        assert report.exit_code == 0
        assert (await lab.plan()).exit_code == 0

    run(story)


SCRIPT = "AzureVmExtension/script: {driver: CustomScriptExtension, settings: {commandToExecute: hostname}}"


@pytest.mark.parametrize("before", ["{}", SCRIPT, "AzureVmExtension/script: {driver: CustomScriptExtension, instances: none}"])
def test_an_extension_that_is_new_to_a_set_takes_nothing_along_without_leave_either(before: str) -> None:
    async def story() -> None:
        lab = set_lab(before, count=3)
        await lab.apply()
        held = next(iter(lab.estate.azure.sets.values()))
        building.change_image(held, "2026.1")
        lab.desired = linked(FLEET + set_host(DRIVER))
        step = only(plan := await lab.plan())
        assert (step.symbol, step.verb.word, plan.exit_code) == ("!", "create", 4)
        assert step.blocked is not None
        assert (step.blocked.code, step.blocked.next) == ("AZR410", f"--replace hpc/{IB}")
        assert step.loses == ("OS disk of 3 instances, if their image is what changed",)
        assert ((await lab.apply(plan)).exit_code, "ib" in held.extensions) == (4, False)
        some = linked(FLEET + set_host("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, instances: none}"))
        assert symbols(await replace(lab, desired=some).plan()) == [f"+ {IB}"]  # then nothing is brought along
        leave = Limits(replace=(f"hpc/{IB}",))
        report = await lab.apply(await lab.plan(limits=leave), limits=leave)
        assert (report.exit_code, states(lab), {vm.disks for vm in lab.estate.azure.vms.values()}) == (0, dict.fromkeys("012", "Succeeded"), {2})

    run(story)


def test_what_our_own_request_left_behind_is_nobody_elses_change() -> None:
    """Killed after the model was put: the instances are behind for want of what is declared."""
    lab = set_lab(SCRIPT, count=3)
    run(lab.apply)
    lab.desired = linked(FLEET + set_host(f"{SCRIPT}\n{DRIVER}"))
    copies: list[AzureLab] = []

    def snap(exchange: Exchange, point: Point) -> None:
        if point is Point.BEFORE and "manualupgrade" in exchange.what:
            copies.append(replace(lab, estate=copy.deepcopy(estate), events=[], cut=None))

    estate = lab.estate
    lab.cut = snap
    assert run(lab.apply).exit_code == 0
    plan = run(copies[0].plan)
    assert ([step.symbol for step in plan.steps() if step.n], plan.exit_code) == (["~", "~"], 2)
    assert run(copies[0].apply).exit_code == 0
    assert states(copies[0]) == dict.fromkeys("012", "Succeeded")


def test_an_image_is_pending_although_an_extension_is_wanting_too() -> None:
    async def story() -> None:
        lab = set_lab("AzureVmExtension/ib: {driver: InfiniBandDriverWindows, instances: none}", count=2)
        await lab.apply()
        building.change_image(next(iter(lab.estate.azure.sets.values())), "2026.1")
        lab.desired = linked(FLEET + set_host(DRIVER))
        blocked: Any = only(await lab.plan()).blocked
        assert blocked.code == "AZR410"

    run(story)


def test_an_extension_of_a_set_is_never_pruned_for_nobody_knows_whose_it_is() -> None:
    async def story() -> None:
        lab = set_lab(count=2)
        await lab.apply()
        lab.desired = linked(FLEET + set_host("{}"))
        plan = await lab.plan()
        assert (symbols(plan), plan.exit_code) == ([], 0)

    run(story)


def test_another_handler_takes_leave_for_it_may_be_somebody_elses() -> None:
    async def story() -> None:
        lab = set_lab("AzureVmExtension/ib: {publisher: Microsoft.Compute, type: CustomScriptExtension, version: 1.10}", count=2)
        await lab.apply()
        lab.desired = linked(FLEET + set_host(FIVES))
        blocked: Any = only(await lab.plan()).blocked
        assert (blocked.code, blocked.message[:29]) == ("PLN023", "a scale set keeps no record: ")
        leave = Limits(replace=(f"hpc/{IB}",))
        assert (await lab.apply(await lab.plan(limits=leave), limits=leave)).exit_code == 0
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_changed_secret_of_a_set_is_told_by_the_print_in_its_tag() -> None:
    async def story() -> None:
        declared = "AzureVmExtension/ib: {driver: CustomScriptExtension, protectedSettings: {storageAccountKey: {env: KEY}}}"
        lab = set_lab(declared, count=2, secrets=Vault(environ={"KEY": "Y2FuYXJ5"}))
        assert (await lab.apply()).exit_code == 0
        tag = next(iter(lab.estate.azure.sets.values())).extensions["ib"].properties["forceUpdateTag"]
        assert re.fullmatch(":0:[0-9a-f]{16}", tag)
        after = await lab.plan()
        assert (symbols(after), after.exit_code) == ([], 0)
        lab.secrets = Vault(environ={"KEY": "another"})
        plan = await lab.plan()
        assert [c.path for c in only(plan).changes] == ["protectedSettings"]
        assert (await lab.apply(plan)).exit_code == 0
        assert (await lab.plan()).exit_code == 0

    run(story)


def test_a_controller_that_is_killed_among_batches_leaves_what_the_next_one_finishes() -> None:
    lab = set_lab(FIVES.replace("5", "1"), count=3)
    building.script(lab.estate, "*", "*", *(Run(seconds=15.0) for _ in range(3)))
    copies: list[AzureLab] = []

    def snap(exchange: Exchange, point: Point) -> None:
        if point is Point.EXECUTED and "POST" in exchange.what:
            copies.append(replace(lab, estate=copy.deepcopy(lab.estate), events=[], cut=None))

    lab.cut = snap
    assert run(lab.apply).exit_code == 0
    assert len(copies) == 3
    for here in copies:
        assert run(here.apply).exit_code == 0
        assert upgrades(here) == [["0"], ["1"], ["2"]]
        assert run(here.plan).exit_code == 0


def test_an_extension_of_a_set_is_deleted_by_its_name_alone() -> None:
    async def story() -> None:
        lab = set_lab(count=2)
        await lab.apply()
        plan = await lab.plan(destroy=(f"hpc/{IB}",))
        assert (symbols(plan), only(plan).action_names) == ([f"- {IB}"], ("delete", "upgrade"))
        report = await lab.apply(plan, destroy=(f"hpc/{IB}",))
        assert (report.exit_code, set(states(lab).values())) == (0, {""})
        assert next(iter(lab.estate.azure.sets.values())).extensions == {}

    run(story)
