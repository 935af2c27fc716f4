"""One step of a plan as rows: its line, its changes, and what a person must know before it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reconciler.cli.views.fold import Alike, common, generic, generic_text
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import one_line, rule_page, span, value
from reconciler.core.calls import Later, Secret
from reconciler.core.changes import Cause, Change
from reconciler.core.kinds import Disruption, Reboot
from reconciler.core.plan import Barrier, Block, Step, Verb
from reconciler.core.resources import How, Source

REPLACING = re.compile(r"(?:[;,] or )?(?:reconcile apply \S+ )?--replace \S+.*")
STYLE = {"+": "green", "~": "yellow", "-/+": "bold red", "-": "red", ">": "yellow"} | {"!": "bold magenta", "=": "blue", ".": "blue"}
STYLE |= dict.fromkeys("?…»", "cyan")
MEANING = {
    Verb.ADOPT: "is there as declared; only our record is written",
    Verb.FORGET: "leaves our record; on the host it stays as it is",
    Verb.AGAIN: "run again",
    Verb.WAIT: "waits for a running job",
    Verb.DEFERRED: "planned in the next round",
    Verb.UNSEEN: "could not be seen",
    Verb.DELETE: "no longer declared",
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where things stand on a page of `width` columns. The last two columns end, the others begin there."""

    path: int
    value: int
    source: int
    estimate: int

    @classmethod
    def of(cls, width: int) -> Columns:
        return cls(path=5, value=max(30, min(43, width * 43 // 100)), source=max(46, min(74, width * 74 // 100)), estimate=min(width, 98))


def heading(page: Page, text: str, style: str = "bold", *, last: str = "estimate") -> None:
    """The heading of a host or group; the names of the columns beside it where they fit, beneath it where not."""
    columns = Columns.of(page.width)
    page.row(At(0, text, style), At(columns.source, "disruption", "dim"), At(columns.estimate, last, "dim", right=True))


def step_rows(page: Page, step: Step, number: int, alike: Alike = ()) -> None:
    """`alike`: the step of each host that this one stands for, itself among them; their own names are said generically."""
    columns = Columns.of(page.width)
    symbol = step.symbol
    disruption, style = _disruption(step)
    page.row(
        At(0, f"{number:>2}" if number else "", "dim"),
        At(3 + max(0, len(str(number)) - 2), symbol, STYLE.get(symbol, "")),
        At(4 + max(0, len(str(number)) - 2) + len(symbol), step.id.local, "bold"),
        At(columns.value, _summary(step, columns.source - columns.value - 2)),
        At(columns.source, disruption, style),
        At(columns.estimate, span(step.usual) if step.actions else "", right=True),
    )
    same = [[(generic(change, host), each) for change in shown_changes(each)] for each, host in alike]
    for told in zip(*same, strict=True) if alike else ([(change, step)] for change in shown_changes(step)):
        _change(page, told, columns)
    _remarks(page, _generically(step, alike[0][1]) if alike else step)


def _generically(step: Step, host: str) -> Step:
    """A step that stands for many hosts, in words that are true of each."""
    block = step.blocked and replace(step.blocked, message=generic_text(step.blocked.message, host), next=generic_text(step.blocked.next, host))
    return replace(step, why=generic_text(step.why, host), blocked=block)


def shown_changes(step: Step) -> tuple[Change, ...]:
    """What changes, without the name that the step's own line says already."""
    whole = step.verb in (Verb.CREATE, Verb.DELETE)
    return tuple(c for c in step.changes if not (whole and c.path == "name" and step.id.name in (c.before, c.after)))


def _disruption(step: Step) -> tuple[str, str]:
    if step.loses:
        return "data loss", "bold red"
    if not step.actions:
        return "", ""
    return str(step.disruption), "yellow" if step.disruption >= Disruption.SERVICE else "dim"


def _summary(step: Step, room: int) -> str:
    if step.blocked:
        return f"blocked ({step.verb.word})" if step.verb.acts else "blocked"
    if step.repair:
        return "repair: what a failed attempt left goes"
    if gone(step):
        return "half made: made again" if step.why else "gone from the host"
    if step.verb is Verb.DELETE and step.why:
        return one_line(step.why)
    if record_only(step):
        return "record only: as declared, and our record follows"
    if step.verb in MEANING:
        return MEANING[step.verb]
    return fitting(step.action_names, room) if len(step.actions) > 1 else ""


def fitting(actions: Sequence[str], room: int) -> str:
    """The names of actions, as many as there is room for; how many more there are."""
    if len(text := ", ".join(actions)) <= room:
        return text
    shown = max((n for n in range(len(actions)) if len(", ".join(actions[:n])) <= room - len(" and 9 more")), default=0)
    return f"{', '.join(actions[:shown])} and {len(actions) - shown} more" if shown else f"{len(actions)} actions"


def record_only(step: Step) -> bool:
    """It is ours, and only what we keep on record of it changes: its protection, or that a run ended which lost the answer."""
    return step.verb is Verb.ADOPT and not step.foreign


def gone(step: Step) -> bool:
    """It was there, by our record, and somebody took it away."""
    return step.verb is Verb.CREATE and any(change.cause is Cause.DRIFT for change in step.changes)


def _change(page: Page, told: Sequence[tuple[Change, Step]], columns: Columns) -> None:
    """One field, of one host or of several at once: where they differ it says so, and shows the value of none."""
    change, step = told[0]
    kept = change.secret and told[0][1].verb is Verb.UPDATE  # what is there cannot be shown: that it is another one can
    sign = "~" if kept else "+" if change.before is None else "-" if change.after is None else "~"
    note, style = common((_note(*each)[0] for each in told), "places"), _note(change, step)[1]
    page.row(
        At(columns.path, sign, STYLE[sign]),
        At(columns.path + 2, one_line(change.path)),
        At(columns.value, common(change_text(each, kept=kept) for each, _ in told)),
        At(columns.source, note, style),
    )


def change_text(change: Change, *, kept: bool = False) -> str:
    """`after`, or `before → after`; of a secret only the reference."""
    if change.secret:
        return _secret(change, kept)
    if change.before is None:
        return value(change.after)
    if change.after is None:
        return value(change.before)
    return f"{value(change.before)} → {value(change.after)}"


def _secret(change: Change, kept: bool) -> str:
    reference = value(change.after) if isinstance(change.after, Secret) else "secret"
    return reference if change.before is None and not kept else f"{reference}, not the one of our record"


def _note(change: Change, step: Step) -> tuple[str, str]:
    if change.immutable and step.verb is Verb.REPLACE:
        return "forces replace", "red"
    if change.cause is Cause.DRIFT and not gone(step):
        return "drift", "yellow"
    source = step.sources.get(change.path) or step.sources.get(change.field)
    return (_source(source, change) if source else ""), "dim"


def _source(source: Source, change: Change) -> str:
    if source.how in (How.DERIVED, How.GATHERED):
        return f"← {source.origin}" if source.origin and not isinstance(change.after, Later) else ""
    if source.how is How.DEFAULT:
        return "default"
    return str(source.position) if source.position and change.cause is Cause.CHANGE else ""


def _remarks(page: Page, step: Step) -> None:
    for loss in step.loses:
        _remark(page, "lost", loss, "red")
    if step.blocked:
        block_rows(page, step.blocked, offered(step))
    elif step.why and step.verb is not Verb.DELETE and step.why != MEANING.get(step.verb):
        _remark(page, "why", f"{step.why} [{step.code}]" if step.code else step.why)
    if step.foreign:
        _remark(page, "not ours", "it is there and not in our record; applying takes it over")
    for name, why in sorted(step.unverified.items()):
        _remark(page, "unseen", f"{name}: {why}; not compared", "cyan")
    if step.pending_restart:
        _remark(page, "restart", f"takes effect after one: {step.pending_restart}")
    if step.reboot is Reboot.POSSIBLE:
        _remark(page, "restart", "Windows may ask for one afterwards")


def offered(step: Step) -> str:
    """What a person can do about what blocks it. A replace is never offered of what is protected from one."""
    block = step.blocked
    protected = step.desired is not None and step.desired.common.lifecycle.prevent_destroy
    if block is None or not protected or "--replace" not in block.next:
        return block.next if block else ""
    return REPLACING.sub("", block.next) or "take lifecycle: {preventDestroy: true} back first, if it is meant"


def block_rows(page: Page, block: Block, next: str) -> None:
    if block.by:
        _remark(page, "waits", f"for {block.by}: {block.message}", "magenta")
        return
    _remark(page, "blocked", f"{block.code}: {block.message}", "magenta")
    if next:
        _remark(page, "with" if next.startswith("--") else "next", next)
    if rule_page(block.code):
        _remark(page, "more", rule_page(block.code))


def _remark(page: Page, word: str, text: str, style: str = "") -> None:
    page.row(At(5, word, style or "dim"), At(15, one_line(text)))


def barrier_row(page: Page, barrier: Barrier, which: str, how_often: str) -> None:
    """A restart as a ruled line; `which` says what needs it."""
    columns = Columns.of(page.width)
    if barrier.blocked:
        page.row(At(1, "!", STYLE["!"]), At(5, f"reboot: {which}", "bold"), At(columns.source, "reboot", "yellow"))
        block_rows(page, barrier.blocked, barrier.blocked.next)
        return
    cells = (At(columns.source, "reboot"), At(columns.estimate, span(barrier.usual), right=True))
    page.rule(f"reboot, {how_often}: {which}", cells, "bold yellow")
