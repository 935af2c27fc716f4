"""Versions are compared as numbers, and a constraint is equal to what satisfies it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.kinds.eflow_trains import AS_OF, BAD, RELEASES, TRAINS, VersionConstraint, numbers

versions = st.lists(st.integers(0, 99999), min_size=4, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.parametrize(
    ("constraint", "version", "met"),
    [
        (">=1.5.3.12025", "1.5.7.01026", True),
        (">=1.5.3.12025", "1.5.1.28104", False),
        ("1.5.6.08025", "1.5.6.8025", True),
        (">=1.5.3,<1.6", "1.6.0.1", False),
        (">=1.5.3, <1.6", "1.5.5.07025", True),
        ("=1.5.3.12025", "1.5.3.12025", True),
        (">1.5.3.12025", "1.5.3.12025", False),
        ("<=1.4.12.24074", "1.4.2.12122", True),
    ],
)
def test_a_constraint_equals_the_versions_that_it_allows(constraint: str, version: str, met: bool) -> None:
    assert (VersionConstraint.read(constraint) == VersionConstraint.read(version)) is met
    assert (VersionConstraint.read(version) == VersionConstraint.read(constraint)) is met
    assert (VersionConstraint.read(constraint) != version) is not met


@given(versions, versions)
def test_a_minimum_equals_just_the_versions_from_it_on(low: str, version: str) -> None:
    assert (VersionConstraint.read(f">={low}") == version) is (numbers(version) >= numbers(low))


@pytest.mark.parametrize("text", ["", "latest", ">=", "1.5.x", ">=1.5.3.12025;<2", "1.2.3.4.5", "~1.5"])
def test_what_is_no_version_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"1\.5\.3\.12025"):
        VersionConstraint.read(text)


def test_equal_constraints_have_equal_hashes() -> None:
    assert len({VersionConstraint(">=1.5.3"), VersionConstraint("1.5.4")}) == 1


def test_a_range_equals_the_same_range_in_another_order_only() -> None:
    assert VersionConstraint("<1.6,>=1.5") == VersionConstraint(">=1.5,<1.6")
    assert VersionConstraint(">=1.5") != VersionConstraint(">=1.4")


def test_every_known_release_belongs_to_one_known_train_and_they_stand_in_order() -> None:
    for release in RELEASES:
        assert len([train for train in TRAINS.values() if train.holds(numbers(release))]) == 1
    assert [numbers(release) for release in RELEASES] == sorted(numbers(release) for release in RELEASES)


def test_every_documented_train_has_ended_by_the_day_of_the_data() -> None:
    assert all(train.ended is None or train.ended <= AS_OF for train in TRAINS.values())
    assert numbers("1.5.6.8025") in BAD
