"""`reconcile import`: manifests out of what Azure's tools write. It contacts nobody and invents nothing: what is not said is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from reconciler.cli.files import write_text
from reconciler.cli.session import Session
from reconciler.core.diagnostics import Diagnostic, Severity, error
from reconciler.core.errors import Refused
from reconciler.kinds._azure_drivers import Driver
from reconciler.manifests.importing.documents import questions, yaml_text
from reconciler.manifests.importing.reading import Unreadable, parameters_of, read_json
from reconciler.manifests.importing.templates import Imported, extensions

File = Annotated[Path, typer.Argument(metavar="FILE", help="An ARM template, one resource of it, or an answer of Azure's, as JSON.")]
Parameters = Annotated[Path | None, typer.Option("--parameters", metavar="FILE", help="Values for the template's parameters, as az takes them.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")]


def command(session: Session, file: File, parameters: Parameters = None, out: Out = None) -> int:
    """An ARM template as manifests, with what could not be kept in comments."""
    found = extensions(_read(file), parameters_of(_read(parameters)) if parameters else {})
    if not found.extensions:
        passed = tuple(("there", note) for note in found.notes)
        why = f"{file} holds no extension of a virtual machine or scale set"
        raise Refused([error("CLI080", why, details=passed, help="docs/in-azure.md says which forms are read")])
    words = {(driver.publisher.casefold(), driver.type.casefold()): str(driver) for driver in Driver}
    text = yaml_text(found, file.name, words, _hosts(session))
    asked = questions(found.extensions)
    if session.json:
        told = {"text": text, "extensions": _told(found.extensions), "notes": list(found.notes), "questions": asked}
        session.screen.json({"format": "reconcile/import/1", "exitCode": 0, **told})
    elif out is None:
        session.screen.text(text)
    if out is not None:
        write_text(out, text)
    _ask(session, asked)
    return 0


def _read(file: Path) -> Any:
    try:
        return read_json(file)
    except Unreadable as why:
        where = f" at line {why.line}, column {why.column}" if why.line else ""
        raise Refused([error("CLI081", f"{file} is no JSON that can be read{where}: {why}")]) from None


def _hosts(session: Session) -> dict[str, str]:
    """Machines that are declared already: their extensions become documents of these hosts."""
    if not session.common.specs.exists():
        return {}
    return {host.azure.name.casefold(): name for name, host in session.linked_anyhow.hosts.items() if host.azure is not None}


def _told(found: Sequence[Imported]) -> list[dict[str, Any]]:
    return [{"name": one.name, "machine": one.machine.name, "notes": list(one.notes), "questions": list(one.questions)} for one in found]


def _ask(session: Session, asked: Sequence[str]) -> None:
    """On the other stream: the text may go into a file."""
    if not asked or session.json:
        return
    from reconciler.cli.views.frames import frame

    details = tuple(("which", one) for one in asked)
    told = Diagnostic("CLI082", Severity.WARNING, "not everything was said; a ? stands for it, and validate refuses that", details=details)
    page = session.screen.page()
    frame(page, told, session.line)
    session.screen.complain(page)
