"""Spans of time as people write them: "6 h", "30 days", "500 ms"."""

from __future__ import annotations

import re
from datetime import timedelta

from scorer.errors import UserError

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
}
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*")
_SHORTEST = timedelta(milliseconds=1)


def parse_span(text: str, *, where: str) -> timedelta:
    """The span that `text` names, a millisecond or more; `where` says in the error which setting it came from.

    >>> parse_span("6 h", where="valid_for")
    datetime.timedelta(seconds=21600)
    >>> parse_span("30 days", where="recheck").days
    30
    """
    match = _SPAN.fullmatch(str(text))
    if match is None or match[2] not in _SECONDS:
        raise UserError(
            f'{where}: "{text}" is not a span of time; write a number and ms, s, min, h or days, such as "6 h".'
        )
    try:
        span = timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    except OverflowError as error:
        raise UserError(f'{where}: "{text}" is longer than can be counted; write a shorter span.') from error
    if span < _SHORTEST:
        raise UserError(f'{where}: "{text}" is shorter than a millisecond; write a longer span, such as "1 s".')
    return span
