"""What becomes a candidate, what is refused in a sentence, and the first model's own way into production."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extras import DictCursor
from sklearn.dummy import DummyClassifier

from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.registry.cards import CARD
from scorer.registry.manifest import ARTEFACT, MANIFEST
from scorer.registry.registration import disable_job, enable_job, grant_source, install_jobs, register, require_enabled

SHIPPED = "2026.11.29"
BEFORE = "2026.11.28"


@pytest.fixture
def session(hospital: Any) -> Iterator[Session]:
    """A session of the worker's."""
    opened = Session(Database(hospital.url, hospital.settings).as_worker())
    yield opened
    opened.close()


@pytest.fixture
def folder(hospital: Any, make_model: Callable[..., Path]) -> Path:
    """The folder of a version that may be registered."""
    width = len(feature_names(hospital.job.features))
    estimator = DummyClassifier(strategy="prior").fit([[0.0] * width] * 2, [0, 1])
    return make_model(hospital.job, estimator, version="v2")


def statuses(hospital: Any) -> dict[str, str]:
    return dict(hospital.rows("SELECT model_version, status FROM scorer.model_versions"))


def refusal(hospital: Any, folder: Path, session: Session) -> str:
    """The sentence with which a folder is not registered."""
    with pytest.raises(UserError) as raised, session.transaction():
        register(hospital.job, folder, session)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_version_becomes_a_candidate_once(hospital: Any, folder: Path, session: Session) -> None:
    with session.transaction():
        assert register(hospital.job, folder, session).model_version == "v2"
    assert statuses(hospital) == {SHIPPED: "production", "v2": "candidate"}
    assert "Model v2 of sepsis is registered already" in refusal(hospital, folder, session)
    with session.transaction():
        register(hospital.job, folder, session, stored=True)
    assert hospital.rows("SELECT model_version FROM scorer.model_artefacts") == [("v2",)]


def test_what_is_not_a_version_of_the_job_is_not_registered(hospital: Any, folder: Path, session: Session) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    changes: list[tuple[dict[str, Any], str]] = [
        ({"sha256": "0" * 64}, "is not the one that its manifest names; put the right one back."),
        ({"job": "other"}, "is one of job other, not of sepsis."),
        ({"model_version": "v3"}, "is version v3; name its folder so, for that is how it is found."),
        *(
            ({key: None}, f'has no "{key}"; put the right one back.')
            for key in ("features", "sha256", "libraries", "task", "meaning", "score_quantiles", "metrics", "job")
        ),
    ]
    for change, sentence in changes:
        content = {key: value for key, value in (manifest | change).items() if value is not None}
        (folder / MANIFEST).write_text(json.dumps(content))
        assert refusal(hospital, folder, session).endswith(sentence)
    (folder / MANIFEST).write_text(json.dumps(manifest))
    (folder / ARTEFACT).unlink()
    assert refusal(hospital, folder, session).endswith("cannot be read: No such file or directory.")
    assert statuses(hospital) == {SHIPPED: "production"}


def test_a_name_stands_for_one_model_only(hospital: Any, folder: Path, session: Session) -> None:
    with session.transaction():
        register(hospital.job, folder, session)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | {"remark": "another"}))
    assert refusal(hospital, folder, session).startswith("Another model v2 of sepsis is registered already")


def test_a_job_that_has_a_model_gets_no_other_by_an_installation(hospital: Any) -> None:
    before = hospital.rows("SELECT * FROM scorer.model_events")
    assert install_jobs(database=Database(hospital.url, hospital.settings)) == ["sepsis"]
    assert statuses(hospital) == {SHIPPED: "production"}
    assert hospital.rows("SELECT * FROM scorer.model_events") == before


def test_the_first_model_has_a_way_in_of_its_own_once(hospital: Any) -> None:
    """The schema's owner admitted the shipped model; a second one cannot take the same way, by whatever login."""
    hospital.execute(
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) "
        "VALUES ('sepsis', 'more', repeat('0', 64), '{}')"
    )
    with pytest.raises(psycopg2.Error, match="was registered by"):
        hospital.execute("SELECT scorer.admit_first_model('sepsis', 'more', 'why')")
    assert statuses(hospital) == {SHIPPED: "production", "more": "candidate"}


def features_of(hospital: Any, version: str) -> dict[str, dict[str, Any]]:
    """The rows of reporting.features of a version, as a reader sees them, by feature."""
    with closing(psycopg2.connect(hospital.url)) as connection, connection.cursor(cursor_factory=DictCursor) as cursor:
        cursor.execute("SET ROLE scorer_reader")
        cursor.execute("SELECT * FROM reporting.features WHERE model_version = %s", (version,))
        return {row["feature"]: dict(row) for row in cursor.fetchall()}


