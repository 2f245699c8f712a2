"""The figures of an evaluation: against scikit-learn, against cases worked out by hand, and what a page of them is."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from scorer.errors import UserError
from scorer.evaluation import alarms, metrics
from scorer.evaluation.alarms import Rows
from scorer.evaluation.bootstrap import Figure, draws, quantiles, ratio
from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import THRESHOLDS, Evaluation, evaluate
from scorer.evaluation.page import page
from scorer.jobs.evaluation import Utility
from scorer.jobs.job import Job, Task
from scorer.registry.manifest import Manifest

SPEC = Utility()


def judged(rows: int, *, clients: int, seed: int = 0) -> metrics.LabelledScores:
    random = np.random.default_rng(seed)
    score = random.beta(0.6, 6, rows).round(3)
    return metrics.LabelledScores(
        score=score,
        label=(random.random(rows) < score).astype(float),
        client=np.sort(random.integers(clients, size=rows)),
    )


# Resampling


def test_the_first_draw_counts_everyone_once_and_each_draws_as_many() -> None:
    weights = draws(7, count=50)
    assert weights.shape == (51, 7)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()
    assert (draws(7, count=50) == weights).all()


def test_intervals_are_wider_where_a_clients_rows_are_alike() -> None:
    """A hundred clients of fifty equal rows know no more than a hundred rows."""
    value = (np.arange(100) % 4 == 0).astype(float)
    alone = ratio(value, np.ones(100), np.arange(100), draws(100))
    repeated = ratio(np.repeat(value, 50), np.ones(5000), np.repeat(np.arange(100), 50), draws(100))
    assert repeated == alone
    independent = ratio(np.repeat(value, 50), np.ones(5000), np.arange(5000), draws(5000))
    assert repeated.high - repeated.low > 4 * (independent.high - independent.low)


def test_quantiles_by_hand() -> None:
    median, lower = quantiles(np.array([4.0, 1.0, 3.0, 2.0]), np.arange(4), draws(4), at=(0.5, 0.25))
    assert (median.value, lower.value) == (2, 1)
    (nothing,) = quantiles(np.empty(0), np.empty(0, int), draws(4), at=(0.5,))
    assert np.isnan(nothing.value)


# Discrimination and calibration


def test_discrimination_is_that_of_scikit_learn_under_every_draw() -> None:
    rows = judged(3000, clients=40)
    weights = draws(40, count=20)
    assert len(np.unique(rows.score)) < 1000  # many are equal
    for number in range(21):
        drawn = weights[[number]]
        row_weight = drawn[0][rows.client]
        found = metrics.discrimination(rows, drawn)
        assert found["auroc"].value == pytest.approx(roc_auc_score(rows.label, rows.score, sample_weight=row_weight))
        assert found["average_precision"].value == pytest.approx(
            average_precision_score(rows.label, rows.score, sample_weight=row_weight)
        )


def test_discrimination_by_hand() -> None:
    """Scores 4, 3, 2, 1 with labels 1, 0, 1, 0: three of four pairs are right; precision 1 at the first hit, 2/3 at the second."""
    rows = metrics.LabelledScores(
        score=np.array([0.4, 0.3, 0.2, 0.1]), label=np.array([1.0, 0, 1, 0]), client=np.arange(4)
    )
    found = metrics.discrimination(rows, np.ones((1, 4)))
    assert found["auroc"].value == 0.75
    assert found["average_precision"].value == pytest.approx((1 + 2 / 3) / 2)


@settings(max_examples=60, deadline=None)
@given(
    some.lists(
        some.tuples(some.integers(0, 6), some.booleans(), some.integers(0, 3), some.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_a_weight_counts_a_client_so_many_times(given_rows: list[tuple[int, bool, int, int]]) -> None:
    score = np.array([each[0] for each in given_rows]) / 10 + 0.1
    label = np.array([each[1] for each in given_rows], dtype=float)
    client = np.array([each[2] for each in given_rows])
    weight = np.array([[next((each[3] for each in given_rows if each[2] == number), 1) for number in range(4)]], float)
    times = weight[0][client].astype(int)
    repeated = metrics.LabelledScores(*(np.repeat(column, times) for column in (score, label, client)))
    weighed = metrics.LabelledScores(score, label, client)
    ones = np.ones((1, 4))
    for name in ("auroc", "average_precision"):
        one, other = (
            metrics.discrimination(rows, weights)[name].value for rows, weights in ((weighed, weight), (repeated, ones))
        )
        assert one == pytest.approx(other, nan_ok=True)
    one, other = (
        metrics.calibration(rows, weights)["brier"].value for rows, weights in ((weighed, weight), (repeated, ones))
    )
    assert one == pytest.approx(other, nan_ok=True)


def test_one_class_alone_says_nothing() -> None:
    rows = metrics.LabelledScores(score=np.array([0.2, 0.3]), label=np.zeros(2), client=np.arange(2))
    assert np.isnan(metrics.discrimination(rows, draws(2))["auroc"].value)
    assert np.isnan(metrics.calibration(rows, draws(2))["calibration_slope"].value)


def test_calibration_is_that_of_scikit_learn() -> None:
    rows = judged(4000, clients=100, seed=5)
    too_bold = metrics.LabelledScores(score=rows.score**1.5, label=rows.label, client=rows.client)
    found = metrics.calibration(too_bold, draws(100))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(metrics.finite_log_odds(too_bold.score)[:, None], rows.label)
    assert found["calibration_slope"].value == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
    assert found["calibration_slope"].high < 1
    assert found["brier"].value == pytest.approx(brier_score_loss(rows.label, too_bold.score))
    assert found["calibration_intercept"].value > 0  # more happens than these scores predict


def test_calibrated_scores_are_told_so() -> None:
    found = metrics.calibration(judged(20_000, clients=2000, seed=7), draws(2000))
    assert found["calibration_intercept"].low < 0 < found["calibration_intercept"].high
    assert found["calibration_slope"].low < 1 < found["calibration_slope"].high


def test_draws_of_the_calibration_are_near_to_refits() -> None:
    rows = judged(4000, clients=200, seed=5)
    weights = draws(200, count=5)
    odds = metrics.finite_log_odds(rows.score)
    stepped = metrics._refit(np.column_stack([np.ones_like(odds), odds]), rows, weights, offset=np.zeros_like(odds))
    for number in range(1, 6):
        weight = weights[number][rows.client]
        fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], rows.label, sample_weight=weight)
        assert stepped[number, 1] == pytest.approx(fitted.coef_[0, 0], abs=0.01)


def test_bins_hold_every_row_once() -> None:
    rows = judged(5000, clients=100)
    bins = metrics.reliability(rows, draws(100))
    assert sum(each.rows for each in bins) == 5000
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)
    overall = sum(each.rows * each.observed.value for each in bins) / 5000
    assert overall == pytest.approx(rows.label.mean())


# Alarms


def ward() -> Rows:
    """Three entities of four hours: the first with the event at its last hour, the second without, the third of no known outcome."""
    nan = np.nan
    return Rows(
        entity=np.repeat([0, 1, 2], 4),
        client=np.repeat([0, 1, 2], 4),
        score=np.array([0.1, 0.8, 0.3, 0.9, 0.2, 0.6, 0.6, nan, 0.9, 0.9, 0.1, 0.1]),
        label=np.array([1.0, 1, 1, 1, 0, 0, 0, 0, nan, nan, nan, nan]),
        hours=np.array([-3.0, -2, -1, 0, nan, nan, nan, nan, nan, nan, nan, nan]),
        days=1 / 24,
    )


def test_alarms_by_hand() -> None:
    rows, weights = ward(), draws(3, count=1)
    found = {
        name: each.value
        for name, each in alarms.consequences(rows.counted(SPEC), weights, threshold=0.5, spec=SPEC).items()
    }
    # The first alarms at -2 and 0: sensitivity 2/4; the second at two of its four hours, of which one has no score.
    assert (found["sensitivity"], found["specificity"], found["ppv"]) == (0.5, 0.5, 0.5)
    # An alarm k hours after the optimum gains 1 + k/9: hours -3 to 0 are k = 3 to 6; false alarms cost 0.05 each.
    gains = {k: 1 + k / 9 for k in (3, 4, 5, 6)}
    assert found["utility"] == pytest.approx((gains[4] + gains[6] - 2 * 0.05) / sum(gains.values()))
    assert (found["entities_foreseen"], found["entities_caught"], found["entities_left_alone"]) == (1, 1, 0)
    assert found["lead_hours_median"] == 2


def test_load_by_hand() -> None:
    found = {name: each.value for name, each in alarms.alert_load(ward(), draws(3, count=1), threshold=0.5).items()}
    # Six alarms in twelve hours are twelve a day; four begin anew: two of the first entity, one of each other.
    assert found["alarms_per_entity_day"] == pytest.approx(12)
    assert found["new_alarms_per_entity_day"] == pytest.approx(8)
    assert found["entities_alarmed_per_100"] == pytest.approx(100)


def test_rows_long_after_the_event_are_not_counted() -> None:
    late = dataclasses.replace(ward(), hours=np.where(np.isnan(ward().hours), np.nan, ward().hours + 5))
    assert len(late.counted(SPEC)) == 4 + 2  # at 2 and 3 hours, and the entity without the event


def test_a_score_at_the_threshold_is_no_alarm() -> None:
    assert alarms.alert_load(ward(), draws(3, count=1), threshold=0.9)["entities_alarmed_per_100"].value == 0


def test_the_utility_of_each_threshold_is_that_of_its_alarms() -> None:
    counted = ward().counted(SPEC)
    thresholds, utility = alarms.utility_by_threshold(counted, spec=SPEC)
    for threshold, value in zip(thresholds, utility, strict=True):
        below = np.nextafter(threshold, 0)
        expected = alarms.consequences(counted, np.ones((1, 3)), threshold=below, spec=SPEC)["utility"].value
        assert value == pytest.approx(expected)


# The whole


def cohort(
    *, entities: int = 60, hours: int = 20, events: int = 24, seed: int = 1, shuffled: bool = False
) -> EvaluationCohort:
    """Scores that know something of the outcome, or, `shuffled`, of somebody else's."""
    random = np.random.default_rng(seed)
    has_event = np.arange(entities) < events
    event = np.where(has_event, random.integers(6, hours, entities), np.nan)
    from_event = np.arange(hours)[None, :] - event[:, None]
    label = (from_event >= -6).astype(float)
    score = 1 / (1 + np.exp(3 - 2.5 * label - random.normal(size=label.shape)))
    if shuffled:
        score = score[random.permutation(entities)]
    score[:, :2] = np.nan
    entity = np.repeat(np.arange(entities), hours)
    old = random.random(entities) < 0.5
    return EvaluationCohort(
        rows=Rows(
            entity=entity,
            client=entity,
            score=score.ravel(),
            label=label.ravel(),
            hours=from_event.ravel(),
            days=1 / 24,
        ),
        subgroup={("age", "below <65>"): ~old[entity], ("age", "65 and above"): old[entity]},
        attrition={"entities": entities, "landmarks": entities * hours, "scored": entities * (hours - 2)},
        clients=entities,
        clients_seen=0,
        first=datetime(2025, 6, 1, tzinfo=UTC),
        last=datetime(2025, 6, 2, tzinfo=UTC),
        sha256="0" * 64,
    )


