"""The feature matrix alone: what a run would score by, to the bit; and the training set."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.evaluation.landmarks import read_landmarks
from scorer.training.matrices import FeatureMatrix, feature_matrix, record_matrix, training_set, write_table


def matrix_of(ward: Any, **arguments: Any) -> FeatureMatrix:
    return feature_matrix(ward.job, database=Database(ward.url, ward.settings), **{"as_of": ward.noon, **arguments})


def test_the_matrix_has_the_bits_that_a_run_scores_by(ward: Any) -> None:
    ward.admit(1, 2, 3)
    matrix = matrix_of(ward)
    assert matrix.entity_ids == ("1", "2", "3")
    assert matrix.as_of == (ward.noon,) * 3
    assert set(matrix.statuses) == {"READY"}
    assert ward.one("SELECT count(*) FROM scorer.runs") == 0, "nothing is run or scored"
    ward.run()
    kept = dict(ward.rows("SELECT entity_id, features FROM scorer.scores"))
    for entity_id, row in zip(matrix.entity_ids, matrix.features.values, strict=True):
        assert np.array_equal(np.frombuffer(kept[entity_id], "<f8").view(np.int64), row.view(np.int64))


def test_what_a_run_would_not_score_says_why_and_has_no_features(ward: Any) -> None:
    ward.admit(1)
    ward.admit(2, observations=2)
    ward.admit(3, age_years=999.0)
    matrix = matrix_of(ward)
    assert matrix.statuses == ("READY", "INSUFFICIENT", "QUARANTINED")
    assert matrix.reasons == (None, "2 usable observations, 5 needed", "age_possible")
    assert np.isnan(matrix.features.values[1:]).all()
    assert not np.isnan(matrix.features.values[0]).all()


def test_only_what_was_known_as_of_the_time_counts(ward: Any) -> None:
    ward.admit(1)
    before = matrix_of(ward, as_of=ward.noon - timedelta(hours=4))
    assert before.features.values[0, before.features.names.index("HR_count_stay")] < 8
    ward.observe(1, hours_ago=1, observation_value=150.0, recorded_at=ward.noon - timedelta(minutes=30))
    assert np.array_equal(
        matrix_of(ward, as_of=ward.noon - timedelta(hours=4)).features.values, before.features.values, equal_nan=True
    )


def test_entities_that_are_named_are_built_and_one_that_is_not_there_is_told(ward: Any) -> None:
    ward.admit(1, 2)
    assert matrix_of(ward, entity_ids=["2"]).entity_ids == ("2",)
    with pytest.raises(UserError, match=r"^There is no visit 77 as of .*; take it out of --entities\.$"):
        matrix_of(ward, entity_ids=["2", "77"])
    with pytest.raises(UserError, match="lies in the future"):
        matrix_of(ward, as_of=ward.noon + timedelta(days=40_000))


def test_a_ward_without_entities_is_told(ward: Any) -> None:
    with pytest.raises(UserError, match=r"^There is no visit as of .*, so there is no feature to build\.$"):
        matrix_of(ward)


def test_vectors_are_kept_and_replaced_in_the_database(ward: Any) -> None:
    ward.admit(1)
    ward.admit(2, observations=2)
    for _ in range(2):
        matrix = matrix_of(ward)
        session = Session(Database(ward.url, ward.settings).as_worker())
        with session.transaction():
            record_matrix(ward.job, matrix, session)
        session.close()
    rows = ward.rows(
        "SELECT entity_id, as_of, status, reason, features, job_version FROM reporting.feature_vectors ORDER BY entity_id"
    )
    assert [row[:4] for row in rows] == [
        ("1", ward.noon, "READY", None),
        ("2", ward.noon, "INSUFFICIENT", "2 usable observations, 5 needed"),
    ]
    names = np.array(matrix.features.names)
    known = ~np.isnan(matrix.features.values[0])
    assert rows[0][4] == dict(zip(names[known].tolist(), matrix.features.values[0][known].tolist(), strict=True))
    assert rows[1][4] == {}
    assert rows[0][5] == ward.job.version


def test_a_training_set_is_the_landmarks_that_training_reads(cohort: Any, source: Source, tmp_path: Path) -> None:
    landmarks = read_landmarks(cohort.job, source)
    write_table(training_set(landmarks), tmp_path / "set.parquet")
    table = pq.read_table(tmp_path / "set.parquet")
    assert table.num_rows == len(landmarks)
    assert table["label"].to_pylist() == landmarks.label.tolist()
    assert table["cohort"].to_pylist() == landmarks.cohort.tolist()
    assert table.column_names[6:] == list(landmarks.features.names)
    assert {None if each is None else each.tzinfo.utcoffset(each) for each in table["event_at"].to_pylist()} == {
        None,
        timedelta(0),
    }
    values = np.column_stack([table[name].to_numpy() for name in landmarks.features.names])
    assert np.array_equal(values, landmarks.features.values, equal_nan=True)
