"""The last line of a plan: the command to type next, whole, with the options of this call."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.cli.hints import Said
from reconciler.cli.views.step_text import offered
from reconciler.cli.views.unseen import NOT_EMULATED, next_look
from reconciler.cli.views.words import rule_page
from reconciler.core.plan import Plan, Sight, Step

FIRST = {  # where what blocks a step brings no advice of its own
    "POL001": "declare driftPolicy: correct, or put it back by hand",
    "PLN011": "declare what is there, or make it anew by hand",
    "PLN012": "leave out --exclude to have it done",
    "PLN031": "name what our record holds: what reconcile apply made there",
    "PLN032": "use the version that made it, or take it away by hand",
    "PLN034": "let what it needs be made",
}


def next_lines(plan: Plan, said: Said, saved: str = "") -> Iterable[tuple[str, str]]:
    """Commands with a remark each, at most two; none when nothing is left to do."""
    blocked = next((step for step in plan.steps() if step.blocked and not step.blocked.by), None)
    runs = any(step.runs for step in plan.steps()) or any(not b.blocked for host in plan.hosts for b in host.barriers)
    if runs:
        yield _apply(plan, said, saved, blocked)
    elif blocked:
        yield blocked_next(blocked, said)
    elif barrier := next((b for host in plan.hosts for b in host.barriers if b.blocked), None):
        yield f"Next: {said.completed(barrier.blocked.next if barrier.blocked else '', 'plan')}", ""
    elif plan.summary.deferred and not plan.summary.unseen:
        yield f"Next, once nothing holds it back any more: {said.again('plan')}", ""
    if not runs:
        yield from _unseen(plan, said)


def blocked_next(step: Step, said: Said) -> tuple[str, str]:
    """What to type about a step that may not run, and what has to be mended before. Leave is given to a plan, to be read first."""
    assert step.blocked is not None
    code, next = step.blocked.code, offered(step)
    if next.startswith("--"):
        return f"Next: {said.completed(next, 'plan')}", ""
    if next.startswith("reconcile "):
        return f"Next: {said.completed(next)}", ""
    first = "; ".join(filter(None, (next or FIRST.get(code, ""), rule_page(code) and f"more in {rule_page(code)}")))
    return f"Next: {said.again('plan')}", f"(first: {first or 'mend what blocks it'})"


def _apply(plan: Plan, said: Said, saved: str, blocked: Step | None) -> tuple[str, str]:
    if saved:
        return f"Next: {said.command('apply', saved)}", ""
    rest = "(what is blocked stays as it is)" if blocked else _keep(said)
    return f"Next: {said.again('apply')}", rest


def _keep(said: Said) -> str:
    name = said.targets[0].partition("/")[0] if len(said.targets) == 1 else "all" if not said.targets else "these"
    text = said.again("plan", "--out", f"{name}.plan")
    return f"(to keep this very plan: {text})"


def _unseen(plan: Plan, said: Said) -> Iterable[tuple[str, str]]:
    dark = [host for host in plan.hosts if host.sight is not Sight.SEEN]
    hosts = [host.name for host in dark]
    if dark and all(host.code == NOT_EMULATED for host in dark):
        yield f"Next: {next_look(dark[0], said)}", ""
    elif hosts:
        shown = hosts if len(hosts) <= 4 else []
        yield f"Next, once {'it answers' if len(hosts) == 1 else 'they answer'}: {said.about(*shown).again('plan')}", ""
