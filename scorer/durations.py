"""Spans of time as people write them: "6 h", "30 days", "500 ms"."""

from __future__ import annotations

import re
from datetime import timedelta

from scorer.errors import UserError

_SECONDS = {
    "ms": 0.001,
    "s": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
}
_SPAN = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+?)s?\s*")


def parse_span(text: str, *, where: str) -> timedelta:
    """The span that `text` names; `where` says in the error which setting it came from.

    >>> parse_span("6 h", where="valid_for")
    datetime.timedelta(seconds=21600)
    >>> parse_span("30 days", where="recheck").days
    30
    """
    match = _SPAN.fullmatch(str(text))
    unit = match and (match[2] if match[2] in _SECONDS else match[2] + "s")
    if match is None or unit not in _SECONDS:
        raise UserError(
            f'{where}: "{text}" is not a span of time; write a number and ms, s, min, h or days, such as "6 h".'
        )
    return timedelta(seconds=float(match[1]) * _SECONDS[unit])
