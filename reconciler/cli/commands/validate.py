"""`reconcile validate`: every error of the manifests at once; no host is contacted."""

from __future__ import annotations

import time

from reconciler.cli.session import Session
from reconciler.cli.views.validate_text import validate_json, validate_page


def command(session: Session) -> int:
    """All errors at once, no host needed."""
    started = time.monotonic()
    linked = session.linked_anyhow
    code = 1 if linked.errors else 0
    if session.json:
        session.screen.json(validate_json(linked, session.manifest, code))
        return code
    page = session.screen.page()
    validate_page(page, linked, session.manifest, session.line, time.monotonic() - started, session.said())
    session.screen.show(page)
    return code
