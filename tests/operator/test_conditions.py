"""What keeps a host from being ready, read off plans made by hand."""

from __future__ import annotations

from dataclasses import replace

from reconciler.core.changes import Cause, Change
from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action
from reconciler.core.plan import Barrier, Block, HostPlan, Step, Verb
from reconciler.operator.conditions import conditions, corrects, leave_alone
from reconciler.operator.events import Watched

SWITCH = ResourceId("edge-01", "VirtualSwitch", "eflow")
NAT = ResourceId("edge-01", "NatNetwork", "eflow")
SCOPE = ResourceId("edge-01", "DhcpScope", "eflow")
NOT_DRIFT = Block("PLN025", "not drift: the loop corrects drift alone")


def step(id: ResourceId = NAT, verb: Verb = Verb.UPDATE, cause: Cause = Cause.DRIFT, after: object = "b", **more: object) -> Step:
    changes = (Change("field", "a", after, cause),) if verb.acts else ()
    return replace(Step(id, verb, changes=changes, actions=(Action("set", "set it"),)), **more)  # type: ignore[arg-type]


def plan(*steps: Step, barriers: tuple[Barrier, ...] = ()) -> HostPlan:
    return HostPlan("edge-01", steps=steps, barriers=barriers)


def test_a_host_as_declared_has_none() -> None:
    assert conditions(plan(Step(NAT, Verb.NOTHING), Step(SWITCH, Verb.NOTHING, why="observed only")), {}) == ()


def test_drift_that_may_be_corrected_is_no_condition_and_is_left_to_the_loop() -> None:
    drift = plan(step())
    assert conditions(drift, {}) == ()
    assert not leave_alone(drift)
    assert corrects(drift)


def test_what_others_made_is_not_taken_and_nothing_is_forgotten_by_the_loop() -> None:
    found = plan(Step(NAT, Verb.ADOPT, foreign=True), Step(SWITCH, Verb.FORGET, why="gone already"))
    assert leave_alone(found) == {NAT, SWITCH}


def test_our_own_open_record_is_closed_by_the_loop() -> None:
    assert not leave_alone(plan(Step(NAT, Verb.ADOPT, foreign=False)))


def test_a_repair_without_any_drift_is_left_to_a_person() -> None:
    repair = replace(step(verb=Verb.REPLACE, repair=True), changes=())
    assert leave_alone(plan(repair)) == {NAT}


def test_while_somebodys_job_runs_the_host_is_left_to_it() -> None:
    busy = plan(step(), Step(SWITCH, Verb.WAIT, why="job j-1 (install) runs", code="j-1"))
    assert not corrects(busy)
    (waiting,) = conditions(busy, {})
    assert (waiting.what, waiting.id, waiting.code) == (Watched.WAITING, SWITCH, "j-1")


def test_what_waits_for_another_is_counted_there_and_not_said() -> None:
    behind = Block("PLN030", "needs VirtualSwitch/eflow, which is blocked", by=SWITCH)
    (blocked,) = conditions(
        plan(step(SWITCH, blocked=Block("EFL012", "its own gateway", "give it another")), step(NAT, blocked=behind), step(SCOPE, blocked=behind)), {}
    )
    assert (blocked.what, blocked.id, blocked.more, blocked.next) == (Watched.BLOCKED, SWITCH, 2, "give it another")


def test_drift_that_is_only_to_be_shown_has_no_command_that_would_correct_it() -> None:
    (shown,) = conditions(plan(step(blocked=Block("POL001", "driftPolicy is detect: drift is shown, not corrected"))), {})
    assert (shown.what, shown.next) == (Watched.DRIFTED, "")


def test_what_cannot_be_seen_counts_what_needs_it() -> None:
    unseen = step(SWITCH, Verb.UNSEEN, why="hyper-v is there and does not answer")
    (condition,) = conditions(plan(unseen, step(NAT, Verb.UNSEEN, why="needs VirtualSwitch/eflow, which could not be seen", needs=(SWITCH,))), {})
    assert (condition.what, condition.id, condition.more) == (Watched.UNSEEN, SWITCH, 1)


def test_one_change_is_said_with_its_fields_and_several_in_one_line() -> None:
    one = step(cause=Cause.CHANGE, blocked=NOT_DRIFT)
    (single,) = conditions(plan(one), {})
    assert (single.what, single.id, single.changes, single.next) == (Watched.PENDING, NAT, one.changes, "reconcile apply edge-01/NatNetwork/eflow")
    (bulk,) = conditions(plan(one, step(SCOPE, Verb.CREATE, cause=Cause.NEW, blocked=NOT_DRIFT)), {})
    assert (bulk.id, bulk.text, bulk.next) == (None, "~ NatNetwork/eflow, + DhcpScope/eflow", "reconcile apply edge-01")


def test_a_hold_is_said_once_for_the_host() -> None:
    hold = Block("POL003", 'held by ann: "printer swap"', "wait, or ask who holds it")
    (held,) = conditions(plan(step(NAT, blocked=hold), step(SCOPE, blocked=hold)), {})
    assert (held.what, held.id, held.more) == (Watched.HELD, None, 2)


def test_a_value_that_moves_by_itself_is_the_same_condition_and_another_wish_is_another() -> None:
    def mark(before: object, after: object) -> str:
        blocked = replace(step(after=after, blocked=Block("POL004", "its disruption is service")), changes=(Change("field", before, after, Cause.DRIFT),))
        return conditions(plan(blocked), {})[0].mark

    assert mark(1, 5) == mark(2, 5)
    assert mark(1, 5) != mark(1, 6)


def test_a_restart_that_something_waits_for_is_pending() -> None:
    (restart,) = conditions(plan(barriers=(Barrier(0, (NAT,), blocked=Block("POL004", "a restart is not allowed")),)), {})
    assert (restart.what, restart.text) == (Watched.PENDING, "a restart of the host: NatNetwork/eflow")


def test_a_secret_is_in_no_condition() -> None:
    secret = replace(step(blocked=NOT_DRIFT), changes=(Change("symmKey", None, "never to be seen", Cause.CHANGE, secret=True),))
    assert "never" not in conditions(plan(secret), {})[0].mark


def test_what_was_given_up_says_so() -> None:
    excluded = step(blocked=Block("PLN012", "excluded (--exclude)"))
    (flapping,) = conditions(plan(excluded), {NAT: Watched.FLAPPING})
    assert (flapping.what, flapping.next) == (Watched.FLAPPING, "reconcile apply edge-01/NatNetwork/eflow")
    assert "excluded" not in flapping.text
