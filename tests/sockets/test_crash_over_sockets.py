"""The crash law over real sockets, sealed with NTLM: killed hard at three points of an exchange and started again. The host's own log is the judge.

From a bare host to a provisioned EFLOW VM. Some controllers are killed for real, and what they leave behind lives on: processes, shells,
connections, answers. For the whole, one undisturbed run is copied at every point of every exchange besides, as in `engine/test_crash.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import anyio
import pytest

from reconciler.emulator.controller import Killed, Point
from reconciler.emulator.winrm import serve
from reconciler.engine.planfile import save
from reconciler.secrets import Vault
from tests.engine.lab import FLEET, Lab, lab
from tests.engine.test_crash import EFFECTS, MAIN, SECRET, resumes
from tests.sockets.dying import Cuts, Left, controller, copied

WAYS = ("apply", "apply edge-01.plan")
SPECS = FLEET + "---\n" + MAIN
KEY = dict([SECRET])


@cache
def bare() -> Lab:
    return lab(SPECS)


@cache
def undisturbed() -> Counter[str]:
    """What is done to the host when nobody is killed; in one process, where the same is done as over sockets (`test_main_scenario`)."""
    here = lab(SPECS, secrets=Vault(KEY))
    assert anyio.run(here.apply).exit_code == 0
    return Counter(here.effects("edge-01", *EFFECTS))


# -- killed for real


def killed(dies: Callable[[int, Point, str], bool], way: str, *, abandon: bool) -> None:
    """The next one comes to the same endpoint. `abandon`: the connections of the dead one stay open."""
    anyio.run(partial(_killed, dies, way, undisturbed(), abandon=abandon))


async def _killed(dies: Callable[[int, Point, str], bool], way: str, effects: Counter[str], *, abandon: bool) -> None:
    here = Lab(bare().desired, copied(bare().estate))

    def at(number: int, point: Point, what: str) -> None:
        if dies(number, point, what):
            raise Killed

    async with serve(here.estate) as endpoint:
        cuts = Cuts(endpoint, at, abandon=abandon)
        async with controller(here, endpoint, KEY):
            plan = await here.plan()
            text = save(plan, here.desired)
            with pytest.MonkeyPatch.context() as patch:
                cuts.install(patch)
                try:
                    await here.apply(plan)
                except* Killed:
                    assert cuts.dead
        assert cuts.dead, f"the run has {cuts.count} exchanges, and died in none"
        try:
            async with controller(here, endpoint, KEY):
                await resumes(here, None if way == "apply" else text, effects)
        finally:
            for client in cuts.left_open:
                client.close()


@pytest.mark.parametrize(
    ("what", "point", "way", "abandon"),
    [
        ("lease take", Point.EXECUTED, WAYS[0], True),
        ("Restart-Computer", Point.EXECUTED, WAYS[1], False),
        ("job start", Point.ANSWERED, WAYS[1], True),
        ("Provision-EflowVm", Point.EXECUTED, WAYS[1], False),
    ],
)
def test_a_controller_killed_for_real_is_followed_by_one_that_does_nothing_twice(what: str, point: Point, way: str, abandon: bool) -> None:
    killed(lambda _, here, about: here is point and what in about, way, abandon=abandon)


# -- the whole: soak


@dataclass(frozen=True)
class Recorded:
    plan: str
    left: tuple[Left, ...]
    effects: Counter[str]

    @property
    def exchanges(self) -> int:
        return self.left[-1].number + 1


@cache
def recorded() -> Recorded:
    return anyio.run(record)


async def record() -> Recorded:
    """An undisturbed run over sockets, copied at every point."""
    here, left = lab(SPECS), list[Left]()
    async with serve(here.estate) as endpoint, controller(here, endpoint, KEY):
        plan = await here.plan()
        with pytest.MonkeyPatch.context() as patch:
            Cuts(endpoint, lambda number, point, what: left.append(Left(number, point, what, copied(here.estate)))).install(patch)
            report = await here.apply(plan)
    assert report.exit_code == 0, report
    return Recorded(save(plan, here.desired), tuple(left), Counter(here.effects("edge-01", *EFFECTS)))


SHARES = 24  # of the points, so that workers share them


@pytest.mark.soak
def test_an_undisturbed_run_over_sockets_does_everything_once(record_property: Callable[[str, object], None]) -> None:
    run = recorded()
    assert run.effects == undisturbed()
    figures = f"{len(run.left)} points of {run.exchanges} exchanges, {sum(run.effects.values())} effects"
    record_property("shares", f"crash law over sockets, NTLM sealed: {figures}; each resumed by {' and by '.join(WAYS)}")


@pytest.mark.soak
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", range(SHARES))
def test_left_at_any_point_of_any_exchange_it_is_finished_and_nothing_done_twice(share: int, way: str) -> None:
    run = recorded()

    async def again(left: Left) -> None:
        here = Lab(bare().desired, copied(left.estate))
        async with serve(here.estate) as endpoint, controller(here, endpoint, KEY):
            await resumes(here, None if way == "apply" else run.plan, run.effects)

    for left in run.left[share::SHARES]:
        try:
            anyio.run(again, left)
        except AssertionError as wrong:
            raise AssertionError(f"left {left.point} of exchange {left.number} ({left.what}): {wrong}") from wrong


@pytest.mark.soak
@pytest.mark.parametrize("share", range(SHARES))
def test_killed_for_real_at_any_point_of_any_exchange_it_is_finished_and_nothing_done_twice(share: int) -> None:
    """By the other way and with the other fate of the connections from one point to the next."""
    for turn, left in list(enumerate(recorded().left))[share::SHARES]:

        def dies(number: int, point: Point, _: str, left: Left = left) -> bool:
            return (number, point) == (left.number, left.point)

        try:
            killed(dies, WAYS[turn % 2], abandon=turn % 4 > 1)
        except AssertionError as wrong:
            raise AssertionError(f"killed {left.point} of exchange {left.number} ({left.what}), then {WAYS[turn % 2]}: {wrong}") from wrong
