"""Applies a plan to its hosts, all at once with a cap; one host's trouble never costs the others anything."""

from __future__ import annotations

from dataclasses import replace

import anyio

from reconciler.core.plan import HostPlan, Plan, Sight, Verb
from reconciler.engine.desired import Desired
from reconciler.engine.environment import Environment, Request
from reconciler.engine.events import Emit, HostReport, RunReport
from reconciler.engine.hostrun import HostRun
from reconciler.engine.link import Linked
from reconciler.engine.planning import desired_of
from reconciler.engine.restrain import BRAKE


async def apply(plan: Plan, linked: Linked, request: Request, env: Environment, emit: Emit, stop: anyio.Event) -> RunReport:
    """Walk every host of the plan. Set `stop` to begin no new step; what runs as a job on a host runs on."""
    started = env.clock.now()
    limiter = anyio.CapacityLimiter(env.at_once)
    reports: dict[str, HostReport] = {}
    braked = next((step.blocked.message for step in plan.steps() if step.blocked and step.blocked.code == BRAKE), "")

    async def one(host: HostPlan, desired: Desired) -> None:
        async with limiter:
            reports[host.name] = await HostRun(plan.id, plan.specs.commit, host, desired, env, emit, stop).run()

    async with anyio.create_task_group() as group:
        for host in plan.hosts:
            if host.sight is not Sight.SEEN:
                reports[host.name] = HostReport(host.name, unseen=host.why)
            elif not _idle(host):
                group.start_soon(one, host, replace(desired_of(linked, linked.hosts[host.name], request, env), braked=braked))
            else:
                reports[host.name] = _untouched(host)
    seconds = (env.clock.now() - started).total_seconds()
    return RunReport(plan.id, tuple(reports[host.name] for host in plan.hosts), seconds)


def _idle(host: HostPlan) -> bool:
    """Nothing on this host would run: no session is opened."""
    return not any(step.runs for step in host.steps) and not any(not barrier.blocked for barrier in host.barriers)


def _untouched(host: HostPlan) -> HostReport:
    blocked = tuple(step.id for step in host.steps if step.blocked)
    unseen = next((step.why for step in host.steps if step.verb is Verb.UNSEEN), "")
    left = tuple(step.id for step in host.steps if step.verb is Verb.DEFERRED)
    return HostReport(host.name, blocked=blocked, left=left, unseen=unseen)
