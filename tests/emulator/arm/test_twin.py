"""The Azure side of a twin: what ARM said of a host is there again, and a plan is rehearsed on it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import anyio
import pytest

from reconciler.cli.rehearsing import rehearsed
from reconciler.core.plan import Plan
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.arm import building
from reconciler.emulator.twin import build
from reconciler.emulator.twinazure import OPTIMISM
from reconciler.engine.environment import Scope
from reconciler.engine.planning import observe
from reconciler.engine.rehearse import Rehearsal
from tests.emulator.arm.azure import Azure
from tests.engine.azurelab import AzureLab, azure_lab, both_planes

TWO = """
AzureVmExtension/ib: {driver: InfiniBandDriverWindows}
AzureVmExtension/av: {publisher: Microsoft.Azure.Security, type: IaaSAntimalware, version: "1.3", settings: {AntimalwareEnabled: true}}
"""


def snapshots(here: AzureLab) -> dict[str, Snapshot]:
    found = anyio.run(observe, here.desired, Scope(), here.environment())
    assert all(isinstance(one, Snapshot) for one in found.values()), found
    kept = {name: snapshot.to_json() for name, snapshot in found.items() if isinstance(snapshot, Snapshot)}
    return {name: Snapshot.of(data) for name, data in kept.items()}


def plan(here: AzureLab) -> Plan:
    return anyio.run(functools.partial(here.plan))


def rehearse(here: AzureLab, found: Mapping[str, Snapshot]) -> Rehearsal:
    return anyio.run(rehearsed, plan(here), here.desired, found, here.request(), here.environment())


@pytest.mark.parametrize("before", ["nothing", "applied", "another version", "somebody's, failed"])
def test_a_plan_is_rehearsed_on_the_twin_and_leaves_nothing(before: str) -> None:
    here = azure_lab(TWO)
    if before == "applied":
        assert anyio.run(here.apply).exit_code == 0
    elif before != "nothing":
        failed = "it broke" if before.endswith("failed") else ""
        building.extension(here.estate, here.vm(), "ib", "Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.0", failed=failed)
    there = rehearse(here, snapshots(here))
    assert there.ok, (there.left, there.report)
    assert any(OPTIMISM in sentence for sentence in there.assumptions)
    assert any(step.verb.acts for step in plan(here).steps()) is (before != "applied")  # nothing was done to the VM itself


def test_the_twin_says_of_azure_what_azure_said() -> None:
    here = azure_lab(TWO)
    here.script(3010, extension="ib")
    anyio.run(here.apply)
    first = snapshots(here)
    estate, assumed = build(first.values())
    again = snapshots(replace(here, estate=estate, events=[]))
    assert not estate.machines
    assert not [sentence for sentence in assumed if "whole" in sentence]
    assert {name: _answers(one) for name, one in again.items()} == {name: _answers(one) for name, one in first.items()}


def test_a_host_on_both_planes_has_both_in_its_twin() -> None:
    here = both_planes("WindowsFeature/Hyper-V: {}\nAzureVmExtension/av: {publisher: Microsoft.Azure.Security, type: IaaSAntimalware, version: '1.3'}")
    found = snapshots(here)
    estate, _ = build(found.values())
    (vm,) = estate.azure.vms.values()
    assert (vm.machine, vm.vm_id) == ("hpc-01", estate.machines["hpc-01"].uuid.lower())
    there = rehearse(here, found)
    assert there.ok, (there.left, there.report)


@pytest.mark.parametrize("junk", [None, "x", 7, [], {}])
@pytest.mark.parametrize("where", ["id", "properties", "location", "hardwareProfile", "instanceView"])
def test_an_answer_of_another_shape_costs_a_sentence_and_the_twin_stands(where: str, junk: Any) -> None:
    (one,) = snapshots(_applied()).values()
    arm = json.loads(json.dumps(one.hello["arm"]))
    (arm if where in arm else arm["properties"])[where] = junk
    estate, assumed = build([replace(one, hello={"arm": arm})])
    said = any("what Azure said of it could not be made whole" in sentence for sentence in assumed)
    assert said or estate.azure.vms
    for vm in estate.azure.vms.values():
        assert Azure.over(estate, vm).send("GET", "vm?$expand=instanceView")["name"] == "hpc-01"


@cache
def _applied() -> AzureLab:
    here = azure_lab(TWO)
    assert anyio.run(here.apply).exit_code == 0
    return here


def _answers(snapshot: Snapshot) -> dict[str, Any]:
    return {key: list(answer.objects) if answer.ok else answer.error for key, answer in snapshot.answers.items()}
