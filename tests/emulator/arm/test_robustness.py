"""Whatever is asked, the emulated ARM answers as ARM does: an answer or one of its errors, never an error of its own; and twice the same."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.emulator.arm import building
from reconciler.emulator.arm.routes import ROUTES
from tests.emulator.arm.azure import Azure, body

NAMES = {
    "subscription": "6f1c0c9e-0000-4000-8000-00000000e001",
    "group": "rg-edge",
    "vm": "hpc-01",
    "set": "hpc",
    "instance": "0",
    "extension": "ib",
    "location": "westeurope",
    "publisher": "Microsoft.HpcCompute",
    "type": "InfiniBandDriverWindows",
    "operation": "00000000-0000-0000-0000-000000000000",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=3,
)
DRIVER = body(settings={"a": 1}, protectedSettings={"b": "c"}, forceUpdateTag="1")
PROFILE = {"extensionProfile": {"extensions": [{"name": "ib", "properties": DRIVER["properties"]}]}, "storageProfile": {"imageReference": {"version": "2"}}}
MODEL = {"upgradePolicy": {"mode": "Manual"}, "orchestrationMode": "Uniform", "virtualMachineProfile": PROFILE}
WHOLE: dict[str, Any] = {
    "location": "westeurope",
    "tags": {"a": "b"},
    "sku": {"name": "Standard_D4s_v5", "capacity": 1},
    "instanceIds": ["0"],
    "properties": DRIVER["properties"] | MODEL,
}


@st.composite
def bodies(draw: st.DrawFn) -> Any:
    """A body for one of the routes, with one part of it replaced by something else."""
    sent = copy.deepcopy(draw(st.sampled_from((DRIVER, {"properties": MODEL, "location": "westeurope", "sku": WHOLE["sku"]}, WHOLE, {"instanceIds": ["0"]}))))
    place: Any = sent
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(JSON)
            return sent
        place = place[key]


def _azure() -> Azure:
    azure = Azure()
    building.scale_set(azure.estate, "hpc", 2)
    building.extension(azure.estate, azure.vm, "ib", "Microsoft.HpcCompute", "InfiniBandDriverWindows", "1.2")
    return azure


ASKED = st.lists(
    st.tuples(st.sampled_from(ROUTES), bodies() | JSON, st.sampled_from(("", "?$expand=instanceView", "?$filter=x", "?$skiptoken=a"))), min_size=1, max_size=4
)


def _answered(asked: list[tuple[Any, Any, str]]) -> None:
    azure = _azure()
    for route, sent, query in asked:
        if route.method == "PUT" and query:  # a set is made
            for held in list(azure.cloud.sets.values()):
                building.remove(azure.estate, held)
        azure.send(route.method, route.template.format(**NAMES) + query, sent if route.method != "GET" else None)
        assert azure.status < 500, azure.answer
        if azure.status >= 400:
            assert azure.answer["error"]["code"]
        json.dumps(azure.estate.log()[-1])
        azure.wait(30)


@settings(max_examples=20, deadline=None)
@given(ASKED)
def test_any_body_to_any_address_is_answered(asked: list[tuple[Any, Any, str]]) -> None:
    _answered(asked)


@pytest.mark.soak
@settings(max_examples=3000, deadline=None)
@given(ASKED)
def test_any_body_to_any_address_is_answered_at_length(asked: list[tuple[Any, Any, str]]) -> None:
    _answered(asked)


def _story() -> list[dict[str, Any]]:
    azure = _azure()
    building.script(azure.estate, "*", "*", 100, 3010, -1)
    for tag in ("1", "2", "3"):
        azure.put(sent=body(forceUpdateTag=tag))
    azure.send("POST", "vm/restart")
    azure.wait(60)
    azure.send("DELETE", "vm/extensions/ib")
    azure.done()
    return azure.estate.log()


def test_the_same_story_gives_the_same_log() -> None:
    assert _story() == _story()
