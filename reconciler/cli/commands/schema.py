"""`reconcile schema`: JSON Schema of the manifests, for editors that complete and check while one types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reconciler.cli.files import write_text
from reconciler.cli.session import Session
from reconciler.manifests import schema

Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")]


def command(session: Session, out: Out = None) -> int:
    """JSON Schema of the manifests, for editors."""
    text = json.dumps(schema(session.registry), indent=1, sort_keys=True) + "\n"
    if out is None:
        session.screen.text(text)
        return 0
    write_text(out, text)
    page = session.screen.page()
    page.say(f"{out} is written; say so at the head of a manifest:")
    page.exact((f"# yaml-language-server: $schema={out}", "bold"))
    session.screen.show(page)
    return 0
