"""What a job's task answers: how labels are read, what is published, how good it is.

One Protocol, which binary, multiclass and regression keep. Everything outside this room asks these questions and not which task a job has.
Two words are used throughout. A `margin` is what a fitted model gives of a row before it is calibrated. `published` is what it comes to:
for binary the probability (n,), for multiclass every class's (n, k), for regression value, low and high (n, 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.jobs.job import Job, Task
from scorer.jobs.monitoring import Limits
from scorer.jobs.publication import Bands, Declining
from scorer.jobs.training import Configuration, Recipe, Target
from scorer.tasks.bootstrap import Figure
from scorer.tasks.metrics import Bin, Curves
from scorer.types.arrays import Booleans, Floats, Integers


@dataclass(frozen=True, slots=True)
class Scores:
    """A model's scores of n entities.

    `score` (n,) is NaN where the model gave none. For multiclass, `labels` are the most probable classes, `outputs` all probabilities; for
    regression, `outputs` are the intervals. `published` is as the task has it, None where it is the score alone.
    """

    score: Floats
    labels: tuple[str, ...] | None
    outputs: tuple[dict[str, float], ...] | None
    published: Floats | None = None

    @property
    def whole(self) -> Floats:
        """What is published, (n,) or (n, k)."""
        return self.score if self.published is None else self.published


@dataclass(frozen=True, slots=True)
class Judged:
    """Predictions whose outcome is known: `published` as the task has it, `label` and `client` (n,).

    `client` is the index among the clients.
    """

    published: Floats
    label: Floats
    client: Integers

    def only(self, kept: Booleans) -> Judged:
        """The rows where `kept` (n,) is True."""
        return Judged(self.published[kept], self.label[kept], self.client[kept])


@dataclass(frozen=True, slots=True)
class History:
    """When which label of a client was known, arrays (n,): what a naive forecast may use.

    `as_of` and `event_at` are microseconds since 1970-01-01 UTC; `event_at` is NO_TIME without an event.
    """

    label: Floats
    client: Integers
    as_of: Integers
    event_at: Integers


@dataclass(frozen=True, slots=True)
class Sets:
    """The conformal sets of n rows: what is recorded of each, and which rows are `known` (n,).

    `empty` and `undecided` (n,) are the sets that decide nothing. `p_values` (n, 2) are those of
    a binary task's classes, NaN otherwise.
    """

    known: Booleans
    empty: Booleans
    undecided: Booleans
    outputs: Sequence[Mapping[str, Any]]
    p_values: Floats


class Conformal(Protocol):
    """Conformal sets, calibrated."""

    def sets(self, published: Floats, spec: Declining) -> Sets:
        """The set of each row that is `published`, at the level of `spec`, (n,) or (n, k)."""

    def covers(self, published: Floats, label: Floats, spec: Declining) -> Booleans:
        """Whether the set of each row holds its `label`, (n,)."""

    def why_empty(self, spec: Declining) -> str:
        """Why a score is declined whose set is empty."""

    def why_undecided(self, spec: Declining) -> str:
        """Why a score is declined whose set decides nothing."""


@dataclass(frozen=True, slots=True)
class Live:
    """Whether live figures are worse than they should be, None where that is unknown; and why, in words."""

    lost: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Reliability:
    """A picture: for each of some names, bins of the mean predicted against what was observed."""

    bins: Mapping[str, tuple[Bin, ...]]
    axes: tuple[str, str]
    logarithmic: bool


@dataclass(frozen=True, slots=True)
class Matrix:
    """A picture: how many rows of each class (first axis) were taken for which (second)."""

    names: tuple[str, ...]
    counts: Floats


@dataclass(frozen=True, slots=True)
class Points:
    """A picture: `x` against `y`, (n,) each; where `low` and `high` (n,) are given, with intervals."""

    x: Floats
    y: Floats
    axes: tuple[str, str]
    low: Floats | None = None
    high: Floats | None = None


Picture = Reliability | Matrix | Points | Curves


class TaskRules(Protocol):
    """What a task answers. `classes` are those of a multiclass task, once they are known."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their codes; empty but for multiclass."""

    @property
    def task(self) -> Task:
        """The task itself."""

    @property
    def alpha(self) -> float:
        """The share of outcomes that may lie outside what a model leaves possible."""

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The model configurations that fit the task, in the order in which a search tries them."""

    @property
    def objective(self) -> str:
        """What a search maximises, in words."""

    @property
    def decisive(self) -> str:
        """The name of the figure, the mean loss of a row, by which a model must beat the naive forecast."""

    @property
    def method(self) -> str:
        """The method of an estimator that gives what is published."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether a score is a probability, from 0 to 1."""

    @property
    def reasons_in(self) -> str:
        """The unit of a score's reasons."""

    @property
    def reasons_give(self) -> str:
        """What the reasons of a score add up to, in words."""

    def require_job(self, job: Job) -> None:
        """Raises UserError where job.toml has a section that is of another task."""

    def fitted_by(self, recipe: Recipe, job: Job) -> TaskRules:
        """The rules as `recipe` changes them. Raises UserError where its configuration is of another task."""

    # Labels

    def read_labels(self, column: npt.NDArray[Any], *, where: str) -> tuple[Floats, tuple[str, ...]]:
        """The labels (n,) of a `column` of numbers or texts, NaN where unknown; and the classes.

        Raises UserError where one is no label of the task.
        """

    def told(self, label: Floats) -> str:
        """The labels (n,) of which there are some, in a few words."""

    def strata(self, label: Floats, client: Integers) -> Integers:
        """A number for each client by which they are spread evenly over folds, the least first, (clients,)."""

    def require_sound(self, label: Floats, client: Integers, fold: Integers) -> None:
        """Raises UserError where a fold, or all others, cannot be learnt from or judged by; labels are (n,)."""

    def thinned(self, label: Floats, entity: Integers) -> Booleans:
        """The rows (n,) of which a recipe that is thinned keeps some."""

    def positives(self, label: Floats) -> int:
        """How many labels are of the event; 0 where the task has none; labels are (n,)."""

    # Fits

    def target_of(self, label: Floats) -> npt.NDArray[Any]:
        """What is fitted to the labels (n,)."""

    def require_fit(self, target: npt.NDArray[Any]) -> None:
        """Raises UserError where nothing can be learnt from the targets (n,)."""

    def calibrate(self, margin: Floats, label: Floats, client: Integers) -> dict[str, Any]:
        """What turns margins, (n,) or (n, k), into what is published, by clients that the model has not seen."""

    def publish(self, margin: Floats, calibration: Mapping[str, Any]) -> Floats:
        """What is published of margins by a calibration, (n,) or (n, k)."""

    def trial_figures(self, margin: Floats, label: Floats) -> dict[str, float]:
        """The figures of a fold of a search, by margins that are not calibrated; margins are (n,) or (n, k)."""

    def objective_of(self, means: Mapping[str, float]) -> float:
        """The objective, by the means of the folds' figures."""

    # Publishing

    def publishing(self, calibration: Mapping[str, Any]) -> dict[str, Any]:
        """What a manifest has so that `scores` can be read."""

    def scores(self, predicted: Floats, *, interval: Mapping[str, float] | None) -> Scores:
        """The scores of what an estimator's `method` gave, (n,) or (n, k)."""

    def score_of(self, published: Floats) -> Floats:
        """The score (n,) of what is published."""

    def banded(self, score: Floats, published: Floats, bands: Bands | None) -> Floats:
        """The number (n,) that bands are by; NaN where there is no `score` (n,)."""

    def totals(self, published: Floats) -> tuple[Floats, Floats]:
        """What the contributions to each score must add up to, (n,), and how closely that is known, (n,)."""

    def of_ledger(self, rows: Sequence[tuple[float, Mapping[str, Any]]]) -> Floats:
        """What is published, (n,) or (n, k), by the scores of the ledger and the outputs beside them."""

    def drift_values(self, published: Floats) -> Floats:
        """What is counted by bins as the score, (n,)."""

    @property
    def drift_edges(self) -> tuple[float, ...] | None:
        """The inner edges of those bins; None for the deciles of training."""

    def drift_value(self, score: float, label: str | None) -> float:
        """The same of a score of the ledger."""

    # Figures

    def losses(self, published: Floats, label: Floats) -> Floats:
        """The loss (n,) of each row, the smaller the better."""

    def figures(self, rows: Judged, weights: Floats) -> dict[str, Figure]:
        """Figures by name, under each of `weights` (d, clients)."""

    @property
    def has_event(self) -> bool:
        """Whether a label says that an event happened, so that there are positives to count."""

    def thresholds(self, bands: Bands | None) -> tuple[float, ...]:
        """Where alarms are looked at beside the bands' limits."""

    def is_event(self, label: Floats, limit: float | Floats, bands: Bands | None) -> Booleans:
        """Whether what an alarm above `limit`, one or each row's (n,), is about came true, (n,)."""

    def lacks(self, label: Floats) -> str | None:
        """Why labels (n,) say nothing of a model, as the end of a sentence; None where they do."""

    def pictures(self, rows: Judged, weights: Floats) -> dict[str, Picture]:
        """Pictures by name; weights are (d, clients)."""

    def live(
        self, figures: Mapping[str, Figure], own: Mapping[str, Mapping[str, float]], rows: Judged, limits: Limits
    ) -> Live:
        """Whether live `figures` are worse than the model's `own`, by more than chance."""

    # The naive forecast

    def everyone(self, label: Floats) -> dict[str, Any]:
        """What labels (n,) say of everyone, for JSON: the naive forecast where nothing else is known."""

    def naive(self, history: History, everyone: Mapping[str, Any]) -> Floats:
        """What would be published of each row without any model, (n,) or (n, k)."""

    # Conformal sets

    def fit_conformal(self, published: Floats, label: Floats, client: Integers) -> dict[str, Any] | None:
        """What conformal sets are made by, for JSON; None where nothing is needed; labels are (n,)."""

    def conformal(self, content: Mapping[str, Any] | None) -> Conformal | None:
        """The conformal sets by what `fit_conformal` made; None where there are none.

        Raises KeyError, TypeError or ValueError where it is not that.
        """

    def groups(self, label: Floats) -> dict[str, Booleans]:
        """The rows (n,) for which coverage is measured apart, by name."""

    def quality(self, rows: Judged) -> tuple[str, float | None]:
        """One figure by which scores with and without those declined are compared, and its name."""


