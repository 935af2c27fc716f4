"""The canonical form of a question: equal questions are one, and what is spelled differently stays apart, however often it was asked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from reconciler.core.calls import Answer, Argv, Call, CallError, ProgramCall, Row, Unread
from reconciler.core.canonical import canonical
from reconciler.core.snapshot import Snapshot, call_json, call_key


def test_a_question_is_spelled_alike_each_time_and_as_its_json_says() -> None:
    for call in (
        Call("Get-NetNat", {}, ("Name",)),
        Call("Get-NetTCPConnection", {"LocalPort": [5985, 5986]}, ("LocalAddress",)),
        Call("Get-ItemProperty", {"Path": r"HKLM:\SOFTWARE\*", "Name": ("DisplayName*", "DisplayVersion*")}),
        Call("Invoke-EflowVmCommand", {"command": Argv(("resolvectl", "dns"))}),
        Call("Get-EflowVmEndpoint", {}, ("Name", ("IpConfiguration", ("Address", "SubNet")))),
        ProgramCall(r"C:\Windows\System32\hcsdiag.exe", ("list",)),
    ):
        assert call_key(call) == call_key(call) == canonical(call_json(call))


def test_questions_that_python_takes_for_equal_keep_their_own_spelling() -> None:
    alike = [True, 1, 1.0, "1", [1], [True], ["1"]]
    keys = [call_key(Call("Get-Thing", {"Value": value})) for value in alike]
    assert len(set(keys)) == len(alike)


def test_the_deadline_and_the_order_of_parameters_are_no_part_of_a_question() -> None:
    one = Call("Get-Thing", {"A": "x", "B": "y"}, seconds=5)
    assert call_key(one) == call_key(Call("Get-Thing", {"B": "y", "A": "x"}, seconds=60))


def test_a_snapshot_read_again_is_the_snapshot_that_was_written() -> None:
    asked = [
        (Call("Get-NetNat", {}, ("Name",)), Answer((Row({"Name": "eflow", "Age": timedelta(hours=8), "Sid": b"\x01", "Getter": Unread("threw")}),))),
        (Call("Get-VMSwitch", {"Name": "x"}), Answer(error=CallError("CommandNotFoundException", "ObjectNotFound", "no such command"))),
    ]
    taken = Snapshot.taken("edge-01", datetime(2026, 11, 24, 8, tzinfo=UTC), {"v": 1}, asked)
    told = json.dumps(taken.to_json())
    read = Snapshot.of(json.loads(told))
    assert json.dumps(read.to_json()) == told
    assert set(read.answers) == {call_key(call) for call, _ in asked}
    assert [repr(read.answers[call_key(call)]) for call, _ in asked] == [repr(answer) for _, answer in asked]  # an unread property cannot be compared
