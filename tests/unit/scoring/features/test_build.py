"""Features: each statistic by hand, all against slow and obvious arithmetic, and what no neighbour may change."""

import doctest
import math
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import NamedTuple
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.errors import UserError
from scorer.jobs.features import STATISTICS, ZERO_OF_NOTHING, FeatureGroup, FeatureSpec, feature_names
from scorer.jobs.training import ATTRIBUTES
from scorer.scoring.features import build as features
from scorer.scoring.features.build import build, group_columns
from scorer.types.arrays import NO_TIME, Attributes, Observations

NAN = math.nan
HOUR = 3_600_000_000
DAY = 24 * HOUR
NOW = 1_748_736_000_000_000
SIX_HOURS = timedelta(hours=6)


class Row(NamedTuple):
    """One observation: microseconds before (below 0: after) NOW, and the rest as the database has it."""

    age: int
    value: float
    code: str | None = "HR"
    low: float = NAN
    high: float = NAN

    @property
    def time(self):
        return self.age if self.age == NO_TIME else NOW - self.age


def hours_ago(hours, value, code="HR", *, low=NAN, high=NAN):
    return Row(round(hours * HOUR), value, code, low, high)


def observed(*entities, codes=("HR", "LACTATE", "OTHER"), in_order=True):
    """The rows of each entity as the reader returns them: sorted, unless `in_order` is false."""
    rows = [(position, row) for position, entity in enumerate(entities) for row in entity]
    if in_order:
        rows.sort(key=lambda each: (each[0], index(each[1].code, codes), each[1].time, last_if_nan(each[1].value)))
    value = np.array([row.value for _, row in rows], dtype=np.float64)
    return Observations(
        keys=(),
        position=np.array([position for position, _ in rows], dtype=np.int64),
        observation_id=np.arange(len(rows)),
        time=np.array([row.time for _, row in rows], dtype=np.int64),
        code=np.array([index(row.code, codes) for _, row in rows], dtype=np.int64),
        codes=codes,
        value=value,
        value_is_null=np.isnan(value),
        low=np.array([row.low for _, row in rows], dtype=np.float64),
        high=np.array([row.high for _, row in rows], dtype=np.float64),
    )


def index(code, codes):
    return -1 if code is None else codes.index(code)


def last_if_nan(value):
    return math.inf if math.isnan(value) else value


def spec_of(*groups, numbers=(), hours_since=(), categories=()):
    return FeatureSpec(groups=groups, numbers=numbers, hours_since=hours_since, categories=categories)


def group_of(*statistics, codes=("HR",), windows=(None,)):
    return FeatureGroup(codes=codes, statistics=statistics, windows=windows)


EVERYTHING = spec_of(
    group_of(*STATISTICS, codes=("LACTATE", "HR"), windows=(None, SIX_HOURS, timedelta(minutes=90))),
)


def matrix(*entities, spec=EVERYTHING, attributes=None, **arguments):
    as_of = np.full(len(entities), NOW, dtype=np.int64)
    return build(observed(*entities, **arguments), attributes or Attributes(), as_of=as_of, spec=spec).values


def one(statistic, rows, *, window=None):
    """A single statistic of HR for a single entity."""
    return matrix(rows, spec=spec_of(group_of(statistic, windows=(window,))))[0, 0]


def assert_same_bits(left, right):
    assert left.shape == right.shape
    assert np.array_equal(left.view(np.int64), right.view(np.int64))


# Names.


def test_each_value_stands_under_its_name():
    spec = spec_of(
        group_of("last", "count", codes=("LACTATE", "HR"), windows=(None, SIX_HOURS)),
        group_of("max", codes=("HR",)),
    )
    built = build(
        observed([hours_ago(1, 80.0), hours_ago(8, 90.0), hours_ago(7, 2.5, "LACTATE")]),
        Attributes(),
        as_of=np.array([NOW]),
        spec=spec,
    )
    np.testing.assert_equal(
        dict(zip(built.names, built.values[0].tolist(), strict=True)),
        {
            "LACTATE_last_stay": 2.5,
            "LACTATE_last_6h": NAN,
            "LACTATE_count_stay": 1.0,
            "LACTATE_count_6h": 0.0,
            "HR_last_stay": 80.0,
            "HR_last_6h": 80.0,
            "HR_count_stay": 2.0,
            "HR_count_6h": 1.0,
            "HR_max_stay": 90.0,
        },
    )
    assert built.names == feature_names(spec)
    assert built.values.flags.c_contiguous
    assert built.values.dtype == np.float64


