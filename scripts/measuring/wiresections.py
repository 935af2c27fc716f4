"""The figures of `wire` and `reads` as sections of the bench. Pure: what was measured goes in, rows come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from scripts.measuring.rows import Row, Section, at_least, at_most

Figures = Mapping[str, float]
FIRST, KNOWN, WARM = 9, 7, 2  # HTTP requests of a plan a host, with NTLM
FASTER_COLD, FASTER_WARM = 12, 50
KIB = 1024
WAYS = (("to the host", "bytes received"), ("from the host", "bytes sent"))
LOOKS = (("first contact", "first"), ("warm", "warm"), ("PSRP, warm", "psrp warm"))
WITHOUT_ANSIBLE = "ansible-playbook is not installed here, so nothing stands beside these: `make interop` installs it"
STARTS = "cold: from before the program starts; apart from its own start: without Python, imports, and what Ansible takes for an empty play"
MODULES = "with stated costs a cold session imports every module once, one after the other, where ten forks import theirs side by side"


def counted_section(hosts: int, found: Figures) -> Section:
    """One plan of hosts that are as declared, three times."""
    rows = (
        at_most("first contact: HTTP requests", found["first requests"], "a host", FIRST),
        at_most("known facts, new session: HTTP requests", found["known requests"], "a host", KNOWN),
        at_most("warm, in a kept session: HTTP requests", found["warm requests"], "a host", WARM),
        Row("the end of a session: HTTP requests", found["first ending"], "a host"),
        at_most("first contact: processes started there", found["first processes"], "a host", 1),
        at_most("warm: processes started there", found["warm processes"], "a host", 0),
        Row("PSRP, first contact: HTTP requests", found["psrp first requests"], "a host"),
        Row("PSRP, warm: HTTP requests", found["psrp warm requests"], "a host"),
        Row("PSRP, warm: processes started there", found["psrp warm processes"], "a host"),
        Row("calls run there, each time", found["warm executions"], "a host"),
        *(Row(f"{name}: {way}", found[f"{key} {what}"] / KIB, "KiB a host") for name, key in LOOKS for way, what in WAYS),
    )
    return Section(f"the wire, {hosts} hosts of ten resources, NTLM over HTTP, counted by an endpoint in its own process", rows)


def sweep_section(hosts: int, found: Figures) -> Section:
    """Wall, CPU and memory are the controller's; the endpoint's CPU stands beside, since both share the machine."""
    rows = []
    for name, told in (("cold", "first contact"), ("warm", "in kept sessions")):
        rows += [
            Row(f"{told}: wall", found[f"{name} wall"], "s"),
            Row(f"{told}: CPU of the controller", found[f"{name} cpu"] / hosts * 1000, "ms a host"),
            Row(f"{told}: CPU of the endpoint", found[f"{name} endpoint"] / hosts * 1000, "ms a host"),
            Row(f"{told}: memory of the controller, more than before", found[f"{name} memory"] / hosts, "KiB a host"),
            Row(f"{told}: HTTP requests", found[f"{name} requests"], "a host"),
        ]
    return Section(f"the wire, {hosts} hosts planned, {hosts} sessions kept", tuple(rows))


def reads_section(forks: int, stated: Mapping[str, float], found: Figures, *, whole: bool) -> Section:
    """`whole`: the size for which there are goals. Ratios are of the same run; the counts above them are what is claimed."""
    beside = "free ansible wall" in found
    title = f"the wire, {found['hosts']:.0f} hosts × {found['reads']:.0f} reads" + (f", beside ansible-playbook raw with {forks} forks" if beside else "")
    costs = ", ".join(f"{name} {seconds:g} s" for name, seconds in stated.items())
    rows = [*_counts(found, beside), *_times("free", "nothing costs", found, beside), *_times("stated", "stated costs", found, beside)]
    rows = rows if whole else [replace(row, goal="", met=None) for row in rows]
    notes = (f"stated costs: {costs} (a PowerShell 7 on Linux)", *((STARTS, MODULES) if beside else (WITHOUT_ANSIBLE,)))
    return Section(title, tuple(rows), notes)


def _counts(found: Figures, beside: bool) -> list[Row]:
    """What is claimed: it is the same on every machine, and with every cost."""
    who = (("cold", "cold"), ("warm", "warm"), *((("ansible", "ansible-playbook"),) if beside else ()))
    rows = [Row(f"{told}: HTTP requests", found[f"free {name} requests"], "", digits=0) for name, told in who]
    rows += [Row(f"{told}: processes started there", found[f"free {name} processes"], "", digits=0) for name, told in who]
    rows += [Row(f"{told}: {way}", found[f"free {name} {what}"] / KIB, "KiB", digits=0) for name, told in who for way, what in WAYS]
    return rows


def _times(costs: str, told: str, found: Figures, beside: bool) -> list[Row]:
    def of(what: str) -> float:
        return found[f"{costs} {what}"]

    rows = [
        Row(f"{told}, cold: wall", of("cold wall"), "s", digits=2),
        Row(f"{told}, cold: wall apart from its own start", of("cold inside"), "s", digits=2),
        Row(f"{told}, warm: wall", of("warm wall"), "s", digits=3),
    ]
    if not beside:
        return rows
    inside = of("ansible wall") - of("ansible start")
    return [
        *rows,
        Row(f"{told}, ansible-playbook: wall", of("ansible wall"), "s", digits=2),
        Row(f"{told}, ansible-playbook: wall apart from its own start", inside, "s", digits=2),
        at_least(f"{told}, ansible-playbook against cold", of("ansible wall") / of("cold wall"), "times", FASTER_COLD),
        Row(f"{told}, the same, each apart from its own start", inside / of("cold inside"), "times"),
        at_least(f"{told}, ansible-playbook apart from its start against warm", inside / of("warm wall"), "times", FASTER_WARM),
        Row(f"{told}, CPU: ansible-playbook against cold", of("ansible cpu") / of("cold cpu"), "times"),
        Row(f"{told}, CPU: ansible-playbook against warm", of("ansible cpu") / of("warm cpu"), "times"),
    ]
