"""A copy that reads a CDM: what it has of the job, what is its own, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.folder.omop import copy_for_omop, jobs_of_source
from scorer.jobs.job import load_job


def test_a_copy_is_whole_and_has_the_jobs_features_and_model(tmp_path: Path) -> None:
    made = copy_for_omop("sepsis_omop", jobs_dir=tmp_path, like="sepsis")
    job, shipped = load_job("sepsis_omop", jobs_dir=tmp_path), load_job("sepsis")
    assert (job.features, job.codes, job.bands, job.first_model) == (
        shipped.features,
        shipped.codes,
        shipped.bands,
        shipped.first_model,
    )
    assert all(path.exists() for path in made.files)
    model = tmp_path / "models" / "sepsis_omop" / str(job.first_model)
    assert json.loads((model / "manifest.json").read_text())["job"] == "sepsis_omop"
    ours = shipped_root() / "models" / "sepsis" / str(job.first_model)
    assert (model / "pipeline.joblib").read_bytes() == (ours / "pipeline.joblib").read_bytes()
    assert "(3027018, 8541, 'HR', 1, 0, '8867-4', '/min')" in job.statements["observations"]
    assert "public." not in "".join(job.statements.values())
    assert "reporting.sepsis_omop_predictions" in job.statements["views"]
    assert {rule["meta"]["rule"] for rule in job.suites["observations"]["expectations"]} >= {
        "unit_in_map",
        "value_present",
    }


def test_what_was_left_out_has_its_reason(tmp_path: Path) -> None:
    made = copy_for_omop("cdm_sepsis", jobs_dir=tmp_path, like="sepsis")
    job, shipped = load_job("cdm_sepsis", jobs_dir=tmp_path), load_job("sepsis")
    assert {each.partition(": ")[0] for each in made.left_out} == shipped.statements.keys() - job.statements.keys()
    assert "write_back: a CDM is not written to; read reporting.cdm_sepsis_predictions" in made.left_out


def test_the_map_is_part_of_the_jobs_version(tmp_path: Path) -> None:
    made = copy_for_omop("sepsis_omop", jobs_dir=tmp_path, like="sepsis")
    before = load_job("sepsis_omop", jobs_dir=tmp_path)
    concepts = made.folder / "concepts.csv"
    concepts.write_text(concepts.read_text() + "HR,,2000000001,/min,0,1,0\n")
    after = load_job("sepsis_omop", jobs_dir=tmp_path)
    assert after.version != before.version
    assert "2000000001" in after.statements["observations"]


def test_a_map_that_is_wrong_stops_the_job_with_its_line(tmp_path: Path) -> None:
    made = copy_for_omop("sepsis_omop", jobs_dir=tmp_path, like="sepsis")
    concepts = made.folder / "concepts.csv"
    lines = concepts.read_text().count("\n")
    concepts.write_text(concepts.read_text() + "HR,8867-4,3027018,,,1,0\n")
    with pytest.raises(UserError, match=rf"concepts.csv, line {lines + 1}: concept 3027018 \(HR\) has no unit"):
        load_job("sepsis_omop", jobs_dir=tmp_path)
    concepts.unlink()
    with pytest.raises(UserError, match=r"concepts\.csv cannot be read"):
        load_job("sepsis_omop", jobs_dir=tmp_path)


def test_a_job_of_which_nobody_has_said_how_it_reads_a_cdm_is_refused(tmp_path: Path) -> None:
    assert jobs_of_source() == ("sepsis",)
    with pytest.raises(UserError, match="Nobody has said how job churn reads a CDM; those that can are: sepsis"):
        copy_for_omop("churn_omop", jobs_dir=tmp_path, like="churn")
    with pytest.raises(UserError, match="SCORER_JOBS_DIR"):
        copy_for_omop("sepsis_omop", jobs_dir=None, like="sepsis")
    assert not list(tmp_path.iterdir())


def test_models_that_lie_there_under_the_name_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "models" / "sepsis_omop").mkdir(parents=True)
    with pytest.raises(UserError, match="choose another name"):
        copy_for_omop("sepsis_omop", jobs_dir=tmp_path, like="sepsis")
