"""The ten laws, for every kind that is registered. A kind without a scenario fails the first of them."""

from __future__ import annotations

import copy
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import anyio
import pytest

from reconciler.cli.hints import Said
from reconciler.cli.views.page import Page
from reconciler.cli.views.plan_text import PlanView, plan_page
from reconciler.cli.wishes import web
from reconciler.core.calls import Call, Program, ProgramCall, Secret
from reconciler.core.canonical import canonical
from reconciler.core.capabilities import WORDS as PROOFS
from reconciler.core.kinds import Disruption
from reconciler.core.plan import Plan, Verb, subsequence
from reconciler.emulator.arm.model import RequestFault
from reconciler.emulator.controller import Exchange, Point
from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.lease import STORE
from reconciler.emulator.machine import WebFile
from reconciler.engine.events import Event, Happening
from reconciler.engine.link import Linked
from reconciler.engine.planfile import save
from reconciler.engine.planjson import plan_json
from reconciler.engine.planning import desired_of, target_of
from reconciler.engine.vocabulary import RESTART
from reconciler.kinds.eflow_vm import FETCH
from reconciler.rules import WORDS
from reconciler.secrets import Vault
from reconciler.signatures import check_call, check_word
from tests.engine.lab import Lab, linked, symbols
from tests.laws.scenarios import SCENARIOS
from tests.laws.stages import HOST, KINDS, SECRETS, Notes, Ran, Scenario, document, leave, marks_of, play, trouble, unlike

NAMES = tuple(KINDS)
SCENARIO = pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
KIND = pytest.mark.parametrize("kind", NAMES)


BY_NAME = {str(scenario): scenario for scenario in SCENARIOS}


def played(scenario: Scenario) -> tuple[list[Ran], Notes]:
    """The scenario, run once a process."""
    return _played(str(scenario))


@cache
def _played(name: str) -> tuple[list[Ran], Notes]:
    return anyio.run(play, BY_NAME[name])


def of_kind(kind: str) -> Iterator[Scenario]:
    return (scenario for scenario in SCENARIOS if scenario.kind == kind)


@cache
def declared(text: str) -> Linked:
    return linked(text)


def resumed(ran: Ran, estate: Estate) -> Lab:
    """Another controller at an estate, with what the stage declares."""
    desired = declared(document(ran.scenario, ran.stage))
    lab = Lab(desired, copy.deepcopy(estate), secrets=Vault(environ=SECRETS), limits=leave(desired, ran.stage))
    lab.estate.site.web.update(web(desired))
    return lab


# -- law 1


@SCENARIO
def test_every_stage_plans_what_it_is_named_for_and_a_second_plan_is_empty(scenario: Scenario) -> None:
    for ran in played(scenario)[0]:
        assert tuple(symbols(ran.plan)) == ran.stage.does, ran
        if ran.stage.held:
            continue
        assert ran.report is not None
        assert ran.report.exit_code == (1 if ran.stage.fails else 0), (str(ran), trouble(ran.report))
        if not ran.stage.fails:
            assert (symbols(ran.second), ran.second.exit_code) == ([], 0), ran


@KIND
def test_every_kind_has_scenarios_that_make_change_and_take_it(kind: str) -> None:
    said = {line.split()[0] for scenario in of_kind(kind) for stage in scenario.stages for line in stage.does if line.split()[1].partition("/")[0] == kind}
    wanted = {"+", "~"} | ({"-"} if KINDS[kind].delete else set()) | ({"-/+"} if _replaceable(kind) else set())
    assert wanted <= said


def _replaceable(kind: str) -> bool:
    return KINDS[kind].delete is not None and any(mark.immutable for mark in marks_of(KINDS[kind]).values())


# -- law 2


@SCENARIO
def test_planning_twice_gives_equal_plans_byte_for_byte(scenario: Scenario) -> None:
    async def twice(ran: Ran) -> tuple[list[str], list[str]]:
        saved, pages = [], []
        for _ in range(2):
            lab = resumed(ran, ran.before)
            plan = await lab.plan()
            saved.append(save(plan, lab.desired))
            pages.append(page(plan))
        return saved, pages

    for ran in played(scenario)[0]:
        saved, pages = anyio.run(twice, ran)
        assert saved[0] == saved[1], ran
        assert pages[0] == pages[1], ran


def page(plan: Plan) -> str:
    made = Page(120, utf8=True)
    plan_page(made, plan, PlanView(Said(), lambda file, line: None))
    return made.plain()


# -- law 3

LARGE = "https://files.example.net/large"
REFUSED = Fault(error="UnauthorizedAccess,Unverified")
MUTE = Fault(hang=True)


