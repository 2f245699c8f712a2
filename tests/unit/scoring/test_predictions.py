"""Predictions: what a model declines keeps the score that it would have had, and two models' are exchanged entity by entity."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from scorer.jobs.publication import Declining
from scorer.registry.model import Scores
from scorer.scoring.predictions import NO_SCORE, Predictions, predict, swapped
from scorer.types.arrays import Features
from scorer.types.enums import Status

NAN = float("nan")


def predictions(version: str, score: list[float], **other: Any) -> Predictions:
    values: dict[str, Any] = {
        "scores": Scores(score=np.array(score), labels=None, outputs=None),
        "undeclined": np.array(score),
        "quantile": np.array(score),
        "model_versions": (version,) * len(score),
        "declined": {},
    }
    return Predictions(**(values | other))


def model(score: list[float], *, declined: dict[int, str] | None = None) -> Any:
    """A model that gives these scores and declines some of them by place; None: it has nothing to decline by."""
    found = SimpleNamespace(
        declined=np.array([place in (declined or {}) for place in range(len(score))]),
        reasons=declined,
        outputs=[{"unlike": place} for place in range(len(score))],
    )
    return SimpleNamespace(
        manifest=SimpleNamespace(model_version="m"),
        score=lambda _: Scores(score=np.array(score), labels=None, outputs=None),
        training_quantile=lambda score: score / 2,
        baseline=None if declined is None else SimpleNamespace(find_declined=lambda *_, **__: found),
    )


MATRIX = Features(names=("a",), values=np.zeros((3, 1)))


def test_a_declined_score_is_not_published_and_is_still_validated() -> None:
    found = predict(model([0.2, 0.4, NAN], declined={1: "unlike"}), MATRIX, spec=Declining())
    assert np.array_equal(found.scores.score, [0.2, NAN, NAN], equal_nan=True)
    assert np.array_equal(found.undeclined, [0.2, 0.4, NAN], equal_nan=True)
    assert np.array_equal(found.quantile, [0.1, NAN, NAN], equal_nan=True)
    assert found.outputs(0) == {"unlike": 0}
    assert found.without_score(1) == {
        "status": Status.INDETERMINATE,
        "reason": "unlike",
        "outputs": {"unlike": 1},
        "model_version": "m",
    }
    assert found.without_score(2)["reason"] == NO_SCORE


def test_a_model_that_has_nothing_to_decline_by_declines_nothing() -> None:
    found = predict(model([0.2, 0.4, NAN]), MATRIX, spec=Declining())
    assert np.array_equal(found.scores.score, found.undeclined, equal_nan=True)
    assert (found.declined, found.outputs(0), found.model_versions) == ({}, {}, ("m", "m", "m"))


def test_two_models_are_exchanged_entity_by_entity() -> None:
    one = predictions("one", [0.1, NAN, 0.3], declined={1: "unlike"}, extra_outputs=({"n": 1}, {"n": 2}, {"n": 3}))
    other = predictions("other", [NAN, 0.8, 0.9], declined={0: "undecided"})
    first, second = swapped(one, other, np.array([False, True, True]))
    assert first.scores.score.tolist() == first.undeclined.tolist() == first.quantile.tolist() == [0.1, 0.8, 0.9]
    assert first.model_versions == ("one", "other", "other")
    assert (first.declined, second.declined) == ({}, {0: "undecided", 1: "unlike"})
    assert [first.outputs(place) for place in range(3)] == [{"n": 1}, {}, {}]
    assert second.model_versions == ("other", "one", "one")
    assert [second.outputs(place) for place in range(3)] == [{}, {"n": 2}, {"n": 3}]


def test_labels_and_outputs_are_exchanged_too() -> None:
    labelled = Scores(score=np.array([0.6, 0.7]), labels=("a", "b"), outputs=({"a": 0.6}, {"b": 0.7}))
    plain = predictions("other", [0.1, 0.2])
    first, second = swapped(predictions("one", [0.6, 0.7], scores=labelled), plain, np.array([True, False]))
    assert (first.scores.labels, second.scores.labels) == ((None, "b"), ("a", None))
    assert (first.outputs(0), first.outputs(1), second.outputs(0)) == ({}, {"b": 0.7}, {"a": 0.6})