def test_features_of_a_version_from_before_have_what_their_manifest_has(hospital: Any, session: Session) -> None:
    """A manifest of before features were described."""
    with session.transaction():
        register(hospital.job, hospital.job.model_folder / BEFORE, session)
    found = features_of(hospital, BEFORE)
    manifest = json.loads((hospital.job.model_folder / BEFORE / MANIFEST).read_text())
    assert list(found) == sorted(found, key=lambda name: found[name]["importance_rank"])
    assert set(found) == set(manifest["features"])
    first = found["hours_before_icu"]
    assert (first["job"], first["status"], first["importance_rank"]) == ("sepsis", "candidate", 1)
    for name, row in found.items():
        assert row["importance"] == manifest["importances"].get(name, 0)
        assert row["null_rate"] == manifest["baseline"]["features"][name]["missing"]
        assert {row[each] for each in ("meaning", "unit", "statistic", "min", "max", "mean", "sd")} == {None}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, (None, None, None, None, None)),
        ({"catalogue": [], "importances": ["much"], "baseline": 3}, (None, None, None, None, None)),
        ({"catalogue": {"HR_mean_6h": {"min": "low", "sd": None}}, "importances": {}}, (None, None, None, None, None)),
        (
            {
                "catalogue": {"HR_mean_6h": {"meaning": "m", "min": 1.5, "null_rate": 0.25}},
                "importances": {"HR_last_stay": 2},
            },
            ("m", 1.5, 0.25, 0.0, 2),
        ),
    ],
)
def test_no_manifest_breaks_the_features_of_the_others(
    hospital: Any,
    session: Session,
    make_model: Callable[..., Path],
    extra: dict[str, Any],
    expected: tuple[Any, ...],
) -> None:
    estimator = DummyClassifier(strategy="prior").fit([[0.0]] * 2, [0, 1])
    with session.transaction():
        register(hospital.job, make_model(hospital.job, estimator, version="v2", **extra), session)
    hospital.execute(
        "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('j', 'm', repeat('0', 64), '{}')"
    )
    found = features_of(hospital, "v2")
    assert set(found) == set(feature_names(hospital.job.features))
    row = found["HR_mean_6h"]
    assert row["status"] == "candidate"
    assert tuple(row[each] for each in ("meaning", "min", "null_rate", "importance", "importance_rank")) == expected
    assert features_of(hospital, "m") == {}
    assert len(features_of(hospital, SHIPPED)) == len(found)


@pytest.fixture
def second(hospital: Any, tmp_path: Path) -> Database:
    """The database, with a folder that has the shipped job under another name, with a view and a first model."""
    for kind in ("sql", "expectations", "models"):
        shutil.copytree(shipped_root() / kind / "sepsis", tmp_path / kind / "second")
    views = tmp_path / "sql" / "second" / "views.sql"
    views.write_text(views.read_text().replace("sepsis", "second"))
    for path in (tmp_path / "models" / "second").glob(f"*/{MANIFEST}"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"job": "second"}))
        (path.parent / CARD).unlink(missing_ok=True)  # it is of the job that it names
    return Database(hospital.url, replace(hospital.settings, jobs_dir=tmp_path))


def test_what_is_enabled_is_installed_and_nothing_else(hospital: Any, second: Database) -> None:
    views = "SELECT count(*) FROM pg_views WHERE schemaname = 'reporting' AND viewname = 'second_predictions'"
    assert disable_job("second", database=second)
    assert not disable_job("second", database=second)
    assert install_jobs(database=second) == ["sepsis"]
    assert set(grant_source(database=second)) == {"sepsis"}
    assert hospital.one(views) == 0
    with pytest.raises(UserError, match="Job second is not run: it is not enabled; `scorer job enable second`"):
        require_enabled("second", database=second)

    assert enable_job("second", database=second)
    assert not enable_job("second", database=second)
    assert hospital.one(views) == 1
    assert hospital.one("SELECT status FROM scorer.model_versions WHERE job = 'second'") == "production"
    require_enabled("second", database=second)
    assert install_jobs(database=second) == ["second", "sepsis"]

    assert disable_job("second", database=second)
    assert hospital.one(views) == 1, "what is there stays"
    told = "SELECT enabled, switched_by = session_user, is_current FROM reporting.job_switches WHERE job = 'second' ORDER BY switched_at"
    assert hospital.rows(told) == [(False, True, False), (True, True, False), (False, True, True)]


def test_a_first_model_has_the_card_beside_it(hospital: Any, second: Database, tmp_path: Path) -> None:
    disable_job("second", database=second)
    (folder,) = (path.parent for path in (tmp_path / "models" / "second").glob(f"{SHIPPED}/{MANIFEST}"))
    sha256 = json.loads((folder / MANIFEST).read_text())["sha256"]
    facts = f'[facts]\njob = "second"\nmodel_version = "{SHIPPED}"\nsha256 = "{sha256}"\n'
    (folder / CARD).write_text(facts + '[card]\nowner = "the ward"\n')
    assert enable_job("second", database=second)
    written = hospital.one("SELECT card ->> 'owner' FROM scorer.model_cards WHERE job = 'second'")
    assert written == "the ward"


def test_a_job_that_cannot_be_installed_is_not_enabled(hospital: Any, second: Database, tmp_path: Path) -> None:
    disable_job("second", database=second)
    (tmp_path / "sql" / "second" / "views.sql").write_text("SELECT nonsense")
    with pytest.raises(UserError, match="The script views of job second"):
        enable_job("second", database=second)
    assert hospital.one("SELECT enabled FROM reporting.job_switches WHERE is_current") is False
    with pytest.raises(UserError, match='There is no job "third"'):
        enable_job("third", database=second)


def test_a_login_that_may_not_see_which_jobs_are_enabled_grants_as_they_come(hospital: Any, second: Database) -> None:
    hospital.execute("DROP VIEW reporting.audit, reporting.job_switches")
    hospital.execute("DROP TABLE scorer.job_switches")
    assert set(grant_source(database=second)) == {"second", "sepsis"}
