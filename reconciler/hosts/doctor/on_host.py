"""Checks of the machine itself, all by WMI: time since boot, memory, disks, virtualisation, and what Hyper-V and NAT have there. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from reconciler.core.checkup import Finding, ok, warn
from reconciler.core.errors import ReconcilerError
from reconciler.hosts.cim import NotThere, is_true, number, one
from reconciler.hosts.doctor.ask import FEATURES
from reconciler.hosts.doctor.on_line import code_of, said
from reconciler.hosts.doctor.seen import Seen
from reconciler.hosts.winrm.errors import Forbidden

GB = 2**30
FULL = 5 * GB  # bytes of drive C below which little can be installed
ENABLED = 1  # InstallState of Win32_OptionalFeature, as Microsoft documents it
STATES = {2: "running", 3: "off", 6: "saved", 9: "paused", 10: "starting", 4: "stopping"}  # EnabledState of Msvm_ComputerSystem
GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
MOST = 12  # names in a line


def wmi(seen: Seen) -> Iterator[Finding]:
    """Who may only use a JEA endpoint is kept out of WMI, which is as it should be."""
    if isinstance(seen.wmi, Forbidden):
        yield warn("wmi", "this account may not read WMI: memory, disks, machines, switches and NAT are not told", "no harm where it is meant (JEA)", "HST023")
    elif seen.wmi is not None:
        yield warn("wmi", f"no more answers: {said(seen.wmi, seen.host.name)}", "is the service Winmgmt well there?", code_of(seen.wmi))


def boot(seen: Seen) -> Iterator[Finding]:
    for row in seen.table("system"):
        begun, now = _moment(one(row["LastBootUpTime"])), _moment(one(row["LocalDateTime"]))
        if begun is not None and now is not None:
            yield ok("boot", f"{one(row['Caption'])} ({one(row['BuildNumber'])}), up for {_span((now - begun).total_seconds() / 60)}")


def _span(minutes: float) -> str:
    return f"{minutes / 1440:.0f} days" if minutes >= 2880 else f"{minutes / 60:.0f} h" if minutes >= 120 else f"{minutes:.0f} min"


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def memory(seen: Seen) -> Iterator[Finding]:
    for row in seen.table("system"):
        free = number(row["FreePhysicalMemory"])
        if free is not None:
            yield ok("memory", f"{free >> 10:,} MB free")


def disk(seen: Seen) -> Iterator[Finding]:
    found = [(one(row["DeviceID"]), free) for row in seen.table("disks") if (free := number(row["FreeSpace"])) is not None]
    if not found:
        return
    text = ", ".join(f"{name} {free / GB:,.0f} GB" for name, free in found) + " free"
    full = any(name == "C:" and free < FULL for name, free in found)
    yield warn("disk", text, "roles, updates and EFLOW want more on C:") if full else ok("disk", text)


def nesting(seen: Seen) -> Iterator[Finding]:
    for row in seen.table("computer"):
        maker, model = one(row["Manufacturer"]), one(row["Model"])
        hypervisor = "a hypervisor runs" if is_true(row["HypervisorPresent"]) else "no hypervisor runs"
        yield ok("hardware", f"{maker} {model}, {hypervisor}{_services(seen)}")


def _services(seen: Seen) -> str:
    by_state: dict[str, list[str]] = {}
    for row in seen.table("services"):
        by_state.setdefault("run" if one(row["State"]) == "Running" else "do not run", []).append(one(row["Name"]))
    return "".join(f"; {', '.join(by_state[state])} {state}" for state in sorted(by_state, reverse=True))


def features(seen: Seen) -> Iterator[Finding]:
    """Only where no session tells it better."""
    rows = {one(row["Name"]).casefold(): number(row["InstallState"]) for row in seen.table("features")}
    if rows and seen.hello is None:
        on = [name for name in FEATURES if rows.get(name.casefold()) == ENABLED]
        off = [name for name in FEATURES if name.casefold() in rows and name not in on]
        yield ok("features", f"on: {', '.join(on) or 'none'}; off: {', '.join(off) or 'none'}")


def machines(seen: Seen) -> Iterator[Finding]:
    """A VM's Name is its id, the host's own row has the computer's name; captions are in the host's language."""
    if trouble := _unread(seen, "machines", "no Hyper-V there"):
        yield trouble
        return
    found = [row for row in seen.table("machines") if GUID.fullmatch(one(row["Name"]))]
    if "machines" in seen.tables:
        yield ok("machines", _listed([f"{one(row['ElementName'])} {_state(number(row['EnabledState']))}" for row in found]))


def _state(value: int | None) -> str:
    return STATES.get(value if value is not None else -1, f"in state {value}")


def switches(seen: Seen) -> Iterator[Finding]:
    if isinstance(seen.tables.get("switches"), tuple):
        yield ok("switches", _listed([one(row["ElementName"]) for row in seen.table("switches")]))


def nats(seen: Seen) -> Iterator[Finding]:
    if trouble := _unread(seen, "nats", "no NAT of Windows there"):
        yield trouble
    elif "nats" in seen.tables:
        yield ok("nats", _listed([f"{one(row['Name'])} {one(row['InternalIPInterfaceAddressPrefix'])}" for row in seen.table("nats")]))


def _unread(seen: Seen, table: str, absent: str) -> Finding | None:
    match seen.tables.get(table):
        case NotThere():
            return ok(table, absent)
        case ReconcilerError() as failed:
            return warn(table, f"could not be read: {said(failed, seen.host.name)}", code=code_of(failed))
    return None


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more or "none"


CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (wmi, boot, memory, disk, nesting, features, machines, switches, nats)
