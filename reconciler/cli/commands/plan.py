"""`reconcile plan`: what would happen, how long it takes, what it disturbs. Reads hosts, or snapshots of them; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.files import read_snapshots, write_text
from reconciler.cli.hints import bounds
from reconciler.cli.options import Output, Selection
from reconciler.cli.rehearsing import rehearsed
from reconciler.cli.requests import MaxDisruption, Replace, request
from reconciler.cli.running import run_async
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.commands_text import commands_text, printer
from reconciler.cli.views.plan_markdown import plan_markdown
from reconciler.cli.views.plan_text import PlanView, next_rows, plan_page
from reconciler.cli.views.rehearsal_text import rehearsal_json, rehearsal_page
from reconciler.cli.views.words import count, moment
from reconciler.core.plan import Plan
from reconciler.core.snapshot import Snapshot
from reconciler.engine.environment import Environment, Request
from reconciler.engine.planfile import save
from reconciler.engine.planjson import plan_json
from reconciler.engine.planning import make_plan, observe, plan_from
from reconciler.engine.rehearse import Rehearsal

Out = Annotated[Path | None, typer.Option("--out", metavar="FILE.plan", help="Keep this very plan, to be applied as it is.")]
From = Annotated[list[Path] | None, typer.Option("--from", metavar="SNAPSHOT | DIR", help="Plan from snapshots instead of hosts; may be repeated.")]
ShowCommands = Annotated[bool, typer.Option("--show-commands", help="The PowerShell that a person would type, nothing else.")]
Rehearse = Annotated[bool, typer.Option("--rehearse", help="Run it on an emulated twin of the hosts first, and plan again there.")]
Warnings = Annotated[bool, typer.Option("--warnings", help="Show warnings in full.")]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what a rehearsal of it gave where one was asked for."""

    plan: Plan
    rehearsal: Rehearsal | None = None

    @property
    def exit_code(self) -> int:
        return 1 if self.rehearsal is not None and not self.rehearsal.ok else self.plan.exit_code


def command(
    session: Session,
    selection: Selection,
    out: Out = None,
    from_: From = None,
    show_commands: ShowCommands = False,
    rehearse: Rehearse = False,
    replace: Replace = None,
    max_disruption: MaxDisruption = "",
    warnings: Warnings = False,
) -> int:
    """What would happen, how long it takes, what it disturbs."""
    chosen(session, selection)
    asked = request(session, selection, replace, max_disruption)
    snapshots = read_snapshots(from_) if from_ else None
    planned = _planned(session, asked, snapshots, rehearse)
    if out:
        write_text(out, save(planned.plan, session.linked))
    said, quiet = session.said(selection, bounds(asked.limits.replace, max_disruption)), session.common.quiet
    view = PlanView(said, session.line, warnings, _looked(snapshots), str(out or ""), session.declared(), brief=quiet)
    show(session, planned.plan, view, show_commands, planned.rehearsal)
    return planned.exit_code


def _planned(session: Session, asked: Request, snapshots: dict[str, Snapshot] | None, rehearse: bool) -> Planned:
    if snapshots is not None:
        return run_async(_from_snapshots, session, asked, snapshots, rehearse)
    with session.environment() as env:
        return run_async(_from_hosts, session, asked, env, rehearse)


async def _from_snapshots(session: Session, asked: Request, snapshots: Mapping[str, Snapshot], rehearse: bool) -> Planned:
    env = session.offline()
    plan = await plan_from(session.linked, snapshots, asked, env)
    return Planned(plan, await rehearsed(plan, session.linked, snapshots, asked, env) if rehearse else None)


async def _from_hosts(session: Session, asked: Request, env: Environment, rehearse: bool) -> Planned:
    plan = await make_plan(session.linked, asked, env)
    if not rehearse:
        return Planned(plan)
    found = await observe(session.linked, asked.scope, env)
    snapshots = {name: item for name, item in found.items() if isinstance(item, Snapshot)}
    return Planned(plan, await rehearsed(plan, session.linked, snapshots, asked, env))


def _looked(snapshots: dict[str, Snapshot] | None) -> str:
    if not snapshots:
        return ""
    oldest = min(snapshot.seen for snapshot in snapshots.values())
    return f"from {count(len(snapshots), 'snapshot')}, {'of' if len(snapshots) == 1 else 'the oldest of'} {moment(oldest)}"


def show(session: Session, plan: Plan, view: PlanView, show_commands: bool = False, rehearsal: Rehearsal | None = None) -> None:
    """The plan in the format that was asked for."""
    if session.common.output is Output.JSON:
        session.screen.json(plan_json(plan) | ({"rehearsal": rehearsal_json(rehearsal)} if rehearsal else {}))
    elif session.common.output is Output.MARKDOWN:
        session.screen.text(plan_markdown(plan, view, printer(session.linked.hosts)))
    elif show_commands:
        session.screen.text(commands_text(plan, printer(session.linked.hosts)))
    else:
        page = session.screen.page()
        plan_page(page, plan, replace(view, next=view.next and rehearsal is None))
        if rehearsal:
            rehearsal_page(page, rehearsal, view.lines)
        if rehearsal and rehearsal.ok:
            next_rows(page, plan, view)
        session.screen.show(page)
