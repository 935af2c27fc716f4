"""The host's own network as the kinds look at it: adapters, addresses, and which adapter carries our session.

Shared by kinds that put the host into a network. The asks are constants, so that the same question from two kinds is one.
The session's adapter is the one that holds the local address of a WinRM connection; where no connection is seen (another
port, a local run), the one with the default route; else any with an address (windows-outputs Get-NetTCPConnection).
"""

from __future__ import annotations

from typing import Any

from reconciler.core.addresses import ip
from reconciler.core.calls import Answer, Cmdlet
from reconciler.core.observations import Ask

GET_ADAPTER = Cmdlet("Get-NetAdapter", ("Name",))
GET_ADDRESS = Cmdlet("Get-NetIPAddress")
GET_CONNECTION = Cmdlet("Get-NetTCPConnection", ("LocalPort",))
GET_ROUTE = Cmdlet("Get-NetRoute", ("DestinationPrefix",))

ADAPTERS = Ask(GET_ADAPTER(select=("Name", "InterfaceDescription", "InterfaceIndex")))
ADDRESSES = Ask(GET_ADDRESS(select=("IPAddress", "PrefixLength", "InterfaceAlias", "PrefixOrigin")))
CONNECTIONS = Ask(GET_CONNECTION(LocalPort=[5985, 5986], select=("LocalAddress",)), tolerate=True)
ROUTES = Ask(GET_ROUTE(DestinationPrefix="0.0.0.0/0", select=("InterfaceAlias",)), tolerate=True)


def host_adapter(switch: str) -> str:
    """What Windows calls the host's adapter on a switch."""
    return f"vEthernet ({switch})"


def is_host_adapter(alias: str) -> bool:
    """Whether an adapter is the host's end of some switch."""
    return alias.casefold().startswith("vethernet (")


def session_adapters(addresses: Answer, connections: Answer, routes: Answer) -> tuple[frozenset[str], bool]:
    """Casefolded names of the adapters that may carry our own connection, and whether a connection proves it."""
    alias = {unzoned(row["IPAddress"]): str(row["InterfaceAlias"]).casefold() for row in addresses.objects if usable(row["IPAddress"])}
    held = frozenset(alias[local] for row in connections.objects if (local := unzoned(row["LocalAddress"])) in alias)
    default = frozenset(str(row["InterfaceAlias"]).casefold() for row in routes.objects)
    return held or default or frozenset(alias.values()), bool(held)


def unzoned(address: Any) -> str:
    return str(address).partition("%")[0].casefold().removeprefix("::ffff:")


def usable(address: Any) -> bool:
    """An address that somebody else can speak to; a self-given IPv4 address counts as none."""
    read = ip(unzoned(address))
    return not read.is_loopback and not (read.version == 4 and read.is_link_local)
