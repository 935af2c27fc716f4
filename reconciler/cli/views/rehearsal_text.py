"""What a rehearsal proved: how the plan ran on the twin, what the second plan left, and what was taken for granted."""

from __future__ import annotations

from typing import Any

from reconciler.cli.views.apply_text import host_line
from reconciler.cli.views.frames import Lines, frames
from reconciler.cli.views.page import Page
from reconciler.cli.views.words import clock, count, one_line
from reconciler.engine.rehearse import Rehearsal


def rehearsal_page(page: Page, rehearsal: Rehearsal, lines: Lines) -> None:
    report = rehearsal.report
    done = sum(len(host.done) for host in report.hosts)
    reboots = sum(host.reboots for host in report.hosts)
    page.blank()
    if rehearsal.ok:
        through = f", {count(reboots, 'reboot')}" if reboots else ""
        page.say(f"Rehearsed on a twin: {count(done, 'step')} done{through} in {clock(report.seconds)} there; planned again: nothing left to do.", "bold green")
    else:
        page.say("Rehearsed on a twin, and it did not end as declared: do not apply this plan before it is understood.", "bold red", hang=4)
        frames(page, (d for host in report.hosts for d in host.diagnostics), lines)
        for host in report.hosts:
            if not host.converged:
                page.say(f"{host.host}: {host_line(host)}", indent=2, hang=4)
        for step in rehearsal.left:
            page.say(f"left: {step.symbol} {step.id}", indent=2)
    for assumed in rehearsal.assumptions:
        page.say(f"taken for granted: {one_line(assumed)}", "dim", hang=4)


def rehearsal_json(rehearsal: Rehearsal) -> dict[str, Any]:
    report = rehearsal.report
    return {
        "ok": rehearsal.ok,
        "seconds": round(report.seconds, 1),
        "done": [str(id) for host in report.hosts for id in host.done],
        "failed": [str(id) for host in report.hosts for id in host.failed],
        "left": [str(step.id) for step in rehearsal.left],
        "assumptions": list(rehearsal.assumptions),
        "diagnostics": [dict(d.to_json()) for host in report.hosts for d in host.diagnostics],
    }
