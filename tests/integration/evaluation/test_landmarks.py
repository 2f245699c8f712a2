"""Landmarks read what scoring reads, to the last bit, and nothing of what was not known yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, read_landmarks
from scorer.jobs.job import Job, steps_of, usual_step
from scorer.jobs.training import OWN_LANDMARKS
from scorer.scoring.features.build import build
from scorer.scoring.validation.suites import Suites
from scorer.types.arrays import NO_TIME
from scorer.types.values import WorkItem

HOURLY = {"first_landmark": "1 hour", "landmark_step": "1 hour"}


@pytest.fixture
def dirty(hospital: Any) -> Any:
    """Three visits that have ended, with rows that came late, rows without a date, and rows that no suite takes."""
    end = hospital.noon
    hospital.admit(1, 2, 3, 4, discharged_at=end)
    lactate = {"observation_type_code": "LACTATE", "reference_range_min": 0.5, "reference_range_max": 2.0}
    hospital.observe(1, hours_ago=8, observation_value=4.0, recorded_at=end - timedelta(hours=2), **lactate)
    hospital.observe(1, hours_ago=8, observation_value=91.0, recorded_at=end - timedelta(hours=2))  # a tie, known later
    hospital.observe(1, hours_ago=8, observation_value=91.0, recorded_at=end - timedelta(hours=1))  # and its repetition
    hospital.observe(1, hours_ago=-5, recorded_at=end - timedelta(hours=6))  # dated in the future
    hospital.observe(2, observation_date=None, recorded_at=end - timedelta(hours=5))
    hospital.observe(2, hours_ago=5, recorded_at=None)
    hospital.observe(2, observation_date=None, recorded_at=None)  # known since an unknown time
    hospital.observe(2, hours_ago=4, observation_value=float("nan"))
    hospital.observe(2, hours_ago=4, observation_value=None)
    hospital.observe(2, hours_ago=4, observation_type_code="ZZZ")
    hospital.observe(2, hours_ago=4, observation_type_code=None)
    hospital.observe(2, hours_ago=3, reference_range_min=200.0)
    hospital.observe(2, hours_ago=3, observation_value=9000.0)
    hospital.observe(
        3, hours_ago=3, client="somebody else", recorded_at=end - timedelta(hours=2)
    )  # holds the visit from then on
    hospital.observe(4, hours_ago=20)
    hospital.observe(4, hours_ago=2, recorded_at="infinity")
    hospital.observe(4, hours_ago=2, recorded_at="-infinity")
    for visit_id, septic, onset in ((1, 1, end + timedelta(hours=1)), (2, 0, None), (3, 1, None)):
        hospital.execute("INSERT INTO public.outcomes VALUES (%s, %s, %s)", visit_id, septic, onset)
    return hospital


def each_by_itself(job: Job, source: Source, landmarks: Landmarks) -> tuple[Any, Any]:
    """Features and whether it is scored, of each landmark read and validated alone, as a batch of one."""
    suites = Suites(job)
    values, scorable = [], []
    for entity_id, as_of in zip(landmarks.entity_ids, landmarks.as_of.tolist(), strict=True):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=as_of)
        items = (WorkItem(entity_id=entity_id, as_of=moment),)
        observations, attributes = source.observations(job, items), source.attributes(job, items)
        seen = suites.validate_observations(observations, attributes, as_of=np.array([as_of]))
        usable = observations.only(seen.usable)
        matrix = build(usable, attributes, as_of=np.array([as_of]), spec=job.features)
        counts = (np.array([int(seen.distinct.sum())]), np.array([len(usable)]))
        fit = suites.validate_features([entity_id], matrix, attributes, read=counts[0], used=counts[1])
        good = not seen.held and not fit.held and len(usable) >= job.min_observations
        values.append(matrix.values[0] if good else np.full(matrix.values.shape[1], np.nan))
        scorable.append(good)
    return np.array(values), np.array(scorable)


def test_a_visit_read_once_gives_the_bits_of_each_landmark_read_alone(
    dirty: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    landmarks = read_landmarks(dirty.job, source, parameters=HOURLY)
    assert len(landmarks) == 40
    values, scorable = each_by_itself(dirty.job, source, landmarks)
    np.testing.assert_array_equal(landmarks.scorable, scorable)
    np.testing.assert_array_equal(landmarks.features.values.view(np.int64), values.view(np.int64))
    of = {each: landmarks.entity_ids == each for each in ("1", "2", "3", "4")}
    assert landmarks.scorable[of["3"]].tolist() == [False] * 4 + [True] * 3 + [False] * 3
    lactate = landmarks.features.values[of["1"], landmarks.features.names.index("LACTATE_last_stay")]
    assert np.isnan(lactate[:7]).all(), "a value was seen before it was charted"
    assert (lactate[7:] == 4.0).all()
    # In portions of any size, and in parts of any size, the same.
    monkeypatch.setattr("scorer.evaluation.landmarks._ENTITIES_READ_TOGETHER", 1)
    monkeypatch.setattr("scorer.evaluation.landmarks._ROWS_BUILT_TOGETHER", 20)
    again = read_landmarks(dirty.job, source, parameters=HOURLY)
    np.testing.assert_array_equal(again.features.values, landmarks.features.values)
    assert again.data_sha256 == landmarks.data_sha256
    assert again.attrition == landmarks.attrition


def test_outcomes_are_known_unknown_or_none(dirty: Any, source: Source) -> None:
    landmarks = read_landmarks(dirty.job, source, parameters=HOURLY)
    of = {each: landmarks.entity_ids == each for each in ("1", "2", "3", "4")}
    assert landmarks.label[of["1"]].tolist() == [0.0] * 4 + [1.0] * 6
    assert landmarks.label[of["2"]].tolist() == [0.0] * 10
    assert np.isnan(landmarks.label[of["3"]]).all(), "sick, and not known since when"
    assert np.isnan(landmarks.label[of["4"]]).all(), "no outcome is recorded"
    assert (landmarks.event_at[~of["1"]] == NO_TIME).all()
    assert landmarks.attrition["landmarks"] == 40
    assert not landmarks.trainable[of["4"]].any()


def test_a_statement_that_does_not_tell_since_when_is_read_at_each_landmark(
    dirty: Any, source: Source, changed_job: Callable[..., Job]
) -> None:
    silent = changed_job(("observations.sql", "AS known_from", "AS recorded"))
    expected = read_landmarks(dirty.job, source, parameters=HOURLY)
    # Under another name the column is one of the job's own, of a type that no frame takes: it is left out.
    text = silent.statements["observations"].replace(
        ",\n    COALESCE(o.recorded_at, o.observation_date) AS recorded", ""
    )
    silent = replace(silent, statements={**silent.statements, "observations": text})
    found = read_landmarks(silent, source, parameters=HOURLY)
    np.testing.assert_array_equal(found.features.values, expected.features.values)
    np.testing.assert_array_equal(found.scorable, expected.scorable)


def test_since_when_a_row_is_known_is_no_input(dirty: Any, source: Source) -> None:
    items = (WorkItem(entity_id="1", as_of=dirty.noon),)
    observations = source.observations(dirty.job, items, known_from=True)
    assert "known_from" not in observations.extras
    assert observations.known_from is not None
    assert len(observations.known_from) == len(observations)


def test_bad_parameters_and_empty_tables_are_refused(hospital: Any, source: Source) -> None:
    with pytest.raises(UserError, match='no parameter "landmark_steps": its landmarks are those'):
        read_landmarks(hospital.job, source, parameters={"landmark_steps": "1 hour"})
    with pytest.raises(UserError, match="gave no row: there is nothing to train on"):
        read_landmarks(hospital.job, source)


@pytest.mark.parametrize(
    "label", ["9", "-1", "0.5", "'yes'", "CAST('NaN' AS double precision)", "CAST(2 AS numeric)", "ARRAY[1]"]
)
def test_a_label_that_is_not_0_1_or_null_is_refused(
    hospital: Any, source: Source, changed_job: Callable[..., Job], label: str
) -> None:
    hospital.admit(1, 2, discharged_at=hospital.noon)
    job = changed_job(
        ("landmarks.sql", "THEN 1\n", f"THEN {label}\n"), ("landmarks.sql", "THEN 0\n", f"THEN {label}\n")
    )
    hospital.execute("INSERT INTO public.outcomes VALUES (1, 0, NULL)")
    with pytest.raises(
        UserError, match=r"The label of the statement landmarks of job sepsis must be 0, 1 or NULL; \d+ of \d+"
    ):
        read_landmarks(job, source)


@pytest.mark.parametrize("label", ["'0'", "false", "CAST(0 AS numeric)", "CAST(0 AS real)"])
def test_a_label_may_be_of_any_type_that_says_0_and_1(
    hospital: Any, source: Source, changed_job: Callable[..., Job], label: str
) -> None:
    hospital.admit(1, 2, discharged_at=hospital.noon)
    yes = label.replace("0", "1").replace("false", "true")
    job = changed_job(("landmarks.sql", "THEN 1\n", f"THEN {yes}\n"), ("landmarks.sql", "THEN 0\n", f"THEN {label}\n"))
    hospital.execute("INSERT INTO public.outcomes VALUES (1, 0, NULL)")
    landmarks = read_landmarks(job, source)
    assert set(landmarks.label[landmarks.entity_ids == "1"]) == {0.0}
    assert np.isnan(landmarks.label[landmarks.entity_ids == "2"]).all()


def test_a_job_without_steps_has_its_landmarks_as_they_stand(hospital: Any) -> None:
    assert steps_of(hospital.job, "4 h") == {"first_landmark": "4 h", "landmark_step": "4 h"}
    assert steps_of(replace(hospital.job, parameters={"horizon": "6 h"}), "4 h") == {}


@pytest.mark.parametrize(
    ("own", "step", "parameters"),
    [
        ("1 hour", "4 h", {"first_landmark": "4 h", "landmark_step": "4 h"}),
        ("14 days", OWN_LANDMARKS, {}),
        ("1 month", OWN_LANDMARKS, {}),
    ],
)
def test_a_search_takes_no_landmarks_nearer_to_each_other_than_the_job_has_them(
    hospital: Any, own: str, step: str, parameters: dict[str, str]
) -> None:
    job = replace(hospital.job, parameters={"first_landmark": "180 days", "landmark_step": own})
    assert usual_step(job) == step
    assert steps_of(job, step) == parameters
    assert usual_step(replace(job, parameters={})) == OWN_LANDMARKS
