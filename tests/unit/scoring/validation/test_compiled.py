"""The compiled form of a rule and Great Expectations give the same outcome, whatever the rule and the rows."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorer.scoring.validation import compiled, gx
from scorer.scoring.validation.columns import Columns
from scorer.scoring.validation.compiled import compile_rule
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, RuleOutcome

MakeRules = Callable[..., tuple[Rule, ...]]
FLOATS = ("a", "b", "c")
WHOLE = ("i", "j")
# Few values, so that rows repeat, sides are equal and limits are met; and the values at the ends of what a double can be.
FEW = st.sampled_from([math.nan, -math.inf, -1.0, -0.0, 0.0, 1e-9, 0.1, 0.2, 0.3, 1.0, 1.5, 2.0, 3.0, math.inf])
EXTREMES = st.sampled_from([sys.float_info.max, -sys.float_info.max, 5e-324, 2.0**53, 1 + 2**-52, 1e16, -1e16])
ANY_FLOAT = st.one_of(FEW, FEW, FEW, EXTREMES, st.floats(allow_nan=True, allow_infinity=True))
FINITE = st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3, 1.0])
WHOLES = st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, 2**62, -(2**63), 2**63 - 1])
LIMIT = st.none() | st.integers(-3, 100) | FEW.filter(math.isfinite) | FINITE | EXTREMES
MOSTLY = st.sampled_from([0, 0.1, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 0.9, 1])
FLAG = st.booleans()
COLUMN = st.sampled_from([*FLOATS, *WHOLE])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame of float64 and int64 columns, of no row, of one, or of a few; one column with nothing missing, and one out of step."""
    rows = draw(st.sampled_from([0, 1, 2, 3, 5, 8, 20]))
    columns: dict[str, Any] = {}
    for name, values in (("a", ANY_FLOAT), ("b", FEW), ("c", FINITE)):
        columns[name] = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=np.float64)
    for name, values in (("i", WHOLES), ("j", st.integers(-2, 2))):
        columns[name] = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=np.int64)
    times = draw(st.sampled_from([1, 1, 1, 1, 9, 450]))  # NumPy adds up long columns in blocks
    columns = {name: np.tile(values, times) for name, values in columns.items()}
    columns["b"] = np.repeat(columns["b"], 2)[::2]  # a column of a matrix does not lie in one piece
    return Frame(columns, rows=rows * times)


@st.composite
def limits(draw: st.DrawFn, limit: st.SearchStrategy[Any] = LIMIT) -> dict[str, Any]:
    low, high = draw(limit), draw(limit)
    if low is not None and high is not None and low > high:
        low, high = high, low
    if low is None and high is None:
        low = 0
    named = draw(st.fixed_dictionaries({}, optional={"strict_min": FLAG, "strict_max": FLAG}))
    return {"min_value": low, "max_value": high, **named}


