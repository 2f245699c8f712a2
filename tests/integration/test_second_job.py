"""Another entity, other tables, other tasks, beside the shipped job in one database: the engine knows no job."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.checks.check import check
from scorer.checks.installation import installed_jobs
from scorer.checks.result import CheckResult
from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, load_job
from scorer.registry import registration
from scorer.runs.requests import RequestAnswering

JOBS = Path(__file__).parents[1] / "jobs"
WARDS = ["ward A/12", 'o\'Neill "North"', "back\\slash", "comma,{brace}", "tab\there", "№ 7 ♥", "NULL", "%s :name"]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's own folder of jobs, with the tests' second one in it; models are written there as the tests fit them."""
    folder = tmp_path / "jobs"
    shutil.copytree(JOBS, folder)
    return folder


@pytest.fixture
def wards(hospital: Any, site: Path, make_model: Callable[..., Path]) -> Any:
    """The hospital with the tables of the second job, and a model of it in production."""
    hospital.execute((site / "sql" / "ward_load" / "tables.sql").read_text())
    hospital.settings = Settings(home=hospital.settings.home, jobs_dir=site)
    hospital.shipped, hospital.job = hospital.job, load_job("ward_load", jobs_dir=site)
    model = make_model(
        hospital.job, regression(hospital.job), version="2025.1", models=site / "models", interval=INTERVAL
    )
    assert model.exists()
    registration.install_jobs(database=Database(hospital.url, hospital.settings))
    refused = registration.grant_source(database=Database(hospital.url, hospital.settings))
    assert set(refused.values()) == {None}
    return hospital


INTERVAL = {"below": 1.5, "above": 2.5, "coverage": 0.9}


def regression(described: Job) -> Any:
    """Nurses needed = 2 + a quarter of the patients who were last counted, fitted, with an imputer for what is missing."""
    names = feature_names(described.features)
    rows = np.random.default_rng(1).uniform(0, 40, (200, len(names)))
    needed = 2 + rows[:, names.index("PATIENTS_last_stay")] / 4
    return make_pipeline(SimpleImputer(strategy="median", add_indicator=True), LinearRegression()).fit(rows, needed)


def count_patients(hospital: Any, ward: str, *counts: float | None) -> None:
    for number, count in enumerate(counts):
        hospital.execute(
            "INSERT INTO wards.counts (ward, counted_at, what, how_many) VALUES (%s, %s, 'PATIENTS', %s)",
            ward,
            hospital.noon - timedelta(hours=len(counts) - number),
            count,
        )


def open_wards(hospital: Any, *wards: str) -> None:
    for number, ward in enumerate(wards):
        hospital.execute(
            "INSERT INTO wards.wards (ward, opened_at) VALUES (%s, %s)", ward, hospital.noon - timedelta(days=1)
        )
        count_patients(hospital, ward, 20.0, 10.0 + 4 * number)


def test_wards_with_odd_names_are_scored_with_an_interval_and_banded(wards: Any) -> None:
    open_wards(wards, *WARDS)
    ended = wards.run()
    assert ended.counts.scored == ended.counts.eligible == len(WARDS)
    for number, ward in enumerate(WARDS):
        ((score, band, label, outputs, task),) = wards.rows(
            "SELECT score, risk_band, label, outputs, task FROM scorer.scores WHERE entity_id = %s AND output = 'nurses'",
            ward,
        )
        assert score == pytest.approx(2 + (10 + 4 * number) / 4)
        assert band == ("SHORT" if score > 8 else "TIGHT" if score > 5 else "ENOUGH")
        assert (label, task) == (None, "regression")
        assert outputs == {"low": score - 1.5, "high": score + 2.5, "coverage": 0.9}
    assert set(wards.statuses()) == set(WARDS)
    assert wards.one("SELECT count(*) FROM reporting.current_scores WHERE outputs ? 'low'") == len(WARDS)


