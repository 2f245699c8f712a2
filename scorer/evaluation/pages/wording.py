"""How pages write numbers, times and spans of time."""

from __future__ import annotations

from datetime import datetime

_MINUTE, _HOUR, _TWO_DAYS = 60.0, 3600.0, 172_800.0
NOTHING = "-"  # where there is no value
_SMALL, _TEN, _HUNDRED = 1.0, 10.0, 100.0


def count(number: int | None) -> str:
    """A whole number with its thousands told apart.

    >>> count(12345), count(None)
    ('12,345', '-')
    """
    return NOTHING if number is None else f"{number:,}"


def counted(number: int, what: str, many: str | None = None) -> str:
    """So many of something.

    >>> counted(1, "run"), counted(2, "entity", "entities")
    ('1 run', '2 entities')
    """
    return f"{number:,} {what if number == 1 else many or f'{what}s'}"


def figure(number: float | None) -> str:
    """A figure in three decimals.

    >>> figure(0.12345), figure(-0.0001), figure(None)
    ('0.123', '0.000', '-')
    """
    return NOTHING if number is None else f"{round(number, 3) + 0.0:.3f}"  # no minus before nothing


def milliseconds(number: float | None) -> str:
    """A latency.

    >>> milliseconds(12.4), milliseconds(2500.0)
    ('12 ms', '2.5 s')
    """
    if number is None:
        return NOTHING
    return f"{number:.0f} ms" if number < _HUNDRED * _TEN else f"{number / 1000:.1f} s"


def span(seconds: float | None) -> str:
    """A span of time, in the unit that tells it best.

    >>> [span(each) for each in (0.25, 42.0, 600.0, 9000.0, 200_000.0)]
    ['0.25 s', '42 s', '10 min', '2.5 h', '2.3 days']
    """
    if seconds is None:
        return NOTHING
    if seconds < _TEN:
        return f"{seconds:.2f} s"
    for limit, size, unit in ((_MINUTE, 1.0, "s"), (_HOUR, _MINUTE, "min"), (_TWO_DAYS, _HOUR, "h")):
        if seconds < limit:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds / 86_400:,.1f}".removesuffix(".0") + " days"


def share(part: float, whole: float) -> str:
    """A share in per cent; nothing of nothing.

    >>> share(1, 8), share(0, 0)
    ('12.5 %', '-')
    """
    return f"{part / whole:.1%}".replace("%", " %") if whole else NOTHING


def moment(at: datetime | None) -> str:
    """A time to the minute, in UTC.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 11, 29, 3, 17, tzinfo=UTC))
    '29 Nov 03:17'
    """
    return NOTHING if at is None else f"{at:%-d %b %H:%M}"
