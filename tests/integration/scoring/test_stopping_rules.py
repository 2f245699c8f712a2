"""Rules that stop the run: scores that cannot be right are not published, nor is anything of their batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from scorer.errors import RunStopped, UserError
from scorer.jobs.features import feature_names
from scorer.scoring.validation.suites import Suites

VISITS = 120


@pytest.fixture
def full(hospital: Any) -> Any:
    """A hospital with more visits than any rule needs to be judged."""
    hospital.admit(*range(1, VISITS + 1))
    return hospital


def pipeline(job: Any, **classifier: Any) -> Any:
    """A logistic regression on age alone, whose coefficients are then set: a fitted pipeline that scores as badly as one likes."""
    names = list(feature_names(job.features))
    rows = np.full((100, len(names)), np.nan)
    rows[:, names.index("age_years")] = np.linspace(40, 90, 100)
    pick = FunctionTransformer(np.take, kw_args={"indices": [names.index("age_years")], "axis": 1})
    fitted: Pipeline = make_pipeline(pick, LogisticRegression()).fit(rows, np.arange(100) > 50)
    for name, value in classifier.items():
        setattr(fitted[-1], name, np.asarray(value))
    return fitted


def constant(job: Any) -> Any:
    width = len(feature_names(job.features))
    return DummyClassifier(strategy="prior").fit(np.zeros((2, width)), [0, 1])


def nan_for_most(job: Any) -> Any:
    return pipeline(job, coef_=[[np.nan]])


def out_of_range(job: Any) -> Any:
    fitted = constant(job)
    fitted.class_prior_ = np.array([-0.5, 1.5])
    return fitted


BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "constant": (constant, "scores_differ"),
    "NaN": (nan_for_most, "score_given"),
    "out of range": (out_of_range, "score_is_probability"),
    "shifted up": (lambda job: pipeline(job, coef_=[[0.001]], intercept_=[9.0]), "scores_not_shifted"),
    "shifted down": (lambda job: pipeline(job, coef_=[[0.001]], intercept_=[-9.0]), "scores_not_shifted"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_model_stops_the_run_and_publishes_nothing(kind: str, full: Any, make_model: Callable[..., Path]) -> None:
    make, rule = BAD[kind]
    full.put_into_production(full.job, make_model(full.job, make(full.job), version="bad"))
    with pytest.raises(RunStopped) as raised:
        full.run()
    sentence = str(raised.value)
    assert f"rule {rule} stops the run" in sentence
    assert "\n" not in sentence
    assert full.last_run() == ("failed", sentence, VISITS, 0)
    for table in ("scorer.scores", "scorer.current_scores", "scorer.work", "scorer.batches", "scorer.rejections"):
        assert full.one(f"SELECT count(*) FROM {table}") == 0
    assert full.one("SELECT count(sepsis_score) FROM public.visits") == 0
    assert (rule, None) in full.rows("SELECT rule, batch_id FROM scorer.validation_results WHERE NOT success")
    assert full.rows("SELECT rule, success FROM reporting.validation WHERE rule = %s", rule) == [(rule, False)]

    full.put_into_production(full.job, make_model(full.job, pipeline(full.job), version="good"))
    assert full.run().counts.scored == VISITS


def test_scores_beyond_a_probability_stop_the_run_even_if_there_is_only_one(hospital: Any) -> None:
    hospital.admit(1)
    suites = Suites(hospital.job)
    for score in (1.0000001, -0.5, 2.0):
        with pytest.raises(RunStopped, match="rule score_is_probability stops the run") as raised:
            suites.validate_scores(["1"], score=np.array([score]), training_quantile=np.array([0.5]))
        assert str(score) not in str(raised.value)  # a score is a patient's value, and the sentence is logged
        assert [result.rule for result in raised.value.results if not result.success] == ["score_is_probability"]


@pytest.mark.parametrize(("make", "ending", "scores"), [(constant, "SCORED", 3), (nan_for_most, "INDETERMINATE", 0)])
def test_a_few_scores_say_nothing_of_a_new_model_and_are_not_refused(
    make: Callable[[Any], Any], ending: str, scores: int, hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.admit(1, 2, 3)
    hospital.put_into_production(hospital.job, make_model(hospital.job, make(hospital.job), version="odd"))
    hospital.run()
    assert set(hospital.statuses().values()) == {ending}
    assert hospital.one("SELECT detail FROM scorer.validation_results WHERE rule = 'scores_differ'") == (
        f"not judged: {scores} rows, 20 needed"
    )


def in_batches_of(size: int, hospital: Any) -> None:
    hospital.settings = replace(hospital.settings, batch_size=size)


def published(hospital: Any, *versions: str) -> list[int]:
    """How many scores each model version has in the ledger."""
    return [hospital.one("SELECT count(*) FROM scorer.scores WHERE model_version = %s", each) for each in versions]


def test_a_constant_model_is_stopped_at_the_second_small_batch_and_its_successor_is_judged_by_its_own(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.admit(*range(1, 151))
    in_batches_of(15, hospital)
    for version in ("bad", "worse"):
        hospital.put_into_production(
            hospital.job, make_model(hospital.job, constant(hospital.job), version=version, score_quantiles=[0.4, 0.6])
        )
        with pytest.raises(RunStopped, match=r"rule scores_differ stops the run: .*; all 20 rows together"):
            hospital.run()
        with pytest.raises(RunStopped, match="rule scores_differ stops the run"):
            hospital.run()  # by the scores of the run before, at the first batch
        assert published(hospital, version) == [15]

    hospital.put_into_production(hospital.job, make_model(hospital.job, pipeline(hospital.job), version="good"))
    in_batches_of(50, hospital)
    assert hospital.run().counts.scored == 150
    assert published(hospital, "bad", "worse", "good") == [15, 15, 150]


def test_a_shifted_model_is_stopped_once_its_small_batches_show_it(full: Any, make_model: Callable[..., Path]) -> None:
    make, rule = BAD["shifted up"]
    full.put_into_production(full.job, make_model(full.job, make(full.job), version="bad"))
    in_batches_of(30, full)
    with pytest.raises(RunStopped, match=f"rule {rule} stops the run: .*; all 100 rows together"):
        full.run()
    assert published(full, "bad") == [90]


@pytest.mark.parametrize(("size", "visits"), [(1, 60), (3, 105)])
def test_a_good_model_is_never_stopped_however_small_its_batches(size: int, visits: int, hospital: Any) -> None:
    hospital.admit(*range(1, visits + 1))
    in_batches_of(size, hospital)
    assert hospital.run().counts.scored == visits
    judged = dict(hospital.rows("SELECT rule, max(judged) FROM scorer.validation_results WHERE success GROUP BY rule"))
    assert judged["scores_differ"] == 20
    assert judged["scores_not_shifted"] == (100 if visits > 100 else 0)
    assert judged["score_given"] == 0  # declined scores are not in the pool: it would say nothing of them
    assert judged["score_is_probability"] == size


def test_one_new_visit_an_hour_shows_a_constant_model_once_there_were_twenty(
    hospital: Any, make_model: Callable[..., Path]
) -> None:
    hospital.put_into_production(hospital.job, make_model(hospital.job, constant(hospital.job), version="bad"))
    hospital.admit(*range(1, 19))
    hospital.run()
    for visit_id, hours in ((19, 1), (20, 2)):
        hospital.admit(visit_id)
        if visit_id == 19:
            ended = hospital.run(as_of=hospital.noon + timedelta(hours=hours))
            assert (ended.counts.scored, ended.counts.unchanged) == (1, 18)
    with pytest.raises(RunStopped, match="rule scores_differ stops the run"):
        hospital.run(as_of=hospital.noon + timedelta(hours=2))
    assert published(hospital, "bad") == [19]

    # The way out where the model was not at fault: what was recalled is no witness.
    hospital.execute("INSERT INTO scorer.recalls (score_id, why) SELECT score_id, 'a test' FROM scorer.scores")
    assert hospital.run(as_of=hospital.noon + timedelta(hours=2)).counts.scored == 1


def test_one_visit_says_nothing_however_often_it_is_scored(
    hospital: Any, make_model: Callable[..., Path], changed_job: Callable[..., Any]
) -> None:
    job = changed_job(suites={"scores": lambda entries: entries[2]["meta"].update(min_rows=3)})
    hospital.put_into_production(job, make_model(job, constant(job), version="bad"))
    hospital.admit(1)
    for hours in (0, 7, 14, 21):
        assert hospital.run(job, as_of=hospital.noon + timedelta(hours=hours)).counts.scored == 1
    for number in (1, 2, 3):  # nor does what is charted meanwhile: a steady patient's score may well stay the same
        hospital.observe(1, hours_ago=number, observation_type_code="LACTATE", observation_value=number)
        assert hospital.run(job, as_of=hospital.noon + timedelta(hours=21 + number)).counts.scored == 1
    hospital.admit(2)
    assert hospital.run(job, as_of=hospital.noon + timedelta(hours=25)).counts.scored == 1
    hospital.admit(3)  # but that three patients have one score does
    with pytest.raises(RunStopped, match="rule scores_differ stops the run"):
        hospital.run(job, as_of=hospital.noon + timedelta(hours=26))


def test_a_warning_is_recorded_and_stops_nothing(
    full: Any, make_model: Callable[..., Path], changed_job: Callable[..., Any]
) -> None:
    job = changed_job(("job.toml", "[actions] ", '[actions]\nscores_differ = "warn"\nage_possible = "warn" '))
    full.execute("UPDATE public.visits SET age_years = -1 WHERE visit_id = 1")
    full.put_into_production(job, make_model(job, constant(job), version="bad", score_quantiles=[0.4, 0.6]))
    assert full.run(job).counts.scored == VISITS
    found = full.rows("SELECT rule, action, unexpected FROM reporting.validation WHERE NOT success ORDER BY rule")
    assert found == [("age_possible", "warn", 1), ("scores_differ", "warn", 0)]
    assert full.open_findings() == [("1", "age_possible", "warn", "", "-1.0")]


def test_one_observation_too_bad_to_go_on_with_stops_the_run(hospital: Any, changed_job: Callable[..., Any]) -> None:
    job = changed_job(("job.toml", "[actions] ", '[actions]\nvalue_finite = "fail" '))
    hospital.admit(1, 2)
    hospital.observe(2, observation_value=float("inf"))
    with pytest.raises(RunStopped, match=r"rule value_finite stops the run: expected a finite value; 1 of 17 rows"):
        hospital.run(job)
    assert hospital.statuses() == {}
    hospital.execute("DELETE FROM public.patient_observations WHERE observation_value = 'Infinity'")
    assert hospital.run(job).counts.scored == 2


Expectations = list[dict[str, Any]]


def kwargs(place: int, **changed: Any) -> Callable[[Expectations], object]:
    return lambda entries: entries[place]["kwargs"].update(changed)


def meta(place: int, **changed: Any) -> Callable[[Expectations], object]:
    return lambda entries: entries[place]["meta"].update(changed)


# suite, what is broken in it, what the sentence must say
BROKEN: dict[str, tuple[str, Callable[[Expectations], object], str]] = {
    "misspelt type": (
        "observations",
        lambda entries: entries[0].update(type="expect_column_values_to_be_betwen"),
        "date_present.*expect_column_values_to_be_betwen not found",
    ),
    "no type": ("scores", lambda entries: entries[0].pop("type"), 'expectation 1 .*"type"'),
    "no object": ("scores", lambda entries: entries.append("score > 0"), "expectation 5 is no expectation"),
    "misspelt argument": ("scores", kwargs(1, min_valu=0), "score_is_probability.*min_valu"),
    "rows on a condition": (
        "observations",
        kwargs(1, row_condition="code_known==1", condition_parser="pandas"),
        "rule not_in_future: row_condition is not supported; write the condition into the statement",
    ),
    "of Great Expectations 0.18": (
        "scores",
        lambda entries: entries[0].update(expectation_type=entries[0].pop("type")),
        'expectation 1 has the key "expectation_type", of Great Expectations before 1.0',
    ),
    "no column": ("scores", lambda entries: entries[1]["kwargs"].pop("column"), "score_is_probability.*column"),
    "no arguments": ("features", lambda entries: entries[0].pop("kwargs"), "admission_known.*kwargs"),
    "text for a limit": ("features", kwargs(0, max_value="half"), "admission_known.*max_value"),
    "unknown column": ("observations", kwargs(1, column="hours_befor_as_of"), "not_in_future.*hours_befor_as_of"),
    "unknown column to show": ("features", meta(0, shows=["share"]), "admission_known.*'share'"),
    "unknown severity": ("scores", lambda entries: entries[0].update(severity="dire"), "score_given.*dire"),
    "no meta": ("observations", lambda entries: entries[0].pop("meta"), 'no "rule"'),
    "no rule": ("observations", lambda entries: entries[0]["meta"].pop("rule"), 'no "rule"'),
    "unknown key": ("observations", meta(0, shwos=["score"]), "date_present.*shwos"),
    "text for rows": ("scores", meta(2, min_rows="20"), "scores_differ.*min_rows.*whole number"),
    "text for columns": ("features", meta(0, shows="dropped_share"), "admission_known.*shows"),
    "unknown action": (
        "observations",
        meta(0, action="ignore"),
        "date_present.*'ignore'.*warn, drop, quarantine, fail",
    ),
    "two rules of one name": ("observations", meta(0, rule="not_repeated"), "two rules are called 'not_repeated'"),
    "drop of an entity": ("features", meta(0, action="drop"), "admission_known cannot drop"),
    "drop of a score": ("scores", meta(0, action="drop"), "score_given cannot drop"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_suite_is_one_sentence_before_anything_is_claimed(
    kind: str, hospital: Any, changed_job: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    suite, breaking, told = BROKEN[kind]
    job = changed_job(suites={suite: breaking})
    with pytest.raises(UserError, match=told) as raised:
        hospital.run(job)
    assert str(raised.value).startswith(f"Suite {suite} of job sepsis: ")
    assert "\n" not in str(raised.value)
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 0
    assert capfd.readouterr().err == ""  # no traceback of Great Expectations' own beside the sentence


def test_an_action_for_a_rule_that_is_not_there_is_one_sentence(hospital: Any, changed_job: Callable[..., Any]) -> None:
    job = changed_job(("job.toml", "[actions] ", '[actions]\nage_posible = "warn" '))
    with pytest.raises(UserError, match=r"\[actions\] names 'age_posible', which is no rule"):
        hospital.run(job)
