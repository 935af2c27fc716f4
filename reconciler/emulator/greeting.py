"""Hello of an emulated host: who it is, and what it remembers (wire-contract "Session and hello"). `invoker` sends it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from reconciler.emulator import jobs, lease
from reconciler.emulator.arguments import Refusal
from reconciler.emulator.machine import Machine
from reconciler.emulator.policies import logging
from reconciler.wire.codec import encode

FILLERS = frozenset({"03000200-0400-0500-0006-000700080009", "12345678-1234-5678-90AB-CDDEEFAABBCC", "00020003-0004-0005-0006-000700080009"})
OWNERS = frozenset({"NT AUTHORITY\\SYSTEM", "BUILTIN\\Administrators", "NT SERVICE\\TrustedInstaller"})
INVOKER = hashlib.sha256(b"the emulated invoker").hexdigest()


def uuid_of(machine: Machine) -> str | None:
    """The BIOS UUID; what makers fill in when they have none counts as absent."""
    found = machine.uuid.upper()
    return None if found in FILLERS or not found.strip("0-") or not found.strip("F-") else found


def own_folder(machine: Machine) -> None:
    """The product's folder, made on first use. Anybody else's is refused: who owns it could change what lies in it."""
    folder = machine.files.folder(jobs.ROOT, machine.now)
    if folder.owner not in OWNERS:
        raise Refusal("Folder", f"{folder.path} is a link or owned by {folder.owner}")


def mismatch(identity: Mapping[str, Any], expected: Any) -> str | None:
    """The first of name, uuid, machine that is not what the controller expects."""
    if not isinstance(expected, dict):
        return None
    for name in ("name", "uuid", "machine"):
        if name in expected and str(expected[name] or "").casefold() != str(identity[name] or "").casefold():
            return name
    return None


def identity(machine: Machine, request: Any) -> dict[str, Any]:
    name = (machine.computer_name or machine.name).upper()
    return {"id": request, "hello": 1, "name": name, "uuid": uuid_of(machine), "machine": lease.store(machine).get("machine")}


def about(machine: Machine, pid: int, taint: bool) -> dict[str, Any]:
    """What a machine says of itself, beyond its identity."""
    process = machine.process(pid)
    return {
        "guid": machine.machine_guid,
        "os": machine.caption,
        "version": machine.version,
        "build": str(machine.build),
        "product": machine.product_type,
        "boot": machine.boot_id,
        "booted": encode(machine.booted + machine.skew),
        "log": logging(machine),
        "sha256": INVOKER,
        "ps": f"5.1.{machine.build}.{machine.revision}",
        "bits": 64,
        "language": "FullLanguage",
        "mode": "process",
        "pid": pid,
        "ws": 132 << 20,
        "started": encode(process.started if process else machine.now),
        "utc": encode(machine.local_now),
        "uptime": lease.uptime(machine),
        "ui": machine.language,
        "taint": taint,
    }


def memory(machine: Machine, fleet: Any) -> dict[str, Any]:
    """What the product left on the machine: lease, hold, the ledger of one fleet, jobs."""
    known = isinstance(fleet, str) and lease.FLEET.fullmatch(fleet)
    return {
        "lease": lease.current(machine),
        "hold": lease.store(machine).get("hold"),
        "ledger": lease.store(machine, f"fleets\\{fleet}") if known else {},
        "jobs": jobs.listed(machine),
    }
