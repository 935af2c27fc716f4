"""`reconcile export --arm`: what is declared for Azure as an ARM template. It contacts nobody; secrets become parameters without a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from reconciler.azure.templates import Entry, TooOld, template
from reconciler.cli.files import write_text
from reconciler.cli.options import Selection
from reconciler.cli.session import Session, chosen
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.engine.planning import hosts_in
from reconciler.kinds._azure_extension_spec import AzureVmExtension
from reconciler.kinds.azure_vm_extension import declared_properties
from reconciler.signatures import arm_catalogue

Arm = Annotated[bool, typer.Option("--arm", help="An ARM template of the extensions; the only form that there is.")]
Version = Annotated[str, typer.Option("--api-version", metavar="DATE", help="Left out: the one that this product speaks.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")]


def command(session: Session, selection: Selection, arm: Arm = False, api_version: Version = "", out: Out = None) -> int:
    """What is declared for Azure as an ARM template."""
    if not arm:
        raise Refused([error("CLI083", "say in which form", help="reconcile export --arm")])
    versions = arm_catalogue().versions
    if api_version and api_version not in versions:
        raise Refused([error("CLI084", f"there is no api-version {api_version} of these extensions", help=f"the newest are {', '.join(versions[-4:])}")])
    chosen(session, selection)
    entries = list(_entries(session, selection))
    if not entries:
        raise Refused([error("CLI085", "nothing that was asked for is an extension in Azure", help="declare an AzureVmExtension on a host with azure:")])
    try:
        text = json.dumps(template(entries, api_version), indent=2, ensure_ascii=False) + "\n"
    except TooOld as old:
        raise Refused(
            [error("CLI086", f"{old}; the template would be of {api_version}", help="choose a newer --api-version, or leave that field out")]
        ) from None
    if out is None:
        session.screen.text(text)
    else:
        write_text(out, text)
    return 0


def _entries(session: Session, selection: Selection) -> Iterator[Entry]:
    """In the order of the graph: what comes before stands before."""
    linked = session.linked
    asked = {target.casefold() for target in selection.targets}
    for host in hosts_in(linked, selection.scope()):
        found = {resource.id: resource.spec for resource in linked.resources[host.name] if isinstance(resource.spec, AzureVmExtension)}
        for resource in linked.resources[host.name]:
            spec = found.get(resource.id)
            if spec is None or host.azure is None or (asked and not asked & {host.name.casefold(), str(resource.id).casefold()}):
                continue
            before = tuple(str(found[need.target].name) for need in resource.needs if need.target in found)
            yield Entry(host.azure, str(spec.name), declared_properties(spec), before)
