"""What the table of vectors does not show of the invoker in a real PowerShell: its start, hostile text, sizes, deadlines, noise, two processes.

One process serves most of it, since a start takes a second or more. Skipped where no PowerShell is installed.
"""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler.wire import powershell
from tests.wire.powershell.pwsh import Folder, Process, found, words

PWSH = found()
pytestmark = [pytest.mark.interop, pytest.mark.skipif(PWSH is None, reason="no PowerShell here: set RECONCILE_PWSH or put pwsh on the path")]
BENCH = ("Get-Echo", "Get-Kind", "Get-Private", "Wait-Blocked", "Wait-Politely", "Add-Line", "Show-Noise", "Stop-Here", "Write-Both", "Remove-Much")
HOSTILE = (
    *("'", '"', "`", "``n", "$()", "$(1+1)", "${x}", "@'", "'; Set-Content CANARY x; '", '"; Set-Content CANARY x #', "$(Set-Content CANARY x)", "%PATH%"),
    *(
        "a\nb",
        "a\r\nb",
        "\n#HVab 2 {}\n",
        "#HVEND",
        "\0",
        "\x1b[31m",
        "\x7f",
        "\u2018\u2019\u201c\u201d",
        "\u202e\u2066",
        "\U0001f600",
        "\ud800",
        "\udfff\ud800",
    ),
    *("\ufeff", "\uffff", "-Force", "--%", "--", "*", "[a-z]", "\\", "\\\\", "C:\\a b\\", "/Date(1)/", "2026-01-02T03:04:05Z", "", " ", "\t", "a" * 5000),
)


class Talk:
    """One process and the number of its next request."""

    def __init__(self, path: Path) -> None:
        assert PWSH is not None
        self.process = Process(PWSH, Folder(path))
        self.number = 0
        self.ask(hello={"allow": [*BENCH, str(path / "tool.exe")], "fleet": "default"})

    def ask(self, **body: Any) -> list[Mapping[str, Any]]:
        self.number += 1
        return self.process.send(json.dumps({"id": self.number, "nonce": "ab", **body}), "ab")

    def call(self, name: str, parameters: Mapping[str, Any] | None = None, **more: Any) -> Mapping[str, Any]:
        return self.ask(calls=[{"c": name, "p": dict(parameters or {}), **more}])[0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("host")


@pytest.fixture(scope="module")
def talk(path: Path) -> Iterator[Talk]:
    made = Talk(path)
    yield made
    made.process.end()


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"", "empty"),
        (b"not base64!\n", "FormatException"),
        (base64.b64encode(b"no gzip at all") + b"\n", "InvalidDataException"),
        (base64.b64encode(gzip.compress(powershell.invoker().encode())[:9000]) + b"\n", "torn"),
        (powershell.packed("exit 7\n"), "torn"),
        (powershell.packed("function {\n#HVEND\n"), "ParseException"),
    ],
)
def test_what_is_not_the_whole_invoker_is_named_and_never_runs(first: bytes, said: str) -> None:
    assert PWSH is not None
    done = subprocess.run(words(powershell.bootstrap(), PWSH), input=first, capture_output=True, timeout=60)
    assert done.stdout.decode().strip() == f"#HVBOOT fail {said}"
    assert done.returncode == 42


@pytest.mark.skipif(Path("C:\\Windows").exists(), reason="on Windows the facts can be read")
def test_the_products_own_bytes_answer_where_the_facts_of_the_host_cannot_be_read() -> None:
    """No stand-ins: outside Windows there is no CIM to ask, and that is a refusal, not an end."""
    assert PWSH is not None
    lines = [json.dumps({"id": 1, "hello": {"allow": [], "fleet": "default"}}), json.dumps({"id": 2, "calls": []})]
    done = subprocess.run(
        words(powershell.bootstrap(), PWSH), input=powershell.invoker_line() + "\n".join(lines).encode() + b"\n", capture_output=True, timeout=60
    )
    answers = [json.loads(line.split(" ", 2)[2]) for line in done.stdout.decode().splitlines() if line]
    assert [(answer["id"], answer["end"]) for answer in answers] == [(1, True), (2, True)]
    assert answers[0]["refused"].startswith("CommandNotFoundException")
    assert done.returncode == 0


