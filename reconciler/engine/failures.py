"""A failed step in words: what, where, what the host said, what stands, what is blocked, what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.core.calls import Row
from reconciler.core.diagnostics import Diagnostic, Severity
from reconciler.core.errors import TransportError
from reconciler.core.ids import ResourceId
from reconciler.core.plan import Step
from reconciler.engine.perform import Session, StepFailed

SAID = 600  # characters of the host's own words that are shown


async def explain(session: Session, step: Step, failed: StepFailed) -> Diagnostic:
    """Asks the kind's evidence too; that it cannot be had never hides the failure itself."""
    action = failed.action
    position = next((n for n, a in enumerate(step.actions, 1) if action is not None and a.name == action.name), 0)
    details = [("where", f"{step.id}" + (f", action {action.name} ({position} of {len(step.actions)})" if action else ""))]
    details += _words(session, failed)
    details += await _evidence(session, step)
    details.append(("next", f"mend what the host complains of, then: reconcile apply {step.id}"))
    what = action.summary if action else f"{step.verb.word} {step.id.local}"
    return Diagnostic("PLN050", Severity.ERROR, f"{what} failed on {session.desired.host.name}", subject=str(step.id), details=tuple(details))


def refused(session: Session, wanting: Sequence[ResourceId], failed: StepFailed) -> Diagnostic:
    """A restart that the host would not make."""
    host = session.desired.host.name
    details = [("waits for it", ", ".join(id.local for id in wanting)), *_words(session, failed), ("next", f"restart it by hand, then: reconcile apply {host}")]
    return Diagnostic("PLN051", Severity.ERROR, f"{host} was not restarted", subject=str(wanting[0]), details=tuple(details))


def _words(session: Session, failed: StepFailed) -> list[tuple[str, str]]:
    """What the host said, scrubbed of secrets; the error id, for who searches for it."""
    error = failed.answer.error if failed.answer else None
    said = session.env.secrets.scrub((error.message if error else "") or str(failed))[:SAID]
    out = [("host says", said)]
    printed = session.env.secrets.scrub(failed.answer.info.strip())[-SAID:] if failed.answer else ""
    if printed and printed not in said:
        out.append(("it printed", printed))
    if error is not None:
        out.append(("error id", error.id))
    return out


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
    rows = [" ".join(f"{name} {value}" for name, value in row.items()) for answer in answers for row in answer.objects if isinstance(row, Row)]
    return [("evidence", session.env.secrets.scrub("; ".join(rows))[:SAID])] if rows else []
