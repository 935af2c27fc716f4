"""Frames become answers, hello, leases and jobs; a host that lies about their shape is a WireError."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Fenced, LeaseHeld, TransportError, WireError, WrongMachine
from reconciler.wire.answers import Reply, answer, hello, hold, job, lease, refusal, reply

ERROR = {"fqid": "Id1,New-Thing", "cat": "ResourceBusy", "reason": "X", "target": "t", "ex": [{"type": "System.Exception", "hr": 1, "msg": "no \x1b[1m"}]}
HELLO: Mapping[str, Any] = {
    "id": 1, "hello": 1, "name": "EDGE-01", "uuid": "u-1", "machine": None, "guid": "g", "os": "Microsoft Windows Server 2022", "version": "10.0.20348",
    "build": "20348", "product": 3, "boot": "b1", "booted": {"$dt": "2026-11-24T08:00:00.0000000Z"}, "ui": "de-DE", "uptime": 100.5,
    "utc": {"$dt": "2026-11-24T09:00:00.0000000Z"}, "lease": {"holder": "me", "epoch": 4, "boot": "b1", "until": 130.5, "pid": 7, "rebooting": None},
    "hold": '{"by":"kim","why":"audit","until":null}', "ledger": {"b": "{}", "a": "{}"},
    "jobs": [{"job": "j2", "resource": "r", "action": "a", "phase": "running", "since": "2026-11-24T08:30:00.0000000Z", "last": "1", "key": "k", "bad": None}],
}  # fmt: skip


def test_hello_is_facts_ledger_lease_hold_and_jobs() -> None:
    found = hello(HELLO)
    assert (found.facts.computer_name, found.facts.build, found.facts.language, found.facts.is_server) == ("EDGE-01", 20348, "de-DE", True)
    assert found.facts.booted == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert list(found.ledger) == ["a", "b"]
    assert (found.lease.holder, found.lease.epoch, found.lease.seconds) == ("me", 4, 30.0)
    assert found.hold is not None
    assert (found.hold.by, found.hold.why, found.hold.until) == ("kim", "audit", None)
    assert found.jobs[0].since == datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
    assert found.jobs[0].active
    assert found.jobs[0].key == "k"


def test_a_lease_of_another_boot_is_free() -> None:
    assert lease({"holder": "me", "epoch": 4, "boot": "b0", "until": 130.5}, 100.5, "b1").seconds == 0


def test_a_hold_that_cannot_be_read_is_a_hold_all_the_same() -> None:
    assert hold(None) is None
    for text in ("nonsense", "[1]", '{"by":1}'):
        assert hold(text) is not None


def test_an_error_has_its_id_and_safe_words() -> None:
    found = answer({"i": 0, "ok": False, "err": [ERROR], "out": [], "info": "50 %\r\n\x1b[2J", "warn": ["w\x07"]})
    assert found.error is not None
    assert found.error.is_("Id1")
    assert (found.error.category, found.error.exception, found.error.message) == ("ResourceBusy", "System.Exception", "no ‹U+001B›[1m")
    assert found.info == "50 %\n‹U+001B›[2J"
    assert found.warnings == ("w‹U+0007›",)


def test_a_cut_call_says_how_it_was_cut() -> None:
    found = answer({"i": 0, "ok": False, "cut": "stopped", "out": [1]})
    assert found.error is not None
    assert (found.error.id, found.error.cut, found.objects) == ("Cut", "stopped", (1,))


def test_a_call_that_fails_without_an_error_is_not_ok() -> None:
    assert not answer({"i": 0, "ok": False, "out": []}).ok
    assert not answer({"i": 0, "out": []}).ok


def test_a_finished_job_has_its_answers_and_the_failed_one_last() -> None:
    frames: list[Mapping[str, Any]] = [
        {"id": 0, "i": 0, "ok": True, "out": [1]},
        {"id": 0, "i": 1, "ok": False, "err": [ERROR], "out": []},
        {"id": 0, "end": True, "n": 2, "bad": 1},
    ]
    found = job({"job": "j", "resource": "r", "phase": "done", "bad": 1}, answers=frames)
    assert [item.ok for item in found.answers] == [True, False]
    assert found.bad == 1


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [{"id": 1}],
        [{"id": 2, "i": 0, "ok": True, "out": []}, {"id": 1, "end": True}],
        [{"id": 1, "i": 1, "ok": True, "out": []}, {"id": 1, "end": True}],
        [{"id": 1, "i": 0, "ok": "yes", "out": []}, {"id": 1, "end": True}],
        [{"id": 1, "i": 0, "ok": True, "out": {}}, {"id": 1, "end": True}],
        [{"id": 1, "i": 0, "ok": True, "out": [{"$nope": 1}]}, {"id": 1, "end": True}],
        [{"id": 1, "i": 0, "ok": False, "err": ["x"]}, {"id": 1, "end": True}],
        [{"id": 1, "i": 0, "ok": False, "cut": "perhaps"}, {"id": 1, "end": True}],
        [{"id": 1, "job": {"phase": "dancing"}, "joined": False}, {"id": 1, "end": True}],
        [{"id": 1, "end": True, "bad": "0"}],
    ],
)
def test_an_answer_of_another_shape_is_a_wire_error(frames: list[Mapping[str, Any]]) -> None:
    with pytest.raises(WireError):
        reply(frames, 1)


@pytest.mark.parametrize("wrong", [{"ledger": {"a": 1}}, {"ledger": []}, {"jobs": ["x"]}, {"name": 5}, {"lease": "free"}, {"product": True}])
def test_a_hello_of_another_shape_is_a_wire_error(wrong: Mapping[str, Any]) -> None:
    with pytest.raises(WireError):
        hello({**HELLO, **wrong})


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ("WrongHost", WrongMachine),
        ("LeaseHeld", LeaseHeld),
        ("Rebooting", LeaseHeld),
        ("StaleEpoch", Fenced),
        ("Tainted", Fenced),
        ("LockBusy", TransportError),
        ("BadId", WireError),
        ("", WireError),
    ],
)
def test_a_refusal_is_the_error_that_the_engine_knows(refused: str, error: type[TransportError]) -> None:
    with pytest.raises(error) as caught:
        refusal(Reply(refused=refused, fatal="words"), 0, None)
    assert not caught.value.sent


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["running", "stopped", "b1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["job", "phase", "holder", "until", "boot", "fqid", "ex", "msg", "$ts", "$dt", "$map", "$b64", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(
    ["id", "i", "ok", "err", "cut", "out", "info", "warn", "hello", "name", "lease", "now", "job", "joined", "answer", "jobs", "ledger", "hold", "utc", "bad"]
)


@given(st.lists(st.dictionaries(names, junk, max_size=6), max_size=3), st.dictionaries(names, junk, max_size=4))
def test_no_answer_of_a_host_hurts_more_than_a_wire_error(frames: list[dict[str, Any]], end: dict[str, Any]) -> None:
    with contextlib.suppress(WireError):
        found = reply([{**frame, "id": 1} for frame in frames] + [{**end, "id": 1, "end": True}], 1)
        if found.hello is not None:
            hello(found.hello)


def test_a_held_lease_says_by_whom_and_for_how_long() -> None:
    held = Reply(refused="LeaseHeld", fatal="held", detail={"holder": "kim", "until": 130.0})
    with pytest.raises(LeaseHeld) as caught:
        refusal(held, 100.0, None)
    assert (caught.value.holder, caught.value.seconds) == ("kim", 30.0)
    restart = Reply(refused="Rebooting", fatal="held", detail={"rebooting": {"holder": "kim", "until": "2026-11-24T09:10:00.0000000Z"}})
    with pytest.raises(LeaseHeld) as caught:
        refusal(restart, 100.0, datetime(2026, 11, 24, 9, tzinfo=UTC))
    assert (caught.value.holder, caught.value.seconds) == ("kim", 600.0)
