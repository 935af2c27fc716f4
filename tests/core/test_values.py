"""Values that are made quickly are the frozen dataclasses that they are declared to be."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from reconciler.core.errors import Defect
from reconciler.core.values import quick, replace


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    """With a field of each sort, and of names that the making might be mixed up with."""

    self_: int
    whole: str
    open: bool = False
    made: Mapping[str, int] = field(default_factory=dict)
    value: tuple[int, ...] = ()
    fields: None = None


@dataclass(frozen=True, slots=True)
class Plain:
    one: int
    two: int = 2


FIRST = Quick(1, "a", made={"x": 1})


def test_fields_and_defaults_are_those_of_the_dataclass() -> None:
    assert dataclasses.astuple(Quick(1, whole="a")) == (1, "a", False, {}, (), None)
    assert Quick(1, "a").made is not Quick(1, "a").made
    assert repr(FIRST) == "Quick(self_=1, whole='a', open=False, made={'x': 1}, value=(), fields=None)"


def test_equal_fields_make_equal_values_of_the_very_class() -> None:
    assert Quick(1, "a", made={"x": 1}) == FIRST
    assert Quick(2, "a") != FIRST
    assert type(FIRST) is Quick
    assert hash(Quick(1, "a", made=None)) == hash(Quick(1, "a", made=None))  # type: ignore[arg-type]


def test_nobody_changes_one() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FIRST.whole = "b"  # type: ignore[misc]


def test_what_is_missing_or_unknown_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\) missing"):
        Quick(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword"):
        Quick(1, "a", unheard_of=2)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        replace(FIRST, unheard_of=2)


@pytest.mark.parametrize("changes", [{}, {"whole": "b"}, {"open": True, "value": (3,), "made": {}}])
def test_a_changed_one_is_as_the_standard_library_makes_it(changes: dict[str, object]) -> None:
    assert replace(FIRST, **changes) == dataclasses.replace(FIRST, **changes)  # type: ignore[arg-type]
    assert Quick(1, "a", made={"x": 1}) == FIRST


def test_it_is_copied_and_pickled_whole() -> None:
    assert copy.deepcopy(FIRST) == pickle.loads(pickle.dumps(FIRST)) == FIRST


def test_any_other_dataclass_is_changed_too() -> None:
    assert replace(Plain(1), two=3) == Plain(1, 3)


def test_a_class_that_does_more_than_keep_its_fields_is_no_quick_one() -> None:
    @dataclass(frozen=True, slots=True)
    class Counted:
        one: int
        count: int = field(default=0, init=False)

    with pytest.raises(Defect, match="more than its fields"):
        quick(Counted)
