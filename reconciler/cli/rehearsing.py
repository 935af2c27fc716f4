"""`plan --rehearse`: the plan run on an emulated twin of the hosts, built from snapshots, and planned again there.

Only hosts that were seen are rehearsed. Nothing reaches a real host from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from reconciler.cli.presumed import joined, place_files
from reconciler.cli.reach import emulated
from reconciler.cli.standins import stand_ins
from reconciler.cli.wishes import web
from reconciler.core.plan import Plan, Sight
from reconciler.core.snapshot import Snapshot
from reconciler.emulator.twin import build
from reconciler.engine.environment import Environment, Request
from reconciler.engine.link import Linked
from reconciler.engine.rehearse import Rehearsal, rehearse


async def rehearsed(plan: Plan, linked: Linked, snapshots: Mapping[str, Snapshot], request: Request, env: Environment) -> Rehearsal:
    """Run `plan` on the twin of `snapshots`."""
    hosts = tuple(host for host in plan.hosts if host.sight is Sight.SEEN and host.name in snapshots)
    estate, assumptions = build((snapshots[host.name] for host in hosts), linked.fleet.name, joined(linked))
    estate.site.web.update(web(linked))
    placed = place_files(linked, estate)
    scope = request.scope if request.scope.targets else replace(request.scope, targets=tuple(host.name for host in hosts))
    secrets = await stand_ins(plan, snapshots, env.secrets)
    twin = emulated(estate, secrets)
    there, taken = replace(env, secrets=secrets), (*assumptions, *placed, *secrets.said())
    return await rehearse(replace(plan, hosts=hosts), linked, replace(request, scope=scope), there, twin, estate.clock, taken)
