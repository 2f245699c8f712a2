"""Tables of features as files: three formats, whole or not at all, readable by their owner alone."""

from __future__ import annotations

import csv
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.training.matrices import FeatureMatrix, require_file, training_set, write_table
from scorer.types.arrays import Features

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
MATRIX = FeatureMatrix(
    entity_ids=("1", 'a "quoted", id'),
    as_of=(NOON, NOON),
    statuses=("READY", "INSUFFICIENT"),
    reasons=(None, "2 usable observations, 5 needed"),
    features=Features(names=("HR_last_stay", "age_years"), values=np.array([[0.1 + 0.2, np.nan], [np.nan, np.nan]])),
)
ROWS = [
    {"entity_id": "1", "as_of": NOON, "status": "READY", "reason": None, "HR_last_stay": 0.1 + 0.2, "age_years": None},
    {
        "entity_id": 'a "quoted", id',
        "as_of": NOON,
        "status": "INSUFFICIENT",
        "reason": "2 usable observations, 5 needed",
        "HR_last_stay": None,
        "age_years": None,
    },
]


def test_parquet_has_the_types(tmp_path: Path) -> None:
    write_table(MATRIX.table(), tmp_path / "m.parquet")
    assert pq.read_table(tmp_path / "m.parquet").to_pylist() == ROWS


def test_csv_leaves_what_is_missing_empty_and_keeps_every_digit(tmp_path: Path) -> None:
    write_table(MATRIX.table(), tmp_path / "m.csv")
    with (tmp_path / "m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["entity_id"] for row in rows] == ["1", 'a "quoted", id']
    assert [row["HR_last_stay"] for row in rows] == ["0.30000000000000004", ""]
    assert datetime.fromisoformat(rows[0]["as_of"]) == NOON


def test_json_has_a_line_for_each_entity(tmp_path: Path) -> None:
    write_table(MATRIX.table(), tmp_path / "m.json")
    lines = [json.loads(line) for line in (tmp_path / "m.json").read_text().splitlines()]
    assert [datetime.fromisoformat(line.pop("as_of")) for line in lines] == [NOON, NOON]
    assert lines == [{key: value for key, value in row.items() if key != "as_of"} for row in ROWS]


def test_a_file_is_its_owners_alone(tmp_path: Path) -> None:
    write_table(MATRIX.table(), tmp_path / "m.csv")
    assert stat.S_IMODE((tmp_path / "m.csv").stat().st_mode) == 0o600


def test_a_file_that_cannot_be_finished_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("of yesterday")
    with mock.patch.object(pa.csv, "write_csv", side_effect=OSError("full")), pytest.raises(OSError, match="full"):
        write_table(MATRIX.table(), tmp_path / "m.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
    assert (tmp_path / "m.csv").read_text() == "of yesterday"


def test_where_a_table_cannot_go_is_told_before_it_is_made(tmp_path: Path) -> None:
    require_file(tmp_path / "m.parquet")
    with pytest.raises(UserError, match=r"must end in \.parquet, \.csv or \.json, which says the format\.$"):
        require_file(tmp_path / "m.xlsx")
    with pytest.raises(UserError, match="there is no folder"):
        require_file(tmp_path / "none" / "m.csv")


def test_the_label_of_a_class_is_its_name(landmarks: Landmarks) -> None:
    of_classes = replace(
        landmarks, label=np.where(landmarks.scorable, landmarks.label, np.nan), classes=("ill", "well")
    )
    label = training_set(of_classes)["label"].to_pylist()
    assert set(label) == {"ill", "well", None}
    assert [each is None for each in label] == (~landmarks.scorable).tolist()
    assert label.count("well") == int(((landmarks.label == 1) & landmarks.scorable).sum())
