"""Searches and evaluations by the functions of the store: recorded once, a search as far as it has come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from scorer import __version__
from scorer.database.session import Session
from scorer.database.store.experiments import record_evaluation, record_figures, upsert_experiment, upsert_trials

EXPERIMENT = "0" * 32


def test_a_search_that_goes_on_adds_its_trials(hospital: Any, session: Session) -> None:
    about = {
        "experiment_id": EXPERIMENT,
        "job": "sepsis",
        "job_version": "v",
        "objective": "auroc + average_precision",
        "folds": 5,
        "landmark_step": "12 h",
        "seed": 1,
        "landmarks": 100,
        "positive_landmarks": 10,
        "entities": 20,
        "clients": 20,
        "data_sha256": "0" * 64,
        "libraries": {"python": "3.11"},
        "planned": 3,
        "started_at": "2025-06-01T12:00:00+00:00",
        "scorer_version": __version__,
    }

    def trial(number: int, auroc: float | None, error: str | None = None) -> dict[str, Any]:
        figures = dict.fromkeys(("auroc", "average_precision", "objective", "utility"), auroc)
        plain = {"trial": number, "combination": "all", "configuration": "small", "recipe": {}, "features": 3}
        return plain | figures | {"folds": [], "seconds": 1.5, "error": error}

    for trials in ([trial(1, 0.75)], [trial(1, 0.5), trial(2, None, "it did not converge")]):
        with session.transaction():
            upsert_experiment(session, about)
            upsert_trials(session, EXPERIMENT, trials=trials)
    assert hospital.rows("SELECT experiment_id, planned, libraries FROM scorer.experiments") == [
        (EXPERIMENT, 3, {"python": "3.11"})
    ]
    assert hospital.rows("SELECT trial, auroc, error FROM scorer.trials ORDER BY trial") == [
        (1, 0.75, None),
        (2, None, "it did not converge"),
    ]


def test_an_evaluation_has_its_figures_in_order(hospital: Any, session: Session, model: str) -> None:
    of_all = {"attribute": "", "subgroup": "", "entities": 20, "events": 3, "positives": 3}
    figures = [
        {"place": place, "figure": name, "value": value, "low": 0.5, "high": 0.75} | of_all
        for place, (name, value) in enumerate((("auroc", 0.625), ("brier", 0.125)))
    ]
    with session.transaction():
        key = record_evaluation(
            session,
            attrition=[["read", 20]],
            reliability=[],
            job="sepsis",
            job_version="v",
            model_version=model,
            as_of_every=timedelta(hours=12),
            first_as_of=hospital.noon,
            last_as_of=hospital.noon,
            outcomes=True,
            clients=20,
            clients_seen=0,
            cohort_sha256="0" * 64,
            remarks=[],
            bootstraps=100,
            command="scorer evaluate",
        )
        record_figures(session, key, figures=figures)
    assert hospital.rows("SELECT evaluation_id, attrition, scorer_version FROM scorer.evaluations") == [
        (key, [["read", 20]], __version__)
    ]
    assert hospital.rows("SELECT evaluation_id, figure, value FROM scorer.evaluation_figures ORDER BY place") == [
        (key, "auroc", 0.625),
        (key, "brier", 0.125),
    ]