def manifest(**content: object) -> Manifest:
    return Manifest(
        **{field.name: None for field in dataclasses.fields(Manifest)}  # type: ignore[arg-type]
        | {"job": "ward", "model_version": "7", "task": Task.BINARY, "content": content}
    )


def evaluated(
    job: Job, whom: EvaluationCohort, *, outcomes: bool = True, faults: list[tuple[str, int]] | None = None
) -> Evaluation:
    if not outcomes:
        nothing = np.full(len(whom.rows), np.nan)
        whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, label=nothing, hours=nothing))
    return evaluate(
        job,
        whom,
        manifest(),
        every=timedelta(hours=1),
        outcomes=outcomes,
        faults=faults or [],
        command="scorer evaluate <here>",
    )


def test_everyone_and_every_subgroup_has_every_figure(sepsis: Job) -> None:
    done = evaluated(sepsis, cohort())
    everyone, younger, older = done.groups
    assert younger.entities + older.entities == everyone.entities == 60
    assert younger.events + older.events == everyone.events == 24
    assert set(younger.figures) == set(everyone.figures) >= {"auroc", "brier", "calibration_slope"}
    assert [each.name for each in younger.above] == ["HIGH", "MEDIUM"]
    assert {each.threshold for each in everyone.above} == {*THRESHOLDS, 0.08, 0.025}
    assert all(figure.low <= figure.value <= figure.high for figure in everyone.figures.values())
    assert done.alarming(everyone) is not None
    assert done.alarm == "MEDIUM"
    assert json.loads(json.dumps(done.content(), allow_nan=False))["groups"][1]["subgroup"] == {"age": "below <65>"}


