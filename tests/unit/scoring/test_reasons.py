"""Reasons: they add up to the score, and each feature comes from the right observation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import lightgbm
import numpy as np
import pytest

from scorer.jobs.features import STATISTICS, FeatureGroup, FeatureSpec, columns, feature_names
from scorer.registry.ensemble import Boosted, Ensemble, Linear
from scorer.scoring.features.build import build
from scorer.scoring.reasons import SOURCES, add_up, observations_of, origins_of, reasons_of
from scorer.tasks.binary import Binary
from scorer.types.arrays import Attributes, Features, Floats, Observations
from scorer.types.enums import ReasonKind
from scorer.types.values import Reason, WorkItem

NOW = 1_748_736_000_000_000
HOUR = 3_600_000_000
MOMENT = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=NOW)
SIX_HOURS = timedelta(hours=6)
NAN = float("nan")
SPEC = FeatureSpec(
    groups=(FeatureGroup(codes=("HR", "LACTATE"), statistics=STATISTICS, windows=(SIX_HOURS, None)),),
    numbers=("age",),
    hours_since=("admitted",),
    categories=(("sex", ("F", "M")),),
)
# (hours ago, value, low, high) of the heart rate, each with its place for a key.
SERIES = (
    (9.0, 95.0, 60, 90),
    (5.0, 40.0, 60, 90),
    (4.0, 70.0, 60, 90),
    (3.0, 99.0, 60, 90),
    (2.0, 40.0, 60, 90),
    (1.0, 80.0, NAN, NAN),
)


def observed(*entities: tuple[tuple[float, float, float, float], ...]) -> Observations:
    rows = [(position, *row) for position, entity in enumerate(entities) for row in entity]
    n = len(rows)
    return Observations(
        keys=tuple(WorkItem(entity_id=str(each), as_of=MOMENT) for each in range(len(entities))),
        position=np.array([row[0] for row in rows], dtype=np.int64),
        observation_id=np.array([f"o{row[0]}.{number}" for number, row in enumerate(rows)], dtype=object),
        time=np.array([NOW - round(row[1] * HOUR) for row in rows], dtype=np.int64),
        code=np.zeros(n, np.int64),
        codes=("HR", "LACTATE"),
        value=np.array([row[2] for row in rows]),
        value_is_null=np.zeros(n, bool),
        low=np.array([row[3] for row in rows], dtype=np.float64),
        high=np.array([row[4] for row in rows], dtype=np.float64),
    )


def origin(name: str, *, row: int = 0, observations: Observations | None = None) -> dict[str, Any]:
    given = observed(SERIES) if observations is None else observations
    as_of = np.full(len(given.keys), NOW)
    (found,) = origins_of([(row, name)], given, as_of=as_of, spec=SPEC)
    return found


@pytest.mark.parametrize(
    ("feature", "number", "source"),
    [
        ("HR_last_stay", 5, "last"),
        ("HR_hours_since_stay", 5, "last"),
        ("HR_distance_stay", 4, "last"),  # the last that has a range
        ("HR_first_stay", 0, "first"),
        ("HR_first_6h", 1, "first"),
        ("HR_min_stay", 4, "lowest"),  # of two that are equal, the last
        ("HR_max_stay", 3, "highest"),
        ("HR_max_6h", 3, "highest"),
        *((f"HR_{name}_6h", 5, "newest") for name in ("mean", "std", "slope", "count", "outside")),
    ],
)
def test_a_feature_comes_from_its_observation(feature: str, number: int, source: str) -> None:
    hours, value, *_ = SERIES[number]
    assert origin(feature) == {
        "code": "HR",
        "source": source,
        "observation_id": f"o0.{number}",
        "observation_date": MOMENT - timedelta(hours=hours),
        "observation_value": value,
    }


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("window", ["6h", "stay"])
def test_where_a_feature_is_the_value_of_one_observation_that_is_named(statistic: str, window: str) -> None:
    """The feature's own value, found again from the observation."""
    random = np.random.default_rng(1)
    entities = tuple(
        tuple(
            (float(hours), float(random.integers(40, 120)), 60.0, 100.0)
            for hours in sorted(random.random(random.integers(0, 9)) * 12, reverse=True)
        )
        for _ in range(60)
    )
    observations = observed(*entities)
    as_of = np.full(len(entities), NOW)
    attributes = Attributes(
        numbers={"age": np.zeros(60)}, times={"admitted": as_of}, texts={"sex": np.array(["F"] * 60, dtype=object)}
    )
    matrix = build(observations, attributes, as_of=as_of, spec=SPEC)
    name = f"HR_{statistic}_{window}"
    values = matrix.values[:, matrix.names.index(name)]
    found = origins_of([(row, name) for row in range(60)], observations, as_of=as_of, spec=SPEC)
    counted = matrix.values[:, matrix.names.index(f"HR_count_{window}")]
    assert ["source" in each for each in found] == (counted > 0).tolist()
    for value, each in zip(values.tolist(), found, strict=True):
        if statistic in {"last", "first", "min", "max"}:
            assert each.get("observation_value", NAN) == pytest.approx(value, nan_ok=True)
        elif statistic == "hours_since" and "observation_date" in each:
            assert (MOMENT - each["observation_date"]).total_seconds() / 3600 == pytest.approx(value)


