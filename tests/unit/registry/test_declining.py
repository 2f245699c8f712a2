"""When a model declines: inputs unlike its training data, and conformal sets; each row by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.publication import Decline, Declining
from scorer.registry import declining
from scorer.registry.declining import Baseline
from scorer.tasks.binary import Binary
from scorer.tasks.task import Judged
from scorer.types.arrays import Features, Floats

WIDTH = 20
NAMES = tuple(f"f{number}" for number in range(WIDTH))
ANY = Declining(decline_on=tuple(Decline))


def cohort(rows: int, *, seed: int) -> tuple[Features, Floats, Floats]:
    """Features with some values missing, labels, and scores that depend on them."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, WIDTH))
    values[:, 1][random.random(rows) < 0.5] = np.nan  # often missing
    values[:, 2] = np.nan  # never there
    label = (random.random(rows) < 0.1).astype(np.float64)
    score = 1.0 / (1.0 + np.exp(3.0 - random.normal(size=rows) - 2.0 * label))
    return Features(names=NAMES, values=values), label, score


def fit(features: Features, label: Floats, score: Floats, clients: Any, spec: Declining) -> dict[str, Any]:
    client = np.unique(clients.astype(str), return_inverse=True)[1]
    return declining.fit(features, Judged(score, label, client), spec, rules=Binary())


def fitted(rows: int = 20_000, spec: Declining = ANY, *, seed: int = 1) -> dict[str, Any]:
    features, label, score = cohort(rows, seed=seed)
    clients = np.array([f"c{number // 3}" for number in range(rows)], dtype=object)
    content: dict[str, Any] = json.loads(json.dumps(fit(features, label, score, clients, spec), allow_nan=False))
    return content


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    return fitted()


@pytest.fixture
def baseline(content: dict[str, Any]) -> Baseline:
    return Baseline(content, features=NAMES, rules=Binary())


def features_of(values: Sequence[Sequence[float]] | Floats) -> Features:
    return Features(names=NAMES, values=np.array(values, dtype=np.float64))


def usual() -> Floats:
    row = np.zeros(WIDTH)
    row[2] = np.nan
    return row


def test_a_planted_odd_row_is_declined_and_an_ordinary_one_is_not(baseline: Baseline) -> None:
    odd = usual()
    odd[[3, 5, 8, 9]] = [50.0, -9.0, 1e6, -70.0]
    found = baseline.find_declined(features_of([usual(), odd]), np.array([0.05, 0.05]), spec=Declining())
    assert found.declined.tolist() == [False, True]
    assert found.unlike.tolist() == [0, 4]
    assert found.reasons[1].startswith("the inputs are unlike the training data: 4 of 20 features are, where ")
    assert found.reasons[1].endswith("foremost f8, f9, f3")
    assert [each["unlike"] for each in found.outputs] == [0, 4]


def test_a_reason_tells_no_value(baseline: Baseline) -> None:
    odd = usual() + 1234.5
    found = baseline.find_declined(features_of([odd]), np.array([0.05]), spec=Declining())
    assert "1234" not in found.reasons[0]


def test_what_is_missing_and_never_was_is_unlike(baseline: Baseline) -> None:
    row = usual()
    row[0] = np.nan  # always there
    row[1] = np.nan  # often missing
    assert baseline.count_unlike(row[np.newaxis]).tolist() == [1]
    row[2] = 0.0  # there, and never was
    assert baseline.count_unlike(row[np.newaxis]).tolist() == [2]


def test_of_ordinary_rows_no_more_than_the_share_is_declined(baseline: Baseline) -> None:
    features, _, score = cohort(20_000, seed=2)
    found = baseline.find_declined(features, score, spec=Declining(share=0.001))
    assert found.declined.mean() <= 0.001 + 4 * np.sqrt(0.001 / 20_000)


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.3])
def test_the_true_class_is_in_the_set_as_often_as_promised_in_each_class(baseline: Baseline, alpha: float) -> None:
    features, label, score = cohort(20_000, seed=3)
    found = baseline.find_declined(features, score, spec=Declining(alpha=alpha))
    sets = np.array([each["conformal"] for each in found.outputs])
    for value, name in ((0.0, "0"), (1.0, "1")):
        rows = label == value
        covered = np.isin(sets[rows], [name, "both"]).mean()
        # Of the calibration's and of these rows.
        noise = 4 * np.sqrt(alpha * (1 - alpha) * 2 / rows.sum())
        assert 1 - alpha - noise < covered < 1 - alpha + noise + 1 / 400, (name, covered)


def test_sets_and_what_they_decline() -> None:
    # Classes far apart: what lies between them is unusual for either.
    apart = np.r_[np.linspace(0.0, 0.1, 500), np.linspace(0.9, 1.0, 500)]
    label = np.repeat([0.0, 1.0], 500)
    features = features_of(np.tile(usual(), (1000, 1)))
    clients = np.array([str(number) for number in range(1000)], dtype=object)
    baseline = Baseline(fit(features, label, apart, clients, ANY), features=NAMES, rules=Binary())
    rows = features_of(np.tile(usual(), (4, 1)))
    found = baseline.find_declined(rows, np.array([0.05, 0.5, 0.95, np.nan]), spec=ANY)
    assert [each.get("conformal") for each in found.outputs] == ["0", "neither", "1", None]
    assert found.declined.tolist() == [False, True, False, False]
    assert found.reasons == {1: "the conformal set is empty at level 0.1: the score is unusual for either class"}
    assert not baseline.find_declined(rows, np.full(4, 0.5), spec=Declining()).declined.any()


