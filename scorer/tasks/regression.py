"""Regression: a value with an interval of stated coverage; labels are numbers.

The interval comes from two quantile fits, moved outwards (or inwards) by as much as held-out rows of other clients need: conformalised
quantile regression. The value is the mean, or the median where the configuration fits absolute loss.

Where the target is fitted as its logarithm, quantiles are carried back exactly, and so is a median; a mean is not, since the mean of the
exponentials is above the exponential of the mean. It is multiplied by Duan's factor, the mean of exp(label - fitted), all logarithms, over
held-out rows: for it no distribution need be assumed, only that residuals are alike for all rows.

Sources: Romano, Patterson, Candes, Conformalized quantile regression (2019); Duan, Smearing estimate, JASA 78 (1983), 605-610.
"""

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
from scorer.jobs.training import Configuration, Recipe, Target
from scorer.tasks.bootstrap import Figure
from scorer.tasks.conformal import ClientScores, fewest_clients
from scorer.tasks.links import exponential
from scorer.tasks.task import (
    Conformal,
    History,
    Judged,
    Live,
    Picture,
    Points,
    Reliability,
    Scores,
    Sets,
    TaskRules,
    finite,
    require_configuration,
    require_no_nan,
)
from scorer.tasks.value_metrics import coverage_bins, value_figures
from scorer.types.arrays import NO_TIME, Booleans, Floats, Integers

_STRATA = 10
_POINTS = 2000  # that a picture shows
_TOLERANCE = 1e-6  # of the value itself
_FEWEST = 20  # outcomes before live figures are judged