def finite(score: Floats) -> Floats:
    """The score (n,), NaN where it is not finite."""
    return np.where(np.isfinite(score), score, np.nan)


def none_unless_finite(value: float) -> float | None:
    """A number as JSON has it."""
    return float(value) if np.isfinite(value) else None


def live_by(name: str, live: Figure, own: Mapping[str, float], limits: Limits, *, or_else: str) -> Live:
    """Whether a figure of which more is better is lost: too low, by more than chance."""
    low = own.get("low")
    if low is None or not math.isfinite(live.value):
        return Live(None, "there is no figure of its own to compare with" if low is None else or_else)
    detail = (
        f"{name} {live.value:.3f} ({live.low:.3f} to {live.high:.3f}), its own {own['value']:.3f} from {low:.3f} on"
    )
    # By more than chance: the upper end of the interval, where there is one, is below as well.
    beyond_chance = not math.isfinite(live.high) or live.high < low
    return Live(live.value < low - limits.performance_loss and beyond_chance, detail)


def require_configuration(rules: TaskRules, recipe: Recipe, job: Job) -> None:
    """Raises UserError where the configuration of `recipe` is of another task."""
    if recipe.configuration not in rules.configurations:
        raise UserError(
            f'Job {job.name} has the task {job.task}, which the configuration "{recipe.configuration}" does not fit; there are: '
            f"{', '.join(rules.configurations)}."
        )


def require_plain_target(recipe: Recipe, job: Job) -> None:
    """Raises UserError where `recipe` has a target that only values have."""
    if recipe.target is not Target.VALUE:
        raise UserError(
            f'Job {job.name} has the task {job.task}, and its recipe target = "{recipe.target}", which is for regressions; take it out.'
        )


def require_no_nan(column: npt.NDArray[Any], *, where: str) -> None:
    """Raises UserError where a `column` (n,) of labels as texts holds NaN: NULL is what is unknown."""
    times = sum(each is not None and each.strip().lower() == "nan" for each in column.tolist())
    if times:
        raise UserError(
            f"The label of {where} is NaN in {times:,} of {len(column):,} rows; give NULL where the outcome is not known."
        )
