"""A plan as a page: what would happen on which hosts, what it disturbs, how long it takes, and the command to type next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.cli.hints import Said
from reconciler.cli.views.fold import Alike, Group, Sorted, shown_steps, sort_hosts, steps_alike
from reconciler.cli.views.frames import Lines, frames
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.plan_next import next_lines
from reconciler.cli.views.step_text import STYLE, barrier_row, heading, record_only, step_rows
from reconciler.cli.views.unseen import unseen_frame, unseen_row
from reconciler.cli.views.words import count, extent, names, numbers, one_line, span, times, took
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption
from reconciler.core.observations import Facts
from reconciler.core.plan import Barrier, HostPlan, Plan, SpecsInfo, Step, Summary, Verb
from reconciler.engine.decide import UNENDED
from reconciler.engine.planjson import run_duration


@dataclass(frozen=True, slots=True)
class PlanView:
    """What shapes the page beside the plan. `looked`: the sentence on how hosts were looked at; `saved`: the file it was kept in."""

    said: Said
    lines: Lines
    warnings: bool = False
    looked: str = ""
    saved: str = ""
    declared: dict[str, int] = field(default_factory=dict)  # host → number of its resources
    next: bool = True  # whether to end with the command to type next
    brief: bool = False  # the last lines alone


def plan_page(page: Page, plan: Plan, view: PlanView) -> None:
    if not view.brief:
        _whole(page, plan, view)
    page.say(f"Plan: {summary_text(plan)}", "bold", hang=6)
    if view.next:
        next_rows(page, plan, view)


def _whole(page: Page, plan: Plan, view: PlanView) -> None:
    found = sort_hosts(plan.hosts)
    page.say(f"{specs_text(plan.specs)} · {view.looked or looked_text(plan)}", "dim")
    unended(page, plan)
    for group in found.groups:
        if not _brief(group, found):
            page.blank()
            group_page(page, group)
    _not_alike(page, found)
    _unseen(page, found, view)
    _quiet(page, found)
    _notes(page, plan)
    frames(page, _told(plan, view), view.lines)
    page.blank()
    for sentence in _sentences(plan, view):
        page.say(sentence)
    page.blank()


def unended(page: Page, plan: Plan) -> None:
    """Runs that did not end, said before anything else."""
    for found in (d for d in diagnostics(plan) if d.code == UNENDED):
        page.say(one_line(found.message), "yellow", hang=4)


def specs_text(specs: SpecsInfo) -> str:
    path = specs.path if specs.path.endswith(("/", ".yaml", ".yml", ".plan")) else f"{specs.path}/"
    if not specs.commit:
        return f"{path} (no Git commit)"
    state = ", ".join(filter(None, (specs.branch, "clean" if specs.clean else "with changes not committed")))
    return f"{path} at {specs.commit[:7]} ({state})"


def looked_text(plan: Plan) -> str:
    unseen = sum(1 for host in plan.hosts if host.seen is None)
    looked = count(len(plan.hosts), "host") if not unseen else f"{len(plan.hosts) - unseen:,} of {count(len(plan.hosts), 'host')}"
    return f"{looked} looked at in {took(plan.seconds)}"


def _brief(group: Group, found: Sorted) -> bool:
    """Beside folded groups, a host of which nothing runs is one line under `not alike`."""
    return found.any_folded and not group.folded and not any(step.runs for step in group.first.steps)


def group_page(page: Page, group: Group) -> None:
    """One host, or hosts that are alike, with all steps."""
    if group.folded:
        named = extent([host.name for host in group.hosts])
        heading(page, f"{named}: {len(group.hosts):,} hosts alike", last="for each")
    else:
        _heading(page, group.first)
    _steps(page, group.first, steps_alike(group) if group.folded else [])


def _heading(page: Page, host: HostPlan) -> None:
    told = _about(host.facts) if host.facts else []
    text = " · ".join([*told, *host.lines])
    page.row(At(0, host.name, "bold"), At(max(10, len(host.name) + 2), one_line(text)))
    heading(page, "")


def _about(facts: Facts) -> list[str]:
    """What runs there, and what Azure says of it; a VM that is stopped says little."""
    system = facts.caption.removeprefix("Microsoft ")
    told = [f"{system} ({facts.build})" if facts.build else system]
    if facts.azure is not None:
        kind = f"scale set of {facts.azure.instances}" if facts.azure.scale_set else "azure-vm"
        told += [f"{kind} {facts.azure.size}", *(["keeps no record"] if facts.azure.scale_set else [facts.azure.power] if facts.azure.stopped else [])]
    return [text for text in told if text]


def _steps(page: Page, host: HostPlan, alike: Sequence[Alike]) -> None:
    """Steps in their order, each restart where its level ends. `alike`: each step of all hosts that this one stands for."""
    number = {step.id: position + 1 if alike else step.n for position, step in enumerate(s for s in host.steps if s.n)}
    waiting = list(host.barriers)
    for position, step in enumerate(shown_steps(host)):
        while waiting and step.n and step.level > waiting[0].level:
            _barrier(page, waiting.pop(0), host, number)
        step_rows(page, step, number.get(step.id, 0), alike[position] if alike else ())
    for barrier in waiting:
        _barrier(page, barrier, host, number)


def _barrier(page: Page, barrier: Barrier, host: HostPlan, number: Mapping[ResourceId, int]) -> None:
    because = [number[id] for id in barrier.because if number.get(id)]
    which = f"{numbers(because)} {'needs' if len(because) == 1 else 'need'} it" if because else "pending on the host already"
    free = [b for b in host.barriers if not b.blocked]
    place = free.index(barrier) + 1 if barrier in free else 0
    barrier_row(page, barrier, which, "once" if len(free) < 2 else f"{place} of {len(free)}")


def _not_alike(page: Page, found: Sorted) -> None:
    if not found.any_folded:
        return
    odd = [group.first for group in found.groups if _brief(group, found)]
    if not odd and not found.unseen:
        return
    page.blank()
    page.say("not alike", "bold")
    for host in odd:
        for step in shown_steps(host):
            page.row(At(1, host.name), At(12, step.symbol, STYLE.get(step.symbol, "")), At(14, f"{step.id.local}  {why_text(step)}"))
    for host in found.unseen:
        unseen_row(page, host)


def why_text(step: Step) -> str:
    if step.blocked:
        return one_line(f"{step.blocked.code}: {step.blocked.message}")
    return one_line(step.why or step.verb.word)


def _unseen(page: Page, found: Sorted, view: PlanView) -> None:
    if found.any_folded:
        return
    for host in found.unseen:
        page.blank()
        unseen_frame(page, host, view.said, view.declared.get(host.name, 0))


def _quiet(page: Page, found: Sorted) -> None:
    if found.quiet:
        page.blank()
        page.say(f"as declared: {names([host.name for host in found.quiet])}", "green")


def _notes(page: Page, plan: Plan) -> None:
    """What is there and not ours, said once."""
    by_note: dict[str, list[str]] = {}
    for host in plan.hosts:
        for note in host.notes:
            by_note.setdefault(note, []).append(host.name)
    if by_note:
        page.blank()
    for note, hosts in by_note.items():
        page.say(f"not ours, left alone: {names(hosts, 3)}: {one_line(note)}", "dim", hang=4)


def _told(plan: Plan, view: PlanView) -> list[Diagnostic]:
    return [d for d in diagnostics(plan) if d.severity in (Severity.ERROR, Severity.BLOCKED) or view.warnings]


def diagnostics(plan: Plan) -> list[Diagnostic]:
    """Those of the fleet and of its hosts, each once."""
    return list(dict.fromkeys([*plan.diagnostics, *(d for host in plan.hosts for d in host.diagnostics)]))


def next_rows(page: Page, plan: Plan, view: PlanView) -> None:
    """The command to type next, its remark beside it where that fits."""
    for command, aside in next_lines(plan, view.said, view.saved):
        beside = aside if len(command) + len(aside) + 4 <= page.width else ""
        page.exact((command, "bold cyan"), (f"    {beside}" if beside else "", "dim"))
        if aside and not beside:
            page.exact((aside, "dim")) if "reconcile " in aside else page.say(aside, "dim", indent=6, hang=6)


def _sentences(plan: Plan, view: PlanView) -> Iterable[str]:
    yield from _outages(plan)
    whole = run_duration(plan)
    if whole[1]:
        yield f"{span(whole)} in all (built-in estimates: this fleet has no history yet)."
    yield from _resting(plan)
    if any(host.rules for host in plan.hosts):
        yield _rules(plan, view)


def _outages(plan: Plan) -> Iterable[str]:
    """How long each host is away, hosts with the same outage in one sentence."""
    found: dict[tuple[tuple[timedelta, timedelta], int], list[str]] = {}
    for host in plan.hosts:
        barriers = [b for b in host.barriers if not b.blocked]
        if barriers:
            found.setdefault((host.outage, len(barriers)), []).append(host.name)
    for (outage, often), hosts in found.items():
        subject = f"{names(hosts, 3)} {'is' if len(hosts) == 1 else 'are'}"
        yield f"{subject} unreachable for {span(outage)}, {times(often)}{'' if len(hosts) == 1 else ', each'}."


def _resting(plan: Plan) -> Iterable[str]:
    """Only said of a single host: of many it would be a list of numbers."""
    hosts = [host for host in plan.hosts if host.barriers]
    if len(hosts) != 1:
        return
    after = [step.n for step in hosts[0].steps if step.n and step.level > hosts[0].barriers[0].level]
    because = [step.n for step in hosts[0].steps if step.n and step.id in hosts[0].barriers[0].because]
    if after and because:
        rest, are = ("rests", "is") if len(after) == 1 else ("rest", "are")
        yield f"{numbers(after).capitalize()} {rest} on what {numbers(because)} will bring and {are} looked at again after the reboot."


def _rules(plan: Plan, view: PlanView) -> str:
    warnings = sum(1 for d in diagnostics(plan) if d.severity is Severity.WARNING)
    suspended = sum(host.suspended for host in plan.hosts)
    judged = [host.rules for host in plan.hosts if host.rules]
    text = f"{count(max(judged), 'rule')} checked" + (f" on {count(len(judged), 'host')}" if len(judged) > 1 else "")
    if warnings:
        text += f", {count(warnings, 'warning')}" + ("" if view.warnings else " (--warnings)")
    if suspended:
        text += f"; {suspended:,} {'waits' if suspended == 1 else 'wait'} for what cannot be seen yet"
    return f"{text}."


MAIN = (Verb.CREATE, Verb.UPDATE, Verb.REPLACE, Verb.DELETE)
RECORD = "record"
EXTRA: Sequence[tuple[str, str]] = (
    ("again", "to run again"),
    ("adopt", "to adopt"),
    (RECORD, "record only"),
    ("forget", "to forget"),
    ("wait", "to wait for"),
    ("deferred", "deferred"),
    ("blocked", "blocked"),
    ("unseen", "not seen"),
)


def summary_text(plan: Plan) -> str:
    """`8 to create, 0 to update, … · 1 reboot · worst disruption: reboot`."""
    summary = plan.summary
    if _nothing(summary):
        return f"nothing to do: {count(len(plan.hosts), 'host')} as declared"
    acting = sum(1 for host in plan.hosts if any(step.runs for step in host.steps))
    on = f" on {count(acting, 'host')}" if acting > 1 else ""
    main = [f"{getattr(summary, verb.word):,} to {verb.word}" for verb in MAIN if getattr(summary, verb.word) or acting == 1]
    noted = sum(1 for step in plan.steps() if record_only(step) and not step.blocked)
    counts = {name: getattr(summary, name, 0) for name, _ in EXTRA} | {"adopt": summary.adopt - noted, RECORD: noted}
    extra = [f"{counts[name]:,} {words}" for name, words in EXTRA if counts[name]]
    text = ", ".join(filter(None, (", ".join(main) + on if main else "", *extra)))
    text += f" · {count(summary.reboots, 'reboot')}" if summary.reboots else ""
    return text + (f" · worst disruption: {summary.worst}" if summary.worst > Disruption.NONE else "")


def _nothing(summary: Summary) -> bool:
    return not any(getattr(summary, name) for name in Summary.__dataclass_fields__ if name != "worst")
