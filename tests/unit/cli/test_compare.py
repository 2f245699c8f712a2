"""`scorer model compare`: what is refused, and the figures of two models side by side."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from scorer.cli.compare import _print_measured, compare
from scorer.config import Settings
from scorer.errors import UserError


def test_the_ledger_has_times_of_its_own() -> None:
    arguments = ["sepsis", "one", "other", "--ledger", "--as-of", "2025-06-01T00:00:00Z"]
    refused = CliRunner().invoke(compare, arguments, obj=Settings()).exception
    assert isinstance(refused, UserError)
    assert str(refused).startswith("Say --ledger or --as-of, not both")


def measured(**auroc: dict[str, float | None]) -> dict[str, Any]:
    models = {
        name: {"metrics": {"auroc": figure}, "calibration": [{"predicted": 0.1, "observed": 0.125, "rows": 2000}]}
        for name, figure in auroc.items()
    }
    return {"rows": 12_000, "clients": 900, "events": 70, "models": models}


def test_figures_have_their_intervals_where_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    one, other = {"value": 0.81234, "low": 0.8, "high": 0.825}, {"value": 0.7, "low": None, "high": None}
    _print_measured(measured(one=one, other=other), one="one", other="other")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "Where the outcome is known: 12,000 landmarks of 900 clients, 70 with the event."
    shown = [line.split() for line in rest]
    assert ["auroc", "0.8123", "(0.8000", "to", "0.8250)", "0.7000"] in shown
    assert shown.count(["0.100", "0.125", "2,000"]) == 2


def test_a_figure_that_cannot_be_computed_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {"value": None, "low": None, "high": None}
    _print_measured(measured(one=nothing, other=nothing), one="one", other="other")
    assert ["auroc", "none", "none"] in [line.split() for line in capsys.readouterr().out.splitlines()]
