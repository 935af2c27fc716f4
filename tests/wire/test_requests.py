"""A request as one line: exact, ASCII, in parts when it is long."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.core.calls import Cmdlet, Good, LedgerCall, Out, Program, Secret, secrets_of
from reconciler.core.errors import Defect
from reconciler.wire.requests import PART, HelloAsk, JobAsk, LeaseAsk, Request, line, lines

NEW = Cmdlet("New-Thing", ("Name", "Value", "Password"))
MSIEXEC = Program("C:\\Windows\\System32\\msiexec.exe")


def test_a_batch_with_everything_in_it() -> None:
    request = Request(
        7,
        "ab",
        hello=HelloAsk(("New-Thing",), "default", {"name": "edge-01"}),
        lease=LeaseAsk("take", "me", None, 90.5),
        calls=(
            NEW(Name="x", select=("Name", ("Nics", ("Mac",))), good=Good(returns={"Name": "x"}), seconds=30),
            NEW(Value=Out(0, "Name")),
            MSIEXEC("/i", "C:\\a b.msi", good=Good(exit=(0, 3010))),
            LedgerCall("put", "default", "0" * 32, "ä"),
            LedgerCall("get", None, "hold"),
        ),
        write=True,
        epoch=3,
        key="k1",
        deadline=timedelta(minutes=2),
    )
    assert json.loads(line(request)) == {
        "id": 7,
        "nonce": "ab",
        "hello": {"allow": ["New-Thing"], "expect": {"name": "edge-01"}, "fleet": "default"},
        "lease": {"do": "take", "holder": "me", "seconds": 90},
        "w": True,
        "epoch": 3,
        "key": "k1",
        "bt": 120_000,
        "calls": [
            {"c": "New-Thing", "p": {"Name": "x"}, "s": ["Name", {"n": "Nics", "s": ["Mac"]}], "t": 30_000, "g": {"returns": {"Name": "x"}}},
            {"c": "New-Thing", "p": {"Value": {"$out": [0, "Name"]}}},
            {"x": MSIEXEC.path, "a": ["/i", "C:\\a b.msi"], "g": {"exit": [0, 3010]}},
            {"l": "put", "f": "default", "n": "0" * 32, "v": "ä"},
            {"l": "get", "f": None, "n": "hold"},
        ],
    }
    assert line(request).isascii()


def test_a_job_start_carries_its_calls_and_a_poll_does_not() -> None:
    start = Request(1, "", job=JobAsk("start", "j1", "edge-01/EflowVm", "deploy", "k", (NEW(Name="x"),), timedelta(hours=1)), epoch=2)
    assert json.loads(line(start)) == {
        "id": 1,
        "nonce": "",
        "job": {
            "do": "start",
            "job": "j1",
            "resource": "edge-01/EflowVm",
            "action": "deploy",
            "key": "k",
            "calls": [{"c": "New-Thing", "p": {"Name": "x"}}],
            "bt": 3_600_000,
        },
        "epoch": 2,
    }
    assert json.loads(line(Request(2, "", job=JobAsk("poll", "j1"))))["job"] == {"do": "poll", "job": "j1"}


def test_a_secret_is_named_for_the_vault_and_put_in_only_when_the_line_is_written() -> None:
    call = NEW(Password={"deep": [Secret("env", "KEY")]})
    request = Request(1, "", calls=(call, call))
    assert secrets_of(request.calls) == (Secret("env", "KEY"),)
    assert "hunter2" in line(request, lambda secret: "hunter2")
    assert "hunter2" not in repr(request)


def test_a_program_or_a_job_with_a_secret_is_a_defect() -> None:
    for request in (
        Request(1, "", calls=(MSIEXEC(Secret("env", "KEY")),)),
        Request(1, "", job=JobAsk("start", "j1", "r", calls=(NEW(Password=Secret("env", "KEY")),))),
    ):
        with pytest.raises(Defect):
            line(request)


@pytest.mark.parametrize("request_", [Request(0, ""), Request(2**63, ""), Request(1, "AB"), Request(1, "a" * 33)])
def test_an_id_or_nonce_that_no_invoker_takes_is_a_defect(request_: Request) -> None:
    with pytest.raises(Defect):
        line(request_)


def test_a_long_request_goes_in_parts_that_make_the_line_again() -> None:
    request = Request(5, "ab", calls=tuple(NEW(Value="é" * 40_000) for _ in range(3)))
    parts = [json.loads(text) for text in lines(request)]
    assert [part["part"] for part in parts] == list(range(len(parts)))
    assert {part["of"] for part in parts} == {len(parts)}
    assert all(len(part["data"]) <= PART and part["id"] == 5 and part["nonce"] == "ab" for part in parts)
    assert "".join(part["data"] for part in parts) == line(request)
