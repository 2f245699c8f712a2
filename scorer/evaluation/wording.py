"""Names and texts of figures and steps for people, on the terminal and on the page."""

from __future__ import annotations

import math
from datetime import timedelta

from scorer.evaluation.figures import FEW, Above, Evaluation, Group
from scorer.tasks.bootstrap import Figure

# By name: its title, and what it means.
FIGURES = {
    "auroc": (
        "AUROC",
        "how often a positive landmark scores higher than a negative one; of several classes, the mean of each against the rest",
    ),
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
    "log_loss": ("Log loss", "mean of minus the logarithm of the true class's probability; 0 is perfect"),
    "f1": ("F1", "harmonic mean of sensitivity and PPV of the most probable class, averaged over the classes"),
    "accuracy": ("Accuracy", "share of landmarks whose most probable class is the true one"),
    "top_2": ("Among the best two", "share of landmarks whose true class is among the two most probable ones"),
    "mae": ("Mean absolute error", "in the unit of the value"),
    "rmse": ("Root mean squared error", "the same, with large errors weighing more"),
    "median_percentage_error": (
        "Median percentage error",
        "half of the errors are less than so many per cent of what came true",
    ),
    "r2": ("R2", "share of the variance that the values tell; 0 for the mean, below 0 worse than that"),
    "coverage": ("Coverage", "share of what came true that lies inside the published interval"),
    "width": ("Width", "mean width of the published intervals"),
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
_NOTHING = 5e-7  # what is shown as no more than 0
_SMALL = 0.01  # below which three decimals leave too little of a number
_LARGE = 1000.0  # from which on a number has no decimals
_HOURS = 48  # up to which a step is told in hours
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


def title(name: str) -> str:
    """The title of a figure.

    >>> title("auroc of ill"), title("mae")
    ('AUROC of ill', 'Mean absolute error')
    """
    figure, of, what = name.partition(" of ")
    return f"{FIGURES[figure][0]}{of}{what}" if figure in FIGURES else name.replace("_", " ")


def meaning(name: str) -> str:
    """What a figure means; empty for a figure of one class, which means the same."""
    return FIGURES[name][1] if name in FIGURES else ""


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


def significant(value: float) -> str:
    """A number with three significant digits; empty for NaN.

    >>> [significant(each) for each in (84.321, 1234.5, 0.00012345, -0.5, 0.0, float("nan"))]
    ['84.3', '1,234', '0.000123', '-0.500', '0', '']
    """
    if not math.isfinite(value):
        return ""
    if abs(value) < _NOTHING:
        return "0"
    return f"{value:,.{min(max(2 - math.floor(math.log10(abs(value))), 0), 6)}f}"


def exact(value: float) -> str:
    """A number as `number` has it, but where its decimals leave little of it, or it has too many digits.

    >>> exact(0.8432), exact(0.00413), exact(0.0), exact(-1e-9), exact(87396.04)
    ('0.843', '0.00413', '0.000', '0.000', '87,396')
    """
    return significant(value) if _NOTHING <= abs(value) < _SMALL or abs(value) >= _LARGE else number(value)


def limit(value: float) -> str:
    """A threshold.

    >>> limit(0.02221), limit(38.0), limit(1e6)
    ('0.02221', '38', '1,000,000')
    """
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"


def threshold(above: Above) -> str:
    """The title of a threshold.

    >>> threshold(Above(threshold=0.4, name="MEDIUM", figures={}))
    'MEDIUM, above 0.4'
    >>> threshold(Above(threshold=0.4, name="MEDIUM", figures={}, by_facility={"A": 0.3}))
    'MEDIUM, above 0.4 (A 0.3)'
    """
    own = ", ".join(f"{facility} {limit(at)}" for facility, at in sorted(above.by_facility.items()))
    words = f"above {limit(above.threshold)}" + (f" ({own})" if own else "")
    return words if above.name is None else f"{above.name}, {words}"


def subgroup(group: Group) -> str:
    """The title of a group."""
    return f"{group.attribute.replace('_', ' ')}: {group.value}" if group.attribute else group.value


def few(group: Group) -> str:
    """A remark where a group has too few events, or outcomes, for its figures; empty otherwise."""
    return f"fewer than {FEW} {'events' if group.positives else 'outcomes'}" if group.events < FEW else ""


def span(every: timedelta) -> str:
    """A step of time in words.

    >>> span(timedelta(hours=1)), span(timedelta(minutes=90)), span(timedelta(days=2)), span(timedelta(days=30.44))
    ('every hour', 'every 90 min', 'every 48 h', 'every 30.4 days')
    """
    hours = every / timedelta(hours=1)
    if hours == 1:
        return "every hour"
    if hours > _HOURS:
        return f"every {hours / 24:.3g} days"
    return f"every {hours:g} h" if hours == int(hours) else f"every {hours * 60:g} min"


def landmarks(evaluation: Evaluation) -> str:
    """When entities were scored, in words."""
    if not evaluation.own_landmarks:
        return span(evaluation.every)
    return f"at the job's own landmarks, usually {span(evaluation.every)}"


def headline(evaluation: Evaluation) -> str:
    """What was evaluated, in one sentence."""
    return (
        f"Model {evaluation.model_version} of {evaluation.job} on {evaluation.whole.entities:,} entities of {evaluation.clients:,} "
        f"clients, {landmarks(evaluation)}, as of {evaluation.first:%Y-%m-%d %H:%M}Z to {evaluation.last:%Y-%m-%d %H:%M}Z, "
        f"{'with' if evaluation.outcomes else 'without'} outcomes."
    )


def bands(group: Group) -> tuple[Above, ...]:
    """The thresholds that have a name."""
    return tuple(each for each in group.above if each.name is not None)
