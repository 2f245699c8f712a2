"""What is told of drift, live figures, versions and alerts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from scorer.database.reporting.models import Alert, Change, LiveFigure, MovedFeature
from scorer.monitoring.report.models import alerts, drift, live, versions
from scorer.monitoring.report.reading import OfJob

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def test_nothing_is_told_of_nothing(of_job: Callable[..., OfJob]) -> None:
    for section in (drift, live, versions, alerts):
        assert section(of_job(), name="j") is None


def test_a_feature_tells_its_index_and_what_moved(of_job: Callable[..., OfJob]) -> None:
    moved = MovedFeature("a", "v1", "<HR>", 100, [60] + [4] * 9 + [4], [0.1] * 10 + [0.0], 0.5)
    made = drift(of_job(features=[moved]), name="j")
    assert made is not None
    assert (
        'aria-label="&lt;HR&gt;: population stability index 0.500; 60.0 % of the rows are in tenth 1, 10.0 % in training."'
        in made
    )
    assert "<code>&lt;HR&gt;</code> 0.500" in made
    silent = MovedFeature("a", "v1", "HR", 100, [0] * 10 + [100], [0.1] * 10 + [0.0], 9.0)
    gone = drift(of_job(features=[silent]), name="j")
    assert gone is not None
    assert "100.0 % of the rows are missing, 0.0 % in training" in gone


def figure(days: int, metric: str, value: float | None) -> LiveFigure:
    until = MONDAY + timedelta(days=days)
    return LiveFigure("a", "v1", MONDAY, until, metric, value, None, None, 0.82, 400, 30)


def test_live_figures_are_those_of_the_newest_checkup_with_their_course(of_job: Callable[..., OfJob]) -> None:
    figures = [figure(1, "auroc", 0.8), figure(2, "auroc", 0.7), figure(2, "brier", 0.1), figure(3, "auroc", None)]
    made = live(of_job(live=figures), name="j")
    assert made is not None
    assert "AUROC at 2 checkups: from 0.800 to 0.700; its own 0.820." in made
    assert '<th scope="row">AUROC</th><td class="n">0.700</td>' in made
    assert "Brier score at" not in made  # of one checkup alone
    assert "AUROC: how often a positive landmark" in made
    assert live(of_job(live=[figure(1, "auroc", None)]), name="j") is None


def test_versions_bear_the_numbers_of_their_marks(of_job: Callable[..., OfJob]) -> None:
    steps = [
        Change("a", MONDAY, "version", "v2", None, "candidate", None, "me", None),
        Change("a", MONDAY, "version", "v2", "staging", "production", None, "me", "better"),
        Change("a", MONDAY, "recall", None, None, None, 12, "me", "wrong ward"),
    ]
    made = versions(of_job(changes=steps), name="j")
    assert made is not None
    assert "<td>-</td><td>v2</td><td>registered, candidate</td>" in made
    assert "<td>1</td><td>v2</td><td>staging → production</td>" in made
    assert "<td>2</td><td>any</td><td>12 scores recalled</td>" in made


def test_alerts_that_are_open_stand_out(of_job: Callable[..., OfJob]) -> None:
    made = alerts(
        of_job(alerts=[Alert("a", "drift", "v1", "x", MONDAY, MONDAY), Alert("a", "age", "v1", "y", MONDAY)]), name="j"
    )
    assert made is not None
    assert '<tr class="marked"><th scope="row">age</th>' in made
    assert made.count('class="marked"') == 1
