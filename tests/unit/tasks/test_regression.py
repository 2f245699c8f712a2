"""What a regression answers: intervals that cover new clients, values carried back from logarithms, the own past as baseline."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.job import Job, Task
from scorer.jobs.monitoring import Limits
from scorer.jobs.publication import Bands, Declining
from scorer.jobs.training import Target
from scorer.tasks.bootstrap import Figure, draws
from scorer.tasks.regression import Regression
from scorer.tasks.task import History, Judged
from scorer.types.arrays import NO_TIME, Floats, Integers

RULES = Regression(alpha=0.2)


def sample(clients: int, *, seed: int) -> tuple[Floats, Floats, Integers]:
    """Margins whose quantiles are too narrow, with what came true; clients of five rows differ in level and spread."""
    random = np.random.default_rng(seed)
    client = np.repeat(np.arange(clients), 5)
    level, spread = random.normal(size=clients)[client], (0.5 + random.random(clients))[client]
    middle = random.normal(scale=3, size=len(client))
    label = middle + 0.3 * level + spread * random.normal(size=len(client))
    return np.column_stack([middle, middle - 0.4, middle + 0.4]), label, client


def test_intervals_cover_rows_of_new_clients_as_often_as_promised() -> None:
    margin, label, client = sample(2000, seed=3)
    half = client < 1000
    published = RULES.publish(margin[~half], RULES.calibrate(margin[half], label[half], client[half]))
    covered = (published[:, 1] <= label[~half]) & (label[~half] <= published[:, 2])
    assert covered.mean() == pytest.approx(0.8, abs=4 * np.sqrt(0.16 * 2 / 5000))


def test_coverage_holds_over_small_calibrations_too() -> None:
    covered = []
    for seed in range(400):
        margin, label, client = sample(31, seed=seed)
        seen = client < 30
        published = RULES.publish(margin[~seen], RULES.calibrate(margin[seen], label[seen], client[seen]))
        covered.append(((published[:, 1] <= label[~seen]) & (label[~seen] <= published[:, 2])).mean())
    noise = 3 * np.std(covered) / np.sqrt(len(covered))
    assert 0.8 - noise <= np.mean(covered) <= 0.8 + 1 / 31 + noise


def test_too_few_clients_for_an_interval_is_one_sentence() -> None:
    margin, label, client = sample(3, seed=4)
    with pytest.raises(UserError, match=r"^There are scorable landmarks of 3 clients .* needs 4; load more"):
        RULES.calibrate(margin, label, client)


def test_a_mean_is_carried_back_from_logarithms_without_bias_and_a_median_as_it_is() -> None:
    random = np.random.default_rng(5)
    middle = random.normal(size=20_000)
    label = np.exp(middle + random.normal(scale=0.8, size=20_000))
    margin = np.column_stack([middle, middle - 1.3, middle + 1.3])
    mean = Regression(target=Target.LOG)
    calibration = mean.calibrate(margin, label, np.arange(20_000))
    assert calibration["factor"] == pytest.approx(np.exp(0.32), rel=0.03)
    assert mean.publish(margin, calibration)[:, 0].mean() == pytest.approx(label.mean(), rel=0.03)
    median = Regression(target=Target.LOG, median=True)
    calibration = median.calibrate(margin, label, np.arange(20_000))
    assert calibration["factor"] == 1.0
    assert (label < median.publish(margin, calibration)[:, 0]).mean() == pytest.approx(0.5, abs=0.02)


def test_an_interval_always_holds_its_value() -> None:
    calibration = {"target": "value", "widening": -0.5, "factor": 1.0, "coverage": 0.8}
    published = RULES.publish(np.array([[0.0, 1.0, 2.0], [5.0, 3.0, 1.0]]), calibration)
    np.testing.assert_allclose(published, [[0.0, 0.0, 1.5], [5.0, 1.5, 5.0]])


def test_labels_are_finite_numbers() -> None:
    label, _ = RULES.read_labels(np.array([1.0, np.nan]), where="the column")
    assert np.isnan(label[1])
    with pytest.raises(UserError, match=r"^The label of the column is infinite in 1 rows"):
        RULES.read_labels(np.array([1.0, -np.inf]), where="the column")
    with pytest.raises(UserError, match=r"^The label of the column is text, where a regression needs a number"):
        RULES.read_labels(np.array(["1"], dtype=object), where="the column")


def test_the_naive_forecast_is_the_own_past_where_it_is_any_good() -> None:
    day = 86_400_000_000
    label = np.array([1.0, 2.0, 2.0, 100.0, np.nan])
    history = History(label, np.array([0, 0, 0, 1, 1]), np.array([1, 2, 3, 1, 2]) * day, np.full(5, NO_TIME))
    everyone = {"median": 5.0, "low": 0.0, "high": 120.0}
    found = RULES.naive(history, everyone)
    assert found[:, 0].tolist() == [5.0, 1.0, 1.5, 5.0, 100.0]
    assert (found[:, 1] <= found[:, 0]).all()
    assert (found[:, 0] <= found[:, 2]).all()
    # Told only at the third landmark, the first outcome is no help at the second.
    later = replace_event(history, 0, 3 * day)
    assert RULES.naive(later, everyone)[1, 0] == 5.0
    misleading = replace_label(history, np.array([100.0, 5.0, 5.0, 5.0, 5.0]))
    assert RULES.naive(misleading, everyone)[:, 0].tolist() == [5.0] * 5


def replace_event(history: History, row: int, at: int) -> History:
    event_at = history.event_at.copy()
    event_at[row] = at
    return replace(history, event_at=event_at)


def replace_label(history: History, label: Floats) -> History:
    return replace(history, label=label)


def test_an_interval_across_a_limit_of_the_bands_decides_nothing() -> None:
    bands = Bands(limits=(("HIGH", 10.0),), lowest="LOW")
    published = np.array([[5.0, 1.0, 9.0], [9.0, 8.0, 12.0], [11.0, 10.0, 12.0], [5.0, np.nan, np.nan]])
    sets = RULES.conformal(None)
    assert sets is not None
    assert sets.sets(published, Declining(bands=bands)).undecided.tolist() == [False, True, True, False]
    assert not sets.sets(published, Declining()).undecided.any()


def test_scores_with_an_interval_of_their_own_or_a_constant_one() -> None:
    own = RULES.scores(np.array([[5.0, 1.0, 9.0], [5.0, 1.0, np.inf]]), interval={"coverage": 0.8})
    assert own.outputs is not None
    assert own.outputs[0] == {"low": 1.0, "high": 9.0, "coverage": 0.8}
    assert own.score[0] == 5.0
    assert np.isnan(own.score[1]), "an interval without an end is none"
    plain = RULES.scores(np.array([[5.0]]), interval=None)
    assert (plain.outputs, plain.score.tolist()) == (None, [5.0])


def test_live_errors_that_are_larger_than_their_own_are_told() -> None:
    rows = Judged(np.zeros((50, 3)), np.ones(50), np.arange(50))
    own = {"mae": {"value": 1.0, "low": 0.9, "high": 1.1}}
    assert RULES.live({"mae": Figure(2.0, 1.8, 2.2)}, own, rows, Limits()).lost is True
    assert RULES.live({"mae": Figure(1.2, 1.0, 1.4)}, own, rows, Limits()).lost is False
    assert RULES.live({"mae": Figure(2.0)}, {}, rows, Limits()).lost is None
    few = rows.only(np.arange(50) < 3)
    assert RULES.live({"mae": Figure(2.0)}, own, few, Limits()).lost is None
    assert set(RULES.pictures(rows, draws(50))) == {"agreement", "coverage"}


def test_sections_of_binary_jobs_are_refused(sepsis: Job) -> None:
    with pytest.raises(UserError, match=r"\[utility\] is for binary jobs"):
        RULES.require_job(replace(sepsis, task=Task.REGRESSION))


def test_labels_in_a_few_words() -> None:
    assert RULES.told(np.array([0.0, 2.0, 2.5])) == "0 to 2.5, mean 1.5"


def test_a_label_that_is_nan_is_told_as_that() -> None:
    with pytest.raises(UserError, match=r"^The label of the column is NaN in 1 of 3 rows"):
        RULES.read_labels(np.array(["1.0", "nan", None], dtype=object), where="the column")
