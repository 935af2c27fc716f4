"""What the EFLOW trains differ in: parameters, cmdlets, sizes, names inside the guest. Source: eflow-domain 1.11.

`powershell` narrows signatures with it; `deployment` and `guest` take limits and names from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from reconciler.emulator.catalogue import Signature, find

NOT_IN_11 = frozenset(("set-eflowvmdnsservers", "add-eflowvmsharedfolder", "get-eflowvmsharedfolder", "remove-eflowvmsharedfolder"))
PARAMETERS_NOT_IN_11: Mapping[str, frozenset[str]] = {
    "deploy-eflow": frozenset(("vmDataSize", "vmLogSize", "customSsh", "sharedFoldersJsonPath")),
    "provision-eflowvm": frozenset(("headless",)),
}
FEATURES = {"1.1": ("DpsTpm",)}


@dataclass(frozen=True, slots=True)
class Train:
    """Disk limits in GB, the guest's configuration file and daemon, and the name of its system."""

    disk: tuple[int, int, int]  # least, most, default
    config: str
    services: tuple[str, ...]
    system: str
    runtime: str


OLD = Train((8, 2000, 10), "/etc/iotedge/config.yaml", ("iotedge",), "CBL-Mariner/Linux", "1.1.15")
NEW = Train((21, 2048, 29), "/etc/aziot/config.toml", ("aziot-edged", "aziot-identityd"), "CBL-Mariner/Linux", "1.4.27")
LATEST = replace(NEW, system="Microsoft Azure Linux 3.0", runtime="1.5.5")


def train(version: str) -> Train:
    match version.split(".")[:2]:
        case ["1", "1"]:
            return OLD
        case ["1", "5"]:
            return LATEST
    return NEW


def offers(version: str, name: str) -> bool:
    """Whether the module of this version has the cmdlet."""
    return not (version.startswith("1.1.") and name.casefold() in NOT_IN_11)


def narrowed(signature: Signature, version: str) -> Signature:
    """The signature as the module of this version has it."""
    old = version.startswith("1.1.") and signature.name.casefold() in PARAMETERS_NOT_IN_11
    return _of_11(signature.name) if old else signature


@cache
def _of_11(name: str) -> Signature:
    signature = find(name)
    if signature is None:
        raise KeyError(name)
    gone = PARAMETERS_NOT_IN_11[name.casefold()]
    parameters = {n: p for n, p in signature.parameters.items() if n not in gone}
    names = {known: own for known, own in signature.names.items() if own not in gone}
    sets = tuple(replace(s, members=s.members - gone) for s in signature.sets)
    return replace(signature, parameters=parameters, names=names, sets=sets)


def shared_folders(content: str) -> list[dict[str, Any]]:
    """The folders that a shared-folder file lists: eflow-domain 1.4. A file that is no such list gives none."""
    try:
        said = json.loads(content)
    except ValueError:
        return []
    return [
        {"hostFolderPath": f["hostFolderPath"], "readOnly": bool(f.get("readOnly", False)), "targetFolderOnGuest": f.get("targetFolderOnGuest", "")}
        for root in (said if isinstance(said, list) else [])
        for f in root.get("sharedFolders", [])
    ]
