"""Net benefit: what alarms are worth to who would accept so many false ones for a right one.

From the definition in Vickers and Elkin, "Decision curve analysis: a novel method for evaluating prediction models", Med Decis Making
2006;26:565-574. The threshold itself says how many: alarming from 0.1 on, one right alarm outweighs nine false ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorer.tasks.metrics import Curves
from scorer.types.arrays import Floats


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """Net benefit, right alarms of a landmark, by `threshold`, arrays (t,).

    `model` is that of alarming at or above the threshold, `always` that of alarming whatever the score. Never alarming has none: 0.
    """

    threshold: Floats
    model: Floats
    always: Floats


def net_benefit(curves: Curves, prevalence: float, threshold: Floats) -> NetBenefit:
    """The net benefit at each `threshold` (t,) below 1, by the points of the curves.

    >>> points = Curves(np.array([0.5, 0.1]), np.array([0.6, 1.0]), np.array([0.1, 1.0]), np.array([0.6, 0.2]))
    >>> found = net_benefit(points, 0.2, np.array([0.1, 0.5, 0.9]))
    >>> found.model.round(3).tolist(), found.always.round(3).tolist()
    ([0.111, 0.04, 0.0], [0.111, -0.6, -7.0])
    """
    odds = threshold / (1.0 - threshold)
    right, false = (
        np.interp(threshold, curves.threshold[::-1], each[::-1], right=0.0)  # above every score there is no alarm
        for each in (curves.sensitivity, curves.false_positive_rate)
    )
    return NetBenefit(
        threshold=threshold,
        model=prevalence * right - (1.0 - prevalence) * false * odds,
        always=prevalence - (1.0 - prevalence) * odds,
    )