def test_undecided_is_recorded_and_declined_only_where_the_job_says_so(baseline: Baseline) -> None:
    row, score = features_of([usual()]), np.array([0.13])
    plain = baseline.find_declined(row, score, spec=Declining())
    assert (plain.outputs[0]["conformal"], plain.declined.tolist()) == ("both", [False])
    asked = baseline.find_declined(row, score, spec=Declining(decline_on=(Decline.UNDECIDED,)))
    assert asked.reasons == {0: "the conformal set holds both classes at level 0.1: the score decides nothing"}


def test_neighbours_do_not_matter(baseline: Baseline) -> None:
    features, _, score = cohort(5000, seed=4)
    features.values[::7, 4] = 30.0
    together = baseline.find_declined(features, score, spec=ANY)
    for places in ([0], [4999, 3, 7], list(range(2047, 2051))):
        some = baseline.find_declined(features_of(features.values[places]), score[places], spec=ANY)
        assert some.declined.tolist() == together.declined[places].tolist()
        assert some.p_values.tobytes() == together.p_values[places].tobytes()
        assert list(some.outputs) == [together.outputs[each] for each in places]
        assert list(some.reasons.values()) == [together.reasons[each] for each in places if each in together.reasons]


def test_it_is_measured_on_rows_that_were_held_out(content: dict[str, Any]) -> None:
    measured = content["measured"]
    assert measured["rows"] == 20_000
    for name in ("0", "1"):
        found = measured["classes"][name]
        assert abs(found["coverage"] - 0.9) < 0.03
        assert found["unlike"] < 0.01
        assert found["declined"] >= max(found[str(each)] for each in Decline if each is not Decline.FACILITY)
    assert 0.5 < measured["auroc"] < 1
    assert measured["auroc_without_declined"] != measured["auroc"]


def test_a_client_unlike_all_others_is_measured_as_production_would_meet_him() -> None:
    features, label, score = cohort(2000, seed=8)
    clients = np.array([f"c{number // 40}" for number in range(2000)], dtype=object)
    features.values[:40, 3:11] += 100.0  # of one client, who is never compared with himself
    measured = fit(features, label, score, clients, Declining())["measured"]["classes"]
    assert 40 <= round(sum(each["unlike"] * each["rows"] for each in measured.values())) < 60


def test_the_figures_are_those_of_the_library() -> None:
    from sklearn.metrics import roc_auc_score

    features, label, score = cohort(3000, seed=5)
    clients = np.array([str(number) for number in range(3000)], dtype=object)
    score = np.round(score, 2)  # with ties
    measured = fit(features, label, score, clients, Declining())["measured"]
    assert measured["auroc"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def test_the_same_data_give_the_same_content(content: dict[str, Any]) -> None:
    assert fitted() == content


def test_without_two_classes_only_what_is_unlike_is_known() -> None:
    features, _, score = cohort(500, seed=6)
    clients = np.array(["c"] * 500, dtype=object)
    for label in (np.zeros(500), np.full(500, np.nan)):
        content = fit(features, label, score, clients, ANY)
        assert content["conformal"] is None
        assert "measured" not in content
        found = Baseline(content, features=NAMES, rules=Binary()).find_declined(
            features_of([usual()]), np.array([0.5]), spec=ANY
        )
        assert found.outputs == [{"unlike": 0}]


def test_an_old_manifest_declines_nothing() -> None:
    assert Baseline.of({"features": list(NAMES)}) is None


@pytest.mark.parametrize(
    "spoil", [{"low": [0.0]}, {"limit": "many"}, {"high": None}, {"never_there": None, "low": None}]
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(content: dict[str, Any], spoil: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r'^The manifest\'s "declining" cannot be used \(\w+\); [^.]+\.$'):
        Baseline({**content, "unlike": {**content["unlike"], **spoil}}, features=NAMES, rules=Binary())


def test_a_batch_is_looked_at_in_no_time(baseline: Baseline) -> None:
    random = np.random.default_rng(7)
    names = tuple(f"f{number}" for number in range(250))
    known = Features(names=names, values=random.normal(size=(2000, 250)))
    score, label = random.random(2000), (random.random(2000) < 0.1).astype(float)
    wide = Baseline(
        fit(known, label, score, np.arange(2000).astype(object), Declining()), features=names, rules=Binary()
    )
    rows, scores = Features(names=names, values=random.normal(size=(20_000, 250))), random.random(20_000)
    seconds = []
    for _ in range(5):
        began = time.thread_time()
        wide.find_declined(rows, scores, spec=Declining())
        seconds.append(time.thread_time() - began)
    assert min(seconds) < 0.1  # seconds of this thread; 0.025 as measured
