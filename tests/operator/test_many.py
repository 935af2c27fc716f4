"""The loop over more hosts than it looks at side by side, many of them hanging."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler.emulator.estate import Estate
from reconciler.emulator.faults import Fault
from reconciler.emulator.skus import HostWish
from reconciler.operator.events import Watched
from reconciler.operator.loop import watch
from tests.operator.fleet import QUARTER, Fleet


async def test_hosts_that_hang_cost_the_others_their_slots_once_and_never_again(tmp_path: Path) -> None:
    names = [f"shop-{n:02}" for n in range(40)]
    hung = names[:12]
    fleet = Fleet(tmp_path, Estate.new(None, [HostWish(name) for name in names]))
    fleet.write(*names)
    for name in hung:
        fleet.estate.fault(name, Fault(hang=True))
    env = replace(fleet.env(), at_once=8)
    await watch(fleet.load, env, QUARTER, fleet.events.append, fleet.stop, sweeps=3)
    looks = {name: [r["at"] for r in fleet.estate.log(name) if r["what"] == "process" and r["do"] == "start"] for name in names}
    assert all(len(looks[name]) == 3 for name in names[12:])
    assert {event.host for event in fleet.said(Watched.UNSEEN)} == set(hung)
    second = sorted(looks[name][1] for name in names[12:])
    assert (fleet.moment(second[-1]) - fleet.moment(second[0])).total_seconds() < 90
    assert [event.sweep.not_ready for event in fleet.events if event.sweep] == [40, 40, 40]
    assert len(fleet.said(Watched.PENDING)) == 28  # nothing was ever applied here: said once a host