def test_each_statistic_has_its_observation() -> None:
    assert set(SOURCES) == set(STATISTICS)


def test_features_of_attributes_name_them_and_what_is_missing_has_no_observation() -> None:
    assert origin("age") == {"attribute": "age"}
    assert origin("hours_since_admitted") == {"attribute": "admitted"}
    assert origin("sex=M") == {"attribute": "sex"}
    assert origin("LACTATE_last_stay") == {"code": "LACTATE"}
    assert origin("HR_last_6h", observations=observed(((9.0, 95.0, 60, 90),))) == {"code": "HR"}
    assert origin("made_of_many") == {"attribute": None}


def test_the_observation_is_the_entitys_own() -> None:
    observations = observed(SERIES, (), ((2.0, 66.0, 60, 90),), SERIES)
    assert origin("HR_last_stay", row=1, observations=observations) == {"code": "HR"}
    assert origin("HR_last_stay", row=2, observations=observations)["observation_value"] == 66.0
    some = observations_of(observations, np.array([2, 3]))
    assert some.keys == observations.keys[2:]
    assert origin("HR_last_stay", row=0, observations=some)["observation_id"] == "o2.6"
    assert origin("HR_min_stay", row=1, observations=some)["observation_id"] == "o3.11"


def test_what_features_are_made_of_is_told_for_all_of_them() -> None:
    names = feature_names(SPEC)
    assert tuple(columns(SPEC)) == names[: len(columns(SPEC))]
    assert len(columns(SPEC)) == len(names) - 4


# What they add up to


def matrix_of(rows: int) -> Features:
    random = np.random.default_rng(2)
    values = random.normal(size=(rows, len(feature_names(SPEC))))
    values[random.random(values.shape) < 0.2] = np.nan
    return Features(names=feature_names(SPEC), values=values)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    """Two boosted members and a linear one, calibrated."""
    matrix = matrix_of(600)
    label = (np.nan_to_num(matrix.values[:, 0]) + np.nan_to_num(matrix.values[:, 9]) > 1).astype(int)
    width = matrix.values.shape[1]
    boosted = [
        Boosted(
            lightgbm.train(
                {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": seed, "num_leaves": 7},
                lightgbm.Dataset(matrix.values, label),
                num_boost_round=20,
            ).model_to_string()
        )
        for seed in (1, 2)
    ]
    linear = Linear(
        centre=np.zeros(width),
        scale=np.ones(width),
        weight=np.linspace(-1, 1, width),
        missing=np.full(width, 0.1),
        bias=-0.3,
        limit=5.0,
    )
    return Ensemble([*boosted, linear]).calibrated(slope=1.3, intercept=-0.7)


def logit(score: Floats) -> Floats:
    return np.asarray(np.log(score) - np.log1p(-score))


@pytest.mark.parametrize("top", [1, 5, 1000])
def test_they_add_up_to_the_score(ensemble: Ensemble, top: int) -> None:
    matrix = matrix_of(300)
    score = ensemble.predict_proba(matrix.values)[:, 1]
    contributions = ensemble.contributions(matrix.values)
    assert contributions is not None
    assert add_up(contributions, score, rules=Binary()).all()
    found = reasons_of(contributions, matrix, observed(*[()] * 300), as_of=np.full(300, NOW), spec=SPEC, top=top)
    for reasons, expected in zip(found, logit(score).tolist(), strict=True):
        assert sum(each.contribution for each in reasons) == pytest.approx(expected, abs=1e-9)
        assert [each.kind for each in reasons[-2:]] == [ReasonKind.OTHERS, ReasonKind.BIAS]
        named = [abs(each.contribution) for each in reasons[:-2]]
        assert len(named) == min(top, len(matrix.names))
        assert named == sorted(named, reverse=True)


def test_the_foremost_are_those_that_contribute_most(ensemble: Ensemble) -> None:
    matrix = matrix_of(1)
    contributions = np.zeros((1, len(matrix.names) + 1))
    contributions[0, [3, 7, 11, -1]] = [-2.0, 1.5, 0.25, -3.0]
    (reasons,) = reasons_of(contributions, matrix, observed(()), as_of=np.array([NOW]), spec=SPEC, top=2)
    value = matrix.values[0, 3]
    assert reasons[0].feature == matrix.names[3]
    assert reasons[0].value == (None if np.isnan(value) else value)
    assert [each.contribution for each in reasons] == [-2.0, 1.5, 0.25, -3.0]
    assert reasons[2:] == (
        Reason(kind=ReasonKind.OTHERS, contribution=0.25),
        Reason(kind=ReasonKind.BIAS, contribution=-3.0),
    )


def test_parts_of_another_score_are_noticed() -> None:
    contributions = np.array([[1.0, 0.5], [1.0, 0.5]])
    right = 1 / (1 + np.exp(-1.5))
    assert add_up(contributions, np.array([right, right + 1e-5]), rules=Binary()).tolist() == [True, False]
    assert add_up(np.array([[30.0, 1.0]]), 1 / (1 + np.exp([-31.0])), rules=Binary()).all(), (
        "as exactly as a score so near 1 allows"
    )
