"""Whether a model may go live at a site, by the site's own entities and outcomes.

Rules, in this order:

1. Codes lie as in another unit that job.toml knows: do not use it before they are mended.
2. Fewer clients with the event than `FEWEST` (of a task without one, with a known outcome): wait for outcomes.
3. It tells worse who is who than at home, by more than chance and the job's `performance_loss`: retrain it, where the site has as many
   clients with the event as `TO_RETRAIN`; else do not use it.
4. Even calibrated anew it does not beat the naive forecast: do not use it.
5. Calibrated on one half of the clients, it is better on the other by more than chance, and by a share of the loss of `MATTERS` or as much
   utility: recalibrate it.
6. Else use it as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from scorer.database.session import Session
from scorer.database.store.checkups import Shift, population_stability
from scorer.errors import UserError
from scorer.evaluation.beside_naive import BesideNaive, beside_naive, history_of
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.registry.drift_bins import SCORE, WIDTH, BinCounter
from scorer.registry.model import LoadedModel
from scorer.registry.units import UnitShift, find_unit_shifts, usual_values
from scorer.tasks.bootstrap import Figure, draws, ratio
from scorer.tasks.task import Judged, Live
from scorer.training.calibrations import Calibrations
from scorer.training.folds import folds_of
from scorer.training.held_out_figures import figures_of
from scorer.training.recalibration import Sample
from scorer.types.arrays import Booleans, Floats

FEWEST = 50  # clients with the event
TO_RETRAIN = 500
MATTERS = 0.01
_HALF_WIDTH = 0.025  # of the interval of AUROC that a verdict rests on


class Advice(StrEnum):
    """What to do with a model at a site."""

    AS_IS = "use it as it is"
    RECALIBRATE = "recalibrate it"
    RETRAIN = "retrain it"
    DO_NOT = "do not use it"
    WAIT = "wait for outcomes"


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What calibration on one half of a site's clients gives on the other half.

    `before` and `after` are figures of that half, `gained` what the decisive loss falls by, paired by row, `utility` what the utility
    rises by (None without a [utility]).
    """

    calibration: Mapping[str, Any]
    threshold: float | None
    before: Mapping[str, Mapping[str, float | None]]
    after: Mapping[str, Mapping[str, float | None]]
    loss: Figure
    gained: Figure
    utility: Figure | None
    naive: BesideNaive

    @property
    def matters(self) -> bool:
        """Whether it is better by more than chance, and by enough to be worth a version."""
        surely = self.gained.low > 0 and self.gained.value > MATTERS * self.loss.value
        return surely or (self.utility is not None and self.utility.low > 0 and self.utility.value > MATTERS)


@dataclass(frozen=True, slots=True)
class Transport:
    """What was found of a model at a site, and what follows.

    `events` are clients with the event (of a task without one, with a known outcome), `needed` how many of them a verdict takes. `units`
    are codes that lie far off, `figures` those of the model as it is, `own` those of its manifest: of the facility, where all are of one
    that it was made on. `left_out` clients, on whom it was trained, count for nothing but the shifts.
    """

    advice: Advice
    why: str
    clients: int
    left_out: int
    events: int
    landmarks: int
    needed: int
    units: tuple[UnitShift, ...]
    shifts: tuple[Shift, ...]
    figures: Mapping[str, Mapping[str, float | None]]
    own: Mapping[str, Mapping[str, float | None]]
    recalibrated: Recalibrated | None


def transport(job: Job, model: LoadedModel, landmarks: Landmarks, *, session: Session) -> Transport:
    """Compare a site's `landmarks` with what the model was made on, and advise.

    Raises UserError without outcomes or scores.
    """
    sample = Sample.of(job, model, landmarks)
    known, rules = sample.landmarks, sample.rules
    if not len(known):
        raise UserError(f"No landmark of job {job.name} can be scored, so nothing can be said of the model.")
    published = model.score(known.features).whole
    telling = known.label == 1 if rules.has_event else np.isfinite(known.label)
    events = len(np.unique(sample.client[telling]))
    as_it_is = Calibrations({}, model.manifest.alarm_threshold)
    alarm = as_it_is.alarms(rules.score_of(published), known.features.facility)
    home = _home(model, known)
    enough = events >= FEWEST and rules.lacks(known.label) is None
    figures = figures_of(known, job, published=published, alarm=alarm, rules=rules) if enough else {}
    found = Transport(
        advice=Advice.WAIT,
        why="",
        clients=int(sample.client.max()) + 1,
        left_out=sample.left_out,
        events=events,
        landmarks=len(known),
        needed=_needed(events, figures, name=rules.quality(_judged(sample, published))[0]) if enough else FEWEST,
        units=_units(job, model, known),
        shifts=_shifts(model, landmarks, session, home=home),
        figures=figures,
        own=model.manifest.content["metrics"] if home is None else model.manifest.facilities[home]["metrics"],
        recalibrated=_recalibrated(job, sample, published, alarm) if enough else None,
    )
    live = None
    if enough:
        own = {
            name: {key: math.nan if each is None else each for key, each in figure.items()}
            for name, figure in found.own.items()
        }
        judged = _judged(sample, published)
        live = rules.live(rules.figures(judged, draws(found.clients)), own, judged, job.limits)
    return _advised(found, live)


