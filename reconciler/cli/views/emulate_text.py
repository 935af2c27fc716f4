"""What the verbs of `emulate` show: the machines of an estate, the answer of one cmdlet, the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.cli.hints import Said
from reconciler.cli.views.page import At, Page
from reconciler.cli.views.words import count, one_line, took, value
from reconciler.cli.wishes import Growth
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.powershell import Outcome


def new_page(page: Page, estate: Estate, where: Path, said: Said, *, brief: bool = False) -> None:
    if not brief:
        _machines(page, estate)
    page.say(f"{count(len(estate.machines), 'bare machine')} in {where}/; it is {estate.clock.now():%a %Y-%m-%d %H:%M} UTC there")
    page.exact((f"Next: {said.command('plan')}", "bold cyan"))


def grown_page(page: Page, estate: Estate, where: Path, said: Said, *, growth: Growth, brief: bool = False) -> None:
    """An estate that was there already: what it got, and that nothing else was touched."""
    for added in growth.added if not brief else ():
        page.say(f"added: {one_line(added)}", "green", hang=7)
    for other in growth.other:
        page.say(f"not changed: {one_line(other)}", "yellow", hang=13)
    what = f"{count(len(growth.added), 'thing')} added to" if growth.added else "nothing to add to"
    page.say(f"{what} the {count(len(estate.machines), 'machine')} of {where}/, which stay as they are; for bare ones again, name another folder", hang=4)
    page.exact((f"Next: {said.command('plan')}", "bold cyan"))


def _machines(page: Page, estate: Estate) -> None:
    for machine in estate.machines.values():
        adapters = ", ".join(a.name for a in machine.adapters)
        german = "" if machine.language == "en-US" else f" · {machine.language}"
        page.row(At(0, machine.name, "bold"), At(max(14, len(machine.name) + 2), f"{machine.caption.removeprefix('Microsoft ')}{german} · {adapters}"))
    alone = [(vm.name, f"{vm.location} · {vm.size}") for vm in estate.azure.vms.values() if not vm.scale_set]
    for name, what in [*alone, *((held.name, f"{held.location} · scale set of {held.size}") for held in estate.azure.sets.values())]:
        page.row(At(0, name, "bold"), At(max(14, len(name) + 2), f"Azure {what}"))
    page.blank()


def estate_json(estate: Estate) -> dict[str, Any]:
    hosts = [{"name": m.name, "sku": m.sku, "language": m.language, "adapters": [a.name for a in m.adapters]} for m in estate.machines.values()]
    azure = [{"id": vm.id, "size": vm.size} for vm in estate.azure.vms.values()]
    azure += [{"id": held.id, "size": held.size} for held in estate.azure.sets.values()]
    return {"hosts": hosts, "now": estate.clock.now().isoformat()} | ({"azure": azure} if azure else {})


def outcome_page(page: Page, outcome: Outcome) -> None:
    """Windows' answer as it is: printed lines, objects, errors."""
    for line in filter(None, outcome.info_text.split("\n")):
        page.say(one_line(line), "dim")
    for number, item in enumerate(outcome.objects):
        if number:
            page.blank()
        for name, shown in _properties(item):
            page.row(At(0, f"{one_line(name)}", "bold"), At(32, shown))
    for warning in outcome.warnings:
        page.say(f"WARNING: {one_line(warning)}", "yellow")
    _errors(page, outcome)
    if outcome.ok and not page.lines:
        page.say("done; it answered nothing", "dim")


def _errors(page: Page, outcome: Outcome) -> None:
    for failed in outcome.errors:
        page.say(one_line(failed.message), "red")
        page.say(f"    + FullyQualifiedErrorId : {one_line(failed.id)}", "red")
    if outcome.hang:
        page.say("it does not answer", "red")


def _properties(item: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(item, Mapping):
        return [("", value(item))]
    return [(str(name), value(part)) for name, part in item.items()]


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    objects = [{name: value(part) for name, part in item.items()} if isinstance(item, Mapping) else value(item) for item in outcome.objects]
    errors = [{"id": e.id, "category": e.category, "message": e.message} for e in outcome.errors]
    return {"ok": outcome.ok, "objects": objects, "errors": errors, "info": outcome.info_text, "seconds": outcome.seconds, "reboot": outcome.reboot}


def power_page(page: Page, host: str, up_at: datetime | None, now: datetime, said: Said) -> None:
    """`up_at`: when a host that was just put on power answers; None: it is off, or was on."""
    if up_at is None or up_at <= now:
        page.say(f"{host} is {'off' if up_at is None else 'on'}")
        return
    seconds = round((up_at - now).total_seconds())
    page.say(f"{host} starts; it answers in {took(seconds)}, at {up_at:%H:%M:%S} UTC there")
    page.exact((f"Next: {said.command('emulate advance', f'{seconds + 1}s')}", "bold cyan"), ("    (lets that time pass)", "dim"))


def fault_page(page: Page, host: str, put: Fault, said: Said) -> None:
    what = put.cmdlet or "any call"
    often = "until healed" if put.times is None else count(put.times, "time")
    page.say(f"{host}: {what} meets it, {often}")
    page.say(f"away again: {said.command('emulate heal', host)}", "dim")


def log_json(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The entries, and how many of each sort there are."""
    counts: dict[str, int] = {}
    for entry in entries:
        counts[entry["what"]] = counts.get(entry["what"], 0) + 1
    return {"summary": dict(sorted(counts.items())), "entries": entries}
