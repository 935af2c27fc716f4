"""Lease and ledger of an emulated host, in its registry, as the invoker keeps them (wire-contract "Lease, fence, replay").

`invoker` and `jobs` call it. Nothing here waits: in the emulated world a locked section is one that does not await.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.emulator.arguments import Refusal
from reconciler.emulator.machine import Machine
from reconciler.emulator.parts import Process
from reconciler.wire.codec import moment
from reconciler.wire.strict import Malformed, read, write

STORE = "HKLM\\SOFTWARE\\reconciler"
GRACE = 30.0  # seconds that a write's lease outlives the batch's deadline
FLEET = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
ENTRY = re.compile(r"[0-9a-f]{32}")
HOLDER = re.compile(r"[\x20-\x7e]{1,200}")
VALUE = 65536
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_FREE: Mapping[str, Any] = {"holder": None, "epoch": 0, "boot": "", "until": 0.0, "pid": 0, "started": 0, "rebooting": None}


@dataclass(frozen=True, slots=True)
class Here:
    """One emulated powershell process on one machine: who asks for the lease."""

    machine: Machine
    pid: int


def store(machine: Machine, key: str = "") -> dict[str, str]:
    """All values of a key below ours, by name."""
    found = machine.registry.key(f"{STORE}\\{key}".rstrip("\\"))
    return {value.name: str(value.data) for value in found.values.values()} if found else {}


def ticks(when: datetime) -> int:
    return ((when - _FIRST) // timedelta(microseconds=1)) * 10


def uptime(machine: Machine) -> float:
    """The host's monotonic clock, in seconds."""
    return round(machine.uptime.total_seconds(), 3)


def alive(machine: Machine, who: Mapping[str, Any]) -> Process | None:
    """The process with that pid and start time (a pid alone may by now be somebody else's)."""
    found = machine.process(int(who["pid"]))
    return found if found and abs(ticks(found.started) - int(who["started"])) < 20_000_000 else None


def current(machine: Machine) -> dict[str, Any]:
    lease = dict(_FREE)
    text = store(machine).get("lease")
    if text:
        try:
            said = read(text)
        except Malformed as error:
            raise Refusal("InvalidOperationException", f"the lease cannot be read: {error}") from None
        lease |= {name: said[name] for name in lease if name in said}
    return lease


def _save(machine: Machine, lease: Mapping[str, Any]) -> None:
    machine.registry.put(STORE, "lease", write(lease))


def _make_mine(here: Here, lease: dict[str, Any], until: float) -> None:
    process = here.machine.process(here.pid)
    lease |= {"boot": here.machine.boot_id, "until": round(until, 3), "pid": here.pid, "started": ticks(process.started) if process else 0}
    _save(here.machine, lease)


def _is_mine(here: Here, lease: Mapping[str, Any]) -> bool:
    return bool(lease["pid"] == here.pid and alive(here.machine, lease))


def confirm(here: Here, epoch: Any, seconds: float) -> None:
    """Refuses a write whose epoch is not current, or that comes from a process that did not take the lease; stretches the lease."""
    lease = current(here.machine)
    number = isinstance(epoch, int) and not isinstance(epoch, bool)
    if not lease["holder"] or lease["boot"] != here.machine.boot_id or not number or lease["epoch"] != epoch or not _is_mine(here, lease):
        raise Refusal("StaleEpoch", f"epoch {epoch} is not current here", lease)
    if seconds > 0:
        _make_mine(here, lease, max(float(lease["until"]), uptime(here.machine) + seconds + GRACE))


def use(here: Here, ask: Mapping[str, Any]) -> dict[str, Any]:
    """take, renew, release, rebooting; the lease afterwards."""
    holder, do = str(ask.get("holder", "")), ask.get("do")
    seconds = ask.get("seconds", 0)
    if not HOLDER.fullmatch(holder) or do not in ("take", "renew", "release", "rebooting") or not isinstance(seconds, int | float):
        raise Refusal("BadLease", "lease request")
    span = max(1, min(7200, int(seconds)))
    lease = current(here.machine)
    same = lease["holder"] == holder and ask.get("epoch") is not None and lease["epoch"] == ask.get("epoch")
    if do == "take":
        return _take(here, lease, holder, span, same)
    if not same or lease["boot"] != here.machine.boot_id or not _is_mine(here, lease):
        raise Refusal("StaleEpoch", f"not the lease of {holder} here", lease)
    if do == "release":
        lease |= {"holder": None, "until": 0.0, "pid": 0, "started": 0}
        _save(here.machine, lease)
        return lease
    if do == "rebooting":
        lease["rebooting"] = {"holder": holder, "until": moment(here.machine.local_now + timedelta(seconds=span))}
    _make_mine(here, lease, max(float(lease["until"]), uptime(here.machine) + span))
    return lease


def _take(here: Here, lease: dict[str, Any], holder: str, span: int, same: bool) -> dict[str, Any]:
    """A taker ends the process of an expired holder before it raises the epoch."""
    machine, now = here.machine, uptime(here.machine)
    valid = bool(lease["holder"]) and lease["boot"] == machine.boot_id
    if valid and now < float(lease["until"]) and not same:
        raise Refusal("LeaseHeld", f"held by {lease['holder']} for {round(float(lease['until']) - now)} s", lease)
    restart = lease["rebooting"]
    if restart and lease["boot"] != machine.boot_id and restart["holder"] != holder and moment(machine.local_now) < restart["until"]:
        raise Refusal("Rebooting", f"left by {restart['holder']} for a restart", lease)
    if valid and lease["pid"] != here.pid and alive(machine, lease):
        machine.kill_tree(int(lease["pid"]))
    lease |= {"epoch": int(lease["epoch"]) + 1, "holder": holder, "rebooting": None}
    _make_mine(here, lease, now + span)
    return lease


def ledger(here: Here, call: Mapping[str, Any], request: Mapping[str, Any]) -> list[Any]:
    """A ledger call: get anywhere, put and delete only inside a write batch. Gives the objects."""
    do, name, fleet = call.get("l"), str(call.get("n", "")), call.get("f")
    if fleet is None:
        if name not in ("machine", "hold"):
            raise Refusal("BadLedger", "name")
    elif not FLEET.fullmatch(str(fleet)) or not ENTRY.fullmatch(name):
        raise Refusal("BadLedger", "fleet or name")
    key = "" if fleet is None else f"fleets\\{fleet}"
    if do == "get":
        return [store(here.machine, key).get(name)]
    if not request.get("w") or do not in ("put", "delete"):
        raise Refusal("NotWrite", "the ledger changes only inside a write batch")
    value = call.get("v")
    if do == "put" and (not isinstance(value, str) or len(value) > VALUE):
        raise Refusal("BadLedger", "value")
    confirm(here, request.get("epoch"), 0)
    path = f"{STORE}\\{key}".rstrip("\\")
    if do == "put":
        here.machine.registry.put(path, name, value)
    else:
        here.machine.registry.drop(path, name)
    return []
