"""The bench in its quick form: the figures that are promised exist, and planning grows with the fleet, no faster."""

from __future__ import annotations

from scripts import bench
from scripts.measuring.fleet import RESOURCES

GENEROUS = 25  # for ten times the hosts; the goal of 11 is for large fleets on a quiet machine
QUICK = bench.QUICK


def _values(section: bench.Section) -> dict[tuple[str, str], float]:
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
    section = bench.Section("plan", (bench.Row("together", 21.5, "s", "under 20", met=False),))
    assert [line.split() for line in bench.lines(section)] == [["plan"], ["together", "21.5", "s", "goal:", "under", "20,", "NOT", "MET"], []]
