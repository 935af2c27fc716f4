"""Our own PSRP sessions with an emulated estate: what the tests here add to those over WinRM."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from reconciler.core.transport import Target
from reconciler.emulator.winrm.psrp import Configuration
from reconciler.wire import powershell
from tests.hosts.winrm.serving import ALLOW, HOST, Served

ONLY = frozenset(name.casefold() for name in ALLOW) | {"provision-eflowvm", "deploy-eflow"}
BATCH = Configuration("EdgeBatch", False, MappingProxyType({}), powershell.sha256(), ONLY)
LOOKS = Configuration("EdgeLooks", False, MappingProxyType({"get-netadapter": None, "get-ciminstance": None}))
MODES: dict[str, dict[str, Any]] = {
    "script": {},
    "function": {"configurationName": BATCH.name, "mode": "function"},
    "cmdlet": {"configurationName": LOOKS.name, "mode": "cmdlet"},
}


def over_psrp(target: Target, mode: str = "script") -> Target:
    """The same target by PSRP."""
    connection = target.host.connection
    connection = replace(connection, transport="psrp", options={**connection.options, **MODES[mode]})
    return replace(target, host=replace(target.host, connection=connection))


def psrp(there: Served, mode: str = "script", how: str = "ntlm", name: str = HOST, **more: Any) -> Target:
    """A target by PSRP, its configurations registered there."""
    for configuration in (BATCH, LOOKS):
        there.endpoint.psrp.register(name, configuration)
    return over_psrp(there.target(how, name, **more), mode)
