"""Whether a step that was decided anew is still what the plan said: in what it does, and in what is lost by it."""

from __future__ import annotations

import pytest

from reconciler.core.ids import ResourceId
from reconciler.core.kinds import Action, Loss
from reconciler.core.plan import Step, Verb
from reconciler.engine.staleness import moved

VM = ResourceId.parse("edge-01/EflowVm")
DISK = Loss("guest disk (600 of 10000 MB used)", ("guest disk",))
FULLER = Loss("guest disk (900 of 10000 MB used)", ("guest disk",))
BOTH = Loss("OS disk of 2 instances", ("OS disk of 1", "OS disk of 3"))
ONE = Loss("OS disk of 1 instance", ("OS disk of 3",))
OTHER = Loss("OS disk of 1 instance", ("OS disk of 4",))


def replacing(*loses: str | Loss, verb: Verb = Verb.REPLACE) -> Step:
    return Step(VM, verb, actions=(Action("uninstall", "uninstall it", loses=loses), Action("deploy", "deploy it")))


@pytest.mark.parametrize(("told", "now"), [(DISK, FULLER), (BOTH, ONE), ("the keys", "the keys")])
@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.DELETE])
def test_the_same_things_in_other_words_or_fewer_of_them_are_as_planned(told: str | Loss, now: str | Loss, verb: Verb) -> None:
    planned = replacing(told, "state of the modules", verb=verb)
    for fresh in (replacing(now, "state of the modules", verb=verb), replacing(now, verb=verb), replacing(verb=verb)):
        assert moved(planned, planned, fresh, ours=False) == []


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize(("told", "now"), [((), DISK), ((ONE,), BOTH), ((ONE,), OTHER), (("published port TCP 22",), "published port TCP 23")])
@pytest.mark.parametrize("verb", [Verb.REPLACE, Verb.DELETE])
def test_anything_more_is_named(told: tuple[str | Loss, ...], now: str | Loss, ours: bool, verb: Verb) -> None:
    (line,) = moved(replacing(*told, verb=verb), None, replacing(*told, now, verb=verb), ours=ours)
    text = now.text if isinstance(now, Loss) else now
    assert line == f"EflowVm: would lose {text}, and the plan did not say so"


def test_what_is_left_after_somebody_s_job_loses_nothing_that_nobody_was_told_of() -> None:
    waiting = Step(VM, Verb.WAIT)
    assert moved(waiting, waiting, replacing(), ours=False) == []
    assert moved(waiting, waiting, replacing("the keys"), ours=False) == ["EflowVm: would lose the keys, and the plan did not say so"]
