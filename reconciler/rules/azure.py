"""Rules between what runs in a VM and what Azure gives it: nested virtualization, InfiniBand, and networks that are taken.

Sources: azure-extensions 0 (10), 2.1, 3; arm-contract "Rules worth having". `azure: {nestedVirtualization: asserted}` on a host takes
it on the user that the size can.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from reconciler.core.addresses import overlap
from reconciler.core.azure import AzureFacts
from reconciler.core.diagnostics import Severity
from reconciler.core.kinds import Declared, Finding, NotSeen, Rule, World
from reconciler.kinds._azure_vm_extension_rules import infiniband, sku_ask
from reconciler.rules.nesting import OLD_TRUSTED, folded, nests
from reconciler.rules.places import nats, scopes, stands

RESERVED = IPv4Network("172.16.0.0/16")  # RDMA's own (azure-extensions 2.1)
ASSERT = "where it is known to work: azure: {nestedVirtualization: asserted}"


def _nested(world: World) -> Iterator[Declared[Any]]:
    """The EFLOW VMs of a host in Azure whose user does not vouch for its size."""
    if world.azure is not None and not world.azure.nested:
        yield from world.declared("EflowVm")


def _seen(world: World) -> AzureFacts:
    if world.facts.azure is None:
        raise NotSeen
    return world.facts.azure


def _family(world: World) -> str:
    """The family of the VM's size; empty where the list does not have it. Forbidden or not asked: the rule waits."""
    (ask,) = sku_ask(world.facts) or (None,)
    if ask is None:
        raise NotSeen
    return next((str(row.maybe("family") or "") for row in world.answer(ask).objects), "")


def _beside_infiniband(world: World) -> Iterator[Finding]:
    driver = next(infiniband(world), None)
    for one in _nested(world) if driver is not None else ():
        assert driver is not None
        yield Finding(
            one.id,
            "",
            "EFLOW and an InfiniBand driver on one Azure VM: no size has both RDMA and nested virtualization",
            also=((driver.id, "", "the driver"),),
            help=f"put them on two VMs; {ASSERT}",
        )


def _cannot_nest(world: World) -> Iterator[Finding]:
    for one in _nested(world):
        if nests(_family(world)) is False:
            yield Finding(one.id, "", f"{_seen(world).size} has no nested virtualization ({_family(world)})", help=f"take a Dv5 or Ev5; {ASSERT}")


def _perhaps_nests(world: World) -> Iterator[Finding]:
    for one in _nested(world):
        if nests(_family(world)) is None:
            what = _family(world) or "its family is not listed"
            yield Finding(one.id, "", f"nobody knows whether {_seen(world).size} has nested virtualization ({what})", help=ASSERT)


def _confidential(world: World) -> Iterator[Finding]:
    for one in _nested(world):
        if _seen(world).security_type == "ConfidentialVM" and "cc" not in folded(_family(world)):
            yield Finding(one.id, "", "a confidential VM has no nested virtualization", help=f"take a VM of another security type; {ASSERT}")


def _trusted(world: World) -> Iterator[Finding]:
    for one in _nested(world):
        if _seen(world).security_type == "TrustedLaunch" and OLD_TRUSTED.fullmatch(folded(_family(world))):
            yield Finding(
                one.id,
                "",
                f"Trusted Launch may take nested virtualization away from {_seen(world).size}",
                why="pages up to 2024 said so of v3 and v4; the one of 2025 says nothing of it",
                help=f"take a v5 size; {ASSERT}",
            )


def _reserved(world: World) -> Iterator[Finding]:
    if next(infiniband(world), None) is None:
        return
    taken = [(one, "ipAddress", address.network) for one, address in stands(world)]
    taken += [(one, "internalIPInterfaceAddressPrefix", prefix) for one, prefix in nats(world)]
    taken += [(one, "scopeId", network) for one, network in scopes(world)]
    for one, field, network in taken:
        if overlap(network, RESERVED):
            yield Finding(one.id, field, f"{network} lies in {RESERVED}, which InfiniBand keeps for itself on this VM", help="take another private network")


RULES: tuple[Rule[Any], ...] = (
    Rule("AZR001", Severity.ERROR, "EFLOW and InfiniBand on one Azure VM", _beside_infiniband),
    Rule("AZR002", Severity.ERROR, "EFLOW on a size without nested virtualization", _cannot_nest, asks=sku_ask),
    Rule("AZR003", Severity.WARNING, "EFLOW on a size that nobody knows", _perhaps_nests, asks=sku_ask),
    Rule("AZR004", Severity.ERROR, "EFLOW on a confidential VM", _confidential, asks=sku_ask),
    Rule("AZR005", Severity.WARNING, "EFLOW on an older size with Trusted Launch", _trusted, asks=sku_ask),
    Rule("AZR006", Severity.ERROR, "a network where InfiniBand has its own", _reserved),
)
