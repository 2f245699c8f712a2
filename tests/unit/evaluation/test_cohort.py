"""A cohort of landmarks and scores: who belongs to which subgroup, and what is left at each step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.cohort import EvaluationCohort, cohort_of
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.evaluation import Subgroups
from scorer.jobs.job import Job
from scorer.types.arrays import NO_TIME, Attributes, Features

HOUR = 3_600_000_000
NAN = float("nan")
# Entities a, b and c, two landmarks each: a has the event an hour after its second, nothing is known of c.
SCORE = np.array([0.1, 0.9, NAN, 0.2, NAN, 0.3])


@pytest.fixture
def landmarks() -> Landmarks:
    """Six landmarks; the first of b has too few observations, the first of c is scorable and has no score."""
    return Landmarks(
        entity_ids=np.array(["a", "a", "b", "b", "c", "c"], dtype=object),
        as_of=np.array([1, 2, 1, 2, 1, 2]) * HOUR,
        cohort=np.array(["one", "one", "one", "one", "two", "two"], dtype=object),
        label=np.array([1.0, 1.0, 0.0, 0.0, NAN, NAN]),
        event_at=np.array([3 * HOUR, 3 * HOUR, *[NO_TIME] * 4]),
        features=Features(names=("x",), values=np.zeros((6, 1))),
        scorable=np.array([True, True, False, True, True, True]),
        attributes=Attributes(
            numbers={"age_years": np.array([64.0, 64.0, 65.0, 65.0, NAN, NAN])},
            texts={"sex": np.array(["F", "F", None, None, "M", "M"], dtype=object)},
        ),
        read=np.full(6, 5),
        used=np.full(6, 5),
        attrition={"held": 0, "insufficient": 1},
        first=datetime(1970, 1, 1, 1, tzinfo=UTC),
        last=datetime(1970, 1, 1, 2, tzinfo=UTC),
        data_sha256="0" * 64,
    )


def made(
    job: Job,
    landmarks: Landmarks,
    *groups: Subgroups,
    outcomes: bool = True,
    every: timedelta | None = timedelta(hours=1),
) -> EvaluationCohort:
    return cohort_of(
        job,
        landmarks,
        SCORE,
        every=every,
        outcomes=outcomes,
        subgroups=groups,
        clients_seen=None,
    )


def test_each_step_counts_what_is_left(sepsis: Job, landmarks: Landmarks) -> None:
    cohort = made(sepsis, landmarks)
    assert cohort.attrition == {
        "entities": 3,
        "entities_never_scored": 0,
        "entities_without_outcome": 1,
        "entities_with_event": 1,
        "landmarks": 6,
        "held": 0,
        "insufficient": 1,
        "declined": 1,
        "scored": 4,
        "scored_without_outcome": 1,
        "scored_with_outcome": 3,
        "positive": 2,
    }
    assert cohort.clients == 2
    assert cohort.rows.days == 1 / 24
    np.testing.assert_array_equal(cohort.rows.hours, [-2, -1, NAN, NAN, NAN, NAN])


def test_without_outcomes_none_is_known(sepsis: Job, landmarks: Landmarks) -> None:
    cohort = made(sepsis, landmarks, outcomes=False)
    assert np.isnan(cohort.rows.label).all()
    assert np.isnan(cohort.rows.hours).all()
    assert set(cohort.attrition) == {
        "entities", "entities_never_scored", "landmarks", "held", "insufficient", "declined", "scored"
    }  # fmt: skip


def test_subgroups_are_by_text_or_by_edges_and_have_one_of_those_not_known(sepsis: Job, landmarks: Landmarks) -> None:
    groups = (Subgroups(attribute="sex"), Subgroups(attribute="age_years", edges=(45.0, 65.0)))
    found = {key: rows.nonzero()[0].tolist() for key, rows in made(sepsis, landmarks, *groups).subgroup.items()}
    assert found == {
        ("sex", "F"): [0, 1],
        ("sex", "M"): [4, 5],
        ("sex", "not known"): [2, 3],
        ("age_years", "45 to below 65"): [0, 1],
        ("age_years", "65 and above"): [2, 3],
        ("age_years", "not known"): [4, 5],
    }


@pytest.mark.parametrize(
    ("group", "sentence"),
    [
        (Subgroups(attribute="ward"), r"no such column that is a text; they have: age_years, sex\."),
        (Subgroups(attribute="age_years"), "no such column that is a text"),
        (Subgroups(attribute="sex", edges=(1.0,)), "no such column that is a number"),
    ],
)
def test_an_attribute_that_cannot_be_grouped_by_is_one_sentence(
    sepsis: Job, landmarks: Landmarks, group: Subgroups, sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        made(sepsis, landmarks, group)


def test_the_hash_is_of_what_was_read_and_of_the_outcomes(sepsis: Job, landmarks: Landmarks) -> None:
    cohort = made(sepsis, landmarks)
    assert made(sepsis, landmarks, outcomes=False).sha256 == cohort.sha256
    for other in (
        replace(landmarks, data_sha256="1" * 64),
        replace(landmarks, label=np.where(landmarks.label == 1, 0.0, landmarks.label)),
        replace(landmarks, event_at=landmarks.event_at + 1),
    ):
        assert made(sepsis, other).sha256 != cohort.sha256


def test_landmarks_without_steps_stand_for_their_usual_distance(sepsis: Job, landmarks: Landmarks) -> None:
    stepped, own = made(sepsis, landmarks), made(sepsis, landmarks, every=None)
    assert (stepped.every, stepped.own_landmarks) == (timedelta(hours=1), False)
    assert (own.every, own.own_landmarks) == (timedelta(hours=1), True)
    # Where no entity has two, for as long as a score is valid.
    single = replace(landmarks, entity_ids=np.array(list("abcdef"), dtype=object))
    assert made(sepsis, single, every=None).every == sepsis.valid_for


def test_without_a_time_of_the_event_the_label_tells_of_it(sepsis: Job, landmarks: Landmarks) -> None:
    no_times = replace(landmarks, event_at=np.full(6, NO_TIME), label=np.array([0.0, 1.0, 0.0, 1.0, 0.0, NAN]))
    assert made(sepsis, no_times).attrition["entities_with_event"] == 2
