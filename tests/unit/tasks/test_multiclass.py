"""What a multiclass task answers: classes by name, calibrated shares, adaptive sets, bands of a class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.job import Job, Task
from scorer.jobs.publication import Bands, Declining
from scorer.tasks.bootstrap import draws
from scorer.tasks.calibration import scaled
from scorer.tasks.class_metrics import class_losses
from scorer.tasks.links import softmax
from scorer.tasks.multiclass import Multiclass
from scorer.tasks.task import Judged, Matrix
from scorer.types.arrays import Floats, Integers

NAMES = ("ill", "odd", "well")
RULES = Multiclass(NAMES)


def sample(rows: int, *, seed: int, sharpness: float = 1.0) -> tuple[Floats, Floats, Integers]:
    """Margins that are too timid by `sharpness`, with true classes drawn by them, and clients of five rows."""
    random = np.random.default_rng(seed)
    true = random.normal(scale=1.5, size=(rows, 3)) + np.array([0.0, -1.0, 1.0])
    label = (softmax(true).cumsum(axis=1) < random.random(rows)[:, None]).sum(axis=1).astype(float)
    return true / sharpness, label, np.arange(rows) // 5


def test_classes_are_those_that_occur_or_those_that_are_known() -> None:
    label, classes = Multiclass().read_labels(np.array(["b", None, "a"], dtype=object), where="the column")
    assert classes == ("a", "b")
    assert [None if np.isnan(each) else each for each in label] == [1.0, None, 0.0]
    label, classes = Multiclass().read_labels(np.array([3.0, np.nan, 10.0]), where="the column")
    assert classes == ("10", "3")
    with pytest.raises(
        UserError, match=r'^The label of the column is "c" in a row, a class that is none of ill, odd, well\.$'
    ):
        RULES.read_labels(np.array(["ill", "c"], dtype=object), where="the column")
    with pytest.raises(UserError, match="numbers that are not whole"):
        RULES.read_labels(np.array([1.5]), where="the column")
    with pytest.raises(UserError, match="cannot be the name of a class"):
        Multiclass().read_labels(np.array(["unlike"], dtype=object), where="the column")
    with pytest.raises(UserError, match="has 51 classes"):
        Multiclass().read_labels(np.arange(51.0), where="the column")


def test_the_clients_of_rare_classes_are_dealt_out_first() -> None:
    label = np.array([0.0, 2.0, 2.0, 1.0, 2.0])
    client = np.array([0, 0, 1, 2, 3])
    assert RULES.strata(label, client).tolist() == [0, 2, 1, 2]


def test_too_few_clients_of_a_class_is_one_sentence() -> None:
    label, client = np.array([0.0, 0.0, 2.0, 2.0, 1.0, 1.0]), np.array([0, 1, 2, 3, 4, 4])
    with pytest.raises(UserError, match=r'^The class "odd" has landmarks of 1 clients'):
        RULES.require_sound(label, client, np.array([0, 1, 0, 1, 0, 0]))
    with pytest.raises(UserError, match=r'^All landmarks of the class "ill" are in one fold'):
        RULES.require_sound(label, np.arange(6), np.array([0, 0, 0, 1, 0, 1]))


def test_calibration_finds_the_truth() -> None:
    margin, label, _ = sample(20_000, seed=1, sharpness=2.5)
    slope, bias = scaled(margin - [1.0, 0.0, 0.0], label.astype(int))
    assert slope == pytest.approx(2.5, rel=0.05)
    assert (bias - bias.mean()).tolist() == pytest.approx([5 / 3, -5 / 6, -5 / 6], abs=0.12)
    published = RULES.publish(margin, RULES.calibrate(margin, label, np.arange(len(label))))
    best = class_losses(softmax(2.5 * margin), label).mean()
    assert class_losses(published, label).mean() == pytest.approx(best, abs=2e-3)


def test_calibration_of_margins_that_separate_stays_finite() -> None:
    label = np.repeat([0, 1, 2], 50)
    slope, bias = scaled(10.0 * np.eye(3)[label], label)
    assert np.isfinite([slope, *bias]).all()
    flat, _ = scaled(np.zeros((150, 3)), label)
    assert np.isfinite(flat)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_sets_cover_new_clients_as_often_as_promised(alpha: float) -> None:
    margin, label, client = sample(6000, seed=2)
    shares = softmax(margin)
    half = client < 600
    sets = RULES.conformal(RULES.fit_conformal(shares[half], label[half], client[half]))
    assert sets is not None
    covered = sets.covers(shares[~half], label[~half], Declining(alpha=alpha))
    assert covered.mean() == pytest.approx(1 - alpha, abs=4 * np.sqrt(alpha * (1 - alpha) * 2 / len(covered)))
    found = sets.sets(shares[~half], Declining(alpha=alpha))
    sizes = np.array([len(each["conformal"]) for each in found.outputs])
    assert sizes.min() == 1
    np.testing.assert_array_equal(found.undecided, sizes > 1)
    assert not found.empty.any()


def test_bands_are_by_the_class_that_they_name() -> None:
    shares = np.array([[0.2, 0.1, 0.7], [0.6, 0.2, 0.2]])
    bands = Bands(limits=(("HIGH", 0.5),), lowest="LOW", of_class="ill")
    score = np.array([0.7, np.nan])
    banded = RULES.banded(score, shares, bands)
    assert banded[0] == 0.2
    assert np.isnan(banded[1]), "what was declined has no band"
    assert RULES.is_event(np.array([0.0, 2.0]), 0.5, bands).tolist() == [True, False]


def test_scores_and_what_reasons_add_up_to() -> None:
    shares = np.array([[0.2, 0.1, 0.7], [0.6, 0.2, 0.2]])
    scores = RULES.scores(shares, interval=None)
    assert scores.labels == ("well", "ill")
    assert scores.score.tolist() == [0.7, 0.6]
    assert scores.outputs is not None
    assert scores.outputs[1] == {"ill": 0.6, "odd": 0.2, "well": 0.2}
    np.testing.assert_allclose(RULES.totals(shares)[0], np.log([0.7, 0.6]) - np.log(shares).mean(axis=1))
    again = RULES.of_ledger(list(zip(scores.score.tolist(), scores.outputs, strict=True)))
    np.testing.assert_array_equal(again, shares)


def test_a_shift_of_the_classes_shares_is_counted_by_class() -> None:
    assert RULES.drift_edges == (0.0, 1.0)
    assert RULES.drift_values(np.array([[0.2, 0.1, 0.7]])).tolist() == [2.0]
    assert RULES.drift_value(0.7, "well") == 2.0
    assert np.isnan(RULES.drift_value(0.7, None))


def test_who_was_taken_for_whom() -> None:
    rows = Judged(np.array([[0.2, 0.1, 0.7], [0.6, 0.2, 0.2]]), np.array([2.0, 1.0]), np.arange(2))
    picture = RULES.pictures(rows, draws(2))["confusion"]
    assert isinstance(picture, Matrix)
    assert picture.counts.tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]


def test_sections_of_binary_jobs_are_refused(sepsis: Job) -> None:
    job = replace(sepsis, task=Task.MULTICLASS)
    with pytest.raises(UserError, match=r"\[bands\] do not say by which class's probability"):
        RULES.require_job(job)
    other = replace(
        job, bands=Bands(limits=(), lowest="LOW", of_class="dead"), measures=replace(job.measures, utility=None)
    )
    with pytest.raises(UserError, match='by the class "dead", which is none of ill, odd, well'):
        RULES.require_job(other)
    with pytest.raises(UserError, match=r"\[utility\] is for binary jobs"):
        RULES.require_job(replace(job, bands=None))


def test_labels_in_a_few_words() -> None:
    assert RULES.told(np.array([0.0, 2.0, 2.0])) == "well 2, ill 1"


def test_a_label_that_is_nan_is_no_class_of_its_own() -> None:
    with pytest.raises(UserError, match=r"^The label of the column is NaN in 1 of 3 rows"):
        Multiclass().read_labels(np.array(["1.0", "nan", None], dtype=object), where="the column")
