"""`reconcile bootstrap`: the block to paste on a host where nothing listens yet. It contacts nobody."""

from __future__ import annotations

from typing import Annotated

import typer

from reconciler.cli.session import Session
from reconciler.core.diagnostics import error
from reconciler.core.errors import Refused
from reconciler.hosts.bootstrap import PORT, is_host, is_source, listener_block

Name = Annotated[str, typer.Argument(metavar="HOST", help="A declared host, or the name or address that it is reached by.")]
Port = Annotated[int | None, typer.Option("--port", min=1, max=65535, help=f"Left out: what its manifest says, else {PORT}.")]
From = Annotated[list[str] | None, typer.Option("--from", metavar="NETWORK", help="Who may connect: addresses, networks; left out: LocalSubnet.")]
Rebind = Annotated[bool, typer.Option("--rebind", help="Bind the newest certificate that the host has, and make none.")]


def command(session: Session, host: Name, port: Port = None, from_: From = None, rebind: Rebind = False) -> int:
    """What to paste on a host where nothing listens yet."""
    name, declared = _reached(session, host)
    sources = from_ or ["LocalSubnet"]
    if not is_host(name):
        raise Refused([error("CLI071", f"{name!r} is no name of a host", help="the name or address that the host is reached by, without a port")])
    if wrong := [source for source in sources if not is_source(source)]:
        raise Refused([error("CLI072", f"--from {wrong[0]!r} is no address or network", help="for example 10.41.0.0/16, LocalSubnet or Any")])
    block = listener_block(name, port or declared or PORT, sources, rebind=rebind)
    if session.json:
        session.screen.json({"format": "reconcile/bootstrap/1", "exitCode": 0, "host": name, "port": port or declared or PORT, "text": block})
    else:
        session.screen.text(block)
    return 0


def _reached(session: Session, host: str) -> tuple[str, int | None]:
    """The name or address to connect to, and its declared port; a host that no manifest names is taken as it is."""
    if not session.common.specs.exists():
        return host, None
    found = session.linked_anyhow.hosts.get(host)
    return (found.address or host, found.connection.port) if found else (host, None)
