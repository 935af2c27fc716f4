"""What `validate` shows: every diagnostic in its frame, and how much was looked at."""

from __future__ import annotations

from typing import Any

from reconciler.cli.hints import Said
from reconciler.cli.views.frames import Lines, frames
from reconciler.cli.views.page import Page
from reconciler.cli.views.words import count
from reconciler.core.diagnostics import Severity
from reconciler.core.resources import Manifest
from reconciler.engine.link import Linked


def validate_page(page: Page, linked: Linked, manifest: Manifest, lines: Lines, seconds: float, said: Said) -> None:
    frames(page, linked.diagnostics, lines)
    page.blank()
    resources = sum(len(found) for found in linked.resources.values())
    looked = ", ".join((count(len(manifest.files), "file"), count(len(linked.hosts), "host"), count(resources, "resource")))
    page.say(f"{verdict(linked)} · {looked} in {seconds:.1f} s · no host was contacted", "bold")
    if linked.rules_suspended:
        page.say(f"{count(linked.rules_suspended, 'rule')} {'waits' if linked.rules_suspended == 1 else 'wait'} for a first look at the hosts")
    if not linked.fleet.declared:
        page.say("no Fleet document: nothing is ever pruned; to have it so, add kind: Fleet with a name")
    if linked.errors:
        page.exact((f"Next: {said.command('validate')}", "bold cyan"), ("    (once they are mended)", "dim"))
    else:
        page.exact((f"Next: {said.command('plan')}", "bold cyan"))


def verdict(linked: Linked) -> str:
    """`4 errors, 1 warning`, or that there are none."""
    errors = len(linked.errors)
    warnings = sum(1 for d in linked.diagnostics if d.severity is Severity.WARNING)
    said = [count(errors, "error")] if errors else []
    said += [count(warnings, "warning")] if warnings else []
    return ", ".join(said) or "no errors"


def validate_json(linked: Linked, manifest: Manifest, code: int) -> dict[str, Any]:
    warnings = sum(1 for d in linked.diagnostics if d.severity is Severity.WARNING)
    return {
        "format": "reconcile/validate/1",
        "exitCode": code,
        "summary": {
            "errors": len(linked.errors),
            "warnings": warnings,
            "files": len(manifest.files),
            "documents": manifest.documents,
            "resources": sum(len(found) for found in linked.resources.values()),
            "rulesSuspended": linked.rules_suspended,
        },
        "fleet": {"name": linked.fleet.name, "declared": linked.fleet.declared},
        "hosts": [{"name": name, "resources": [r.id.local for r in linked.resources.get(name, ())]} for name in linked.hosts],
        "diagnostics": [dict(d.to_json()) for d in linked.diagnostics],
    }
