"""What the loop says, one line an event: when, where, what; and, after an arrow, what a person can do."""

from __future__ import annotations

from reconciler.cli.hints import Said
from reconciler.cli.views.step_text import change_text
from reconciler.cli.views.words import count, one_line, span_seconds, stamp, took
from reconciler.core.plan import Verb
from reconciler.operator.events import Watched, WatchEvent

STYLE = {
    Watched.CORRECTING: "yellow",
    Watched.CORRECTED: "green",
    Watched.READY: "green",
    Watched.SEEN: "green",
    Watched.CALM: "green",
    Watched.UNSEEN: "cyan",
    Watched.WAITING: "cyan",
    Watched.FAILED: "bold red",
    Watched.FLAPPING: "bold red",
    Watched.STALLED: "bold red",
    Watched.DEFECT: "bold red",
    Watched.REFUSED: "bold red",
    Watched.DRIFTED: "yellow",
    Watched.PENDING: "yellow",
    Watched.BLOCKED: "magenta",
    Watched.HELD: "magenta",
}
WORDS = {Watched.CORRECTING: "started", Watched.CORRECTED: "corrected", Watched.READY: "as declared again", Watched.REBOOTED: "rebooted, not by us"}


def watch_line(event: WatchEvent, said: Said, *, short: bool) -> str:
    """`short`: the time of day alone, for a terminal; else the whole moment, for a log."""
    when = f"{event.at:%H:%M:%S}" if short else stamp(event.at)
    text = _sweep(event) if event.sweep else _fleet(event) if not event.host else _host(event)
    next = f"  → {said.completed(event.next)}" if event.next else ""
    return f"{when} {text}{next}"


def style(event: WatchEvent) -> str:
    return STYLE.get(event.what, "dim" if event.sweep and not event.sweep.new else "")


def _sweep(event: WatchEvent) -> str:
    counts = event.sweep
    assert counts is not None
    late = f", {counts.under_way} still under way" if counts.under_way else ""
    return f"sweep {count(counts.hosts, 'host')} in {took(event.seconds or 0)}: {counts.ready} ready, {counts.not_ready} not, {counts.new} new{late}"


def _fleet(event: WatchEvent) -> str:
    seconds = f" in {took(event.seconds)}" if event.seconds is not None and event.what is Watched.STOPPED else ""
    every = f", every {took(event.seconds)}" if event.seconds is not None and event.what is Watched.STARTED else ""
    more = f" and {event.more} more" if event.more else ""
    first = f": {event.diagnostics[0].position or ''} {event.diagnostics[0].code} {event.diagnostics[0].message};" if event.diagnostics else ""
    text = f" {event.text}{more}" if event.text else ""
    return one_line(f"{event.what.value}{first}{text}{seconds}{every}")


def _host(event: WatchEvent) -> str:
    what = " ".join(filter(None, (event.verb.value if event.verb else "", event.id.local if event.id else "")))
    shown = () if event.verb in (Verb.CREATE, Verb.DELETE) else event.changes
    changes = ", ".join(f"{change.path} {change_text(change)}".strip() for change in shown[:3])
    rest = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    run = f" ({event.run})" if event.run else ""
    code = f" [{event.code}]" if event.code else ""
    words = WORDS.get(event.what, event.what.value)
    text = f": {event.text}" if event.text else ""
    return one_line(" ".join(filter(None, (event.host, what, changes + rest, words))) + f"{run}{_seconds(event)}{code}{text}{_more(event)}")


def _seconds(event: WatchEvent) -> str:
    if event.usual and event.what is Watched.CORRECTING:
        return f", usual {span_seconds(event.usual)}"
    if event.seconds is None:
        return ""
    return f", next look in {took(event.seconds)}" if event.what is Watched.UNSEEN else f" {took(event.seconds)}"


def _more(event: WatchEvent) -> str:
    return f" ({count(event.more, 'more resource')} {'waits' if event.more == 1 else 'wait'} for it)" if event.more else ""
