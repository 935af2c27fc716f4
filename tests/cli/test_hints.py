"""The command to type next does the same as the one that was typed: nothing that was said to narrow or bound it is dropped."""

from __future__ import annotations

import pytest

from reconciler.cli.hints import Said
from reconciler.core.kinds import Disruption
from tests.cli.conftest import Reconcile
from tests.cli.plans import plan, resized


def last_line(text: str) -> str:
    return text.rstrip().splitlines()[-1]


BOUNDED = Said(
    ("--estate", "my lab"), ("edge-01",), ("-l", "tier=shop", "--exclude", "edge-01/X/y"), ("--max-disruption", "service", "--replace", "edge-01/A/b")
)


def test_the_same_call_under_another_verb_keeps_selectors_and_bounds() -> None:
    assert BOUNDED.again("apply") == (
        "reconcile --estate 'my lab' apply edge-01 -l tier=shop --exclude edge-01/X/y --max-disruption service --replace edge-01/A/b"
    )


def test_a_higher_limit_takes_the_place_of_the_lower_one() -> None:
    assert BOUNDED.completed("--max-disruption reboot").endswith("--exclude edge-01/X/y --replace edge-01/A/b --max-disruption reboot")


def test_leave_that_was_given_is_not_given_twice() -> None:
    assert BOUNDED.completed("--replace edge-01/A/b").count("--replace") == 1


def test_a_command_inside_a_sentence_gets_the_options_of_this_call() -> None:
    assert BOUNDED.inside("mend it, then: reconcile apply edge-01/N/a") == (
        "mend it, then: reconcile --estate 'my lab' apply edge-01/N/a --exclude edge-01/X/y --max-disruption service --replace edge-01/A/b"
    )
    assert BOUNDED.inside("reconcile destroy edge-01/N/a") == "reconcile --estate 'my lab' destroy edge-01/N/a"


def test_a_saved_plan_brings_its_own_bounds() -> None:
    made = plan(resized("edge-01"), replace=("edge-01/EflowVm",), max_disruption=Disruption.SERVICE, exclude=("edge-01/X/y",))

    assert Said((), ("edge-01.plan",)).bounded(made).about("edge-01").again("plan") == (
        "reconcile plan edge-01 --exclude edge-01/X/y --max-disruption service --replace edge-01/EflowVm"
    )


def test_a_plan_within_a_limit_proposes_to_apply_within_it(lab: Reconcile) -> None:
    planned = lab("plan", "edge-01", "--max-disruption", "reboot", "--exclude", "edge-01/NatNetwork/eflow")

    assert "Next: reconcile apply edge-01 --exclude edge-01/NatNetwork/eflow --max-disruption reboot" in planned.out


def test_a_host_that_is_down_is_looked_at_again_within_the_same_limit(lab: Reconcile) -> None:
    lab("emulate", "power", "off", "kiosk-04")
    planned = lab("plan", "-l", "tier=client", "--max-disruption", "service")

    assert last_line(planned.out) == "Next, once it answers: reconcile plan kiosk-04 -l tier=client --max-disruption service"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-l", "tier=nosuch"), "no host has the label tier=nosuch"),
        (("-l", "tier=clientt"), "did you mean tier=client?"),
        (("-l", "tier=nosuch"), "labels that there are: tier=client, tier=cloud"),
        (("edge-01", "-l", "tier=client"), "no host among those named has the label tier=client"),
    ],
)
@pytest.mark.parametrize("command", [("plan",), ("drift",), ("apply", "--yes"), ("observe",)])
def test_labels_that_choose_no_host_are_an_error(lab: Reconcile, command: tuple[str, ...], words: tuple[str, ...], said: str) -> None:
    answered = lab(*command, *words)

    assert answered.code == 1
    assert said in answered.err


def test_drift_does_not_speak_for_a_host_that_was_not_seen(built: Reconcile) -> None:
    built("emulate", "power", "off", "kiosk-04")
    drift = built("drift")

    assert drift.code == 5
    assert "Drift: none seen; 1 host not seen." in drift.out
    assert last_line(drift.out) == "Next, once it answers: reconcile drift kiosk-04"


def test_a_failure_names_the_next_command_with_the_options_of_this_call(reconcile: Reconcile) -> None:
    reconcile("emulate", "new", "my lab")
    reconcile("--estate", "my lab", "emulate", "fault", "edge-01", "--cmdlet", "New-NetNat", "--error", "Broken,New-NetNat")
    failed = reconcile("--estate", "my lab", "apply", "edge-01", "--yes", "--max-disruption", "reboot")

    assert failed.code == 1
    assert "reconcile --estate 'my lab' apply edge-01/NatNetwork/eflow --max-disruption reboot" in " ".join(failed.out.split())
