"""Our own PSRP sessions with an emulated estate: what the tests here add to those over WinRM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.core.transport import Target
from reconciler.emulator.winrm.psrp import Configuration
from reconciler.emulator.winrm.psrp.configuration import load
from reconciler.wire import powershell
from tests.hosts.winrm.serving import ALLOW, HOST, Served

ONLY = frozenset(name.casefold() for name in ALLOW) | {"provision-eflowvm", "deploy-eflow"}
BATCH = Configuration("EdgeBatch", False, sha256=powershell.sha256(), only=ONLY)
LOOKS = Configuration("EdgeLooks", False, MappingProxyType({"get-netadapter": None, "get-ciminstance": None}))
MODES: dict[str, dict[str, Any]] = {
    "script": {},
    "function": {"configurationName": BATCH.name, "mode": "function"},
    "cmdlet": {"configurationName": LOOKS.name, "mode": "cmdlet"},
}


def written(files: Mapping[str, str], folder: Path) -> Configuration:
    """A bundle of files, written and read again as the host's own."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return load(folder)


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
