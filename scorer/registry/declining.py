"""When a model declines: another facility, unlike inputs, or a conformal set that decides nothing.

Facility. An entity of a facility of which the training data had nobody may be declined. Where the facility is unknown, it is not.

Unlike. A feature of an entity is unlike the training data if it lies outside the range that holds all but `_TAIL` of the training values
on either side; if it is missing and the training data almost always had it; or if it is there and they almost never had it. An entity is
unlike if more of its features are than of nearly all training rows (`Declining.share`). Each feature is looked at by itself: an unusual
combination of usual values is not noticed.

Conformal. A score whose conformal set is empty, or decides nothing, may be declined too; what the set is, is the task's
(tasks/conformal.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from scorer.errors import UserError
from scorer.jobs.job import Task
from scorer.jobs.publication import Decline, Declining
from scorer.tasks.conformal import numbers
from scorer.tasks.known import task_of
from scorer.tasks.task import Judged, Sets, TaskRules
from scorer.types.arrays import Booleans, Features, Floats, Integers

_TAIL = 0.001
_ALWAYS = 0.999  # the share of training rows from which they "almost always" have a feature, or lack it
_ROWS = 2048  # compared at a time: so many stay in the processor's cache
_FOLDS = 5
_MEASURED_ROWS = 60_000
_NAMED = 3  # features that a reason names


@dataclass(frozen=True, slots=True)
class Declined:
    """Which of n scores are `declined` (n,), why, and what is recorded of each.

    `reasons` are by row, `outputs` one per row. `p_values` (n, 2) are those of class 0 and 1, NaN where there is no score or nothing was
    calibrated. `unlike` (n,) counts features.
    """

    declined: Booleans
    reasons: Mapping[int, str]
    outputs: Sequence[Mapping[str, Any]]
    p_values: Floats
    unlike: Integers


class Baseline:
    """What a model's training data were like, read from its manifest."""

    def __init__(
        self, content: Mapping[str, Any], *, features: Sequence[str], rules: TaskRules, facilities: Collection[str] = ()
    ) -> None:
        """Raises UserError where `content` is not what `fit` returns for these features and `rules`."""
        self._facilities = frozenset(facilities)
        try:
            unlike, conformal = content["unlike"], content.get("conformal")
            self._low, self._high = (numbers(unlike[side], len(features)) for side in ("low", "high"))
            self._never_missing, self._never_there = (
                np.isin(features, unlike[kind]) for kind in ("never_missing", "never_there")
            )
            self._limit = int(unlike["limit"])
            self._conformal = rules.conformal(conformal)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f'The manifest\'s "declining" cannot be used ({type(error).__name__}); put the right manifest back, or train '
                "the model again."
            ) from error
        self._surprise = bool(self._never_missing.any() or self._never_there.any())

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self | None:
        """Read a whole manifest; None where it has no "declining", and the model declines nothing."""
        content = manifest.get("declining")
        if content is None:
            return None
        rules = task_of(Task(manifest["task"]), classes=tuple(manifest.get("classes", ())))
        facilities = manifest.get("facilities", {})
        return cls(content, features=manifest["features"], rules=rules, facilities=facilities)

    def find_declined(self, features: Features, published: Floats, *, spec: Declining) -> Declined:
        """Find the rows of `features` (n, f) that are declined, each by itself.

        `published` is as the task has it: (n,), or (n, k).
        """
        unlike = self.count_unlike(features.values)
        sets = _no_sets(len(published)) if self._conformal is None else self._conformal.sets(published, spec)
        found = {
            Decline.FACILITY: self._of_another_facility(features),
            Decline.UNLIKE: unlike > self._limit,
            Decline.EMPTY: sets.empty,
            Decline.UNDECIDED: sets.undecided,
        }
        causes = [found[each] for each in Decline if each in spec.decline_on]
        declined = np.logical_or.reduce([np.zeros(len(published), dtype=bool), *causes])
        reasons = {}
        for place in np.flatnonzero(declined).tolist():
            why = next(each for each in Decline if each in spec.decline_on and found[each][place])
            reasons[place] = self._why(why, features, place, int(unlike[place]), spec=spec)
        return Declined(
            declined=declined,
            reasons=reasons,
            outputs=_outputs(sets, unlike),
            p_values=sets.p_values,
            unlike=unlike,
        )

    def _of_another_facility(self, features: Features) -> Booleans:
        """Which rows (n,) are of a facility that the model does not know, if it knows any."""
        if features.facility is None or not self._facilities:
            return np.zeros(len(features.values), dtype=bool)
        known = self._facilities
        return np.array([each is not None and each not in known for each in features.facility.tolist()], dtype=bool)

    def count_unlike(self, rows: Floats) -> Integers:
        """How many features of each row (n, f) are unlike the training data, (n,).

        Whole numbers, so that the order of adding does not matter.
        """
        counts = np.zeros(len(rows), dtype=np.int64)
        for start in range(0, len(rows), _ROWS):
            counts[start : start + _ROWS] = np.count_nonzero(self._unlike(rows[start : start + _ROWS]), axis=1)
        return counts

    def _unlike(self, rows: Floats) -> Booleans:
        with np.errstate(invalid="ignore"):
            found: Booleans = (rows < self._low) | (rows > self._high)
        if self._surprise:
            missing = np.isnan(rows)
            found |= (missing & self._never_missing) | (~missing & self._never_there)
        return found

    def _why(self, cause: Decline, features: Features, place: int, count: int, *, spec: Declining) -> str:
        if cause is Decline.FACILITY and features.facility is not None:
            return f'the model was made without facility "{features.facility[place]}"'
        if cause is Decline.UNLIKE or self._conformal is None:
            return self._why_unlike(features, place, count)
        return self._conformal.why_empty(spec) if cause is Decline.EMPTY else self._conformal.why_undecided(spec)

    def _why_unlike(self, features: Features, place: int, count: int) -> str:
        """The reason in a sentence, naming the features farthest outside their training range; no values."""
        row = features.values[place]
        with np.errstate(all="ignore"):
            width = np.maximum(self._high - self._low, np.finfo(np.float64).tiny)
            beyond = np.maximum(row - self._high, self._low - row) / width
        beyond = np.where(self._unlike(row[np.newaxis])[0], np.where(np.isnan(beyond), 0.0, beyond), -1.0)
        foremost = np.argsort(-beyond, kind="stable")[: min(_NAMED, count)]
        named = ", ".join(features.names[each] for each in foremost.tolist())
        return (
            f"the inputs are unlike the training data: {count} of {len(row)} features are, where {self._limit} are accepted, "
            f"foremost {named}"
        )


