"""Frames are found in any output, and a sick or hostile host cannot hurt the controller."""

from __future__ import annotations

import base64
import gzip
import random
import time

import pytest

from reconciler.core.errors import WireError
from reconciler.wire.frames import FrameReader, Limits, frame, unframe

NONCE = "ab" * 16
END = frame(NONCE, '{"id":1,"end":true}')


def test_frames_come_back_in_order() -> None:
    text = frame(NONCE, '{"i":0}') + frame(NONCE, '{"i":1}') + END
    assert [item.get("i") for item in unframe(text, NONCE)] == [0, 1, None]


def test_a_long_frame_is_packed() -> None:
    text = frame(NONCE, '{"a":"' + "x" * 100_000 + '"}')
    assert text.startswith(f"\n#HZ{NONCE} ")
    assert len(text) < 2000
    assert unframe(text + END, NONCE)[0]["a"] == "x" * 100_000


def test_output_between_frames_is_counted_and_ignored() -> None:
    text = "noise #HV" + frame(NONCE, '{"i":0}') + "more\n#HV 3 abc\n\n#HV" + END
    reader = FrameReader(NONCE)
    reader.feed(text)
    assert [item.get("i") for item in reader.frames] == [0, None]
    assert reader.stray > 10


def test_a_frame_with_the_nonce_of_another_request_is_no_answer() -> None:
    other = frame("cd" * 16, '{"i":9}')
    assert [item.get("i") for item in unframe(other + frame(NONCE, '{"i":0}') + other + END, NONCE)] == [0, None]


def test_a_frame_inside_a_value_is_text() -> None:
    inner = END.replace("\n", "\\n").replace('"', '\\"')
    assert len(unframe(frame(NONCE, '{"out":["' + inner + '"]}') + END, NONCE)) == 2


def test_frames_are_found_in_pieces_of_any_size() -> None:
    text = "banner" + frame(NONCE, '{"i":0}') + frame(NONCE, '{"a":"' + "y" * 9000 + '"}') + "x\n" + END
    pieces = random.Random(5)
    for _ in range(20):
        reader, at = FrameReader(NONCE), 0
        while at < len(text):
            step = pieces.choice([1, 2, 7, 40, 500])
            reader.feed(text[at : at + step])
            at += step
        assert reader.ended
        assert len(reader.frames) == 3


def test_an_answer_without_its_closing_frame_is_no_answer() -> None:
    with pytest.raises(WireError) as caught:
        unframe(frame(NONCE, '{"i":0}'), NONCE)
    assert caught.value.sent


def packed(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return f"\n#HZ{NONCE} {len(text)} {text}\n"


def test_a_small_frame_that_unpacks_to_a_hundred_megabytes_is_refused() -> None:
    bomb = packed(gzip.compress(b"[" + b" " * (100 * 2**20) + b"]", 9, mtime=0))
    assert len(bomb) < 140_000
    with pytest.raises(WireError, match="more than"):
        unframe(bomb, NONCE)


COSTLY = {
    "a gigabyte of empty lists": packed(gzip.compress(b'{"x":[' + b"[]," * (10 * 2**20) + b"[]]}", 9, mtime=0)),
    "a text that never ends, and quotes in it": packed(gzip.compress(b'{"x":[' + b"[]," * 50 + b'"' + b'\\"' * (4 * 2**20), 9, mtime=0)),
    "heads of frames that are none": "\n#HV 1 x" * 150_000,
}


@pytest.mark.parametrize("what", COSTLY)
def test_no_answer_costs_the_controller_more_than_a_moment(what: str) -> None:
    """Answers are read where all hosts are served: what takes seconds here, others wait for. These took 20 s, days and 6 s."""
    started = time.thread_time()
    with pytest.raises(WireError):
        FrameReader(NONCE).feed(COSTLY[what])
    assert time.thread_time() - started < 2


def test_a_long_frame_may_come_drop_by_drop() -> None:
    reader, text = FrameReader(NONCE), frame(NONCE, '{"a":"' + random.Random(3).randbytes(2**20).hex() + '"}') + END
    reader.feed(text[: 2**20])
    started = time.thread_time()
    for at in range(2**20, 2**20 + 20_000):
        reader.feed(text[at])
    assert time.thread_time() - started < 2
    reader.feed(text[2**20 + 20_000 :])
    assert len(reader.frames) == 2


@pytest.mark.parametrize(
    "text",
    [
        packed(gzip.compress(b'{"a":1}', mtime=0)[:-9]),
        packed(b"no gzip"),
        packed(gzip.compress("ä".encode(), mtime=0)),
        f"\n#HZ{NONCE} 4 %%%%\n",
        frame(NONCE, "[1]"),
        frame(NONCE, '{"a":1,"a":2}'),
        frame(NONCE, '{"a":NaN}'),
        frame(NONCE, '{"a":' + "[" * 60 + "]" * 60 + "}"),
        f"\n#HV{NONCE} 99999999 ",
    ],
)
def test_a_broken_frame_ends_the_request(text: str) -> None:
    with pytest.raises(WireError):
        unframe(text + END, NONCE)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(frame=5), frame(NONCE, '{"a":1}')),
        (Limits(batch=15), frame(NONCE, '{"a":1}') * 3),
        (Limits(values=9), frame(NONCE, '{"a":[[],[]]}') * 2),
        (Limits(frames=2), frame(NONCE, '{"a":1}') * 3),
        (Limits(stray=100), "x" * 300),
    ],
)
def test_what_exceeds_a_cap_ends_the_request(limits: Limits, text: str) -> None:
    with pytest.raises(WireError):
        FrameReader(NONCE, limits).feed(text)
