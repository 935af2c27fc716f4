"""A run in words: the question before it, a line an event, and how it ended. Drawn live by `views.live` on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from reconciler.cli.hints import Said
from reconciler.cli.views.frames import Lines, frames
from reconciler.cli.views.page import Page
from reconciler.cli.views.plan_next import blocked_next
from reconciler.cli.views.plan_text import specs_text
from reconciler.cli.views.words import clipped, clock, count, hour, moment, names, one_line, span, span_seconds, stamp, took
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.plan import HostPlan, Plan
from reconciler.engine.events import Event, Happening, HostReport, RunReport

SHOWN = {
    Happening.LEASED: "leased",
    Happening.WAITING: "waits",
    Happening.THROTTLED: "waits",
    Happening.STEP: "started",
    Happening.PROGRESS: "runs",
    Happening.JOINED: "joined job",
    Happening.DONE: "done",
    Happening.RECORDED: "recorded",
    Happening.FAILED: "failed",
    Happening.BLOCKED: "blocked",
    Happening.REBOOTING: "reboots",
    Happening.REBOOTED: "rebooted",
    Happening.RECONNECTED: "reconnected",
    Happening.ROUND: "another round",
    Happening.CONVERGED: "as declared",
    Happening.STALE: "stale",
    Happening.STOPPED: "stopped",
    Happening.UNSEEN: "not seen",
}
WIDTH = 100  # of a log's line; what is cut off one stands in the report, or is said with -v
REASONS = 6  # blocked steps of a host whose reason the end of a run repeats
STATUS = ("InProgress", "Creating", "Updating", "Deleting", "Succeeded", "Failed")  # Azure's, of an operation: the line says as much itself
FAILED = "PLN050"  # a failure of which no more is known than that it is one
MUTE = (Happening.LEASED, Happening.ACTION, Happening.REBOOTED)  # said with -v only, or said better by another


def question(plan: Plan) -> str:
    """`Apply 11 steps on 2 hosts, 2 reboots? Worst disruption: reboot. Type yes: `"""
    steps = sum(1 for step in plan.steps() if step.runs)
    hosts = sum(1 for host in plan.hosts if any(step.runs for step in host.steps) or any(not b.blocked for b in host.barriers))
    reboots = plan.summary.reboots
    after = f", {count(reboots, 'reboot')}" if reboots else ", no reboot"
    loses = " Data is lost, as the plan says." if any(step.loses and step.runs for step in plan.steps()) else ""
    return f"Apply {count(steps, 'step')} on {count(hosts, 'host')}{after}? Worst disruption: {plan.summary.worst}.{loses} Type yes: "


def asks(plan: Plan) -> bool:
    """Whether a person is asked: what writes our record alone is shown, never asked for."""
    return any(step.runs and not step.verb.records for step in plan.steps()) or plan.summary.reboots > 0


def event_line(event: Event, *, verbose: bool = False) -> str | None:
    """One line of a log, or None for what is not worth one there."""
    if event.what in MUTE and not verbose and event.what is not Happening.REBOOTED:
        return None
    subject = f" {event.id.local}" if event.id else ""
    words = SHOWN.get(event.what, event.what.value)
    line = one_line(f"{stamp(event.at)} {event.run} {event.host}{subject} {words}{_time(event)}{_text(event)}")
    return line if verbose else clipped(line, WIDTH)


def _time(event: Event) -> str:
    if event.seconds is None:
        return ""
    if event.what in (Happening.DONE, Happening.REBOOTED, Happening.FAILED):
        return f" in {took(event.seconds)}"
    return f" for {took(event.seconds)}" if event.what is Happening.PROGRESS else ""


def _text(event: Event) -> str:
    match event.what:
        case Happening.STEP:
            place = f" {event.index}/{event.of}" if event.of else ""
            return place + (f", usual {span_seconds(event.usual)}" if event.usual else "")
        case Happening.DONE:
            return f" {event.text}" if event.text else ""
        case Happening.REBOOTED | Happening.CONVERGED:
            return ""
        case Happening.ACTION:
            return f": {event.action}, {event.text}"
        case Happening.THROTTLED:
            return f" until {stamp(_until(event))[11:]} for {event.text}"
        case Happening.PROGRESS:
            last = last_line(event.text)
            return f" ({event.action})" + (f': "{last}"' if last and last not in STATUS else "")
        case Happening.FAILED:
            return _failure(event)
    return f": {event.text}" if event.text else ""


def _until(event: Event) -> datetime:
    return event.at + timedelta(seconds=event.seconds or 0)


def throttled(event: Event) -> str:
    """Until when which quota of Azure's is waited for, by the reader's clock."""
    return f"waits until {hour(_until(event))} for {event.text}"


def _failure(event: Event) -> str:
    """What it means, where the kind knows; else the words of the host or of Azure. The whole stands in the report."""
    found = event.diagnostic
    means = next((text for term, text in found.details if term == "means"), "") if found else ""
    if found and (means or found.code != FAILED):
        return f": {found.code}, {means or event.text}"
    return f": {event.text}" if event.text else ""


def last_line(text: str) -> str:
    """The last line that a host printed and that says something."""
    return one_line(next((line.strip() for line in reversed(text.split("\n")) if line.strip()), ""))


def host_line(report: HostReport, plan: HostPlan | None = None) -> str:
    """How one host came out: `8 of 8  as declared   1 reboot, unreachable 3:02`."""
    told = len(report.done) + len(report.failed) + len(report.blocked) + len(report.left) + len(report.running)
    wanted = max(told, sum(1 for step in plan.steps if step.runs and not step.verb.records) if plan else 0)
    parts = [*([f"{len(report.done)} of {wanted}"] if wanted else ["nothing to do"] if not report.unseen else []), _state(report)]
    if report.reboots:
        parts.append(f"{count(report.reboots, 'reboot')}, unreachable {clock(report.unreachable)}")
    if report.rounds > 1:
        parts.append(f"{report.rounds} rounds")
    return "  ".join(parts)


def _state(report: HostReport) -> str:
    for holds, text in (
        (report.unseen, f"not seen: {report.unseen}"),
        (report.stale, "stale: nothing more was done"),
        (report.failed, f"failed: {names([id.local for id in report.failed])}"),
        (report.stopped, "stopped" + (f", running on as {names(sorted(report.running.values()))}" if report.running else "")),
        (report.blocked, f"blocked: {names([id.local for id in report.blocked], 3)}"),
        (report.left, f"left: {names([id.local for id in report.left], 3)}"),
    ):
        if holds:
            return one_line(text)
    return "as declared"


def report_page(page: Page, report: RunReport, plan: Plan, said: Said, lines: Lines, saved: str = "") -> None:
    """Failures in full, then the last line of the run and what to type next. `saved`: the file that the plan came from."""
    by_host = {host.name: host for host in plan.hosts}
    frames(page, (_with_standing(d, h, by_host, said) for h in report.hosts for d in h.diagnostics), lines)
    for host in report.hosts:
        if host.stale:
            page.blank()
            _stale(page, host, plan, said, saved)
    page.blank()
    page.say(f"run {report.run}: {_counts(report)} in {took(report.seconds)}{_verdict(report, plan)}", "bold")
    for host in report.hosts:
        if not host.converged:
            page.say(f"{host.host}: {host_line(host, by_host.get(host.host))}", indent=2, hang=4)
            _reasons(page, host, by_host.get(host.host))
    for text, aside in _next(report, plan, said):
        page.exact((text, "bold cyan"))
        if aside:
            page.say(aside, "dim", indent=6, hang=6)


def _reasons(page: Page, report: HostReport, plan: HostPlan | None) -> None:
    """Why what the plan had blocked was: each reason once, without what only waits for it."""
    steps = [step for step in plan.steps if step.blocked and not step.blocked.by and step.id in report.blocked] if plan else []
    for step in steps[:REASONS]:
        block = step.blocked
        if block is not None:
            page.say(f"{step.id.local}: {block.code}: {one_line(block.message)}", "magenta", indent=4, hang=6)
    if len(steps) > REASONS:
        page.say(f"and {len(steps) - REASONS} more, as the plan says", indent=4)


def _with_standing(found: Diagnostic, host: HostReport, plans: Mapping[str, HostPlan], said: Said) -> Diagnostic:
    """What stands on that host, what the failure keeps from running, and the next command with this call's options."""
    if found.code.startswith("HST") or host.host not in plans:
        return found
    wanted = sum(1 for step in plans[host.host].steps if step.runs)
    more = [("stands", f"{len(host.done)} of {count(wanted, 'step')} of {host.host}. Nothing is rolled back.")]
    waiting = [str(id) for id in host.blocked if plans[host.host].step(id) is None or not _blocked_before(plans[host.host], id)]
    if waiting:
        more.append(("blocked", f"{names(waiting)}, which {'needs' if len(waiting) == 1 else 'need'} it"))
    last = [(word, said.inside(text)) for word, text in found.details if word == "next"]
    return replace(found, details=(*(pair for pair in found.details if pair[0] != "next"), *more, *last))


