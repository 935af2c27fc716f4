"""The laws and scenarios, tried on kinds that somebody got wrong: every seeded mistake is caught, and the report says by what."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from reconciler.core.calls import Call, Secret
from reconciler.core.errors import ReconcilerError
from reconciler.core.kinds import Registry
from reconciler.emulator.arm.model import RequestFault
from reconciler.emulator.faults import Fault
from reconciler.signatures import check_call
from tests.engine.lab import symbols
from tests.laws.mutations import MUTATIONS, Mutation
from tests.laws.scenarios import SCENARIOS
from tests.laws.stages import HOST, KINDS, Notes, Play, Ran, Scenario, marks_of, wrong


def mutated(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> Registry:
    return Registry(mutation.make(kind, monkeypatch) if kind.name == mutation.kind else kind for kind in KINDS.values())


async def caught(kinds: Registry, scenario: Scenario) -> str | None:
    """The first thing that is wrong with a scenario; None where nothing is."""
    try:
        here = Play.begin(scenario, kinds)
        for stage in scenario.stages:
            ran = await here.stage(stage)
            for text in (*wrong(ran), *promises(here.notes, kinds), *await blind(here, ran)):
                return f"{stage.name}: {text}"
    except (ReconcilerError, AssertionError, AttributeError, KeyError, TypeError, ValueError, ExceptionGroup) as broken:
        return f"{type(broken).__name__}: {broken}"
    return None


def promises(notes: Notes, kinds: Registry) -> Iterator[str]:
    """Laws 4, 6 and 10."""
    for kind in kinds.values():
        yield from (f"law 4: {kind.name}.{name}" for name, mark in marks_of(kind).items() if mark.managed and name not in kind.state.model_fields)
    yield from (f"law 6: {fault}" for _, call in notes.calls() for fault in check_call(call))
    for one in notes.made:
        secret = any(isinstance(value, Secret) for call in one.action.calls if isinstance(call, Call) for value in call.parameters.values())
        if one.action.long and secret:
            yield f"law 10: {one.kind} {one.action.name} is a job with a secret in it"


async def blind(here: Play, ran: Ran) -> list[str]:
    """Law 3 on the host as it is now: no question that is refused yields an action."""
    if ran.stage.held or ran.stage.fails:
        return []
    kind, estate = here.lab.registry[ran.scenario.kind], here.lab.estate
    keys = list(ran.reach.get(kind.name, {}))
    found = []
    for cmdlet in sorted({ask.call.name for ask in kind.ask(keys, ran.after.facts)}):
        here.lab.estate = copy.deepcopy(estate)
        if "_" in cmdlet:
            here.lab.estate.azure.faults.append(RequestFault("GET", "*/extensions", 403, "AuthorizationFailed", times=1000))
        else:
            here.lab.estate.fault(HOST, Fault(cmdlet, error="UnauthorizedAccess,Unverified"))
        plan = await here.lab.plan()
        found += [f"law 3: {cmdlet} refused, and the plan says {symbols(plan)}" for step in plan.steps() if step.verb.acts]
    here.lab.estate = estate
    return found


@pytest.mark.soak  # `test_laws` says the same of each law; here that the runner of the mutations lets them pass
@pytest.mark.parametrize("kind", list(KINDS))
def test_the_kinds_as_they_are_pass(kind: str) -> None:
    found = [anyio.run(caught, KINDS, scenario) for scenario in SCENARIOS if scenario.kind == kind]
    assert found == [None] * len(found)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_seeded_mistake_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch, record_property: Any) -> None:
    kinds = mutated(mutation, monkeypatch)
    catches = (anyio.run(caught, kinds, scenario) for scenario in SCENARIOS if scenario.kind == mutation.kind)
    by = next((catch for catch in catches if catch), None)
    record_property("caught by", by)  # in the XML report; pytest -s shows it too
    print(f"{mutation} was caught: {by}")  # noqa: T201
    assert by is not None


def test_there_are_at_least_twenty_of_them_over_every_kind() -> None:
    assert len(MUTATIONS) >= 20
    assert {mutation.kind for mutation in MUTATIONS} == set(KINDS)
