"""Where a model in production is loaded from, and that nothing is unpickled but what was registered."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import psycopg2
import pytest
from sklearn.dummy import DummyClassifier

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.registry import artefacts
from scorer.registry.manifest import MANIFEST
from scorer.registry.registration import register


def constant(job: Job) -> Any:
    """A model that gives every entity the score 0.5."""
    width = len(feature_names(job.features))
    return DummyClassifier(strategy="prior").fit([[0.0] * width] * 2, [0, 1])


def test_a_promoted_version_whose_file_is_gone_stops_the_run_in_one_sentence(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.admit(1)
    folder = make_model(hospital.job, constant(hospital.job), version="gone")
    hospital.put_into_production(hospital.job, folder)
    shutil.rmtree(folder)
    with pytest.raises(
        UserError, match=r"^Model gone of sepsis is registered, but manifest.json is not in .*; put its folder back[.]$"
    ):
        hospital.run()
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 0
    assert hospital.one("SELECT count(*) FROM scorer.scores") == 0


def test_a_manifest_that_was_altered_after_registration_is_refused(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    folder = make_model(hospital.job, constant(hospital.job), version="altered")
    hospital.put_into_production(hospital.job, folder)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"score_quantiles": [0.0, 0.5]}))
    with pytest.raises(UserError, match=r"manifest in .*altered is not the one that was registered"):
        hospital.run()


class Tripwire:
    """Makes a folder when it is unpickled."""

    makes: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.makes),)


def store(hospital: Any, folder: Path) -> None:
    """Have the database keep the bytes of a registered version."""
    session = Session(Database(hospital.url, hospital.settings).as_worker())
    try:
        with session.transaction():
            register(hospital.job, folder, session, stored=True)
    finally:
        session.close()


def test_bytes_that_were_altered_in_the_database_are_refused_before_they_are_unpickled(
    hospital: Any, make_model: Callable[..., Path], tmp_path: Path
) -> None:
    Tripwire.makes = tmp_path / "opened"
    folder = make_model(hospital.job, constant(hospital.job), version="kept")
    hospital.put_into_production(hospital.job, folder)
    store(hospital, folder)
    shutil.rmtree(folder)
    evil = io.BytesIO()
    joblib.dump(Tripwire(), evil)
    table = "ALTER TABLE scorer.model_artefacts"
    with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
        hospital.execute("UPDATE scorer.model_artefacts SET content = %s", evil.getvalue())
    hospital.execute(f"{table} DISABLE TRIGGER model_artefacts_append_only")
    hospital.execute(f"{table} DROP CONSTRAINT model_artefacts_are_what_was_registered")
    hospital.execute("UPDATE scorer.model_artefacts SET content = %s", evil.getvalue())
    sha256 = hashlib.sha256(evil.getvalue()).hexdigest()[:12]
    with pytest.raises(
        UserError, match=rf"Model kept in the database is not the one that was registered: its SHA-256 is {sha256}"
    ):
        hospital.run()
    assert not Tripwire.makes.exists()
    joblib.load(io.BytesIO(evil.getvalue()))
    assert Tripwire.makes.exists(), "the tripwire works"


def test_a_file_larger_than_the_database_keeps_is_one_sentence(
    hospital: Any, make_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefacts, "LARGEST", 100)
    folder = make_model(hospital.job, constant(hospital.job), version="large")
    with pytest.raises(
        UserError, match=r"^The model file .* has 0 MB, and the database keeps 0 at most; copy .* instead\.$"
    ):
        store(hospital, folder)
    assert hospital.one("SELECT count(*) FROM scorer.model_versions WHERE model_version = 'large'") == 0