def _blocked_before(plan: HostPlan, id: object) -> bool:
    return any(step.id == id and step.blocked for step in plan.steps)


def _stale(page: Page, host: HostReport, plan: Plan, said: Said, saved: str) -> None:
    page.say(f"error[PLN003]: {host.host} is not as it was when this plan was made; nothing more was done there", "bold red", hang=4)
    if saved:
        steps = sum(1 for step in plan.steps() if step.runs)
        page.term("plan", f"{saved}, made {moment(plan.made)}{f' by {plan.by}' if plan.by else ''} from {specs_text(plan.specs)}, {count(steps, 'step')}")
    for moved in host.stale:
        page.term("moved", one_line(moved))
    again = said.bounded(plan).about(host.host).again("plan")
    page.term("next", f"{again}    (a new plan, for the host as it is)")


def _counts(report: RunReport) -> str:
    hosts = report.hosts
    done, failed = sum(len(h.done) for h in hosts), sum(len(h.failed) for h in hosts)
    parts = [f"{done} done", f"{failed} failed"]
    for number, word in (
        (sum(len(h.recorded) for h in hosts), "recorded"),
        (sum(len(h.blocked) for h in hosts), "blocked"),
        (sum(len(h.running) for h in hosts), "running on"),
        (sum(1 for h in hosts if h.unseen), "not seen"),
    ):
        if number:
            parts.append(f"{number} {word}")
    return ", ".join(parts)