def _no_sets(rows: int) -> Sets:
    nothing = np.zeros(rows, dtype=bool)
    return Sets(nothing, nothing, nothing, ({},) * rows, np.full((rows, 2), np.nan))


def _outputs(sets: Sets, unlike: Integers) -> list[Mapping[str, Any]]:
    """What is recorded of each row; equal outputs are the same object."""
    known_outputs: dict[tuple[int, bool, int], Mapping[str, Any]] = {}
    found = []
    for of_set, is_known, count in zip(sets.outputs, sets.known.tolist(), unlike.tolist(), strict=True):
        key = (id(of_set), is_known, count)
        if key not in known_outputs:
            known_outputs[key] = {**(of_set if is_known else {}), "unlike": count}
        found.append(known_outputs[key])
    return found


def fit(
    features: Features,
    rows: Judged,
    spec: Declining,
    *,
    rules: TaskRules,
) -> dict[str, Any]:
    """Make what the manifest has under "declining", for JSON: ranges, calibration and figures.

    Ranges are of `features` (n, f). Calibration is by the `rows` (n,) out of the folds, NaN where unknown; a row without label or score
    counts for the ranges only. The figures, "measured", say what would be declined of held-out rows, each by ranges and calibration from
    other clients. Where the rows do not suffice (of both classes, in a binary task), there is neither calibration nor figure.
    """
    known = np.isfinite(rows.label) & np.isfinite(rules.score_of(rows.published))
    judged = rows.only(known)
    suffices = rules.lacks(judged.label) is None and len(judged.label) > 0
    conformal = rules.fit_conformal(judged.published, judged.label, judged.client) if suffices else None
    content = {"share": spec.share, "unlike": _ranges(features, rules, share=spec.share), "conformal": conformal}
    if suffices:
        content["measured"] = _measured(features.only(known), judged, spec, rules=rules)
    return content


