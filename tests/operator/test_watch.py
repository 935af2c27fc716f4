"""An hour of the loop over emulated hosts, in virtual time: judged by the state of the hosts and by what it said when."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.core.errors import Refused
from reconciler.emulator.faults import Fault
from reconciler.operator.events import Watched, watch_json
from reconciler.operator.loop import watch
from tests.operator.fleet import HOSTS, QUARTER, Fleet


async def test_an_hour_over_a_fleet_as_declared_says_one_line_a_sweep(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, *HOSTS)
    since = len(fleet.estate.records)
    end = await fleet.watch(63)
    assert [event.what for event in fleet.events] == [Watched.STARTED, *[Watched.SWEEP] * 5, Watched.STOPPED]
    assert [(e.sweep.hosts, e.sweep.ready, e.sweep.new) for e in fleet.events if e.sweep] == [(5, 5, 0)] * 5
    assert not [record for record in fleet.estate.log(since=since) if record["what"] == "write"]
    assert (end.ready, end.not_ready) == (5, 0)


async def test_drift_made_by_hand_is_put_back_at_the_next_look(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, *HOSTS)
    await fleet.watch(48, (20, fleet.remove_nat("edge-03")))
    assert fleet.nats("edge-03") == ["eflow"]
    begun, done = fleet.said(Watched.CORRECTING, Watched.CORRECTED)
    assert (begun.what, done.what, str(done.id)) == (Watched.CORRECTING, Watched.CORRECTED, "edge-03/NatNetwork/eflow")
    assert 30 <= fleet.minute(done) < 32
    assert not fleet.said(Watched.DRIFTED, Watched.PENDING, Watched.READY)
    assert [event.sweep.ready for event in fleet.events if event.sweep] == [5, 5, 5, 5]


async def test_a_hung_host_costs_the_others_nothing(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, *HOSTS)
    hang = Fault(hang=True)
    await fleet.watch(
        78,
        (14, lambda: fleet.estate.fault("edge-02", hang)),
        (20, fleet.remove_nat("edge-03")),
        (50, lambda: fleet.estate.heal("edge-02")),
    )
    corrected = fleet.said(Watched.CORRECTED)
    assert [event.host for event in corrected] == ["edge-03"]
    assert 30 <= fleet.minute(corrected[0]) < 32
    unseen = fleet.said(Watched.UNSEEN)
    assert [event.host for event in unseen] == ["edge-02"]
    assert 15 <= fleet.minute(unseen[0]) < 20
    assert [fleet.minute(event) // 15 for event in fleet.said(Watched.SWEEP)] == [0, 1, 2, 3, 4, 5]
    assert fleet.events[-2].sweep
    assert (fleet.events[-2].sweep.ready, fleet.events[-2].sweep.last_finished) == (5, fleet.events[-2].at)


async def test_a_host_that_is_off_is_tried_again_with_growing_pauses_and_seen_when_it_is_back(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    await fleet.watch(
        48,
        (10, lambda: fleet.estate.power("edge-01", on=False)),
        (17, lambda: fleet.estate.power("edge-01", on=True)),
    )
    lost, back, rebooted, ready = fleet.said(Watched.UNSEEN, Watched.SEEN, Watched.REBOOTED, Watched.READY)
    assert (lost.what, back.what, rebooted.what, ready.what) == (Watched.UNSEEN, Watched.SEEN, Watched.REBOOTED, Watched.READY)
    assert (lost.host, lost.code, lost.seconds) == ("edge-01", "HST010", 30)
    assert 17 < fleet.minute(back) < 25
    sweeps = [event.sweep for event in fleet.events if event.sweep]
    assert [(sweep.ready, sweep.not_ready, sweep.new) for sweep in sweeps] == [(2, 0, 0), (1, 1, 1), (2, 0, 0), (2, 0, 0)]


async def test_a_change_of_the_specs_is_reported_once_and_not_applied(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    await fleet.watch(48, (5, lambda: fleet.write("edge-01", "edge-02", address="172.20.99.1/24")))
    (specs,) = fleet.said(Watched.SPECS)
    assert 15 <= fleet.minute(specs) < 16
    pending = fleet.said(Watched.PENDING)
    assert sorted(event.host for event in pending) == ["edge-01", "edge-02"]
    assert pending[0].next == f"reconcile apply {pending[0].host}"
    assert all(15 <= fleet.minute(event) < 17 for event in pending)
    addresses = fleet.addresses("edge-01")
    assert "172.20.10.1" in addresses
    assert "172.20.99.1" not in addresses
    assert [event.sweep.not_ready for event in fleet.events if event.sweep] == [0, 2, 2, 2]


async def test_specs_that_do_not_load_are_refused_once_and_the_last_good_ones_stay_in_force(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    good = (tmp_path / "fleet.yaml").read_text()
    await fleet.watch(
        63,
        (5, lambda: (tmp_path / "fleet.yaml").write_text(good.replace("switchName: eflow", "switchName: nobody"))),
        (20, fleet.remove_nat("edge-01")),
        (40, lambda: (tmp_path / "fleet.yaml").write_text(good)),
    )
    (refused,) = fleet.said(Watched.REFUSED)
    assert "LNK001" in [found.code for found in refused.diagnostics]
    assert 15 <= fleet.minute(refused) < 16
    (again,) = fleet.said(Watched.SPECS)
    assert 45 <= fleet.minute(again) < 46
    assert len(fleet.said(Watched.CORRECTED)) == 1
    assert fleet.nats("edge-01") == ["eflow"]


async def test_specs_that_never_loaded_are_refused_before_any_host_is_asked(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    (tmp_path / "fleet.yaml").write_text("kind: Nonsense")
    since = len(fleet.estate.records)
    with pytest.raises(Refused):
        await watch(fleet.load, fleet.env(), QUARTER, fleet.events.append, fleet.stop)
    assert len(fleet.estate.records) == since
    assert not fleet.events


async def test_a_host_that_is_declared_later_is_looked_at_and_one_that_is_not_any_more_is_left(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    fleet.write("edge-01")
    await fleet.watch(48, (5, lambda: fleet.write("edge-01", "edge-02")), (20, lambda: fleet.write("edge-02")))
    assert [event.sweep.hosts for event in fleet.events if event.sweep] == [1, 2, 1, 1]
    assert [event.text for event in fleet.said(Watched.SPECS)] == ["new: edge-02", "no longer declared: edge-01"]


async def test_what_is_put_back_three_times_and_gone_again_is_left_alone_and_said_once(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    fights = [(minute, fleet.remove_nat("edge-01")) for minute in (5, 20, 35, 50)]
    await fleet.watch(125, *fights)
    assert len(fleet.said(Watched.CORRECTED)) == 3
    (flapping,) = fleet.said(Watched.FLAPPING)
    assert (str(flapping.id), flapping.next) == ("edge-01/NatNetwork/eflow", "reconcile apply edge-01/NatNetwork/eflow")
    assert 60 <= fleet.minute(flapping) < 62
    assert not fleet.nats("edge-01")
    assert fleet.nats("edge-02") == ["eflow"]


async def test_a_fight_that_ended_is_forgotten_after_an_hour_as_declared(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fights = [(minute, fleet.remove_nat("edge-01")) for minute in (5, 20, 35, 50)]
    await fleet.watch(160, *fights, (65, fleet.by_person), (145, fleet.remove_nat("edge-01")))
    (calm,) = fleet.said(Watched.CALM)
    assert 135 <= fleet.minute(calm) < 137
    assert len(fleet.said(Watched.CORRECTED)) == 4
    assert fleet.nats("edge-01") == ["eflow"]


async def test_a_correction_that_fails_each_time_rests_after_three_and_is_tried_again_later(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    await fleet.watch(
        110,
        (1, lambda: fleet.estate.fault("edge-01", Fault("New-NetNat", error="Windows System Error 1450,New-NetNat"))),
        (5, fleet.remove_nat("edge-01")),
        (62, lambda: fleet.estate.heal("edge-01")),
    )
    tries = [fleet.minute(event) // 15 for event in fleet.said(Watched.CORRECTING)]
    assert tries == [1, 2, 3, 6]
    assert len(fleet.said(Watched.FAILED)) == 1
    assert len(fleet.said(Watched.STALLED)) == 1
    assert fleet.nats("edge-01") == ["eflow"]


async def test_a_stop_between_sweeps_ends_at_once_and_no_lease_is_kept(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    end = await fleet.watch(40, (20, fleet.remove_nat("edge-01")))
    assert end.seconds == 0
    assert fleet.lease("edge-01") is None


async def test_a_stop_in_mid_correction_lets_the_call_end_and_gives_the_lease_back(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fleet.stop_when(Watched.CORRECTING)
    end = await fleet.watch(48, (20, fleet.remove_nat("edge-01")))
    assert end.seconds < 10
    assert fleet.nats("edge-01") == ["eflow"]
    assert fleet.lease("edge-01") is None
    assert fleet.events[-1].what is Watched.STOPPED


async def test_a_stop_while_a_call_hangs_still_ends_within_ten_seconds(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fleet.estate.fault("edge-01", Fault("New-NetNat", hang=True))
    fleet.stop_when(Watched.CORRECTING)
    end = await fleet.watch(48, (20, fleet.remove_nat("edge-01")))
    assert end.seconds < 10
    assert fleet.said(Watched.STOPPING)[0].text == "edge-01"


async def test_a_host_that_goes_out_of_sight_in_mid_correction_is_tried_again_soon(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fleet.when(Watched.CORRECTING, lambda: fleet.estate.power("edge-01", on=len(fleet.said(Watched.CORRECTING)) > 1))
    await fleet.watch(93, (5, fleet.remove_nat("edge-01")), (62, lambda: fleet.estate.power("edge-01", on=True)))
    (lost,) = fleet.said(Watched.UNSEEN)
    assert lost.seconds == 30
    (done,) = fleet.said(Watched.CORRECTED)
    assert 62 < fleet.minute(done) < 77
    assert [fleet.minute(event) // 15 for event in fleet.said(Watched.SWEEP)] == [0, 1, 2, 3, 4, 5, 6]
    assert fleet.nats("edge-01") == ["eflow"]


async def test_a_hold_on_a_host_is_honoured_and_said_once(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    fleet.hold("edge-01", "fiscal printer swap")
    await fleet.watch(48, (5, fleet.remove_nat("edge-01")))
    (held,) = fleet.said(Watched.HELD)
    assert "fiscal printer swap" in held.text
    assert not fleet.nats("edge-01")


async def test_drift_beyond_disruption_none_is_said_once_and_left(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    await fleet.watch(48, (5, lambda: fleet.estate.run("edge-01", 'Set-VMSwitch -Name eflow -SwitchType "Private"')))
    drifted = fleet.said(Watched.DRIFTED, Watched.BLOCKED)
    assert [str(event.id) for event in drifted] == ["edge-01/VirtualSwitch/eflow"]
    assert not fleet.said(Watched.CORRECTING)


async def test_while_another_holds_the_lease_nothing_is_corrected_and_nobody_waited_for(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01")
    await fleet.watch(48, (5, fleet.remove_nat("edge-01")), (14, lambda: fleet.leased("edge-01", until=35)))
    (waiting,) = fleet.said(Watched.WAITING)
    assert (waiting.code, fleet.minute(waiting) // 15) == ("HST050", 1)
    (done,) = fleet.said(Watched.CORRECTED)
    assert 35 <= fleet.minute(done) < 47


async def test_a_defect_on_one_host_is_said_and_the_others_are_kept(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    fleet.breaks("edge-01")
    await fleet.watch(33, (5, fleet.remove_nat("edge-02")))
    (defect,) = fleet.said(Watched.DEFECT)
    assert (defect.host, defect.text) == ("edge-01", "KeyError: 'a defect'")
    assert fleet.nats("edge-02") == ["eflow"]


async def test_a_given_number_of_sweeps_ends_the_loop_by_itself(tmp_path: Path) -> None:
    fleet = await Fleet.converged(tmp_path, "edge-01", "edge-02")
    end = await watch(fleet.load, fleet.env(), QUARTER, fleet.events.append, fleet.stop, sweeps=2)
    assert (end.sweeps, end.ready, len(fleet.said(Watched.SWEEP))) == (2, 2, 2)


async def test_two_watches_of_the_same_fleet_say_the_same_byte_for_byte(tmp_path: Path) -> None:
    lines = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fleet = await Fleet.converged(tmp_path / name, *HOSTS)
        await fleet.watch(48, (5, fleet.remove_nat("edge-01")), (5, fleet.remove_nat("edge-04")), (20, fleet.remove_nat("edge-02")))
        lines.append([json.dumps(watch_json(event), sort_keys=True) for event in fleet.events])
    assert lines[0] == lines[1]
    assert len(lines[0]) > 8
