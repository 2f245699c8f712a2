"""What the tests of promotion and comparison share: people with logins, the command, and models with golden vectors."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.cli import main as cli
from scorer.jobs.features import feature_names

PASSWORD = "only-for-tests"


Said = tuple[int, str, str]


@pytest.fixture
def people(hospital: Any) -> dict[str, str]:
    """URLs by person: anna trains, bob approves; each has a login of their own. `nobody` approves and may not read."""
    logins = {"anna": "scorer_worker", "bob": "scorer_worker, scorer_approver", "nobody": "scorer_approver"}
    for name, roles in logins.items():
        hospital.execute(
            f"DO $$ BEGIN CREATE ROLE registry_{name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {roles}; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    return {name: re.sub(r"//\w+@", f"//registry_{name}:{PASSWORD}@", hospital.url) for name in logins}


@pytest.fixture
def scorer(
    hospital: Any, people: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """Runs the command as one of the people: exit code, stdout, stderr."""
    handlers = list(logging.getLogger().handlers)
    monkeypatch.setenv("SCORER_HOME", str(hospital.settings.home))

    def command(who: str, *arguments: object) -> Said:
        monkeypatch.setenv("SCORER_DATABASE_URL", people[who])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main([str(each) for each in arguments])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        if ended.value.code:
            assert said.err.count("\n") == 1, said.err
        return ended.value.code, said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


def _fitted(job: Any, *, seed: int) -> Any:
    """A model whose scores differ."""
    random = np.random.default_rng(seed)
    rows = random.normal(90, 30, (200, len(feature_names(job.features))))
    filled = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return make_pipeline(filled, LogisticRegression(max_iter=5000)).fit(rows, random.integers(0, 2, 200))


@pytest.fixture(scope="session")
def fitted() -> Callable[..., Any]:
    """Makes a model of a job by a seed."""
    return _fitted


@pytest.fixture
def make(hospital: Any, make_model: Callable[..., Path]) -> Callable[..., Path]:
    """Writes a version with golden vectors, as training does."""

    def write(estimator: Any, *, version: str, off: float = 0.0, **manifest: Any) -> Path:
        width = len(feature_names(hospital.job.features))
        inputs = np.random.default_rng(7).normal(80, 20, (4, width))
        inputs[0, ::2] = np.nan
        fitted = estimator.predict_proba(inputs)[:, -1]
        golden = {
            "inputs": [[None if np.isnan(each) else each for each in row] for row in inputs.tolist()],
            "scores": (fitted + off).tolist(),
        }
        return make_model(hospital.job, estimator, version=version, **({"golden": golden} | manifest))

    return write