def acting(plan: Plan, kind: str = "") -> list[str]:
    return [f"{step.symbol} {step.id.local}: {step.action_names}" for step in plan.steps() if step.verb.acts and kind in ("", step.id.kind)]


async def faulted(ran: Ran, estate: Estate, cmdlet: str, fault: Fault) -> Plan | None:
    """The plan while a cmdlet fails; None where nothing met the fault (the host has no such cmdlet)."""
    lab = resumed(ran, estate)
    if "_" in cmdlet:
        return await _refused_by_azure(lab, fault)
    put = replace(fault, cmdlet=cmdlet, times=1000)
    lab.estate.machine(HOST).faults.append(put)
    plan = await lab.plan()
    return plan if put.times != 1000 else None


async def _refused_by_azure(lab: Lab, fault: Fault) -> Plan:
    """Azure lists nothing: it forbids it, or the line breaks."""
    refusal = {"drop": "before"} if fault.hang else {"status": 403, "code": "AuthorizationFailed"}
    lab.estate.azure.faults.append(RequestFault(method="GET", path="*/extensions", times=1000, **refusal))
    return await lab.plan()


@cache
def reads(kind: str) -> tuple[str, ...]:
    """Every cmdlet that questions of the kind say, and those that prove its capabilities."""
    asked = {ask.call.name for scenario in of_kind(kind) for name, ask in played(scenario)[1].asked if name == kind}
    proofs = {word.name for word in PROOFS}
    return tuple(sorted(asked | proofs))


@KIND
@pytest.mark.parametrize("fault", [REFUSED, MUTE], ids=["refused", "mute"])
def test_what_could_not_be_seen_of_a_host_as_declared_never_yields_an_action(kind: str, fault: Fault) -> None:
    scenario = next(of_kind(kind))
    here = played(scenario)[0]
    ran = here[1 if len(here) > 1 else 0]
    lab = anyio.run(converged, ran)
    unseen: set[str] = set()
    for cmdlet in reads(kind):
        plan = anyio.run(faulted, ran, lab.estate, cmdlet, fault)
        if plan is None:
            continue
        assert acting(plan) == [], (cmdlet, acting(plan))
        unseen |= {step.id.kind for step in plan.steps() if step.verb is Verb.UNSEEN}
    assert kind in unseen


async def converged(ran: Ran) -> Lab:
    lab = resumed(ran, ran.before)
    report = await lab.apply()
    assert report.exit_code == 0, trouble(report)
    return lab


@KIND
def test_what_could_not_be_seen_of_a_host_that_differs_never_yields_an_action(kind: str) -> None:
    tried = 0
    for scenario in of_kind(kind):
        for ran in played(scenario)[0][1:]:
            if not acting(ran.plan, kind):
                continue
            for cmdlet in first_questions(kind, ran):
                plan = anyio.run(faulted, ran, ran.before, cmdlet, REFUSED)
                if plan is not None:
                    assert acting(plan, kind) == [], (str(ran), cmdlet)
                    tried += 1
    assert tried


def first_questions(kind: str, ran: Ran) -> set[str]:
    """Questions whose failure nobody takes for an answer."""
    asks = list(KINDS[kind].ask([step.key for step in ran.plan.steps() if step.id.kind == kind], ran.after.facts))
    return {ask.call.name for ask in asks if not ask.tolerate}


@KIND
def test_a_running_job_on_it_is_waited_for_and_yields_no_action(kind: str) -> None:
    scenario = next(of_kind(kind))
    ran = next(ran for ran in played(scenario)[0] if acting(ran.plan, kind) and not ran.stage.held)
    target = next(step.id for step in ran.plan.steps() if step.id.kind == kind and step.desired is not None)

    async def busy() -> Plan:
        lab = resumed(ran, ran.before)
        env = lab.environment()
        desired = desired_of(lab.desired, lab.desired.hosts[HOST], lab.request(), env)
        async with env.connect(target_of(desired)) as writer:
            lease = await writer.take("somebody", 60)
            lab.estate.site.web[LARGE] = WebFile(size=1 << 40)
            call = FETCH(Uri=LARGE, OutFile=r"C:\large", UseBasicParsing=True, seconds=3600)
            await writer.start("j-1", str(target), "deploy", [call], key="k", epoch=lease.epoch, deadline=timedelta(hours=1))
        return await lab.plan()

    plan = anyio.run(busy)
    step = next(step for step in plan.steps() if step.id == target)
    assert (step.verb, step.actions) == (Verb.WAIT, ())


# -- laws 4 and 5


