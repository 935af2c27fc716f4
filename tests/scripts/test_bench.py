"""The bench in its quick form: the figures that are promised exist, and planning grows with the fleet, no faster."""

from __future__ import annotations

import anyio
import pytest

from scripts import bench
from scripts.measuring import azuresections, wiresections
from scripts.measuring.azure import planned
from scripts.measuring.fleet import RESOURCES
from scripts.measuring.rows import Row, Section, lines

GENEROUS = 25  # for ten times the hosts; the goal of 11 is for large fleets on a quiet machine
QUICK = bench.QUICK


def _values(section: Section) -> dict[tuple[str, str], float]:
    return {(row.name, row.unit): row.value for row in section.rows}


def test_loading_is_measured_in_both_forms_and_against_a_bare_parser() -> None:
    values = _values(bench.load_section(QUICK))
    for form in ("resources in their Host", "flat documents"):
        assert values[f"{form}: loaded", "documents/s"] > values[f"{form}: loaded and validated", "documents/s"] > 0
        assert values[f"{form}: load, a bare CSafeLoader being 1", "times"] > 0


def test_every_generated_host_is_planned_and_ten_times_the_hosts_take_about_ten_times_as_long() -> None:
    section = bench.plan_section(QUICK)
    values = _values(section)
    assert section.title == f"plan, {QUICK.plan} hosts, {QUICK.plan * RESOURCES:,} resources"
    assert 0 < values["steps to take", "steps"] < QUICK.plan * RESOURCES
    assert values[f"together, against {QUICK.plan // 10:,} hosts", "times"] < GENEROUS
    assert values["peak of memory, manifests and snapshots included", "MiB"] >= values["peak of memory before link", "MiB"] > 0
    assert values["apart: comparing one secret a host", "s"] > 0


def test_a_host_is_looked_at_in_one_process_and_one_batch_after_hello() -> None:
    values = _values(bench.hosts_section(QUICK))
    assert values["look: processes", "a host"] == 1
    assert values["look: requests", "a host"] == 2
    assert values["look: batches after hello", "a host"] == 1
    assert values["apply: requests", "a step"] > values["apply: of these, waiting for a job", "a step"] > 0


def test_a_goal_that_is_missed_is_said() -> None:
    section = Section("plan", (Row("together", 21.5, "s", "under 20", met=False),))
    assert [line.split() for line in lines(section)] == [["plan"], ["together", "21.5", "s", "goal:", "under", "20,", "NOT", "MET"], []]


@pytest.mark.soak  # tests/hosts/winrm counts the same in one process, in a tenth of the time
def test_a_plan_over_the_wire_costs_nine_requests_then_seven_then_two() -> None:
    section = wiresections.counted_section(1, bench.figures("wire", 1))
    values = _values(section)
    assert [values[name, "a host"] for name in REQUESTS] == [9, 7, 2]
    assert values["first contact: processes started there", "a host"] == 1
    assert values["warm: processes started there", "a host"] == 0
    assert values["calls run there, each time", "a host"] > RESOURCES
    assert values["first contact: to the host", "KiB a host"] > values["warm: to the host", "KiB a host"] > 1
    assert all(row.met for row in section.rows if row.goal)


REQUESTS = ("first contact: HTTP requests", "known facts, new session: HTTP requests", "warm, in a kept session: HTTP requests")
COUNTS = {"requests": 10.0, "processes": 1.0, "bytes received": 2048.0, "bytes sent": 1024.0}
OURS = {"cold wall": 2.0, "cold inside": 1.0, "warm wall": 0.1, "cold cpu": 0.5, "warm cpu": 0.05}
THEIRS = {"ansible start": 3.0, "ansible wall": 24.0, "ansible cpu": 12.0}


def _measured(*, ansible: bool, who: tuple[str, ...] = ("cold", "warm")) -> dict[str, float]:
    names = (*who, "ansible") if ansible else who
    of = {f"{name} {what}": value for name in names for what, value in COUNTS.items()} | OURS | (THEIRS if ansible else {})
    return {"hosts": 20, "reads": 8} | {f"{costs} {name}": value for costs in ("free", "stated") for name, value in of.items()}


def test_beside_ansible_each_is_measured_with_and_without_its_own_start() -> None:
    section = wiresections.reads_section(10, {"process": 0.5}, _measured(ansible=True), whole=True)
    values = _values(section)
    assert values["nothing costs, ansible-playbook against cold", "times"] == 24 / 2
    assert values["nothing costs, the same, each apart from its own start", "times"] == (24 - 3) / 1
    assert values["stated costs, ansible-playbook apart from its start against warm", "times"] == (24 - 3) / 0.1
    assert values["nothing costs, CPU: ansible-playbook against cold", "times"] == 12 / 0.5
    assert values["ansible-playbook: to the host", "KiB"] == 2
    assert {row.met for row in section.rows if row.goal} == {True}
    assert section.notes[0] == "stated costs: process 0.5 s (a PowerShell 7 on Linux)"
    small = wiresections.reads_section(10, {}, _measured(ansible=True), whole=False)
    assert not [row for row in small.rows if row.goal]


def test_where_ansible_is_not_installed_the_rest_is_measured_and_said_how_to_get_it() -> None:
    section = wiresections.reads_section(10, {"process": 0.5}, _measured(ansible=False), whole=True)
    assert not [row for row in section.rows if "ansible" in row.name]
    assert _values(section)["nothing costs, cold: wall", "s"] == 2
    assert lines(section)[-2].strip().endswith("`make interop` installs it")


def test_a_sweep_is_told_a_host() -> None:
    found = {f"{name} {what}": 4.0 for name in ("cold", "warm") for what in ("wall", "cpu", "endpoint", "memory", "requests")}
    values = _values(wiresections.sweep_section(200, found))
    assert values["in kept sessions: CPU of the controller", "ms a host"] == 20
    assert values["first contact: memory of the controller, more than before", "KiB a host"] == 0.02
    assert values["first contact: wall", "s"] == 4


AZURE = {"import path": 0.05, "import identity": 0.05, "requests": 402.0, "extensions": 800.0, "wall": 1.3, "cpu": 0.7, "memory": 2.5, "round trip": 0.05}


def test_what_azure_takes_is_held_against_azure_mgmt_compute_where_it_is_installed() -> None:
    beside = AZURE | {"import path compute": 0.2, "import libraries": 0.1, "import libraries compute": 0.2}
    values = _values(azuresections.imports_section(beside))
    assert values["all that Azure takes, azure.mgmt.compute being 1", "times"] == 0.25
    assert lines(azuresections.imports_section(AZURE))[-2].strip().endswith("`make interop` installs it")
    assert [row.met for row in azuresections.plan_section(200, AZURE | {"requests": 403}).rows if row.goal] == [False]
    assert not [row for row in azuresections.plan_section(5, AZURE).rows if row.goal]


def test_vms_that_are_as_declared_are_planned_in_two_requests_each() -> None:
    found = anyio.run(planned, 3)
    assert (found["requests"], found["extensions"]) == (2 * 3 + 2, 4 * 3)
    assert found["wall"] >= 2 * found["round trip"]
