"""A model beside the naive forecast: beaten, or not by more than chance, and told."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from scorer.evaluation.beside_naive import BesideNaive, beside_naive, in_words
from scorer.tasks.binary import Binary
from scorer.tasks.bootstrap import Figure, draws
from scorer.tasks.task import Judged
from scorer.types.arrays import Floats

RANDOM = np.random.default_rng(3)
LABEL = (RANDOM.random(400) < 0.3).astype(float)
CLIENT = np.arange(400) // 2
NAIVE = np.full(400, 0.3)


def judged(score: Floats) -> Judged:
    return Judged(score, LABEL, CLIENT)


def test_a_model_that_knows_something_beats_it() -> None:
    found = beside_naive(judged(np.where(LABEL == 1, 0.6, 0.2)), NAIVE, draws(200), rules=Binary())
    assert found.beaten
    assert found.gained.value == pytest.approx(((NAIVE - LABEL) ** 2).mean() - found.model.value)
    assert found.figures["auroc"].value == 0.5
    assert found.content()["beaten"] is True
    assert in_words(found).startswith("The model beats the naive forecast: its brier is 0.")


def test_noise_does_not_and_is_told() -> None:
    noise = np.clip(0.3 + 0.05 * RANDOM.normal(size=400), 0.01, 0.99)
    found = beside_naive(judged(noise), NAIVE, draws(200), rules=Binary())
    assert not found.beaten
    manifest = {"naive": found.content(), "metrics": {"brier": asdict(found.model)}}
    assert in_words(BesideNaive.of(manifest)) == in_words(found)
    assert in_words(found).startswith("The model does not beat the naive forecast by more than chance: its brier is")
    assert not beside_naive(judged(NAIVE), NAIVE, draws(200), rules=Binary()).beaten


def test_losses_of_thousands_are_written_out() -> None:
    naive = BesideNaive("mae", model=Figure(210962.3), gained=Figure(87396.04, 68612.0, 106950.0), figures={})
    assert (
        in_words(naive)
        == "The model beats the naive forecast: its mae is 210,962, lower by 87,396 (68,612 to 106,950)."
    )
