"""An OMOP CDM as a job's source: the same scores as from native tables, and what a CDM has that these have not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.load import load
from scorer.database.source.sample import generate, write
from scorer.jobs.folder.omop import copy_for_omop
from scorer.jobs.job import load_job
from scorer.registry import registration
from tests.cohorts import omop, sepsis

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL_KINDS = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")


@pytest.fixture
def cdm(hospital: Any, tmp_path: Path) -> Callable[..., Any]:
    """Converts the hospital's tables into a CDM; gives the hospital with the job that reads it, enabled."""
    jobs_dir = tmp_path / "jobs"
    hospital.settings = replace(hospital.settings, jobs_dir=jobs_dir)

    def give(*, other_units: bool = False) -> Any:
        with closing(hospital.connect()) as connection:
            omop.convert(connection, other_units=other_units)
        if not jobs_dir.exists():
            copy_for_omop("sepsis_omop", jobs_dir=jobs_dir, like="sepsis")
            registration.enable_job("sepsis_omop", database=Database(hospital.url, hospital.settings))
        granted = registration.grant_source(database=Database(hospital.url, hospital.settings), jobs=["sepsis_omop"])
        assert granted == {"sepsis_omop": None}
        hospital.job = load_job("sepsis_omop", jobs_dir=jobs_dir)
        return hospital

    return give


def outcomes(hospital: Any, job: str) -> dict[str, tuple[Any, ...]]:
    """By entity how it ended, its score and band, and as of when."""
    found = hospital.rows(
        "SELECT entity_id, status, score, risk_band, as_of FROM reporting.current_scores WHERE job = %s", job
    )
    return {entity: rest for entity, *rest in found}


def load_native(hospital: Any, folder: Path, tmp_path: Path) -> None:
    with closing(hospital.connect()) as connection:
        load(folder, connection=connection, rejects=tmp_path / "rejects.csv")
    # A CDM does not say when a row was recorded: it is known from its own time on.
    hospital.execute("UPDATE patient_observations SET recorded_at = observation_date")


def compare(cdm: Callable[..., Any], hospital: Any, *, as_of: datetime, scored: int) -> None:
    """The native tables' scores and those of the CDM, bit for bit; and of one in other units, to 1e-9."""
    hospital.run(as_of=as_of)
    native = outcomes(hospital, "sepsis")
    assert sum(score is not None for _, score, _, _ in native.values()) >= scored
    ended = cdm().run(as_of=as_of)
    assert ended.counts.eligible == len(native)
    assert outcomes(hospital, "sepsis_omop") == native
    again = hospital.run(as_of=as_of)
    assert (again.counts.scored, again.counts.failed) == (0, 0)
    cdm(other_units=True).run(as_of=as_of)
    converted = outcomes(hospital, "sepsis_omop")
    assert converted.keys() == native.keys()
    for entity, (status, score, band, at) in native.items():
        assert converted[entity][0] == status
        assert converted[entity][2:] == [band, at]
        assert score is None or abs(converted[entity][1] - score) <= 1e-9


def test_a_sample_gives_the_same_scores_bit_for_bit(cdm: Callable[..., Any], hospital: Any, tmp_path: Path) -> None:
    facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
    write(generate(facts, visits=300, seed=7, first_visit=1, now=NOW), tmp_path)
    load_native(hospital, tmp_path, tmp_path)
    compare(cdm, hospital, as_of=NOW, scored=200)
