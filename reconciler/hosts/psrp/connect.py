"""`connection:` of a host with `transport: psrp` → the channel for it: one of three ways (docs/connections.md).

Without configurationName the invoker is sent; mode function calls the one that is installed; mode cmdlet only looks. `hosts.connect`
loads this, and with it pypsrp, when it meets such a host.
"""

from __future__ import annotations

from reconciler.core.resources import Host
from reconciler.hosts.credentials import SignIns
from reconciler.hosts.psrp.channel import PsrpChannel
from reconciler.hosts.psrp.line import PsrpLine
from reconciler.hosts.psrp.looking import LookingChannel
from reconciler.hosts.winrm.channel import Setup
from reconciler.hosts.winrm.errors import BadConnection
from reconciler.hosts.winrm.journal import Journal
from reconciler.hosts.winrm.line import Workers
from reconciler.hosts.winrm.way import Way

FUNCTION, CMDLET = "function", "cmdlet"


def channel(host: Host, way: Way, signins: SignIns, workers: Workers, journal: Journal, setup: Setup | None) -> PsrpChannel:
    """Raises BadConnection where the fields do not fit together."""
    name, mode = str(host.connection.options.get("configurationName") or ""), host.connection.options.get("mode")
    if bool(name) != bool(mode):
        raise BadConnection(f"{host.name}: connection.configurationName and connection.mode go together: mode is {FUNCTION} or {CMDLET}")
    line = PsrpLine(way, signins, workers)
    if mode == CMDLET:
        return LookingChannel(line, journal, name, setup)
    return PsrpChannel(line, journal, name, setup)
