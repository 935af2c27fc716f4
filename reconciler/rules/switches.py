"""Rules between switches, those who stand on them, and the machine: Azure, radio, switches that others made.

Sources: eflow-domain 1.8 (Wi-Fi), 2, 4.2, 9 (problem 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, Rule, World
from reconciler.core.model import Existing
from reconciler.rules.asks import AZURE_AGENT, CARDS, SWITCHES, UNPLUGGED, WIRELESS, asking, cards, switch_types
from reconciler.rules.places import DEFAULT_SWITCH, switch, switch_name

STANDING = (("NatNetwork", "switchName"), ("DhcpScope", "switchName"), ("EflowVm", "vswitchName"))


def _existing(world: World) -> Iterator[tuple[Declared[Any], str, str]]:
    """(resource, field, name) of every reference to a switch that others made."""
    for kind, field in STANDING:
        for one in world.declared(kind):
            named = getattr(one.spec, field)
            if isinstance(named, Existing) and switch_name(named) != DEFAULT_SWITCH:
                yield one, field, named.existing


def _existing_not_there(world: World) -> Iterator[Finding]:
    for one, field, name in _existing(world):
        if switch(world, name) is not None:
            continue  # HYP021
        there = switch_types(world)
        if name.casefold() not in there:
            has = f"it has {', '.join(sorted(there))}" if there else "it has none"
            yield Finding(
                one.id,
                field,
                f"{world.host} has no switch {name}",
                label="said to exist",
                why="what others made is looked up, never made",
                help=f"{has}; or declare VirtualSwitch/{name} and write its plain name here",
            )


def _existing_declared(world: World) -> Iterator[Finding]:
    for one, field, name in _existing(world):
        declared = switch(world, name)
        if declared is not None:
            yield Finding(
                one.id,
                field,
                f"{{existing: {name}}} says that others made switch {name}, and it is declared here",
                also=((declared.id, "", "declared here"),),
                why="an existing switch is waited for by nobody, and gives no address and no prefix until it is seen",
                help=f"write {field}: {name}",
            )


def _external(world: World) -> Iterator[Declared[Any]]:
    return (one for one in world.declared("VirtualSwitch") if one.spec.switchType == "External")


def _on_azure(world: World) -> Iterator[Finding]:
    for one in _external(world):
        if world.answer(AZURE_AGENT).objects:
            yield Finding(
                one.id,
                "switchType",
                f"{world.host} runs in Azure, where an External switch leads nowhere",
                why="Azure's network takes no packets from addresses that it did not give out",
                help="switchType: Internal with an ipAddress, and a NatNetwork and a DhcpScope on it",
            )


def _on_radio(world: World) -> Iterator[Finding]:
    for one in _external(world):
        card = cards(world).get(str(one.spec.netAdapterName).casefold())
        if card is not None and int(card["InterfaceType"]) == WIRELESS:
            yield Finding(
                one.id,
                "netAdapterName",
                f"{one.spec.netAdapterName} is a wireless adapter",
                why="documents say that External switches do not work over Wi-Fi, some users run them; guests have lost their address there",
                help="bind a wired adapter",
            )


def _on_no_link(world: World) -> Iterator[Finding]:
    """Only before the switch is made: a cable that is pulled later is no mistake of the declaration."""
    for one in _external(world):
        if any(str(state.name).casefold() == str(one.spec.name).casefold() for state in world.seen("VirtualSwitch").values()):
            continue
        card = cards(world).get(str(one.spec.netAdapterName).casefold())
        if card is None:
            continue  # HYP013
        if not card["HardwareInterface"]:
            yield Finding(one.id, "netAdapterName", f"{card['Name']} is no physical adapter", help="bind one that is: Get-NetAdapter -Physical")
        elif str(card["MediaConnectionState"]).casefold() in UNPLUGGED:
            yield Finding(
                one.id,
                "netAdapterName",
                f"{card['Name']} has no link",
                why="guests on this switch will reach nobody, and EFLOW's installation fails where it gets no address",
                help="plug it in, or bind another adapter",
            )


RULES: tuple[Rule[Any], ...] = (
    Rule("HYP020", Severity.ERROR, "a switch that others made and that is not there", _existing_not_there, asks=asking(SWITCHES)),
    Rule("HYP021", Severity.ERROR, "a declared switch referred to as one that others made", _existing_declared),
    Rule("HYP022", Severity.WARNING, "an External switch in Azure", _on_azure, asks=asking(AZURE_AGENT)),
    Rule("HYP023", Severity.WARNING, "an External switch on a wireless adapter", _on_radio, asks=asking(CARDS)),
    Rule("HYP024", Severity.WARNING, "an External switch on an adapter without a link", _on_no_link, asks=asking(CARDS)),
)
