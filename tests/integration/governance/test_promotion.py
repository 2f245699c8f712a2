"""A model's way into production and out of it, by the commands and as two people; and what a run makes of it meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import psycopg2
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from scorer.cli import main as cli
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.governance.shadow import shadow_run
from scorer.jobs.features import feature_names
from scorer.registry import cards
from scorer.registry.manifest import MANIFEST, libraries
from scorer.runs.run import run_job
from scorer.runs.worker import Worker
from scorer.scoring import pipeline
from scorer.scoring.opening import Pipeline

PASSWORD = "only-for-tests"
JOB = "sepsis"
SHIPPED = "2026.11.21"

Said = tuple[int, str, str]


class Tripwire:
    """Makes a folder when it is unpickled."""

    makes: Path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.makes),)


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


def constant(job: Any, share: float) -> Any:
    """A model that gives everybody the same score."""
    width = len(feature_names(job.features))
    ones = round(share * 100)
    return DummyClassifier(strategy="prior").fit([[0.0] * width] * 100, [0] * (100 - ones) + [1] * ones)


def linear(job: Any, *, seed: int) -> Any:
    """A model whose scores differ."""
    random = np.random.default_rng(seed)
    rows = random.normal(90, 30, (200, len(feature_names(job.features))))
    filled = SimpleImputer(strategy="constant", fill_value=0.0, keep_empty_features=True)
    return make_pipeline(filled, LogisticRegression(max_iter=5000)).fit(rows, random.integers(0, 2, 200))


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


def fill_card(scorer: Callable[..., Said], version: str, path: Path, *, left: tuple[str, ...] = ()) -> Said:
    """Have a card written, fill it but for `left`, and set it."""
    path.unlink(missing_ok=True)
    assert scorer("anna", "model", "card", JOB, version, "--write", path)[0] == 0
    text = path.read_text()
    for field in cards.FIELDS:
        if field not in left:
            text = re.sub(rf'^{field} = "".*$', f'{field} = "said"', text, flags=re.MULTILINE)
    path.write_text(text)
    return scorer("anna", "model", "card", JOB, version, "--set", path)


def standing(hospital: Any) -> dict[str, str]:
    return dict(hospital.rows("SELECT model_version, status FROM scorer.model_versions"))


def test_a_model_goes_into_production_by_two_people_and_back_by_one_command(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    hospital.admit(1, 2, 3)
    make(constant(hospital.job, 0.5), version="v2")
    assert scorer("anna", "model", "register", JOB, "v2")[0] == 0
    assert "registered already" in scorer("anna", "model", "register", JOB, "v2")[2]

    code, _, said = scorer("anna", "model", "promote", JOB, "v2", "--why", "mine")
    assert (code, "Login registry_anna may not promote model v2 of sepsis" in said) == (1, True)
    assert "has no card" in scorer("bob", "model", "promote", JOB, "v2", "--why", "well")[2]
    assert (
        "to be filled before it can be promoted: limits"
        in fill_card(scorer, "v2", tmp_path / "card.toml", left=("limits",))[1]
    )
    code, _, said = scorer("bob", "model", "promote", JOB, "v2", "--why", "well")
    assert (code, "card of model v2 of sepsis is not filled: limits missing" in said) == (1, True)
    assert "every field is filled" in fill_card(scorer, "v2", tmp_path / "card.toml", left=())[1]
    assert "permission denied to set role" in scorer("nobody", "model", "promote", JOB, "v2", "--why", "well")[2]
    assert standing(hospital) == {SHIPPED: "production", "v2": "candidate"}
    assert hospital.one("SELECT count(*) FROM scorer.model_evidence") == 0, "nothing half done"

    code, out, _ = scorer("bob", "model", "promote", JOB, "v2", "--why", "two eyes", "--json")
    assert code == 0
    moved = json.loads(out)["migration"]
    assert (moved["entities"], moved["moved"], moved["up"], moved["down"]) == (3, 3, 3, 0)
    assert moved["bands"] == {"LOW": {"HIGH": 3}}
    assert standing(hospital) == {SHIPPED: "archived", "v2": "production"}
    kinds = hospital.rows("SELECT kind, recorded_by, fingerprint FROM scorer.model_evidence ORDER BY evidence_id")
    assert kinds == [(kind, "registry_bob", libraries()) for kind in ("golden", "shadow")]
    assert hospital.one("SELECT promoted_by FROM reporting.models WHERE model_version = 'v2'") == "registry_bob"
    assert "in production already" in scorer("bob", "model", "promote", JOB, "v2", "--why", "again")[2]
    assert hospital.run().counts.scored == 3
    assert set(hospital.scores().values()) == {0.5}

    assert "privilege is missing" in scorer("anna", "model", "rollback", JOB, "--why", "alarms")[2]
    code, out, _ = scorer("bob", "model", "rollback", JOB, "--why", "alarms doubled")
    assert (code, out) == (
        0,
        f"Model {SHIPPED} of sepsis is back in production from the next batch on; v2 is archived.\n",
    )
    assert standing(hospital) == {SHIPPED: "production", "v2": "archived"}
    assert "nothing to go back to" in scorer("bob", "model", "rollback", JOB, "--why", "more")[2]
    shown = json.loads(scorer("bob", "model", "show", JOB, "v2", "--json")[1])
    assert [event["to_status"] for event in shown["events"]] == ["candidate", "staging", "production", "archived"]
    assert [event["done_by"] for event in shown["events"]] == ["registry_anna", *["registry_bob"] * 3]
    assert scorer("bob", "model", "show", JOB, "v2")[0] == scorer("anna", "model", "list", JOB)[0] == 0


def test_whoever_approves_promotes_nothing_of_their_own(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    hospital.admit(1)
    make(constant(hospital.job, 0.5), version="v2")
    assert scorer("bob", "model", "register", JOB, "v2")[0] == 0
    fill_card(scorer, "v2", tmp_path / "card.toml")
    code, _, said = scorer("bob", "model", "promote", JOB, "v2", "--why", "mine is best")
    assert code == 1
    assert "was registered by registry_bob, and whoever registered a model may not promote it" in said
    assert standing(hospital)["v2"] == "candidate"


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ({"off": 1e-6}, "its golden vectors are off by 1e-06, below 1e-06 is needed; the libraries are those of its"),
        ({"off": 0.9e-7}, None),
        ({"golden": None}, "has no golden vectors in its manifest"),
        ({"golden": {"inputs": [[1.0]], "scores": [0.5]}}, "holds what no manifest does: golden vectors of the shape"),
        ({"golden": {"inputs": []}}, "holds what no manifest does"),
        (
            {"libraries": libraries() | {"numpy": "1.0"}},
            "was fitted with numpy 1.0 .here .*; promote it where its libraries",
        ),
        (
            {"libraries": libraries() | {"numpy": "1.0"}, "off": 0.1},
            "off by 0.1, below 1e-06 is needed; it was fitted with numpy",
        ),
        ({"libraries": libraries() | {"python": "3.1.4"}}, "was fitted with python 3.1.4"),
    ],
)
def test_a_model_that_cannot_be_trusted_here_is_refused_in_one_sentence(
    hospital: Any,
    scorer: Callable[..., Said],
    make: Callable[..., Path],
    tmp_path: Path,
    manifest: Any,
    sentence: str | None,
) -> None:
    hospital.admit(1)
    make(constant(hospital.job, 0.5), version="v2", **manifest)
    code, _, said = scorer("anna", "model", "register", JOB, "v2")
    if code == 0:
        fill_card(scorer, "v2", tmp_path / "card.toml")
        code, _, said = scorer("bob", "model", "promote", JOB, "v2", "--why", "well")
        assert scorer("bob", "model", "verify", JOB, "v2")[0] == code
    if sentence is None:
        assert code == 0, said
        return
    assert code == 1
    assert re.search(sentence, said), said
    assert hospital.one("SELECT count(*) FROM scorer.model_evidence") == 0
    assert standing(hospital).get("v2") in {None, "candidate"}


@pytest.mark.parametrize(
    "key", ["features", "sha256", "libraries", "task", "meaning", "score_quantiles", "metrics", "job"]
)
def test_a_manifest_that_lacks_a_key_is_not_registered(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], key: str
) -> None:
    folder = make(constant(hospital.job, 0.5), version="v2")
    content = json.loads((folder / MANIFEST).read_text())
    del content[key]
    (folder / MANIFEST).write_text(json.dumps(content))
    code, _, said = scorer("anna", "model", "register", JOB, folder)
    assert (code, f'has no "{key}"; put the right one back' in said) == (1, True)
    assert standing(hospital) == {SHIPPED: "production"}


def test_a_promoted_version_whose_file_is_gone_stops_the_run_in_one_sentence(
    hospital: Any, make: Callable[..., Path]
) -> None:
    hospital.admit(1)
    folder = make(constant(hospital.job, 0.5), version="gone")
    hospital.put_into_production(hospital.job, folder)
    shutil.rmtree(folder)
    with pytest.raises(
        UserError, match=r"^Model gone of sepsis is registered, but manifest.json is not in .*; put its folder back[.]$"
    ):
        hospital.run()
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 0
    assert hospital.one("SELECT count(*) FROM scorer.scores") == 0


def test_a_manifest_that_was_altered_after_registration_is_refused(hospital: Any, make: Callable[..., Path]) -> None:
    folder = make(constant(hospital.job, 0.5), version="altered")
    hospital.put_into_production(hospital.job, folder)
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(content | {"score_quantiles": [0.0, 0.5]}))
    with pytest.raises(UserError, match=r"manifest in .*altered is not the one that was registered"):
        hospital.run()


# A run under way


def carry_with(
    hospital: Any, monkeypatch: pytest.MonkeyPatch, settings: Any, between: dict[int, Callable[[], object]]
) -> Any:
    """A run in batches of one; after so many batches, what `between` says is done."""
    done = 0
    plain = Worker.carry_one

    def carry_one(self: Worker, run: Any, *, size: int | None = None) -> Any:
        nonlocal done
        counts = plain(self, run, size=size)
        done += counts is not None
        if counts is not None and done in between:
            between[done]()
        return counts

    monkeypatch.setattr(Worker, "carry_one", carry_one)
    return run_job(hospital.job, database=Database(hospital.url, settings), as_of=hospital.noon)


def test_a_run_goes_on_with_the_model_that_was_promoted_meanwhile(
    hospital: Any,
    make: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hospital.admit(*range(1, 7))
    settings = replace(hospital.settings, batch_size=1)
    ended = carry_with(
        hospital,
        monkeypatch,
        settings,
        {
            2: lambda: hospital.put_into_production(hospital.job, make(constant(hospital.job, 0.5), version="second")),
            4: lambda: hospital.put_into_production(hospital.job, make(constant(hospital.job, 0.3), version="third")),
        },
    )
    assert ended.counts.scored == 6
    assert hospital.rows("SELECT model_version FROM scorer.scores ORDER BY score_id") == [
        (version,) for version in (SHIPPED, SHIPPED, "second", "second", "third", "third")
    ]
    assert hospital.rows("SELECT DISTINCT model_version, score FROM scorer.scores WHERE score >= 0.3 ORDER BY 1") == [
        ("second", 0.5),
        ("third", 0.3),
    ]
    assert caplog.text.count("Model in production has changed") == 2
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 1


@pytest.mark.parametrize("why", ["gone", "empty"])
def test_a_run_stops_where_the_model_promoted_meanwhile_cannot_be_loaded(
    hospital: Any, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    hospital.admit(*range(1, 5))

    def change() -> None:
        if why == "empty":
            hospital.execute(
                "SELECT scorer.move_model(job, model_version, 'archived', 'a test') FROM scorer.model_versions"
            )
            return
        folder = make(constant(hospital.job, 0.5), version="gone")
        hospital.put_into_production(hospital.job, folder)
        shutil.rmtree(folder)

    sentence = {"gone": "Model gone of sepsis is registered, but", "empty": "Job sepsis has no model in production"}[
        why
    ]
    with pytest.raises(UserError, match=sentence):
        carry_with(hospital, monkeypatch, replace(hospital.settings, batch_size=1), {2: change})
    status, error, eligible, _ = hospital.last_run()
    assert (status, eligible) == ("failed", 4)
    assert sentence in error
    assert hospital.one("SELECT count(*) FROM scorer.scores") == 2
    assert hospital.one("SELECT count(*) FROM scorer.work") == 0


# Bytes in the database


def test_a_host_without_the_files_takes_the_bytes_from_the_database(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    hospital.admit(1, 2)
    folder = make(linear(hospital.job, seed=3), version="kept")
    elsewhere = tmp_path / "elsewhere" / "kept"
    shutil.copytree(folder, elsewhere)
    assert "its bytes in the database" in scorer("anna", "model", "register", JOB, elsewhere, "--store")[1]
    fill_card(scorer, "kept", tmp_path / "card.toml")
    assert scorer("bob", "model", "promote", JOB, "kept", "--why", "well")[0] == 0
    hospital.run()
    by_file = hospital.scores()
    shutil.rmtree(folder)
    hospital.execute("UPDATE scorer.current_scores SET valid_until = as_of + interval '1 second'")
    assert hospital.run(as_of=hospital.noon.replace(hour=13)).counts.scored == 2
    shutil.rmtree(elsewhere)
    assert len(by_file) == 2
    assert scorer("bob", "model", "verify", JOB, "kept")[0] == 0
    assert not folder.exists()


def test_bytes_that_were_altered_in_the_database_are_refused_before_they_are_unpickled(
    hospital: Any, make: Callable[..., Path], scorer: Callable[..., Said], tmp_path: Path
) -> None:
    Tripwire.makes = tmp_path / "opened"
    folder = make(constant(hospital.job, 0.5), version="kept")
    hospital.put_into_production(hospital.job, folder)
    assert scorer("anna", "model", "register", JOB, "kept", "--store")[0] == 0
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


# Two models over the same visits


def test_a_shadow_run_and_a_comparison_write_nothing_and_agree(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path]
) -> None:
    hospital.admit(*range(1, 31))
    hospital.admit(99, observations=1)
    for version, seed in (("one", 1), ("two", 2)):
        make(linear(hospital.job, seed=seed), version=version)
        assert scorer("anna", "model", "register", JOB, version)[0] == 0
    before = hospital.one("SELECT max(xmin::text::bigint) FROM scorer.model_versions")
    noon = hospital.noon.isoformat()
    shadow = json.loads(scorer("anna", "model", "shadow", JOB, "one", "--as-of", noon, "--json")[1])
    assert (shadow["production"], shadow["entities"]) == (SHIPPED, 31)
    assert shadow["bands"]["INSUFFICIENT"] == {"INSUFFICIENT": 1}
    assert shadow["up"] + shadow["down"] == shadow["moved"]
    found = json.loads(scorer("anna", "model", "compare", JOB, "one", "two", "--as-of", noon, "--json")[1])
    assert found["agreement"]["scored_by_both"] == 30
    assert -1 <= found["agreement"]["rank_correlation"] <= 1
    same = json.loads(scorer("anna", "model", "compare", JOB, "one", "one", "--as-of", noon, "--json")[1])
    assert same["migration"]["moved"] == 0
    assert same["agreement"]["rank_correlation"] == pytest.approx(1)
    assert same["agreement"]["largest"] == 0
    few = json.loads(scorer("anna", "model", "compare", JOB, "one", "two", "--as-of", noon, "--limit", 5, "--json")[1])
    assert few["migration"]["entities"] == 5
    assert "The ledger holds no entity" in scorer("anna", "model", "compare", JOB, "one", "two", "--ledger")[2]
    assert "lies in the future" in scorer("anna", "model", "shadow", JOB, "one", "--as-of", "2199-01-01T00:00Z")[2]
    assert hospital.one("SELECT count(*) FROM scorer.runs") == hospital.one("SELECT count(*) FROM scorer.scores") == 0
    assert hospital.one("SELECT max(xmin::text::bigint) FROM scorer.model_versions") == before
    for command in (("shadow", JOB, "one"), ("compare", JOB, "one", "two")):
        assert "would stand elsewhere" in scorer("anna", "model", *command, "--as-of", noon)[1]


def test_a_shadow_run_holds_nothing_of_the_hospital_while_it_judges(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.admit(*range(1, 31))
    make(linear(hospital.job, seed=1), version="one")
    assert scorer("anna", "model", "register", JOB, "one")[0] == 0
    held: list[tuple[str, list[tuple[Any, ...]]]] = []

    def looking(where: Any, name: str) -> Callable[..., Any]:
        plain = getattr(where, name)

        def look(*arguments: Any, **named: Any) -> Any:
            found = hospital.rows(
                "SELECT 'locks public.visits', mode FROM pg_locks WHERE relation = 'public.visits'::regclass "
                "UNION ALL SELECT state, query FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            held.append((name, found))
            return plain(*arguments, **named)

        return look

    # After the hospital's tables were read, and after the ledger was read for scores published before.
    for where, name in ((pipeline, "predict_both"), (Pipeline, "pool_for"), (pipeline, "reasons_for")):
        monkeypatch.setattr(where, name, looking(where, name))
    settings = replace(hospital.settings, batch_size=10)
    beside = shadow_run(hospital.job, "one", database=Database(hospital.url, settings), as_of=hospital.noon)
    assert len(beside.pairs) == 30
    assert held == [(name, []) for _ in range(6) for name in ("predict_both", "pool_for", "reasons_for")]


def test_where_outcomes_are_known_a_comparison_measures_both(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path]
) -> None:
    hospital.admit(*range(1, 41), discharged_at=hospital.noon)
    for visit in range(1, 41):
        onset = f"'{hospital.noon.isoformat()}'" if visit % 4 == 0 else "NULL"
        hospital.execute(f"INSERT INTO public.outcomes VALUES ({visit}, {int(visit % 4 == 0)}, {onset})")
    for version, seed in (("one", 1), ("two", 2)):
        make(linear(hospital.job, seed=seed), version=version)
        scorer("anna", "model", "register", JOB, version)
    noon = hospital.noon.isoformat()
    arguments = ("model", "compare", JOB, "one", "two", "--as-of", noon, "--outcomes")
    code, out, said = scorer("anna", *arguments, "--json")
    assert code == 0, said
    measured = json.loads(out)["outcomes"]
    assert measured["events"] > 0
    assert set(measured["models"]) == {"one", "two"}
    for model in measured["models"].values():
        assert {"auroc", "average_precision", "brier"} <= set(model["metrics"])
        assert sum(each["rows"] for each in model["calibration"]) == measured["rows"]
    assert "auroc" in scorer("anna", *arguments)[1]


# Cards


def test_a_card_of_another_model_or_with_a_strange_field_is_refused(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    for version in ("v2", "v3"):
        make(constant(hospital.job, 0.5), version=version, metrics={"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}})
        scorer("anna", "model", "register", JOB, version)
    path = tmp_path / "card.toml"
    scorer("anna", "model", "card", JOB, "v2", "--write", path)
    written = tomllib.loads(path.read_text())
    assert written["facts"]["auroc"] == "0.8000 (0.7000 to 0.9000)"
    assert list(written["card"]) == list(cards.FIELDS)
    assert (
        "is not one of model v3 of sepsis: its model_version"
        in scorer("anna", "model", "card", JOB, "v3", "--set", path)[2]
    )
    assert "name a new file" in scorer("anna", "model", "card", JOB, "v2", "--write", path)[2]
    text = path.read_text()
    for changed, sentence in (
        (text + 'colour = "blue"\n', "has the field 'colour'"),
        (text.replace('owner = ""', "owner = 7"), "owner must be text in quotes"),
        (text.replace("[card]", "[cart]"), "has no .facts. or no .card."),
        ("[facts\n", "is not valid TOML"),
    ):
        path.write_text(changed)
        assert re.search(sentence, scorer("anna", "model", "card", JOB, "v2", "--set", path)[2])
    said = 'a "quoted" text\nof two lines, with \\ in it'
    path.write_text(text.replace('limits = ""', f"limits = {json.dumps(said)}"))
    assert scorer("anna", "model", "card", JOB, "v2", "--set", path)[0] == 0
    assert tomllib.loads(scorer("anna", "model", "card", JOB, "v2")[1])["card"]["limits"] == said


def test_the_first_model_has_a_way_in_of_its_own_once(hospital: Any) -> None:
    """The shipped model came in by the owner's hand; the same way is closed to a second one, whoever tries."""
    register = "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest) VALUES ('sepsis', 'more', repeat('0', 64), '{}')"
    hospital.execute(register)
    with pytest.raises(psycopg2.Error, match="was registered by"):
        hospital.execute("SELECT scorer.admit_first_model('sepsis', 'more', 'why')")
    assert standing(hospital) == {SHIPPED: "production", "more": "candidate"}
