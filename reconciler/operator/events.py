"""What the loop says, as values: one event is one line of a log. Made by `loop` and `cell`, rendered by the command line.

An event carries facts and words of hosts, rules and the engine (`text`); how a line looks is the view's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from reconciler.core.canonical import plain
from reconciler.core.changes import Change
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.ids import ResourceId
from reconciler.core.plan import Verb


class Watched(StrEnum):
    """What an event is about. The second group are conditions: said when they begin or change, not at every look."""

    STARTED = "started"
    SWEEP = "sweep"  # every host was looked at, or the next sweep is due; comes at least once an interval
    SPECS = "specs"  # another declaration is in force; what it changes is reported, never applied
    REFUSED = "refused"  # the specs do not load; the last good ones stay in force
    CORRECTING = "correcting"  # a step that puts drift back starts
    CORRECTED = "corrected"  # drift was put back, and seen to be so
    RECORDED = "recorded"  # only our own record was brought up to date
    REBOOTED = "rebooted"  # another boot than at the last look
    SEEN = "seen"  # seen again; `seconds`: how long it was not
    READY = "ready"  # as declared again, after a condition
    CALM = "calm"  # it flapped, and stayed as declared: corrected again from now on
    STOPPING = "stopping"
    STOPPED = "stopped"

    PENDING = "pending"  # the declaration asks for it; a person applies it
    DRIFTED = "drifted"  # drift that the loop may not correct
    BLOCKED = "blocked"  # may not run for whoever asks
    HELD = "held"  # hands off: a hold stands on the host
    UNSEEN = "unseen"  # a host or a resource that could not be looked at
    WAITING = "waiting"  # somebody's job runs, or another holds the lease
    FLAPPING = "flapping"  # put back again and again, gone again: no longer corrected
    STALLED = "stalled"  # correcting failed again and again: rests for a while
    FAILED = "failed"  # the host refused a correction, or did not show what was wanted
    STALE = "stale"  # the host moved between look and act: decided anew at the next look
    DEFECT = "defect"  # ours: an error inside the product while this host was looked at


@dataclass(frozen=True, slots=True)
class SweepCounts:
    """One sweep. `new`: not ready now and ready (or not known) before; `under_way`: not finished when the next was due.

    `last_finished` is the watchdog's value: when a sweep last ended, this one included; None while none ever has.
    """

    number: int
    hosts: int
    ready: int
    not_ready: int
    new: int
    under_way: int
    last_finished: datetime | None


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """`seconds`: how long it took (SWEEP, CORRECTED, SEEN, STOPPED), or until the next look (UNSEEN host, STARTED: the interval).

    `more`: how many further resources wait for this one. `next`: what a person can do, often a command.
    """

    at: datetime
    what: Watched
    host: str = ""
    id: ResourceId | None = None
    text: str = ""
    code: str = ""
    verb: Verb | None = None
    changes: tuple[Change, ...] = ()
    seconds: float | None = None
    usual: tuple[float, float] | None = None
    more: int = 0
    next: str = ""
    run: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    sweep: SweepCounts | None = None


Say: TypeAlias = Callable[[WatchEvent], None]


def watch_json(event: WatchEvent) -> dict[str, Any]:
    """One event for machines; what is empty is left out, secrets stay references."""
    out: dict[str, Any] = {"format": "reconcile/watch/1", "at": plain(event.at), "what": event.what.value}
    said = {
        "host": event.host,
        "id": str(event.id or ""),
        "verb": event.verb.word if event.verb else "",
        "text": event.text,
        "code": event.code,
        "changes": [_change(change) for change in event.changes],
        "seconds": event.seconds,
        "usualSeconds": [round(end) for end in event.usual or ()],
        "more": event.more,
        "next": event.next,
        "run": event.run,
        "diagnostics": [dict(each.to_json()) for each in event.diagnostics],
        "sweep": _sweep(event.sweep) if event.sweep else None,
    }
    return out | {name: value for name, value in said.items() if value not in ("", None, [], 0)}


def _change(change: Change) -> dict[str, Any]:
    out: dict[str, Any] = {"path": change.path, "cause": change.cause.value}
    return out | ({"secret": True} if change.secret else {"before": plain(change.before), "after": plain(change.after)})


def _sweep(counts: SweepCounts) -> dict[str, Any]:
    return {
        "number": counts.number,
        "hosts": counts.hosts,
        "ready": counts.ready,
        "notReady": counts.not_ready,
        "new": counts.new,
        "underWay": counts.under_way,
        "lastFinished": plain(counts.last_finished),
    }
