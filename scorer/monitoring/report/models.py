"""Of a job's models: features that moved, live figures, versions and recalls, alerts."""

from __future__ import annotations

from collections.abc import Sequence

from scorer.database.reporting.models import Change, LiveFigure, MovedFeature
from scorer.evaluation import wording as figures
from scorer.evaluation.pages.dress import Html, Source, element, joined, numbers, section, table, text
from scorer.evaluation.pages.dress import figure as shown_figure
from scorer.evaluation.pages.wording import NOTHING, count, counted, figure, moment, share
from scorer.monitoring.report.charts import Point, beside_training, from_checkups
from scorer.monitoring.report.reading import OfJob

_DRAWN = (
    "auroc",
    "average_precision",
    "calibration_slope",
    "calibration_intercept",
    "brier",
    "log_loss",
    "f1",
    "accuracy",
    "mae",
    "r2",
    "coverage",
)
_MOST_DRAWN = 4
_DAY = 86_400.0


def drift(of: OfJob, *, name: str) -> Html | None:
    """The features that moved most, each beside training."""
    if not of.features:
        return None
    first = of.features[0]
    drawings = [
        shown_figure(
            beside_training(
                _shares(each), each.shares, name=f"{name}-moved-{place}", alt=f"{each.feature}: {_in_words(each)}."
            ),
            joined(element("code", each.feature), f" {figure(each.psi)}"),
            small=True,
        )
        for place, each in enumerate(of.features)
    ]
    return section(
        "Features that moved most",
        element(
            "p",
            f"Model {first.model_version}: {counted(first.rows, 'scored row')} of this time (blue) beside its training rows (line).",
        ),
        element("div", drawings, class_="many"),
        level=3,
        id_=f"{name}-moved",
        whole=True,
        source=Source(
            "Shares by tenths of the training rows, the missing values apart at the right. The number is the population stability index: "
            "below 0.1 stable, from 0.25 on major. Among few rows it is large by chance.",
            ["reporting.feature_counts", "reporting.baselines"],
        ),
    )


def _shares(moved: MovedFeature) -> list[float]:
    return [each / moved.rows for each in moved.counts]


def _in_words(moved: MovedFeature) -> str:
    """Which bin moved most, in words."""
    pairs = list(zip(_shares(moved), moved.shares, strict=True))
    place = max(range(len(pairs)), key=lambda at: abs(pairs[at][0] - pairs[at][1]))
    now, then = pairs[place]
    where = "missing" if place == len(pairs) - 1 else f"in tenth {place + 1}"
    return f"population stability index {figure(moved.psi)}; {share(now, 1)} of the rows are {where}, {share(then, 1)} in training"


def live(of: OfJob, *, name: str) -> Html | None:
    """Live figures of the newest checkup beside the model's own, and how they came there."""
    known = [each for each in of.live if each.value is not None]
    if not known:
        return None
    newest = max(each.window_until for each in known)
    last = [each for each in known if each.window_until == newest]
    rows = [
        [
            figures.title(each.metric),
            figure(each.value),
            NOTHING if each.low is None else f"{figure(each.low)} to {figure(each.high)}",
            figure(each.expected),
        ]
        for each in last
    ]
    first = last[0]
    positives = f", {counted(first.positives, 'of them positive', 'of them positive')}" if first.positives else ""
    return section(
        "Live figures",
        element(
            "p",
            f"Model {first.model_version}, {counted(first.rows, 'published score')} from {moment(first.window_from)} to "
            f"{moment(first.window_until)} whose outcome is known{positives}.",
        ),
        _courses(known, [each.metric for each in last], of, name=name),
        table("At the newest checkup", ["figure", *numbers("live", "95 % interval", "the model's own")], rows),
        level=3,
        id_=f"{name}-live",
        source=Source(
            " ".join(f"{figures.title(metric)}: {figures.meaning(metric)}." for metric in _with_meaning(last)),
            ["reporting.live_performance"],
        ),
    )


def _with_meaning(last: Sequence[LiveFigure]) -> list[str]:
    return [each.metric for each in last if each.metric in figures.FIGURES]


def _courses(known: Sequence[LiveFigure], metrics: Sequence[str], of: OfJob, *, name: str) -> Html | None:
    """The chief figures from checkup to checkup; nothing where there was but one."""
    drawings = []
    for metric in [each for each in _DRAWN if each in metrics][:_MOST_DRAWN]:
        points = [
            Point(
                at=(each.window_until - of.period.until).total_seconds() / _DAY,
                value=each.value,
                low=each.low,
                high=each.high,
                expected=each.expected,
            )
            for each in known
            if each.metric == metric and each.value is not None
        ]
        if len(points) > 1:
            told = f"{figures.title(metric)} at {len(points)} checkups: from {figure(points[0].value)} to {figure(points[-1].value)}"
            drawing = from_checkups(
                points, name=f"{name}-live-{metric}", alt=f"{told}; its own {figure(points[-1].expected)}."
            )
            drawings.append(shown_figure(drawing, figures.title(metric), small=True))
    return element("div", drawings, class_="many") if drawings else None


# Versions


def drawn_changes(of: OfJob) -> list[Change]:
    """The changes that stand on the time axis: into production and out of it, and recalls."""
    return [each for each in of.changes if each.kind == "recall" or "production" in {each.from_status, each.to_status}]


def marks_of(of: OfJob) -> list[float]:
    """Where they stand among the steps of time."""
    return [of.period.place(each.happened_at) for each in drawn_changes(of)]


def versions(of: OfJob, *, name: str) -> Html | None:
    """Promotions and recalls, numbered as on the time axis, and the other steps of versions."""
    if not of.changes:
        return None
    places = {id(each): place for place, each in enumerate(drawn_changes(of), start=1)}
    rows = [
        [
            moment(each.happened_at),
            f"{places[id(each)]}" if id(each) in places else NOTHING,
            each.model_version or "any",
            _step(each),
            each.done_by,
            each.why or NOTHING,
        ]
        for each in of.changes
    ]
    return section(
        "Versions",
        element("p", f"In production: {of.standing.model_version or 'none'}."),
        table("Steps of model versions, and recalls", ["when", "mark", "version", "what", "by", text("why")], rows),
        level=3,
        id_=f"{name}-versions",
        whole=True,
        source=Source(
            "A version goes from candidate to staging to production to archived. A recall takes scores back that were entered in error.",
            ["reporting.model_events", "reporting.recall_events"],
        ),
    )


def _step(change: Change) -> str:
    if change.kind == "recall":
        return f"{count(change.scores)} scores recalled"
    return f"{change.from_status} → {change.to_status}" if change.from_status else f"registered, {change.to_status}"


def alerts(of: OfJob, *, name: str) -> Html | None:
    """What was found wrong with models, open or ended."""
    if not of.alerts:
        return None
    rows = [
        [each.kind, each.model_version, each.detail, moment(each.since), moment(each.ended_at)] for each in of.alerts
    ]
    still_open = [place for place, each in enumerate(of.alerts) if each.ended_at is None]
    return section(
        "Alerts",
        table(
            "Alerts; those that are open stand out",
            ["of", "version", text("what"), "since", "ended"],
            rows,
            marked=still_open,
        ),
        level=3,
        id_=f"{name}-alerts",
        whole=True,
        source=Source(
            "Found by a checkup, told once, and ended by the first checkup that finds it no more; what to do stands in the journal.",
            ["reporting.alerts"],
        ),
    )
