"""`reconcile drift`: what the world did to what is declared. What Git asks for besides is counted, not shown."""

from __future__ import annotations

from reconciler.cli.options import Selection
from reconciler.cli.requests import request
from reconciler.cli.running import run_async
from reconciler.cli.session import Session, chosen
from reconciler.cli.views.drift_text import DriftView, drift_code, drift_json, drift_page
from reconciler.engine.planning import make_plan


def command(session: Session, selection: Selection) -> int:
    """What the world changed, and which verb mends it."""
    chosen(session, selection)
    with session.environment() as env:
        plan = run_async(make_plan, session.linked, request(session, selection), env)
    code = drift_code(plan)
    if session.json:
        session.screen.json(drift_json(plan, code))
        return code
    page = session.screen.page()
    drift_page(page, plan, DriftView(session.said(selection)))
    session.screen.show(page)
    return code
