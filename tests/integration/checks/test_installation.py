"""Which jobs are run here: by the option jobs, or by what the database has; one that is broken stops no other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.check import check
from scorer.checks.installation import installed_jobs
from scorer.checks.result import CheckResult
from scorer.config import FIRST_JOB, Settings, shipped_root
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.jobs.job import job_names
from scorer.types.options import CronEntry


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's folder of jobs, with a copy of the shipped job under another name: it has no model."""
    for kind in ("sql", "expectations"):
        shutil.copytree(shipped_root() / kind / "sepsis", tmp_path / kind / "readmit")
    return tmp_path


def not_run(hospital: Any, settings: Settings) -> dict[str, str | None]:
    """By name, why each job is not run here, or what is broken of it; of the shipped ones, of the demo's alone."""
    target = Database(hospital.url, settings).as_worker()
    with closing(ReadOnlySession(target, patience=settings.connect_timeout)) as session:
        found = {each.name: each.not_run or each.broken for each in installed_jobs(session, settings=settings)}
    return {name: why for name, why in found.items() if name == FIRST_JOB or name not in job_names(None)}


def checked(hospital: Any, settings: Settings) -> dict[str, CheckResult]:
    """What is checked of the jobs, by the names of the lines."""
    results: Iterable[CheckResult] = check(database=Database(hospital.url, settings))
    return {each.name: each for each in results if each.name.startswith("job")}


def test_by_default_a_job_is_run_that_has_its_tables_and_a_model(hospital: Any, site: Path) -> None:
    settings = replace(hospital.settings, jobs_dir=site)
    assert not_run(hospital, settings) == {
        "readmit": "it has no model in production; see `scorer model list readmit` and `scorer model promote`",
        "sepsis": None,
    }
    lines = checked(hospital, settings)
    assert lines["job readmit"].found.startswith("not run here: it has no model in production")
    assert (lines["job readmit"].holds, lines["job readmit"].runs) == (True, False)
    assert (lines["job sepsis"].holds, lines["job sepsis"].runs) == (True, True)


def test_where_no_job_has_all_each_says_what_it_lacks(hospital: Any, site: Path) -> None:
    hospital.execute("ALTER TABLE public.visits RENAME TO visits_of_before")
    settings = replace(hospital.settings, jobs_dir=site)
    assert not_run(hospital, settings) == {"readmit": None, "sepsis": None}
    lines = checked(hospital, settings)
    assert not any(line.holds for line in lines.values())
    assert "no model in production" in lines["job readmit"].found
    assert "public.visits" in lines["job sepsis"].found


def test_where_the_only_job_that_ran_is_disabled_no_other_is_to_be_run_for_it(hospital: Any, site: Path) -> None:
    settings = replace(hospital.settings, jobs_dir=site)
    hospital.execute(
        "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('sepsis', '0123456789abcdef', '{}'); "
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, status, finished_at) "
        "VALUES ('sepsis', '0123456789abcdef', 'manual', now(), now(), '0', 'succeeded', now())"
    )
    hospital.execute("INSERT INTO scorer.job_switches (job, enabled) VALUES ('sepsis', false)")
    assert not_run(hospital, settings) == {
        "readmit": "it has no model in production; see `scorer model list readmit` and `scorer model promote`",
        "sepsis": "it is not enabled; `scorer job enable sepsis` enables it",
    }


def test_the_option_says_which_jobs_are_run(hospital: Any, site: Path) -> None:
    settings = replace(hospital.settings, jobs_dir=site, jobs=("sepsis",))
    assert not_run(hospital, settings) == {"readmit": "the option jobs does not name it", "sepsis": None}
    (site / "sql" / "readmit" / "job.toml").write_text("entity = ")
    assert all(line.holds for line in checked(hospital, settings).values()), (
        "nothing of a job that is left out must hold"
    )

    lines = checked(hospital, replace(settings, jobs=("readmit", "sepsis")))
    assert "job.toml is not valid TOML" in lines["job readmit"].found
    assert not lines["job readmit"].holds
    assert lines["job sepsis"].holds


