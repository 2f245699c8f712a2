"""A model's way into production and out of it, by the commands and as two people; and what a run makes of it meanwhile."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.registry import cards
from scorer.registry.manifest import libraries
from scorer.runs.run import run_job
from scorer.runs.worker import Worker

JOB = "sepsis"
SHIPPED = "2026.11.29"

Said = tuple[int, str, str]


def constant(job: Any, share: float) -> Any:
    """A model that gives each entity the same score."""
    width = len(feature_names(job.features))
    ones = round(share * 100)
    return DummyClassifier(strategy="prior").fit([[0.0] * width] * 100, [0] * (100 - ones) + [1] * ones)


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
    assert "the login must be able to set role" in scorer("nobody", "model", "promote", JOB, "v2", "--why", "well")[2]
    assert standing(hospital) == {SHIPPED: "production", "v2": "candidate"}
    assert hospital.one("SELECT count(*) FROM scorer.model_evidence") == 0, "nothing half done"

    code, out, _ = scorer("bob", "model", "promote", JOB, "v2", "--why", "two eyes", "--json")
    assert code == 0
    moved = json.loads(out)["migration"]
    assert (moved["entities"], moved["moved"], moved["up"], moved["down"]) == (3, 3, 3, 0)
    assert moved["bands"] == {"MEDIUM": {"HIGH": 3}}
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


def test_an_approver_promotes_nothing_of_their_own(
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


# Manifests that a version is refused for, here, and the sentence that says so.
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"off": 1e-6}, "its golden vectors are off by 1e-06, below 1e-06 is needed; the libraries are those of its"),
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
)


def test_a_model_that_cannot_be_trusted_here_is_refused_in_one_sentence(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    hospital.admit(1)
    for number, (manifest, sentence) in enumerate(REFUSED):
        version = f"v{number}"
        make(constant(hospital.job, 0.5), version=version, **manifest)
        code, _, said = scorer("anna", "model", "register", JOB, version)
        if code == 0:
            fill_card(scorer, version, tmp_path / "card.toml")
            code, _, said = scorer("bob", "model", "promote", JOB, version, "--why", "well")
            assert scorer("bob", "model", "verify", JOB, version)[0] == code
        assert code == 1, manifest
        assert re.search(sentence, said), said
        assert standing(hospital).get(version) in {None, "candidate"}
    assert hospital.one("SELECT count(*) FROM scorer.model_evidence") == 0
    assert standing(hospital)[SHIPPED] == "production"


def test_golden_vectors_may_be_off_by_less_than_a_millionth(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    hospital.admit(1)
    make(constant(hospital.job, 0.5), version="v2", off=0.9e-7)
    assert scorer("anna", "model", "register", JOB, "v2")[0] == 0
    fill_card(scorer, "v2", tmp_path / "card.toml")
    code, _, said = scorer("bob", "model", "promote", JOB, "v2", "--why", "well")
    assert code == 0, said
    assert scorer("bob", "model", "verify", JOB, "v2")[0] == 0


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
    hospital: Any, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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


def test_a_host_without_the_files_takes_the_bytes_from_the_database(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path, fitted: Callable[..., Any]
) -> None:
    hospital.admit(1, 2)
    folder = make(fitted(hospital.job, seed=3), version="kept")
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


# Cards


def test_a_card_is_written_filled_and_set_by_the_command(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], tmp_path: Path
) -> None:
    make(constant(hospital.job, 0.5), version="v2")
    scorer("anna", "model", "register", JOB, "v2")
    path = tmp_path / "card.toml"
    scorer("anna", "model", "card", JOB, "v2", "--write", path)
    assert "name a new file" in scorer("anna", "model", "card", JOB, "v2", "--write", path)[2]
    text = path.read_text()
    path.write_text(text + 'colour = "blue"\n')
    assert "has the field 'colour'" in scorer("anna", "model", "card", JOB, "v2", "--set", path)[2]
    said = 'a "quoted" text\nof two lines, with \\ in it'
    path.write_text(text.replace('limits = ""', f"limits = {json.dumps(said)}"))
    assert scorer("anna", "model", "card", JOB, "v2", "--set", path)[0] == 0
    assert tomllib.loads(scorer("anna", "model", "card", JOB, "v2")[1])["card"]["limits"] == said
