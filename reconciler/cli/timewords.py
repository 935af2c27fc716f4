"""Moments as people type them: `2026-12-01T09:00`, `Tue 14:31` (the next one), `14:31` (today, or tomorrow). All in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHORT = re.compile(r"(?:(?P<day>[A-Za-z]{3})[a-z]* )?(?P<hour>\d{1,2}):(?P<minute>\d{2})")


def moment_from(text: str, now: datetime) -> datetime:
    """The moment meant, seen from `now`. Raises ValueError with what can be written."""
    if found := SHORT.fullmatch(text.strip()):
        return _next(found["day"], int(found["hour"]), int(found["minute"]), now)
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: write 2026-12-01T09:00, Tue 14:31 or 14:31") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _next(day: str | None, hour: int, minute: int, now: datetime) -> datetime:
    if hour > 23 or minute > 59 or (day and day.lower() not in DAYS):
        raise ValueError(f"{day or ''} {hour}:{minute:02}".strip() + " is no time of the week")
    when = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if day:
        when += timedelta(days=(DAYS.index(day.lower()) - when.weekday()) % 7)
    return when if when >= now else when + timedelta(days=7 if day else 1)
