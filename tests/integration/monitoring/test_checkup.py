"""Checkups of a model in production: drift, live figures, what is due, and alerts that are logged once."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from click.testing import CliRunner
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, FunctionTransformer

from scorer.cli import main as cli
from scorer.database.connection import Database, Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session
from scorer.database.store.checkups import measure_drift
from scorer.database.store.status import list_checkups
from scorer.errors import Stopping, UserError
from scorer.jobs.features import feature_names
from scorer.log import events
from scorer.monitoring.checkup import Checkup, check_up, nightly_checkup
from scorer.registry.drift_bins import bins_of
from scorer.runs.run import dry_run
from scorer.types.arrays import Features

VISITS = 400
AUROC = {"auroc": {"value": 0.82, "low": 0.8, "high": 0.84}}


def admit(hospital: Any, first: int, *, creatinine: float = 1.0, heart_rate: bool = True, visits: int = VISITS) -> None:
    """Visits with vital signs and a laboratory value, all of them drawn from the same distributions, in two statements."""
    hospital.execute("SELECT setseed(%s)", (first % 997) / 997)
    hospital.execute(
        "INSERT INTO public.visits (visit_id, client, admitted_at, age_years, sex, unit, hours_before_icu) "
        "SELECT v, 'C' || v, %s, 30 + 60 * random(), 'F', 'MICU', 3 FROM generate_series(%s, %s) AS v",
        hospital.noon - timedelta(hours=10),
        first,
        first + visits - 1,
    )
    hospital.execute(
        "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, "
        "recorded_at) SELECT v, 'C' || v, at, code, low + width * random(), at FROM generate_series(%s, %s) AS v "
        "CROSS JOIN (VALUES ('HR', 60, 40), ('HR', 60, 40), ('SBP', 100, 40), ('TEMP', 36, 2), ('RR', 12, 8), ('MAP', 70, 20), "
        "('CREATININE', 0.5 * %s, 1.0 * %s)) AS c (code, low, width) "
        "CROSS JOIN LATERAL (SELECT %s - (1 + 8 * random() + 0 * v) * INTERVAL '1 hour') AS t (at) WHERE %s OR code <> 'HR'",
        first,
        first + visits - 1,
        creatinine,
        creatinine,
        hospital.noon,
        heart_rate,
    )


def by_age(job: Any) -> Any:
    """A model of age alone."""
    names = list(feature_names(job.features))
    rows = np.full((100, len(names)), np.nan)
    rows[:, names.index("age_years")] = np.linspace(30, 90, 100)
    pick = FunctionTransformer(np.take, kw_args={"indices": [names.index("age_years")], "axis": 1})
    return make_pipeline(pick, LogisticRegression()).fit(rows, np.arange(100) > 50)


def ledger_baseline(hospital: Any) -> dict[str, Any]:
    """The baseline of all that the ledger holds."""
    rows = hospital.rows("SELECT features, score FROM scorer.scores WHERE status = 'SCORED' ORDER BY score_id")
    names = feature_names(hospital.job.features)
    vectors = np.frombuffer(b"".join(bytes(row[0]) for row in rows), dtype="<f8").reshape(len(rows), len(names))
    return bins_of(Features(names=names, values=vectors), np.array([row[1] for row in rows]))


@pytest.fixture(scope="module")
def first() -> dict[str, Any]:
    """The name of the database and the folder of models that the first test of `watched` has made, for the others to copy."""
    return {}


@pytest.fixture
def migrated_url(
    request: pytest.FixtureRequest, make_database: Callable[[str], str], template: str, first: dict[str, Any]
) -> str:
    """A database of its own; for `watched` a copy of the one that was made before."""
    return make_database(first["database"] if first and "watched" in request.fixturenames else template)


@pytest.fixture
def watched(
    hospital: Any,
    make_model: Callable[..., Path],
    make_database: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
    first: dict[str, Any],
) -> Any:
    """A hospital whose model has the baseline of its own first visits, which came before it went into production."""
    models = hospital.settings.home / "models"
    if first:
        shutil.copytree(first["models"], models)
        return hospital
    make_watched(hospital, make_model)
    first["models"] = shutil.copytree(models, tmp_path_factory.mktemp("watched") / "models")
    first["database"] = hospital.one("SELECT current_database()")
    hospital.close()
    hospital.url, hospital._connection = make_database(first["database"]), None
    return hospital


def make_watched(hospital: Any, make_model: Callable[..., Path]) -> None:
    admit(hospital, 1, visits=2 * VISITS)
    hospital.put_into_production(hospital.job, make_model(hospital.job, by_age(hospital.job), version="first"))
    hospital.run()
    content = ledger_baseline(hospital)
    created = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    model = make_model(
        hospital.job, by_age(hospital.job), version="watched", baseline=content, metrics=AUROC, created_at=created
    )
    hospital.put_into_production(hospital.job, model)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """A database that no test changes."""
    return make_database(template)


def look(hospital: Any, job: Any = None) -> Checkup:
    return check_up(job or hospital.job, database=Database(hospital.url, hospital.settings))


def score_only(hospital: Any, first: int, **arguments: Any) -> None:
    """Visits of their own run: those before them have ended, and are scored no more."""
    hospital.execute("UPDATE public.visits SET discharged_at = %s", hospital.noon - timedelta(hours=1))
    hospital.run()
    hospital.execute("DELETE FROM scorer.feature_counts")
    admit(hospital, first, **arguments)
    hospital.run()


def due(hospital: Any) -> dict[str, tuple[bool, str | None]]:
    rows = hospital.rows("SELECT reason, due, since IS NOT NULL, detail FROM reporting.retrain_due")
    assert all(is_due == has_since for _, is_due, has_since, _ in rows)
    return {reason: (is_due, detail) for reason, is_due, _, detail in rows}


# The index


def psi(hospital: Any, shares: list[float], counts: list[int]) -> float | None:
    value: float | None = hospital.one("SELECT scorer.psi(%s::double precision[], %s::bigint[])", shares, counts)
    return value


def test_the_index_by_hand(hospital: Any) -> None:
    assert psi(hospital, [0.5, 0.5], [10, 10]) == pytest.approx(0)
    expected = (0.75 - 0.5) * math.log(0.75 / 0.5) + (0.25 - 0.5) * math.log(0.25 / 0.5)
    assert psi(hospital, [0.5, 0.5], [30, 10]) == pytest.approx(expected, rel=1e-12)
    # An empty bin counts as a ten-thousandth, on either side.
    expected = (1 - 0.5) * math.log(1 / 0.5) + (0.0001 - 0.5) * math.log(0.0001 / 0.5)
    assert psi(hospital, [0.5, 0.5], [7, 0]) == pytest.approx(expected, rel=1e-12)
    assert psi(hospital, [1.0, 0.0], [7, 0]) == pytest.approx(0)
    assert psi(hospital, [1.0, 0.0], [0, 0]) is None


def test_of_like_rows_the_index_is_as_small_as_chance_makes_it(hospital: Any) -> None:
    """Of a thousand draws of 300 rows from ten bins, one or two exceed 0.1 (Yurdakul: chi-square of 9, by 1/300)."""
    random = np.random.default_rng(11)
    drawn = random.multinomial(300, [0.1] * 10, size=1000)
    found = np.array(
        [
            row[0]
            for row in hospital.rows(
                "SELECT scorer.psi(%s::double precision[], ARRAY(SELECT jsonb_array_elements_text(each)::bigint)) "
                "FROM jsonb_array_elements(%s::jsonb) AS each",
                [0.1] * 10,
                json.dumps(drawn.tolist()),
            )
        ]
    )
    assert found.mean() == pytest.approx(9 / 300, rel=0.1)
    assert (found >= 0.1).sum() <= 5
    assert not (found >= 0.25).any()


# Drift


def test_like_patients_are_no_drift(watched: Any) -> None:
    score_only(watched, 10_001)
    found = look(watched)
    assert found.drift.found is False
    assert found.drift.scores == VISITS
    assert not found.drift.moved
    rows = watched.rows("SELECT verdict, count(*) FROM reporting.drift GROUP BY verdict")
    assert dict(rows).keys() <= {"stable", "moderate"}
    assert dict(rows)["stable"] > 130
    assert due(watched)["drift"] == (False, None)
    assert watched.one("SELECT drift_detected FROM reporting.model_health WHERE model_version = 'watched'") is False


def test_a_laboratory_that_changes_its_unit_is_drift(watched: Any) -> None:
    score_only(watched, 20_001, creatinine=4)
    found = look(watched)
    assert found.drift.found is True
    assert {each.feature for each in found.drift.moved} == {"CREATININE_last_stay"}
    assert watched.rows("SELECT feature FROM reporting.drift WHERE verdict = 'major' ORDER BY 1") == [
        ("CREATININE_last_stay",),
    ]
    is_due, detail = due(watched)["drift"]
    assert is_due
    assert "1 of 138 features moved" in str(detail)
    assert watched.one("SELECT drift_detected FROM reporting.model_health WHERE model_version = 'watched'") is True


def test_a_feed_that_falls_silent_is_drift_and_missing(watched: Any) -> None:
    score_only(watched, 30_001, heart_rate=False)
    missing = watched.rows(
        "SELECT missing, baseline_missing, verdict FROM reporting.drift WHERE feature = 'HR_last_stay'"
    )
    assert missing == [(1.0, 0.0, "major")]
    assert look(watched).drift.found is True


def test_the_view_and_the_checkup_agree(watched: Any) -> None:
    score_only(watched, 40_001, creatinine=2)
    with (
        closing(Session(Target.of(watched.url, watched.settings, role="scorer_worker"))) as session,
        session.transaction(),
    ):
        since = datetime.now(UTC) - timedelta(days=1)
        measured = measure_drift(session, watched.job.name, model_version="watched", since=since)
    assert {each.feature: (each.psi, each.missing) for each in measured} == {
        feature: (value, missing)
        for feature, value, missing in watched.rows("SELECT feature, psi, missing FROM reporting.drift")
    }


def test_too_few_scores_are_no_finding_and_leave_what_was_found(watched: Any) -> None:
    score_only(watched, 20_001, creatinine=4)
    assert look(watched).drift.found is True
    score_only(watched, 25_001, visits=20)
    assert look(watched).drift.found is None
    assert due(watched)["drift"][0] is True
    assert watched.one("SELECT count(*) FROM reporting.drift WHERE verdict <> 'too few rows'") == 0


def test_a_model_without_a_baseline_is_counted_nowhere(hospital: Any, make_model: Callable[..., Path]) -> None:
    admit(hospital, 1, visits=40)
    hospital.put_into_production(hospital.job, make_model(hospital.job, by_age(hospital.job), version="without"))
    hospital.run()
    assert hospital.one("SELECT count(*) FROM scorer.feature_counts") == 0
    assert look(hospital).drift.found is None
    assert hospital.one("SELECT drift_detected FROM reporting.model_health WHERE model_version = 'without'") is None


def test_counts_are_those_of_the_ledger_and_scores_do_not_change(watched: Any, make_model: Callable[..., Path]) -> None:
    score_only(watched, 50_001, visits=60)
    (counts,), *others = watched.rows("SELECT counts FROM scorer.feature_counts")
    assert not others
    table = np.array(counts).reshape(-1, 11)
    assert (table.sum(axis=1) == 60).all()
    with_counts = watched.rows(
        "SELECT entity_id, score, features FROM scorer.scores WHERE model_version = 'watched' AND entity_id::int > 50000 ORDER BY 1"
    )
    watched.put_into_production(watched.job, make_model(watched.job, by_age(watched.job), version="without"))
    watched.run()
    assert len(with_counts) == 60
    assert with_counts == watched.rows(
        "SELECT entity_id, score, features FROM scorer.scores WHERE model_version = 'without' AND entity_id::int > 50000 ORDER BY 1"
    )


def test_a_dry_run_counts_nothing(watched: Any) -> None:
    admit(watched, 60_001, visits=10)
    dry_run(watched.job, database=Database(watched.url, watched.settings), as_of=watched.noon)
    assert watched.one("SELECT count(*) FROM scorer.feature_counts") == 0


# New observation types, constant scores, age, live figures


def past_the_registry(hospital: Any, change: str) -> None:
    """Change registered models without all that the registry asks for."""
    hospital.execute(
        "BEGIN; ALTER TABLE scorer.model_versions DISABLE TRIGGER USER; "
        f"UPDATE scorer.model_versions {change}; ALTER TABLE scorer.model_versions ENABLE TRIGGER USER; COMMIT"
    )


def settle(hospital: Any) -> None:
    """The model in production, and what ran up to here, are three weeks old."""
    past_the_registry(hospital, "SET promoted_at = now() - INTERVAL '21 days' WHERE status = 'production'")
    hospital.execute(
        "BEGIN; ALTER TABLE scorer.runs DISABLE TRIGGER USER; "
        "UPDATE scorer.runs SET started_at = started_at - INTERVAL '21 days'; ALTER TABLE scorer.runs ENABLE TRIGGER USER; COMMIT"
    )


def test_a_new_observation_type_makes_retraining_due(watched: Any) -> None:
    for visit in range(1, 6):
        for _ in range(30):
            watched.observe(visit, observation_type_code="OLD_ASSAY")
    watched.run()
    settle(watched)
    assert not look(watched).new_codes
    for visit in range(1, 6):
        for _ in range(30):
            watched.observe(visit, observation_type_code="OLD_ASSAY")
            watched.observe(visit, observation_type_code="NEW_ASSAY")
        watched.observe(visit, observation_type_code="RARE")
    watched.run()
    assert look(watched).new_codes == {"NEW_ASSAY": 150}
    assert due(watched)["new observation types"] == (True, "1 types, 150 rows")


def test_a_constant_score_is_found(
    hospital: Any, changed_job: Callable[..., Any], make_model: Callable[..., Path]
) -> None:
    job = changed_job(suites={"scores": list.clear})
    width = len(feature_names(job.features))
    estimator = DummyClassifier(strategy="prior").fit(np.zeros((2, width)), [0, 1])
    hospital.put_into_production(job, make_model(job, estimator, version="half"))
    admit(hospital, 1, visits=29)
    hospital.run(job)
    assert look(hospital, job).constant_share is None
    admit(hospital, 1001, visits=40)
    hospital.run(job)
    assert look(hospital, job).constant_share == 1.0
    assert hospital.rows("SELECT kind FROM reporting.alerts WHERE ended_at IS NULL") == [("constant score",)]


def test_scores_that_differ_are_not_constant(watched: Any) -> None:
    score_only(watched, 70_001, visits=50)
    found = look(watched)
    assert found.constant_share is not None
    assert found.constant_share < 0.1


def test_the_commonest_of_two_scores_counts(hospital: Any, make_model: Callable[..., Path]) -> None:
    names = list(feature_names(hospital.job.features))
    rows = np.zeros((100, len(names)))
    rows[:, names.index("age_years")] = np.linspace(30, 90, 100)
    pick = FunctionTransformer(np.take, kw_args={"indices": [names.index("age_years")], "axis": 1})
    model = make_pipeline(pick, Binarizer(threshold=45.0), LogisticRegression())
    model.fit(rows, np.arange(100) > 50)
    hospital.put_into_production(hospital.job, make_model(hospital.job, model, version="two"))
    admit(hospital, 1, visits=60)
    hospital.run()
    scores = Counter(hospital.scores().values())
    assert len(scores) == 2
    assert look(hospital).constant_share == max(scores.values()) / 60 > 0.5


def test_a_model_grows_old(hospital: Any, make_model: Callable[..., Path]) -> None:
    estimator = by_age(hospital.job)
    created = datetime.now(UTC) - timedelta(days=90)
    hospital.put_into_production(
        hospital.job, make_model(hospital.job, estimator, version="young", created_at=created.isoformat())
    )
    assert due(hospital)["age"][0] is False
    old = (created - timedelta(days=2)).isoformat()
    hospital.put_into_production(hospital.job, make_model(hospital.job, estimator, version="old", created_at=old))
    assert due(hospital)["age"][0] is True  # with no checkup at all
    look(hospital)
    assert hospital.rows("SELECT kind, detail FROM reporting.alerts") == [("age", "92 days old, due from 91 on")]


def test_a_job_says_itself_when_a_model_is_old(hospital: Any, changed_job: Callable[..., Any]) -> None:
    job = changed_job(("job.toml", 'retrain_after = "91 days"', 'retrain_after = "1 s"'))
    look(hospital, job)
    assert due(hospital)["age"][0] is True


def outcomes(hospital: Any, *, above: bool) -> None:
    """The event follows the scores above their median, or those below."""
    hospital.execute(
        "INSERT INTO public.outcomes (visit_id, sepsis, onset_at) "
        "SELECT c.entity_id::bigint, x.event::int, CASE WHEN x.event THEN %s END "
        "FROM scorer.current_scores AS c CROSS JOIN LATERAL (SELECT (c.score > (SELECT percentile_cont(0.5) WITHIN GROUP "
        "(ORDER BY score) FROM scorer.current_scores)) = %s AND random() < 0.9 AS event) AS x",
        hospital.noon,
        above,
    )


def test_live_figures_once_outcomes_are_known(watched: Any) -> None:
    score_only(watched, 80_001)
    assert look(watched).performance.rows == 0
    outcomes(watched, above=True)
    found = look(watched).performance
    assert found.lost is False
    assert found.rows >= VISITS
    figures = {
        metric: (value, expected)
        for metric, value, expected in watched.rows("SELECT metric, value, expected FROM reporting.live_performance")
    }
    assert figures["auroc"][0] > 0.75
    assert figures["auroc"][1] == 0.82
    assert figures["calibration_slope"][1] is None


def test_scores_that_predict_nothing_make_retraining_due(watched: Any) -> None:
    score_only(watched, 80_001)
    outcomes(watched, above=False)
    assert look(watched).performance.lost is True
    is_due, detail = due(watched)["performance"]
    assert is_due
    assert str(detail).startswith("AUROC 0.")


def test_an_outcome_counts_once_its_horizon_has_passed(watched: Any) -> None:
    watched.noon = datetime.now(UTC) - timedelta(hours=1)
    admit(watched, 90_001, visits=40)
    watched.run()
    watched.execute("INSERT INTO public.outcomes SELECT v, 0, NULL FROM generate_series(90001, 90040) AS v")
    assert look(watched).performance.rows == 0


@pytest.mark.parametrize(("hours", "counts"), [(3, True), (4, False)])
def test_hours_long_after_the_event_do_not_count(watched: Any, hours: int, counts: bool) -> None:
    """As in training, which leaves them out."""
    score_only(watched, 95_001, visits=40)
    onset = watched.one("SELECT max(as_of) FROM scorer.current_scores") - timedelta(hours=hours)
    watched.execute(
        "INSERT INTO public.outcomes SELECT entity_id::bigint, 1, %s FROM scorer.current_scores "
        "WHERE entity_id::bigint BETWEEN 95001 AND 95040",
        onset,
    )
    assert look(watched).performance.rows == (40 if counts else 0)


# Alerts


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Gives the sentences about models that were logged since the last call."""
    caplog.set_level(logging.INFO)
    ours = {
        event.sentence
        for event in (
            events.DRIFT_FOUND,
            events.PERFORMANCE_LOST,
            events.NEW_CODES,
            events.MODEL_OLD,
            events.ALERT_ENDED,
        )
    }

    def since() -> list[str]:
        found = [record.getMessage() for record in caplog.records if record.getMessage() in ours]
        caplog.clear()
        return found

    return since


