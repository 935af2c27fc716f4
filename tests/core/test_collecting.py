"""Putting off the search for garbage: for a while, and as it was before."""

from __future__ import annotations

import gc
import weakref
from contextlib import AbstractContextManager

import pytest

from reconciler.core.collecting import seldom, uncollected


class _Ring:
    itself: _Ring


def _fail_within(manager: AbstractContextManager[None]) -> None:
    with manager:
        raise ValueError("within")


def test_nothing_is_collected_within_also_after_an_inner_one_ended() -> None:
    with uncollected():
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_is_left_counts_as_old_and_is_exempt_from_no_later_search() -> None:
    with uncollected(kept=True):
        made: list[object] = [[]]
        made.append(made)
        cycle = weakref.ref(held := _Ring())
        held.itself = held
    assert any(one is made for one in gc.get_objects(generation=2))
    del held
    gc.collect()
    assert cycle() is None
    assert gc.get_freeze_count() == 0


def test_cycles_are_looked_for_less_often_within() -> None:
    before = gc.get_threshold()
    with seldom():
        assert gc.get_threshold() > before
    assert gc.get_threshold() == before


def test_an_error_leaves_the_collector_as_it_was() -> None:
    before = gc.get_threshold()
    for manager in (uncollected(), seldom()):
        with pytest.raises(ValueError, match="within"):
            _fail_within(manager)
    assert gc.isenabled()
    assert gc.get_threshold() == before