def test_wards_are_unchanged_held_insufficient_and_released(wards: Any) -> None:
    open_wards(wards, *WARDS[:3])
    wards.run()
    assert wards.run(as_of=wards.noon + timedelta(minutes=1)).counts.unchanged == 3

    odd = WARDS[1]
    count_patients(wards, odd, -5.0)
    wards.execute("INSERT INTO wards.wards VALUES ('empty', %s)", wards.noon - timedelta(days=1))
    ended = wards.run(as_of=wards.noon + timedelta(minutes=2))
    assert (ended.counts.unchanged, ended.counts.quarantined, ended.counts.insufficient) == (2, 1, 1)
    assert wards.status(odd) == ("QUARANTINED", "count_possible")
    ((entity_id, rule, action, key, observed),) = wards.open_findings()
    assert (entity_id, rule, action, observed) == (odd, "count_possible", "quarantine", "PATIENTS -5.0")
    assert wards.one("SELECT how_many FROM wards.counts WHERE count_id = %s", key) == -5

    wards.execute("UPDATE wards.counts SET how_many = 5 WHERE how_many = -5")
    ended = wards.run(as_of=wards.noon + timedelta(minutes=3))
    assert (ended.counts.scored, ended.counts.unchanged, ended.counts.insufficient) == (1, 2, 1)
    assert wards.open_findings() == []
    assert wards.ledger(odd) == ["SCORED", "QUARANTINED", "SCORED"]


def test_wards_that_are_closed_for_good_or_lose_their_counts_lose_their_scores(wards: Any) -> None:
    open_wards(wards, *WARDS)
    wards.run()
    wards.execute("DELETE FROM wards.wards WHERE ward = ANY (%s)", WARDS[1:3])
    wards.execute("DELETE FROM wards.counts WHERE ward = %s", WARDS[3])
    count_patients(wards, WARDS[4], -5.0)
    wards.execute("UPDATE wards.counts SET counted_at = %s WHERE how_many = -5", wards.noon + timedelta(minutes=1))
    ended = wards.run(as_of=wards.noon + timedelta(minutes=2))
    assert (ended.counts.eligible, ended.counts.insufficient, ended.counts.quarantined) == (len(WARDS) - 2, 1, 1)
    assert set(wards.scores()) == {WARDS[0], *WARDS[4:]}
    assert dict(wards.rows("SELECT entity_id, why FROM reporting.recalls")) == {
        WARDS[1]: "gone",
        WARDS[2]: "gone",
        WARDS[3]: "withdrawn",
    }
    assert wards.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)], "the job has no columns to be emptied"


def test_what_is_missing_is_imputed_by_the_pipeline_and_values_may_be_negative(wards: Any) -> None:
    open_wards(wards, "a")
    wards.execute("UPDATE wards.counts SET what = 'BEDS'")
    assert wards.run().counts.scored == 1
    assert math.isfinite(wards.scores()["a"])


def test_both_jobs_live_in_one_database_and_neither_sees_the_other(wards: Any) -> None:
    open_wards(wards, "7", "8")
    wards.admit(7)
    wards.admit(8, age_years=-1.0)
    assert wards.run().counts.scored == 2
    ended = wards.run(wards.shipped)
    assert (ended.counts.scored, ended.counts.quarantined) == (1, 1)
    assert wards.run().counts.unchanged == 2
    standing = wards.rows("SELECT job, entity_id, status FROM reporting.current_scores ORDER BY job, entity_id")
    assert standing == [
        (wards.shipped.name, "7", "SCORED"),
        (wards.shipped.name, "8", "QUARANTINED"),
        ("ward_load", "7", "SCORED"),
        ("ward_load", "8", "SCORED"),
    ]
    assert {entity_id for entity_id, *_ in wards.open_findings()} == {"8"}
    assert wards.one("SELECT count(*) FROM reporting.quarantine WHERE job = 'ward_load'") == 0
    assert wards.rows("SELECT job, model_version FROM reporting.models WHERE status = 'production' ORDER BY job") == [
        (wards.shipped.name, wards.shipped.first_model),
        ("ward_load", "2025.1"),
    ]


