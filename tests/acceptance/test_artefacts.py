"""Model folders as people bring them: one sentence and exit 1, never a bug and never an interrupt."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.jobs.features import feature_names
from scorer.jobs.job import MEANING, Job
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries

Command = Callable[..., Any]


# It gives the first two features where probabilities are expected.
LOGITS = SimpleNamespace(classes_=(0, 1), predict_proba=partial(np.take, indices=[0, 1], axis=1))


@pytest.fixture
def command(program: Any, migrated_url: str, tmp_path: Path) -> Command:
    """Runs a command on the migrated database, with a home of its own."""

    def run(*arguments: str, code: int = 0) -> Any:
        done = program(
            *arguments, environment={"SCORER_DATABASE_URL": migrated_url, "SCORER_HOME": str(tmp_path / "home")}
        )
        assert done.code == code, done.err
        return done

    return run


@pytest.fixture
def keep(tmp_path: Path, sepsis: Job) -> Callable[..., Path]:
    """Writes a version of the shipped job with the artefact given."""

    def write(version: str, artefact: Any, **changes: Any) -> Path:
        if not isinstance(artefact, bytes):
            out = io.BytesIO()
            joblib.dump(artefact, out)
            artefact = out.getvalue()
        folder = tmp_path / "home" / "models" / sepsis.name / version
        folder.mkdir(parents=True)
        names = list(feature_names(sepsis.features))
        manifest = {
            "job": sepsis.name,
            "model_version": version,
            "task": sepsis.task.value,
            "features": names,
            "sha256": hashlib.sha256(artefact).hexdigest(),
            "libraries": libraries(),
            "meaning": MEANING,
            "score_quantiles": [0.0, 1.0],
            "metrics": {},
            "golden": {"inputs": [[2.0] * len(names)], "scores": [2.0]},
        } | changes
        (folder / ARTEFACT).write_bytes(artefact)
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    return write


def fitted(labels: Any, width: int) -> Any:
    rows = np.random.default_rng(0).normal(size=(len(labels), width))
    return make_pipeline(SimpleImputer(), LogisticRegression()).fit(rows, labels)


def test_each_is_told_for_what_it_is(command: Command, keep: Callable[..., Path], sepsis: Job) -> None:
    width = len(feature_names(sepsis.features))
    texts = fitted(["no", "yes"] * 20, width)
    for version, artefact, sentence in (
        ("x_empty", b"", "is empty"),
        ("x_dict", {"model": texts}, "holds a dict, which is no fitted estimator"),
        ("x_texts", texts, "knows the classes no, yes, where 0 and 1 are expected"),
        ("x_logits", LOGITS, "numbers outside 0 to 1"),
    ):
        keep(version, artefact)
        command("model", "register", "sepsis", version)
        refused = command("model", "verify", "sepsis", version, code=1)
        assert sentence in refused.err
        assert refused.err.count("\n") == 1
        assert "bug" not in refused.err
        assert "interrupted" not in refused.err


def test_a_figure_that_is_unknown_keeps_no_card_from_being_written(
    command: Command, keep: Callable[..., Path], tmp_path: Path
) -> None:
    keep("x_unknown", b"", metrics={"auroc": {"value": None, "low": None, "high": None}})
    command("model", "register", "sepsis", "x_unknown")
    command("model", "card", "sepsis", "x_unknown", "--write", str(tmp_path / "card.toml"))
    assert 'auroc = "unknown"' in (tmp_path / "card.toml").read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_is_not_called_registered(command: Command, tmp_path: Path) -> None:
    refused = command("model", "register", "sepsis", str(tmp_path / "no-such"), code=1)
    assert "cannot be registered: it is no folder" in refused.err
    assert "is registered" not in refused.err


def test_a_folder_elsewhere_is_told_where_to_go(command: Command, keep: Callable[..., Path], tmp_path: Path) -> None:
    folder = keep("x_elsewhere", b"")
    elsewhere = folder.rename(tmp_path / "x_elsewhere")
    told = command("model", "register", "sepsis", str(elsewhere)).out
    assert f"copy it there, or have the database keep it: scorer model register sepsis {elsewhere} --store." in told
