"""An evaluation: every figure of everyone and of each subgroup, and the remarks that go with them."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.wording import few
from scorer.jobs.evaluation import Utility
from scorer.jobs.job import Job
from scorer.tasks.metrics import THRESHOLDS, LabelledScores, discrimination


def test_everyone_and_every_subgroup_has_every_figure(done: Evaluation) -> None:
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


def test_scores_of_another_entity_are_worth_nothing(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    """Labels shuffled among entities, many times: on average the AUROC is that of a coin."""

    def auroc(whom: EvaluationCohort) -> float:
        """That of an evaluation, without the draws."""
        rows = whom.rows.counted(Utility()).only(~np.isnan(whom.rows.counted(Utility()).score))
        labelled = LabelledScores(score=rows.score, label=rows.label, client=rows.client)
        return discrimination(labelled, np.ones((1, whom.clients)))["auroc"].value

    cohorts = [cohort(entities=150, events=60, seed=seed, shuffled=True) for seed in range(12)]
    assert np.mean([auroc(whom) for whom in cohorts]) == pytest.approx(0.5, abs=0.04)
    assert evaluated(sepsis, cohorts[0]).whole.figures["auroc"].value == auroc(cohorts[0])
    assert auroc(cohort(entities=150, events=60)) > 0.9


def test_without_outcomes_there_is_the_load_alone(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    done = evaluated(sepsis, cohort(), outcomes=False)
    assert done.whole.figures == {}
    assert set(done.whole.above[0].figures) == {
        "alarms_per_entity_day",
        "new_alarms_per_entity_day",
        "entities_alarmed_per_100",
    }


@pytest.mark.parametrize(("label", "name"), [(0.0, "positive"), (1.0, "negative")])
def test_one_class_alone_is_one_sentence(
    sepsis: Job, label: float, name: str, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    whom = cohort()
    whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, label=np.full(len(whom.rows), label)))
    with pytest.raises(UserError, match=rf"^Of the 1,080 landmarks of job sepsis [^\n]* none is {name}: [^\n]*\.$"):
        evaluated(sepsis, whom)


def test_a_cohort_without_a_score_is_one_sentence(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    whom = cohort()
    whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, score=np.full(len(whom.rows), np.nan)))
    with pytest.raises(UserError, match=r"^None of the 1,200 landmarks of job sepsis could be scored"):
        evaluated(sepsis, whom)


def test_a_job_without_a_utility_has_figures_all_the_same(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    job = dataclasses.replace(sepsis, measures=dataclasses.replace(sepsis.measures, utility=None))
    whole = evaluated(job, cohort()).whole
    assert whole.figures["auroc"].value > 0.8
    assert {"sensitivity", "ppv", "alarms_per_entity_day"} <= set(whole.above[0].figures)
    assert not {"utility", "entities_foreseen"} & set(whole.above[0].figures)


@pytest.mark.parametrize(
    ("seen", "remark"),
    [
        (None, r"does not say whom it was trained on"),
        (13, r"was trained on 13 of the 60 clients: these are not figures of unseen clients"),
        (0, None),
    ],
)
def test_clients_that_the_model_was_trained_on_are_remarked(
    sepsis: Job,
    seen: int | None,
    remark: str | None,
    cohort: Callable[..., EvaluationCohort],
    evaluated: Callable[..., Evaluation],
) -> None:
    done = evaluated(sepsis, dataclasses.replace(cohort(), clients_seen=seen))
    assert (done.remarks == ()) if remark is None else re.search(remark, done.remarks[0])


def test_faults_and_few_events_are_remarked(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    done = evaluated(
        sepsis, cohort(events=5), faults=[("of visits that do not exist", 3), ("of no use", 1), ("of none", 0)]
    )
    assert done.remarks[:2] == ("3 outcomes are of visits that do not exist.", "1 outcome is of no use.")
    assert done.remarks[2].startswith("Only 5 entities with a known outcome have the event")
    assert few(done.whole) == "fewer than 10 events"
