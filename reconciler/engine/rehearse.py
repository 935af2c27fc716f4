"""A rehearsal: the plan run on a twin of the hosts, and planned again. The proof is an empty second plan.

The twin is reached like any host, through a `Connect` that the caller built from snapshots; this module knows no emulator.
A step that the second plan blocks or cannot see is left over, unless the first plan did so already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import anyio

from reconciler.core.plan import Plan, Sight, Step, Verb
from reconciler.core.transport import Clock, Connect
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Request
from reconciler.engine.events import Event, RunReport
from reconciler.engine.link import Linked
from reconciler.engine.planning import make_plan


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`ok`: everything ran and the second plan is empty, but for what the first plan itself blocked or could not see.

    `left`: what the twin would still need. `assumptions`: what it had to take for granted, because no snapshot says it.
    """

    ok: bool
    report: RunReport
    second: Plan
    assumptions: tuple[str, ...]
    events: tuple[Event, ...] = ()
    left: tuple[Step, ...] = ()


async def rehearse(plan: Plan, linked: Linked, request: Request, env: Environment, twin: Connect, clock: Clock, assumptions: tuple[str, ...]) -> Rehearsal:
    """Run `plan` on the twin with the same engine, then plan again there."""
    events: list[Event] = []
    there = replace(env, connect=twin, clock=clock)
    report = await apply(plan, linked, request, there, events.append, anyio.Event())
    second = await make_plan(linked, request, there)
    left = _left(plan, second)
    failed = any(host.failed or host.stale or host.unseen or host.stopped for host in report.hosts)
    return Rehearsal(not left and not failed, report, second, assumptions, tuple(events), left)


def _left(plan: Plan, second: Plan) -> tuple[Step, ...]:
    known = {step.id for step in plan.steps() if step.blocked or step.verb is Verb.UNSEEN}
    hosts = {host.name for host in plan.hosts if host.sight is Sight.SEEN}
    open_ = (step for step in second.steps() if step.id.host in hosts and step.id not in known)
    return tuple(step for step in open_ if step.verb.acts or step.verb in (Verb.UNSEEN, Verb.WAIT))
