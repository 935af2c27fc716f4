"""Python's search for garbage in cycles, put off while a great many values without cycles are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARE = (100_000, 50, 100)  # thresholds of the three generations


@contextmanager
def uncollected(*, kept: bool = False) -> Iterator[None]:
    """For pure work that makes millions of small values and no cycles: looking for cycles among them costs up to a third of the time.

    `kept`: what is left of it counts as old afterwards, or the first search would go through all of it at once. Not for work that
    makes cycles on its way (reading YAML does): these would stay until old values are searched.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was and kept:
            gc.freeze()
            gc.unfreeze()  # into the oldest generation: nothing is exempt for good
        if was:
            gc.enable()


@contextmanager
def seldom() -> Iterator[None]:
    """For a call that ends soon, and holds a whole fleet until then: cycles are looked for among what is new, all of it as good as never."""
    was = gc.get_threshold()
    gc.set_threshold(*RARE)
    try:
        yield
    finally:
        gc.set_threshold(*was)