def test_the_doctest_shows_what_it_says():
    assert doctest.testmod(features).failed == 0


def test_every_statistic_that_a_job_may_ask_for_is_known():
    assert tuple(features.STATISTICS) == STATISTICS


# Statistics by hand.


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("last", 6.0),
        ("first", 2.0),
        ("min", 1.0),
        ("max", 6.0),
        ("mean", 3.0),
        ("std", math.sqrt(14 / 3)),  # deviations -1, -2, 0, 3
        ("slope", 1.4),  # hours -1.5, -0.5, 0.5, 1.5: (1.5 + 1 + 0 + 4.5) / 5
        ("count", 4.0),
        ("hours_since", 0.5),
        ("sum", 12.0),
        ("days", 1.0),
        ("median", 2.5),
        ("range", 5.0),
        ("interval_mean", 1.0),
        ("interval_std", 0.0),
        ("since_first", 3.5),
    ],
)
def test_a_statistic_of_four_values(statistic, expected):
    rows = [hours_ago(3.5, 2.0), hours_ago(2.5, 1.0), hours_ago(1.5, 3.0), hours_ago(0.5, 6.0)]
    assert one(statistic, rows) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("statistic", [name for name in STATISTICS if name not in ZERO_OF_NOTHING])
def test_nothing_observed_says_nothing(statistic):
    assert math.isnan(one(statistic, []))


@pytest.mark.parametrize("statistic", sorted(ZERO_OF_NOTHING))
def test_a_count_a_sum_and_the_days_of_nothing_are_zero(statistic):
    assert one(statistic, []) == 0.0
    assert one(statistic, [], window=SIX_HOURS) == 0.0


def test_a_single_observation_has_neither_spread_nor_slope():
    assert one("mean", [hours_ago(1, 7.0)]) == 7.0
    assert math.isnan(one("std", [hours_ago(1, 7.0)]))
    assert math.isnan(one("slope", [hours_ago(1, 7.0)]))


def test_observations_of_one_moment_have_a_spread_but_no_slope():
    rows = [hours_ago(1, 7.0), hours_ago(1, 9.0)]
    assert one("std", rows) == pytest.approx(math.sqrt(2))
    assert math.isnan(one("slope", rows))


def test_at_one_moment_the_lower_value_is_the_earlier():
    rows = [hours_ago(2, 5.0), hours_ago(2, 4.0), hours_ago(1, 7.0), hours_ago(1, 9.0)]
    assert one("first", rows) == 4.0
    assert one("last", rows) == 9.0


def test_a_constant_has_no_spread_and_no_slope_to_the_last_bit():
    rows = [hours_ago(hours, 36.1) for hours in (1, 2.3, 3, 4.9, 7)]
    assert one("mean", rows) == 36.1
    assert one("std", rows) == 0.0
    assert one("slope", rows) == 0.0


def test_small_changes_of_a_large_value_keep_their_digits():
    rows = [hours_ago(2, 1e12 + 1), hours_ago(1, 1e12 + 2), hours_ago(0, 1e12 + 3)]
    assert one("mean", rows) == 1e12 + 2
    assert one("std", rows) == pytest.approx(1.0, rel=1e-12)
    assert one("slope", rows) == pytest.approx(1.0, rel=1e-12)


def test_a_slope_between_neighbouring_microseconds_long_ago_keeps_its_digits():
    rows = [Row(720 * HOUR + 1, 1.0), Row(720 * HOUR, 2.0)]
    assert one("slope", rows) == pytest.approx(HOUR, rel=1e-12)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([hours_ago(2, 50.0, low=60.0, high=100.0), hours_ago(1, 80.0, low=60.0, high=100.0)], 0.5),
        ([hours_ago(2, 60.0, low=60.0, high=100.0), hours_ago(1, 100.0, low=60.0, high=100.0)], 0.0),
        ([hours_ago(3, 50.0), hours_ago(2, 110.0, high=100.0), hours_ago(1, 110.0, low=60.0)], 0.5),
        ([hours_ago(1, 50.0)], NAN),
        ([hours_ago(1, 50.0, low=100.0, high=60.0)], NAN),
        ([hours_ago(1, 50.0, low=-math.inf, high=math.inf)], NAN),
    ],
)
def test_outside_is_a_share_of_those_that_have_a_range(rows, expected):
    np.testing.assert_equal(one("outside", rows), expected)


