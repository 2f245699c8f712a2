"""The plots: which there are, each an <svg> of its own, and the same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Callable

from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.plots import plots
from scorer.jobs.job import Job


def test_each_plot_is_an_svg_whose_ids_are_its_own(done: Evaluation) -> None:
    drawn = plots(done)
    assert list(drawn) == ["reliability", "histogram", "roc", "precision", "utility"]
    for name, svg in drawn.items():
        assert svg.startswith(f'<svg role="img" aria-label="{name}"')
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert ids
        assert all(each.startswith(f"{name}-") for each in ids)
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= set(ids)
    assert plots(done) == drawn


def test_without_outcomes_there_is_the_histogram_alone(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    assert list(plots(evaluated(sepsis, cohort(), outcomes=False))) == ["histogram"]
