"""Scores with their reasons in the database, and explained; inputs that are declined; a challenger in the shadow."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest
from sklearn.dummy import DummyClassifier

from scorer.cli.main import main
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.store.models import move_model, register_model, start_challenge, stop_challenge
from scorer.errors import UserError
from scorer.governance.explain import explain
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.jobs.publication import Decline, Declining, Reasoning, Split
from scorer.registry.declining import Baseline, fit
from scorer.registry.ensemble import Ensemble, Linear
from scorer.scoring.isolation import leave_out
from scorer.types.arrays import Features

VISITS = 30
HEART_RATE = "HR_last_stay"
SHOWN = (
    "SELECT kind, feature, value, contribution, code, attribute, source, observation_id, observation_date, observation_value "
    "FROM reporting.score_reasons WHERE entity_id = %s ORDER BY rank"
)


def linear(job: Job, *, bias: float = -11.0, **weights: float) -> Ensemble:
    """A model by hand: the last heart rate in twenties from 70, the age, a missing lactate, and what else is asked for."""
    names = feature_names(job.features)
    width = len(names)
    weight, missing, centre, scale = np.zeros(width), np.zeros(width), np.zeros(width), np.ones(width)
    for name, each in {HEART_RATE: 2.0, "age_years": 0.02, **weights}.items():
        weight[names.index(name)] = each
    centre[names.index(HEART_RATE)], scale[names.index(HEART_RATE)] = 70.0, 20.0
    missing[names.index("LACTATE_last_stay")] = 0.25
    member = Linear(centre=centre, scale=scale, weight=weight, missing=missing, bias=bias, limit=1e9)
    return Ensemble([member]).calibrated(slope=1.0, intercept=3.5)


@pytest.fixture(autouse=True)
def _told_anew() -> None:
    """What is told once a process is told in each test."""
    leave_out.cache_clear()


@pytest.fixture
def scored(hospital: Any, make_model: Callable[..., Path]) -> Any:
    """A hospital whose model is made by hand, and where every tenth visit is HIGH."""
    model = make_model(hospital.job, linear(hospital.job), version="by-hand")
    hospital.put_into_production(hospital.job, model)
    hospital.admit(*range(1, VISITS + 1))
    for visit in range(10, VISITS + 1, 10):
        hospital.observe(visit, hours_ago=0.5, observation_value=140.0)
    return hospital


def high(hospital: Any) -> list[str]:
    return [
        entity for (entity,) in hospital.rows("SELECT entity_id FROM reporting.current_scores WHERE risk_band = 'HIGH'")
    ]


# Reasons


def test_high_scores_and_no_others_have_reasons_that_add_up(scored: Any) -> None:
    scored.run()
    found = scored.rows(
        "SELECT entity_id, max(score), sum(contribution), count(*) FROM reporting.score_reasons WHERE current GROUP BY entity_id"
    )
    assert sorted(entity for entity, *_ in found) == sorted(high(scored))
    assert len(found) == VISITS // 10
    for _, score, total, rows in found:
        assert total == pytest.approx(np.log(score) - np.log1p(-score), abs=1e-9)
        assert rows == 5 + 2


def test_the_observation_is_named(scored: Any) -> None:
    scored.run()
    ((_, feature, value, contribution, *origin), *rest) = scored.rows(SHOWN, "10")
    (observation,) = scored.rows(
        "SELECT observation_id::text, observation_date, observation_value FROM patient_observations WHERE visit_id = 10 "
        "AND observation_value = 140"
    )
    assert (feature, value, contribution) == (HEART_RATE, 140.0, pytest.approx(7.0))
    assert origin == ["HR", None, "last", *observation]
    age = next(each for each in rest if each[1] == "age_years")
    assert age[5] == "age_years"
    lactate = next(each for each in rest if each[1] == "LACTATE_last_stay")
    assert lactate[2:5] == (None, pytest.approx(0.25), "LACTATE")
    assert [each[0] for each in rest[-2:]] == ["others", "bias"]


def test_the_reasons_are_the_same_in_whatever_batch(scored: Any, make_database: Callable[[str], str]) -> None:
    scored.close()
    scored._connection = None
    twin = make_database(scored.url.split("?")[0].rsplit("/", 1)[1])
    scored.run()
    other = replace(scored, url=twin, settings=replace(scored.settings, batch_size=7), _connection=None)
    other.run()
    query = (
        "SELECT entity_id, rank, kind, feature, value, encode(float8send(contribution), 'hex'), observation_id "
        "FROM reporting.score_reasons ORDER BY entity_id, rank"
    )
    assert scored.rows(query) == other.rows(query)
    other.close()


def test_the_job_says_which_bands_and_how_many(scored: Any) -> None:
    job = replace(scored.job, reasons=Reasoning(bands=("HIGH", "LOW"), top=2))
    scored.run(job)
    bands = dict(scored.rows("SELECT risk_band, count(*) / 4 FROM reporting.score_reasons GROUP BY risk_band"))
    assert bands == {
        "HIGH": VISITS // 10,
        "LOW": scored.one("SELECT count(*) FROM reporting.current_scores WHERE risk_band = 'LOW'"),
    }
    off = replace(scored.job, version="f" * 16, reasons=Reasoning())
    before = scored.one("SELECT count(*) FROM scorer.score_reasons")
    scored.run(off, as_of=scored.noon + timedelta(minutes=1))
    assert scored.one("SELECT count(*) FROM scorer.score_reasons") == before


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


class Wrong(Ensemble):
    """Says parts of another score."""

    def contributions(self, rows: Any) -> Any:
        return super().contributions(rows) + 0.1  # type: ignore[operator]


class Raising(Ensemble):
    """Cannot say its parts."""

    def contributions(self, rows: Any) -> Any:  # noqa: ARG002 - the estimator's
        raise ZeroDivisionError


@pytest.mark.parametrize(("kind", "told"), [(Wrong, "do not add up"), (Raising, "ZeroDivisionError was raised")])
def test_a_score_is_not_lost_for_want_of_its_reasons(
    scored: Any, make_model: Callable[..., Path], caplog: pytest.LogCaptureFixture, kind: Any, told: str
) -> None:
    estimator = kind(linear(scored.job).members, slope=1.0, intercept=3.5)
    scored.put_into_production(scored.job, make_model(scored.job, estimator, version="odd"))
    scored.settings = replace(scored.settings, batch_size=10)
    scored.run()
    assert len(high(scored)) == VISITS // 10
    assert scored.one("SELECT count(*) FROM scorer.score_reasons") == 0
    (record,) = [each for each in caplog.records if "without their reasons" in each.getMessage()]
    assert told in record.fields["error"]  # type: ignore[attr-defined]


def test_reasons_are_never_changed(scored: Any) -> None:
    scored.run()
    for change in (
        "UPDATE scorer.score_reasons SET value = 0",
        "DELETE FROM scorer.score_reasons",
        "TRUNCATE scorer.score_reasons",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
            scored.execute(change)


def test_an_answer_gives_its_reasons(ward: Any, make_model: Callable[..., Path], desk: Any) -> None:
    ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job), version="by-hand"))
    desk.warm()
    ward.admit(1)
    ward.observe(1, hours_ago=0.5, observation_value=150.0)
    ward.execute("SELECT scorer.request_score('sepsis', '1')")
    assert desk.answer_waiting() == 1
    assert [kind for kind, *_ in ward.rows(SHOWN, "1")] == ["feature"] * 5 + ["others", "bias"]


# Explained


def test_a_stored_explanation_is_told_as_stored(scored: Any) -> None:
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


def test_what_cannot_be_explained_is_told_in_one_sentence(scored: Any) -> None:
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


def test_a_model_that_is_gone_is_told(scored: Any) -> None:
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
    told, _, last = capsys.readouterr().out.rstrip().rpartition("\n")
    assert f"{HEART_RATE}" in told
    assert "the log-odds of the score. Stored with the score." in told
    found = json.loads(last)
    assert found["reasons"][0]["feature"] == HEART_RATE
    assert found["entity_id"] == "10"


# Declining


def declining(job: Job, *, spec: Declining) -> dict[str, Any]:
    """A baseline of features within 10,000, those of heart rate and pressure within 200, and of scores that tell the classes apart well."""
    names = feature_names(job.features)
    random = np.random.default_rng(1)
    values = random.uniform(-1e4, 1e4, size=(3000, len(names)))
    values[random.random(values.shape) < 0.5] = np.nan
    for name in (each for each in names if each.startswith(("HR_", "SBP_"))):
        values[:, names.index(name)] = random.uniform(-200, 200, 3000)
    label = (np.arange(3000) % 4 == 0).astype(float)
    score = np.where(label == 1, random.uniform(0.2, 1.0, 3000), random.uniform(0.0, 0.6, 3000))
    clients = np.arange(3000).astype(object)
    return fit(Features(names=names, values=values), label, score, clients, spec)


@pytest.fixture
def cautious(hospital: Any, make_model: Callable[..., Path]) -> Any:
    """A hospital whose model knows what its training data were like."""
    spec = Declining(share=0.01)
    model = make_model(
        hospital.job, linear(hospital.job), version="cautious", declining=declining(hospital.job, spec=spec)
    )
    hospital.put_into_production(hospital.job, model)
    hospital.admit(*range(1, VISITS + 1))
    return hospital


def make_odd(hospital: Any, visit: int) -> None:
    """Plausible heart rates and pressures that no training data had: they are in many features."""
    hospital.execute(
        "UPDATE patient_observations SET observation_value = 317 WHERE visit_id = %s AND observation_type_code IN ('HR', 'SBP')",
        visit,
    )


def test_inputs_unlike_the_training_data_are_declined_and_others_are_not(cautious: Any) -> None:
    make_odd(cautious, 7)
    counts = cautious.run().counts
    assert (counts.indeterminate, counts.scored) == (1, VISITS - 1)
    status, reason = cautious.status(7)
    assert status == "INDETERMINATE"
    assert reason is not None
    assert reason.startswith("the inputs are unlike the training data: ")
    assert "317" not in reason
    unlike = cautious.one("SELECT (outputs ->> 'unlike')::int FROM reporting.score_history WHERE entity_id = '7'")
    assert unlike > 3
    assert cautious.one("SELECT outputs FROM reporting.current_scores WHERE entity_id = '7'") == {}
    again = cautious.run(as_of=cautious.noon + timedelta(minutes=1)).counts
    assert (again.indeterminate, again.unchanged) == (1, VISITS - 1)
    assert cautious.ledger(7) == ["INDETERMINATE"], "written once"


def test_a_ward_that_is_mostly_unlike_training_is_declined_and_no_broken_model(cautious: Any) -> None:
    odd = VISITS * 3 // 4
    assert VISITS >= 20, "too few for the rule that asks for a score of at least half"
    for visit in range(1, odd + 1):
        make_odd(cautious, visit)
    counts = cautious.run().counts
    assert (counts.indeterminate, counts.scored) == (odd, VISITS - odd)


def test_the_conformal_set_is_recorded_with_each_score_and_declines_only_where_asked(cautious: Any) -> None:
    cautious.observe(5, hours_ago=0.5, observation_value=133.0)
    cautious.run()
    sets = dict(cautious.rows("SELECT entity_id, outputs ->> 'conformal' FROM reporting.current_scores"))
    assert set(sets.values()) == {"0", "both"}
    assert sets["5"] == "both"
    asked = replace(cautious.job, version="f" * 16, declining=Declining(decline_on=(Decline.UNDECIDED,)))
    counts = cautious.run(asked, as_of=cautious.noon + timedelta(minutes=1)).counts
    assert counts.indeterminate == sum(each == "both" for each in sets.values())
    assert cautious.status(5) == (
        "INDETERMINATE",
        "the conformal set holds both classes at level 0.1: the score decides nothing",
    )


def test_an_old_manifest_declines_nothing_and_records_nothing(scored: Any) -> None:
    make_odd(scored, 7)
    scored.run()
    assert scored.status(7)[0] == "SCORED"
    assert scored.rows("SELECT DISTINCT outputs::text FROM reporting.current_scores") == [("{}",)]


def test_a_manifest_that_cannot_be_used_stops_before_anything_is_claimed(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.put_into_production(
        hospital.job, make_model(hospital.job, linear(hospital.job), version="broken", declining={"unlike": {}})
    )
    hospital.admit(1)
    with pytest.raises(UserError, match='"declining" cannot be used'):
        hospital.run()
    assert Baseline.of({}) is None


# The challenger


def in_transaction(hospital: Any, do: Callable[[Session], Any]) -> Any:
    store = Session(Target.of(hospital.url, hospital.settings, role=None))
    try:
        with store.transaction():
            return do(store)
    finally:
        store.close()


@pytest.fixture
def contest(scored: Any, make_model: Callable[..., Path]) -> Callable[..., None]:
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


def test_an_answer_is_the_production_score(ward: Any, make_model: Callable[..., Path], desk: Any) -> None:
    ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job), version="by-hand"))
    content = json.loads(
        (make_model(ward.job, linear(ward.job, bias=-1.0), version="other") / "manifest.json").read_text()
    )

    def register(store: Session) -> None:
        register_model(store, ward.job.name, model_version="other", sha256=content["sha256"], manifest=content)
        move_model(store, ward.job.name, model_version="other", status="staging", why="a test")

    desk.warm()
    in_transaction(ward, register)
    in_transaction(ward, lambda store: start_challenge(store, ward.job.name, model_version="other", why="a test"))
    desk.warm()
    ward.admit(1)
    ward.execute("SELECT scorer.request_score('sepsis', '1')")
    assert desk.answer_waiting() == 1
    ((outcome, model, shadow),) = ward.rows(
        "SELECT q.outcome, s.model_version, s.shadow FROM reporting.requests AS q JOIN scorer.scores AS s USING (score_id)"
    )
    assert (outcome, model, shadow) == ("SCORED", "by-hand", False)
    assert ward.one("SELECT count(*) FROM scorer.scores WHERE shadow AND model_version = 'other'") == 1


class Failing(Ensemble):
    """Cannot score."""

    def predict_proba(self, rows: Any) -> Any:  # noqa: ARG002 - the estimator's
        raise ZeroDivisionError


def test_a_challenger_that_fails_harms_nobody(
    scored: Any, contest: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    contest(Failing(linear(scored.job).members))
    scored.settings = replace(scored.settings, batch_size=10)
    assert scored.run().counts.scored == VISITS
    assert scored.one("SELECT count(*) FROM scorer.scores WHERE shadow") == 0
    (record,) = [each for each in caplog.records if "Challenger left out" in each.getMessage()]
    assert record.fields["challenger"] == "challenger"  # type: ignore[attr-defined]
    assert record.fields["error"] == "ZeroDivisionError was raised as it scored"  # type: ignore[attr-defined]


@pytest.mark.parametrize("spoil", ["gone", "other features"])
def test_a_challenger_that_cannot_be_loaded_harms_nobody(
    scored: Any, contest: Callable[..., None], caplog: pytest.LogCaptureFixture, spoil: str
) -> None:
    contest(**({"features": ["other"]} if spoil == "other features" else {}))
    if spoil == "gone":
        folder = scored.settings.home_dir / "models" / scored.job.name / "challenger"
        folder.rename(folder.with_name("elsewhere"))
    assert scored.run().counts.scored == VISITS
    (record,) = [each for each in caplog.records if "Challenger left out" in each.getMessage()]
    assert ("folder" if spoil == "gone" else "features") in record.fields["error"]  # type: ignore[attr-defined]


def test_a_challenger_that_declines_does_so_in_the_shadow(scored: Any, contest: Callable[..., None]) -> None:
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
    for arguments, code, told in (
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
        assert (ended.value.code, capsys.readouterr().out) == (code, told)


# A live split


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
