"""Values on the wire: what is written is what is read, and nothing else is taken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.calls import Argv, Later, Out, Row, Secret, Unread
from reconciler.core.errors import Defect
from reconciler.core.fieldtypes import SeenName
from reconciler.wire.codec import decode, encode
from reconciler.wire.strict import Malformed, read, write
from reconciler.wire.text import visible


class Colour(StrEnum):
    RED = "Red"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (timedelta(seconds=1.5), {"$ts": 15_000_000}),
        (timedelta(days=-1), {"$ts": -864_000_000_000}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), {"$dt": "2026-01-02T03:04:05.0000000Z"}),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))), {"$dt": "2026-01-02T02:04:05.0000000Z"}),
        (datetime(2026, 1, 2, 3, 4, 5), {"$dtu": "2026-01-02T03:04:05.0000000"}),  # noqa: DTZ001
        (b"\x01\x02\xff", {"$b64": "AQL/"}),
        (float("nan"), {"$num": "NaN"}),
        (float("-inf"), {"$num": "-Infinity"}),
        (Out(2, "ifIndex"), {"$out": [2, "ifIndex"]}),
        (Argv(("cat", "a b")), "cat 'a b'"),
        (IPv4Address("10.0.0.1"), "10.0.0.1"),
        (IPv4Network("10.0.0.0/24"), "10.0.0.0/24"),
        (Colour.RED, "Red"),
        (SeenName("eflow"), "eflow"),
        ({"$secret": 1}, {"$map": [["$secret", 1]]}),
        ({"a": {"$b": [1, None]}}, {"a": {"$map": [["$b", [1, None]]]}}),
        (2**64 - 1, 2**64 - 1),
        (("a", True), ["a", True]),
    ],
)
def test_a_value_is_sent_as(value: Any, sent: Any) -> None:
    assert encode(value) == sent
    assert type(encode(value)) in (dict, list, str, int)


def test_a_secret_is_resolved_only_by_the_resolver_handed_in() -> None:
    secret = Secret("env", "KEY")
    assert encode({"a": [secret]}, lambda found: f"value of {found}") == {"a": [{"$secure": "value of env KEY"}]}
    with pytest.raises(Defect):
        encode(secret)


def test_a_value_known_only_after_apply_cannot_be_sent() -> None:
    with pytest.raises(Defect):
        encode(Later("Host/x", "ip"))


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ({"$ts": 15_000_000}, timedelta(seconds=1.5)),
        ({"$dt": "2026-01-02T03:04:05.1234567Z"}, datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ({"$dt": "2026-01-02T03:04:05Z"}, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ({"$dtu": "2026-01-02T03:04:05.0000000"}, datetime(2026, 1, 2, 3, 4, 5)),  # noqa: DTZ001
        ({"$b64": "AQL/"}, b"\x01\x02\xff"),
        ({"$dec": "1.5"}, 1.5),
        ({"$num": "Infinity"}, float("inf")),
        ([1, [2]], (1, (2,))),
        ("\ud800z", "\ud800z"),
    ],
)
def test_what_a_host_sends_is_read_as(sent: Any, value: Any) -> None:
    assert decode(sent) == value


@pytest.mark.parametrize(
    "sent",
    [{"$secret": True}, {"$refused": "scriptblock"}, {"$err": "System.Exception"}, {"$absent": True}, {"$cut": "X"}, {"$type": "X", "$str": "x"}],
)
def test_what_could_not_be_read_there_is_unread_here(sent: Any) -> None:
    found = decode({"a": sent})
    assert isinstance(found, Row)
    assert found.maybe("a") is None
    with pytest.raises(Exception, match="a: "):
        found["a"]


def test_a_map_of_the_host_with_dollar_keys_is_data_and_no_tag() -> None:
    assert dict(decode({"$map": [["$secret", True], ["b", {"$ts": 10}]]})) == {"$secret": True, "b": timedelta(microseconds=1)}


@pytest.mark.parametrize("sent", [{"$nope": 1}, {"$ts": "x"}, {"$ts": 1, "a": 2}, {"$dt": "never"}, {"$b64": "%"}, {"$map": 5}, {"$ts": 10**40}])
def test_a_tag_that_is_none_is_refused(sent: Any) -> None:
    with pytest.raises(Malformed):
        decode(sent)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1,]", "{'a':1}", '{"a":1,"a":2}', "NaN", "[Infinity]", "1e999", "01", '"\x01"', '{"a":1}x', '"ä"', "[" * 41 + "]" * 41,
        "[" * 100_000, "9" * 5000,
    ],
)  # fmt: skip
def test_the_strict_reader_refuses(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


def test_forty_levels_are_read_and_brackets_inside_text_do_not_count() -> None:
    assert read("[" * 40 + "]" * 40) is not None
    assert read(json.dumps(["[" * 1000])) == ["[" * 1000]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.timedeltas()
    | st.datetimes(timezones=st.just(UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def tupled(value: Any) -> Any:
    match value:
        case list():
            return tuple(tupled(item) for item in value)
        case dict():
            return {key: tupled(item) for key, item in value.items()}
    return value


def plain(value: Any) -> Any:
    match value:
        case tuple():
            return tuple(plain(item) for item in value)
        case Row():
            return {key: plain(item) for key, item in value.items()}
    return value


@given(values)
def test_every_value_survives_the_wire(value: Any) -> None:
    text = write(encode(value))
    assert text.isascii()
    assert plain(decode(read(text))) == tupled(value)


def test_unread_values_equal_each_other_by_reason() -> None:
    assert decode({"$cut": "X"}) == Unread("a X too deep to send")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä €\nnext", "plain ä €\nnext"),
        ("a\r\nb", "a\nb"),
        ("\x1b[31mred", "‹U+001B›[31mred"),
        ("\u202eabc\u2066", "‹U+202E›abc‹U+2066›"),
        ("\x85\x07\r", "‹U+0085›‹U+0007›‹U+000D›"),
        ("\ud800", "‹U+D800›"),
    ],
)
def test_controls_of_a_host_are_shown_and_never_obeyed(text: str, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode()
