"""The plots of an evaluation as drawings of its page, each with its figures in words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from scorer.evaluation.figures import Above, Evaluation
from scorer.evaluation.net_benefit import NetBenefit, net_benefit
from scorer.evaluation.pages.drawing import BLUE, INK, PALE, RED, SERIES, SOFT, drawn
from scorer.evaluation.pages.dress import Html
from scorer.evaluation.wording import bands, limit, significant, threshold
from scorer.tasks.metrics import Curves
from scorer.tasks.task import Matrix, Picture, Points, Reliability
from scorer.types.arrays import Floats

CAPTIONS = {
    "reliability": "Reliability: the mean score of like landmarks against the share of them for which it came true, with 95 % intervals. "
    "On the dashed line a score means what it says.",
    "histogram": "How many landmarks have which score; where the bands begin.",
    "roc": "ROC curve. On the dashed line, where the naive forecast is, a score says nothing. Marks count a landmark without a score as "
    "one without an alarm; the curve leaves it out.",
    "precision": "Precision-recall curve. The dashed line is the prevalence: what alarms by lot, or by the naive forecast, come to. Marks "
    "count a landmark without a score as one without an alarm.",
    "net_benefit": "Decision curve: right alarms of a landmark, less the false ones, so many of which outweigh a right one as the "
    "threshold says (Vickers and Elkin 2006). Where the model is above both others, its alarms are worth having.",
    "utility": "Utility of alarming above each score; where the bands begin. On the dashed line it is that of never alarming.",
    "confusion": "Which class (rows) was taken for which (columns): landmarks, of many classes per cent; shaded by shares of the true one.",
    "agreement": "Values against what came true: the larger a dot, the more landmarks. The band has the mean ends of their intervals; on "
    "the dashed line both are equal.",
    "coverage": "The share of what came true inside the interval, by tenths of the value, with 95 % intervals.",
}
_SIZE = (4.4, 3.3)  # inches
_SMALL_PRINT = 8
_ROW = 0.075  # of the axes' height: what the name of a threshold takes above them
_NO_ROOM = 0.6  # of the axes' width: beyond it, names stand to the left of their thresholds
_MARKERS = "osD^vP*X"
_LARGE = 1000.0  # from which on a number has no decimals
_LOG_BELOW = 0.1  # scores that begin below are shown on a logarithmic scale
_LONGEST_NAME = 18  # letters of a class's name beside the matrix of classes
_MOST_COUNTED = 6  # classes up to which the matrix has counts, beyond which it has shares
_DEEPEST = 0.55  # how blue a whole class is: dark ink can be read on it, and light ink in the dark
_CELLS = 36  # along an axis, of the dots that landmarks are counted into
_TENTHS = 10
_STEPS = 240  # of the decision curve
_WIDEST = 0.95  # threshold that the decision curve goes up to


@dataclass(frozen=True, slots=True)
class _Plot:
    """How a plot is drawn, and what it shows in words."""

    draw: Callable[[Any], None]
    alt: str


def plots(evaluation: Evaluation) -> dict[str, Html]:
    """The plots by name; without outcomes the histogram of the scores alone.

    Raises UserError where matplotlib is missing.
    """
    return {
        name: drawn(plot.draw, name=name, alt=plot.alt, size=_SIZE) for name, plot in _wanted(evaluation) if plot.alt
    }


def _wanted(evaluation: Evaluation) -> Iterator[tuple[str, _Plot]]:
    shown = evaluation.pictures.shown
    for name, picture in shown.items():
        plot = _of_picture(name, picture)
        if plot is not None:
            yield name, plot
    yield "histogram", _histogram(evaluation)
    curves = shown.get("curves")
    if isinstance(curves, Curves):
        yield "roc", _roc(curves, evaluation)
        yield "precision", _precision(curves, evaluation)
        if 0 < evaluation.whole.figures["prevalence"].value < 1:
            yield "net_benefit", _net_benefit(curves, evaluation)
    if len(evaluation.pictures.thresholds):
        yield "utility", _utility(evaluation)


def _of_picture(name: str, picture: Picture) -> _Plot | None:
    """What draws a picture of its own kind; curves make several plots, and are drawn by name."""
    match picture:
        case Reliability():
            return _reliability(name, picture)
        case Matrix():
            return _matrix(picture)
        case Points():
            return _points(picture)
    return None


# The task's own pictures


def _reliability(name: str, picture: Reliability) -> _Plot:
    told = [
        f"{of + ': ' if of else ''}{significant(each.predicted)} against {significant(each.observed.value)}"
        for of, bins in picture.bins.items()
        for each in bins
        if np.isfinite(each.observed.value)
    ]
    alt = f"{name.capitalize()}, {' against '.join(picture.axes)}: {'; '.join(told)}." if told else ""
    return _Plot(partial(_draw_reliability, picture), alt)


def _draw_reliability(picture: Reliability, axes: Any) -> None:
    """Observed against predicted with intervals; on logarithmic scales where most scores are small."""
    least = 0.0
    for place, (name, bins) in enumerate(picture.bins.items()):
        known = [each for each in bins if np.isfinite(each.observed.value)]
        if not known:
            continue
        predicted = np.array([each.predicted for each in known])
        observed = np.array([each.observed.value for each in known])
        low = np.array([np.nan_to_num(each.observed.low, nan=each.observed.value) for each in known])
        high = np.array([np.nan_to_num(each.observed.high, nan=each.observed.value) for each in known])
        if picture.logarithmic:
            least = max(1e-4, float(min(predicted.min(), observed[observed > 0].min(initial=1.0))) / 2)
        axes.errorbar(
            predicted,
            np.maximum(observed, least),
            yerr=[np.maximum(observed - low, 0), np.maximum(high - observed, 0)],
            fmt=_MARKERS[place // len(SERIES) % len(_MARKERS)],
            markersize=4,
            color=BLUE if len(picture.bins) == 1 else SERIES[place % len(SERIES)],
            linewidth=1,
            label=_short(name) or None,
        )
    if all(0 <= each.predicted <= 1 for bins in picture.bins.values() for each in bins):
        axes.plot([least, 1], [least, 1], color=SOFT, linewidth=1, linestyle="--")
        axes.set(xlim=(least, 1))
    axes.set(ylim=(least, 1.02), xlabel=picture.axes[0], ylabel=picture.axes[1])
    if picture.logarithmic:
        axes.set(xscale="log", yscale="log", ylim=(least, 1))
        _plain_ticks(axes.xaxis, axes.yaxis)
    else:
        _few_ticks(axes)
    if len(picture.bins) > 1:
        axes.legend(fontsize=_SMALL_PRINT, loc="upper left", bbox_to_anchor=(1, 1), borderaxespad=0)


def _matrix(picture: Matrix) -> _Plot:
    shares = picture.counts / np.maximum(picture.counts.sum(axis=1, keepdims=True), 1)
    right = "; ".join(
        f"{name} {share:.0%} of {count:,.0f}"
        for name, share, count in zip(picture.names, np.diag(shares), picture.counts.sum(axis=1), strict=True)
    )
    return _Plot(partial(_draw_matrix, picture, shares), f"Taken for the true class: {right}.".replace("%", " %"))


def _draw_matrix(picture: Matrix, shares: Floats, axes: Any) -> None:
    """Which class was taken for which, shaded by shares; numbers are counts, of many classes shares."""
    for (row, column), share in np.ndenumerate(shares):
        corners = (
            [column - 0.5, column + 0.5, column + 0.5, column - 0.5],
            [row - 0.5, row - 0.5, row + 0.5, row + 0.5],
        )
        axes.fill(*corners, color=BLUE, alpha=_DEEPEST * share, linewidth=0)
        told = f"{picture.counts[row, column]:,.0f}" if len(shares) <= _MOST_COUNTED else f"{100 * share:.0f}"
        axes.text(column, row, told, ha="center", va="center", fontsize=_SMALL_PRINT, color=INK)
    names = [_short(name) for name in picture.names]
    places = range(len(names))
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    ends = len(names) - 0.5
    axes.set(xlim=(-0.5, ends), ylim=(ends, -0.5), xlabel="most probable class", ylabel="true class")
    if len(names) > _MOST_COUNTED:
        axes.set(ylabel="true class, of which per cent")


def _points(picture: Points) -> _Plot:
    if not len(picture.x):
        return _Plot(lambda _: None, "")
    (value, true), told = picture.axes, []
    for each in (picture.x, picture.y):
        told.append(f"from {significant(float(each.min()))} to {significant(float(each.max()))}")
    alt = f"{value.capitalize()} {told[0]} against {true}, {told[1]}: {len(picture.x):,} landmarks."
    return _Plot(partial(_draw_points, picture), alt)


def _draw_points(picture: Points, axes: Any) -> None:
    """How many pairs lie where, none told from its neighbours; the line on which they would be equal."""
    order = np.argsort(picture.x, kind="stable")
    if picture.low is not None and picture.high is not None:
        tenths = [each for each in np.array_split(order, _TENTHS) if len(each)]
        at = [float(picture.x[each].mean()) for each in tenths]
        ends = [[float(each[rows].mean()) for rows in tenths] for each in (picture.low, picture.high)]
        axes.fill_between(at, *ends, color=PALE, linewidth=0)
    counts, x_edges, y_edges = np.histogram2d(picture.x, picture.y, bins=_CELLS)
    row, column = np.nonzero(counts)
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges)]
    sizes = 4 + 60 * counts[row, column] / counts.max()
    axes.scatter(middle[0][row], middle[1][column], s=sizes, color=BLUE, alpha=0.7, linewidths=0)
    line = [float(np.nanmin(picture.x)), float(np.nanmax(picture.x))]
    axes.plot(line, line, color=INK, linewidth=1, linestyle="--")
    axes.set(xlabel=picture.axes[0], ylabel=picture.axes[1])
    _few_ticks(axes)


# Scores and thresholds


def _histogram(evaluation: Evaluation) -> _Plot:
    counts, edges = evaluation.pictures.histogram, evaluation.pictures.histogram_edges
    if not counts.sum():
        return _Plot(lambda _: None, "")
    most = int(np.argmax(counts))
    alt = (
        f"Histogram of {counts.sum():,.0f} scores from {significant(float(edges[0]))} to {significant(float(edges[-1]))}, most of them "
        f"between {significant(float(edges[most]))} and {significant(float(edges[most + 1]))}.{_begin(evaluation)}"
    )
    return _Plot(partial(_draw_histogram, evaluation), alt)


def _begin(evaluation: Evaluation) -> str:
    named = "; ".join(threshold(each) for each in bands(evaluation.whole))
    return f" {named}." if named else ""


def _draw_histogram(evaluation: Evaluation, axes: Any) -> None:
    counts, edges = evaluation.pictures.histogram, evaluation.pictures.histogram_edges
    axes.stairs(np.maximum(counts, 0.5), edges, fill=True, color=PALE, edgecolor=BLUE)
    limits = [each.threshold for each in bands(evaluation.whole)]
    least, most = min([float(edges[0]), *limits]), max([float(edges[-1]), *limits])
    room = 0.02 * (most - least) or 1.0
    axes.set(yscale="log", xlabel="score", ylabel="landmarks", ylim=(0.5, None))
    axes.set(xlim=(0 if least >= 0 else least - room, most + room))
    _few_ticks(axes)
    _mark_bands(axes, evaluation)


def _roc(curves: Curves, evaluation: Evaluation) -> _Plot:
    points = _points_of(evaluation, "specificity", "sensitivity")
    told = "".join(
        f" {name}: sensitivity {significant(of)}, specificity {significant(by)}." for name, (by, of) in points
    )
    auroc = significant(evaluation.whole.figures["auroc"].value)
    points = [(name, (1.0 - by, of)) for name, (by, of) in points]

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
        axes.plot(np.append(0, curves.false_positive_rate), np.append(0, curves.sensitivity), color=BLUE)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="1 - specificity", ylabel="sensitivity")
        _mark_points(axes, points)

    return _Plot(draw, f"ROC curve, area {auroc}, of which 0.5 would say nothing.{told}")


def _precision(curves: Curves, evaluation: Evaluation) -> _Plot:
    figures = evaluation.whole.figures
    prevalence = figures["prevalence"].value
    points = _points_of(evaluation, "sensitivity", "ppv")
    told = "".join(f" {name}: sensitivity {significant(by)}, PPV {significant(of)}." for name, (by, of) in points)
    area = significant(figures["average_precision"].value)

    def draw(axes: Any) -> None:
        axes.axhline(prevalence, color=SOFT, linewidth=1, linestyle="--")
        axes.plot(curves.sensitivity, curves.ppv, color=BLUE)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="sensitivity", ylabel="PPV")
        _mark_points(axes, points)

    return _Plot(
        draw, f"Precision-recall curve, average precision {area}; the prevalence is {significant(prevalence)}.{told}"
    )


def _net_benefit(curves: Curves, evaluation: Evaluation) -> _Plot:
    prevalence = evaluation.whole.figures["prevalence"].value
    limits = [each.threshold for each in bands(evaluation.whole) if 0 < each.threshold < _WIDEST]
    most = min(_WIDEST, max([2 * limit for limit in limits] + [4 * prevalence]))
    at_bands = net_benefit(curves, prevalence, np.array(limits))
    told = "".join(
        f" At {significant(at)}: {significant(model)} by the model, {significant(always)} by alarming always."
        for at, model, always in zip(at_bands.threshold, at_bands.model, at_bands.always, strict=True)
    )
    found = net_benefit(curves, prevalence, np.linspace(0, most, _STEPS))
    alt = f"Net benefit by threshold, 0 for never alarming, {significant(prevalence)} for alarms without a fault.{told}"
    return _Plot(partial(_draw_net_benefit, found, evaluation), alt)


def _draw_net_benefit(found: NetBenefit, evaluation: Evaluation, axes: Any) -> None:
    top = max(float(found.model.max()), evaluation.whole.figures["prevalence"].value)
    axes.axhline(0, color=SOFT, linewidth=1, linestyle="--", label="alarm never")
    axes.plot(found.threshold, found.always, color=INK, linewidth=1, linestyle=":", label="alarm always")
    axes.plot(found.threshold, found.model, color=BLUE, label="the model")
    axes.set(xlim=(0, found.threshold[-1]), ylim=(-0.25 * top, 1.08 * top))
    axes.set(xlabel="threshold", ylabel="net benefit")
    axes.legend(fontsize=_SMALL_PRINT, loc="upper right")
    _mark_bands(axes, evaluation)


def _utility(evaluation: Evaluation) -> _Plot:
    pictures = evaluation.pictures
    best = ""
    if np.isfinite(pictures.best_threshold):
        best = f", at best {significant(pictures.best_utility)} from {significant(pictures.best_threshold)} on"
    alt = f"Utility of alarming above each score{best}.{_begin(evaluation)}"
    return _Plot(partial(_draw_utility, evaluation), alt)


def _draw_utility(evaluation: Evaluation, axes: Any) -> None:
    pictures = evaluation.pictures
    axes.axhline(0, color=SOFT, linewidth=1, linestyle="--")
    axes.plot(pictures.thresholds, pictures.utility, color=BLUE)
    least = max(1e-4, float(pictures.thresholds.min(initial=1.0)))
    best = np.nanmax(pictures.utility) if np.isfinite(pictures.utility).any() else 1.0
    axes.set(xlim=(least, 1), ylim=(-0.5, max(0.1, float(best)) * 1.25))
    if least < _LOG_BELOW:
        axes.set(xscale="log")
        _plain_ticks(axes.xaxis)
    axes.set(xlabel="alarms at scores above", ylabel="utility")
    _mark_bands(axes, evaluation)


# Marks


def _points_of(evaluation: Evaluation, x: str, y: str) -> list[tuple[str, tuple[float, float]]]:
    """Where the thresholds that have a name lie, by two of their figures."""
    found = [(_named(each), (each.figures[x].value, each.figures[y].value)) for each in bands(evaluation.whole)]
    return [(name, point) for name, point in found if np.isfinite(point).all()]


def _mark_points(axes: Any, points: Sequence[tuple[str, tuple[float, float]]]) -> None:
    """Marks that differ by their form, named above the axes: beside them, near names would overlap."""
    for number, (name, point) in enumerate(points):
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot(*point, marker, color=RED, markersize=5, label=_literal(name), clip_on=False)
    if points:
        axes.legend(fontsize=_SMALL_PRINT, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, handlelength=1)


def _mark_bands(axes: Any, evaluation: Evaluation) -> None:
    """A line for each threshold with a name, above the axes in a row of its own, where no line rises."""
    begin, end = axes.get_xlim()
    inside = sorted(
        (each for each in bands(evaluation.whole) if begin <= each.threshold <= end), key=lambda each: each.threshold
    )
    if not inside:
        return
    at_axes = axes.get_xaxis_transform()
    to_axes = axes.transData + axes.transAxes.inverted()
    to_left = to_axes.transform((inside[-1].threshold, 1.0))[0] > _NO_ROOM
    for number, each in enumerate(inside if to_left else reversed(inside)):
        top, name = 1.03 + _ROW * number, _literal(_named(each))
        axes.plot([each.threshold] * 2, [0, top + _ROW / 2], color=RED, linewidth=0.8, transform=at_axes, clip_on=False)
        axes.annotate(
            name,
            (each.threshold, top),
            xycoords=at_axes,
            xytext=(-3 if to_left else 3, 0),
            textcoords="offset points",
            color=RED,
            fontsize=_SMALL_PRINT,
            ha="right" if to_left else "left",
            va="bottom",
        )
    axes.set(xlim=(begin, end))


def _named(above: Above) -> str:
    return f"{above.name} {limit(above.threshold)}"


def _literal(name: str) -> str:
    """A name that is shown as it is: a $ begins no formula."""
    return name.replace("$", r"\$")


def _short(name: str) -> str:
    """The name of a class, the end of a long one left out."""
    short = textwrap.shorten(name, _LONGEST_NAME, placeholder="…")
    return _literal(short if short.strip("…") or not name else f"{name[: _LONGEST_NAME - 1]}…")


def _plain_ticks(*along: Any) -> None:
    """Numbers as they are read, without exponents."""
    for each in along:
        each.set_major_formatter(lambda value, _: f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:g}")
        each.set_minor_formatter(lambda _value, _: "")


def _few_ticks(axes: Any) -> None:
    """Along linear axes, so few numbers that large ones have room."""
    _plain_ticks(axes.xaxis, axes.yaxis)
    axes.xaxis.get_major_locator().set_params(nbins=4)
