"""`scorer evaluate` and `scorer monitor`: options, and a checkup as it is printed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from scorer.cli.evaluate import _names, _print_checkup, evaluate
from scorer.config import Settings
from scorer.database.store.checkups import LiveFigure, Shift
from scorer.errors import UserError
from scorer.monitoring.checkup import Checkup, Drift
from scorer.monitoring.live_performance import Performance

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def test_a_step_that_is_no_time_is_refused_before_anything_is_read() -> None:
    refused = CliRunner().invoke(evaluate, ["sepsis", "--as-of-every", "often"], obj=Settings()).exception
    assert isinstance(refused, UserError)
    assert str(refused).startswith('--as-of-every: "often" is not a span of time')


def test_names_stand_between_commas() -> None:
    assert _names("sex, age_years,") == ("sex", "age_years")
    assert _names("") == ()


def checkup(*, found: bool | None, lost: bool | None) -> Checkup:
    shifts = tuple(Shift(f"f{place}", 900, 0.3 - place / 100, 0.25, 0.125) for place in range(12))
    figures = (LiveFigure("auroc", 0.75, 0.7, None, 0.82, 0.8),) if lost is not None else ()
    health = {
        "model_version": "v1", "status": "production", "deployed_at": NOON, "prediction_count": 1200, "avg_latency_ms": 1.25,
        "error_rate": None, "drift_detected": found, "last_prediction_at": None,
    }  # fmt: skip
    return Checkup(
        job="sepsis",
        model_version="v1",
        window_from=NOON,
        drift=Drift(900, shifts, 0.1, found, "a detail", 0.25),
        performance=Performance(900, 400, 70, figures, lost, "another detail"),
        facilities={},
        constant_share=0.5,
        new_codes={"LACTATE": 120},
        units=("CREATININE in MICU: as if in umol/L",),
        health=[health],
        retrain_due=[{"due": True, "reason": "drift", "detail": "a detail", "since": NOON}],
    )


def test_a_checkup_names_what_has_moved(capsys: pytest.CaptureFixture[str]) -> None:
    _print_checkup(checkup(found=True, lost=True))
    shown = capsys.readouterr().out
    assert shown.startswith("Model v1 of sepsis, scores since 2025-06-01 12:00Z:\n\nDrift: yes; a detail.\n")
    lines = [line.split() for line in shown.splitlines()]
    assert ["f0", "0.300", "25.0%", "12.5%"] in lines
    assert sum(line[:1] == [f"f{place}"] for line in lines for place in range(12)) == 10  # the farthest
    assert "Live figures: worse than its own; another detail." in shown
    assert ["auroc", "0.750", "0.700", "0.820"] in lines  # its interval has no upper end
    assert "Of 900 scores of 400 entities, 70 followed by the event." in shown
    assert "Same score: 50.0% of the newest." in shown
    assert "New observation types: LACTATE (120 rows)." in shown
    assert ["yes", "drift", "a", "detail", "2025-06-01", "12:00:00Z"] in lines
    assert ["v1", "production", "2025-06-01", "12:00:00Z", "1,200", "1.250", "yes"] in lines


def test_a_checkup_that_found_too_little_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    _print_checkup(checkup(found=None, lost=None))
    shown = capsys.readouterr().out
    assert "Drift: cannot be told; a detail.\nLive figures: cannot be told; another detail.\n" in shown
    assert "PSI" not in shown
