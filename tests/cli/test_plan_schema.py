"""The published schema and what is printed say the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.core.calls import Later
from reconciler.core.changes import Cause, Change
from reconciler.core.diagnostics import Diagnostic, Label, Position, Severity
from reconciler.core.plan import Barrier, Block, HostPlan, Plan, Verb
from reconciler.engine.planjson import plan_json
from tests.cli.plans import NOON, SERVER, bare, plan, replaced, resized, silent, step
from tests.cli.shape import violations

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "plan-schema.json").read_text(encoding="utf-8"))


def everything() -> Plan:
    """A plan with every part that the schema knows of."""
    place = Position("specs/azure.yaml", 3, 4)
    found = Diagnostic("EFL090", Severity.WARNING, "old", place, labels=(Label(place, "here"),), why="w", help="h", details=(("a", "b"),))
    odd = (
        step("odd", "NatNetwork", "a", Verb.UNSEEN, 1, why="not answered", code="HST070"),
        step("odd", "NatNetwork", "b", Verb.ADOPT, 2, unverified={"x": "off"}, foreign=True, repair=True, pending_restart="role"),
        step("odd", "NatNetwork", "c", changes=(Change("p", None, Later("odd/VirtualSwitch/e", "ifIndex"), Cause.NEW, again=True),)),
        step("odd", "NatNetwork", "d", Verb.NOTHING),
    )
    blocked = Barrier(0, (odd[0].id,), blocked=Block("POL004", "not now", "later", by=odd[1].id))
    host = HostPlan("odd", seen=NOON, facts=SERVER, steps=odd, barriers=(blocked,), notes=("a note",), diagnostics=(found,))
    return plan(bare(), replaced("edge-02"), resized("edge-03", block=Block("EFL033", "no")), silent("gone"), host, by="me", replace=("x",))


@pytest.mark.parametrize("made", [plan(), plan(bare()), everything()], ids=["empty", "bare", "everything"])
def test_a_plan_as_json_is_as_the_published_schema_says(made: Plan) -> None:
    shown = json.loads(json.dumps(plan_json(made)))

    assert list(violations(shown, SCHEMA, SCHEMA)) == []


def test_the_schema_refuses_what_it_does_not_know() -> None:
    shown = json.loads(json.dumps(plan_json(plan(bare()))))
    shown["steps"][0]["verb"] = "explode"
    shown["surprise"] = 1

    found = sorted(text.partition(":")[0] for text in violations(shown, SCHEMA, SCHEMA))
    assert found == ["$", "$.steps[0].verb"]


def test_equal_plans_are_equal_bytes() -> None:
    assert json.dumps(plan_json(everything())) == json.dumps(plan_json(everything()))


def test_a_secret_is_a_reference_in_json_and_a_recorded_hash_is_nothing() -> None:
    host = bare()
    hashed = replace(host.steps[4], changes=(Change("symmKey", {"$scrypt": "scrypt:aa:bb"}, host.steps[4].changes[2].after, Cause.CHANGE, secret=True),))
    text = json.dumps(plan_json(plan(replace(host, steps=(*host.steps[:4], hashed)))))

    assert '{"$secret": {"env": "EDGE_KEY"}}' in text
    assert "scrypt" not in text
