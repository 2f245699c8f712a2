"""The rules of each task."""

from __future__ import annotations

from scorer.jobs.job import Job, Task
from scorer.jobs.training import Recipe
from scorer.tasks.binary import Binary
from scorer.tasks.multiclass import Multiclass
from scorer.tasks.regression import Regression
from scorer.tasks.task import TaskRules


def task_of(task: Task, *, classes: tuple[str, ...] = ()) -> TaskRules:
    """The rules of a task, with the `classes` where they are known."""
    match task:
        case Task.BINARY:
            return Binary()
        case Task.MULTICLASS:
            return Multiclass(classes)
        case Task.REGRESSION:
            return Regression()


def training_rules(job: Job, recipe: Recipe, *, classes: tuple[str, ...]) -> TaskRules:
    """The rules by which `recipe` is fitted.

    Raises UserError where the recipe, or a section of job.toml, is of another task.
    """
    rules = task_of(job.task, classes=classes)
    rules.require_job(job)
    return rules.fitted_by(recipe, job)
