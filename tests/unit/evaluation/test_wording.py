"""Every figure and every step has a title, and an evaluation its headline."""

from __future__ import annotations

import dataclasses

import pytest

from scorer.evaluation import wording
from scorer.evaluation.figures import Evaluation


def test_every_figure_has_a_title_and_a_meaning(done: Evaluation) -> None:
    whole = done.whole
    named = {*whole.figures, *(name for above in whole.above for name in above.figures)}
    assert named < set(wording.FIGURES)
    assert all(title and meaning for title, meaning in wording.FIGURES.values())


def test_a_step_without_a_title_is_called_by_its_name() -> None:
    assert wording.step("held") == "held by a rule of a suite"
    assert wording.step("seen_twice") == "seen twice"


def test_groups_and_bands_have_their_titles(done: Evaluation) -> None:
    assert [wording.subgroup(each) for each in done.groups] == ["everyone", "age: below <65>", "age: 65 and above"]
    assert [each.name for each in wording.bands(done.whole)] == ["HIGH", "MEDIUM"]


@pytest.mark.parametrize(("events", "remark"), [(9, "fewer than 10 events"), (10, "")])
def test_a_group_of_few_events_says_so(done: Evaluation, events: int, remark: str) -> None:
    group = dataclasses.replace(done.whole, events=events)
    assert wording.few(group) == remark


def test_the_headline_says_what_was_evaluated(done: Evaluation) -> None:
    assert wording.headline(done) == (
        "Model 7 of sepsis on 60 entities of 60 clients, every hour, as of 2025-06-01 00:00Z to 2025-06-02 00:00Z, with outcomes."
    )


@pytest.mark.parametrize(
    ("value", "exact"),
    [(0.8432, "0.843"), (0.009_96, "0.00996"), (-0.0042, "-0.00420"), (1e-8, "0.000"), (12.34, "12.3")],
)
def test_a_small_figure_keeps_digits_that_say_something(value: float, exact: str) -> None:
    assert wording.exact(value) == exact
