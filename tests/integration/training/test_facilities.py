"""A job with facilities from tables to live figures: each is calibrated, banded, declined, replayed and measured as its own."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from scorer.cli.compare import recalibrate, transport
from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.governance.explain import explain
from scorer.governance.replay import replay
from scorer.jobs.job import Job, load_job
from scorer.jobs.training import Configuration, Recipe
from scorer.monitoring.checkup import check_up
from scorer.training import calibrations
from scorer.training.trainer import train

HOURLY = {"first_landmark": "1 hour", "landmark_step": "1 hour"}
VISITS = 80


@pytest.fixture
def wards(hospital: Any, tmp_path: Path) -> Any:
    """A hospital with facilities A and B, of whose eighty visits one in four, in B one in two, has an onset; and its site's own job."""
    end = hospital.noon
    for visit_id in range(1, VISITS + 1):
        in_b = visit_id % 2 == 0
        septic = visit_id % 4 == 0 if in_b else visit_id % 8 == 1
        hospital.admit(visit_id, discharged_at=end, facility="B" if in_b else "A")
        hospital.execute(
            "INSERT INTO public.outcomes VALUES (%s, %s, %s)",
            visit_id,
            int(septic),
            end - timedelta(hours=2) if septic else None,
        )
        hospital.observe(
            visit_id,
            hours_ago=9.5,
            observation_type_code="LACTATE",
            observation_value=2.0 + septic + visit_id % 5,
            reference_range_min=None,
            reference_range_max=2.0,
        )
    for kind in ("sql", "expectations"):
        shutil.copytree(shipped_root() / kind / "sepsis", tmp_path / "site" / kind / "sepsis")
    folder = tmp_path / "site" / "sql" / "sepsis"
    text = (folder / "job.toml").read_text(encoding="utf-8")
    text = text.replace('decline_on = ["unlike"]', 'decline_on = ["facility", "unlike"]')
    above = "above = { HIGH = 0.08, MEDIUM = 0.025 }\n"
    own = "A = { HIGH = 0.9999, MEDIUM = 0.9998 }\nB = { HIGH = 1e-9, MEDIUM = 1e-10 }\n"
    text = text.replace(above, f"{above}\n[bands.by.facility]\n{own}")
    (folder / "job.toml").write_text(text, encoding="utf-8")
    settings = replace(hospital.settings, jobs_dir=tmp_path / "site")
    return replace(hospital, settings=settings, job=load_job("sepsis", jobs_dir=tmp_path / "site"))


def _trained(wards: Any, source: Source, *, above: int = 0) -> Any:
    """A model of the visits with a higher number, in production."""
    landmarks = read_landmarks(wards.job, source, parameters=HOURLY)
    landmarks = landmarks.only(landmarks.entity_ids.astype(np.int64) > above)
    recipe = Recipe(Configuration.LIGHTGBM_SMALL, parameters={"min_child_samples": 3, "trees": 10})
    trained = train(
        wards.job,
        landmarks,
        recipe,
        models=wards.settings.home_dir / "models",
        model_version="t1",
        folds=2,
        workers=1,
    )
    wards.put_into_production(wards.job, trained.folder)
    return trained


def _command(wards: Any, monkeypatch: pytest.MonkeyPatch, command: Any, *arguments: str) -> Any:
    settings = replace(wards.settings, database_url=wards.url)
    found = CliRunner().invoke(command, [*arguments, "--json"], obj=settings, catch_exceptions=False)
    return json.loads(found.stdout)


def test_each_facility_is_calibrated_banded_declined_and_measured(
    wards: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrations, "ENOUGH", 10)
    job: Job = wards.job
    assert job.published == ("client", "facility")
    trained = _trained(wards, source)
    facilities = trained.manifest["facilities"]
    assert {name: each["clients"] for name, each in facilities.items()} == {"A": 40, "B": 40}
    assert facilities["A"]["calibration"] != facilities["B"]["calibration"]
    assert set(trained.manifest["golden"]["facility"]) == {"A", "B"}

    wards.execute("UPDATE public.visits SET facility = 'C' WHERE visit_id = 1")
    wards.execute("UPDATE public.visits SET facility = NULL WHERE visit_id = 3")
    at = wards.noon - timedelta(hours=3)
    assert wards.run(job, as_of=at).counts.scored == VISITS - 1
    assert wards.status("1") == ("INDETERMINATE", 'the model was made without facility "C"')
    bands = dict(
        wards.rows(
            "SELECT attributes ->> 'facility', array_agg(DISTINCT risk_band) FROM scorer.scores WHERE score IS NOT NULL GROUP BY 1"
        )
    )
    assert (bands["A"], bands["B"]) == (["LOW"], ["HIGH"])

    database = Database(wards.url, wards.settings)
    score_ids = [each for (each,) in wards.rows("SELECT score_id FROM scorer.scores")]
    assert {each.verdict for each in replay(score_ids, database=database)} == {"IDENTICAL"}
    told = explain(job, "2", database=database)
    assert told.reasons

    found = check_up(job, database=database)
    assert set(found.facilities) == {"A", "B"}
    counted = dict(wards.rows("SELECT facility, scores FROM scorer.feature_counts"))
    assert counted == {"": 1, "A": 38, "B": 40}
    drift = wards.rows("SELECT DISTINCT facility, trained_on FROM reporting.facility_drift ORDER BY 1")
    assert drift == [("A", True), ("B", True)]
    own = trained.manifest["baseline"]["facilities"]["B"]["score"]["shares"]
    held = wards.one(
        "SELECT shares FROM scorer.facility_baselines WHERE facility = 'B' AND feature = 'score' AND model_version = 't1'"
    )
    assert held[: len(own)] == own
    if found.performance.rows:
        assert wards.rows("SELECT DISTINCT facility FROM reporting.facility_performance ORDER BY 1") == [("A",), ("B",)]
        assert set(wards.one("SELECT facilities FROM reporting.model_health WHERE model_version = 't1'")) == {"A", "B"}


def test_a_model_is_calibrated_for_a_facility_by_the_command(
    wards: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrations, "ENOUGH", 10)
    _trained(wards, source, above=VISITS // 2)
    advice = _command(wards, monkeypatch, transport, "sepsis", "--facility", "B")
    assert advice["advice"] == "wait for outcomes", "ten with the event are too few for a verdict"
    assert (advice["clients"], advice["left_out"], advice["events"]) == (20, 20, 10)
    done = _command(wards, monkeypatch, recalibrate, "sepsis", "--facility", "B", "--version", "t2")
    assert (done["from"], done["clients"]) == ("t1", 20)
    rows = wards.rows(
        "SELECT model_version, status, sha256 FROM scorer.model_versions WHERE model_version LIKE 't_' ORDER BY 1"
    )
    assert [row[:2] for row in rows] == [("t1", "production"), ("t2", "candidate")]
    assert rows[0][2] == rows[1][2], "the same artefact"
