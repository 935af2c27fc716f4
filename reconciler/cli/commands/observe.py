"""`reconcile observe`: snapshots of hosts, to plan without them, to keep as cases, or to send with a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.files import SUFFIX, snapshot_text, write_snapshots
from reconciler.cli.options import Selection
from reconciler.cli.running import run_async
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.unseen import NOT_EMULATED, advice
from reconciler.cli.views.words import count, moment, one_line
from reconciler.core.diagnostics import Diagnostic
from reconciler.core.snapshot import Snapshot
from reconciler.engine.planning import observe

Out = Annotated[Path | None, typer.Option("--out", metavar="FILE | DIR", help=f"A file for one host, a folder (NAME{SUFFIX} each) for several.")]


def command(session: Session, selection: Selection, out: Out = None) -> int:
    """Take snapshots, to plan without hosts."""
    chosen(session, selection)
    with session.environment() as env:
        found = run_async(observe, session.linked, selection.scope(), env)
    snapshots = {name: item for name, item in found.items() if isinstance(item, Snapshot)}
    unseen = {name: item for name, item in found.items() if isinstance(item, Diagnostic)}
    code = 5 if unseen else 0
    if out and snapshots:
        write_snapshots(out, snapshots)
    if session.json or (out is None and len(found) == 1 and snapshots):
        _machine(session, snapshots, unseen, code, whole=out is None and not session.json)
    else:
        _person(session, snapshots, unseen, out)
    return code


def _machine(session: Session, snapshots: dict[str, Snapshot], unseen: dict[str, Diagnostic], code: int, *, whole: bool) -> None:
    """One host without `--out`: the snapshot itself, to be redirected."""
    if whole:
        session.screen.text(snapshot_text(next(iter(snapshots.values()))))
        return
    session.screen.json(
        {
            "format": "reconcile/observe/1",
            "exitCode": code,
            "hosts": [{"name": name, "seen": snapshot.seen.isoformat()} for name, snapshot in snapshots.items()],
            "snapshots": [snapshot.to_json() for snapshot in snapshots.values()],
            "diagnostics": [dict(d.to_json()) for d in unseen.values()],
        }
    )


def _person(session: Session, snapshots: dict[str, Snapshot], unseen: dict[str, Diagnostic], out: Path | None) -> None:
    page = session.screen.page()
    for name, snapshot in snapshots.items():
        page.say(f"{name}  {count(len(snapshot.answers), 'answer')}, {moment(snapshot.seen)}")
    for name, found in unseen.items():
        page.say(f"? {name}[{found.code}]: {one_line(found.message)}", "cyan", hang=4)
        again = session.said().command("emulate new") if found.code == NOT_EMULATED else session.said().command("observe", name)
        page.term("next", f"{advice(found.code, name, session.said())}: {again}")
    if out and snapshots:
        page.exact((f"Next: {session.said().command('plan', '--from', str(out))}", "bold cyan"))
    elif snapshots:
        page.say(f"not kept: name a folder with --out DIR to keep {count(len(snapshots), 'snapshot')}")
    session.screen.show(page)