def night(hospital: Any) -> None:
    nightly_checkup(hospital.job, Database(hospital.url, hospital.settings), lambda: False)


def test_an_alert_is_logged_once_until_it_ended_and_came_back(watched: Any, logged: Callable[[], list[str]]) -> None:
    score_only(watched, 20_001, creatinine=4)
    look(watched)
    assert logged() == []  # by hand, what is found is only shown
    night(watched)
    assert logged() == [events.DRIFT_FOUND.sentence]
    night(watched)
    look(watched)
    night(watched)
    assert logged() == []
    score_only(watched, 100_001)
    night(watched)
    assert logged() == [events.ALERT_ENDED.sentence]
    score_only(watched, 120_001, creatinine=4)
    night(watched)
    assert logged() == [events.DRIFT_FOUND.sentence]
    assert watched.rows("SELECT told_at IS NOT NULL, ended_at IS NOT NULL FROM reporting.alerts ORDER BY since") == [
        (True, True),
        (True, False),
    ]


def test_another_model_ends_the_alerts_of_the_one_before(
    watched: Any, logged: Callable[[], list[str]], make_model: Callable[..., Path]
) -> None:
    score_only(watched, 20_001, creatinine=4)
    night(watched)
    logged()
    watched.put_into_production(watched.job, make_model(watched.job, by_age(watched.job), version="next"))
    assert due(watched)["drift"][0] is False
    night(watched)
    assert logged() == [events.ALERT_ENDED.sentence]


