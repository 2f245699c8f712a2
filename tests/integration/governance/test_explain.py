"""Explanations: the reasons that are stored, or those that the model gives for the stored features."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from scorer.cli.main import main
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.governance.explain import explain
from scorer.jobs.features import feature_names
from scorer.jobs.publication import Reasoning

HEART_RATE = "HR_last_stay"


def test_a_model_that_cannot_be_taken_apart_has_no_reasons_and_says_so(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    whole = DummyClassifier(strategy="prior").fit([[0.0] * len(feature_names(hospital.job.features))] * 2, [0, 1])
    hospital.put_into_production(hospital.job, make_model(hospital.job, whole, version="whole"))
    hospital.admit(1, 2)
    hospital.run(replace(hospital.job, reasons=Reasoning(bands=("HIGH", "MEDIUM", "LOW"))))
    assert hospital.scores()
    assert hospital.one("SELECT count(*) FROM scorer.score_reasons") == 0
    with pytest.raises(UserError, match="cannot be taken apart, so that its scores have no reasons"):
        explain(hospital.job, "1", database=Database(hospital.url, hospital.settings))


def test_a_stored_explanation_is_given_as_stored(scored: Any) -> None:
    scored.run()
    found = explain(scored.job, "10", database=Database(scored.url, scored.settings))
    assert (found.stored, found.risk_band, found.note) == (True, "HIGH", None)
    assert found.reasons[0].feature == HEART_RATE
    assert found.as_json()["log_odds"] == pytest.approx(np.log(found.score) - np.log1p(-found.score), abs=1e-9)


@pytest.mark.parametrize(("entity", "top"), [("10", 3), ("11", None)])
def test_what_was_not_stored_is_made_of_the_stored_vector(scored: Any, entity: str, top: int | None) -> None:
    scored.run()
    found = explain(scored.job, entity, database=Database(scored.url, scored.settings), top=top)
    assert (found.stored, found.note) == (False, None)
    assert len(found.reasons) == (top or 5) + 2
    assert sum(each.contribution for each in found.reasons) == pytest.approx(
        np.log(found.score) - np.log1p(-found.score), abs=1e-9
    )
    newest = max(each.observation_date for each in found.reasons if each.code == "HR" and each.source == "last")
    assert newest == scored.one(
        "SELECT max(observation_date) FROM patient_observations WHERE visit_id = %s AND observation_type_code = 'HR'",
        entity,
    )
    if entity == "10":
        stored = explain(scored.job, entity, database=Database(scored.url, scored.settings))
        assert found.reasons[:3] == stored.reasons[:3]


def test_where_the_source_has_changed_no_observation_is_named(scored: Any) -> None:
    scored.run()
    scored.execute(
        "UPDATE patient_observations SET observation_value = 77 WHERE visit_id = 11 AND observation_type_code = 'HR'"
    )
    found = explain(scored.job, "11", database=Database(scored.url, scored.settings))
    assert found.note == "the source no longer gives the inputs of this score: no observation is named"
    assert {each.observation_id for each in found.reasons} == {None}
    assert sum(each.contribution for each in found.reasons) == pytest.approx(
        np.log(found.score) - np.log1p(-found.score), abs=1e-9
    )


def test_an_older_score_is_explained_by_its_key(scored: Any) -> None:
    scored.run()
    first = explain(scored.job, "10", database=Database(scored.url, scored.settings))
    scored.observe(10, hours_ago=-0.5, observation_value=150.0, recorded_at=scored.noon + timedelta(minutes=30))
    scored.run(as_of=scored.noon + timedelta(hours=1))
    second = explain(scored.job, "10", database=Database(scored.url, scored.settings))
    assert second.score_id > first.score_id
    again = explain(scored.job, "10", database=Database(scored.url, scored.settings), score_id=first.score_id)
    assert again == first


def test_what_cannot_be_explained_is_refused_in_one_sentence(scored: Any) -> None:
    scored.admit(100, observations=2)
    scored.run()
    for entity, score_id, message in (
        (
            "100",
            None,
            "Visit 100 of sepsis has no score to explain; it is INSUFFICIENT: 2 usable observations, 5 needed.",
        ),
        ("999", None, "Visit 999 of sepsis has no score to explain; it was never judged."),
        ("10", 10**9, f"Visit 10 of sepsis has no score {10**9}; reporting.score_history has those it has."),
    ):
        with pytest.raises(UserError) as raised:
            explain(scored.job, entity, database=Database(scored.url, scored.settings), score_id=score_id)
        assert str(raised.value) == message
    row = scored.one("SELECT score_id FROM reporting.score_history WHERE entity_id = '100'")
    with pytest.raises(UserError, match="is no score to explain: it is INSUFFICIENT"):
        explain(scored.job, "100", database=Database(scored.url, scored.settings), score_id=row)


def test_a_model_that_is_gone_is_refused_in_a_sentence(scored: Any) -> None:
    scored.run()
    folder = scored.settings.home_dir / "models" / scored.job.name / "by-hand"
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(UserError, match="put its folder back"):
        explain(scored.job, "11", database=Database(scored.url, scored.settings))
    assert explain(scored.job, "10", database=Database(scored.url, scored.settings)).stored, (
        "what is stored needs no model"
    )


def test_the_command_shows_it(scored: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    scored.run()
    monkeypatch.setenv("SCORER_DATABASE_URL", scored.url)
    monkeypatch.setenv("SCORER_HOME", str(scored.settings.home_dir))
    for arguments in (["explain", "sepsis", "10"], ["explain", "sepsis", "10", "--json"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
    shown, _, last = capsys.readouterr().out.rstrip().rpartition("\n")
    assert f"{HEART_RATE}" in shown
    assert "the log-odds of the score. Stored with the score." in shown
    found = json.loads(last)
    assert found["reasons"][0]["feature"] == HEART_RATE
    assert found["entity_id"] == "10"