def arguments(needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(needed, optional=optional)


def between(needed: dict[str, Any], limit: st.SearchStrategy[Any] = LIMIT, **optional: Any) -> st.SearchStrategy[Any]:
    return st.tuples(arguments(needed, **optional), limits(limit)).map(lambda both: both[0] | both[1])


SET = st.lists(st.integers(-3, 3), min_size=1, max_size=4) | st.lists(
    st.one_of(st.integers(-3, 3), FEW.filter(math.isfinite), FINITE), min_size=1, max_size=6
)
PAIR = {"column_A": COLUMN, "column_B": COLUMN}
IGNORED = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
LIST = {"column_list": st.lists(COLUMN, min_size=2, max_size=4, unique=True)}
LIST_IGNORED = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
COUNT = st.none() | st.integers(0, 12)
SHARE = st.none() | st.sampled_from([0, 0.25, 1 / 3, 0.5, 2 / 3, 1])


@st.composite
def quantiles(draw: st.DrawFn) -> dict[str, Any]:
    wanted = sorted(draw(st.lists(st.sampled_from([0, 0.05, 0.25, 0.5, 0.9, 1]), min_size=1, max_size=3, unique=True)))
    ranges = []
    for _ in wanted:
        each = draw(limits())
        ranges.append([each["min_value"], each["max_value"]])
    return {"quantiles": wanted, "value_ranges": ranges}


ONE = {"column": COLUMN}
KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": arguments(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_null": arguments(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_between": between(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_in_set": arguments({**ONE, "value_set": SET}, mostly=MOSTLY),
    "expect_column_values_to_not_be_in_set": arguments({**ONE, "value_set": SET}, mostly=MOSTLY),
    "expect_column_values_to_be_unique": arguments(ONE, mostly=MOSTLY),
    "expect_column_pair_values_a_to_be_greater_than_b": arguments(
        PAIR, mostly=MOSTLY, or_equal=FLAG, ignore_row_if=IGNORED
    ),
    "expect_column_pair_values_to_be_equal": arguments(PAIR, mostly=MOSTLY, ignore_row_if=IGNORED),
    "expect_compound_columns_to_be_unique": arguments(LIST, mostly=MOSTLY, ignore_row_if=LIST_IGNORED),
    "expect_multicolumn_sum_to_equal": arguments(
        {**LIST, "sum_total": st.integers(-2, 4) | FINITE | st.sampled_from([0.3, 0.6])},
        mostly=MOSTLY,
        ignore_row_if=LIST_IGNORED,
    ),
    "expect_column_min_to_be_between": between(ONE),
    "expect_column_max_to_be_between": between(ONE),
    "expect_column_sum_to_be_between": between(ONE),
    "expect_column_mean_to_be_between": between(ONE),
    "expect_column_median_to_be_between": between(ONE),
    "expect_column_stdev_to_be_between": between(ONE),
    "expect_column_unique_value_count_to_be_between": between(ONE, COUNT),
    "expect_column_proportion_of_unique_values_to_be_between": between(ONE, SHARE),
    "expect_column_proportion_of_non_null_values_to_be_between": between(ONE, SHARE),
    "expect_column_quantile_values_to_be_between": arguments(
        {**ONE, "quantile_ranges": quantiles()},
        allow_relative_error=st.sampled_from([False, "linear", "lower", "higher", "midpoint", "nearest"]),
    ),
    "expect_table_row_count_to_be_between": between({}, COUNT),
}


def by_numpy(rules: tuple[Rule, ...], frame: Frame) -> dict[str, RuleOutcome]:
    columns, found = Columns(frame), {}
    for rule in rules:
        form = compile_rule(rule)
        assert form is not None, rule.entry
        found[rule.name] = form(columns)
    return found


def shown(outcome: RuleOutcome) -> tuple[list[int], bool, str]:
    return outcome.broken.tolist(), outcome.success, outcome.detail


def assert_same(rules: tuple[Rule, ...], frame: Frame) -> None:
    one, other = by_numpy(rules, frame), gx.evaluate(rules, frame, where="a test", suite="a test")
    for rule in rules:
        entry = {key: rule.entry[key] for key in ("type", "kwargs")}
        assert shown(one[rule.name]) == shown(other[rule.name]), (entry, {n: frame[n].tolist() for n in rule.columns})


def test_every_type_that_is_compiled_is_compared() -> None:
    assert set(KINDS) == set(compiled._FORMS)


# One call evaluates many rules: 32 examples, with every kind three times, are some 2,000 comparisons.
@settings(
    max_examples=32,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    frame=frames(),
    asked=st.tuples(*(st.tuples(st.just(kind), drawn) for kind, drawn in KINDS.items() for _ in range(3))),
)
def test_both_forms_give_the_same_outcomes(
    make_rules: MakeRules, frame: Frame, asked: tuple[tuple[str, dict[str, Any]], ...]
) -> None:
    assert_same(make_rules(*asked), frame)


def test_a_quantile_is_about_within_its_range(make_rules: MakeRules) -> None:
    rows = [1e-9, -1e-9, 2e-8, 1.00005, 1.0002]
    ranges = [[None, 0.0], [0.0, None], [0.0, 0.0], [0.5, 1.0], [1.0003, 2.0]]
    asked = [
        {"column": name, "quantile_ranges": {"quantiles": [0.5], "value_ranges": [limits]}}
        for name in rows_by_name(rows)
        for limits in ranges
    ]
    rules = make_rules(*(("expect_column_quantile_values_to_be_between", kwargs) for kwargs in asked))
    frame = Frame(rows_by_name(rows), rows=1)
    assert_same(rules, frame)
    assert len({outcome.success for outcome in by_numpy(rules, frame).values()}) == 2


def rows_by_name(values: list[float]) -> dict[str, Any]:
    """A column of one row for each value."""
    return {f"column {place}": np.array([value]) for place, value in enumerate(values)}


BETWEEN = "expect_column_values_to_be_between"
ABOVE_0 = {"column": "a", "min_value": 0}
LEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "another type": ("expect_column_values_to_be_increasing", {"column": "a"}),
    "a note": (BETWEEN, {**ABOVE_0, "notes": "x"}),
    "no limit": (BETWEEN, {"column": "a"}),
    "limits that contradict each other": (BETWEEN, {**ABOVE_0, "max_value": -1}),
    "text for a number": (BETWEEN, {"column": "a", "min_value": "0"}),
    "true for a number": (BETWEEN, {"column": "a", "min_value": True}),
    "NaN for a number": (BETWEEN, {"column": "a", "min_value": math.nan}),
    "a number that no double is": (BETWEEN, {"column": "a", "min_value": 2**53 + 1}),
    "text for a flag": (BETWEEN, {**ABOVE_0, "strict_min": "yes"}),
    "null for a share": (BETWEEN, {**ABOVE_0, "mostly": None}),
    "a share above 1": (BETWEEN, {**ABOVE_0, "mostly": 1.5}),
    "no column": (BETWEEN, {"min_value": 0}),
    "null in a set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [1, None]}),
    "text in a set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [1, "1"]}),
    "an empty set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": []}),
    "half a row": ("expect_table_row_count_to_be_between", {"min_value": 0.5}),
    "a word that is none": (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "a", "column_B": "b", "ignore_row_if": "never"},
    ),
    "one column twice": ("expect_compound_columns_to_be_unique", {"column_list": ["a", "a"]}),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_has_no_compiled_form_is_left_to_great_expectations(kind: str, make_rules: MakeRules) -> None:
    (rule,) = make_rules(LEFT[kind])
    assert compile_rule(rule) is None
