"""Rules against a network that is moved in part: the host on a switch goes, and what hangs on it stays, or the other way round.

Judged on the end state that the plan can reach, against what is there now: a tie that holds now and would hold as declared, and that the
steps that may run would tear. What is torn already, made for the first time, or not seen, is not judged here; nor is a plan that moves all.

Sources: eflow-domain 3 and 5 (host as gateway inside the prefix, scope and router of the switch's network), 1.8 (static guests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from reconciler.core.calls import Later
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, NotSeen, Rule, World
from reconciler.rules.places import scope_network, stands

PREFIX = "internalIPInterfaceAddressPrefix"


@dataclass(frozen=True, slots=True)
class Tie:
    """What holds between the host's address on a switch and a resource there.

    `read` takes the value out of a spec or a state. `field` is where it is declared; `at` where to point for it (empty: the resource itself,
    where the value usually follows from the switch). `anew`: it changes only with a replace.
    """

    kind: str
    field: str
    read: Callable[[Any], Any]
    fits: Callable[[IPv4Interface, Any], bool]
    at: str = ""
    anew: bool = True


def _field(name: str) -> Callable[[Any], Any]:
    return lambda one: getattr(one, name)


def _scope(one: Any) -> IPv4Network | None:
    return None if isinstance(one.scopeId, Later) or isinstance(one.subnetMask, Later) else scope_network(one)


def _guest(one: Any) -> IPv4Address | None:
    return None if one.ip4Address is None or isinstance(one.ip4Address, Later) else IPv4Address(int(one.ip4Address))


TIES = (
    Tie("NatNetwork", PREFIX, _field(PREFIX), lambda host, prefix: host.ip in prefix),
    Tie("DhcpScope", "scopeId", _scope, lambda host, network: network.subnet_of(host.network)),
    Tie("DhcpScope", "router", _field("router"), lambda host, router: router == host.ip, anew=False),
    Tie("DhcpScope", "router", _field("router"), lambda host, router: router in host.network, anew=False),
    Tie("EflowVm", "ip4Address", _guest, lambda host, address: address in host.network, at="ip4Address"),
    Tie("EflowVm", "ip4GatewayAddress", _field("ip4GatewayAddress"), lambda host, gateway: gateway == host.ip),
)


@dataclass(frozen=True, slots=True)
class Torn:
    """A tie that the plan would tear. `now` and `then`: the host on the switch; `ends`: what the other side has in the end."""

    place: Declared[Any]
    now: IPv4Interface
    then: IPv4Interface
    one: Declared[Any]
    tie: Tie
    ends: Any

    @property
    def switch_moves(self) -> bool:
        return self.now != self.then


def _torn(world: World, kind: str) -> Iterator[Torn]:
    """At most one a pair: the first tie that tears says enough."""
    for place, declared in stands(world):
        now, then = (state.ipAddress if state is not None else None for state in (world.seen_as(place), world.ends_as(place)))
        if now is None or then is None:
            continue
        for one in world.declared(kind):
            before, after = world.seen_as(one), world.ends_as(one)
            if before is None or after is None:
                continue
            whole = ((declared, one.spec), (now, before))
            tie = next((tie for tie in TIES if tie.kind == kind and _tears(tie, whole, (then, after))), None)
            if tie is not None:
                yield Torn(place, now, then, one, tie, tie.read(after))


def _tears(tie: Tie, whole: tuple[tuple[IPv4Interface, Any], ...], end: tuple[IPv4Interface, Any]) -> bool:
    """Whether a tie that holds in `whole` does not hold in the end; a value that is not known is no reason."""
    return _holds(tie, *end) is False and all(_holds(tie, host, one) for host, one in whole)


def _holds(tie: Tie, host: IPv4Interface, one: Any) -> bool | None:
    value = tie.read(one)
    return tie.fits(host, value) if isinstance(value, IPv4Address | IPv4Network) else None


def _check(kind: str, world: World) -> Iterator[Finding]:
    for torn in _torn(world, kind):
        yield _switch_alone(world, torn) if torn.switch_moves else _alone(world, torn)


def _switch_alone(world: World, torn: Torn) -> Finding:
    return Finding(
        torn.place.id,
        "ipAddress",
        f"the host would move to {torn.then} here, and {torn.one.id.partition('/')[2]} stay with {torn.ends}: all of a network moves, or nothing",
        label="would move alone",
        also=((torn.one.id, torn.tie.at, f"would stay with {torn.ends}"),),
        why=f"{torn.ends} fits {torn.now} and not {torn.then}: guests would lose their gateway or their way out",
        help=_together(world, torn.place),
    )


def _alone(world: World, torn: Torn) -> Finding:
    return Finding(
        torn.one.id,
        torn.tie.field,
        f"it would move to {torn.ends}, and the host stay at {torn.then} on {torn.place.id.partition('/')[2]}: all of a network moves, or nothing",
        label="would move alone",
        also=((torn.place.id, "ipAddress", f"the host would stay at {torn.then}"),),
        why=f"{torn.ends} does not fit {torn.then}: guests would lose their gateway or their way out",
        help=_together(world, torn.place),
    )


def _together(world: World, place: Declared[Any]) -> str:
    """The command that moves all, with leave for what only a replace can move."""
    anew = [torn.one.id for kind in KINDS for torn in _known(world, kind) if torn.place.id == place.id and torn.switch_moves and torn.tie.anew]
    return " ".join(("reconcile apply", world.host, *(f"--replace {id}" for id in dict.fromkeys(anew))))


def _known(world: World, kind: str) -> tuple[Torn, ...]:
    try:
        return tuple(_torn(world, kind))
    except NotSeen:
        return ()


KINDS = ("NatNetwork", "DhcpScope", "EflowVm")

RULES: tuple[Rule[Any], ...] = (
    Rule("NET027", Severity.ERROR, "a switch and its NAT would part", partial(_check, "NatNetwork")),
    Rule("NET028", Severity.ERROR, "a switch and its scope would part", partial(_check, "DhcpScope")),
    Rule("NET029", Severity.ERROR, "a switch and a static guest on it would part", partial(_check, "EflowVm")),
)