def _managed(kind: str) -> list[str]:
    return [name for name, mark in marks_of(KINDS[kind]).items() if mark.managed]


@KIND
def test_every_managed_field_of_a_spec_exists_in_the_state(kind: str) -> None:
    of = KINDS[kind]
    assert [name for name in _managed(kind) if name not in of.state.model_fields] == []


@KIND
def test_every_reference_names_a_registered_kind_and_a_field_of_it(kind: str) -> None:
    marks = marks_of(KINDS[kind])
    for mark in marks.values():
        if mark.ref:
            assert mark.ref.kind in KINDS
        if mark.part:
            part = KINDS[mark.part.kind]
            back = marks_of(part)[mark.part.parent]
            assert back.ref is not None
            assert (back.ref.kind, back.ref.bound) == (kind, True)
        if mark.gather:
            other, _, field = mark.gather.path.partition(".")
            assert field in KINDS[other].spec.model_fields
        if mark.source and mark.source.path != "metadata.name":
            assert _leads(marks, mark.source.path), mark.source.path
            assert mark.source.beside in ("", *marks)


def _leads(marks: Any, path: str) -> bool:
    name, _, rest = path.partition(".")
    if marks[name].ref is None:
        return True  # a value of the spec that knows more than its name: mypy sees to its properties
    target = KINDS[marks[name].ref.kind]
    model, field = (target.state, rest.removeprefix("state.")) if rest.startswith("state.") else (target.spec, rest)
    head = field.partition(".")[0]
    return head in model.model_fields or isinstance(getattr(model, head, None), property)


# -- law 6


def test_every_word_of_every_vocabulary_is_one_that_windows_has() -> None:
    words = [*PROOFS, *WORDS, RESTART, *(word for kind in KINDS.values() for word in kind.words if not isinstance(word, Program))]
    assert [fault for word in words for fault in check_word(word)] == []


@KIND
def test_every_call_that_was_made_is_of_the_vocabulary_and_windows_would_bind_it(kind: str) -> None:
    words = {word.path if isinstance(word, Program) else word.name for word in KINDS[kind].words} | {word.name for word in PROOFS}
    calls = [call for scenario in SCENARIOS for name, call in played(scenario)[1].calls() if name == kind]
    assert {call.name for call in calls} <= words
    assert [fault for call in calls for fault in check_call(call)] == []


# Words that no scenario makes a kind say.
UNSAID = {
    "EflowVm": {"Stop-VM", "Remove-VM", "Remove-Item"},  # left-overs without an MSI: tests/kinds/test_eflow_vm
    "AzureVmExtension": {  # a scale set: tests/engine/test_azure_sets
        "VirtualMachineScaleSetExtensions_CreateOrUpdate",
        "VirtualMachineScaleSetExtensions_Delete",
        "VirtualMachineScaleSetExtensions_List",
        "VirtualMachineScaleSetVMs_List",
        "VirtualMachineScaleSets_UpdateInstances",
    },
}


@KIND
def test_every_word_of_a_kind_is_said_in_some_scenario(kind: str) -> None:
    facts = played(next(of_kind(kind)))[0][0].after.facts
    asked = {ask.call.name for rule in KINDS[kind].rules for ask in rule.asks(facts)}
    said = {call.name for scenario in SCENARIOS for name, call in played(scenario)[1].calls() if name == kind} | asked
    words = {word.path if isinstance(word, Program) else word.name for word in KINDS[kind].words}
    assert words - said == UNSAID.get(kind, set())


# -- law 7


CANARIES = (*SECRETS.values(), "Y2FuYXJ5")  # and what each of them holds, wherever it was cut


def written(ran: Ran) -> dict[str, str]:
    """Everything that is shown, kept or sent about a stage, but for the call itself."""
    estate = ran.estate
    log = [record for record in estate.records if record["what"] != "fault"]  # which holds what the test made the host say
    return {
        "plan": page(ran.plan) + page(ran.second),
        "plan as JSON": canonical(plan_json(ran.plan)) + canonical(plan_json(ran.second)),
        "events": repr(ran.events),
        "report": repr(ran.report),
        "log of the host": json.dumps(log, default=str),
        "snapshot": json.dumps(ran.snapshot.to_json()),
        "record": repr(ran.after.records) + repr(estate.machines[HOST].registry.key(STORE)),
    }


@KIND
def test_a_secret_is_shown_kept_and_logged_nowhere(kind: str) -> None:
    for scenario in of_kind(kind):
        for ran in played(scenario)[0]:
            shown = {where for where, text in written(ran).items() for value in CANARIES if value in text}
            assert shown == set(), ran


