"""Expectations compiled to NumPy: the outcomes of Great Expectations at a hundredth of its cost.

What has no form here is left to Great Expectations: another type of expectation, an argument that is not listed, a column that holds
anything but int64 and float64. NaN is what is missing; an infinity is a value. Nothing is kept between two calls, so any number of
threads may evaluate rules at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
from scorer.scoring.validation.columns import (
    Columns,
    distinct,
    greatest,
    least,
    mean,
    median,
    share_distinct,
    share_given,
    stdev,
    total,
)
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, RuleOutcome
from scorer.types.arrays import Booleans, Integers

_NUMBERS = (np.dtype(np.int64), np.dtype(np.float64))
_NONE: Integers = np.empty(0, np.int64)

CompiledRule = Callable[["Columns"], RuleOutcome]


@dataclass(frozen=True, slots=True)
class _Form:
    """How expectations of one type are compiled: the arguments they take, each with its check, and need."""

    make: Callable[..., CompiledRule | None]
    takes: Mapping[str, Callable[[Any], bool]]
    needs: tuple[str, ...]


def compile_rule(rule: Rule) -> CompiledRule | None:
    """The compiled form of a rule, or None where there is none."""
    form = _FORMS.get(rule.expectation)
    arguments = rule.entry.get("kwargs")
    if form is None or not isinstance(arguments, dict) or set(rule.entry) - {"type", "kwargs", "meta", "severity"}:
        return None
    if not set(form.needs) <= set(arguments) <= set(form.takes):
        return None
    if not all(form.takes[name](value) for name, value in arguments.items()):
        return None
    evaluate = form.make(**arguments)
    return None if evaluate is None else _quiet(evaluate)


def _quiet(evaluate: CompiledRule) -> CompiledRule:
    """The same rule, without a warning where sums of large values overflow."""

    def evaluate_quietly(columns: Columns) -> RuleOutcome:
        with np.errstate(all="ignore"):
            return evaluate(columns)

    return evaluate_quietly


def holds_numbers(frame: Frame, columns: Sequence[str]) -> bool:
    """Whether the columns are of types that a compiled form can evaluate."""
    return all(frame[name].dtype in _NUMBERS for name in columns)


# Rules on rows


def _by_row(broken: Booleans, *, considered: Callable[[], int], mostly: float) -> RuleOutcome:
    """The outcome of a rule that holds if at least the share `mostly` of the considered rows keep it.

    `broken` (rows,) is true where a row breaks it.
    """
    rows = np.flatnonzero(broken)
    if not len(rows):
        return RuleOutcome(_NONE, success=True, detail="")
    among = considered()
    return RuleOutcome(rows, success=among == 0 or (among - len(rows)) / among >= mostly, detail="")


def _not_null(*, column: str, mostly: float = 1.0) -> CompiledRule:
    return lambda columns: _by_row(~columns.given(column), considered=lambda: columns.rows, mostly=mostly)


def _null(*, column: str, mostly: float = 1.0) -> CompiledRule:
    return lambda columns: _by_row(columns.given(column), considered=lambda: columns.rows, mostly=mostly)


def _of_given(columns: Columns, column: str, broken: Booleans, *, mostly: float) -> RuleOutcome:
    return _by_row(broken, considered=lambda: int(columns.given(column).sum()), mostly=mostly)


def _between(*, column: str, mostly: float = 1.0, **limits: Any) -> CompiledRule | None:
    outside = _outside(**limits)
    if outside is None:
        return None
    # What is missing compares with nothing, and so is not outside.
    return lambda columns: _of_given(columns, column, outside(columns[column]), mostly=mostly)


def _outside(
    *,
    min_value: float | None = None,
    max_value: float | None = None,
    strict_min: bool = False,
    strict_max: bool = False,
) -> Callable[[Any], Any] | None:
    """A function that says which values lie outside the limits.

    None where there is no limit, or the limits contradict each other.
    """
    if min_value is None and max_value is None:
        return None
    if min_value is not None and max_value is not None and min_value > max_value:
        return None
    # Great Expectations reads its limits as doubles, whole numbers too.
    low = None if min_value is None else float(min_value)
    high = None if max_value is None else float(max_value)

    def outside(values: Any) -> Any:
        below = None if low is None else values <= low if strict_min else values < low
        above = None if high is None else values >= high if strict_max else values > high
        return above if below is None else below if above is None else below | above

    return outside


def _in_set(*, column: str, value_set: list[float], mostly: float = 1.0) -> CompiledRule:
    def evaluate(columns: Columns) -> RuleOutcome:
        return _of_given(columns, column, columns.given(column) & ~_among(columns[column], value_set), mostly=mostly)

    return evaluate


def _not_in_set(*, column: str, value_set: list[float], mostly: float = 1.0) -> CompiledRule:
    def evaluate(columns: Columns) -> RuleOutcome:
        return _of_given(columns, column, columns.given(column) & _among(columns[column], value_set), mostly=mostly)

    return evaluate


def _among(values: npt.NDArray[Any], value_set: list[float]) -> Booleans:
    among: Booleans = np.isin(values, np.array(value_set))
    return among


def _unique(*, column: str, mostly: float = 1.0) -> CompiledRule:
    def evaluate(columns: Columns) -> RuleOutcome:
        broken = np.zeros(columns.rows, dtype=bool)
        broken[columns.given(column)] = _repeated(_numbered(columns.present(column)))
        return _of_given(columns, column, broken, mostly=mostly)

    return evaluate


def _numbered(values: npt.NDArray[Any]) -> Integers:
    """A number for each value (n,): equal values have equal numbers."""
    numbers: Integers = np.unique(values, return_inverse=True)[1]
    return numbers


def _repeated(numbers: Integers) -> Booleans:
    repeated: Booleans = np.bincount(numbers)[numbers] > 1
    return repeated


def _a_greater_than_b(
    *,
    column_A: str,  # noqa: N803 - the expectation's own names
    column_B: str,  # noqa: N803
    or_equal: bool = False,
    ignore_row_if: str = "both_values_are_missing",
    mostly: float = 1.0,
) -> CompiledRule:
    greater = np.greater_equal if or_equal else np.greater
    return _pair((column_A, column_B), holds=greater, ignore=ignore_row_if, mostly=mostly)


def _equal(
    *,
    column_A: str,  # noqa: N803
    column_B: str,  # noqa: N803
    ignore_row_if: str = "both_values_are_missing",
    mostly: float = 1.0,
) -> CompiledRule:
    return _pair((column_A, column_B), holds=np.equal, ignore=ignore_row_if, mostly=mostly)


def _pair(pair: tuple[str, str], *, holds: Callable[..., Booleans], ignore: str, mostly: float) -> CompiledRule:
    def evaluate(columns: Columns) -> RuleOutcome:
        considered = _considered(columns, pair, ignore=ignore)
        broken = considered & ~holds(columns[pair[0]], columns[pair[1]])
        return _by_row(broken, considered=lambda: int(considered.sum()), mostly=mostly)

    return evaluate


def _considered(columns: Columns, names: Sequence[str], *, ignore: str) -> Booleans:
    """Which rows count (rows,), by what is missing in them."""
    given = [columns.given(name) for name in names]
    if ignore in {"either_value_is_missing", "any_value_is_missing"}:
        return np.asarray(np.logical_and.reduce(given))
    if ignore in {"both_values_are_missing", "all_values_are_missing"}:
        return np.asarray(np.logical_or.reduce(given))
    return np.ones(columns.rows, dtype=bool)


def _compound_unique(
    *, column_list: list[str], ignore_row_if: str = "all_values_are_missing", mostly: float = 1.0
) -> CompiledRule:
    def evaluate(columns: Columns) -> RuleOutcome:
        considered = _considered(columns, column_list, ignore=ignore_row_if)
        numbers = np.zeros(int(considered.sum()), np.int64)
        for name in column_list:
            numbers = _numbered(numbers * (len(numbers) + 1) + _numbered(columns[name][considered]))
        broken = np.zeros(columns.rows, dtype=bool)
        broken[considered] = _repeated(numbers)
        return _by_row(broken, considered=lambda: len(numbers), mostly=mostly)

    return evaluate


def _sum_equal(
    *, column_list: list[str], sum_total: float, ignore_row_if: str = "all_values_are_missing", mostly: float = 1.0
) -> CompiledRule:
    expected = float(sum_total)

    def evaluate(columns: Columns) -> RuleOutcome:
        considered = _considered(columns, column_list, ignore=ignore_row_if)
        sums = np.stack([columns[name] for name in column_list]).sum(axis=0)
        return _by_row(considered & (sums != expected), considered=lambda: int(considered.sum()), mostly=mostly)

    return evaluate


# Rules on a column as a whole: what is measured, as pandas measures it, to the last bit


def _measured(measure: Callable[[Columns, str], Any]) -> Callable[..., CompiledRule | None]:
    def make(*, column: str, **limits: Any) -> CompiledRule | None:
        outside = _outside(**limits)
        if outside is None:
            return None

        def evaluate(columns: Columns) -> RuleOutcome:
            return _observed(measure(columns, column), outside)

        return evaluate

    return make


def _observed(value: Any, outside: Callable[[Any], Any]) -> RuleOutcome:
    if np.isnan(value):
        return RuleOutcome(_NONE, success=False, detail="")
    return RuleOutcome(_NONE, success=not outside(value), detail=f"observed {value}")


def _row_count(**limits: Any) -> CompiledRule | None:
    outside = _outside(**limits)
    return None if outside is None else lambda columns: _observed(columns.rows, outside)


def _quantiles(
    *, column: str, quantile_ranges: Mapping[str, list[Any]], allow_relative_error: str | bool = False
) -> CompiledRule:
    wanted = quantile_ranges["quantiles"]
    ranges = [
        (-np.inf if low is None else low, np.inf if high is None else high)
        for low, high in quantile_ranges["value_ranges"]
    ]
    method: Any = allow_relative_error or "nearest"

    def evaluate(columns: Columns) -> RuleOutcome:
        given = columns.present(column)
        values = (
            np.quantile(given, np.array(wanted, dtype=np.float64), method=method)
            if len(given)
            else np.full(len(wanted), np.nan)
        )
        found = values.tolist()
        within = [_about_within(value, low, high) for value, (low, high) in zip(found, ranges, strict=True)]
        return RuleOutcome(_NONE, success=all(within), detail=f"observed { ({'quantiles': wanted, 'values': found}) }")

    return evaluate


def _about_within(value: float, low: float, high: float) -> bool:
    near = np.isclose(value, [low, high], rtol=1e-4, atol=1e-8)
    return bool(near.any()) or low <= value <= high


_COLUMN = {"column": is_text}
_ROWS = {"mostly": is_share}
_LIMITS = {
    "min_value": is_limit,
    "max_value": is_limit,
    "strict_min": is_flag,
    "strict_max": is_flag,
}
_WHOLE_LIMITS = {**_LIMITS, "min_value": is_whole_limit, "max_value": is_whole_limit}
_PAIR = {
    "column_A": is_text,
    "column_B": is_text,
    "ignore_row_if": is_one_of("both_values_are_missing", "either_value_is_missing", "neither"),
}
_LIST = {
    "column_list": is_columns,
    "ignore_row_if": is_one_of("all_values_are_missing", "any_value_is_missing", "never"),
}
_INTERPOLATIONS = is_one_of(False, "linear", "lower", "higher", "midpoint", "nearest")


def _row_form(make: Callable[..., CompiledRule | None], **takes: Callable[[Any], bool]) -> _Form:
    return _Form(
        make, takes=_COLUMN | _ROWS | takes, needs=("column", *(name for name in takes if name not in _LIMITS))
    )


def _column_form(
    measure: Callable[[Columns, str], Any], limits: Mapping[str, Callable[[Any], bool]] = _LIMITS
) -> _Form:
    return _Form(_measured(measure), takes=_COLUMN | dict(limits), needs=("column",))


_FORMS: Mapping[str, _Form] = {
    "expect_column_values_to_not_be_null": _row_form(_not_null),
    "expect_column_values_to_be_null": _row_form(_null),
    "expect_column_values_to_be_between": _row_form(_between, **_LIMITS),
    "expect_column_values_to_be_in_set": _row_form(_in_set, value_set=is_set),
    "expect_column_values_to_not_be_in_set": _row_form(_not_in_set, value_set=is_set),
    "expect_column_values_to_be_unique": _row_form(_unique),
    "expect_column_pair_values_a_to_be_greater_than_b": _Form(
        _a_greater_than_b, takes=_PAIR | _ROWS | {"or_equal": is_flag}, needs=("column_A", "column_B")
    ),
    "expect_column_pair_values_to_be_equal": _Form(_equal, takes=_PAIR | _ROWS, needs=("column_A", "column_B")),
    "expect_compound_columns_to_be_unique": _Form(_compound_unique, takes=_LIST | _ROWS, needs=("column_list",)),
    "expect_multicolumn_sum_to_equal": _Form(
        _sum_equal, takes=_LIST | _ROWS | {"sum_total": is_number}, needs=("column_list", "sum_total")
    ),
    "expect_column_min_to_be_between": _column_form(least),
    "expect_column_max_to_be_between": _column_form(greatest),
    "expect_column_sum_to_be_between": _column_form(total),
    "expect_column_mean_to_be_between": _column_form(mean),
    "expect_column_median_to_be_between": _column_form(median),
    "expect_column_stdev_to_be_between": _column_form(stdev),
    "expect_column_unique_value_count_to_be_between": _column_form(distinct, _WHOLE_LIMITS),
    "expect_column_proportion_of_unique_values_to_be_between": _column_form(share_distinct),
    "expect_column_proportion_of_non_null_values_to_be_between": _column_form(share_given),
    "expect_column_quantile_values_to_be_between": _Form(
        _quantiles,
        takes=_COLUMN | {"quantile_ranges": is_quantile_ranges, "allow_relative_error": _INTERPOLATIONS},
        needs=("column", "quantile_ranges"),
    ),
    "expect_table_row_count_to_be_between": _Form(_row_count, takes=_WHOLE_LIMITS, needs=()),
}
