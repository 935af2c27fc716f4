"""`reconcile destroy ID…`: deletes what is named, one by one by its full id, never all. Asks before it does."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from reconciler.cli.commands.apply import Job, Yes, run
from reconciler.cli.options import Selection
from reconciler.cli.requests import request, resource_id
from reconciler.cli.running import run_async
from reconciler.cli.session import Session
from reconciler.cli.views.words import names
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.core.ids import ResourceId
from reconciler.core.plan import Plan, Verb
from reconciler.engine.planning import make_plan

Ids = Annotated[list[str], typer.Argument(metavar="HOST/KIND[/NAME]…", help="What is to be deleted.")]


def command(session: Session, ids: Ids, yes: Yes = False) -> int:
    """Delete what is named, never all."""
    named = tuple(ResourceId.parse(resource_id(text)) for text in ids)
    if unknown := sorted({id.host for id in named} - set(session.linked.hosts)):
        raise Refused([error("CLI003", f"no host is called {host}", help=f"hosts: {', '.join(list(session.linked.hosts)[:8])}") for host in unknown])
    if not yes and not session.screen.terminal:
        again = session.said().command("destroy", *ids, "--yes")
        raise Refused([error("CLI021", "destroy wants --yes where nobody can be asked", why="this is no terminal", help=again)])
    hosts = Selection(targets=sorted({id.host for id in named}))
    asked = request(session, hosts, destroy=tuple(str(id) for id in named))
    with session.environment() as env:
        plan = run_async(make_plan, session.linked, asked, env)
        said = replace(session.said(Selection(targets=list(ids))), verb="destroy")
        return run(session, Job(plan, session.linked, asked, aside=_declared(session, plan)), env, said, yes=yes)


def _declared(session: Session, plan: Plan) -> str:
    """That what goes now comes back, where its declaration stays."""
    wanted = {r.id for each in session.linked.resources.values() for r in each}
    back = [str(step.id) for step in plan.steps() if step.verb is Verb.DELETE and not step.blocked and step.id in wanted]
    if not back:
        return ""
    return f"{names(back)} {'is' if len(back) == 1 else 'are'} still declared: the next apply makes {'it' if len(back) == 1 else 'them'} again"
