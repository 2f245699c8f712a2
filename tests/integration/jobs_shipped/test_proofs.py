"""The shipped proofs: those of all shipped suites as they stand, on the examples' tables, and no others.

Where a suite, a statement's types or the compiler was changed: `SCORER_WRITE_PROOFS=1 pytest tests/integration/jobs_shipped/test_proofs.py`
proves them anew, and writes expectations/proofs.json.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.jobs.job import job_names, load_job
from scorer.runs.run import run_job
from scorer.scoring.validation import rule_engine
from scorer.scoring.validation.rule_engine import made_with

PATH = shipped_root() / "expectations" / rule_engine.PROOFS
WRITE = os.environ.get("SCORER_WRITE_PROOFS") == "1"  # read here: a fixture takes SCORER_ variables away


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PATH.read_text())
    return found


@pytest.fixture
def proved_by(
    hospital: Any, with_example: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, list[str]]]:
    """Runs jobs over their examples as a new process does, with an empty cache. Gives what was proved there, by its key."""
    monkeypatch.setenv("CACHE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(rule_engine, "_proved", {})

    def give(*names: str) -> dict[str, list[str]]:
        for name in names:
            if (shipped_root() / "sql" / name / "example").is_dir():
                with_example(name)
            run_job(load_job(name), database=Database(hospital.url, hospital.settings))
        return {path.name: json.loads(path.read_text()) for path in (tmp_path / "proofs").glob("[!.]*")}

    return give


def test_every_shipped_suite_has_its_proof(
    proved_by: Callable[..., dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the libraries were those that the proofs were made with: what is ours must agree on every machine."""
    if WRITE:
        monkeypatch.setattr(rule_engine, "_shipped", dict)
        proofs = dict(sorted(proved_by(*job_names(None)).items()))
        PATH.write_text(json.dumps({"made_with": made_with(), "proofs": proofs}, indent=1) + "\n")
    else:
        monkeypatch.setattr(rule_engine, "made_with", lambda: tuple(shipped()["made_with"]))
        assert not proved_by(*job_names(None)), "SCORER_WRITE_PROOFS=1 proves them anew"
    assert {key: list(names) for key, names in rule_engine._proved.items()} == shipped()["proofs"]


def test_a_shipped_proof_is_what_great_expectations_proves(
    proved_by: Callable[..., dict[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    proofs = shipped()
    monkeypatch.setattr(rule_engine, "made_with", lambda: tuple(proofs["made_with"]))
    monkeypatch.setattr(rule_engine, "_shipped", dict)
    made = proved_by("iit")
    assert len(made) == 6
    assert {key: proofs["proofs"].get(key) for key in made} == made
