"""A challenger: it scores in the shadow or takes its share, and its failure harms no score of production."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.cli.main import main
from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.store.models import move_model, register_model, start_challenge, stop_challenge
from scorer.errors import UserError
from scorer.jobs.publication import Declining, Split
from scorer.registry.ensemble import Ensemble

VISITS = 30  # of the fixture `scored`


def high(hospital: Any) -> list[str]:
    return [
        entity for (entity,) in hospital.rows("SELECT entity_id FROM reporting.current_scores WHERE risk_band = 'HIGH'")
    ]


def in_transaction(hospital: Any, do: Callable[[Session], Any]) -> Any:
    session = Session(Target.of(hospital.url, hospital.settings, role=None))
    try:
        with session.transaction():
            return do(session)
    finally:
        session.close()


@pytest.fixture
def contest(scored: Any, make_model: Callable[..., Path], linear: Callable[..., Ensemble]) -> Callable[..., None]:
    """Registers a challenger, in staging, and has it challenge."""

    def begin(estimator: Any = None, *, version: str = "challenger", why: str = "a test", **manifest: Any) -> None:
        found = linear(scored.job, bias=-10.0) if estimator is None else estimator
        content = json.loads((make_model(scored.job, found, version=version, **manifest) / "manifest.json").read_text())

        def register(store: Session) -> None:
            register_model(store, scored.job.name, model_version=version, sha256=content["sha256"], manifest=content)
            move_model(store, scored.job.name, model_version=version, status="staging", why="a test")
            start_challenge(store, scored.job.name, model_version=version, why=why)

        in_transaction(scored, register)

    return begin


def test_a_challenger_scores_beside_production_and_is_never_current(scored: Any, contest: Callable[..., None]) -> None:
    contest()
    counts = scored.run().counts
    assert counts.scored == VISITS
    pairs = scored.rows(
        "SELECT model_version, shadow_model_version, score, shadow_score FROM reporting.challenger_pairs"
    )
    assert len(pairs) == VISITS
    assert {each[:2] for each in pairs} == {("by-hand", "challenger")}
    for _, _, score, shadow in pairs:
        assert np.log(shadow) - np.log1p(-shadow) == pytest.approx(np.log(score) - np.log1p(-score) + 1.0)
    assert scored.rows("SELECT DISTINCT model_version FROM reporting.current_scores") == [("by-hand",)]
    assert scored.rows("SELECT DISTINCT model_version FROM reporting.sepsis_predictions") == [("by-hand",)]
    current = {row[0] for row in scored.rows("SELECT score_id FROM scorer.current_scores")}
    assert not current & {row[0] for row in scored.rows("SELECT score_id FROM scorer.scores WHERE shadow")}
    written = scored.one(
        "SELECT count(*) FROM visits AS v JOIN reporting.current_scores AS c ON c.entity_id = v.visit_id::text AND c.score = v.sepsis_score"
    )
    assert written == VISITS
    assert scored.one("SELECT sum(shadows) FROM scorer.batches") == VISITS
    assert (
        scored.one(
            "SELECT count(*) FROM scorer.score_reasons AS r JOIN scorer.scores AS s USING (score_id) WHERE s.shadow"
        )
        == 0
    )
    unchanged = scored.run(as_of=scored.noon + timedelta(minutes=1)).counts
    assert unchanged.unchanged == VISITS
    assert scored.one("SELECT count(*) FROM scorer.scores WHERE shadow") == VISITS


def test_an_answer_is_the_production_score(
    ward: Any, make_model: Callable[..., Path], answering: Any, linear: Callable[..., Ensemble]
) -> None:
    ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job), version="by-hand"))
    content = json.loads(
        (make_model(ward.job, linear(ward.job, bias=-1.0), version="other") / "manifest.json").read_text()
    )

    def register(store: Session) -> None:
        register_model(store, ward.job.name, model_version="other", sha256=content["sha256"], manifest=content)
        move_model(store, ward.job.name, model_version="other", status="staging", why="a test")

    answering.warm()
    in_transaction(ward, register)
    in_transaction(ward, lambda store: start_challenge(store, ward.job.name, model_version="other", why="a test"))
    answering.warm()
    ward.admit(1)
    ward.execute("SELECT scorer.request_score('sepsis', '1')")
    assert answering.answer_waiting() == 1
    ((outcome, model, shadow),) = ward.rows(
        "SELECT q.outcome, s.model_version, s.shadow FROM reporting.requests AS q JOIN scorer.scores AS s USING (score_id)"
    )
    assert (outcome, model, shadow) == ("SCORED", "by-hand", False)
    assert ward.one("SELECT count(*) FROM scorer.scores WHERE shadow AND model_version = 'other'") == 1


class Failing(Ensemble):
    """Cannot score."""

    def predict_proba(self, rows: Any) -> Any:  # noqa: ARG002 - the estimator's
        raise ZeroDivisionError


def test_a_challenger_that_fails_harms_no_score(
    scored: Any, contest: Callable[..., None], caplog: pytest.LogCaptureFixture, linear: Callable[..., Ensemble]
) -> None:
    contest(Failing(linear(scored.job).members))
    scored.settings = replace(scored.settings, batch_size=10)
    assert scored.run().counts.scored == VISITS
    assert scored.one("SELECT count(*) FROM scorer.scores WHERE shadow") == 0
    (record,) = [each for each in caplog.records if "Challenger left out" in each.getMessage()]
    assert record.fields["challenger"] == "challenger"  # type: ignore[attr-defined]
    assert record.fields["error"] == "ZeroDivisionError was raised as it scored"  # type: ignore[attr-defined]


@pytest.mark.parametrize("spoil", ["gone", "other features"])
def test_a_challenger_that_cannot_be_loaded_harms_no_score(
    scored: Any, contest: Callable[..., None], caplog: pytest.LogCaptureFixture, spoil: str
) -> None:
    contest(**({"features": ["other"]} if spoil == "other features" else {}))
    if spoil == "gone":
        folder = scored.settings.home_dir / "models" / scored.job.name / "challenger"
        folder.rename(folder.with_name("elsewhere"))
    assert scored.run().counts.scored == VISITS
    (record,) = [each for each in caplog.records if "Challenger left out" in each.getMessage()]
    assert ("folder" if spoil == "gone" else "features") in record.fields["error"]  # type: ignore[attr-defined]


def test_a_challenger_that_declines_does_so_in_the_shadow(
    scored: Any,
    contest: Callable[..., None],
    declining: Callable[..., dict[str, Any]],
    make_odd: Callable[[Any, int], None],
) -> None:
    make_odd(scored, 7)
    contest(declining=declining(scored.job, spec=Declining(share=0.01)))
    counts = scored.run().counts
    assert (counts.scored, counts.indeterminate) == (VISITS, 0)
    found = scored.rows(
        "SELECT status, shadow_status, shadow_score FROM reporting.challenger_pairs WHERE entity_id = '7'"
    )
    assert found == [("SCORED", "INDETERMINATE", None)]


def test_who_may_challenge_and_what(scored: Any, contest: Callable[..., None]) -> None:
    contest()
    for version, message in (
        ("by-hand", "Model by-hand of sepsis is production; only a version in staging may challenge production."),
        ("none", "Model none of sepsis is not registered; see `scorer model list`."),
        (
            "challenger",
            "Model challenger of sepsis challenges production already; stop that first, with `scorer model challenge sepsis --stop`.",
        ),
    ):
        with pytest.raises(UserError) as raised:
            in_transaction(
                scored, lambda store, version=version: start_challenge(store, "sepsis", model_version=version, why="w")
            )
        assert str(raised.value) == message
    with pytest.raises(UserError, match="needs a reason"):
        in_transaction(scored, lambda store: start_challenge(store, "sepsis", model_version="challenger", why=" "))
    assert in_transaction(scored, lambda store: stop_challenge(store, "sepsis", why="enough"))
    assert not in_transaction(scored, lambda store: stop_challenge(store, "sepsis", why="enough"))
    ((why, stopped, by),) = scored.rows("SELECT why, stopped_why, stopped_by IS NOT NULL FROM reporting.challengers")
    assert (why, stopped, by) == ("a test", "enough", True)
    assert scored.run().counts.scored == VISITS
    assert scored.one("SELECT count(*) FROM scorer.scores WHERE shadow") == 0


def test_a_version_that_leaves_staging_challenges_no_more(scored: Any, contest: Callable[..., None]) -> None:
    contest()
    in_transaction(
        scored, lambda store: move_model(store, "sepsis", model_version="challenger", status="archived", why="a test")
    )
    assert scored.rows("SELECT stopped_why FROM reporting.challengers") == [
        ("the version went from staging to archived",)
    ]


def test_the_command_challenges(
    scored: Any, contest: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contest()
    monkeypatch.setenv("SCORER_DATABASE_URL", scored.url)
    monkeypatch.setenv("SCORER_HOME", str(scored.settings.home_dir))
    for arguments, code, shown in (
        (["--stop", "--why", "enough"], 0, "The challenge to production of sepsis is over.\n"),
        (
            ["challenger", "--why", "again"],
            0,
            "The challenge to production of sepsis by model challenger begins with the next run.\n",
        ),
        (["challenger", "--stop", "--why", "both"], 1, ""),
        (["--why", "neither"], 1, ""),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["model", "challenge", "sepsis", *arguments])
        assert (ended.value.code, capsys.readouterr().out) == (code, shown)


def test_a_split_publishes_the_challengers_score_of_its_share(scored: Any, contest: Callable[..., None]) -> None:
    contest()
    job = replace(scored.job, split=Split(share=0.3))
    scored.run(job)
    taken = {str(visit) for visit in range(1, VISITS + 1) if job.split.takes(job.name, str(visit))}
    assert 3 < len(taken) < 20
    current = dict(scored.rows("SELECT entity_id, model_version FROM reporting.current_scores"))
    assert {entity for entity, version in current.items() if version == "challenger"} == taken
    pairs = scored.rows(
        "SELECT entity_id, model_version, shadow_model_version, score_id FROM reporting.challenger_pairs"
    )
    assert len(pairs) == VISITS
    for entity, published, shadow, score_id in pairs:
        assert (published, shadow) == (("challenger", "by-hand") if entity in taken else ("by-hand", "challenger"))
        assert scored.one("SELECT score_id FROM reporting.current_scores WHERE entity_id = %s", entity) == score_id
    reasons = scored.rows("SELECT DISTINCT entity_id, model_version FROM reporting.score_reasons WHERE current")
    assert {entity for entity, _ in reasons} == set(high(scored))
    assert all((version == "challenger") == (entity in taken) for entity, version in reasons)
    again = scored.run(job, as_of=scored.noon + timedelta(minutes=1)).counts
    assert again.unchanged == VISITS, "each by the model that published it"
