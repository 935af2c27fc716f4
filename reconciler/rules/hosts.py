"""Rules between what a host is declared to be, what it says of itself, and what is to be deployed there.

Sources: eflow-domain 1.6 (VM name), 8 (pending rename), 9 (problem 17).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Finding, Rule, World
from reconciler.rules.asks import COMPUTER_NAMES, asking


def _pending_rename(world: World) -> Iterator[Finding]:
    for one in world.declared("EflowVm"):
        if any(state.deployed for state in world.seen("EflowVm").values()):
            continue
        names = {str(row["PSChildName"]).casefold(): str(row["ComputerName"]) for row in world.answer(COMPUTER_NAMES).objects}
        active, next_ = names.get("activecomputername", ""), names.get("computername", "")
        if active and next_ and active.casefold() != next_.casefold():
            yield Finding(
                one.id,
                "",
                f"{world.host} is called {active} now and {next_} after its next restart",
                why=f"EFLOW takes the VM's name from the computer's at deployment and keeps it: {active}-EFLOW would stay for ever",
                help=f"restart the host first: then it deploys as {next_}-EFLOW",
            )


def _another_sku(world: World) -> Iterator[Finding]:
    declared, facts = world.sku, world.facts
    if declared.startswith("server") != facts.is_server:
        there = "Windows Server" if facts.is_server else "a Windows client"
        yield Finding(
            world.host,
            "",
            f"declared as {declared}, and {world.host} runs {there}: {facts.caption}",
            why="rules that need no host believe the declared sku: they judged another Windows than this one",
            help="correct sku",
        )


RULES: tuple[Rule[Any], ...] = (
    Rule("HST101", Severity.WARNING, "a declared sku of the other sort than what runs", _another_sku),
    Rule("EFL035", Severity.ERROR, "a rename of the computer waits for a restart", _pending_rename, asks=asking(COMPUTER_NAMES)),
)
