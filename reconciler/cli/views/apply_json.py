"""A run as JSON: the report of every host, and the plan it walked."""

from __future__ import annotations

from typing import Any

from reconciler.core.plan import Plan
from reconciler.engine.events import HostReport, RunReport
from reconciler.engine.planjson import plan_json


def run_json(report: RunReport, plan: Plan, code: int | None = None) -> dict[str, Any]:
    """`code` overrides the report's own exit code, where nothing was run."""
    shown = plan_json(plan)
    sums = {name: sum(len(getattr(host, name)) for host in report.hosts) for name in ("done", "recorded", "failed", "blocked", "left", "running")}
    return {
        "format": "reconcile/run/1",
        "exitCode": report.exit_code if code is None else code,
        "run": report.run,
        "summary": sums | {"unseen": sum(1 for h in report.hosts if h.unseen), "reboots": sum(h.reboots for h in report.hosts), "seconds": report.seconds},
        "hosts": [_host(host) for host in report.hosts],
        "steps": shown["steps"],
        "diagnostics": [dict(d.to_json()) for host in report.hosts for d in host.diagnostics],
        "plan": shown,
    }


def _host(host: HostReport) -> dict[str, Any]:
    out: dict[str, Any] = {"name": host.host, "converged": host.converged}
    for name in ("done", "recorded", "failed", "blocked", "left"):
        out[name] = [str(id) for id in getattr(host, name)]
    out |= {"running": dict(sorted(host.running.items())), "reboots": host.reboots, "unreachableSeconds": host.unreachable, "rounds": host.rounds}
    return out | {"unseen": host.unseen, "stale": list(host.stale), "stopped": host.stopped}
