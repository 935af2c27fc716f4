"""`reconcile apply`: plan, show, ask, do; or do a saved plan. Every step is decided again on a fresh look before it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.commands.plan import show
from reconciler.cli.files import read_text
from reconciler.cli.hints import Said, bounds
from reconciler.cli.interrupt import Ended, interruptible
from reconciler.cli.options import Selection
from reconciler.cli.requests import MaxDisruption, Replace, request
from reconciler.cli.running import run_async
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.apply_json import run_json
from reconciler.cli.views.apply_text import asks, left_at_once, question, report_page, stopping
from reconciler.cli.views.live import Plain, teller
from reconciler.cli.views.plan_text import PlanView
from reconciler.cli.views.words import count
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.core.plan import Plan
from reconciler.engine.apply import apply
from reconciler.engine.environment import Environment, Limits, Request, Scope
from reconciler.engine.events import RunReport
from reconciler.engine.link import Linked
from reconciler.engine.planfile import load
from reconciler.engine.planning import make_plan

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be applied. `saved`: the file of a plan that was read and agreed to before. `aside`: what a person must know of it."""

    plan: Plan
    linked: Linked
    request: Request
    saved: str = ""
    aside: str = ""


def command(session: Session, selection: Selection, yes: Yes = False, replace: Replace = None, max_disruption: MaxDisruption = "") -> int:
    """Do it, or do a saved plan (FILE.plan)."""
    files = [target for target in selection.targets if target.endswith(".plan")]
    if files:
        if len(selection.targets) > 1:
            raise typer.BadParameter("a saved plan is applied alone: it says itself for which hosts it is")
        with session.environment() as env:
            return run(session, _saved(session, Path(files[0])), env, session.said(Selection(targets=files)), yes=True)
    chosen(session, selection)
    asked = request(session, selection, replace, max_disruption)
    said = session.said(selection, bounds(asked.limits.replace, max_disruption))
    _may_ask(session, yes, said)
    with session.environment() as env:
        plan = run_async(make_plan, session.linked, asked, env)
        return run(session, Job(plan, session.linked, asked), env, said, yes=yes)


def _saved(session: Session, path: Path) -> Job:
    plan, linked = load(read_text(path), session.registry)
    scope = Scope(plan.targets, exclude=plan.exclude)
    return Job(plan, linked, Request(scope, Limits(plan.max_disruption, plan.replace), plan.specs, plan.destroy), str(path))


def _may_ask(session: Session, yes: bool, said: Said) -> None:
    if yes or (session.screen.terminal and sys.stdin.isatty()):
        return
    ways = f"{said.again('apply', '--yes')}, or {said.again('plan', '--out', 'FILE.plan')} and apply that"
    raise Refused([error("CLI021", "apply wants --yes or a saved plan", why="nobody can be asked here: this is no terminal", help=ways)])


def run(session: Session, job: Job, env: Environment, said: Said, *, yes: bool) -> int:
    """Show, ask, do, report. Shared with `destroy`."""
    if not session.json:
        view = PlanView(said, session.line, next=not _runs(job.plan), brief=session.common.quiet)
        show(session, job.plan, view)
        _aside(session, job)
    if job.plan.exit_code == 1 or not _runs(job.plan):
        return _nothing(session, job.plan)
    if not yes and asks(job.plan) and session.screen.ask(f"\n{question(job.plan)}") != "yes":
        return _declined(session, job.plan)
    return _do(session, job, env, said)


def _aside(session: Session, job: Job) -> None:
    page = session.screen.page()
    if job.aside:
        page.say(job.aside, "yellow", hang=4)
    session.screen.show(page)


def _runs(plan: Plan) -> bool:
    return any(step.runs for step in plan.steps()) or plan.summary.reboots > 0


def _nothing(session: Session, plan: Plan) -> int:
    if session.json:
        session.screen.json(run_json(RunReport(plan.id, (), 0.0), plan, plan.exit_code))
    return plan.exit_code


def _declined(session: Session, plan: Plan) -> int:
    """What was pending is pending still, so the exit code is the plan's."""
    page = session.screen.page()
    page.say(f"nothing was done: {count(sum(1 for step in plan.steps() if step.runs), 'change')} pending still")
    session.screen.show(page)
    return plan.exit_code


def _do(session: Session, job: Job, env: Environment, said: Said) -> int:
    hosts = [host.name for host in job.plan.hosts if any(step.runs for step in host.steps)]
    quiet = session.common.quiet or session.json
    if not quiet:
        session.screen.text("\n")
    with teller(session.screen, hosts, verbose=session.common.verbose, quiet=quiet) as tell:
        if not quiet and not isinstance(tell, Plain):
            tell.note(f"run {job.plan.id} · {_leases(hosts, job.linked)} · Ctrl-C once: no new step")
        walk = partial(apply, job.plan, job.linked, job.request, env, tell)
        ended = run_async(interruptible, walk, lambda: tell.note(f"^C  {stopping(tell.board.running())}"))
    return _end(session, job, ended, tell.board.running(), said)


def _leases(hosts: Sequence[str], linked: Linked) -> str:
    """Who is kept out meanwhile; through Azure alone nobody is."""
    leased = [name for name in hosts if linked.hosts[name].connected]
    if not leased:
        return "no lease: through Azure alone nobody else is kept out"
    return f"leases on {', '.join(leased[:6])}{' …' if len(leased) > 6 else ''}"


def _end(session: Session, job: Job, ended: Ended[RunReport], running: list[str], said: Said) -> int:
    report = ended.value
    page = session.screen.page()
    if report is None:
        left_at_once(page, running, said)
        session.screen.complain(page)
        return INTERRUPTED
    if session.json:
        session.screen.json(run_json(report, job.plan))
    else:
        if any(host.diagnostics or host.stale for host in report.hosts):
            session.screen.text("\n")
        report_page(page, report, job.plan, said, session.line, job.saved)
        session.screen.show(page)
        _aside(session, job)
    return report.exit_code
