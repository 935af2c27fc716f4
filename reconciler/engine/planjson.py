"""A plan as JSON for machines: the shape that `--output json` prints and that a plan file begins with (docs/plan-schema.json).

Called by the command line's views and by `planfile`. It only spells: no decision is made here, and no secret is ever in it
(references stay references; what a record holds of a secret is left out).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from reconciler.core.calls import AnyCall, ArmCall, Call, LedgerCall, ProgramCall, Secret
from reconciler.core.canonical import plain
from reconciler.core.changes import Change
from reconciler.core.kinds import Action, Reboot
from reconciler.core.observations import Facts
from reconciler.core.plan import Barrier, Block, HostPlan, Plan, Step, Summary, Verb
from reconciler.core.resources import How, Source
from reconciler.core.snapshot import arm_json

FORMAT = "reconcile/plan/1"


def plan_json(plan: Plan) -> dict[str, Any]:
    """The whole plan. Steps that do nothing are named under their host only."""
    numbers = {step.id: step.n for step in plan.steps() if step.n}
    out: dict[str, Any] = {
        "format": FORMAT,
        "exitCode": plan.exit_code,
        "id": plan.id,
        "fleet": plan.fleet,
        "made": plain(plan.made),
        "specs": {"path": plan.specs.path, "commit": plan.specs.commit, "branch": plan.specs.branch, "clean": plan.specs.clean},
        "summary": summary_json(plan),
        "hosts": [_host(host) for host in plan.hosts],
        "steps": [_step(step, numbers) for step in plan.steps() if step.verb is not Verb.NOTHING],
        "diagnostics": [dict(d.to_json()) for d in dict.fromkeys([*plan.diagnostics, *(d for host in plan.hosts for d in host.diagnostics)])],
        "whole": plan.whole,
    }
    if plan.by:
        out["by"] = plan.by
    if plan.replace:
        out["replace"] = list(plan.replace)
    if plan.max_disruption is not None:
        out["maxDisruption"] = str(plan.max_disruption)
    return out


def summary_json(plan: Plan) -> dict[str, Any]:
    """Counts, the worst disruption, and the two estimates: `unreachableSeconds` of the worst host, `durationSeconds` of the run."""
    summary: Summary = plan.summary
    counts = {name: getattr(summary, name) for name in Summary.__dataclass_fields__ if name not in ("worst", "reboots")}
    return counts | {
        "reboots": summary.reboots,
        "worstDisruption": str(summary.worst),
        "unreachableSeconds": seconds(longest([host.outage for host in plan.hosts])),
        "durationSeconds": seconds(run_duration(plan)),
    }


def host_duration(host: HostPlan) -> tuple[timedelta, timedelta]:
    """How long one host takes: its steps one after the other, and its restarts."""
    spans = [step.usual for step in host.steps if step.runs] + [host.outage]
    return sum((low for low, _ in spans), timedelta()), sum((high for _, high in spans), timedelta())


def run_duration(plan: Plan, at_once: int = 32) -> tuple[timedelta, timedelta]:
    """How long the run takes with `at_once` hosts side by side: as long as its longest host, or all work over that many."""
    spans = [host_duration(host) for host in plan.hosts]
    low, high = longest(spans)
    return max(low, sum((s[0] for s in spans), timedelta()) / at_once), max(high, sum((s[1] for s in spans), timedelta()) / at_once)


def longest(spans: list[tuple[timedelta, timedelta]]) -> tuple[timedelta, timedelta]:
    """Of spans that run side by side: the longest low and the longest high."""
    return max((low for low, _ in spans), default=timedelta()), max((high for _, high in spans), default=timedelta())


def seconds(span: tuple[timedelta, timedelta]) -> list[int]:
    return [round(span[0].total_seconds()), round(span[1].total_seconds())]


def _host(host: HostPlan) -> dict[str, Any]:
    out: dict[str, Any] = {"name": host.name, "sight": host.sight.value, "steps": [step.n for step in host.steps if step.verb is not Verb.NOTHING and step.n]}
    if host.why:
        out |= {"code": host.code, "why": host.why}
    if host.seen:
        out["seen"] = plain(host.seen)
    if host.facts:
        out["facts"] = _facts(host.facts)
    if host.barriers:
        out["reboots"] = [_barrier(barrier) for barrier in host.barriers]
    if same := [step.id.local for step in host.steps if step.verb is Verb.NOTHING]:
        out["asDeclared"] = same
    if host.notes:
        out["notes"] = list(host.notes)
    return out | {"rules": host.rules, "rulesSuspended": host.suspended}


def _facts(facts: Facts) -> dict[str, Any]:
    return {
        "computerName": facts.computer_name,
        "caption": facts.caption,
        "version": facts.version,
        "build": facts.build,
        "client": facts.is_client,
        "language": facts.language,
        "boot": facts.boot,
    }


def _barrier(barrier: Barrier) -> dict[str, Any]:
    out: dict[str, Any] = {"afterLevel": barrier.level, "because": [str(id) for id in barrier.because], "durationSeconds": seconds(barrier.usual)}
    return out | ({"blocked": _block(barrier.blocked)} if barrier.blocked else {})


def _step(step: Step, numbers: Mapping[Any, int]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "n": step.n,
        "id": str(step.id),
        "verb": step.verb.word,
        "level": step.level,
        "needs": sorted(numbers[need] for need in step.needs if need in numbers),
        "disruption": str(step.disruption),
        "destructive": bool(step.loses),
        "durationSeconds": seconds(step.usual),
        "changes": [_change(change, step.sources.get(change.path) or step.sources.get(change.field)) for change in step.changes],
        "actions": [_action(action) for action in step.actions],
        "calls": [_call(call) for action in step.actions for call in action.calls],
    }
    if step.loses:
        out["loses"] = list(step.loses)
    if step.blocked:
        out["blocked"] = _block(step.blocked)
    if step.why:
        out["why"] = step.why
    if step.code:
        out["code"] = step.code
    if step.unverified:
        out["unverified"] = dict(sorted(step.unverified.items()))
    if step.pending_restart:
        out["pendingRestart"] = step.pending_restart
    marks = {"foreign": step.foreign, "repair": step.repair}
    return out | {name: True for name, holds in marks.items() if holds}


def _change(change: Change, source: Source | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "path": change.path,
        "before": _side(change.before, change.secret),
        "after": _side(change.after, change.secret),
        "cause": change.cause.value,
    }
    marks = {"immutable": change.immutable, "secret": change.secret, "again": change.again}
    out |= {name: True for name, holds in marks.items() if holds}
    return out | ({"source": _source(source)} if source else {})


def _side(value: Any, secret: bool) -> Any:
    if secret and value is not None and not isinstance(value, Secret):
        return {"$secret": None}
    return plain(value)


def _source(source: Source) -> dict[str, Any]:
    out: dict[str, Any] = {"how": source.how.value}
    if source.how is not How.WRITTEN and source.origin:
        out["from"] = source.origin
    if source.position:
        out |= {"file": source.position.file, "line": source.position.line, "column": source.position.column}
    return out


def _action(action: Action) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": action.name,
        "summary": action.summary,
        "disruption": str(action.disruption),
        "durationSeconds": seconds(action.usual),
        "calls": len(action.calls),
    }
    if action.reboot is not Reboot.NEVER:
        out["reboot"] = action.reboot.value
    if action.long:
        out["long"] = True
    return out | ({"loses": [loss.text for loss in action.lost]} if action.loses else {})


def _call(call: AnyCall) -> dict[str, Any]:
    match call:
        case Call():
            return {"cmdlet": call.name, "parameters": plain(call.parameters)}
        case ProgramCall():
            return {"program": call.path, "arguments": plain(call.arguments)}
        case LedgerCall():
            return {"ledger": call.do, "entry": call.entry}
        case ArmCall():
            return arm_json(call)


def _block(block: Block) -> dict[str, Any]:
    out = {"code": block.code, "message": block.message}
    out |= {"next": block.next} if block.next else {}
    return out | ({"by": str(block.by)} if block.by else {})