def test_hostile_text_comes_back_as_it_went_and_none_is_evaluated(talk: Talk, path: Path) -> None:
    answers = talk.ask(calls=[{"c": "Get-Echo", "p": {"Value": text}} for text in HOSTILE])
    assert [answer["out"] for answer in answers[:-1]] == [[text] for text in HOSTILE]
    keys = [text for text in HOSTILE if text]
    tables = talk.ask(calls=[{"c": "Get-Echo", "p": {"Value": {"$map": [[text, [text]]]}}} for text in keys])
    wanted = [[{"$map": [[text, [text]]]}] if text.startswith("$") else [{text: [text]}] for text in keys]
    assert [answer["out"] for answer in tables[:-1]] == wanted
    assert not list(path.rglob("CANARY*"))
    assert not Path("CANARY").exists()


def test_values_keep_their_types_in_and_out(talk: Talk) -> None:
    values = [1, -1, 2**40, 2**64 - 1, 1.5, True, None, [], [1], [[1]], {"a": {"b": [None]}}, {"$ts": 36000000000}, {"$b64": "AAE="}]
    moments = [{"$dt": "2026-01-02T03:04:05.0000000Z"}, {"$dtu": "2026-01-02T03:04:05.1234567"}]
    answers = talk.ask(calls=[{"c": "Get-Echo", "p": {"Value": value}} for value in values + moments])
    assert [answer["out"] for answer in answers[:-1]] == [[value] for value in values + moments]
    given = {"Text": {"$secure": "hunter2"}, "Sealed": {"$secure": "hunter2"}, "Span": {"$ts": 36000000000}, "On": True}
    assert talk.call("Get-Kind", given)["out"] == [{"Text": "hunter2", "Length": 7, "Sealed": 7, "Minutes": 60, "On": True}]


def test_two_megabytes_in_parts_and_a_long_value_each_way(talk: Talk) -> None:
    long = "x\u00e9" * 125_000
    assert talk.call("Get-Echo", {"Value": long})["out"] == [long]
    talk.number += 1
    whole = json.dumps({"id": talk.number, "nonce": "ab", "calls": [{"c": "Get-Kind", "p": {"Text": "y" * 2_100_000}}]})
    pieces = [whole[at : at + 200_000] for at in range(0, len(whole), 200_000)]
    lines = [json.dumps({"id": talk.number, "nonce": "ab", "part": n, "of": len(pieces), "data": piece}) for n, piece in enumerate(pieces)]
    for line in lines[:-1]:
        talk.process.tell(line)
    assert talk.process.send(lines[-1], "ab")[0]["out"][0]["Length"] == 2_100_000


def test_errors_warnings_and_output_are_kept_apart_and_no_confirmation_is_asked(talk: Talk) -> None:
    both = talk.call("Write-Both")
    assert [error["fqid"] for error in both["err"]] == ["One,Write-Both", "Two,Write-Both"]
    assert both["out"] == ["after"]
    assert both["ok"] is False
    assert talk.call("Remove-Much")["out"] == ["gone"]
    assert talk.call("Get-Kind", {"Nope": 1})["err"][0]["fqid"] == "NamedParameterNotFound,Get-Kind"
    assert talk.call("Get-Kind", {"Span": "tomorrow"})["err"][0]["fqid"] == "ParameterArgumentTransformationError,Get-Kind"
    assert [talk.call("Get-Private")["out"] for _ in "ab"] == [[1], [2]]  # in its module, whose variables it sees
    assert talk.call("Stop-Here")["out"] == []


def test_what_calls_print_is_told_and_never_comes_between_frames(talk: Talk) -> None:
    noise = talk.call("Show-Noise")
    assert noise["out"] == ["answer"]
    assert noise["warn"] == ["a warning"]
    assert all(words in noise["info"] for words in ("on the host", "a warning", "told", "on the console"))
    assert talk.process.stray == 0


