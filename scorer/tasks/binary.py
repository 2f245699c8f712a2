"""Binary: the probability of an event; labels are 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.jobs.job import Job, Task
from scorer.jobs.monitoring import Limits
from scorer.jobs.publication import Bands, Declining
from scorer.jobs.training import Configuration, Recipe
from scorer.tasks.bootstrap import Figure
from scorer.tasks.calibration import platt
from scorer.tasks.conformal import ClassScores
from scorer.tasks.links import logistic
from scorer.tasks.metrics import THRESHOLDS, LabelledScores, calibration, curves, discrimination, reliability
from scorer.tasks.ranking import ends_of_equal, pairs_in_order
from scorer.tasks.task import (
    Conformal,
    History,
    Judged,
    Live,
    Picture,
    Reliability,
    Scores,
    Sets,
    TaskRules,
    finite,
    live_by,
    require_configuration,
    require_plain_target,
)
from scorer.types.arrays import Booleans, Floats, Integers

# By whether the set holds class 0, then class 1.
SETS = (("neither", "1"), ("0", "both"))
_WORDS = {"true": "1", "t": "1", "false": "0", "f": "0"}


@dataclass(frozen=True, slots=True)
class Binary:
    """The rules of a binary task; see TaskRules for what each method is."""

    classes: tuple[str, ...] = ()
    alpha: float = 0.1
    task = Task.BINARY
    objective = "auroc + average_precision"
    decisive = "brier"
    drift_edges = None
    has_event = True
    method = "predict_proba"
    gives_probabilities = True
    reasons_in = "log-odds"
    reasons_give = "the log-odds of the score"
    configurations = (
        Configuration.LOGISTIC_REGRESSION,
        Configuration.RANDOM_FOREST,
        Configuration.EXTRA_TREES,
        Configuration.GRADIENT_BOOSTING,
        Configuration.LIGHTGBM_SMALL,
        Configuration.LIGHTGBM_LARGE,
        Configuration.LIGHTGBM_UTILITY,
        Configuration.STACK,
    )

    def require_job(self, job: Job) -> None:
        """Raises UserError where [bands] names a class."""
        if job.bands is not None and job.bands.of_class is not None:
            raise UserError(f'Job {job.name}: [bands] names a "class", which only a multiclass job has; take it out.')

    def fitted_by(self, recipe: Recipe, job: Job) -> TaskRules:
        """The same. Raises UserError where the recipe is of another task."""
        require_configuration(self, recipe, job)
        require_plain_target(recipe, job)
        return self

    def read_labels(self, column: npt.NDArray[Any], *, where: str) -> tuple[Floats, tuple[str, ...]]:
        """Labels (n,), 0, 1 or NaN, of numbers or words for true and false.

        Raises UserError where one is another.
        """
        if column.dtype == object:
            label = np.array([_label(each) for each in column.tolist()], dtype=np.float64)
            known = np.array([each is not None for each in column.tolist()], dtype=bool)
        else:
            label, known = column.astype(np.float64), ~np.isnan(column.astype(np.float64))
        other = int((known & ~np.isin(label, (0, 1))).sum())
        if other:
            raise UserError(
                f"The label of {where} must be 0, 1 or NULL; {other:,} of {len(label):,} rows have something else. Write NULL where "
                "the outcome is not known, and 1 for the event."
            )
        return label, ()

    def strata(self, label: Floats, client: Integers) -> Integers:
        """0 for clients with a positive label, 1 for the others, (clients,)."""
        positive = np.bincount(client, weights=label == 1) > 0
        return np.where(positive, 0, 1)

    def require_sound(self, label: Floats, client: Integers, fold: Integers) -> None:  # noqa: ARG002 - the protocol's
        """Raises UserError where a class is missing, in all or in a fold; labels are (n,)."""
        for name, value in (("positive", 1), ("negative", 0)):
            if not (label == value).any():
                raise UserError(
                    f"No landmark has a {name} outcome, so there is nothing to learn; load outcomes of both kinds."
                )
            for each in range(int(fold.max()) + 1):
                if not ((fold == each) & (label == value)).any():
                    raise UserError(
                        f"Fold {each + 1} of {int(fold.max()) + 1} has no landmark with a {name} outcome; take fewer folds (--folds), or "
                        "load more outcomes."
                    )

    def told(self, label: Floats) -> str:
        """How many of each; labels are (n,)."""
        return f"0 {int((label == 0).sum()):,}, 1 {int((label == 1).sum()):,}"

    def thinned(self, label: Floats, entity: Integers) -> Booleans:
        """The rows of entities that never have the event, (n,)."""
        return ~(np.bincount(entity, weights=label == 1) > 0)[entity]

    def positives(self, label: Floats) -> int:
        """How many labels are 1; labels are (n,)."""
        return int((label == 1).sum())

    # Fits

    def target_of(self, label: Floats) -> npt.NDArray[Any]:
        """Whether each is positive, (n,)."""
        return np.asarray(label == 1)

    def require_fit(self, target: npt.NDArray[Any]) -> None:
        """Raises UserError where all are of one class."""
        if target.all() or not target.any():
            raise UserError(
                "The landmarks to be fitted are all of one class once those that cannot be scored are left out; load more outcomes."
            )

    def calibrate(self, margin: Floats, label: Floats, client: Integers) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """Platt's slope and intercept; margins are (n,)."""
        slope, intercept = platt(margin, label)
        return {"slope": slope, "intercept": intercept}

    def publish(self, margin: Floats, calibration: Mapping[str, Any]) -> Floats:
        """Probabilities (n,) of log-odds (n,)."""
        return logistic(calibration["slope"] * margin + calibration["intercept"])

    def trial_figures(self, margin: Floats, label: Floats) -> dict[str, float]:
        """AUROC and average precision: they look at the order alone; margins are (n,)."""
        labelled = LabelledScores(score=margin, label=label, client=np.zeros(len(margin), dtype=np.int64))
        return {name: each.value for name, each in discrimination(labelled, np.ones((1, 1))).items()}

    def objective_of(self, means: Mapping[str, float]) -> float:
        """The sum of both."""
        return means["auroc"] + means["average_precision"]

    # Publishing

    def publishing(self, calibration: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return {}

    def scores(self, predicted: Floats, *, interval: Mapping[str, float] | None) -> Scores:  # noqa: ARG002 - the protocol's
        """The probability of the last class; predicted are (n, columns)."""
        return Scores(score=finite(predicted[:, -1]), labels=None, outputs=None)

    def score_of(self, published: Floats) -> Floats:
        """The probability itself, (n,)."""
        return published

    def banded(self, score: Floats, published: Floats, bands: Bands | None) -> Floats:  # noqa: ARG002 - the protocol's
        """The probability itself, (n,)."""
        return score

    def totals(self, published: Floats) -> tuple[Floats, Floats]:
        """The log-odds, and how closely they are known, (n,)."""
        with np.errstate(all="ignore"):
            # The logit of a probability near 0 or 1 is known as exactly only as that is.
            exact = np.finfo(np.float64).eps / np.minimum(published, 1.0 - published)
            return np.log(published) - np.log1p(-published), 4 * exact

    def of_ledger(self, rows: Sequence[tuple[float, Mapping[str, Any]]]) -> Floats:
        """The scores, (n,)."""
        return np.array([score for score, _ in rows], dtype=np.float64)

    def drift_values(self, published: Floats) -> Floats:
        """The probability itself, (n,)."""
        return published

    def drift_value(self, score: float, label: str | None) -> float:  # noqa: ARG002 - the protocol's
        """The probability itself."""
        return score

    # Figures

    def losses(self, published: Floats, label: Floats) -> Floats:
        """Squared differences, (n,)."""
        found: Floats = (published - label) ** 2
        return found

    def figures(self, rows: Judged, weights: Floats) -> dict[str, Figure]:
        """Discrimination and calibration; weights are (d, clients)."""
        labelled = _labelled(rows)
        return {**discrimination(labelled, weights), **calibration(labelled, weights)}

    def thresholds(self, bands: Bands | None) -> tuple[float, ...]:  # noqa: ARG002 - the protocol's
        """Probabilities."""
        return THRESHOLDS

    def is_event(self, label: Floats, limit: float | Floats, bands: Bands | None) -> Booleans:  # noqa: ARG002 - the protocol's
        """Whether the label is 1, (n,)."""
        found: Booleans = label == 1
        return found

    def lacks(self, label: Floats) -> str | None:
        """That a class is missing; labels are (n,)."""
        for value, name in ((1, "positive"), (0, "negative")):
            if not (label == value).any():
                return f"none is {name}: with one class alone nothing can be said of the model"
        return None

    def pictures(self, rows: Judged, weights: Floats) -> dict[str, Picture]:
        """Reliability and the curves; weights are (d, clients)."""
        labelled = _labelled(rows)
        bins = {"": reliability(labelled, weights)}
        return {
            "reliability": Reliability(bins, axes=("mean score", "share with a positive label"), logarithmic=True),
            "curves": curves(labelled),
        }

    def live(
        self, figures: Mapping[str, Figure], own: Mapping[str, Mapping[str, float]], rows: Judged, limits: Limits
    ) -> Live:
        """By AUROC alone: the others depend on how often an entity is scored, which differs from training."""
        positives = int(rows.label.sum())
        if positives < limits.min_positives:
            return Live(None, f"only {positives} scores were followed by the event, {limits.min_positives} needed")
        return live_by(
            "AUROC", figures["auroc"], own.get("auroc", {}), limits, or_else="the event followed every score"
        )

    # The naive forecast

    def everyone(self, label: Floats) -> dict[str, Any]:
        """The prevalence; labels are (n,)."""
        return {"prevalence": float(label.mean())}

    def naive(self, history: History, everyone: Mapping[str, Any]) -> Floats:
        """The prevalence for each, (n,)."""
        return np.full(len(history.label), float(everyone["prevalence"]))

    # Conformal sets

    def fit_conformal(self, published: Floats, label: Floats, client: Integers) -> dict[str, Any] | None:  # noqa: ARG002 - the protocol's
        """Held-out scores of each class; None without both; labels are (n,)."""
        if not ((label == 1).any() and (label == 0).any()):
            return None
        return {
            "zero": ClassScores.fit(-published[label == 0]).content(),
            "one": ClassScores.fit(published[label == 1]).content(),
        }

    def conformal(self, content: Mapping[str, Any] | None) -> Conformal | None:
        """The sets of both classes."""
        return BinarySets(*(ClassScores.of(content[each]) for each in ("zero", "one"))) if content else None

    def groups(self, label: Floats) -> dict[str, Booleans]:
        """Each class, (n,)."""
        return {"0": label == 0, "1": label == 1}

    def quality(self, rows: Judged) -> tuple[str, float | None]:
        """The share of pairs of both classes that are in order, ties half; None where one class is missing."""
        order = np.argsort(-rows.published, kind="stable")
        ends = ends_of_equal(rows.published[order])
        hits = np.cumsum(rows.label[order])[ends]
        misses = ends + 1.0 - hits
        if not len(ends) or hits[-1] == 0 or misses[-1] == 0:
            return "auroc", None
        # Divided one by one: as one product the last digit would differ from the figures in manifests on record.
        return "auroc", float(pairs_in_order(hits, misses) / misses[-1] / hits[-1])


def _labelled(rows: Judged) -> LabelledScores:
    return LabelledScores(score=rows.published, label=rows.label, client=rows.client)


@dataclass(frozen=True, slots=True)
class BinarySets:
    """Conformal sets of two classes, each by its own held-out scores."""

    zero: ClassScores
    one: ClassScores

    def sets(self, published: Floats, spec: Declining) -> Sets:
        """The set of each score (n,)."""
        p_values = np.full((len(published), 2), np.nan)
        p_values[:, 0] = self.zero.p_values(-published)
        p_values[:, 1] = self.one.p_values(published)
        with np.errstate(invalid="ignore"):
            holds = (p_values > spec.alpha).astype(np.int64)
        known = ~np.isnan(p_values[:, 0])
        size = holds.sum(axis=1)
        return Sets(
            known=known,
            empty=known & (size == 0),
            undecided=known & (size == 2),  # noqa: PLR2004 - both classes
            outputs=_outputs(holds),
            p_values=p_values,
        )

    def covers(self, published: Floats, label: Floats, spec: Declining) -> Booleans:
        """Whether the set of each score holds its label, (n,)."""
        p_values = self.sets(published, spec).p_values
        found: Booleans = np.where(label == 1, p_values[:, 1], p_values[:, 0]) > spec.alpha
        return found

    def why_empty(self, spec: Declining) -> str:
        """That the score is rare in both classes."""
        return f"the conformal set is empty at level {spec.alpha:g}: the score is unusual for either class"

    def why_undecided(self, spec: Declining) -> str:
        """That the set holds both classes."""
        return f"the conformal set holds both classes at level {spec.alpha:g}: the score decides nothing"


_NAMED = tuple(tuple({"conformal": name} for name in pair) for pair in SETS)


def _outputs(holds: Integers) -> Sequence[Mapping[str, Any]]:
    """What is recorded of each row; equal outputs are the same object."""
    return [_NAMED[zero][one] for zero, one in holds.tolist()]


def _label(text: str | None) -> float:
    """The label that a text says, NaN for None and for any other text.

    >>> _label("1"), _label("false"), _label("0.0"), _label("yes")
    (1.0, 0.0, 0.0, nan)
    """
    if text is None:
        return math.nan
    word = text.strip().lower()
    try:
        return float(_WORDS.get(word, word))
    except ValueError:
        return math.nan
