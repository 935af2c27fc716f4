"""Texts that quoting, encodings and framing stumble over, and requests of megabytes: what is written over a socket is what is there, and is read back."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from reconciler.core.calls import Answer, Cmdlet, LedgerCall
from reconciler.core.transport import Target, Writer
from reconciler.emulator.winrm.troubles import Trouble, What
from tests.hosts.winrm.serving import HOST, Served, served

MINUTE = timedelta(minutes=1)
KEY = "HKLM:\\SOFTWARE\\Hostile"
MAKE = Cmdlet("New-Item", ("Path", "Force"))
PUT = Cmdlet("New-ItemProperty", ("Path", "Name", "PropertyType", "Value", "Force"))
GET = Cmdlet("Get-ItemProperty", ("Path", "Name"))
STRINGS = {
    "quotes": "a'b\"c''d\"\"e",
    "typographic quotes": "\u2018a\u2019 \u201cb\u201d \u201ec",  # PowerShell takes them for quotes (its language specification, 2.2)
    "subexpression": "$(Remove-Item C:\\ -Recurse) ${env:PATH} $HOME",
    "backticks": "`n`0`$`` `",
    "separators": "a; b | c & d && e > f < g # h",
    "newlines": "a\nb\r\nc\rd\u2028e\u2029f",
    "NUL and controls": "a\0b\x01\x08\x1b[2J\x7f\x9b",
    "emoji": "\U0001f469\u200d\U0001f4bb \U0001f1e9\U0001f1ea \u2603",
    "right to left": "\u05d0\u05d1 \u202egnp.exe\u202c \u2066x\u2069",
    "a lone high surrogate": "a\ud83db",
    "a lone low surrogate": "a\udc00b",
    "surrogates in the wrong order": "\udc00\ud83d",
    "a tag": '{"$secure": "x"}',
    "a frame": "\n#HV0 5 {}\n#HZ",
    "the invoker's end": "#HVEND",
    "XML": "<a>]]>&amp;<!DOCTYPE b>",
    "percent and caret": "%PATH% ^& !x!",
    "blanks": "  \t a  ",
    "long": "x" * 250_000,
    "long, and nothing of it ASCII": "\u20ac" * 41_000,
}


async def opened(there: Served, session: Writer) -> int:
    epoch = (await session.take("tests", 600)).epoch
    assert ok(await session.run([MAKE(Path=KEY, Force=True)], key="k", epoch=epoch, deadline=MINUTE))
    return epoch


def target(there: Served, how: str) -> Target:
    return Target(there.host(how), "default", (MAKE.name, PUT.name, GET.name))


def ok(answers: tuple[Answer, ...]) -> bool:
    return [answer.error for answer in answers] == [None] * len(answers)


@pytest.mark.parametrize("how", ["ntlm", "basic-tls"])
async def test_hostile_strings_arrive_and_come_back_as_they_are(how: str) -> None:
    """Each is a value and its place in the registry; the host's own store says what arrived."""
    async with served() as there, there.reach(target(there, how)) as session:
        epoch = await opened(there, session)
        for number, (what, text) in enumerate(STRINGS.items()):
            put = PUT(Path=KEY, Name=f"v{number}", PropertyType="String", Value=text, Force=True)
            assert ok(await session.run([put], key="k", epoch=epoch, deadline=MINUTE)), what
            assert there.estate.machines[HOST].registry.get(KEY, f"v{number}") == text, what
            (read,) = await session.ask([GET(Path=KEY, Name=f"v{number}", select=(f"v{number}",))], MINUTE)
            assert read.error is None
            assert read.objects[0][f"v{number}"] == text, what
        assert there.counts["processes"] == 1


async def test_all_of_them_at_once_take_one_batch() -> None:
    async with served() as there, there.reach(target(there, "ntlm")) as session:
        epoch = await opened(there, session)
        puts = [PUT(Path=KEY, Name=f"v{number}", PropertyType="String", Value=text, Force=True) for number, text in enumerate(STRINGS.values())]
        before = there.counts["Send"]
        assert ok(await session.run(puts, key="k", epoch=epoch, deadline=MINUTE))
        assert there.counts["Send"] - before == 3  # parts of 200,000 characters
        reads = await session.ask([GET(Path=KEY, Name=f"v{number}", select=(f"v{number}",)) for number in range(len(STRINGS))], MINUTE)
        assert [read.objects[0][f"v{number}"] for number, read in enumerate(reads)] == list(STRINGS.values())


async def test_a_batch_of_two_megabytes_goes_in_several_sends_through_losses_and_runs_once() -> None:
    async with served() as there, there.reach(target(there, "ntlm")) as session:
        epoch = await opened(there, session)
        there.endpoint.trouble(HOST, Trouble(What.DROP_AFTER, "Send", skip=3), Trouble(What.DROP_BEFORE, "Send", skip=6))
        puts = [LedgerCall("put", "default", f"{number:032x}", json.dumps({"x": "y" * 50_000})) for number in range(40)]
        before = there.counts["Send"]
        assert ok(await session.run(puts, key="k", epoch=epoch, deadline=MINUTE))
        there.endpoint.heal(HOST)
        assert 11 <= there.counts["Send"] - before <= 24  # 2 MB in pieces of 200,000, sent twice at most
        assert len((await session.greet()).ledger) == 40
        done = [(record["pid"], record["id"], record["call"]) for record in there.estate.log(HOST) if record["what"] == "execution"]
        assert len(done) == len(set(done)) == 41
