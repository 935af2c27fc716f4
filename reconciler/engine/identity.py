"""Is it the machine that was declared? Asked before anything else of every session; either answer wrong ends it."""

from __future__ import annotations

import json

from reconciler.core.calls import LedgerCall
from reconciler.core.canonical import canonical
from reconciler.core.errors import WrongMachine
from reconciler.core.resources import Host
from reconciler.core.transport import Hello


def verify(host: Host, hello: Hello) -> None:
    """First contact: the computer's name is the declared one. Later: name and BIOS UUID are those on record. Raises WrongMachine."""
    name = hello.facts.computer_name
    record = json.loads(hello.machine) if hello.machine else None
    if record is not None and record.get("host", host.name).casefold() != host.name.casefold():
        raise WrongMachine(f"this machine says it is {record['host']} (our own record there); nothing was asked or done")
    if name.casefold() != host.expected_name:
        raise WrongMachine(f"this machine is called {name}, and {host.expected_name.upper()} was declared; nothing was asked or done")
    if record is not None and record.get("uuid") and hello.facts.uuid and record["uuid"].casefold() != hello.facts.uuid.casefold():
        raise WrongMachine(f"another machine answers as {name}: its BIOS UUID is {hello.facts.uuid}, ours on record is {record['uuid']}")


def record(host: Host, hello: Hello) -> LedgerCall | None:
    """The write that names the machine, where it has no name of ours yet."""
    if hello.machine:
        return None
    value = canonical({"host": host.name, "name": hello.facts.computer_name, "uuid": hello.facts.uuid, "guid": hello.facts.machine_guid})
    return LedgerCall("put", None, "machine", value)
