"""`scorer train` and `scorer optimize`: what is refused before anything is read, and what they print at the end."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from scorer.cli.train import _print_search, _print_search_json, _print_trained, optimize, train
from scorer.config import Settings
from scorer.errors import UserError
from scorer.training.search.conduct import Found
from scorer.training.search.report import PICTURE

NOWHERE = Settings(database_url="postgresql://u@127.0.0.1:9/d")


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (train, ["--report", "/nowhere/at/all.html"], "/nowhere/at"),
        (optimize, ["--scheduler", "tcp://one:1"], "--scheduler is for a Dask cluster"),
        (optimize, ["--landmark-step", "soon"], '--landmark-step: "soon" is not a span of time'),
    ],
)
def test_what_cannot_be_is_refused_first(command: click.Command, arguments: list[str], words: str) -> None:
    refused = CliRunner().invoke(command, ["sepsis", *arguments], obj=NOWHERE).exception
    assert isinstance(refused, UserError)
    assert words in str(refused)


def trained(*, beaten: bool = True) -> Any:
    metrics = {
        "auroc": {"value": 0.81234, "low": 0.8, "high": 0.825},
        "brier": {"value": 0.0131, "low": 0.012, "high": 0.015},
        "calibration_slope": {"value": None, "low": None, "high": None},
    }
    naive = {
        "decisive": "brier",
        "beaten": beaten,
        "gained": {"value": 0.01, "low": 0.002 if beaten else -0.002, "high": 0.02},
        "figures": {"auroc": {"value": 0.5, "low": 0.5, "high": 0.5}},
    }
    training = {"rows": 9, "clients_seen": "a digest of each client"}
    manifest = {"metrics": metrics, "naive": naive, "recipe": {}, "training": training}
    return SimpleNamespace(model_version="v1", folder=Path("/models/sepsis/v1"), manifest=manifest)


def test_a_model_is_printed_with_its_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    _print_trained(trained(), "sepsis", as_json=False)
    shown = capsys.readouterr().out
    assert shown.startswith("Model v1 of sepsis is in /models/sepsis/v1, registered as a candidate.")
    lines = [line.split() for line in shown.splitlines()]
    assert ["auroc", "0.812", "0.800", "to", "0.825", "0.500"] in lines
    assert ["calibration", "slope", "unknown", "unknown", "to", "unknown"] in lines


def test_figures_of_no_real_outcomes_are_called_that(capsys: pytest.CaptureFixture[str]) -> None:
    model = trained()
    model.manifest["training"]["data"] = "simulated"
    _print_trained(model, "sepsis", as_json=False)
    assert "Cross-validated by client (data: simulated):" in capsys.readouterr().out


def test_the_naive_forecast_stands_beside_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    _print_trained(trained(), "sepsis", as_json=False)
    assert (
        "The model beats the naive forecast: its brier is 0.0131, lower by 0.01 (0.002 to 0.02)."
        in capsys.readouterr().out
    )
    _print_trained(trained(beaten=False), "sepsis", as_json=False)
    assert (
        "The model does not beat the naive forecast by more than chance: its brier is 0.0131, lower by 0.01 (-0.002 to 0.02)"
        in capsys.readouterr().out
    )


def test_the_json_of_a_model_leaves_its_clients_out(capsys: pytest.CaptureFixture[str]) -> None:
    _print_trained(trained(), "sepsis", as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["job", "model_version", "folder", "metrics", "naive", "training"]
    assert printed["training"] == {"rows": 9}


def searched(*, planned: int) -> Found:
    trial = {"configuration": "boosted", "combination": "a+b", "features": 12, "auroc": 0.8, "average_precision": 0.25}
    trial["figures"] = {"auroc": 0.8, "average_precision": 0.25}
    trials = [{**trial, "trial": n, "objective": 1.0 + n, "seconds": 2.0, "error": None} for n in range(2)]
    about = {"experiment_id": "e1", "planned": planned}
    return Found(about, (*trials, {**trial, "trial": 2, "objective": None, "seconds": 1.0, "error": "it failed"}))


def test_a_whole_search_says_how_to_train_its_best(capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("/searches")
    _print_search(searched(planned=3), "sepsis", folder, [folder / PICTURE])
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == "3 of 3 models of sepsis tried, 1 failed; the best ten of /searches:"
    assert last == "Train the best: scorer train sepsis --full --config /searches/best_model_config.json"


def test_a_search_that_was_cut_short_and_drew_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    _print_search(searched(planned=4), "sepsis", Path("/searches"), [])
    shown = capsys.readouterr().out
    assert "No picture was drawn" in shown
    assert "the same command goes on" in shown


def test_the_json_of_a_search_has_its_best(capsys: pytest.CaptureFixture[str]) -> None:
    _print_search_json(searched(planned=4), "sepsis", Path("/searches"))
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == ["job", "experiment_id", "planned", "trials", "failed", "best", "folder"]
    assert (printed["trials"], printed["failed"], printed["best"]["trial"]) == (3, 1, 1)
