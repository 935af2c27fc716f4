"""Restarting a host, and knowing that it restarted: a changed boot id on a new connection, never a port that answers."""

from __future__ import annotations

from datetime import timedelta

import anyio

from reconciler.core.errors import TransportError, Unreachable
from reconciler.core.observations import Facts
from reconciler.core.transport import Target
from reconciler.engine.environment import Environment
from reconciler.engine.planes import connected
from reconciler.engine.sessions import Session, StepFailed
from reconciler.engine.vocabulary import RESTART

KEPT = 900.0  # seconds that the lease is kept for us over the restart
GIVEN = timedelta(minutes=20)
LINGERS = timedelta(minutes=5)  # a host that still answers from before so long after it was told does not restart
PAUSE = 10.0


async def restart(session: Session) -> None:
    """Keep the lease over it, then tell the host to restart. The line is expected to break; a refusal is a StepFailed."""
    await session.writer.rebooting(session.holder, session.epoch, KEPT)
    try:
        answers = await session.writer.run(
            (RESTART(Force=True),), key=f"{session.plan}:restart:{session.view.facts.boot}", epoch=session.epoch, deadline=timedelta(seconds=30)
        )
    except Unreachable:
        return
    failed = next((answer for answer in answers if answer.error is not None), None)
    if failed is not None and failed.error is not None:
        raise StepFailed(None, None, failed, f"the host refused to restart: {failed.error.message or failed.error.id}")


async def await_boot(env: Environment, target: Target, before: str, stop: anyio.Event) -> Facts | None:
    """Connect until hello shows another boot than `before`; Unreachable after 20 minutes.

    None: it does not restart (the order was lost on its way to it), or a person does not want to wait.
    """
    told = env.clock.now()
    end = told + GIVEN
    last = "it still shows the boot from before"
    while env.clock.now() < end:
        if stop.is_set():
            return None
        await env.clock.sleep_until(env.clock.now() + timedelta(seconds=PAUSE))
        try:
            async with connected(env, target) as reader:
                if reader.hello.facts.boot != before:
                    return reader.hello.facts
                if env.clock.now() >= told + LINGERS:
                    return None
        except TransportError as trouble:
            if not trouble.transient:
                raise
            last = str(trouble)
    raise Unreachable(f"it did not come back within {int(GIVEN.total_seconds() // 60)} minutes of the restart: {last}")
