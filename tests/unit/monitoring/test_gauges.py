"""Gauges of rows: a value for each row that has one, and the figures by the names of the task."""

from __future__ import annotations

from typing import Any

from scorer.database.store.status import ModelCheck, ValidScores
from scorer.monitoring import gauges


def told(family: Any) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def checked(job: str, **columns: Any) -> ModelCheck:
    return ModelCheck(
        **{"job": job, "worst_psi": None, "score_psi": None, "live": None, "own": None, "due": False} | columns
    )


def test_a_row_without_a_value_is_left_out() -> None:
    rows = [checked("a", worst_psi=0.3), checked("b")]
    found = {family.name: told(family) for family in gauges.of_rows(gauges.MODELS, rows)}
    assert found["scorer_feature_psi_max"] == {("a",): 0.3}
    assert found["scorer_retrain_due"] == {("a",): 0.0, ("b",): 0.0}


def test_valid_scores_have_ages_a_mean_and_bands() -> None:
    banded = ValidScores("a", age_seconds=60.0, oldest_seconds=90.0, mean=0.25, bands={"HIGH": 1, "LOW": 3})
    bare = ValidScores("b", age_seconds=5.0, oldest_seconds=5.0, mean=None, bands=None)
    found = {family.name: told(family) for family in gauges.of_rows(gauges.VALID, [banded, bare])}
    assert found["scorer_score_age_seconds"] == {("a",): 60.0, ("b",): 5.0}
    assert found["scorer_oldest_score_age_seconds"] == {("a",): 90.0, ("b",): 5.0}
    assert found["scorer_score_mean"] == {("a",): 0.25}
    assert told(gauges.of_bands([banded, bare])) == {("a", "HIGH"): 1, ("a", "LOW"): 3}


def test_figures_that_are_live_stand_beside_those_of_training() -> None:
    live, own = gauges.of_figures([checked("a", live={"auroc": 0.8}, own={"auroc": 0.85, "brier": 0.1}), checked("b")])
    assert (live.name, told(live)) == ("scorer_live_figure", {("a", "auroc"): 0.8})
    assert (own.name, told(own)) == ("scorer_model_figure", {("a", "auroc"): 0.85, ("a", "brier"): 0.1})
