"""Times and lengths of time, as the safeguards' files write them."""

import re
from datetime import UTC, datetime, timedelta

from reid_lit.errors import InputError

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def now() -> datetime:
    """The time of the clock, in UTC."""
    return datetime.now(UTC)


def duration(text: str, *, name: str) -> timedelta:
    """A length of time.

    >>> duration("30d", name="ttl")
    datetime.timedelta(days=30)

    Args:
        text: A whole number of minutes, hours, days or weeks: ``90m``, ``12h``, ``30d``, ``4w``.
        name: What the message calls it.

    Raises:
        ValueError: it is none, or longer than a thousand years.
    """
    found = re.fullmatch(r"([1-9]\d{0,6})([mhdw])", text.strip(), re.ASCII)
    length = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if length is None or length > timedelta(days=365_000):
        raise InputError(f"{name}={text}: give a length of time such as 90m, 12h, 30d or 4w")
    return length


def spelt(length: timedelta) -> str:
    """A length of time as :func:`duration` reads it.

    >>> spelt(timedelta(days=30)), spelt(timedelta(minutes=90))
    ('30d', '90m')
    """
    for unit, name in reversed(_UNITS.items()):
        if unit != "w" and not length % timedelta(**{name: 1}):
            return f"{length // timedelta(**{name: 1})}{unit}"
    return f"{length // timedelta(minutes=1)}m"


def expiry(text: str | None, *, at: datetime) -> datetime | None:
    """When something made at ``at`` expires: a length of time or a date; None for never.

    Raises:
        ValueError: it is neither, or in the past.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return at + duration(text, name="expires")
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= at:
        raise InputError(f"expires={text}: that is over; give a later time, or a length such as 30d")
    return found
