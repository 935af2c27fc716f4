"""What a doctor found, host by host: state, check, what was seen; below it what to do. Text and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.cli.hints import Said
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import count, one_line
from reconciler.core.checkup import Checkup, Finding, State

STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red", State.LEFT: "dim"}
NAME, TEXT = 7, 19
MANY = 3  # hosts that are shown line by line


def doctor_code(checkups: Sequence[Checkup]) -> int:
    """1 where anything failed; a warning is no failure."""
    return 1 if any(checkup.count(State.FAIL) for checkup in checkups) else 0


def doctor_page(page: Page, checkups: Sequence[Checkup], said: Said, *, quiet: bool = False, verbose: bool = False) -> None:
    """Of many hosts only what is wrong is shown, and who is well in one line each, unless everything was asked for."""
    brief = quiet or (len(checkups) > MANY and not verbose)
    for checkup in checkups:
        told = [finding for finding in checkup.findings if not brief or finding.state in (State.WARN, State.FAIL)]
        where = checkup.where if checkup.where.startswith(checkup.host) else f"{checkup.host}: {checkup.where}"
        if not told:
            if not quiet:
                page.say(f"{where}: all well")
            continue
        page.blank()
        page.say(where, "bold")
        for finding in told:
            _row(page, finding, said)
    page.say(_closing(checkups, brief=brief and not quiet), "bold")


def _row(page: Page, finding: Finding, said: Said) -> None:
    style = STYLES[finding.state]
    code = f" [{finding.code}]" if finding.code and finding.state is not State.OK else ""
    page.row(At(1, finding.state.value, style), At(NAME, finding.name), At(TEXT, f"{one_line(finding.text)}{code}"))
    if finding.help:
        page.row(At(TEXT, f"→ {said.inside(one_line(finding.help))}"))


def _closing(checkups: Sequence[Checkup], *, brief: bool) -> str:
    failed, warned = (sum(checkup.count(state) for checkup in checkups) for state in (State.FAIL, State.WARN))
    hosts = f"{count(len(checkups), 'host')}: " if len(checkups) > 1 else ""
    if not failed and not warned:
        return f"{hosts}all well. Nothing was changed."
    return f"{hosts}{failed} failed, {count(warned, 'warning')}. Nothing was changed.{' Every line: -v' if brief else ''}"


def doctor_json(checkups: Sequence[Checkup], code: int) -> dict[str, Any]:
    return {
        "format": "reconcile/doctor/1",
        "exitCode": code,
        "summary": {state.name.lower(): sum(checkup.count(state) for checkup in checkups) for state in State},
        "hosts": [{"name": each.host, "where": each.where, "findings": [dict(found.to_json()) for found in each.findings]} for each in checkups],
    }