def test_many_batches_and_workers_give_the_same_bits(wards: Any, make_database: Callable[[str], str]) -> None:
    open_wards(wards, *(f"{ward} {number}" for ward in WARDS for number in range(4)))
    name = wards.one("SELECT current_database()")
    wards.close()
    other = type(wards)(
        url=make_database(name),
        settings=Settings(home=wards.settings.home, jobs_dir=wards.settings.jobs_dir, batch_size=3),
        job=wards.job,
    )
    try:
        assert other.run(workers=2).counts.scored == 4 * len(WARDS)
        many = other.scores()
    finally:
        other.close()
    wards._connection = None
    wards.run()
    assert wards.scores() == many


def test_a_multiclass_job_publishes_a_label_and_every_probability(
    wards: Any, site: Path, make_model: Callable[..., Path]
) -> None:
    for kind in ("sql", "expectations"):
        shutil.copytree(site / kind / "ward_load", site / kind / "ward_mood")
    path = site / "sql" / "ward_mood" / "job.toml"
    text = path.read_text().replace('"regression"', '"multiclass"').replace('"nurses"', '"mood"')
    path.write_text(text[: text.index("[bands]")] + text[text.index("[statements]") :])
    (site / "sql" / "ward_mood" / "tables.sql").unlink()
    mood = load_job("ward_mood", jobs_dir=site)
    names = feature_names(mood.features)
    rows = np.random.default_rng(2).uniform(0, 40, (300, len(names)))
    kinds = np.array(["calm", "busy", "wild"])[np.digitize(rows[:, names.index("PATIENTS_last_stay")], [15, 28])]
    fitted = make_pipeline(SimpleImputer(), LogisticRegression(max_iter=5000)).fit(rows, kinds)
    wards.put_into_production(mood, make_model(mood, fitted, version="m1"))
    open_wards(wards, *WARDS)
    assert wards.run(mood).counts.scored == len(WARDS)
    found = wards.rows("SELECT label, score, risk_band, outputs FROM reporting.current_scores WHERE job = 'ward_mood'")
    assert {label for label, *_ in found} == {"calm", "busy", "wild"}
    for label, score, band, outputs in found:
        assert set(outputs) == {"calm", "busy", "wild"}
        assert sum(outputs.values()) == pytest.approx(1)
        assert score == outputs[label] == max(outputs.values())
        assert band is None


def test_a_name_too_long_to_be_a_key_is_one_sentence(wards: Any) -> None:
    open_wards(wards, "a")
    page = "".join(map(str, range(9000)))  # nothing that an index could compress
    wards.execute("ALTER TABLE wards.wards DROP CONSTRAINT wards_pkey")
    wards.execute("INSERT INTO wards.wards VALUES (%s, %s)", page, wards.noon - timedelta(days=1))
    with pytest.raises(UserError, match=r"^The statement due of job ward_load gives a text too long .*\.$") as raised:
        wards.run()
    assert page[:100] not in str(raised.value)
    assert wards.one("SELECT count(*) FROM scorer.runs") == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("observations.sql", "CAST(c.count_id AS text)", "c.count_id", "observation_id is .*uuid.*CAST it AS text"),
        ("observations.sql", "c.counted_at AS", "CAST(c.counted_at AS date) AS", "observation_date .* time zone"),
        ("observations.sql", "c.what AS", "c.counted_at AS", "observation_type_code .* text is expected"),
        (
            "observations.sql",
            "AS reference_range_max",
            "AS range_max",
            "does not give the column 'reference_range_max'",
        ),
        ("job.toml", "[features]", "[features]\nnumbers = ['beds']", "'beds', which job.toml names"),
    ],
)
def test_a_statement_that_gives_other_columns_is_one_sentence(
    file: str, old: str, new: str, told: str, wards: Any, site: Path
) -> None:
    path = site / "sql" / "ward_load" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    open_wards(wards, "a")
    if file == "job.toml":
        told = "trained on other features|" + told
    with pytest.raises(UserError, match=told) as raised:
        wards.run(load_job("ward_load", jobs_dir=site))
    assert "\n" not in str(raised.value)
    assert wards.statuses() == {}


