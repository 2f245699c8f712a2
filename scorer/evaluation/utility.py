"""The utility of alarms by the PhysioNet 2019 challenge, row by row and normalised.

From the definition in Reyna et al., "... The PhysioNet/Computing in Cardiology Challenge 2019", Crit Care Med 2020;48:210-217. A row is
an entity at an as-of time; the event's time is known afterwards.
"""

from __future__ import annotations

import numpy as np

from scorer.jobs.evaluation import Utility
from scorer.types.arrays import Booleans, Floats


def utilities(hours_from_event: Floats, has_event: Booleans, spec: Utility) -> tuple[Floats, Floats]:
    """The utility of an alarm and of silence at each row, (n,) each.

    `hours_from_event` (n,) is the as-of time less the event's, in hours; it is read only where `has_event` (n,). After `dt_late` both are
    0, and so are they where the time of the event is unknown (NaN). Before `dt_optimal` an alarm is worth no less than a false one.

    >>> alarm, silence = utilities(np.array([-12.0, -6.0, 0.0, 3.0]), np.ones(4, dtype=bool), Utility())
    >>> alarm.round(3).tolist(), silence.round(3).tolist()
    ([0.0, 1.0, 0.333, 0.0], [0.0, 0.0, -1.333, -2.0])
    """
    hours = np.where(has_event, hours_from_event, np.inf)
    with np.errstate(invalid="ignore"):
        before = hours <= spec.dt_optimal
        counts = hours <= spec.dt_late
        rising = spec.max_u_tp * (hours - spec.dt_early) / (spec.dt_optimal - spec.dt_early)
        past = (hours - spec.dt_optimal) / (spec.dt_late - spec.dt_optimal)  # 0 at dt_optimal, 1 at dt_late
        alarm = np.where(before, np.maximum(rising, spec.u_fp), spec.max_u_tp * (1.0 - past))
        silence = np.where(before, 0.0, spec.min_u_fn * past)
    alarm = np.where(has_event, np.where(counts, alarm, 0.0), spec.u_fp)
    silence = np.where(has_event, np.where(counts, silence, 0.0), spec.u_tn)
    return alarm, silence


def best_alarms(hours_from_event: Floats, has_event: Booleans, spec: Utility) -> Booleans:
    """The rows (n,) of the best possible alarms: with the event, `dt_early` to `dt_late` inclusive."""
    with np.errstate(invalid="ignore"):
        inside = (hours_from_event >= spec.dt_early) & (hours_from_event <= spec.dt_late)
    best: Booleans = has_event & inside
    return best


def gain_and_best(hours_from_event: Floats, has_event: Booleans, spec: Utility) -> tuple[Floats, Floats]:
    """The gain (n,) of an alarm over silence, and the gain (n,) of the best possible alarms alone.

    The second is 0 where such an alarm is not. The sum of the gains of some alarms over the sum of the second is their normalised
    utility: 1 for the best possible alarms, 0 for never alarming.
    """
    alarm, silence = utilities(hours_from_event, has_event, spec)
    gain = alarm - silence
    return gain, gain * best_alarms(hours_from_event, has_event, spec)
