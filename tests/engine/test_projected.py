"""The state that a plan is taken to make: what is wanted over what is seen, and never over what is to be left as it is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

from reconciler.core.changes import Changes
from reconciler.core.model import construct
from reconciler.core.resources import Lifecycle
from reconciler.engine.diff import project
from reconciler.engine.shapes import shape
from tests.engine.lab import FLEET, REGISTRY, host, linked

KIND = REGISTRY["VirtualSwitch"]
(SWITCH,) = linked(FLEET + host("edge-01", "VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}\n")).resources["edge-01"]
WANTED = IPv4Interface("172.20.10.1/24")
OTHER = IPv4Interface("172.20.99.1/24")
SEEN = construct(KIND.state, dict.fromkeys(KIND.state.model_fields) | {"name": "eflow", "switchType": "Private", "ipAddress": OTHER})
IGNORING = replace(SWITCH, common=replace(SWITCH.common, lifecycle=Lifecycle(ignore_changes=("ipAddress",))))


def test_an_ignored_field_stays_as_it_is_seen_while_others_become_as_declared() -> None:
    of = shape(KIND.spec)
    end = project(of, KIND.state, IGNORING, SEEN, Changes())
    assert (end.ipAddress, end.switchType) == (OTHER, "Internal")
    assert project(of, KIND.state, SWITCH, SEEN, Changes()).ipAddress == WANTED


def test_what_is_made_anew_is_made_as_declared_whatever_is_ignored() -> None:
    assert project(shape(KIND.spec), KIND.state, IGNORING, None, Changes()).ipAddress == WANTED