@dataclass(frozen=True, slots=True)
class Regression:
    """The rules of a regression task; see TaskRules for what each method is.

    `target` says whether logarithms are fitted, `median` whether the value is a median; `alpha` is the share of outcomes that may lie
    outside an interval.
    """

    classes: tuple[str, ...] = ()
    target: Target = Target.VALUE
    median: bool = False
    alpha: float = 0.1
    task = Task.REGRESSION
    objective = "1 - mae / mae of the median"
    decisive = "mae"
    drift_edges = None
    has_event = False
    method = "predict"
    gives_probabilities = False
    reasons_in = "contribution"
    reasons_give = "the value"
    configurations = (
        Configuration.LINEAR_REGRESSION,
        Configuration.RANDOM_FOREST,
        Configuration.EXTRA_TREES,
        Configuration.GRADIENT_BOOSTING,
        Configuration.LIGHTGBM_SMALL,
        Configuration.LIGHTGBM_LARGE,
        Configuration.LIGHTGBM_ABSOLUTE,
    )

    def require_job(self, job: Job) -> None:
        """Raises UserError where job.toml has a section of another task."""
        if job.bands is not None and job.bands.of_class is not None:
            raise UserError(f'Job {job.name}: [bands] names a "class", which only a multiclass job has; take it out.')
        if job.measures.utility is not None:
            raise UserError(f"Job {job.name} is a regression, and [utility] is for binary jobs; take it out.")

    def fitted_by(self, recipe: Recipe, job: Job) -> TaskRules:
        """With the target of `recipe` and the level of `job`. Raises UserError where it is of another task."""
        require_configuration(self, recipe, job)
        return Regression(
            target=recipe.target,
            median=recipe.configuration is Configuration.LIGHTGBM_ABSOLUTE,
            alpha=job.declining.alpha,
        )

    def read_labels(self, column: npt.NDArray[Any], *, where: str) -> tuple[Floats, tuple[str, ...]]:
        """Finite numbers (n,), NaN where unknown. Raises UserError where one is not."""
        if column.dtype == object:
            require_no_nan(column, where=where)
            raise UserError(
                f"The label of {where} is text, where a regression needs a number; CAST it in the job's statement."
            )
        label = column.astype(np.float64)
        if np.isinf(label).any():
            raise UserError(
                f"The label of {where} is infinite in {int(np.isinf(label).sum()):,} rows, where a finite number is expected; mend it, "
                "or give NULL."
            )
        return label, ()

    def strata(self, label: Floats, client: Integers) -> Integers:
        """The decile of each client's mean label, (clients,)."""
        mean = np.bincount(client, weights=label) / np.maximum(np.bincount(client), 1)
        edges = np.quantile(mean, np.linspace(0, 1, _STRATA + 1)[1:-1])
        return np.searchsorted(edges, mean, side="left")

    def require_sound(self, label: Floats, client: Integers, fold: Integers) -> None:
        """Raises UserError where `label` (n,) is constant, has no logarithm, or is of too few clients."""
        if label.min() == label.max():
            raise UserError(
                f"All {len(label):,} landmarks with a known outcome have the same value, {label[0]:g}: there is nothing to learn."
            )
        if self.target is Target.LOG and not (label > 0).all():
            raise UserError(
                f'{int((label <= 0).sum()):,} outcomes are not above 0 and have no logarithm; take target = "log" out of [training], or '
                "mend them."
            )
        clients, folds = len(np.unique(client)), int(fold.max()) + 1
        # Each fold's interval rests on the clients of the others.
        needed = max(folds, math.ceil(fewest_clients(self.alpha) * folds / (folds - 1)))
        if clients < needed:
            raise UserError(
                f"There are outcomes of {clients} clients, and an interval that holds {1 - self.alpha:.0%} of new clients' values needs "
                f"{needed}; load more, or raise alpha in [declining]."
            )

    def told(self, label: Floats) -> str:
        """Their range and mean; labels are (n,)."""
        return f"{label.min():g} to {label.max():g}, mean {label.mean():.4g}"

    def thinned(self, label: Floats, entity: Integers) -> Booleans:  # noqa: ARG002 - the protocol's
        """Every row: there is no event, (n,)."""
        return np.ones(len(label), dtype=bool)

    def positives(self, label: Floats) -> int:  # noqa: ARG002 - the protocol's
        """0: there is no event; labels are (n,)."""
        return 0

    # Fits

    def target_of(self, label: Floats) -> npt.NDArray[Any]:
        """The values, or their logarithms, (n,)."""
        if self.target is Target.VALUE:
            return label
        return np.log(np.where(label > 0, label, np.nan))  # require_sound refuses what has none

    def require_fit(self, target: npt.NDArray[Any]) -> None:
        """Raises UserError where all values are the same, or there is none."""
        if not len(target) or target.min() == target.max():
            raise UserError(
                "The landmarks to be fitted all have the same value once those that cannot be scored are left out; load more outcomes."
            )

    def calibrate(self, margin: Floats, label: Floats, client: Integers) -> dict[str, Any]:
        """By how much quantiles are moved, and the factor of a mean; margins (n, 3) are value, low and high.

        Raises UserError where there are too few clients.
        """
        truth = np.log(label) if self.target is Target.LOG else label
        low, high = np.minimum(margin[:, 1], margin[:, 2]), np.maximum(margin[:, 1], margin[:, 2])
        outside = np.maximum(low - truth, truth - high)
        widening = ClientScores.fit(outside, client).limit(self.alpha)
        if not math.isfinite(widening):
            raise UserError(
                f"There are scorable landmarks of {len(np.unique(client))} clients beside a fold, and an interval that holds "
                f"{1 - self.alpha:.0%} of new clients' values needs {fewest_clients(self.alpha)}; load more, or raise alpha in [declining]."
            )
        factor = 1.0
        if self.target is Target.LOG and not self.median:
            factor = float(np.exp(truth - margin[:, 0]).mean())
        return {
            "target": self.target.value,
            "widening": widening,
            "factor": factor,
            "coverage": 1.0 - self.alpha,
        }

    def publish(self, margin: Floats, calibration: Mapping[str, Any]) -> Floats:
        """Value, low and high (n, 3) in the target's own unit; an interval always holds its value."""
        value = margin[:, 0]
        low = np.minimum(margin[:, 1], margin[:, 2]) - calibration["widening"]
        high = np.maximum(margin[:, 1], margin[:, 2]) + calibration["widening"]
        if calibration["target"] == Target.LOG:
            value = exponential(value) * calibration["factor"]
            low, high = exponential(low), exponential(high)
        return np.column_stack([value, np.minimum(low, value), np.maximum(high, value)])

    def trial_figures(self, margin: Floats, label: Floats) -> dict[str, float]:
        """The mean absolute error against that of the median; margins are (n, 3)."""
        value = np.exp(margin[:, 0]) if self.target is Target.LOG else margin[:, 0]
        usual = float(np.abs(label - np.median(label)).mean())
        mae = float(np.abs(value - label).mean())
        return {"mae": mae, "skill": 1.0 - mae / usual if usual > 0 else float("nan")}

    def objective_of(self, means: Mapping[str, float]) -> float:
        """The skill."""
        return means["skill"]

    # Publishing

    def publishing(self, calibration: Mapping[str, Any]) -> dict[str, Any]:
        """The coverage of the intervals."""
        return {"interval": {"coverage": calibration["coverage"]}}

    def scores(self, predicted: Floats, *, interval: Mapping[str, float] | None) -> Scores:
        """The value, and its interval: the estimator's own, or one of constant width; predicted are (n, 3)."""
        value = predicted[:, 0]
        unknown = np.full(len(value), np.nan)
        low, high, coverage = unknown, unknown, None
        if interval is not None and "below" in interval:
            low, high = value - interval["below"], value + interval["above"]
        elif predicted.shape[1] == 3:  # noqa: PLR2004 - value, low, high
            low, high = predicted[:, 1], predicted[:, 2]
        if interval is not None:
            coverage = interval["coverage"]
        outputs = None
        if coverage is not None:
            pairs = zip(low.tolist(), high.tolist(), strict=True)
            outputs = tuple({"low": below, "high": above, "coverage": coverage} for below, above in pairs)
        score = finite(value)
        if coverage is not None:
            score = np.where(np.isfinite(low) & np.isfinite(high), score, np.nan)
        return Scores(score=score, labels=None, outputs=outputs, published=np.column_stack([score, low, high]))

    def score_of(self, published: Floats) -> Floats:
        """The value, (n,)."""
        return published[:, 0]

    def banded(self, score: Floats, published: Floats, bands: Bands | None) -> Floats:  # noqa: ARG002 - the protocol's
        """The value, (n,)."""
        return score

    def totals(self, published: Floats) -> tuple[Floats, Floats]:
        """The value, as closely as it is large, (n,)."""
        return published[:, 0], _TOLERANCE * np.abs(published[:, 0])

    def of_ledger(self, rows: Sequence[tuple[float, Mapping[str, Any]]]) -> Floats:
        """The values with their intervals, (n, 3)."""
        found = [[score, outputs.get("low", np.nan), outputs.get("high", np.nan)] for score, outputs in rows]
        return np.array(found, dtype=np.float64).reshape(len(rows), 3)

    def drift_values(self, published: Floats) -> Floats:
        """The value, (n,)."""
        return published[:, 0]

    def drift_value(self, score: float, label: str | None) -> float:  # noqa: ARG002 - the protocol's
        """The value."""
        return score

    # Figures

    def losses(self, published: Floats, label: Floats) -> Floats:
        """Absolute errors, (n,)."""
        found: Floats = np.abs(published[:, 0] - label)
        return found

    def figures(self, rows: Judged, weights: Floats) -> dict[str, Figure]:
        """See value_figures; weights are (d, clients)."""
        return value_figures(rows, weights)

    def thresholds(self, bands: Bands | None) -> tuple[float, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def is_event(self, label: Floats, limit: float | Floats, bands: Bands | None) -> Booleans:  # noqa: ARG002 - the protocol's
        """Whether the value that came true is above the limit too, (n,)."""
        with np.errstate(invalid="ignore"):
            found: Booleans = label > limit
        return found

    def lacks(self, label: Floats) -> str | None:
        """That there are fewer than two; labels are (n,)."""
        return None if len(label) > 1 else "there are fewer than two: nothing can be said of the model"

    def pictures(self, rows: Judged, weights: Floats) -> dict[str, Picture]:
        """What came true against the value, and coverage by its tenths; weights are (d, clients)."""
        some = np.unique(np.linspace(0, len(rows.label) - 1, min(len(rows.label), _POINTS)).astype(np.int64))
        value, low, high = rows.published[some].T
        found: dict[str, Picture] = {
            "agreement": Points(value, rows.label[some], axes=("value", "what came true"), low=low, high=high)
        }
        if np.isfinite(rows.published).all():
            found["coverage"] = Reliability(
                {"": coverage_bins(rows, weights)}, axes=("mean value", "share inside the interval"), logarithmic=False
            )
        return found

    def live(
        self, figures: Mapping[str, Figure], own: Mapping[str, Mapping[str, float]], rows: Judged, limits: Limits
    ) -> Live:
        """By the mean absolute error."""
        if len(rows.label) < min(_FEWEST, limits.min_positives):
            return Live(None, f"the outcomes of only {len(rows.label)} scores are known, {limits.min_positives} needed")
        live, high = figures["mae"], own.get("mae", {}).get("high")
        if high is None or not math.isfinite(live.value):
            return Live(None, "there is no figure of its own to compare with")
        beyond_chance = not math.isfinite(live.low) or live.low > high
        detail = f"mean absolute error {live.value:.4g} ({live.low:.4g} to {live.high:.4g}), its own up to {high:.4g}"
        return Live(live.value > high * (1.0 + limits.performance_loss) and beyond_chance, detail)

    # The naive forecast

    def everyone(self, label: Floats) -> dict[str, Any]:
        """The median, and an interval of the coverage that is stated; labels are (n,)."""
        low, median, high = np.quantile(label, [self.alpha / 2, 0.5, 1 - self.alpha / 2])
        return {"median": float(median), "low": float(low), "high": float(high)}

    def naive(self, history: History, everyone: Mapping[str, Any]) -> Floats:
        """The median of the client's own earlier outcomes, with everyone's interval, (n, 3).

        Where there is none, or where it would have been worse, everyone's median. An outcome counts from its event on, or from after its
        landmark where there is no event.
        """
        found = np.tile([float(everyone[name]) for name in ("median", "low", "high")], (len(history.label), 1))
        usual = found[:, 0].copy()
        order = np.lexsort((history.as_of, history.client))
        begins = np.flatnonzero(np.append(True, np.diff(history.client[order]) != 0)[: len(order)])
        for rows in np.split(order, begins[1:]):
            told = rows[~np.isnan(history.label[rows])]
            at = np.where(history.event_at[told] == NO_TIME, history.as_of[told], history.event_at[told])
            for row in rows.tolist():
                earlier = history.label[told[(at <= history.as_of[row]) & (history.as_of[told] < history.as_of[row])]]
                if len(earlier):
                    found[row, 0] = np.median(earlier)
        known = ~np.isnan(history.label)
        if np.abs(found[known, 0] - history.label[known]).sum() > np.abs(usual[known] - history.label[known]).sum():
            found[:, 0] = usual
        return np.column_stack(
            [found[:, 0], np.minimum(found[:, 1], found[:, 0]), np.maximum(found[:, 2], found[:, 0])]
        )

    # Conformal sets

    def fit_conformal(self, published: Floats, label: Floats, client: Integers) -> dict[str, Any] | None:  # noqa: ARG002 - the protocol's
        """Nothing: the interval is published with the value; labels are (n,)."""
        return None

    def conformal(self, content: Mapping[str, Any] | None) -> Conformal | None:  # noqa: ARG002 - the protocol's
        """The published intervals."""
        return Intervals()

    def groups(self, label: Floats) -> dict[str, Booleans]:
        """All together, (n,)."""
        return {"all": np.ones(len(label), dtype=bool)}

    def quality(self, rows: Judged) -> tuple[str, float | None]:
        """The mean absolute error."""
        return "mae", float(self.losses(rows.published, rows.label).mean()) if len(rows.label) else None


@dataclass(frozen=True, slots=True)
class Intervals:
    """The intervals that are published with values: undecided where they lie in several bands."""

    def sets(self, published: Floats, spec: Declining) -> Sets:
        """Of each row (n, 3), whether its interval crosses a limit of the bands."""
        limits = np.array([limit for _, limit in spec.bands.limits] if spec.bands is not None else [], dtype=np.float64)
        _, low, high = published.T
        known = np.isfinite(low) & np.isfinite(high)
        with np.errstate(invalid="ignore"):
            crossed = ((low[:, None] <= limits) & (limits < high[:, None])).any(axis=1)
        nothing = np.zeros(len(published), dtype=bool)
        return Sets(known, nothing, known & crossed, ({},) * len(published), np.full((len(published), 2), np.nan))

    def covers(self, published: Floats, label: Floats, spec: Declining) -> Booleans:  # noqa: ARG002 - the protocol's
        """Whether each interval holds its `label`, (n,)."""
        _, low, high = published.T
        found: Booleans = (low <= label) & (label <= high)
        return found

    def why_empty(self, spec: Declining) -> str:
        """No interval is empty."""
        return f"the interval is empty at level {spec.alpha:g}"

    def why_undecided(self, spec: Declining) -> str:  # noqa: ARG002 - the protocol's
        """That the interval lies in several bands."""
        return "the interval lies in more than one band: the value decides nothing"
