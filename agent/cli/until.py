"""Until when, as somebody says it: a day of the week, a number of days, or a time."""

import re
from datetime import datetime, timedelta
from typing import Final

from agent.cli.outcome import usage

_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([hdw])")
_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def end_of(text: str, now: datetime) -> datetime:
    """When that is over; `now` is aware, in the zone of whoever says it.

    A day (`friday`, `fri`, `today`, `tomorrow`, `2026-01-31`) is meant to its end: Friday said on a Friday is today.
    `3h`, `7d` and `2w` count from now. Anything else is a time, of that zone where it names none.

    Raises:
        Refused: `usage`.
    """
    word = text.strip().casefold()
    if span := _SPAN.fullmatch(word):
        return now + int(span[1]) * _UNITS[span[2]]
    ahead = {"today": 0, "tomorrow": 1}.get(word)
    named = [number for number, day in enumerate(_DAYS) if word in {day, day[:3]}]
    if named:
        ahead = (named[0] - now.weekday()) % len(_DAYS)
    if ahead is not None:
        return _over(now + timedelta(days=ahead))
    try:
        at = datetime.fromisoformat(word)
        return _over(at) if _DATE.fullmatch(word) else at.astimezone()
    except (ValueError, OverflowError):
        hint = "such as friday, tomorrow, 7d, 2026-01-31 or 2026-01-31T16:00"
        raise usage(f"that is no time: {text!r}", hint) from None


def _over(day: datetime) -> datetime:
    """The midnight at the end of that day on the wall, whatever the clocks do in between."""
    return (day.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)).astimezone()
