"""What the tests of an evaluation share: a made-up cohort with scores, and its evaluation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.jobs.job import Job
from tests import evaluations


@pytest.fixture(scope="session")
def cohort() -> Callable[..., EvaluationCohort]:
    """Makes a cohort: so many `entities` of so many `hours`, of whom `events` have the event; `shuffled` scores tell nothing."""
    return evaluations.cohort


@pytest.fixture(scope="session")
def evaluated() -> Callable[..., Evaluation]:
    """Evaluates a cohort of a job."""
    return evaluations.evaluated


@pytest.fixture(scope="session")
def done(sepsis: Job) -> Evaluation:
    """The evaluation of a cohort with two subgroups."""
    return evaluations.evaluated(sepsis, evaluations.cohort())