@pytest.mark.parametrize(
    ("value", "low", "high", "expected"),
    [
        (80.0, 60.0, 100.0, 0.0),
        (60.0, 60.0, 100.0, 0.0),
        (100.0, 60.0, 100.0, 0.0),
        (110.0, 60.0, 100.0, 0.25),
        (40.0, 60.0, 100.0, -0.5),
        (3.0, NAN, 2.0, 0.5),  # in sizes of the limit there is
        (1.0, NAN, 2.0, 0.0),
        (45.0, 60.0, NAN, -0.25),
        (90.0, 60.0, math.inf, 0.0),
        (6.0, 4.0, 4.0, 0.5),
        (3.0, 0.0, 0.0, 3.0),  # in ones
        (-3.0, 0.0, NAN, -3.0),
        (3.0, -1.0, NAN, 0.0),
        (-3.0, NAN, -4.0, 0.25),
        (3.0, NAN, NAN, NAN),
        (80.0, 100.0, 60.0, NAN),
    ],
)
def test_distance_is_signed_and_in_widths_of_the_range(value, low, high, expected):
    np.testing.assert_equal(one("distance", [hours_ago(1, value, low=low, high=high)]), expected)


def test_distance_is_that_of_the_last_one_that_has_a_range():
    rows = [
        hours_ago(3, 140.0, low=60.0, high=100.0),
        hours_ago(2, 110.0, low=60.0, high=100.0),
        hours_ago(1, 500.0),
    ]
    assert one("distance", rows) == 0.25


def test_intervals_are_between_one_observation_and_the_next():
    rows = [hours_ago(9, 1.0), hours_ago(8, 1.0), hours_ago(4, 1.0), hours_ago(4, 2.0)]
    assert one("interval_mean", rows) == pytest.approx(5 / 3)  # 1, 4 and 0 hours
    assert one("interval_std", rows) == pytest.approx(math.sqrt(((2 / 3) ** 2 + (7 / 3) ** 2 + (5 / 3) ** 2) / 2))


def test_one_interval_has_a_mean_and_no_spread_and_one_observation_neither():
    assert one("interval_mean", [hours_ago(5, 1.0), hours_ago(2, 1.0)]) == 3.0
    assert math.isnan(one("interval_std", [hours_ago(5, 1.0), hours_ago(2, 1.0)]))
    assert math.isnan(one("interval_mean", [hours_ago(5, 1.0)]))


def test_a_median_lies_between_the_two_in_the_middle():
    assert one("median", [hours_ago(3, 9.0), hours_ago(2, 1.0), hours_ago(1, 2.0)]) == 2.0
    assert one("median", [hours_ago(2, 1.0), hours_ago(1, 2.0)]) == 1.5
    assert one("median", [hours_ago(2, 1e308), hours_ago(1, 1.6e308)]) == 1.3e308


