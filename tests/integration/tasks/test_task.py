"""Each task from tables to a governed model: trained, promoted, run, replayed, explained, evaluated, watched, searched."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np
import psycopg2
import pytest
from click.testing import CliRunner

from scorer.cli.evaluate import evaluate, monitor
from scorer.cli.models import models
from scorer.cli.train import optimize, train
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session
from scorer.database.store.models import list_pairs, move_model, start_challenge
from scorer.database.store.status import list_checkups
from scorer.errors import UserError
from scorer.evaluation.conduct import Wanted, conduct
from scorer.governance.comparison import agreement, migration
from scorer.governance.explain import explain
from scorer.governance.known_outcomes import on_outcomes
from scorer.governance.promotion import band_order
from scorer.governance.replay import replay
from scorer.jobs.job import Task
from scorer.jobs.training import Configuration, SplitBy
from scorer.jobs.training import Target as TrainingTarget
from scorer.monitoring.checkup import check_up
from scorer.training.search.conduct import SearchOptions, search
from scorer.training.search.report import write_findings

PUBLISHED = {"binary": {"conformal", "unlike"}, "multiclass": {"lost", "loyal", "new", "conformal", "unlike"}}
PUBLISHED["regression"] = {"low", "high", "coverage", "unlike"}
FIGURE = {"binary": "brier", "multiclass": "log_loss", "regression": "mae"}


@pytest.mark.parametrize("task", list(Task))
def test_a_job_of_each_task_goes_all_the_way(shop: Any, task: Task, tmp_path: Path) -> None:
    job = shop.job(task)
    trained = shop.train(job)
    naive = trained.manifest["naive"]
    assert naive["beaten"], naive
    assert naive["decisive"] == FIGURE[task.value]
    promoted = shop.promote(job)
    assert promoted.verified.golden == 20
    assert promoted.migration.entities == 90

    assert shop.run(job).counts.scored == 90
    rows = shop.hospital.rows("SELECT score_id, entity_id, score, label, risk_band, outputs FROM scorer.scores")
    for _, _, score, label, band, outputs in rows:
        assert set(outputs) == PUBLISHED[task.value]
        if task is Task.MULTICLASS:
            shares = {name: outputs[name] for name in ("lost", "loyal", "new")}
            assert sum(shares.values()) == pytest.approx(1.0)
            assert label == max(shares, key=lambda name: shares[name])
            assert band == ("HIGH" if shares["loyal"] > 0.5 else "LOW")
            assert label in outputs["conformal"]
        if task is Task.REGRESSION:
            assert outputs["low"] <= score <= outputs["high"]
            assert outputs["coverage"] == 0.9
            assert band == ("HIGH" if score > 12 else "LOW")
    assert {band for *_, band, _ in rows} == {"HIGH", "LOW"}

    replayed = replay([row[0] for row in rows[:10]], database=shop.database)
    assert {each.verdict.value for each in replayed} == {"IDENTICAL"}
    high = next(row for row in rows if row[4] == "HIGH")
    told = explain(job, high[1], database=shop.database)
    assert told.stored
    assert told.reasons
    total = sum(each.contribution for each in told.reasons)
    if task is Task.BINARY:
        assert total == pytest.approx(np.log(high[2] / (1 - high[2])))
    elif task is Task.MULTICLASS:
        logs = {name: np.log(high[5][name]) for name in ("lost", "loyal", "new")}
        assert total == pytest.approx(logs[high[3]] - np.mean(list(logs.values())))
    else:
        assert total == pytest.approx(high[2])
    low = next(row for row in rows if row[4] == "LOW")
    assert not explain(job, low[1], database=shop.database).stored

    wanted = Wanted(every=timedelta(days=7), outcomes=True, report=tmp_path / "page.html", command="a test")
    with pytest.raises(UserError, match="has no parameter"):
        conduct(job, wanted, database=shop.database)


@pytest.mark.parametrize("task", list(Task))
def test_a_job_of_each_task_is_judged_and_watched(
    shop: Any, task: Task, shopped: Callable[..., Any], tmp_path: Path
) -> None:
    job = shopped(shop, task)
    landmarks = 'first_landmark = "1 week"\nlandmark_step = "1 week"\n'
    job = shop.job(task, rest=f"[parameters]\n{landmarks}")
    wanted = Wanted(every=timedelta(days=7), outcomes=True, report=tmp_path / "page.html", command="a test")
    done = conduct(job, wanted, database=shop.database).evaluation
    whole = done.whole
    assert whole.figures[FIGURE[task.value]].value > 0
    assert done.naive is not None
    assert done.naive.beaten
    assert {"sensitivity", "ppv", "alarms_per_entity_day"} <= set(whole.above[0].figures)
    page = (tmp_path / "page.html").read_text()
    assert "The model beats the naive forecast" in page
    assert page.count("<svg") >= 3
    kept = "SELECT count(*) FROM reporting.evaluation_figures WHERE figure = %s AND value IS NOT NULL"
    assert shop.hospital.one(kept, FIGURE[task.value]) == 1

    found = check_up(job, database=shop.database)
    assert found.performance.rows == 90
    assert found.performance.lost is False, found.performance.detail
    assert found.drift.found is not None
    live = shop.hospital.one("SELECT expected FROM reporting.live_performance WHERE metric = %s", FIGURE[task.value])
    assert live is not None
    with closing(
        ReadOnlySession(
            Target.of(shop.hospital.url, shop.settings, role="scorer_worker"), patience=timedelta(seconds=5)
        )
    ) as session:
        (checked,) = (each for each in list_checkups(session) if each.job == job.name)
    figures = "SELECT metric, value FROM reporting.live_performance WHERE value IS NOT NULL"
    assert checked.live == dict(shop.hospital.rows(figures))
    assert FIGURE[task.value] in checked.live
    assert shop.hospital.one("SELECT count(*) FROM reporting.retrain_due WHERE job = %s", job.name) > 0

    compared = on_outcomes(job, ("v1",), database=shop.database)
    assert compared["models"]["v1"]["metrics"][FIGURE[task.value]]["value"] == pytest.approx(
        whole.figures[FIGURE[task.value]].value
    )


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_a_challenger_scores_beside_and_is_compared(shop: Any, task: Task, shopped: Callable[..., Any]) -> None:
    job = shopped(shop, task)
    shop.train(job, version="v2", seed=5)
    with closing(Session(shop.database.as_login())) as store, store.transaction():
        move_model(store, job.name, model_version="v2", status="staging", why="a test")
        start_challenge(store, job.name, model_version="v2", why="a test")
    shop.hospital.execute("UPDATE shop.events SET amount = amount + 0.25 WHERE what = 'SPENT'")
    shop.run(job, as_of=shop.hospital.noon + timedelta(hours=1))
    rows = shop.hospital.rows("SELECT score, outputs, label FROM scorer.scores WHERE shadow AND status = 'SCORED'")
    assert len(rows) == 90
    assert set(rows[0][1]) == PUBLISHED[task.value]
    with closing(Session(shop.database.as_worker())) as store, store.transaction():
        clock = shop.hospital.one("SELECT now()")
        since = timedelta(days=1)
        pairs = list_pairs(store, job, one="v1", other="v2", since=since, now=clock, limit=None)
    assert len(pairs) == 90
    assert migration(pairs, bands=band_order(job)).entities == 90
    assert agreement(pairs)["rank_correlation"] > 0.5


@pytest.mark.parametrize("task", list(Task))
def test_the_features_of_a_version_are_told_to_readers(shop: Any, task: Task) -> None:
    job = shop.job(task)
    trained = shop.train(job)
    shop.train(job, version="forest", configuration=Configuration.EXTRA_TREES, parameters={"trees": 5})
    told = (
        "SELECT feature, meaning, unit, feature_group, code, statistic, feature_window, min, max, mean, sd, null_rate, "
        "importance, importance_rank FROM reporting.features WHERE job = %s AND model_version = %s ORDER BY importance_rank"
    )
    with closing(psycopg2.connect(shop.hospital.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_reader")
        cursor.execute(told, (job.name, "v1"))
        rows = cursor.fetchall()
        cursor.execute(told, (job.name, "forest"))
        of_forest = cursor.fetchall()
    assert [row[-1] for row in rows] == [1, 2, 3, 4]
    by_name = {row[0]: row for row in rows}
    assert set(by_name) == {"SPENT_last_stay", "SPENT_mean_stay", "VISITS_last_stay", "VISITS_mean_stay"}
    assert rows[0][0] == "SPENT_last_stay", "outcomes are made of what was spent last"
    assert by_name["SPENT_last_stay"][1:7] == ("last SPENT of all that is known", "EUR", "all", "SPENT", "last", "stay")
    # The label needs no figure of its own: what was spent before each outcome is what the events say.
    spent = (
        "SELECT min(e.amount), max(e.amount), avg(e.amount), stddev(e.amount) FROM shop.events AS e JOIN shop.outcomes AS o "
        "ON o.customer = e.customer AND o.as_of = e.at + INTERVAL '1 hour' WHERE e.what = 'SPENT'"
    )
    assert by_name["SPENT_last_stay"][7:11] == pytest.approx(shop.hospital.rows(spent)[0], rel=1e-5)
    assert {row[11] for row in rows} == {0.0}
    assert {row[0]: row[12] for row in rows} == trained.manifest["importances"]
    assert {row[-2:] for row in of_forest} == {(None, None)}
    assert sorted(row[:12] for row in of_forest) == sorted(row[:12] for row in rows)


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_other_classes_and_other_values_than_in_training_are_drift(
    shop: Any, task: Task, shopped: Callable[..., Any]
) -> None:
    job = shopped(shop, task)
    before = check_up(job, database=shop.database)
    assert before.drift.score_psi is not None
    assert before.drift.score_psi < 0.25
    shop.hospital.execute("UPDATE shop.events SET amount = 6 WHERE what = 'SPENT'")
    for hours in range(1, 5):
        shop.hospital.execute("UPDATE shop.events SET amount = amount + 0.01 WHERE what = 'SPENT'")
        shop.run(job, as_of=shop.hospital.noon + timedelta(hours=hours))
    found = check_up(job, database=shop.database)
    assert found.drift.score_psi is not None
    assert found.drift.score_psi > 0.25
    assert found.drift.found is True
    due = {row["reason"]: row["due"] for row in found.retrain_due}
    assert due["drift"] is True, due


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_a_search_tries_what_fits_the_task(shop: Any, task: Task, tmp_path: Path) -> None:
    job = shop.job(task)
    options = SearchOptions(into=tmp_path, folds=2, landmark_step="1 week", workers=1)
    found = search(job, shop.landmarks(job), options)
    assert found.is_whole
    assert len(found.ranked) == len(found.trials), [each["error"] for each in found.trials]
    assert all(np.isfinite(each["objective"]) for each in found.trials)
    assert {path.name for path in write_findings(found, tmp_path)} > {"summary.txt", "best_model_config.json"}
    assert json.loads((tmp_path / "best_model_config.json").read_text())["found"]["figures"]


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_the_commands_print_what_there_is(shop: Any, task: Task, tmp_path: Path) -> None:
    landmarks = 'first_landmark = "1 week"\nlandmark_step = "1 week"\n'
    job = shop.job(task, rest=f"[parameters]\n{landmarks}")
    settings = replace(shop.settings, database_url=shop.hospital.url)

    def said(command: click.Command, *words: object) -> str:
        ran = CliRunner().invoke(command, [str(each) for each in words], obj=settings, catch_exceptions=False)
        assert ran.exit_code == 0
        return ran.output

    searched = said(
        optimize, job.name, "--landmark-step", "7 days", "--folds", "2", "--into", tmp_path, "--workers", "1"
    )
    assert "models of" in searched
    best = tmp_path / "best_model_config.json"
    page = tmp_path / "page.html"
    trained = said(train, job.name, "--full", "--version", "v1", "--config", best, "--workers", "1", "--report", page)
    assert "naive forecast" in trained
    assert "The model beats the naive forecast: its" in trained
    assert page.exists()
    assert said(models, "list", job.name).count("v1") == 1
    shop.promote(job)
    shop.run(job)
    evaluated = said(evaluate, job.name, "--as-of-every", "7 days", "--outcomes")
    assert "The model beats the naive forecast: its" in evaluated
    assert "Of 90 scores of 90 entities." in said(monitor, job.name)
    assert "naive" in json.loads(said(evaluate, job.name, "--as-of-every", "7 days", "--outcomes", "--json"))


@pytest.mark.parametrize(
    ("task", "figure"), [(Task.BINARY, "brier"), (Task.MULTICLASS, "log_loss"), (Task.REGRESSION, "mae")]
)
def test_what_follows_the_past_is_another_figure(shop: Any, task: Task, figure: str) -> None:
    job = shop.job(task)
    trained = shop.train(job, version="t1", split=SplitBy.TIME)
    assert len(trained.landmarks) == 180, "of five moments the last two"
    manifest = trained.manifest
    assert manifest["recipe"]["split"] == "time"
    assert manifest["metrics"][figure]["value"] > 0
    assert (manifest["training"]["rows"], manifest["baseline"]["rows"]) == (450, 360), (
        "the first moment is scored by none"
    )


def test_a_logarithm_is_fitted_and_carried_back(shop: Any) -> None:
    shop.hospital.execute("UPDATE shop.outcomes SET amount = exp(amount / 5)")
    job = shop.job(Task.REGRESSION)
    trained = shop.train(job, target=TrainingTarget.LOG)
    assert trained.manifest["estimator"]["factor"] > 1.0
    assert trained.manifest["metrics"]["coverage"]["value"] > 0.85
    shop.promote(job)
    shop.run(job)
    rows = shop.hospital.rows("SELECT score_id, entity_id, score FROM scorer.scores ORDER BY score DESC LIMIT 5")
    assert {each.verdict.value for each in replay([row[0] for row in rows], database=shop.database)} == {"IDENTICAL"}
    told = explain(job, rows[0][1], database=shop.database)
    assert sum(each.contribution for each in told.reasons) == pytest.approx(rows[0][2])
    shop.hospital.execute("UPDATE shop.outcomes SET amount = 0 WHERE customer = 'customer 1'")
    with pytest.raises(UserError, match=r"^5 outcomes are not above 0 and have no logarithm; [^.]+\.$"):
        shop.train(job, version="v2", target=TrainingTarget.LOG)


@pytest.mark.parametrize("task", list(Task))
def test_shuffled_labels_are_no_better_than_naive_and_told(shop: Any, task: Task) -> None:
    shop.hospital.execute(
        """
        WITH numbered AS (
            SELECT ctid AS at, row_number() OVER (ORDER BY md5(customer || as_of::text)) AS n FROM shop.outcomes
        ), other AS (
            SELECT bought, kind, amount, row_number() OVER (ORDER BY md5(as_of::text || customer)) AS n FROM shop.outcomes
        )
        UPDATE shop.outcomes AS o SET bought = other.bought, kind = other.kind, amount = other.amount
        FROM numbered JOIN other USING (n) WHERE o.ctid = numbered.at
        """
    )
    trained = shop.train(shop.job(task))
    assert not trained.manifest["naive"]["beaten"]


BAD = [
    (Task.REGRESSION, "UPDATE shop.outcomes SET amount = 7", r"All 450 landmarks .* have the same value, 7: there is"),
    (
        Task.REGRESSION,
        "UPDATE shop.outcomes SET amount = 'infinity' WHERE customer = 'customer 3'",
        r"is infinite in 5 rows",
    ),
    (
        Task.REGRESSION,
        "ALTER TABLE shop.outcomes ALTER amount TYPE text USING 'much'",
        r"is text, where a regression needs a number; CAST it",
    ),
    (
        Task.REGRESSION,
        "DELETE FROM shop.outcomes WHERE customer > 'customer 15'",
        r"needs \d+; load more, or raise alpha",
    ),
    (
        Task.MULTICLASS,
        "UPDATE shop.outcomes SET kind = 'odd' WHERE customer = 'customer 3'",
        r'The class "odd" has landmarks of 1 clients',
    ),
    (
        Task.MULTICLASS,
        "UPDATE shop.outcomes SET kind = 'loyal'",
        r"All landmarks have the outcome loyal, so there is nothing",
    ),
    (
        Task.MULTICLASS,
        "UPDATE shop.outcomes SET kind = 'conformal' WHERE kind = 'new'",
        r'is "conformal" in a row, which cannot',
    ),
    (
        Task.BINARY,
        "UPDATE shop.outcomes SET bought = 2 WHERE customer = 'customer 3'",
        r"must be 0, 1 or NULL; 5 of 450 rows",
    ),
    (Task.BINARY, "UPDATE shop.outcomes SET bought = 0", r"No landmark has a positive outcome"),
    (
        Task.BINARY,
        "ALTER TABLE shop.outcomes ALTER bought TYPE text USING 'perhaps'",
        r"must be 0, 1 or NULL; 450 of 450 rows",
    ),
]


@pytest.mark.parametrize(("task", "harm", "words"), BAD)
def test_labels_that_are_none_are_one_sentence(shop: Any, task: Task, harm: str, words: str) -> None:
    shop.hospital.execute(harm)
    job = shop.job(task)
    with pytest.raises(UserError, match=words) as raised:
        shop.train(job)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


def test_a_class_that_training_never_saw_is_one_sentence(shop: Any, shopped: Callable[..., Any]) -> None:
    shopped(shop, Task.MULTICLASS)
    landmarks = 'first_landmark = "1 week"\nlandmark_step = "1 week"\n'
    job = shop.job(Task.MULTICLASS, rest=f"[parameters]\n{landmarks}")
    shop.hospital.execute("UPDATE shop.outcomes SET kind = 'odd' WHERE customer = 'customer 3'")
    with pytest.raises(UserError, match='is "odd" in a row, a class that is none of lost, loyal, new'):
        conduct(job, Wanted(every=timedelta(days=7), outcomes=True), database=shop.database)
    with pytest.raises(UserError, match='is "odd" in a row, a class that is none of lost, loyal, new'):
        check_up(job, database=shop.database)
