"""Checks of the machine itself: time since boot, memory, disks, virtualisation and its interfaces, and what Hyper-V and NAT have there. Pure.

By WMI; the libraries of the interfaces and the size of EFLOW's disk, by the session. Sources: eflow-domain 4, 6.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime

from reconciler.core.checkup import Finding, ok, warn
from reconciler.core.errors import ReconcilerError
from reconciler.hosts.cim import NotThere, is_true, number, one
from reconciler.hosts.doctor.ask import EFLOW_DISKS, FEATURES, LIBRARIES
from reconciler.hosts.doctor.on_line import code_of, said
from reconciler.hosts.doctor.seen import Seen
from reconciler.hosts.winrm.errors import Forbidden

GB = 2**30
FULL = 5 * GB  # bytes of drive C below which little can be installed
ENABLED = 1  # InstallState of Win32_OptionalFeature, as Microsoft documents it
STATES = {2: "running", 3: "off", 6: "saved", 9: "paused", 10: "starting", 4: "stopping"}  # EnabledState of Msvm_ComputerSystem
GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
MOST = 12  # names in a line
GUESTS = ("virtual", "vmware", "qemu", "kvm", "xen", "bochs", "google compute", "amazon ec2")  # in maker or model; beyond the first two unverified


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
    text = ", ".join(f"{name} {free / GB:,.0f} GB" for name, free in found) + " free" + _eflow_disk(seen)
    full = any(name == "C:" and free < FULL for name, free in found)
    yield warn("disk", text, "roles, updates and EFLOW want more on C:") if full else ok("disk", text)


def _eflow_disk(seen: Seen) -> str:
    """What the guest's disk takes by now, where it lies in its usual folder; it grows up to what it was deployed with."""
    answer = seen.answer(EFLOW_DISKS)
    sizes = [int(size) for row in answer.objects if (size := row.maybe("Length")) is not None] if answer is not None else []
    return f"; EFLOW's disk takes {sum(sizes) / GB:,.1f} GB by now" if sizes else ""


def nesting(seen: Seen) -> Iterator[Finding]:
    """A guest always sees a hypervisor, its host's: only a physical machine tells by it whether its own runs."""
    for row in seen.table("computer"):
        named = f"{one(row['Manufacturer'])} {one(row['Model'])}".strip()
        guest = any(word in named.casefold() for word in GUESTS)
        own = "" if guest or is_true(row["HypervisorPresent"]) else ", no hypervisor runs"
        yield ok("nesting", f"{'a virtual machine' if guest else 'physical'} ({named}){own}{_services(seen)}")


def _services(seen: Seen) -> str:
    by_state: dict[str, list[str]] = {}
    for row in seen.table("services"):
        by_state.setdefault("run" if one(row["State"]) == "Running" else "do not run", []).append(one(row["Name"]))
    return "".join(f"; {', '.join(by_state[state])} {state}" for state in sorted(by_state, reverse=True))


def interfaces(seen: Seen) -> Iterator[Finding]:
    """Those of Hyper-V that others beside us may use; we ourselves read WMI alone. Only what was read is said."""
    told: dict[str, list[str]] = {}
    for name, state in _interfaces(seen):
        told.setdefault(state, []).append(name)
    platform = next((number(row["InstallState"]) for row in seen.table("features") if one(row["Name"]).casefold() == "hypervisorplatform"), None)
    saved = seen.answer(LIBRARIES["saved state"])
    said_ = [f"{', '.join(names)} {state}" for state, names in told.items()]
    said_ += [] if platform is None else [f"Windows Hypervisor Platform {'on' if platform == ENABLED else 'off'}"]
    said_ += [f"saved state {_yes(True in saved.objects)}"] if saved is not None and saved.ok else []
    if said_:
        yield ok("interfaces", " · ".join(said_))


def _interfaces(seen: Seen) -> Iterator[tuple[str, str]]:
    machines = seen.tables.get("machines")
    if isinstance(machines, tuple | NotThere):
        yield "WMI v2", _yes(isinstance(machines, tuple))
    if isinstance(seen.tables.get("services"), tuple):
        running = {one(row["Name"]).casefold(): one(row["State"]) == "Running" for row in seen.table("services")}
        for name, service in (("HCS", "vmcompute"), ("HCN", "hns")):
            yield name, _yes(service in running) if running.get(service, True) else "stopped"
    disks = seen.answer(LIBRARIES["VHD"])
    if disks is not None and disks.ok:
        yield "VHD", _yes(True in disks.objects)


def _yes(there: bool) -> str:
    return "yes" if there else "no"


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


CHECKS: tuple[Callable[[Seen], Iterator[Finding]], ...] = (wmi, boot, memory, disk, nesting, interfaces, features, machines, switches, nats)
