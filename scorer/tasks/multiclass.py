"""Multiclass: the probability of each of several classes; labels are the classes' names."""

from __future__ import annotations

from collections import Counter
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
from scorer.tasks.calibration import scaled
from scorer.tasks.class_metrics import chosen, class_figures, class_losses
from scorer.tasks.conformal import ClientScores, held, more_probable
from scorer.tasks.links import log_shares, softmax
from scorer.tasks.metrics import THRESHOLDS, LabelledScores, reliability
from scorer.tasks.task import (
    Conformal,
    History,
    Judged,
    Live,
    Matrix,
    Picture,
    Reliability,
    Scores,
    Sets,
    TaskRules,
    finite,
    live_by,
    require_configuration,
    require_no_nan,
    require_plain_target,
)
from scorer.types.arrays import Booleans, Floats, Integers

RESERVED = ("conformal", "unlike")  # what else is recorded beside the classes' probabilities
_MOST_CLASSES = 50
_FEWEST_CLIENTS = 2
_BINS = 10  # of drift: the classes beyond are counted as one


@dataclass(frozen=True, slots=True)
class Multiclass:
    """The rules of a multiclass task; see TaskRules for what each method is."""

    classes: tuple[str, ...] = ()
    alpha: float = 0.1
    task = Task.MULTICLASS
    objective = "auroc + f1, each the mean over the classes"
    decisive = "log_loss"
    method = "predict_proba"
    gives_probabilities = True
    has_event = False
    reasons_in = "log-ratio"
    reasons_give = "the logarithm of the class's probability above the mean of all classes'"
    configurations = (
        Configuration.LOGISTIC_REGRESSION,
        Configuration.RANDOM_FOREST,
        Configuration.EXTRA_TREES,
        Configuration.GRADIENT_BOOSTING,
        Configuration.LIGHTGBM_SMALL,
        Configuration.LIGHTGBM_LARGE,
    )

    def require_job(self, job: Job) -> None:
        """Raises UserError where [bands] names no class of the job, or there is a section of binary jobs."""
        if job.bands is not None and job.bands.of_class is None:
            raise UserError(
                f'Job {job.name} is multiclass, and its [bands] do not say by which class\'s probability they are; add class = "...".'
            )
        if job.measures.utility is not None:
            raise UserError(f"Job {job.name} is multiclass, and [utility] is for binary jobs; take it out.")
        if job.bands is not None and self.classes and job.bands.of_class not in self.classes:
            raise UserError(
                f'Job {job.name}: [bands] are by the class "{job.bands.of_class}", which is none of {", ".join(self.classes)}.'
            )

    def fitted_by(self, recipe: Recipe, job: Job) -> TaskRules:
        """The same. Raises UserError where the recipe is of another task."""
        require_configuration(self, recipe, job)
        require_plain_target(recipe, job)
        return self

    def read_labels(self, column: npt.NDArray[Any], *, where: str) -> tuple[Floats, tuple[str, ...]]:
        """The code of each row's class (n,), NaN where unknown, and the classes.

        The classes are those of the rules, else those that occur, in alphabetical order; whole numbers are names too. Raises UserError
        where a class is none of them, or cannot be one.
        """
        names = _names(column, where=where)
        there = sorted({each for each in names if each is not None})
        classes = self.classes or tuple(there)
        strange = next((each for each in there if each not in classes), None)
        if strange is not None:
            raise UserError(
                f'The label of {where} is "{strange}" in a row, a class that is none of {", ".join(classes)}.'
            )
        reserved = next((each for each in classes if each in RESERVED or not each.strip()), None)
        if reserved is not None:
            raise UserError(
                f'The label of {where} is "{reserved}" in a row, which cannot be the name of a class; give it another.'
            )
        if len(classes) > _MOST_CLASSES:
            raise UserError(
                f"The label of {where} has {len(classes)} classes, where {_MOST_CLASSES} are the most; join the rare ones, or make it a "
                "regression."
            )
        codes = {name: float(number) for number, name in enumerate(classes)}
        label = np.array([np.nan if each is None else codes[each] for each in names], dtype=np.float64)
        return label, classes

    def strata(self, label: Floats, client: Integers) -> Integers:
        """Each client's rarest class, by clients, the rarest of all first, (clients,)."""
        clients = int(client.max()) + 1
        has = np.array([np.bincount(client, weights=label == code, minlength=clients) > 0 for code in self._codes])
        order = np.argsort(has.sum(axis=1), kind="stable")
        found: Integers = np.argmax(np.vstack([has[order], np.ones(clients, dtype=bool)]), axis=0)
        return found

    def require_sound(self, label: Floats, client: Integers, fold: Integers) -> None:
        """Raises UserError where a class of `label` (n,) is of too few clients, or in one fold alone."""
        known = [name for code, name in enumerate(self.classes) if (label == code).any()]
        if len(known) < 2:  # noqa: PLR2004 - something to tell apart
            raise UserError(
                f"All landmarks have the outcome {known[0] if known else 'unknown'}, so there is nothing to learn; load outcomes of two "
                "classes or more."
            )
        for code, name in enumerate(self.classes):
            rows = label == code
            if len(np.unique(client[rows])) < _FEWEST_CLIENTS:
                raise UserError(
                    f'The class "{name}" has landmarks of {len(np.unique(client[rows]))} clients, and of fewer than {_FEWEST_CLIENTS} '
                    "nothing can be learnt that holds for others; join it with another class, leave it out, or load more outcomes."
                )
            if len(np.unique(fold[rows])) < _FEWEST_CLIENTS:
                raise UserError(
                    f'All landmarks of the class "{name}" are in one fold of the cross-validation; take more folds (--folds), or load more '
                    "outcomes."
                )

    def told(self, label: Floats) -> str:
        """How many of each class, the most frequent first; labels are (n,)."""
        counts = Counter(self.classes[int(code)] for code in label.tolist())
        return ", ".join(f"{name} {times:,}" for name, times in counts.most_common())

    def thinned(self, label: Floats, entity: Integers) -> Booleans:  # noqa: ARG002 - the protocol's
        """Every row: there is no event, (n,)."""
        return np.ones(len(label), dtype=bool)

    def positives(self, label: Floats) -> int:  # noqa: ARG002 - the protocol's
        """0: there is no event; labels are (n,)."""
        return 0

    # Fits

    def target_of(self, label: Floats) -> npt.NDArray[Any]:
        """The codes as whole numbers, (n,)."""
        return np.nan_to_num(label).astype(np.int64)

    def require_fit(self, target: npt.NDArray[Any]) -> None:
        """Raises UserError where a class is missing."""
        there = set(target.tolist())
        missing = next((name for code, name in enumerate(self.classes) if code not in there), None)
        if missing is not None:
            raise UserError(
                f'Of the landmarks to be fitted none has the class "{missing}" once those that cannot be scored are left out; load more '
                "outcomes."
            )

    def calibrate(self, margin: Floats, label: Floats, client: Integers) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """One slope, and a bias for each class; margins are (n, k)."""
        slope, bias = scaled(margin, label.astype(np.int64))
        return {"slope": slope, "bias": bias.tolist()}

    def publish(self, margin: Floats, calibration: Mapping[str, Any]) -> Floats:
        """Probabilities (n, k)."""
        return softmax(calibration["slope"] * margin + np.asarray(calibration["bias"], dtype=np.float64))

    def trial_figures(self, margin: Floats, label: Floats) -> dict[str, float]:
        """Macro AUROC and F1; margins are (n, k)."""
        rows = Judged(softmax(margin), label, np.zeros(len(label), dtype=np.int64))
        found = class_figures(rows, np.ones((1, 1)), classes=self.classes)
        return {name: found[name].value for name in ("auroc", "f1")}

    def objective_of(self, means: Mapping[str, float]) -> float:
        """The sum of both."""
        return means["auroc"] + means["f1"]

    # Publishing

    def publishing(self, calibration: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return {}

    def scores(self, predicted: Floats, *, interval: Mapping[str, float] | None) -> Scores:  # noqa: ARG002 - the protocol's
        """The most probable class and its probability, with those of all; predicted are (n, k)."""
        best = chosen(predicted)
        return Scores(
            score=finite(self.score_of(predicted)),
            labels=tuple(self.classes[each] for each in best.tolist()),
            outputs=tuple(dict(zip(self.classes, row, strict=True)) for row in predicted.tolist()),
            published=predicted,
        )

    def score_of(self, published: Floats) -> Floats:
        """The largest probability, (n,)."""
        found: Floats = published[np.arange(len(published)), chosen(published)]
        return found

    def banded(self, score: Floats, published: Floats, bands: Bands | None) -> Floats:
        """The probability of the class that the bands name, (n,)."""
        if bands is None or bands.of_class not in self.classes:
            return np.full(len(score), np.nan)
        return np.where(np.isnan(score), np.nan, published[:, self.classes.index(bands.of_class)])

    def totals(self, published: Floats) -> tuple[Floats, Floats]:
        """The centred log-ratio of the most probable class, (n,)."""
        logs = log_shares(published)
        exact = np.finfo(np.float64).eps / np.maximum(published.min(axis=1, initial=1.0), np.finfo(np.float64).tiny)
        return self.score_of(logs) - logs.mean(axis=1), 4 * exact

    def of_ledger(self, rows: Sequence[tuple[float, Mapping[str, Any]]]) -> Floats:
        """The probabilities, which stand beside the score; NaN where they do not, (n, k)."""
        found = [[outputs.get(name, np.nan) for name in self.classes] for _, outputs in rows]
        return np.array(found, dtype=np.float64).reshape(len(rows), len(self.classes))

    def drift_values(self, published: Floats) -> Floats:
        """The code of the class that is published, so that a shift of the classes' shares is seen, (n,)."""
        return np.where(np.isnan(published[:, 0]), np.nan, np.minimum(chosen(published), _BINS - 1).astype(np.float64))

    @property
    def drift_edges(self) -> tuple[float, ...] | None:
        """A bin for each class."""
        return tuple(float(code) for code in range(min(len(self.classes), _BINS) - 1))

    def drift_value(self, score: float, label: str | None) -> float:  # noqa: ARG002 - the protocol's
        """The same, by the label."""
        return float(min(self.classes.index(label), _BINS - 1)) if label in self.classes else float("nan")

    # Figures

    def losses(self, published: Floats, label: Floats) -> Floats:
        """Logarithmic losses, (n,)."""
        return class_losses(published, label)

    def figures(self, rows: Judged, weights: Floats) -> dict[str, Figure]:
        """See class_figures; weights are (d, clients)."""
        return class_figures(rows, weights, classes=self.classes)

    def thresholds(self, bands: Bands | None) -> tuple[float, ...]:
        """Probabilities of the class of the bands; none without bands."""
        return () if bands is None else THRESHOLDS

    def is_event(self, label: Floats, limit: float | Floats, bands: Bands | None) -> Booleans:  # noqa: ARG002 - the protocol's
        """Whether the class of the bands came true, (n,)."""
        code = self.classes.index(bands.of_class) if bands is not None and bands.of_class in self.classes else -1
        found: Booleans = label == code
        return found

    def lacks(self, label: Floats) -> str | None:
        """That there is one class alone; labels are (n,)."""
        if len(np.unique(label)) > 1:
            return None
        return "all are of one class: with one class alone nothing can be said of the model"

    def pictures(self, rows: Judged, weights: Floats) -> dict[str, Picture]:
        """Reliability by class, and which class was taken for which; weights are (d, clients)."""
        bins = {}
        for code, name in enumerate(self.classes):
            one = LabelledScores(rows.published[:, code], (rows.label == code).astype(np.float64), rows.client)
            bins[name] = reliability(one, weights)
        counts = np.zeros((len(self.classes), len(self.classes)))
        np.add.at(counts, (rows.label.astype(np.int64), chosen(rows.published)), 1.0)
        return {
            "reliability": Reliability(bins, axes=("mean probability", "share of the class"), logarithmic=False),
            "confusion": Matrix(self.classes, counts),
        }

    def live(
        self, figures: Mapping[str, Figure], own: Mapping[str, Mapping[str, float]], rows: Judged, limits: Limits
    ) -> Live:
        """By the mean AUROC, as it does not depend on how often each class occurs."""
        if len(rows.label) < limits.min_positives:
            return Live(None, f"the outcomes of only {len(rows.label)} scores are known, {limits.min_positives} needed")
        return live_by("AUROC", figures["auroc"], own.get("auroc", {}), limits, or_else="all are of one class")

    # The naive forecast

    def everyone(self, label: Floats) -> dict[str, Any]:
        """The share of each class; labels are (n,)."""
        shares = np.bincount(label.astype(np.int64), minlength=len(self.classes)) / len(label)
        return {"shares": dict(zip(self.classes, shares.tolist(), strict=True))}

    def naive(self, history: History, everyone: Mapping[str, Any]) -> Floats:
        """The shares for each, (n, k)."""
        shares = np.array([everyone["shares"][name] for name in self.classes], dtype=np.float64)
        return np.tile(shares, (len(history.label), 1))

    # Conformal sets

    def fit_conformal(self, published: Floats, label: Floats, client: Integers) -> dict[str, Any] | None:
        """How much of the probability was above the true class; labels are (n,)."""
        rows = np.arange(len(label))
        scores = more_probable(published)[rows, label.astype(np.int64)]
        return ClientScores.fit(scores, client).content()

    def conformal(self, content: Mapping[str, Any] | None) -> Conformal | None:
        """Adaptive sets."""
        return ClassSets(self.classes, ClientScores.of(content)) if content else None

    def groups(self, label: Floats) -> dict[str, Booleans]:
        """Each class, (n,)."""
        return {name: label == code for code, name in enumerate(self.classes)}

    def quality(self, rows: Judged) -> tuple[str, float | None]:
        """The mean AUROC."""
        found = self.trial_figures(log_shares(rows.published), rows.label)["auroc"] if len(rows.label) else np.nan
        return "auroc", float(found) if np.isfinite(found) else None

    @property
    def _codes(self) -> Sequence[int]:
        return range(len(self.classes))


@dataclass(frozen=True, slots=True)
class ClassSets:
    """Adaptive conformal sets: the most probable classes up to a limit."""

    classes: tuple[str, ...]
    scores: ClientScores

    def sets(self, published: Floats, spec: Declining) -> Sets:
        """The set of each row (n, k); one class at least, so that none is empty."""
        holds = held(published, self.scores.limit(spec.alpha))
        known = np.asarray(~np.isnan(published).any(axis=1))
        return Sets(
            known=known,
            empty=np.zeros(len(published), dtype=bool),
            undecided=known & (holds.sum(axis=1) > 1),
            outputs=self._outputs(holds),
            p_values=np.full((len(published), 2), np.nan),
        )

    def covers(self, published: Floats, label: Floats, spec: Declining) -> Booleans:
        """Whether the set of each row holds its class, (n,)."""
        holds = held(published, self.scores.limit(spec.alpha))
        return np.asarray(holds[np.arange(len(label)), label.astype(np.int64)])

    def why_empty(self, spec: Declining) -> str:
        """No set is empty."""
        return f"the conformal set is empty at level {spec.alpha:g}"

    def why_undecided(self, spec: Declining) -> str:
        """That the set holds several classes."""
        return f"the conformal set holds several classes at level {spec.alpha:g}: the probabilities decide nothing"

    def _outputs(self, holds: Booleans) -> list[Mapping[str, Any]]:
        known: dict[tuple[bool, ...], Mapping[str, Any]] = {}
        found = []
        for row in map(tuple, holds.tolist()):
            if row not in known:
                known[row] = {"conformal": [name for name, inside in zip(self.classes, row, strict=True) if inside]}
            found.append(known[row])
        return found


def _names(column: npt.NDArray[Any], *, where: str) -> list[str | None]:
    """The classes' names; of numbers, whole ones."""
    if column.dtype == object:
        require_no_nan(column, where=where)
        return [None if each is None else str(each) for each in column.tolist()]
    numbers = column.astype(np.float64)
    broken = numbers[~np.isnan(numbers) & (numbers != np.floor(numbers))]
    if len(broken) or np.isinf(numbers).any():
        raise UserError(
            f"The label of {where} holds numbers that are not whole, where a multiclass job has the name of a class."
        )
    return [None if np.isnan(each) else f"{each:.0f}" for each in numbers.tolist()]
