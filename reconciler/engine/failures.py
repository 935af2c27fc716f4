"""A failed step in words: what, where, what the host said, what stands, what is blocked, what to type next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.calls import AnyCall, ArmCall, Good, Row
from reconciler.core.canonical import canonical, plain
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.errors import TransportError
from reconciler.core.ids import ResourceId
from reconciler.core.observations import Meaning, Unseen
from reconciler.core.plan import Step
from reconciler.engine.jobs import USUAL
from reconciler.engine.sessions import OutOfPatience, SecretMissing, Session, StepFailed

SAID = 600  # characters of the host's own words that are shown
NOT_GOOD = "NotGood"  # the call ran to its end and answered something else than what was good
CUT = {  # why there is no answer, in our words: the host has none
    "stopped": "none within {seconds} s, and it was stopped; its outcome is not known",
    "abandoned": "none within {seconds} s, and it did not stop either; its outcome is not known",
    "killed": "none within {seconds} s, and its process was ended; its outcome is not known",
    "skipped": "not run, for an earlier call of its module gave no answer",
    "deadline": "not begun, for the calls before it took all the time",
}
CUT_OTHERWISE = "it was cut off; its outcome is not known"


async def explain(session: Session, step: Step, failed: StepFailed) -> Diagnostic:
    """Asks the kind's evidence too; that it cannot be had never hides the failure itself."""
    action = failed.action
    position = next((n for n, a in enumerate(step.actions, 1) if action is not None and a.name == action.name), 0)
    details = [("where", f"{step.id}" + (f", action {action.name} ({position} of {len(step.actions)})" if action else ""))]
    details += _words(session, failed)
    meaning = _meaning(session, step, failed)
    details += [("means", meaning.message)] if meaning else []
    details += _account(session, step)
    details += await _evidence(session, step)
    details.append(("next", meaning.next if meaning and meaning.next else _next(failed, str(step.id))))
    what = action.summary if action else f"{step.verb.word} {step.id.local}"
    code = meaning.code if meaning else failed.code
    return Diagnostic(code, Severity.ERROR, f"{what} failed on {session.desired.host.name}", subject=str(step.id), details=tuple(details))


def _account(session: Session, step: Step) -> list[tuple[str, str]]:
    """How what was worked on stands now, where its state can tell."""
    looked = session.view.kinds.get(step.id.kind)
    present = None if looked is None or isinstance(looked, Unseen) else looked.get(step.key)
    told = getattr(present.state, "account", "") if present is not None else ""
    return [("so far", told)] if told else []


def _meaning(session: Session, step: Step, failed: StepFailed) -> Meaning | None:
    """What the kind knows of the error."""
    error = failed.answer.error if failed.answer else None
    return session.desired.registry[step.id.kind].explain(error) if error is not None else None


def refused(session: Session, wanting: Sequence[ResourceId], failed: StepFailed) -> Diagnostic:
    """A restart that the host would not make."""
    host = session.desired.host.name
    details = [("waits for it", ", ".join(id.local for id in wanting)), *_words(session, failed), ("next", f"restart it by hand, then: reconcile apply {host}")]
    return Diagnostic("PLN051", Severity.ERROR, f"{host} was not restarted", subject=str(wanting[0]), details=tuple(details))


def _next(failed: StepFailed, what: str) -> str:
    if isinstance(failed, SecretMissing):
        return f"provide it where this command runs, then: reconcile apply {what}"
    if isinstance(failed, OutOfPatience):
        return _once_let(failed, what)
    if failed.answer is None:
        return f"see why on the host, then: reconcile apply {what}"
    if _cut(failed):
        return f"reconcile plan {what} shows what came of it; where that is as it should be: reconcile apply {what}"
    return f"mend what {'Azure' if isinstance(failed.call, ArmCall) else 'the host'} complains of, then: reconcile apply {what}"


def _once_let(failed: OutOfPatience, what: str) -> str:
    if failed.sent:
        return f"once Azure takes requests again, reconcile plan {what} shows what came of it"
    return f"once Azure takes requests again (its activity log names who else sends them): reconcile apply {what}"


def _cut(failed: StepFailed) -> str:
    """How the call was cut off, where it was."""
    error = failed.answer.error if failed.answer else None
    return (error.cut or "") if error is not None else ""


def _words(session: Session, failed: StepFailed) -> list[tuple[str, str]]:
    """What the host said, scrubbed of secrets; the error id, for who searches for it. What it did not say is said as ours."""
    error = failed.answer.error if failed.answer else None
    if failed.call is not None and (cut := _cut(failed)):
        seconds = getattr(failed.call, "seconds", None) or USUAL
        return [("no answer", f"{failed.call.name}: {CUT.get(cut, CUT_OTHERWISE).format(seconds=seconds)}")]
    said = session.env.secrets.scrub((error.message if error else "") or str(failed))[:SAID]
    azure = isinstance(failed.call, ArmCall)
    out = [("why" if error is None else "Azure says" if azure else "host says", said)]
    printed = session.env.secrets.scrub(failed.answer.info.strip())[-SAID:] if failed.answer else ""
    if printed and printed not in said:
        out.append(("for support" if azure else "it printed", printed))
    if error is not None and error.is_(NOT_GOOD):
        out.append(("expected", _good(failed.call)))
    elif error is not None:
        out.append(("error id", error.id))
    return out


def _good(call: AnyCall | None) -> str:
    """The answer that would have been a good one."""
    good = getattr(call, "good", None)
    if not isinstance(good, Good) or good.exit or good.returns is None:
        return f"exit code {' or '.join(map(str, good.exit if isinstance(good, Good) and good.exit else (0,)))}"
    return f"{good.returns}" if isinstance(good.returns, str) else canonical(plain(good.returns))


async def _evidence(session: Session, step: Step) -> list[tuple[str, str]]:
    if step.desired is None:
        return []
    asks = tuple(session.desired.registry[step.id.kind].evidence(step.desired.spec, session.view.facts))
    if not asks:
        return []
    try:
        answers = await session.writer.ask(tuple(ask.call for ask in asks), session.env.deadline)
    except TransportError as trouble:
        return [("evidence", f"could not be read: {trouble}")]
    rows = [_said(row) for answer in answers for row in answer.objects]
    return [("evidence", session.env.secrets.scrub("; ".join(rows))[:SAID])] if rows else []


def _said(row: Any) -> str:
    """An answered object in a line; what could not be read of it is left out."""
    if not isinstance(row, Row):
        return str(row)
    return " ".join(f"{name} {row.maybe(name)}" for name in row if row.maybe(name) is not None)
