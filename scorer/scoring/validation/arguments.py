"""Which arguments of an expectation can be compiled; with any other it is left to Great Expectations."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

# Beyond it a double does not hold every whole number, and which of two is meant depends on the library that compares them.
_EXACT = 2**53


def is_text(value: Any) -> bool:
    """Whether the value is text."""
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    """Whether the value is true or false."""
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether the value is a number that a double holds exactly; no infinity and no NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= (_EXACT if isinstance(value, int) else sys.float_info.max)


def is_limit(value: Any) -> bool:
    """Whether the value is a number or null."""
    return value is None or is_number(value)


def is_whole_limit(value: Any) -> bool:
    """Whether the value is a whole number or null."""
    return value is None or (is_number(value) and isinstance(value, int))


def is_share(value: Any) -> bool:
    """Whether the value is a number from 0 to 1."""
    return is_number(value) and 0 <= value <= 1


def is_set(value: Any) -> bool:
    """Whether the value is a list of numbers that is not empty."""
    return isinstance(value, list) and len(value) > 0 and all(map(is_number, value))


def is_columns(value: Any) -> bool:
    """Whether the value is a list of two columns or more, none of them twice."""
    return isinstance(value, list) and all(map(is_text, value)) and len(set(value)) == len(value) > 1


def is_one_of(*values: Any) -> Callable[[Any], bool]:
    """A check whether a value is one of `values`."""
    return lambda value: any(value is each or (isinstance(each, str) and value == each) for each in values)


def is_quantile_ranges(value: Any) -> bool:
    """Whether the value gives quantiles and a range for each of them."""
    if not isinstance(value, dict) or set(value) != {"quantiles", "value_ranges"}:
        return False
    quantiles, ranges = value["quantiles"], value["value_ranges"]
    return (
        isinstance(quantiles, list)
        and isinstance(ranges, list)
        and len(quantiles) == len(ranges) > 0
        and all(map(is_share, quantiles))
        and all(isinstance(each, list) and len(each) == 2 and all(map(is_limit, each)) for each in ranges)  # noqa: PLR2004
    )
