"""One step on one host: intent recorded, actions run in order, what they promise awaited.

Called by `walk` with a step that was decided on a look just taken. Raises `StepFailed` where the host says no, lets
transport errors through (the caller reconnects and decides again), and `Stopped` where a person does not want to wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from reconciler.core.calls import AnyCall, ArmCall, Call, LedgerCall, Out
from reconciler.core.canonical import plain
from reconciler.core.kinds import Action
from reconciler.core.observations import Unseen
from reconciler.core.plan import Step
from reconciler.engine.events import Happening
from reconciler.engine.intents import flush, given, intent, machine, told
from reconciler.engine.jobs import acknowledge, run_job
from reconciler.engine.ledger import put
from reconciler.engine.sessions import BATCH, LOOKS, Session, StepFailed, refuse
from reconciler.signatures import check_call

LONGEST = timedelta(minutes=10)  # no attached batch holds the lease for longer; what takes longer is a job


async def perform(session: Session, step: Step) -> None:
    """Run a step's actions in order. The intent is on the host before the first act; no call that Windows does not know is sent."""
    known(session, step)
    await acknowledge(session, step)
    before: list[AnyCall] = [*machine(session), put(session.desired.fleet.name, intent(session, step))]
    for position, batch in _batches(step.actions, step.gone):
        if step.gone and position == step.gone:
            before = [put(session.desired.fleet.name, intent(session, step, tainted=False))]
        if batch[0].long:
            await flush(session, step, before)
            await run_job(session, step, batch[0])
        else:
            last = position + len(batch) == len(step.actions)
            await _attached(session, step, batch, before, told(session, step) if last else ())
        before = []
        await until(session, step, batch[-1])
    await flush(session, step, before)
    given(session, step)


def known(session: Session, step: Step) -> None:
    """Law 6 at the last moment: a kind from elsewhere may say what no cmdlet takes, or what its own vocabulary lacks."""
    allowed = {*session.desired.registry.words(), *session.desired.registry.operations()}
    for action in step.actions:
        for call in action.calls:
            wrong = check_call(call) if isinstance(call, Call | ArmCall) else []
            if not isinstance(call, LedgerCall) and call.name not in allowed:
                wrong = [f"{call.name} is not among the words of the kind {step.id.kind}", *wrong]
            if wrong:
                raise StepFailed(action, None, None, f"a defect of the kind {step.id.kind}, nothing was done: {'; '.join(wrong)}")


def _batches(actions: Sequence[Action], gone: int) -> list[tuple[int, list[Action]]]:
    """Attached actions that wait for nothing go together in one batch, one round trip; with the position of the first.

    The actions that take the old away (the first `gone`) never share a batch with those that make the new.
    """
    out: list[tuple[int, list[Action]]] = []
    for position, action in enumerate(actions):
        last = out[-1][1][-1] if out else None
        if last is not None and not (action.long or last.long or last.until) and position != gone:
            out[-1][1].append(action)
        else:
            out.append((position, [action]))
    return out


async def _attached(session: Session, step: Step, batch: Sequence[Action], before: Sequence[AnyCall], after: Sequence[AnyCall]) -> None:
    for action in batch:
        session.say(Happening.ACTION, id=step.id, action=action.name, text=action.summary)
    calls: list[AnyCall] = [*before]
    for action in batch:
        calls += [_shifted(call, len(calls)) for call in action.calls]
    calls += after
    owners: list[Action | None] = [*(None for _ in before), *(action for action in batch for _ in action.calls), *(None for _ in after)]
    answers = await session.write(step.id, batch[0].name, calls, max(BATCH, min(batch[-1].within, LONGEST)))
    refuse(owners[min(len(answers), len(calls)) - 1] if answers else batch[0], calls, answers)


def _shifted(call: AnyCall, by: int) -> AnyCall:
    """A call whose `Out`s count from its action, in a batch where `by` other calls come before that action."""
    if by == 0 or not isinstance(call, Call):
        return call
    return replace(call, parameters={n: Out(v.call + by, v.property) if isinstance(v, Out) else v for n, v in call.parameters.items()})


async def until(session: Session, step: Step, action: Action) -> None:
    """Look until the fields that the action promises are seen; give up after `within`."""
    if not action.until:
        return
    end = session.env.clock.now() + action.within
    pauses = list(LOOKS)
    while True:
        await session.look({step.id.kind})
        looked = session.view.kinds.get(step.id.kind)
        present = None if looked is None or isinstance(looked, Unseen) else looked.get(step.key)
        if present is not None and all(value == getattr(present.state, name) for name, value in action.until.items()):
            return
        if session.env.clock.now() >= end:
            seen = None if present is None else present.state
            told = "; ".join(f"{name} {_plainly(value)} was awaited, {_plainly(getattr(seen, name, None))} is seen" for name, value in action.until.items())
            raise StepFailed(action, None, None, f"{action.summary}: after {int(action.within.total_seconds())} s {told}")
        await session.keep_lease()
        await session.wait(step.id, pauses.pop(0) if len(pauses) > 1 else pauses[0])


def _plainly(value: object) -> str:
    """A value as a person reads it."""
    shown = plain(value)
    return "nothing" if shown is None else ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
