"""Names and texts of figures and steps for people, on the terminal and on the page."""

from __future__ import annotations

import math
from datetime import timedelta

from scorer.evaluation.bootstrap import Figure
from scorer.evaluation.figures import FEW, Above, Evaluation, Group

# By name: its title, and what it means.
FIGURES = {
    "auroc": ("AUROC", "how often a positive landmark scores higher than a negative one"),
    "average_precision": (
        "Average precision",
        "area below the precision-recall curve; of no use it would equal the prevalence",
    ),
    "brier": ("Brier score", "mean squared difference of score and label; 0 is perfect"),
    "prevalence": ("Prevalence", "share of landmarks with a positive label"),
    "calibration_intercept": (
        "Calibration intercept",
        "0 where as many events happen as are predicted; above 0, more happen",
    ),
    "calibration_slope": ("Calibration slope", "1 where the scores spread as they should; below 1 they are too bold"),
    "utility": ("Utility", "1 for the best alarms there could be, 0 for never alarming"),
    "sensitivity": ("Sensitivity", "share of positive landmarks with an alarm"),
    "specificity": ("Specificity", "share of negative landmarks without an alarm"),
    "ppv": ("PPV", "share of alarms whose landmark is positive"),
    "entities_foreseen": (
        "Events foreseen",
        "share of entities with the event that have an alarm in the window before it",
    ),
    "entities_caught": ("Events caught", "the same, in the window before or after it"),
    "entities_left_alone": ("Left alone", "share of entities without the event that never have an alarm"),
    "lead_hours_median": ("Lead time, median", "hours from the first alarm of the window to the event"),
    "lead_hours_lower": ("Lead time, lower quartile", "a quarter of the events foreseen or caught have less"),
    "lead_hours_upper": ("Lead time, upper quartile", "a quarter have more"),
    "alarms_per_entity_day": ("Alarms per day", "landmarks with an alarm, per entity and day"),
    "new_alarms_per_entity_day": (
        "New alarms per day",
        "of them those that do not follow upon another, per entity and day",
    ),
    "entities_alarmed_per_100": ("Alarmed of 100", "entities with one alarm or more, of a hundred"),
}
_STEPS = {
    "entities": "entities",
    "entities_never_scored": "entities that never have a score",
    "entities_without_outcome": "entities whose outcome is not known at some landmark",
    "entities_with_event": "entities with the event",
    "landmarks": "landmarks",
    "held": "held by a rule of a suite",
    "insufficient": "with too few usable observations",
    "declined": "that the model declined",
    "scored": "scored",
    "scored_without_outcome": "scored, without a known outcome",
    "scored_with_outcome": "scored, with a known outcome",
    "positive": "scored, with a positive label",
}


def step(name: str) -> str:
    """The title of a step of the attrition."""
    return _STEPS.get(name, name.replace("_", " "))


def written(figure: Figure) -> str:
    """A figure with its interval; empty where it has no value.

    >>> written(Figure(0.8432, 0.83, 0.851)), written(Figure(float("nan")))
    ('0.843 (0.830 to 0.851)', '')
    """
    if not math.isfinite(figure.value):
        return ""
    interval = f" ({number(figure.low)} to {number(figure.high)})" if math.isfinite(figure.low) else ""
    return f"{number(figure.value)}{interval}"


def number(value: float) -> str:
    """A number with three decimals, fewer where it is large; empty for NaN.

    >>> number(0.01234), number(-6.5), number(42.3), number(-1e-9), number(float("nan"))
    ('0.012', '-6.50', '42.3', '0.000', '')
    """
    if not math.isfinite(value):
        return ""
    for limit, decimals in ((1.0, 3), (10.0, 2)):
        if abs(value) <= limit:
            return f"{round(value, decimals) + 0.0:.{decimals}f}"  # no minus before a zero
    return f"{value:.1f}"


def threshold(above: Above) -> str:
    """The title of a threshold.

    >>> threshold(Above(threshold=0.4, name="MEDIUM", figures={}))
    'MEDIUM, above 0.4'
    """
    return f"above {above.threshold:.4g}" if above.name is None else f"{above.name}, above {above.threshold:.4g}"


def subgroup(group: Group) -> str:
    """The title of a group."""
    return f"{group.attribute.replace('_', ' ')}: {group.value}" if group.attribute else group.value


def few(group: Group) -> str:
    """A remark where a group has too few events for its figures; empty otherwise."""
    return f"fewer than {FEW} events" if group.events < FEW else ""


def span(every: timedelta) -> str:
    """A step of time in words.

    >>> span(timedelta(hours=1)), span(timedelta(minutes=90)), span(timedelta(days=2))
    ('every hour', 'every 90 min', 'every 48 h')
    """
    hours = every / timedelta(hours=1)
    if hours == 1:
        return "every hour"
    return f"every {hours:g} h" if hours == int(hours) else f"every {hours * 60:g} min"


def headline(evaluation: Evaluation) -> str:
    """What was evaluated, in one sentence."""
    return (
        f"Model {evaluation.model_version} of {evaluation.job} on {evaluation.whole.entities:,} entities of {evaluation.clients:,} "
        f"clients, {span(evaluation.every)}, as of {evaluation.first:%Y-%m-%d %H:%M}Z to {evaluation.last:%Y-%m-%d %H:%M}Z, "
        f"{'with' if evaluation.outcomes else 'without'} outcomes."
    )


def bands(group: Group) -> tuple[Above, ...]:
    """The thresholds that have a name."""
    return tuple(each for each in group.above if each.name is not None)
