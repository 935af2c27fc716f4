"""Is it the machine that was declared? Asked before anything else of every session; either answer wrong ends it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.calls import LedgerCall
from reconciler.core.canonical import canonical
from reconciler.core.errors import WrongMachine
from reconciler.core.resources import Host
from reconciler.core.transport import Hello


def verify(host: Host, hello: Hello) -> None:
    """First contact: the computer's name is the declared one. Later: name and BIOS UUID are those on record. Raises WrongMachine."""
    if not host.connected:
        return  # its resource id names the VM, and nothing is on record there
    name = hello.facts.computer_name
    record = _on_record(hello)
    if record is not None and (record["host"] or host.name).casefold() != host.name.casefold():
        raise WrongMachine(f"this machine says it is {record['host']} (our own record there); nothing was asked or done")
    if name.casefold() != host.expected_name:
        raise WrongMachine(f"this machine is called {name}, and {host.expected_name.upper()} was declared; nothing was asked or done")
    for what, now, then in _prints(hello, record or {}):
        if now.casefold() != then.casefold():
            raise WrongMachine(f"another machine answers as {name}: its {what} is {now}, ours on record is {then}")
    azure = hello.facts.azure
    if azure is not None and hello.facts.uuid and not _one(azure.vm_id, hello.facts.uuid):
        raise WrongMachine(f"{name} has the BIOS UUID {hello.facts.uuid}, and Azure's VM {azure.id} has {azure.vm_id}: two machines; nothing was asked or done")


def _one(vm_id: str, uuid: str) -> bool:
    """Whether Azure's id of a VM and a BIOS UUID are one machine's; firmware may give the first three groups byte by byte (unverified)."""
    first, second, third, *rest = uuid.casefold().split("-") if uuid.count("-") == 4 else (uuid.casefold(), "", "")
    turned = ["".join(group[n : n + 2] for n in range(len(group) - 2, -1, -2)) for group in (first, second, third)]
    return vm_id.casefold() in (uuid.casefold(), "-".join((*turned, *rest)))


def _prints(hello: Hello, record: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """What tells one machine from another: the BIOS UUID; where either has none, the MachineGuid."""
    if record.get("uuid") and hello.facts.uuid:
        yield "BIOS UUID", hello.facts.uuid, record["uuid"]
    elif record.get("guid") and hello.facts.machine_guid:
        yield "MachineGuid", hello.facts.machine_guid, record["guid"]


def _on_record(hello: Hello) -> dict[str, Any] | None:
    if not hello.machine:
        return None
    try:
        found = json.loads(hello.machine)
        return {name: str(found[name]) if found.get(name) else "" for name in ("host", "name", "uuid", "guid")}
    except (ValueError, AttributeError) as bad:
        raise WrongMachine(f"our own record of which machine {hello.facts.computer_name} is cannot be read ({bad}); nothing was asked or done") from bad


def record(host: Host, hello: Hello) -> LedgerCall | None:
    """The write that names the machine, where it has no name of ours yet."""
    if hello.machine:
        return None
    value = canonical({"host": host.name, "name": hello.facts.computer_name, "uuid": hello.facts.uuid, "guid": hello.facts.machine_guid})
    return LedgerCall("put", None, "machine", value)
