"""Drift: the steps whose cause is the world (as declared and as recorded are one, the host is another)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.cli.hints import Said
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.plan_text import looked_text, specs_text, unended
from reconciler.cli.views.step_text import STYLE, change_text, shown_changes
from reconciler.cli.views.unseen import sign
from reconciler.cli.views.words import count, one_line
from reconciler.core.changes import Cause, Change
from reconciler.core.kinds import Disruption
from reconciler.core.plan import HostPlan, Plan, Sight, Step, Verb
from reconciler.engine.planjson import plan_json

DETECTED = "POL001"


@dataclass(frozen=True, slots=True)
class DriftView:
    said: Said


def drifted(step: Step) -> tuple[Change, ...]:
    """The differences of a step that the world made."""
    return tuple(change for change in step.changes if change.cause is Cause.DRIFT)


def _found(host: HostPlan) -> list[Step]:
    return [step for step in host.steps if drifted(step)]


def others(plan: Plan) -> int:
    """How many steps Git asks for besides."""
    return sum(1 for step in plan.steps() if step.verb.acts and not drifted(step))


def drift_code(plan: Plan) -> int:
    """1 error, 5 not all seen, 2 drift, 0 none. What Git asks for does not count here."""
    if plan.exit_code == 1:
        return 1
    if any(host.sight is not Sight.SEEN for host in plan.hosts) or any(step.verb is Verb.UNSEEN for step in plan.steps()):
        return 5
    return 2 if any(_found(host) for host in plan.hosts) else 0


def drift_page(page: Page, plan: Plan, view: DriftView) -> None:
    page.say(f"{specs_text(plan.specs)} · {looked_text(plan)}", "dim")
    unended(page, plan)
    for host in plan.hosts:
        if found := _found(host):
            page.blank()
            page.say(host.name, "bold")
            for step in found:
                _step(page, step)
    _not_seen(page, plan)
    _closing(page, plan, view.said)


def _step(page: Page, step: Step) -> None:
    """The symbol is the verb that mends it."""
    symbol = step.verb.value
    gone = step.verb is Verb.CREATE
    shown = shown_changes(replace(step, changes=drifted(step)))
    rows = [("half made" if step.why else "gone", "")] if gone else [(change.path, change_text(_seen(change))) for change in shown]
    for position, (path, text) in enumerate(rows):
        first = () if position else (At(1, symbol, STYLE.get(symbol, "")), At(2 + len(symbol), step.id.local, "bold"))
        page.row(*first, At(28, one_line(path)), At(28 + max(14, len(path) + 2), text))
    for word, text in _remarks(step):
        page.row(At(5, word, "dim"), At(15, one_line(text)))


def _seen(change: Change) -> Change:
    """Drift reads from what is declared to what is there."""
    return replace(change, before=change.after, after=change.before)


def _remarks(step: Step) -> Iterable[tuple[str, str]]:
    if step.verb is Verb.CREATE and step.why:
        yield "why", step.why
    if step.blocked and step.blocked.code == DETECTED:
        yield "loop", "shows it only (driftPolicy: detect)"
    elif step.blocked:
        yield "blocked", f"{step.blocked.code}: {step.blocked.message}"
    elif step.disruption is Disruption.NONE and not step.loses:
        yield "loop", "corrects it at its next look (disruption none)"
    else:
        yield "loop", f"leaves it to a person (disruption {step.disruption})"
    for loss in step.loses:
        yield "lost", loss


def _not_seen(page: Page, plan: Plan) -> None:
    hosts = [host for host in plan.hosts if host.sight is not Sight.SEEN]
    unseen = [(step.id, step.why) for step in plan.steps() if step.verb is Verb.UNSEEN]
    if hosts or unseen:
        page.blank()
    for host in hosts:
        symbol, style = sign(host)
        page.say(f"{symbol} not seen: {host.name}: {one_line(f'{host.code} {host.why}'.strip())}", style, hang=4)
    for id, why in unseen:
        page.say(f"? not seen: {id}: {one_line(why)}", "cyan", hang=4)


def _closing(page: Page, plan: Plan, said: Said) -> None:
    steps = [step for host in plan.hosts for step in _found(host)]
    hosts = {step.id.host for step in steps}
    besides = others(plan)
    page.blank()
    found = f"{count(len(steps), 'resource')} on {count(len(hosts), 'host')}" if steps else "none"
    asked = f" Besides, Git asks for {count(besides, 'change')}: {said.again('plan')}" if besides else ""
    page.say(f"Drift: {found}{_dark(plan, bool(steps))}.{asked}", "bold")
    mendable = [step for step in steps if not step.blocked]
    if mendable:
        words = [str(step.id) for step in mendable[:3]] if besides or len(mendable) <= 2 else []
        page.exact((f"Next: {said.about(*words).again('apply')}", "bold cyan"))
    elif unseen := [host.name for host in plan.hosts if host.sight is not Sight.SEEN]:
        again = replace(said, bounds=()).about(*(unseen if len(unseen) <= 4 else [])).again("drift")
        page.exact((f"Next, once {'it answers' if len(unseen) == 1 else 'they answer'}: {again}", "bold cyan"))


def _dark(plan: Plan, any_drift: bool) -> str:
    """What the number cannot speak of."""
    hosts = sum(1 for host in plan.hosts if host.sight is not Sight.SEEN)
    steps = sum(1 for step in plan.steps() if step.verb is Verb.UNSEEN)
    dark = [text for number, text in ((hosts, count(hosts, "host")), (steps, count(steps, "resource"))) if number]
    return f"{'' if any_drift else ' seen'}; {' and '.join(dark)} not seen" if dark else ""


def drift_json(plan: Plan, code: int) -> dict[str, Any]:
    """The plan's own shape, with the steps that are drift alone."""
    shown = plan_json(plan)
    ids = {str(step.id) for host in plan.hosts for step in _found(host)}
    steps = [step | {"changes": [c for c in step["changes"] if c["cause"] == Cause.DRIFT.value]} for step in shown["steps"] if step["id"] in ids]
    summary = {"resources": len(ids), "hosts": len({id.partition("/")[0] for id in ids}), "besides": others(plan)}
    hosts = [{name: host[name] for name in ("name", "sight", "seen", "code", "why") if name in host} for host in shown["hosts"]]
    return {"format": "reconcile/drift/1", "exitCode": code, "summary": summary, "hosts": hosts, "steps": steps, "diagnostics": shown["diagnostics"]}