def test_a_change_of_units_is_told_from_twenty_visits_on_and_until_it_has_ended(
    watched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    score_only(watched, 20_001, visits=9, creatinine=10)
    night(watched)
    assert watched.rows("SELECT kind FROM reporting.alerts") == []
    score_only(watched, 30_001, visits=20, creatinine=10)
    (found,) = look(watched).units
    assert found.startswith("CREATININE lies ")
    assert found.endswith(" times as high as in training")
    night(watched)
    night(watched)
    assert [each.getMessage() for each in caplog.records].count(events.UNITS_MOVED.sentence) == 1
    ((kind, detail),) = watched.rows("SELECT kind, detail FROM reporting.alerts WHERE ended_at IS NULL")
    assert kind == "units"
    assert str(detail).startswith("CREATININE lies ")
    score_only(watched, 40_001, visits=40)
    night(watched)
    assert watched.rows("SELECT kind FROM reporting.alerts WHERE ended_at IS NULL") == []


def test_a_checkup_stops_where_it_is_asked_to_and_keeps_nothing(watched: Any) -> None:
    with pytest.raises(Stopping):
        nightly_checkup(watched.job, Database(watched.url, watched.settings), lambda: True)
    assert watched.one("SELECT count(*) FROM scorer.checkups") == 0


def test_counts_are_pruned(watched: Any) -> None:
    score_only(watched, 130_001, visits=10)
    watched.execute("UPDATE scorer.feature_counts SET counted_at = now() - INTERVAL '91 days'")
    night(watched)
    assert watched.one("SELECT count(*) FROM scorer.feature_counts") == 0


def test_the_metrics_have_the_newest_checkup(watched: Any) -> None:
    score_only(watched, 20_001, creatinine=4)
    target = Target.of(watched.url, watched.settings, role="scorer_worker")
    with closing(ReadOnlySession(target, patience=timedelta(seconds=5))) as session:
        (before,) = list_checkups(session)
        assert (before.worst_psi, before.score_psi, before.live, before.due) == (None, None, None, False)
        outcomes(watched, above=True)
        look(watched)
        (after,) = list_checkups(session)
    assert after.due
    assert after.worst_psi is not None
    assert after.worst_psi > 0.25
    assert after.live is not None
    assert after.live["auroc"] == watched.one("SELECT value FROM reporting.live_performance WHERE metric = 'auroc'")
    assert after.own == before.own == {"auroc": AUROC["auroc"]["value"]}


# Reports, roles, the command


def test_the_health_of_models(watched: Any) -> None:
    score_only(watched, 140_001, visits=40)
    health = watched.rows(
        "SELECT job, model_version, status, deployed_at IS NOT NULL, prediction_count, avg_latency_ms, error_rate, drift_detected, "
        "last_prediction_at IS NOT NULL FROM reporting.model_health ORDER BY deployed_at"
    )
    assert [row[1:3] for row in health] == [
        ("2026.11.29", "archived"),
        ("first", "archived"),
        ("watched", "production"),
    ]
    shipped, first, now = health
    assert shipped[4:] == (0, None, None, None, False)
    assert first[4] == 2 * VISITS
    assert now[4] == watched.one(
        "SELECT count(*) FROM scorer.scores WHERE model_version = 'watched' AND status = 'SCORED'"
    )
    assert 0 < now[5] < 1000
    assert now[6] == 0
    assert now[8]


def test_a_model_adopted_in_the_midst_of_a_run_has_its_own_scores(watched: Any) -> None:
    """The run stays the one's that it began with; each batch is whose it is."""
    score_only(watched, 140_001, visits=40)
    watched.execute("UPDATE scorer.runs SET model_version = 'first'")
    health = dict(watched.rows("SELECT model_version, prediction_count FROM reporting.model_health"))
    assert health["first"] == 2 * VISITS
    assert health["watched"] == watched.one("SELECT count(*) FROM scorer.scores WHERE model_version = 'watched'")
    assert health["watched"] > 0


def test_errors_are_counted(watched: Any) -> None:
    score_only(watched, 140_001, visits=40)
    watched.execute(
        "UPDATE scorer.runs SET status = 'failed', error = 'a test', scored = scored - 10 "
        "WHERE run_id = (SELECT max(run_id) FROM scorer.runs)"
    )
    total = watched.one("SELECT sum(eligible) FROM scorer.runs WHERE model_version = 'watched'")
    rate = watched.one("SELECT error_rate FROM reporting.model_health WHERE status = 'production'")
    assert rate == pytest.approx(10 / float(total))


@pytest.mark.parametrize("view", ["drift", "checkups", "live_performance", "alerts", "model_health", "retrain_due"])
def test_a_reader_reads_the_reports_and_nothing_behind_them(url: str, view: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_reader")
        cursor.execute(f"SELECT * FROM reporting.{view}")
    for table in ("feature_counts", "checkups", "live_performance", "alerts", "chores", "baselines"):
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SET ROLE scorer_reader")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(f"SELECT * FROM scorer.{table}")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE scorer.checkups SET drifted = false",
        "DELETE FROM scorer.checkups",
        "DELETE FROM scorer.alerts",
        "UPDATE scorer.alerts SET since = now()",
        "UPDATE scorer.feature_counts SET counts = '{}'",
        "DELETE FROM scorer.live_performance",
        "INSERT INTO scorer.checkups (job, checked_by) VALUES ('a', 'somebody else')",
    ],
)
def test_a_worker_changes_nothing_that_was_found(url: str, sql: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_worker")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(sql)


def test_the_command(watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    score_only(watched, 20_001, creatinine=4)
    monkeypatch.setenv("SCORER_DATABASE_URL", watched.url)
    ran = CliRunner().invoke(cli.cli, ["monitor", "sepsis"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "Drift: yes; 1 of " in ran.stdout
    assert "CREATININE_last_stay" in ran.stdout
    assert "New observation types: none." in ran.stdout
    shown = json.loads(CliRunner().invoke(cli.cli, ["monitor", "sepsis", "--json"], catch_exceptions=False).stdout)
    assert shown["drift"]["found"] is True
    assert shown["drift"]["features_moved"] == 1
    assert {each["reason"]: each["due"] for each in shown["retrain_due"]} == {
        "drift": True,
        "age": False,
        "performance": False,
        "new observation types": False,
    }


def test_a_job_without_a_model_is_one_sentence(hospital: Any) -> None:
    past_the_registry(hospital, "SET status = 'archived'")
    with pytest.raises(UserError, match="no model in production to look at"):
        look(hospital)
    night(hospital)  # at night, there is nothing to say of it
