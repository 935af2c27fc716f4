"""A saved plan: whole or refused, whatever was done to its text."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.core.calls import Secret
from reconciler.core.canonical import digest
from reconciler.core.errors import Refused
from reconciler.engine.planfile import load, save
from tests.engine.lab import FLEET, REGISTRY, host, lab, run, symbols

SPECS = FLEET + host(
    "edge-01",
    """
    WindowsFeature/Hyper-V: {}
    VirtualSwitch/eflow: {switchType: Internal, ipAddress: 172.20.10.1/24}
    NatNetwork/eflow: {switchName: eflow}
    """,
)


def saved() -> str:
    here = lab(SPECS)

    async def made() -> str:
        return save(await here.plan(), here.desired)

    text = run(made)
    assert isinstance(text, str)
    return text


def test_a_plan_keeps_how_its_hosts_are_reached() -> None:
    reached = "\n  connection: {scheme: https, authentication: ntlm, username: svc, password: {env: PW}, insecure: [anyCertificate]}\n  resources:"
    here = lab(SPECS.replace("\n  resources:", reached))

    async def made() -> str:
        return save(await here.plan(), here.desired)

    _, again = load(run(made), REGISTRY)
    options = again.hosts["edge-01"].connection.options
    assert options["password"] == Secret("env", "PW")
    assert list(options["insecure"]) == ["anyCertificate"]


TEXT = saved()
TIMES = {("shown", "made"), ("shown", "hosts", 0, "seen"), ("plan", "made"), ("plan", "hosts", 0, "seen")}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*path, name)
        yield from places(item, (*path, name))


def changed(path: tuple[Any, ...], new: Any) -> dict[str, Any] | None:
    body = copy.deepcopy(json.loads(TEXT))
    inside = body
    for name in path[:-1]:
        inside = inside[name]
    if inside[path[-1]] == new:
        return None
    inside[path[-1]] = new
    assert isinstance(body, dict)
    return body


def test_what_is_saved_is_read_again_as_it_was() -> None:
    plan, linked = load(TEXT, REGISTRY)
    assert save(plan, linked).count("\n") > 100
    assert symbols(plan) == ["+ WindowsFeature/Hyper-V", "+ VirtualSwitch/eflow", "+ NatNetwork/eflow"]
    assert [str(resource.spec.__dict__["name"]) for resource in linked.resources["edge-01"]] == ["Hyper-V", "eflow", "eflow"]


@pytest.mark.parametrize("new", [None, [], {}, "x", 7])
def test_every_change_but_of_a_time_of_looking_is_noticed(new: Any) -> None:
    for path in places(json.loads(TEXT)):
        body = changed(path, new)
        if body is None or path in TIMES:
            continue
        with pytest.raises(Refused):
            load(json.dumps(body), REGISTRY)


@pytest.mark.parametrize("new", [None, [], {}, "x", 7])
def test_a_change_with_a_fingerprint_that_fits_is_read_or_refused_and_never_breaks_us(new: Any) -> None:
    refused = 0
    for path in places({name: value for name, value in json.loads(TEXT).items() if name in ("plan", "desired", "hosts", "fleet")}):
        body = changed(path, new)
        if body is None:
            continue
        body.pop("fingerprint")
        lasting = {**body, "shown": timeless(body["shown"]), "plan": timeless(body["plan"])}
        try:
            load(json.dumps(body | {"fingerprint": digest(lasting)}), REGISTRY)
        except Refused:
            refused += 1
    assert refused > 10


def timeless(plan: Any) -> Any:
    if not isinstance(plan, dict) or not isinstance(plan.get("hosts"), list):
        return plan
    hosts = [{k: v for k, v in one.items() if k != "seen"} if isinstance(one, dict) else one for one in plan["hosts"]]
    return {**{name: value for name, value in plan.items() if name != "made"}, "hosts": hosts}


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "{" * 5000, "[" * 100_000, '{"format":"reconcile/plan-file/1"}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        load(text, REGISTRY)
