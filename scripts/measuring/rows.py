"""What the bench prints: sections of figures, each beside its goal. Made by `bench` and by the modules of single sections."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One printed figure. `met` None: there is no goal, or not for this size."""

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    digits: int = 1


@dataclass(frozen=True, slots=True)
class Section:
    """`notes` are sentences below the figures."""

    title: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def below(name: str, value: float, unit: str, goal: float, digits: int = 1) -> Row:
    return Row(name, value, unit, f"under {goal:,g}", value < goal, digits)


def at_most(name: str, value: float, unit: str, goal: float, digits: int = 1) -> Row:
    return Row(name, value, unit, f"at most {goal:,g}", value <= goal, digits)


def at_least(name: str, value: float, unit: str, goal: float, digits: int = 1) -> Row:
    return Row(name, value, unit, f"at least {goal:,g}", value >= goal, digits)


def lines(section: Section) -> list[str]:
    out = [section.title]
    for row in section.rows:
        goal = f"goal: {row.goal}{'' if row.met is None else ', met' if row.met else ', NOT MET'}" if row.goal else ""
        out.append(f"  {row.name:<58}{row.value:>12,.{row.digits}f} {row.unit:<12}{goal}".rstrip())
    return [*out, *(f"  {note}" for note in section.notes), ""]