@pytest.mark.parametrize(("timezone", "days"), [("UTC", 2.0), ("America/New_York", 1.0), ("Asia/Tokyo", 1.0)])
def test_days_are_those_of_the_jobs_time_zone(timezone, days):
    # 23:30 and 00:30 UTC: in New York 19:30 and 20:30 of one day, in Tokyo 8:30 and 9:30 of another.
    rows = [hours_ago(1, 1.0), hours_ago(0, 1.0)]
    as_of = np.array([1_748_737_800_000_000])  # 2025-06-01 00:30 UTC
    shifted = [row._replace(age=row.age - HOUR // 2) for row in rows]
    spec = replace(spec_of(group_of("days")), timezone=timezone)
    assert build(observed(shifted), Attributes(), as_of=as_of, spec=spec).values.tolist() == [[days]]


def test_a_ratio_divides_a_statistic_over_one_window_by_that_over_another():
    six_by_stay = (SIX_HOURS, None)
    group = replace(group_of("mean", "count", windows=(SIX_HOURS, None)), ratios=(six_by_stay,))
    built = build(
        observed([hours_ago(1, 8.0), hours_ago(9, 4.0)], [hours_ago(9, 4.0)], [hours_ago(1, 0.0)], []),
        Attributes(),
        as_of=np.full(4, NOW),
        spec=spec_of(group),
    )
    assert built.names[2::3] == ("HR_mean_6h_by_stay", "HR_count_6h_by_stay")
    np.testing.assert_equal(built.values[:, 2], [8 / 6, NAN, NAN, NAN])
    np.testing.assert_equal(built.values[:, 5], [1 / 2, 0.0, 1.0, NAN])


def test_the_calendar_is_of_the_as_of_time_in_the_jobs_time_zone():
    spec = replace(spec_of(), calendar=("hour", "weekday", "month"), timezone="Europe/Vienna")
    as_of = np.array([1_735_686_000_000_000])  # Tuesday 2024-12-31 23:00 UTC: Wednesday, the 1st of January, 0:00
    built = build(observed([]), Attributes(), as_of=as_of, spec=spec)
    assert built.names[:3] == ("as_of_hour", "as_of_hour_sin", "as_of_hour_cos")
    angle = 2 * math.pi * 2 / 7
    expected = [0.0, 0.0, 1.0, 3.0, math.sin(angle), math.cos(angle), 1.0, 0.0, 1.0]
    np.testing.assert_allclose(built.values, [expected], atol=1e-15)


# What counts.


@pytest.mark.parametrize(
    ("age", "counted"),
    [(0, 1), (1, 1), (-1, 0), (6 * HOUR - 1, 1), (6 * HOUR, 0), (6 * HOUR + 1, 0)],
)
def test_a_window_ends_with_the_as_of_time_and_begins_after_its_left_edge(age, counted):
    assert one("count", [Row(age, 1.0)], window=SIX_HOURS) == counted


def test_a_window_longer_than_any_clock_is_the_whole_stay():
    assert one("count", [Row(10**17, 1.0)], window=timedelta.max) == 1


@pytest.mark.parametrize(
    "row",
    [
        Row(-1, 1.0),
        Row(HOUR, NAN),
        Row(HOUR, math.inf),
        Row(HOUR, -math.inf),
        Row(NO_TIME, 1.0),
        Row(NOW - (NO_TIME + 1), 1.0),
        Row(NOW - (NO_TIME + 10**15), 1.0),  # so far back that the difference from NOW does not fit 64 bits
        Row(HOUR, 1.0, None),
        Row(HOUR, 1.0, "OTHER"),
    ],
)
def test_what_does_not_count_contributes_nothing(row):
    rows = [hours_ago(3, 80.0, low=60.0), hours_ago(2, 90.0), hours_ago(1, 2.5, "LACTATE")]
    assert_same_bits(matrix(rows, [row]), matrix([*rows, row], []))


def test_a_value_marked_null_does_not_count_whatever_stands_there():
    observations = replace(observed([hours_ago(1, 0.0)]), value_is_null=np.array([True]))
    built = build(observations, Attributes(), as_of=np.array([NOW]), spec=spec_of(group_of("count", "last")))
    np.testing.assert_equal(built.values, [[0.0, NAN]])


def test_each_entity_has_its_own_as_of_time():
    rows = [hours_ago(1, 80.0), hours_ago(9, 90.0)]
    built = build(
        observed(rows, rows, rows),
        Attributes(),
        as_of=np.array([NOW, NOW - 5 * HOUR, NOW - 10 * HOUR]),
        spec=spec_of(group_of("last", "hours_since", windows=(SIX_HOURS,))),
    )
    np.testing.assert_equal(built.values, [[80.0, 1.0], [90.0, 4.0], [NAN, NAN]])


# Nothing at all.


def test_no_entities_give_an_empty_matrix():
    assert matrix().shape == (0, len(feature_names(EVERYTHING)))


@pytest.mark.parametrize("codes", [(), ("HR", "LACTATE", "OTHER")])
def test_no_observations_give_counts_of_zero_and_nothing_else(codes):
    expected = [
        0.0 if any(f"_{zero}_" in name for zero in ZERO_OF_NOTHING) else NAN for name in feature_names(EVERYTHING)
    ]
    np.testing.assert_equal(matrix([], [], codes=codes), [expected, expected])


def test_an_entity_without_observations_stands_between_those_that_have_some():
    rows = [hours_ago(1, 80.0)]
    spec = spec_of(group_of("last", "count"))
    np.testing.assert_equal(matrix([], rows, [], rows, [], spec=spec)[:, 0], [NAN, 80.0, NAN, 80.0, NAN])


def test_no_features_give_a_matrix_without_columns():
    assert matrix([hours_ago(1, 80.0)], spec=spec_of()).shape == (1, 0)


def test_values_that_are_all_nan_say_nothing():
    np.testing.assert_equal(matrix([hours_ago(1, NAN), hours_ago(2, NAN)]), matrix([]))


def test_what_overflows_says_nothing_and_is_never_infinite():
    rows = [hours_ago(2, 1e308, low=-1e308, high=-1e308), hours_ago(1, -1e308, low=1e308, high=1e308)]
    assert math.isnan(one("mean", rows))
    assert math.isnan(one("std", rows))
    assert math.isnan(one("slope", rows))
    assert math.isnan(one("distance", rows))
    assert one("last", rows) == -1e308
    assert one("max", rows) == 1e308


# Attributes.


def test_attributes_are_numbers_hours_and_categories():
    attributes = Attributes(
        numbers={"age_years": np.array([61.5, NAN, math.inf, -math.inf]), "unused": np.zeros(4)},
        times={"admitted_at": np.array([NOW - 3 * HOUR // 2, NO_TIME, NO_TIME + 10**15, NOW + HOUR])},
        texts={"sex": np.array(["F", "M", None, "?"], dtype=object)},
    )
    spec = spec_of(numbers=("age_years",), hours_since=("admitted_at",), categories=(("sex", ("F", "M")),))
    expected = [[61.5, 1.5, 1.0, 0.0], [NAN, NAN, 0.0, 1.0], [NAN, NAN, NAN, NAN], [NAN, -1.0, NAN, NAN]]
    np.testing.assert_equal(matrix([], [], [], [], spec=spec, attributes=attributes), expected)


@pytest.mark.parametrize(
    "spec",
    [
        spec_of(numbers=("sex",)),
        spec_of(hours_since=("sex",)),
        spec_of(categories=(("age_years", ("1",)),)),
    ],
)
def test_an_attribute_that_is_not_there_is_refused_in_one_sentence(spec):
    attributes = Attributes(numbers={"age_years": np.zeros(1)}, texts={"sex": np.array(["F"], dtype=object)})
    with pytest.raises(UserError, match=r"^\[features\] of job.toml names the attribute \"\w+\" as a \w+, but [^.]*\."):
        matrix([], spec=spec, attributes=attributes)


# Against slow and obvious arithmetic.

AGES = st.one_of(
    st.integers(-2, 12 * HOUR),
    st.sampled_from([0, 1, 2, HOUR, 2 * HOUR, 6 * HOUR - 1, 6 * HOUR, 6 * HOUR + 1, -HOUR, NO_TIME]),
)
# Rounded, for the square of what is far smaller is 0.
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, 2.0, 36.1, NAN, math.inf]),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 9)),
)
LIMITS = st.sampled_from([NAN, NAN, -math.inf, math.inf, -2.0, 0.0, 1.0, 36.1, 50.0])
CODES = st.sampled_from(["HR", "HR", "LACTATE", "OTHER", None])
ENTITY = st.lists(st.builds(Row, AGES, VALUES, CODES, LIMITS, LIMITS), max_size=12)
WILD_ENTITY = st.lists(
    st.builds(
        Row,
        st.one_of(st.integers(-2, 12 * HOUR), st.sampled_from([HOUR, 2 * HOUR])),
        st.one_of(st.floats(), st.sampled_from([0.0, -0.0, 1e308, -1e308, 5e-324])),
        CODES,
        st.one_of(st.floats(), LIMITS),
        st.one_of(st.floats(), LIMITS),
    ),
    max_size=12,
)