def test_scores_of_somebody_else_are_worth_nothing(sepsis: Job) -> None:
    """Labels shuffled among entities, many times: on average the AUROC is that of a coin."""
    apart = [
        evaluated(sepsis, cohort(entities=150, events=60, seed=seed, shuffled=True)).whole.figures["auroc"].value
        for seed in range(12)
    ]
    assert np.mean(apart) == pytest.approx(0.5, abs=0.04)
    assert evaluated(sepsis, cohort(entities=150, events=60)).whole.figures["auroc"].value > 0.9


def test_without_outcomes_there_is_the_load_alone(sepsis: Job) -> None:
    done = evaluated(sepsis, cohort(), outcomes=False)
    assert done.whole.figures == {}
    assert set(done.whole.above[0].figures) == {
        "alarms_per_entity_day",
        "new_alarms_per_entity_day",
        "entities_alarmed_per_100",
    }
    assert "<svg" in page(done)


@pytest.mark.parametrize(("label", "name"), [(0.0, "positive"), (1.0, "negative")])
def test_one_class_alone_is_one_sentence(sepsis: Job, label: float, name: str) -> None:
    whom = cohort()
    whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, label=np.full(len(whom.rows), label)))
    with pytest.raises(UserError, match=rf"^Of the 1,080 landmarks of job sepsis [^\n]* none is {name}: [^\n]*\.$"):
        evaluated(sepsis, whom)


