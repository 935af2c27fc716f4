"""What every run of the tests begins with, the longest ones, and ends with: the figures that tests kept for the reader (`record_property("shares", ...)`)."""

from __future__ import annotations

from typing import Any

KEPT = ("shares",)
LONGEST = "tests/estates/"


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """A test of a minute that comes last leaves the other worker idle for it."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Properties travel from xdist's workers too; printing would not."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ())]
    said = [str(value) for report in reports for name, value in report.user_properties if name in KEPT]
    for line in said:
        terminalreporter.write_line(line)
