"""The plots: which there are, each an <svg> with its figures in words, the same bytes each time, no name over another."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable

import numpy as np
import pytest

from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.plots import CAPTIONS, plots
from scorer.jobs.job import Job
from scorer.tasks.task import Matrix
from tests import evaluations


def test_each_plot_is_an_svg_whose_ids_are_its_own(done: Evaluation) -> None:
    drawn = plots(done)
    assert list(drawn) == ["reliability", "histogram", "roc", "precision", "net_benefit", "utility"]
    for name, svg in drawn.items():
        assert svg.startswith('<svg role="img" aria-label="')
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert ids
        assert all(each.startswith(f"{name}-") for each in ids)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(ids)
    assert plots(done) == drawn


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (evaluations.of_events, ["reliability", "histogram", "roc", "precision", "net_benefit", "utility"]),
        (evaluations.of_classes, ["reliability", "confusion", "histogram"]),
        (evaluations.of_values, ["agreement", "coverage", "histogram"]),
    ],
)
def test_a_plot_of_each_task_tells_its_figures_in_words(make: Callable[[], Evaluation], names: list[str]) -> None:
    drawn = plots(make())
    assert list(drawn) == names
    assert set(names) <= set(CAPTIONS)
    told = [re.match('<svg role="img" aria-label="([^"]+)"', svg) for svg in drawn.values()]
    for each in told:
        assert each is not None
        assert re.search(r"[0-9]", each[1])
        assert "nan" not in each[1]
        assert each[1].endswith(".")
    for svg in drawn.values():
        assert "<image" not in svg, "it would have to be loaded, which the page forbids"
        assert not re.search("#[0-9a-f]{6}", svg.replace("#000000", "")), "a colour that does not change with the page"


@pytest.mark.parametrize("name", ["reliability", "confusion"])
def test_a_class_with_dollars_in_its_name_is_no_formula(name: str) -> None:
    assert re.search(r">\s*&lt;b&gt;\$2 to \$3&lt;/b&gt;</text>", plots(evaluations.of_classes())[name])


def test_a_long_name_of_a_class_is_cut(done: Evaluation) -> None:
    names = ("a" * 40, "one that has so many words", "short")
    shown = {"confusion": Matrix(names, np.eye(3))}
    pictures = dataclasses.replace(done.pictures, shown=shown, thresholds=np.empty(0))
    svg = plots(dataclasses.replace(done, pictures=pictures))["confusion"]
    assert [len(re.findall(rf">\s*{name}</text>", svg)) for name in ("a" * 17 + "…", "one that has so…", "short")] == [
        2
    ] * 3


def test_without_outcomes_there_is_the_histogram_alone(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    assert list(plots(evaluated(sepsis, cohort(), outcomes=False))) == ["histogram"]


def near(done: Evaluation) -> Evaluation:
    """Three thresholds with names, close to each other."""
    first = next(each for each in done.whole.above if each.name == "HIGH")
    above = [
        dataclasses.replace(first, name=name, threshold=at) for name, at in (("A", 0.08), ("B", 0.079), ("C", 0.0785))
    ]
    return dataclasses.replace(done, groups=(dataclasses.replace(done.whole, above=tuple(above)),))


NEAR = ("A 0.08", "B 0.079", "C 0.0785")


def places_of(label: str, svg: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<text [^>]*\bx="([0-9.]+)" y="([0-9.]+)"[^>]*>{label}</text>', svg)
    return [(float(x), float(y)) for x, y in found]


@pytest.mark.parametrize("name", ["histogram", "roc", "precision", "net_benefit", "utility"])
def test_names_of_near_thresholds_stand_once_each_in_a_row_of_its_own(done: Evaluation, name: str) -> None:
    svg = plots(near(done))[name]
    found = [places_of(label, svg) for label in NEAR]
    assert [len(each) for each in found] == [1, 1, 1]
    heights = [y for ((_, y),) in found]
    assert all(abs(one - two) > 8 for one, two in itertools.combinations(heights, 2)), heights