def test_two_broken_jobs_are_both_told(hospital: Any, site: Path) -> None:
    shutil.copytree(site / "sql" / "readmit", site / "sql" / "delirium")
    (site / "sql" / "readmit" / "job.toml").write_text("entity = ")
    lines = checked(hospital, replace(hospital.settings, jobs_dir=site))
    assert [name for name, line in lines.items() if not line.holds] == ["job delirium", "job readmit"]
    assert lines["job sepsis"].holds
    assert {line.job for line in lines.values() if not line.holds} == {"delirium", "readmit"}


def test_a_name_that_is_no_job_is_told_with_its_neighbours(hospital: Any, site: Path) -> None:
    lines = checked(hospital, replace(hospital.settings, jobs_dir=site, jobs=("sepsis", "readmitt")))
    assert not lines["job readmitt"].holds
    assert lines["job readmitt"].found == (
        'The option jobs names it: There is no job "readmitt"; did you mean "readmit"?'
    )
    assert lines["job sepsis"].holds
    lines = checked(hospital, replace(hospital.settings, schedules=(CronEntry("sepsiss", "@daily", None),)))
    assert lines["job sepsiss"].found == (
        'The option schedules names it: There is no job "sepsiss"; did you mean "sepsis"?'
    )


@pytest.mark.parametrize(
    ("cron", "timezone", "found"),
    [
        ("*/15 * * * *", None, ", schedule */15 * * * * UTC: next "),
        ("5 6 * * *", "Europe/Vienna", ", schedule 5 6 * * * Europe/Vienna: next "),
        ("whenever", None, 'schedules: sepsis: "whenever" is not cron\'s five fields'),
        ("0 0 31 2 *", None, 'schedules: sepsis: "0 0 31 2 *" is no schedule'),
        ("@daily", "Mars/Olympus", 'schedules: sepsis: "Mars/Olympus" is no time zone'),
    ],
)
def test_a_schedule_of_the_settings_is_checked_and_changes_no_version(
    hospital: Any, cron: str, timezone: str | None, found: str
) -> None:
    version = hospital.job.version
    line = checked(hospital, replace(hospital.settings, schedules=(CronEntry("sepsis", cron, timezone),)))["job sepsis"]
    assert found in line.found
    assert line.holds == (f"version {version}" in line.found)


def test_a_bug_in_one_job_stops_no_other(hospital: Any, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(name: str, *, database: Database) -> Iterator[CheckResult]:
        assert database.settings.jobs is not None
        found = str(json.loads("[" if name == "readmit" else '"ok"'))
        yield CheckResult(name=f"job {name}", holds=True, found=found, job=name)

    monkeypatch.setattr("scorer.checks.check.check_job", look)
    lines = checked(hospital, replace(hospital.settings, jobs_dir=site, jobs=("readmit", "sepsis")))
    assert lines["job readmit"].found == "a bug: JSONDecodeError"
    assert lines["job sepsis"].holds


def test_a_bug_in_a_check_that_does_not_block_keeps_no_job_from_being_run(
    hospital: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(name: str, *, database: Database) -> str:
        raise KeyError(name)

    monkeypatch.setattr("scorer.checks.check.check_triggers", look)
    lines = checked(hospital, hospital.settings)
    assert (lines["job sepsis triggers"].found, lines["job sepsis triggers"].blocks) == ("a bug: KeyError", False)
    assert [name for name, line in lines.items() if not line.holds] == ["job sepsis triggers"]
    assert "job sepsis units" in lines, "the checks after it are made all the same"


def test_of_a_job_that_is_not_enabled_nothing_is_told_unless_the_option_names_it(hospital: Any, site: Path) -> None:
    hospital.execute("INSERT INTO scorer.job_switches (job, enabled) VALUES ('readmit', false)")
    settings = replace(hospital.settings, jobs_dir=site)
    assert not_run(hospital, settings)["readmit"] == "it is not enabled; `scorer job enable readmit` enables it"
    (site / "sql" / "readmit" / "job.toml").write_text("entity = ")
    assert {line.job for line in checked(hospital, settings).values()} == {"sepsis"}

    line = checked(hospital, replace(settings, jobs=("readmit", "sepsis")))["job readmit"]
    assert (line.holds, line.found) == (
        False,
        "The option jobs names it, but it is not enabled; `scorer job enable readmit` enables it.",
    )
    hospital.execute("INSERT INTO scorer.job_switches (job, enabled) VALUES ('sepsis', false)")
    assert checked(hospital, settings) == {}