def expected_feature(rows, statistic, code, window):
    """What a statistic must be, and how far off arithmetic in floating point may be; in exact fractions, row by row."""
    horizon = math.inf if window is None else window // timedelta(microseconds=1)
    counted = sorted(
        (row for row in rows if row.code == code and 0 <= row.age < horizon and math.isfinite(row.value)),
        key=lambda row: (-row.age, row.value, last_if_nan(row.low), last_if_nan(row.high)),
    )
    ranged = [row for row in counted if limits(row) != (None, None)]
    if statistic == "count":
        return len(counted), 0
    if statistic == "days":
        return len({(NOW - row.age) // DAY for row in counted}), 0
    if statistic == "sum":
        total = sum((Fraction(row.value) for row in counted), Fraction(0))
        return float(total), 1e-13 * len(counted) * max((abs(row.value) for row in counted), default=0.0)
    if not counted or (statistic in ("outside", "distance") and not ranged):
        return NAN, 0
    values = [row.value for row in counted]
    simple = {
        "last": lambda: values[-1],
        "first": lambda: values[0],
        "min": lambda: min(values),
        "max": lambda: max(values),
        "hours_since": lambda: counted[-1].age / HOUR,
        "outside": lambda: sum(distance(row) != 0 for row in ranged) / len(ranged),
        "distance": lambda: distance(ranged[-1]),
        "since_first": lambda: counted[0].age / HOUR,
    }
    if statistic in simple:
        return simple[statistic](), 0
    if statistic in {"median", "range"}:
        exact = median([Fraction(value) for value in values]) if statistic == "median" else max(values) - min(values)
        return float(exact), 1e-15 * (abs(max(values)) + abs(min(values)))
    if statistic.startswith("interval_"):
        intervals = [Fraction(one.age - other.age, HOUR) for one, other in pairwise(counted)]
        return spread_of(statistic, intervals)
    return moment(statistic, [Fraction(value) for value in values], [Fraction(-row.age, HOUR) for row in counted])


def spread_of(statistic, intervals):
    """The mean or the standard deviation of intervals."""
    if len(intervals) < (1 if statistic == "interval_mean" else 2):
        return NAN, 0
    near = 1e-13 * len(intervals) * float(max(intervals))
    mean = sum(intervals) / len(intervals)
    if statistic == "interval_mean":
        return float(mean), near
    return math.sqrt(sum((each - mean) ** 2 for each in intervals) / (len(intervals) - 1)), near


def limits(row):
    low, high = (limit if math.isfinite(limit) else None for limit in (row.low, row.high))
    return (None, None) if row.low > row.high else (low, high)


def distance(row):
    low, high = limits(row)
    width = high - low if None not in (low, high) else 0.0
    width = width or abs(low if high is None else high) or 1.0
    if high is not None and row.value > high:
        return (row.value - high) / width
    if low is not None and row.value < low:
        return -(low - row.value) / width
    return 0.0


def moment(statistic, values, hours):
    size, spread, span = len(values), max(values) - min(values), max(hours) - min(hours)
    mean, mean_hour = sum(values) / size, sum(hours) / size
    deviations = [value - mean for value in values]
    squares = sum((hour - mean_hour) ** 2 for hour in hours)
    near = 1e-13 * size
    if statistic == "mean":
        return float(mean), near * float(max(map(abs, values)))
    if statistic == "std":
        return (math.sqrt(sum(d * d for d in deviations) / (size - 1)), near * float(spread)) if size > 1 else (NAN, 0)
    assert statistic == "slope"
    if not squares:
        return NAN, 0
    slope = sum((hour - mean_hour) * d for hour, d in zip(hours, deviations, strict=True)) / squares
    return float(slope), near * float(span * spread / squares)


@settings(deadline=None)
@given(st.lists(ENTITY, max_size=4))
def test_every_feature_equals_slow_and_obvious_arithmetic(entities):
    values = matrix(*entities)
    for rows, found in zip(entities, values, strict=True):
        asked = [
            (statistic, code, window)
            for group in EVERYTHING.groups
            for code in group.codes
            for statistic in group.statistics
            for window in group.windows
        ]
        for feature, number in zip(asked, found.tolist(), strict=True):
            expected, tolerance = expected_feature(rows, *feature)
            assert number == pytest.approx(expected, rel=0, abs=tolerance, nan_ok=True), feature


@settings(deadline=None)
@given(st.lists(st.one_of(WILD_ENTITY, ENTITY), max_size=4))
def test_no_feature_is_ever_infinite_and_no_spread_below_zero(entities):
    values = matrix(*entities)
    assert not np.isinf(values).any()
    spreads = ["std_" in name or "_range_" in name for name in feature_names(EVERYTHING)]
    assert not (values[:, spreads] < 0).any()


# What no neighbour, order or batch may change.


@settings(deadline=None)
@given(st.lists(st.one_of(ENTITY, WILD_ENTITY), min_size=1, max_size=6), st.data())
def test_a_row_is_the_same_bits_in_any_batch(entities, data):
    chosen = data.draw(st.permutations(range(len(entities))))[: data.draw(st.integers(1, len(entities)))]
    block = data.draw(st.integers(1, 40))
    whole = matrix(*entities)
    with mock.patch.object(features, "_BLOCK_ROWS", block):
        part = matrix(*(entities[each] for each in chosen))
    assert_same_bits(whole[chosen], part)


@settings(deadline=None)
@given(st.one_of(ENTITY, WILD_ENTITY), st.data())
def test_a_row_is_the_same_bits_in_any_order_of_rows_and_codes(rows, data):
    shuffled = data.draw(st.permutations(rows))
    codes = tuple(data.draw(st.permutations(["HR", "LACTATE", "OTHER"])))
    assert_same_bits(matrix(rows), matrix(shuffled, codes=codes, in_order=False))
    assert_same_bits(matrix(rows), matrix(shuffled, codes=codes))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (hours_ago(1, 0.0), hours_ago(1, -0.0)),
        (hours_ago(1, 110.0, low=60.0, high=100.0), hours_ago(1, 110.0, low=60.0, high=90.0)),
        (hours_ago(1, 110.0, low=60.0, high=100.0), hours_ago(1, 110.0, high=100.0)),
        (hours_ago(1, 110.0, high=100.0), hours_ago(1, 110.0, high=90.0)),
        (hours_ago(1, 110.0), hours_ago(1, 110.0, high=90.0)),
    ],
)
def test_rows_alike_in_time_and_value_may_come_in_any_order(left, right):
    assert_same_bits(matrix([left, right]), matrix([right, left]))


