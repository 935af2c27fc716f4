"""Whose lease it is when the answer to taking it was lost: ours where our own process took it, and nobody else's for bearing the same name."""

from __future__ import annotations

import pytest

from reconciler.emulator.controller import Exchange, Point
from reconciler.emulator.faults import Fault
from reconciler.engine.events import Happening
from reconciler.engine.planning import desired_of, target_of
from tests.engine.lab import FLEET, Lab, host, lab
from tests.engine.test_crash import SMALL

WISH = host("edge-01", "WindowsFeature/DHCP: {}")


def waits(here: Lab) -> list[str]:
    return [event.text for event in here.events if event.what is Happening.WAITING and "held by" in event.text]


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_lease_whose_answer_was_lost_is_taken_again_at_once(nth: int) -> None:
    """The first one, the one after the restart, and one that was to be renewed."""
    here = lab(FLEET + SMALL)
    taken: list[int] = []

    def cut(exchange: Exchange, point: Point) -> None:
        if point is Point.BEFORE and exchange.what == "lease take":
            taken.append(exchange.number)
            if len(taken) == nth:
                here.estate.fault("edge-01", Fault(drop="after", times=1))

    here.cut = cut
    report = await here.apply()
    assert (report.exit_code, waits(here), len(taken) > nth) == (0, [], True)
    assert any(event.what is Happening.WAITING and "connecting again" in event.text for event in here.events)


async def test_a_lease_of_the_same_name_that_another_took_is_waited_for() -> None:
    """Two windows of one person: the run in one of them must not end the other's process."""
    here = lab(FLEET + WISH)
    target = target_of(desired_of(here.desired, here.desired.hosts["edge-01"], here.request(), here.environment()))
    async with here.connect()(target) as other:
        await other.take(here.by, 60)
        report = await here.apply()
    assert report.exit_code == 0
    assert waits(here)