def _ranges(features: Features, rules: TaskRules, *, share: float) -> dict[str, Any]:
    rows = features.values
    low, high = np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    there = np.zeros(rows.shape[1])
    for place in range(rows.shape[1]):
        values = np.sort(rows[:, place])
        values = values[: np.searchsorted(values, np.nan)]  # NaN comes last
        there[place] = len(values) / max(len(rows), 1)
        if len(values):
            low[place], high[place] = np.quantile(values, [_TAIL, 1.0 - _TAIL], method="inverted_cdf")
    content: dict[str, Any] = {
        "low": [None if np.isnan(each) else each for each in low.tolist()],
        "high": [None if np.isnan(each) else each for each in high.tolist()],
        "never_missing": [name for name, each in zip(features.names, there, strict=True) if each > _ALWAYS],
        "never_there": [name for name, each in zip(features.names, there, strict=True) if each < 1.0 - _ALWAYS],
        "limit": len(features.names),
    }
    counts = Baseline({"unlike": content}, features=features.names, rules=rules).count_unlike(rows)
    if len(counts):
        content["limit"] = int(np.quantile(counts, 1.0 - share, method="inverted_cdf"))
    return content


def _measured(features: Features, rows: Judged, spec: Declining, *, rules: TaskRules) -> dict[str, Any]:
    """Measure each fold of clients by all others: by group, how often the set holds it, what is declined."""
    values = features.values
    if len(values) > _MEASURED_ROWS:
        some = np.linspace(0, len(values) - 1, _MEASURED_ROWS).astype(np.int64)
        values, rows = values[some], Judged(rows.published[some], rows.label[some], rows.client[some])
    _, client = np.unique(rows.client, return_inverse=True)
    rows = Judged(rows.published, rows.label, client)
    fold = np.random.default_rng(0).permutation(client.max() + 1)[client] % _FOLDS
    causes = [each for each in Decline if each is not Decline.FACILITY]  # whose rows are all of known facilities
    found = {each: np.zeros(len(values), dtype=bool) for each in causes}
    covered, measured = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    for each in range(_FOLDS):
        seen, own = rows.only(fold != each), rows.only(fold == each)
        if not len(own.label) or rules.lacks(seen.label) is not None:
            continue
        content = {
            "unlike": _ranges(Features(features.names, values[fold != each]), rules, share=spec.share),
            "conformal": rules.fit_conformal(seen.published, seen.label, seen.client),
        }
        baseline = Baseline(content, features=features.names, rules=rules)
        part = Features(features.names, values[fold == each])
        for cause in causes:
            only = replace(spec, decline_on=(cause,))
            found[cause][fold == each] = baseline.find_declined(part, own.published, spec=only).declined
        sets = rules.conformal(content["conformal"])
        measured[fold == each] = sets is not None
        if sets is not None:
            covered[fold == each] = sets.covers(own.published, own.label, spec)
    declined = np.logical_or.reduce(
        [np.zeros(len(values), dtype=bool), *(found[each] for each in causes if each in spec.decline_on)]
    )
    name, whole = rules.quality(rows.only(measured))
    return {
        "rows": int(measured.sum()),
        "alpha": spec.alpha,
        "decline_on": [str(each) for each in spec.decline_on],
        "classes": {
            group: {
                "rows": int(of.sum()),
                "coverage": _mean(covered[of]),
                "declined": _mean(declined[of]),
                **{str(cause): _mean(which[of]) for cause, which in found.items()},
            }
            for group, of in ((group, measured & rows_of) for group, rows_of in rules.groups(rows.label).items())
        },
        name: whole,
        f"{name}_without_declined": rules.quality(rows.only(measured & ~declined))[1],
    }


def _mean(which: Booleans) -> float | None:
    return float(which.mean()) if len(which) else None