@settings(deadline=None)
@given(ENTITY, st.lists(st.builds(Row, st.integers(-(10**15), -1), st.floats(), CODES, LIMITS, LIMITS)))
def test_what_comes_after_the_as_of_time_changes_no_bit(rows, later):
    assert_same_bits(matrix(rows), matrix([*rows, *later]))


def test_long_series_are_the_same_bits_alone_and_in_any_batch():
    random = np.random.default_rng(20)
    entities = [
        [
            Row(int(age), value, code, 60.0, 100.0)
            for age, value, code in zip(
                random.integers(0, 48 * HOUR, size),
                random.normal(80, 20, size).tolist(),
                random.choice(["HR", "LACTATE"], size, p=[0.9, 0.1]).tolist(),
                strict=True,
            )
        ]
        for size in random.integers(0, 700, 40).tolist()
    ]
    whole = matrix(*entities)
    assert_same_bits(whole, np.concatenate([matrix(entity) for entity in entities]))
    order = random.permutation(len(entities))
    with mock.patch.object(features, "_BLOCK_ROWS", 1000):
        assert_same_bits(whole[order], matrix(*(entities[each] for each in order)))


def test_entities_out_of_order_are_a_bug():
    observations = observed([hours_ago(1, 1.0)], [hours_ago(1, 2.0)])
    backwards = replace(observations, position=observations.position[::-1])
    with pytest.raises(ValueError, match="not sorted by entity"):
        build(backwards, Attributes(), as_of=np.array([NOW, NOW]), spec=EVERYTHING)


def test_groups_cover_the_features_once(sepsis):
    spec = sepsis.features
    names = np.array(feature_names(spec))
    parts = [group_columns(spec, [name]) for name in spec.group_names]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(names)))
    assert "age_years" in names[group_columns(spec, [ATTRIBUTES])]
    assert "HR_last_stay" in names[group_columns(spec, ["vitals"])]
    assert len(group_columns(spec, [])) == len(names)


def test_a_facility_that_is_empty_is_unknown() -> None:
    told = Attributes(texts={"ward": np.array(["A", "", None], dtype=object)})
    spec = replace(spec_of(), facility="ward")
    assert features.facility_of(told, spec).tolist() == ["A", None, None]
    assert features.facility_of(told, spec_of()) is None
    with pytest.raises(UserError, match='names the attribute "hall" as a text'):
        features.facility_of(told, replace(spec, facility="hall"))