def test_a_secret_is_on_record_as_a_salted_hash_alone() -> None:
    kept = []
    for kind in NAMES:
        secret = [name for name, mark in marks_of(KINDS[kind]).items() if mark.write_only]
        for ran in (ran for scenario in of_kind(kind) for ran in played(scenario)[0] if secret):
            kept += [record.spec[name] for id, record in ran.after.records.by_id.items() if id.kind == kind for name in secret if name in record.spec]
    assert len(kept) >= 3
    assert all(value["$scrypt"].startswith("scrypt:") or re.fullmatch("[0-9a-f]{16}", value["$scrypt"]) for value in kept)


# -- law 8


@SCENARIO
def test_the_end_state_that_a_plan_projects_is_what_the_host_shows(scenario: Scenario) -> None:
    for ran in played(scenario)[0]:
        if not (ran.stage.held or ran.stage.fails):
            assert unlike(ran) == [], ran


# -- law 9

WRITES = ("write", "job start", "job ack", "PUT ", "PATCH ", "POST ", "DELETE ")
CRASHED = [(scenario, stage) for scenario in SCENARIOS for stage in scenario.stages if stage.crash]


def test_every_kind_has_a_stage_that_is_killed() -> None:
    assert {scenario.kind for scenario, _ in CRASHED} == set(NAMES)


def acted(events: list[Event]) -> dict[str, tuple[str, ...]]:
    """Id → its actions, in the order in which they were begun."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        if event.what is Happening.ACTION:
            found[str(event.id)] = (*found.get(str(event.id), ()), event.action)
    return found


@pytest.mark.parametrize(("scenario", "stage"), CRASHED, ids=[f"{scenario}, {stage.name}" for scenario, stage in CRASHED])
def test_killed_after_any_exchange_it_converges_by_what_is_left_of_the_plan(scenario: Scenario, stage: Any) -> None:
    ran = next(ran for ran in played(scenario)[0] if ran.stage is stage)
    whole = acted(list(ran.events))

    async def copies() -> list[tuple[Exchange, Estate]]:
        lab = resumed(ran, ran.before)
        plan = await lab.plan()
        left: list[tuple[Exchange, Estate]] = []

        def cut(exchange: Exchange, point: Point) -> None:
            if point is Point.EXECUTED and any(word in exchange.what for word in WRITES):
                left.append((exchange, copy.deepcopy(lab.estate)))

        lab.cut = cut
        assert (await lab.apply(plan)).exit_code == 0
        return left

    async def start_again() -> None:
        for exchange, estate in await copies():
            lab = resumed(ran, estate)
            lab.runs = itertools.count(50)
            report = await lab.apply()
            if report.exit_code == 5:  # the host is down for its restart: later once more
                lab.estate.clock.advance(timedelta(minutes=5))
                report = await lab.apply()
            where = f"killed in exchange {exchange.number} ({exchange.what})"
            assert report.exit_code == 0, (where, trouble(report))
            for id, actions in acted(lab.events).items():
                assert subsequence(actions, whole.get(id, ())), (where, id, actions, whole.get(id))
            second = await lab.plan()
            assert (symbols(second), second.exit_code) == ([], 0), where

    anyio.run(start_again)


# -- law 10

DESTROYS = ("Remove-DhcpServerv4Scope", "Remove-VM", "Remove-Item", "Disable-WindowsOptionalFeature")


def _secret(call: Any) -> bool:
    values = call.parameters.values() if isinstance(call, Call) else call.arguments if isinstance(call, ProgramCall) else ()
    return any(isinstance(value, Secret) for value in values)


@KIND
def test_an_action_keeps_its_promises_about_secrets_undo_and_loss(kind: str) -> None:
    made = [one for scenario in SCENARIOS for one in played(scenario)[1].made if one.kind == kind]
    assert made
    for one in made:
        action = one.action
        assert not (action.long and any(_secret(call) for call in action.calls)), action.name
        assert action.undo or action.disruption is not Disruption.MANAGEMENT_LINK, action.name
        if one.deleting and any(call.name in DESTROYS for call in action.calls):
            assert action.loses, action.name
        if one.deleting and kind == "EflowVm" and one.state.deployed and action.name == "uninstall":
            assert action.loses
        assert not (action.loses and not one.deleting), f"{action.name} loses something outside a delete: nobody is asked for leave"


def test_an_action_that_may_cut_the_line_was_among_them() -> None:
    made = [one for scenario in SCENARIOS for one in played(scenario)[1].made]
    assert any(one.action.disruption is Disruption.MANAGEMENT_LINK and one.action.undo for one in made)
