"""Each task has its rules, and a recipe of another task is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scorer.errors import UserError
from scorer.jobs.job import Job, Task
from scorer.jobs.training import Configuration, Recipe, Target
from scorer.tasks.known import task_of, training_rules


@pytest.mark.parametrize("task", list(Task))
def test_the_rules_are_of_the_task(task: Task) -> None:
    rules = task_of(task, classes=("a", "b"))
    assert rules.task is task
    assert rules.configurations
    assert rules.classes == (("a", "b") if task is Task.MULTICLASS else ())


def plain(job: Job, task: Task) -> Job:
    return replace(job, task=task, bands=None, measures=replace(job.measures, utility=None))


def test_a_recipe_changes_the_rules_of_a_regression(sepsis: Job) -> None:
    job = plain(sepsis, Task.REGRESSION)
    recipe = Recipe(configuration=Configuration.LIGHTGBM_ABSOLUTE, target=Target.LOG)
    rules = training_rules(job, recipe, classes=())
    assert (rules.target, rules.median, rules.alpha) == (Target.LOG, True, sepsis.declining.alpha)


@pytest.mark.parametrize(
    ("task", "configuration"),
    [
        (Task.BINARY, Configuration.LINEAR_REGRESSION),
        (Task.MULTICLASS, Configuration.LIGHTGBM_UTILITY),
        (Task.REGRESSION, Configuration.LOGISTIC_REGRESSION),
    ],
)
def test_a_recipe_of_another_task_is_one_sentence(sepsis: Job, task: Task, configuration: Configuration) -> None:
    with pytest.raises(UserError, match=f'"{configuration}" does not fit; there are: '):
        training_rules(plain(sepsis, task), Recipe(configuration=configuration), classes=("a", "b"))


def test_a_target_of_another_task_is_one_sentence(sepsis: Job) -> None:
    recipe = Recipe(configuration=Configuration.LIGHTGBM_SMALL, target=Target.LOG)
    with pytest.raises(UserError, match='target = "log", which is for regressions'):
        training_rules(plain(sepsis, Task.BINARY), recipe, classes=())