def _advised(found: Transport, live: Live | None) -> Transport:
    """The same with advice, by the rules at the top."""
    again = found.recalibrated
    mended = [each.sentence for each in found.units if each.unit is not None]
    if mended:
        advice, why = Advice.DO_NOT, f"before its units are mended: {'; '.join(mended)}"
    elif live is None or again is None or live.lost is None:
        advice, why = Advice.WAIT, f"{found.events} clients tell of the outcome, {found.needed} are needed"
    elif live.lost and found.events >= TO_RETRAIN:
        advice, why = Advice.RETRAIN, live.detail
    elif live.lost:
        advice, why = Advice.DO_NOT, f"{live.detail}; {found.events} clients with the event are too few to retrain by"
    elif not again.naive.beaten:
        advice, why = Advice.DO_NOT, "even calibrated anew it does not beat the naive forecast by more than chance"
    elif again.matters:
        advice, why = Advice.RECALIBRATE, _gain_in_words(again)
    else:
        advice, why = Advice.AS_IS, live.detail
    return replace(found, advice=advice, why=why)


def _gain_in_words(again: Recalibrated) -> str:
    share = again.gained.value / again.loss.value
    words = f"calibrated on one half, its {again.naive.decisive.replace('_', ' ')} is {share:.1%} lower on the other"
    if again.utility is None:
        return words
    low, high = again.utility.low, again.utility.high
    return f"{words}, and its utility {again.utility.value:+.3f} ({low:+.3f} to {high:+.3f})"


def _judged(sample: Sample, published: Floats) -> Judged:
    return Judged(published, sample.landmarks.label, sample.client)


def _needed(events: int, figures: Mapping[str, Mapping[str, float | None]], *, name: str) -> int:
    """How many clients with the event give the figure `name` an interval that a verdict can rest on."""
    low, high = (figures.get(name, {}).get(side) for side in ("low", "high"))
    if low is None or high is None or name == "mae":
        return FEWEST
    return max(FEWEST, math.ceil(events * ((high - low) / 2 / _HALF_WIDTH) ** 2))


def _units(job: Job, model: LoadedModel, known: Landmarks) -> tuple[UnitShift, ...]:
    """Which codes' newest values lie as in another unit: one row of each entity, its last."""
    entity = known.entity_ids.astype(str)
    last = np.append(entity[1:] != entity[:-1], True)
    matrix = known.features.values[last][::-1]
    usual = usual_values(model.manifest.content, job)
    return find_unit_shifts(matrix, names=list(model.manifest.features), usual=usual, job=job)


def _home(model: LoadedModel, known: Landmarks) -> str | None:
    """The facility that all landmarks are of, if the model was made on it."""
    facility = known.features.facility
    names = set() if facility is None else {*facility.tolist()}
    (only,) = names if len(names) == 1 else (None,)
    return only if only in model.manifest.facilities else None


def _shifts(model: LoadedModel, landmarks: Landmarks, session: Session, *, home: str | None) -> tuple[Shift, ...]:
    """How far each feature's rows lie from those of training, the farthest first, the score among them.

    Where the model has the rows of the facility `home` apart, from these.
    """
    baseline = model.manifest.content.get("baseline")
    if baseline is None:
        return ()
    names = model.manifest.features
    features = landmarks.features.only(landmarks.scorable)
    values = model.rules.drift_values(model.score(features).whole)
    counts = BinCounter(baseline, names=names).count(features, values).reshape(-1, WIDTH)
    usual = baseline.get("facilities", {}).get(home, baseline)
    bins = [*(usual["features"][name] for name in names), usual[SCORE]]
    shares = [[*each["shares"], *[0.0] * (WIDTH - 1 - len(each["shares"])), each["missing"]] for each in bins]
    indexes = population_stability(session, shares, counts.tolist())
    rows = len(features.values)
    found = [
        Shift(feature=name, rows=rows, psi=psi, missing=float(count[-1]) / rows, baseline_missing=each["missing"])
        for name, psi, count, each in zip([*names, SCORE], indexes, counts, bins, strict=True)
    ]
    return tuple(sorted(found, key=lambda shift: -shift.psi))


def _recalibrated(job: Job, sample: Sample, published: Floats, alarm: Booleans) -> Recalibrated:
    """Calibrate by one half of the clients, and measure on the other."""
    known, rules = sample.landmarks, sample.rules
    half = folds_of(known.cohort, known.label, rules, folds=2)
    anew = sample.calibrated(half == 0)
    held = half == 1
    after, alarm_after = _published(sample, anew, held)
    rows = known.only(held)
    client = np.unique(sample.client[held], return_inverse=True)[1].astype(np.int64)
    weights = draws(int(client.max()) + 1)
    ones = np.ones(len(rows))
    before_loss = rules.losses(published[held], rows.label)
    naive = rules.naive(history_of(known), rules.everyone(known.label[half == 0]))[held]
    utility = None
    if job.measures.utility is not None:
        gain, best = gain_and_best(*hours_from_event(rows), job.measures.utility)
        more = alarm_after.astype(np.float64) - alarm[held]
        utility = ratio(gain * more, best, client, weights)
    return Recalibrated(
        calibration=dict(anew.everyone),
        threshold=None if anew.threshold is None else anew.threshold.value,
        before=figures_of(rows, job, published=published[held], alarm=alarm[held], rules=rules),
        after=figures_of(rows, job, published=after, alarm=alarm_after, rules=rules),
        loss=ratio(before_loss, ones, client, weights),
        gained=ratio(before_loss - rules.losses(after, rows.label), ones, client, weights),
        utility=utility,
        naive=beside_naive(Judged(after, rows.label, client), naive, weights, rules=rules),
    )


def _published(sample: Sample, anew: Calibrations, held: Booleans) -> tuple[Floats, Booleans]:
    """What is published of the rows `held` (n,), and whether it alarms, by calibrations anew."""
    published = anew.publish(sample.margin[held], None, rules=sample.rules)
    return published, anew.alarms(sample.rules.score_of(published), None)


def farthest(shifts: Sequence[Shift], count: int) -> tuple[Shift, ...]:
    """The `count` features whose rows lie farthest from training's."""
    return tuple(each for each in shifts if each.feature != SCORE)[:count]
