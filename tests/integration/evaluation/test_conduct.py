"""Evaluating a model on a hospital: hour by hour by what was known then, kept in the database, or refused in one sentence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.source.sample import generate, write
from scorer.errors import UserError
from scorer.evaluation.conduct import Conducted, Wanted, conduct
from scorer.evaluation.figures import Evaluation
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, Task

HOUR = timedelta(hours=1)
VISITS, SEPTIC = 24, 10
STAY, ONSET = 36, 24  # hours
CODE = "LACTATE"
HIGH, LOW = 20.0, 1.0


def looks_at(job: Job, feature: str) -> Any:
    """A model that alarms where one feature is high, and says the same of all else, a missing one included."""
    names = feature_names(job.features)
    inputs = np.zeros((400, len(names)))
    inputs[:100, names.index(feature)] = np.nan
    inputs[100:200, names.index(feature)] = LOW
    inputs[200:, names.index(feature)] = HIGH
    return HistGradientBoostingClassifier(max_iter=60, max_depth=1, min_samples_leaf=5).fit(
        inputs, np.arange(400) >= 200
    )


@pytest.fixture
def wards(hospital: Any, make_model: Callable[..., Path]) -> Any:
    """Visits of a day and a half that ended four hours before noon, the first of them with an onset after a day."""
    admitted = hospital.noon - timedelta(hours=STAY + 4)
    for visit in range(1, VISITS + 1):
        hospital.admit(
            visit,
            observations=0,
            admitted_at=admitted,
            discharged_at=admitted + STAY * HOUR,
            age_years=20.0 + 3 * visit,
        )
        for number, (code, value) in enumerate((("HR", 80.0), ("SBP", 120.0), ("TEMP", 36.8), ("RR", 16.0)) * 2):
            hospital.observe(
                visit, hours_ago=STAY + 4 - number / 4, observation_type_code=code, observation_value=value + number
            )
        onset = admitted + ONSET * HOUR if visit <= SEPTIC else None
        hospital.execute(
            "INSERT INTO outcomes (visit_id, sepsis, onset_at) VALUES (%s, %s, %s)", visit, int(visit <= SEPTIC), onset
        )
    hospital.put_into_production(
        hospital.job, make_model(hospital.job, looks_at(hospital.job, f"{CODE}_last_stay"), version="looks")
    )
    return hospital


def plant(hospital: Any, *, recorded_after_hours: float) -> None:
    """Of each visit one value, high before every onset, which the database learns so many hours after it was true."""
    for visit in range(1, VISITS + 1):
        moment = hospital.noon - timedelta(hours=STAY + 4) + (ONSET - 8) * HOUR
        hospital.observe(
            visit,
            hours_ago=(hospital.noon - moment) / HOUR,
            observation_type_code=CODE,
            observation_value=HIGH if visit <= SEPTIC else LOW,
            reference_range_min=0.5,
            reference_range_max=2,
            recorded_at=moment + recorded_after_hours * HOUR,
        )


def evaluation(hospital: Any, job: Job | None = None, **wanted: Any) -> Conducted:
    every = wanted.pop("every", HOUR)
    return conduct(
        job or hospital.job,
        Wanted(**{"every": every, "outcomes": True, **wanted}),
        database=Database(hospital.url, hospital.settings),
    )


def auroc(done: Evaluation) -> float:
    return done.whole.figures["auroc"].value


def test_what_is_recorded_after_the_onset_does_not_help(wards: Any) -> None:
    """The same values, true eight hours before onset: recorded at once they tell everything, recorded twelve hours later nothing."""
    plant(wards, recorded_after_hours=12)
    late = evaluation(wards).evaluation
    assert auroc(late) == 0.5
    wards.execute(
        "UPDATE patient_observations SET recorded_at = observation_date WHERE observation_type_code = %s", CODE
    )
    at_once = evaluation(wards).evaluation
    assert auroc(at_once) > 0.98  # all but the alarms earlier than the label begins
    alarm = at_once.alarming(at_once.whole)
    assert alarm is not None
    assert alarm.figures["lead_hours_median"].value == 8
    # From 8 h before onset on, of 12: hours -12 to -9 lose 0 + 1/6 + 2/6 + 3/6 of 17.5, as worked out in test_utility.
    assert alarm.figures["utility"].value == pytest.approx(1 - 1 / 17.5)
    assert alarm.figures["ppv"].value == pytest.approx(10 / 12)
    assert alarm.figures["entities_foreseen"].value == 1
    without = late.alarming(late.whole)
    assert without is not None
    assert without.figures["utility"].value == 0


def test_what_is_found_is_kept_for_readers_and_cannot_be_changed(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    done = evaluation(wards, command="scorer evaluate here")
    ((job, model, version, command, clients, attrition),) = wards.rows(
        "SELECT job, model_version, job_version, command, clients, attrition FROM reporting.evaluations WHERE evaluation_id = %s",
        done.evaluation_id,
    )
    assert (job, model, version, command, clients) == (
        wards.job.name,
        "looks",
        wards.job.version,
        "scorer evaluate here",
        VISITS,
    )
    assert attrition["entities"] == VISITS
    assert attrition["landmarks"] == VISITS * STAY  # the first an hour after admission
    assert attrition["entities_with_event"] == SEPTIC
    assert (
        attrition["scored"] + attrition["insufficient"] + attrition["held"] + attrition["declined"]
        == attrition["landmarks"]
    )
    ((value, low, high, few),) = wards.rows(
        "SELECT value, low, high, too_few_events FROM reporting.evaluation_figures "
        "WHERE evaluation_id = %s AND subgroup = 'everyone' AND figure = 'auroc'",
        done.evaluation_id,
    )
    kept = done.evaluation.whole.figures["auroc"]
    assert (value, low, high, few) == (kept.value, kept.low, kept.high, False)
    subgroups = {
        (attribute, subgroup)
        for attribute, subgroup in wards.rows("SELECT attribute, subgroup FROM reporting.evaluation_figures")
    }
    assert {
        ("sex", "F"),
        ("sex", "M"),
        ("unit", "MICU"),
        ("age_years", "below 45"),
        ("age_years", "80 and above"),
    } <= subgroups
    assert wards.one(
        "SELECT bool_and(too_few_events) FROM reporting.evaluation_figures WHERE subgroup = '80 and above'"
    )
    for statement in ("UPDATE scorer.evaluations SET clients = 1", "DELETE FROM scorer.evaluation_figures"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            wards.execute(f"SET ROLE scorer_worker; {statement}")
        wards.execute("RESET ROLE")


def test_as_of_times_are_those_asked_for(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    admitted = wards.noon - timedelta(hours=STAY + 4)
    first, end = admitted + 10 * HOUR, admitted + 30 * HOUR
    done = evaluation(wards, every=2 * HOUR, between=(first, end)).evaluation
    assert (done.first, done.last) == (first, end - 2 * HOUR)
    assert done.attrition["landmarks"] == VISITS * 10
    with pytest.raises(UserError, match="gave no row"):
        evaluation(wards, between=(wards.noon, None))


def test_without_outcomes_none_is_looked_at(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    wards.execute("DELETE FROM outcomes")
    done = evaluation(wards, outcomes=False).evaluation
    alarm = done.alarming(done.whole)
    assert alarm is not None
    # Twenty hours with an alarm, both ends counted 21, of 36 that count for a day's 24th each; ten of 24 visits.
    assert alarm.figures["alarms_per_entity_day"].value == pytest.approx(SEPTIC * 21 / (VISITS * STAY) * 24)
    assert alarm.figures["entities_alarmed_per_100"].value == pytest.approx(100 * SEPTIC / VISITS)
    assert "entities_with_event" not in done.attrition


def test_no_positive_class_is_one_sentence_and_nothing_is_kept(wards: Any, tmp_path: Path) -> None:
    wards.execute("UPDATE outcomes SET sepsis = 0, onset_at = NULL")
    report = tmp_path / "report.html"
    with pytest.raises(
        UserError,
        match=r"^Of the [\d,]+ landmarks of job sepsis that have a score and a known outcome none is positive",
    ):
        evaluation(wards, report=report)
    assert not report.exists()
    assert wards.one("SELECT count(*) FROM scorer.evaluations") == 0


def test_faults_of_the_outcomes_are_remarked_and_count_for_nothing(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    clean = evaluation(wards).evaluation
    wards.execute("INSERT INTO outcomes (visit_id, sepsis, onset_at) VALUES (900, 1, now()), (901, 0, NULL)")
    done = evaluation(wards).evaluation
    assert "2 outcomes are of visits that do not exist." in done.remarks
    assert done.content()["groups"] == clean.content()["groups"]
    wards.execute("UPDATE outcomes SET onset_at = NULL WHERE visit_id = 1")
    wards.execute("UPDATE outcomes SET onset_at = onset_at - interval '40 hours' WHERE visit_id = 2")
    done = evaluation(wards).evaluation
    assert "1 outcome is of sepsis without a time of onset." in done.remarks
    assert "1 outcome is of an onset before admission." in done.remarks
    assert done.attrition["entities_without_outcome"] == 1
    # Of the second, every hour is more than three after its onset: none counts.
    assert done.whole.events == SEPTIC - 2


def test_clients_that_the_model_has_seen_are_counted(wards: Any, make_model: Callable[..., Path]) -> None:
    plant(wards, recorded_after_hours=0)
    seen = sorted(hashlib.sha256(f"C{visit}".encode()).hexdigest()[:8] for visit in (1, 2, 700))
    folder = make_model(
        wards.job,
        looks_at(wards.job, f"{CODE}_last_stay"),
        version="knows",
        training={"clients_seen": seen},
        alarm_threshold=0.2,
    )
    wards.put_into_production(wards.job, folder)
    done = evaluation(wards).evaluation
    assert done.clients_seen == 2
    assert (
        f"Model knows was trained on 2 of the {VISITS} clients: these are not figures of unseen clients"
        in done.remarks[0]
    )
    assert (0.2, "the model's own") in {(each.threshold, each.name) for each in done.whole.above}
    assert evaluation(wards, model_version="looks").evaluation.clients_seen is None
    with pytest.raises(UserError, match="Model nobody of sepsis is not registered"):
        evaluation(wards, model_version="nobody")


def test_another_file_than_was_registered_is_not_unpickled(wards: Any) -> None:
    path = wards.settings.home_dir / "models" / wards.job.name / "looks" / "pipeline.joblib"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(UserError, match="is not the one that was registered"):
        evaluation(wards)


def test_subgroups_that_are_not_there_are_one_sentence(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    assert [group.attribute for group in evaluation(wards, subgroups=("sex",)).evaluation.groups] == ["", "sex", "sex"]
    assert len(evaluation(wards, subgroups=()).evaluation.groups) == 1
    with pytest.raises(
        UserError, match=r"^Subgroups of job sepsis are asked for by ward, and its attributes have no such column"
    ):
        evaluation(wards, subgroups=("ward",))


def test_a_page_that_cannot_be_written_is_one_sentence_and_nothing_is_kept(wards: Any, tmp_path: Path) -> None:
    plant(wards, recorded_after_hours=0)
    with pytest.raises(UserError, match="there is no folder"):
        evaluation(wards, report=tmp_path / "nowhere" / "report.html")
    taken = tmp_path / "taken"
    taken.mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        evaluation(wards, report=taken)
    assert wards.one("SELECT count(*) FROM scorer.evaluations") == 0
    report = tmp_path / "report.html"
    evaluation(wards, report=report)
    assert report.read_text(encoding="utf-8").count("<svg") == 6


def test_a_job_of_another_task_is_one_sentence(wards: Any) -> None:
    with pytest.raises(
        UserError,
        match=r"^Job sepsis has the task regression; evaluation is for binary jobs\.$|was trained|is for the task",
    ):
        evaluation(wards, dataclasses.replace(wards.job, task=Task.REGRESSION))


def test_the_same_cohort_has_the_same_hash_and_another_has_not(wards: Any) -> None:
    plant(wards, recorded_after_hours=0)
    one, two = (json.dumps(evaluation(wards).evaluation.content()) for _ in range(2))
    assert one == two
    wards.execute(
        "UPDATE patient_observations SET observation_value = observation_value + 1 WHERE visit_id = 3 AND observation_type_code = 'HR'"
    )
    assert json.loads(one)["cohort_sha256"] != evaluation(wards).evaluation.cohort_sha256


def test_a_generated_cohort_is_evaluated_from_the_shell(
    migrated_url: str, program: Any, tmp_path: Path, sepsis: Job
) -> None:
    """Dirt and all, from files to a page; the shipped model is in production."""
    facts = json.loads((shipped_root() / "sql" / sepsis.name / "cohort.json").read_text())
    write(generate(facts, visits=150, seed=5, first_visit=1, now=datetime.now(UTC)), tmp_path / "cohort")
    environment = {**os.environ, "SCORER_DATABASE_URL": migrated_url, "SCORER_HOME": str(tmp_path)}

    def call(*arguments: str) -> Any:
        done = program(*arguments, environment=environment)
        assert done.code == 0, done.err
        return done.out

    call("load", str(tmp_path / "cohort"))
    shown = json.loads(
        call(
            "evaluate",
            sepsis.name,
            "--as-of-every",
            "3h",
            "--outcomes",
            "--report",
            str(tmp_path / "page.html"),
            "--json",
        )
    )
    assert shown["attrition"]["held"] > 0  # the dirt
    assert shown["groups"][0]["figures"]["auroc"]["value"] > 0.5
    assert shown["command"].startswith(f"scorer evaluate {sepsis.name} --as-of-every 3h --outcomes --report ")
    assert shown["cohort_sha256"] in (tmp_path / "page.html").read_text(encoding="utf-8")
    printed = call("evaluate", sepsis.name, "--as-of-every", "6h", "--outcomes", "--subgroups", "sex")
    for words in ("AUROC", "HIGH, above 0.08", "sex: F", "Note: ", "is kept in reporting.evaluations"):
        assert words in printed
    loads = call("evaluate", sepsis.name, "--as-of-every", "6h")
    assert "AUROC" not in loads.split("subgroup")[0]
    assert "Alarms per day" in loads
    refused = program("evaluate", sepsis.name, "--as-of-every", "often", environment=environment)
    assert refused.code == 1
    assert "--as-of-every" in refused.err
