"""Whatever a value holds, its literal reads back as that value and as nothing else."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.signatures import literals
from tests.signatures.powershell_reader import read_text, split_line

HOSTILE = [
    "", "'", "''", "plain", "it's", "‘a’ ‚b‛", "'; Remove-Item C:\\ -Recurse; '", "$(calc)", "`n", "\n", "a\r\nb", "\x00", "\x1b[2J", "\u202eevil",
    "\u200b", "'\n'", "\ud800", "\U000e0001", "#>", "a‘'’b", "C:\\Program Files\\x\\", "日本語", "😀",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_text_reads_back_as_it_was(value: str) -> None:
    assert read_text(literals.text(value)) == value


@given(st.text(alphabet=st.one_of(st.sampled_from("'‘’‚‛$`\"()+[]#\n\r\t\x00\x1b\u202e\u2028 "), st.characters(exclude_categories=()))))
def test_any_text_reads_back_as_it_was(value: str) -> None:
    assert read_text(literals.text(value)) == value


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_literal_shows_nothing_that_a_terminal_acts_on(value: str) -> None:
    assert all(one.isprintable() or one.isspace() for one in literals.text(value))
    assert not set(literals.text(value)) & set("\n\r\x00\x1b\u202e\u2028")


@given(st.lists(st.text(alphabet=st.sampled_from('ab \\"\t='), max_size=8), max_size=5))
def test_any_command_line_is_split_into_the_same_words(words: list[str]) -> None:
    assert split_line(literals.command_line(words)) == words


def test_an_installer_property_is_quoted_after_its_equals_sign() -> None:
    assert literals.command_line(["/i", "INSTALLDIR=C:\\Program Files\\x\\", 'NOTE=say "yes"', "EMPTY=", "PLAIN=1"], msi=True) == (
        '/i INSTALLDIR="C:\\Program Files\\x\\" NOTE="say ""yes""" EMPTY="" PLAIN=1'
    )


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (timedelta(days=8), "'8.00:00:00'"),
        (timedelta(hours=1, microseconds=5), "'0.01:00:00.0000050'"),
        (-timedelta(minutes=90), "'-0.01:30:00'"),
    ],
)
def test_a_time_span_is_written_as_windows_reads_it(value: timedelta, literal: str) -> None:
    assert literals.time_span(value) == literal


def test_a_moment_with_a_zone_is_written_in_utc() -> None:
    assert literals.moment(datetime(2026, 12, 1, 9, 0, tzinfo=timezone(timedelta(hours=1)))) == "'2026-12-01T08:00:00Z'"
    assert literals.moment(datetime(2026, 12, 1, 9, 0, tzinfo=UTC).replace(tzinfo=None)) == "'2026-12-01T09:00:00'"


@pytest.mark.parametrize(
    ("value", "literal"), [(5, "5"), (-7, "-7"), (2**64, str(2**64)), (0.1, "0.1"), (math.inf, "([double]::PositiveInfinity)"), (math.nan, "([double]::NaN)")]
)
def test_a_number_is_written_so_that_it_reads_back_exactly(value: float, literal: str) -> None:
    assert literals.number(value) == literal


def test_bytes_are_written_as_a_byte_array() -> None:
    assert literals.octets(b"\x01\xff") == "([byte[]](1,255))"
    assert literals.octets(b"") == "([byte[]]@())"


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_a_remark_never_ends_its_line_or_its_comment(value: str) -> None:
    assert "#>" not in literals.remark(value)
    assert not set(literals.remark(value)) & set("\n\r\x00\x1b\u202e\u2028\u2029")
