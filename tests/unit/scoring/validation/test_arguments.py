"""Which arguments of an expectation can be compiled: a number, a limit, a share, a set ... and what only looks like one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from scorer.scoring.validation.arguments import (
    is_columns,
    is_flag,
    is_limit,
    is_number,
    is_one_of,
    is_quantile_ranges,
    is_set,
    is_share,
    is_text,
    is_whole_limit,
)

QUANTILES = {"quantiles": [0.5, 1], "value_ranges": [[None, 1.5], [0, None]]}


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_text, ["", "a"], [1, None, ["a"]]),
        (is_flag, [True, False], [1, 0, "yes", None]),
        (is_number, [0, -1.5, 2**53, 1e300], [True, "1", None, math.nan, math.inf, 2**53 + 1, {"$PARAMETER": "x"}]),
        (is_limit, [None, 0, -1.5], [True, "1", math.inf]),
        (is_whole_limit, [None, 0, 7], [0.5, 1.0, True]),
        (is_share, [0, 0.5, 1], [-0.1, 1.1, None, True]),
        (is_set, [[1], [1, 0.5]], [[], [1, None], [1, "1"], 1, (1,)]),
        (is_columns, [["a", "b"]], [["a"], ["a", "a"], ["a", 1], "ab", []]),
        (is_one_of(False, "never"), [False, "never"], [0, None, "always", ["never"]]),
        (
            is_quantile_ranges,
            [QUANTILES],
            [
                [],
                {"quantiles": [0.5]},
                QUANTILES | {"more": 1},
                QUANTILES | {"quantiles": [0.5]},
                QUANTILES | {"quantiles": [0.5, 1.5]},
                QUANTILES | {"value_ranges": [[0, 1], [0]]},
                QUANTILES | {"value_ranges": [[0, 1], [0, "1"]]},
                {"quantiles": [], "value_ranges": []},
            ],
        ),
    ],
)
def test_an_argument_is_checked_by_kind(check: Callable[[Any], bool], good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not check(value)] == []
    assert [value for value in bad if check(value)] == []