def test_nobody_scored_is_one_sentence(sepsis: Job) -> None:
    whom = cohort()
    whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, score=np.full(len(whom.rows), np.nan)))
    with pytest.raises(UserError, match=r"^None of the 1,200 landmarks of job sepsis could be scored"):
        evaluated(sepsis, whom)


def test_a_job_without_a_utility_is_one_sentence(sepsis: Job) -> None:
    job = dataclasses.replace(sepsis, measures=dataclasses.replace(sepsis.measures, utility=None))
    with pytest.raises(UserError, match=r"^Job sepsis does not say what its alarms are worth; add \[utility\]"):
        evaluated(job, cohort())


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (None, r"does not say whom it was trained on"),
        (13, r"was trained on 13 of the 60 clients: these are not figures of unseen clients"),
        (0, None),
    ],
)
def test_clients_that_the_model_knows_are_told(sepsis: Job, seen: int | None, said: str | None) -> None:
    done = evaluated(sepsis, dataclasses.replace(cohort(), clients_seen=seen))
    assert (done.remarks == ()) if said is None else re.search(said, done.remarks[0])


def test_faults_and_few_events_are_told(sepsis: Job) -> None:
    done = evaluated(
        sepsis, cohort(events=5), faults=[("of visits that do not exist", 3), ("of no use", 1), ("of none", 0)]
    )
    assert done.remarks[:2] == ("3 outcomes are of visits that do not exist.", "1 outcome is of no use.")
    assert done.remarks[2].startswith("Only 5 entities with a known outcome have the event")
    assert "fewer than 10 events" in page(done)


# The page


class Reader(HTMLParser):
    """Which elements there are, and whether each is closed where it should be."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_by_itself(sepsis: Job) -> None:
    done = evaluated(sepsis, cohort())
    html = page(done)
    reader = Reader()
    reader.feed(html)
    assert reader.opened == []
    assert reader.seen.count("svg") == 5
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    assert not re.search(r"https?:|@import|url\((?!#)|\bsrc=", html)
    assert len(reader.ids) == len(set(reader.ids))
    used = {*re.findall(r'href="#([^"]+)"', html), *re.findall(r"url\(#([^)]+)\)", html)}
    assert used <= set(reader.ids)
    assert "below <65>" in reader.text  # escaped
    assert "scorer evaluate <here>" in reader.text
    assert done.cohort_sha256 in reader.text
    assert page(done) == html


def test_a_figure_without_an_interval_says_its_value_alone() -> None:
    assert ratio(np.ones(1), np.ones(1), np.zeros(1, int), draws(1)) == Figure(1, 1, 1)
    assert np.isnan(ratio(np.ones(1), np.zeros(1), np.zeros(1, int), draws(1)).value)
