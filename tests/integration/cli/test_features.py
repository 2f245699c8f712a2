"""`scorer features` and `scorer training-set`, as typed."""

from __future__ import annotations

import csv
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from scorer.jobs.features import feature_names


def typed(ward: Any, program: Any, *arguments: str) -> Any:
    environment = {
        "PATH": os.environ["PATH"],
        "SCORER_CONFIG": os.devnull,
        "SCORER_HOME": str(ward.settings.home),
        "SCORER_DATABASE_URL": ward.url,
    }
    return program(*arguments, environment=environment)


def test_features_go_into_a_file_and_the_table(ward: Any, program: Any, tmp_path: Path) -> None:
    ward.admit(1, 2)
    out = tmp_path / "features.csv"
    ended = typed(ward, program, "features", "sepsis", "--as-of", ward.noon.isoformat(), "--out", str(out), "--table")
    assert (ended.code, ended.err) == (0, "")
    width = len(feature_names(ward.job.features))
    assert ended.out == f"{width} features of 2 entities (2 READY): {out} and reporting.feature_vectors.\n"
    with out.open(newline="") as file:
        assert [row["entity_id"] for row in csv.DictReader(file)] == ["1", "2"]
    assert ward.one("SELECT count(*) FROM reporting.feature_vectors") == 2


def test_features_that_go_nowhere_are_refused(ward: Any, program: Any) -> None:
    ended = typed(ward, program, "features", "sepsis")
    assert ended.code == 1
    assert "Say where the features go: --out FILE, --table, or both." in ended.err


def test_a_training_set_is_written(ward: Any, program: Any, tmp_path: Path) -> None:
    ward.admit(1, 2, discharged_at=ward.noon)
    ward.execute("INSERT INTO public.outcomes VALUES (1, 0, NULL), (2, 1, %s)", ward.noon - timedelta(hours=2))
    out = tmp_path / "set.json"
    ended = typed(ward, program, "training-set", "sepsis", "--out", str(out), "--json")
    assert ended.code == 0
    told = json.loads(ended.out)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == told["attrition"]["landmarks"]
    assert {line["label"] for line in lines} == {0.0, 1.0}
