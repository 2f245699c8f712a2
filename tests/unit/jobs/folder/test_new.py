"""Folders of new jobs: what the template becomes, and what a copy changes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.folder.new import copy, make
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import Task, job_names, load_job

SITE = Path(__file__).parents[2] / "jobs"


@pytest.mark.parametrize("task", Task)
def test_a_new_job_is_whole(tmp_path: Path, task: Task) -> None:
    made = make("readmit", jobs_dir=tmp_path / "jobs", task=task)
    job = load_job("readmit", jobs_dir=tmp_path / "jobs")
    assert (job.task, job.entity) == (task, "client")
    assert made.folder == tmp_path / "jobs" / "sql" / "readmit"
    assert all(path.exists() for path in made.files)
    assert not any("template" in path.read_text() for path in made.files)
    assert {table.table for table in read_tables("readmit", jobs_dir=tmp_path / "jobs")} == {
        "readmit_data.clients",
        "readmit_data.events",
        "readmit_data.outcomes",
    }
    assert {rule["meta"]["rule"] for suite in job.suites.values() for rule in suite["expectations"]} >= {
        "value_present"
    }


@pytest.mark.parametrize("task", Task)
def test_a_new_job_is_small_and_each_line_explained(tmp_path: Path, task: Task) -> None:
    folder = make("readmit", jobs_dir=tmp_path, task=task).folder
    lines = [line for line in (folder / "job.toml").read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 36
    own_words = re.compile(r'^(\w+ = "\w+\.sql"|[A-Z]+ = |lowest|above|name|codes|statistics|categories|configuration)')
    assert [line for line in lines if " #" not in line and not own_words.match(line) and not line.startswith("[")] == []
    statements = sorted(path.name for path in folder.glob("*.sql"))
    assert statements == ["attributes.sql", "due.sql", "grants.sql", "landmarks.sql", "observations.sql"]


@pytest.mark.parametrize("name", ["Churn", "7up", "a-b", "engine", "template", "pg_jobs", "a" * 41, "a/b", "", "../x"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be called"):
        make(name, jobs_dir=tmp_path, task=Task.BINARY)
    assert not list(tmp_path.iterdir())


def test_without_a_folder_for_jobs_the_option_is_named() -> None:
    with pytest.raises(UserError, match="SCORER_JOBS_DIR"):
        make("readmit", jobs_dir=None, task=Task.BINARY)


def test_a_name_that_is_taken_is_refused_and_nothing_overwritten(tmp_path: Path) -> None:
    made = make("readmit", jobs_dir=tmp_path, task=Task.BINARY)
    (made.folder / "job.toml").write_text("mine")
    for name in ("readmit", "sepsis"):
        with pytest.raises(UserError, match=f'There is a job "{name}" already'):
            make(name, jobs_dir=tmp_path, task=Task.BINARY)
    assert (made.folder / "job.toml").read_text() == "mine"


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "expectations").write_text("a file")
    with pytest.raises(UserError, match="cannot be written"):
        make("readmit", jobs_dir=tmp_path, task=Task.BINARY)
    assert not list((tmp_path / "sql").iterdir())


def test_a_copy_of_the_shipped_job_has_names_of_its_own(tmp_path: Path) -> None:
    made = copy("night", jobs_dir=tmp_path, like="sepsis")
    job, shipped = load_job("night", jobs_dir=tmp_path), load_job("sepsis")
    assert (job.first_model, shipped.first_model is None) == (None, False)
    assert shipped.statements.keys() - job.statements.keys() == {"write_back", "take_back"}
    assert [each.split(":")[0] for each in made.left_out] == ["first_model", "write_back", "take_back"]
    assert job.features == shipped.features
    assert "reporting.night_predictions" in job.statements["views"]
    assert "current_scores_of_visits_of_night " in job.statements["views"]
    assert "sepsis_predictions" not in job.statements["views"]
    assert "FUNCTION scorer.new_observations_of_night()" in job.statements["new_observations"]
    for statement in ("views", "new_observations"):
        assert "'sepsis'" not in job.statements[statement]
    assert "t.sepsis = 0" in job.statements["landmarks"], "a column of the hospital's keeps its name"
    assert job.suites["scores"]["name"] == "night.scores"


def test_a_copy_of_a_job_of_ones_own_reads_the_same_tables(tmp_path: Path) -> None:
    make("readmit", jobs_dir=tmp_path, task=Task.REGRESSION)
    copy("readmit_weekly", jobs_dir=tmp_path, like="readmit")
    one, other = (load_job(name, jobs_dir=tmp_path) for name in ("readmit", "readmit_weekly"))
    assert one.statements == other.statements
    assert read_tables("readmit_weekly", jobs_dir=tmp_path) == read_tables("readmit", jobs_dir=tmp_path)
    assert {"readmit", "readmit_weekly", "sepsis"} <= set(job_names(tmp_path))


def test_a_copy_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='There is no job "readmit"'):
        copy("other", jobs_dir=tmp_path, like="readmit")


def test_the_template_is_no_job() -> None:
    assert "template" not in job_names(shipped_root())
    with pytest.raises(UserError, match="cannot be called"):
        load_job("template")