def _verdict(report: RunReport, plan: Plan) -> str:
    if report.exit_code:
        return ""
    barriers = [b for host in plan.hosts for b in host.barriers if not b.blocked]
    away = max((host.unreachable for host in report.hosts), default=0.0)
    outage = f" (unreachable {clock(away)}; the plan said {span(barriers[0].usual)})" if len(barriers) == 1 and away else ""
    return f"{outage}. Looked again: nothing left to do."


def _next(report: RunReport, plan: Plan, said: Said) -> Iterable[tuple[str, str]]:
    running = {job: id for host in report.hosts for id, job in host.running.items()}
    if report.exit_code == 130:
        note = f"    (joins {names(sorted(running))})" if running else ""
        yield f"Next: {said.again(said.verb)}{note}", ""
    elif any(host.left for host in report.hosts) and report.exit_code == 2:
        yield f"Next: {said.again('plan')}", ""
    elif report.exit_code == 4:
        ended = {id for host in report.hosts for id in host.blocked}
        blocked = next((step for step in plan.steps() if step.id in ended and step.blocked and not step.blocked.by), None)
        yield blocked_next(blocked, said) if blocked else (f"Next: {said.again('plan')}", "")
    elif report.exit_code == 5:
        dark = [host.host for host in report.hosts if host.unseen]
        yield f"Next, once {'it answers' if len(dark) == 1 else 'they answer'}: {said.again(said.verb)}", ""


def stopping(running: Iterable[str]) -> str:
    """What Ctrl-C means now."""
    what = names(list(running), 3)
    return "no new step starts" + (f"; {what} goes on to its end, or as a job without us" if what != "none" else "") + ". Again: leave at once."


def left_at_once(page: Page, running: Iterable[str], said: Said) -> None:
    """After the second Ctrl-C: what nobody knows now."""
    unknown = list(running)
    page.say("left at once", "bold red")
    if unknown:
        page.term("unknown", f"whether these ended: {names(unknown)}. Their intent is recorded; the next command looks anew.")
    page.term("next", said.again(said.verb))
