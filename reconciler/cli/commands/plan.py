"""`reconcile plan`: what would happen, how long it takes, what it disturbs. Reads hosts, or snapshots of them; changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import anyio
import typer

from reconciler.cli.files import read_snapshots, write_text
from reconciler.cli.options import Output, Selection
from reconciler.cli.requests import MaxDisruption, Replace, request
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.commands_text import commands_text
from reconciler.cli.views.plan_markdown import plan_markdown
from reconciler.cli.views.plan_text import PlanView, plan_page
from reconciler.cli.views.words import count, moment
from reconciler.core.plan import Plan
from reconciler.core.snapshot import Snapshot
from reconciler.engine.environment import Request
from reconciler.engine.planjson import plan_json
from reconciler.engine.planning import make_plan, plan_from
from reconciler.signatures.printer import script

Out = Annotated[Path | None, typer.Option("--out", metavar="FILE.plan", help="Keep this very plan, to be applied as it is.")]
From = Annotated[list[Path] | None, typer.Option("--from", metavar="SNAPSHOT | DIR", help="Plan from snapshots instead of hosts; may be repeated.")]
ShowCommands = Annotated[bool, typer.Option("--show-commands", help="The PowerShell that a person would type, nothing else.")]
Warnings = Annotated[bool, typer.Option("--warnings", help="Show warnings in full.")]


def command(
    session: Session,
    selection: Selection,
    out: Out = None,
    from_: From = None,
    show_commands: ShowCommands = False,
    replace: Replace = None,
    max_disruption: MaxDisruption = "",
    warnings: Warnings = False,
) -> int:
    """What would happen, how long it takes, what it disturbs."""
    chosen(session, selection)
    asked = request(session, selection, replace, max_disruption)
    snapshots = read_snapshots(from_) if from_ else None
    plan = _plan(session, asked, snapshots)
    if out:
        _keep(session, plan, out)
    said, quiet = session.said(selection), session.common.quiet
    view = PlanView(said, session.line, warnings, _looked(snapshots), str(out or ""), session.declared(), brief=quiet)
    show(session, plan, view, show_commands)
    return plan.exit_code


def _plan(session: Session, asked: Request, snapshots: dict[str, Snapshot] | None) -> Plan:
    if snapshots is not None:
        return anyio.run(plan_from, session.linked, snapshots, asked, session.offline())
    with session.environment() as env:
        return anyio.run(make_plan, session.linked, asked, env)


def _looked(snapshots: dict[str, Snapshot] | None) -> str:
    if not snapshots:
        return ""
    oldest = min(snapshot.seen for snapshot in snapshots.values())
    return f"from {count(len(snapshots), 'snapshot')}, {'of' if len(snapshots) == 1 else 'the oldest of'} {moment(oldest)}"


def _keep(session: Session, plan: Plan, out: Path) -> None:
    from reconciler.engine.planfile import save

    write_text(out, save(plan, session.linked))


def show(session: Session, plan: Plan, view: PlanView, show_commands: bool = False) -> None:
    """The plan in the format that was asked for."""
    if session.common.output is Output.JSON:
        session.screen.json(plan_json(plan))
    elif session.common.output is Output.MARKDOWN:
        session.screen.text(plan_markdown(plan, view, script))
    elif show_commands:
        session.screen.text(commands_text(plan, script))
    else:
        page = session.screen.page()
        plan_page(page, plan, view)
        session.screen.show(page)