def test_an_attribute_that_is_no_number_time_or_text_is_one_sentence(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("ALTER TABLE public.visits ALTER client TYPE uuid USING gen_random_uuid()")
    hospital.execute("ALTER TABLE public.patient_observations ALTER client TYPE uuid USING gen_random_uuid()")
    with pytest.raises(UserError, match=r"column client is .*uuid.* CAST it"):
        hospital.run()


# On demand


def test_wards_are_scored_on_demand_by_what_their_job_calls_due(wards: Any) -> None:
    """A job without a statement of its own for this; names of every kind reach it as they were asked for."""
    wards.noon = datetime.now(UTC)
    open_wards(wards, *WARDS)
    asked = [*WARDS, "ward Z"]
    wards.execute(
        "INSERT INTO scorer.requests (job, entity_id) SELECT 'ward_load', e FROM unnest(%s::text[]) AS e", asked
    )
    answering = RequestAnswering(database=Database(wards.url, wards.settings), jobs=[wards.shipped, wards.job])
    try:
        assert answering.answer_waiting() == len(asked)
        assert answering.answer_waiting() == 0
    finally:
        answering.close()
    found = wards.rows("SELECT entity_id, status, outcome FROM scorer.requests ORDER BY request_id")
    assert found == [*((ward, "done", "SCORED") for ward in WARDS), ("ward Z", "refused", None)]
    assert set(wards.scores()) == set(WARDS)


# A site with a job of its own, and not all that the shipped one needs


def installed(wards: Any) -> dict[str, str | None]:
    """By name, why each job is not run here; None where it is."""
    target = Database(wards.url, wards.settings).as_worker()
    with closing(ReadOnlySession(target, patience=wards.settings.connect_timeout)) as session:
        found = {each.name: each.not_run for each in installed_jobs(session, settings=wards.settings)}
    return {name: why for name, why in found.items() if why is None or not why.startswith("it is not enabled")}


def checked(wards: Any, settings: Settings) -> dict[str, CheckResult]:
    """What is checked of the jobs, by the names of the lines."""
    return {each.name: each for each in check(database=Database(wards.url, settings)) if each.job is not None}


def test_a_job_without_its_tables_is_not_run_unless_it_has_run_before(wards: Any) -> None:
    """A site with a job of its own, and no table of the shipped one."""
    wards.execute("ALTER TABLE public.visits RENAME TO visits_of_before")
    assert installed(wards) == {"sepsis": "its source table public.visits is not there", "ward_load": None}
    lines = checked(wards, wards.settings)
    assert all(line.holds for line in lines.values())
    assert lines["job sepsis"].found == "not run here: its source table public.visits is not there"
    assert not lines["job sepsis"].runs
    assert not checked(wards, replace(wards.settings, jobs=("sepsis",)))["job sepsis"].holds

    wards.execute("ALTER TABLE public.visits_of_before RENAME TO visits")
    wards.job = wards.shipped
    wards.admit(1)
    wards.run()
    wards.execute("ALTER TABLE public.visits RENAME TO visits_of_before")
    assert installed(wards) == {"sepsis": None, "ward_load": None}
    lines = checked(wards, wards.settings)
    assert "public.visits" in lines["job sepsis"].found
    assert [name for name, line in lines.items() if not line.holds] == ["job sepsis"]
    assert lines["job ward_load"].holds


def test_both_tables_are_named(wards: Any) -> None:
    wards.execute("ALTER TABLE public.visits SET SCHEMA scorer")
    wards.execute("ALTER TABLE public.patient_observations SET SCHEMA scorer")
    assert installed(wards)["sepsis"] == ("its source tables public.patient_observations, public.visits are not there")


def test_a_schema_that_the_worker_may_not_enter_is_there(wards: Any) -> None:
    wards.execute("REVOKE USAGE ON SCHEMA public FROM public, scorer_worker")
    assert installed(wards) == {"sepsis": None, "ward_load": None}
    assert not checked(wards, wards.settings)["job sepsis"].holds
