"""A host that sends PSRP as none is: each rule that it breaks is said, and nothing of it is read."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import pytest
from pypsrp.complex_objects import ObjectMeta
from pypsrp.messages import Destination, MessageType

from reconciler.hosts.psrp import fragments
from reconciler.hosts.psrp.fragments import HEAD, LAST, StrictFragmenter
from reconciler.hosts.winrm.errors import Hostile

POOL = UUID(int=1)
ROOM = 1000


def message(text: str) -> bytes:
    """One object of a pipeline's output (MS-PSRP 2.2.1)."""
    return struct.pack("<II", Destination.CLIENT, MessageType.PIPELINE_OUTPUT) + POOL.bytes_le * 2 + f"<S>{text}</S>".encode()


def cut(data: bytes, size: int, object_: int = 1) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [HEAD.pack(object_, n, (n == 0) + LAST * (n == len(pieces) - 1), len(piece)) + piece for n, piece in enumerate(pieces)]


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_pieces_of_any_size_become_the_message_also_in_several_answers(size: int) -> None:
    pieces = cut(message("x" * 300), size)
    maker = StrictFragmenter(ROOM)
    found: list[Any] = maker.defragment(b"".join(pieces[: len(pieces) // 2])) + maker.defragment(b"".join(pieces[len(pieces) // 2 :]))
    assert [(one.message_type, one.data.data) for one in found] == [(MessageType.PIPELINE_OUTPUT, "x" * 300)]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\0" * 20, "whole head"),
        (HEAD.pack(1, 0, 3, 100) + b"x", "cut short"),
        (HEAD.pack(1, 1, 2, 1) + b"x", "out of order"),
    ],
)
def test_what_is_no_fragment_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(Hostile, match=says):
        StrictFragmenter(ROOM).defragment(data)


def test_a_flood_is_refused_and_a_new_pipeline_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "BYTES", 1000)
    monkeypatch.setattr(fragments, "PIECES", 20)
    maker = StrictFragmenter(ROOM)
    for _ in range(3):
        maker.begin()
        maker.defragment(HEAD.pack(1, 0, 1, 900) + b"x" * 900)
    with pytest.raises(Hostile, match="more than"):
        maker.defragment(HEAD.pack(1, 1, 0, 200) + b"x" * 200)
    maker.begin()
    with pytest.raises(Hostile, match="more than"):
        maker.defragment(b"".join(HEAD.pack(1, n, 0, 0) for n in range(30)))


def test_xml_with_definitions_is_not_read() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><S>&a;</S>'
    with pytest.raises(Hostile, match="DOCTYPE"):
        StrictFragmenter(ROOM).serializer.deserialize(bomb, ObjectMeta("S"))
    data = message("y").replace(b"<S>y</S>", bomb.encode())
    with pytest.raises(Hostile, match="DOCTYPE"):
        StrictFragmenter(ROOM).defragment(b"".join(cut(data, 50)))