def test_a_program_gets_its_arguments_exactly_and_is_ended_with_its_children(talk: Talk, path: Path) -> None:
    tool = path / "tool.exe"
    tool.write_text('#!/bin/sh\nif [ "$1" = wait ]; then echo begun; sleep 60 & sleep 60; fi\nprintf "%s\\n" "$@"\nexit 7\n', encoding="ascii")
    tool.chmod(0o755)
    given = ["a b", 'c"d', "e\\", "f\\\\g h\\", "", "$(x)", "'"]
    ran = talk.ask(calls=[{"x": str(tool), "a": given, "g": {"exit": [7]}}])[0]
    assert ran["ok"]
    assert ran["out"][0]["exit"] == 7
    assert ran["out"][0]["out"].split("\n")[:-1] == given
    assert talk.ask(calls=[{"x": str(tool), "a": []}])[0]["err"][0]["fqid"] == "NotGood"
    late = talk.ask(calls=[{"x": str(tool), "a": ["wait"], "t": 500}])[0]
    assert (late["cut"], late["out"][0]["exit"], late["out"][0]["out"]) == ("killed", None, "begun\n")


def test_a_call_past_its_deadline_is_stopped_or_given_up_and_the_process_serves_on(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    polite = talk.call("Wait-Politely", {"Seconds": 60}, t=4000)
    assert (polite["cut"], polite["out"]) == ("stopped", ["begun"])
    blocked = talk.ask(calls=[{"c": "Wait-Blocked", "p": {"Seconds": 600}, "t": 300}, {"c": "Bench\\Get-Private"}, {"c": "Get-Private"}])
    assert [frame.get("cut") or frame.get("err") for frame in blocked[:2]] == ["abandoned", [{**blocked[1]["err"][0], "fqid": "NotAllowed"}]]
    assert blocked[2]["cut"] == "skipped"
    assert blocked[-1]["taint"] is True
    assert talk.call("Get-Echo", {"Value": 1})["out"] == [1]  # the next batch, in a new runspace
    assert talk.process.close() == 3  # a thread that never ends does not keep the process
    talk.process.end()


def test_of_two_processes_that_take_at_once_one_gets_the_lease(tmp_path: Path) -> None:
    """The lock is a file that the other process may not open meanwhile."""
    both = [Talk(tmp_path), Talk(tmp_path)]
    got: list[list[str]] = []
    for _ in range(5):
        answers: dict[int, list[Mapping[str, Any]]] = {}

        def take(at: int, answers: dict[int, list[Mapping[str, Any]]] = answers) -> None:
            answers[at] = both[at].ask(lease={"do": "take", "holder": f"holder {at}", "seconds": 60})

        threads = [threading.Thread(target=take, args=(at,)) for at in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        got.append([str(answers[at][-1].get("refused")) for at in (0, 1)])
        assert "None" in got[-1], answers
        winner = got[-1].index("None")
        epoch = answers[winner][0]["lease"]["epoch"]
        assert both[winner].ask(lease={"do": "release", "holder": f"holder {winner}", "epoch": epoch, "seconds": 1})[-1].get("refused") is None
    assert all(sorted(pair) == ["LeaseHeld", "None"] for pair in got)
    for talk in both:
        talk.process.end()


def test_a_write_whose_process_was_killed_cannot_act_again_from_another(tmp_path: Path) -> None:
    """The same bytes, sent to a fresh process, carry an epoch that is still current: only the process that took the lease may write."""
    note = tmp_path / "note"
    first = Talk(tmp_path)
    epoch = first.ask(lease={"do": "take", "holder": "laptop", "seconds": 60})[0]["lease"]["epoch"]
    write = {"w": True, "epoch": epoch, "calls": [{"c": "Add-Line", "p": {"Path": str(note), "Seconds": 60}}]}
    first.process.tell(json.dumps({"id": 9, "nonce": "ab", **write}))
    until = time.monotonic() + 30
    while not note.exists() and time.monotonic() < until:
        time.sleep(0.02)
    first.process.end()
    second = Talk(tmp_path)
    again = second.ask(**write)
    assert again[-1]["refused"] == "StaleEpoch"
    taken = second.ask(lease={"do": "take", "holder": "laptop", "epoch": epoch, "seconds": 60})
    assert taken[0]["lease"]["epoch"] == epoch + 1
    assert note.read_text(encoding="ascii") == "begun\n"
    second.process.end()
