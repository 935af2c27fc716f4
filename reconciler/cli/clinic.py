"""How a doctor reaches the hosts of a call: the emulated estate that was named, else each host by its connection; and Azure, where hosts are in it.

`commands.doctor` uses it. What asks WMI has a sign-in of its own beside the session's: a doctor stops at the first that is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import anyio

from reconciler.cli.reach import emulated
from reconciler.cli.session import Session
from reconciler.cli.wallclock import WallClock
from reconciler.core.resources import Connection, Host
from reconciler.emulator.controller import Controller
from reconciler.emulator.estate import Estate
from reconciler.engine.identity import verify
from reconciler.engine.vocabulary import vocabulary
from reconciler.hosts.connect import Connections
from reconciler.hosts.doctor import WORDS, Beside, Clinic
from reconciler.hosts.emulated_cim import connect_cim
from reconciler.hosts.winrm.way import way_to

OVER_A_LINE = ("winrm", "psrp")


@contextmanager
def clinic(session: Session) -> Iterator[Callable[[Host], Clinic]]:
    """Raises Refused where nothing says how hosts are reached."""
    fleet = session.linked.fleet.name
    allow = tuple(sorted({*vocabulary(session.registry), *(word.name for word in WORDS)}))
    if session.common.estate is not None:
        with session.estate() as estate, _azure(session, estate) as beside:
            there = Clinic(fleet, allow, emulated(estate, session.vault), estate.clock, verify, cim=connect_cim(estate, estate.clock), beside=beside)
            yield lambda host: replace(there, where=f"{host.name} · emulated")
        return
    with session.environment() as env, _azure(session) as beside:
        lines = Connections(session.vault, WallClock())
        bare = Clinic(fleet, allow, env.connect, env.clock, verify, beside=beside)
        whole = replace(bare, way=lambda host: way_to(host, Path()), cim=lines.cim)
        nothing = replace(bare, connect=None, where="nothing says how it is reached")

        def by_connection(host: Host) -> Clinic:
            if not host.connected:
                return replace(bare, where=f"{host.name} · Azure alone")
            if host.connection == Connection():
                return nothing
            return whole if host.connection.transport in OVER_A_LINE else bare

        try:
            yield by_connection
        finally:
            anyio.run(lines.aclose)


@contextmanager
def _azure(session: Session, estate: Estate | None = None) -> Iterator[tuple[Beside, ...]]:
    """What looks at the hosts' Azure; nothing, and nothing imported, where none is in it."""
    linked = session.linked
    if all(host.azure is None for host in linked.hosts.values()):
        yield ()
        return
    from reconciler.azure.checkup import AzureCheckup
    from reconciler.azure.connect import AzureConnections
    from reconciler.azure.emulated import reach
    from reconciler.azure.role import needs

    connections = AzureConnections(session.vault, WallClock()) if estate is None else reach(Controller(estate, estate.clock, session.vault, (), None))
    try:
        yield (AzureCheckup(connections, lambda host: needs(host, linked.resources.get(host.name, ()), session.registry)),)
    finally:
        connections.close()
