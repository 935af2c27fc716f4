"""Values of a spec that may only be known after apply: how kinds put them into calls and into sentences.

Used by kinds wherever a field can be filled from something that is not there yet. It never guesses a value.
"""

from __future__ import annotations

from typing import Any, TypeVar

from reconciler.core.calls import Later, Value

T = TypeVar("T")


def text(value: Any) -> Value:
    """`value` as a parameter that takes text; a value that is not known yet, or not given, stays what it is."""
    return value if value is None or isinstance(value, Later) else str(value)


def known(value: T | None) -> T:
    """`value` for a key, which can be made only of what is there. Raises ValueError."""
    if value is None or isinstance(value, Later):
        raise ValueError(f"{value!r} makes no key")
    return value


def shown(value: Any) -> str:
    """`value` for a summary that a person reads."""
    return "(known after apply)" if isinstance(value, Later) else str(value)
