"""The options that bound a run, and the `Request` they make. Shared by the commands that plan and apply."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.options import Selection
from reconciler.cli.session import Session
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Disruption
from reconciler.engine.environment import Limits, Request

LEAVE = "Leave, for this plan alone, to replace this one although that loses something."
MOST = "Nothing above this: none, lease-loss, service, vm-restart, reboot, management-link."
Replace = Annotated[list[str] | None, typer.Option("--replace", metavar="HOST/KIND[/NAME]", help=LEAVE)]
MaxDisruption = Annotated[str, typer.Option("--max-disruption", metavar="LEVEL", help=MOST, show_default=False)]


def request(session: Session, selection: Selection, replace: list[str] | None = None, max_disruption: str = "", destroy: tuple[str, ...] = ()) -> Request:
    """One request out of what was typed. Raises a usage error for what cannot be read."""
    limits = Limits(max_disruption=disruption(max_disruption), replace=tuple(resource_id(text) for text in replace or ()))
    return Request(selection.scope(), limits, session.specs, destroy)


def disruption(text: str) -> Disruption | None:
    if not text:
        return None
    try:
        return Disruption.parse(text)
    except KeyError:
        levels = ", ".join(str(level) for level in Disruption)
        raise typer.BadParameter(f"{text!r} is no level of disruption: {levels}") from None


def resource_id(text: str) -> str:
    try:
        return str(ResourceId.parse(text))
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
