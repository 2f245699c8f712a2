"""The plots of an evaluation as SVG to be set into a page: no script, no font, no other file."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.figures import Evaluation
from scorer.tasks.metrics import Curves
from scorer.tasks.task import Matrix, Picture, Points, Reliability
from scorer.types.arrays import Floats

INK, SOFT, BLUE, PALE, RED = "#333333", "#9a9a9a", "#2a5d8a", "#c9d8e6", "#a8403a"
_SIZE = (4.6, 3.6)  # inches
_DARK = 0.5  # a share whose blue is too dark for dark ink
_LONGEST_NAME = 18  # letters of a class's name beside the matrix of classes
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scorer",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
Draw = Callable[[Any, Evaluation], None]


def plots(evaluation: Evaluation) -> dict[str, str]:
    """The plots by name, each an <svg> element; without outcomes the histogram of the scores alone.

    Raises UserError where matplotlib is missing.
    """
    shown = evaluation.pictures.shown
    wanted: dict[str, Draw] = {name: draw for name, picture in shown.items() for draw in _drawers(picture)}
    wanted["histogram"] = _histogram
    curves = shown.get("curves")
    if isinstance(curves, Curves):
        wanted |= {"roc": partial(_roc, curves), "precision": partial(_precision, curves)}
    if len(evaluation.pictures.thresholds):
        wanted["utility"] = _utility
    return {name: _drawn(name, draw, evaluation) for name, draw in wanted.items()}


def _drawers(picture: Picture) -> tuple[Draw, ...]:
    """What draws a picture of its own kind; curves make two plots, and are drawn by name."""
    match picture:
        case Reliability():
            return (partial(_reliability, picture),)
        case Matrix():
            return (partial(_matrix, picture),)
        case Points():
            return (partial(_points, picture),)
    return ()


def require_plots() -> None:
    """Raises UserError where matplotlib is missing; to be called before minutes are spent."""
    try:
        import matplotlib as _  # noqa: F401, ICN001 - looked for alone
    except ImportError as error:
        raise UserError("A page with plots needs matplotlib; install it with pip install 'scorer[report]'.") from error


def _drawn(name: str, draw: Draw, evaluation: Evaluation) -> str:
    require_plots()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=_SIZE, layout="constrained")
        axes = figure.subplots()
        draw(axes, evaluation)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(written.getvalue(), name=name)


def _inline(svg: str, *, name: str) -> str:
    """The <svg> element alone, its ids made unique on the page."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r' xmlns(:\w+)?="[^"]*"', "", element)
    element = re.sub(r'\bid="', f'id="{name}-', element)
    element = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", element)
    return element.replace("xlink:href", "href").replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def _reliability(picture: Reliability, axes: Any, _evaluation: Evaluation) -> None:
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
        errors = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
        colour = BLUE if len(picture.bins) == 1 else f"C{place % 10}"
        at = np.maximum(observed, least)
        axes.errorbar(predicted, at, yerr=errors, fmt="o", markersize=4, color=colour, linewidth=1, label=name or None)
    shares = all(0 <= each.predicted <= 1 for bins in picture.bins.values() for each in bins)
    if shares:
        axes.plot([least, 1], [least, 1], color=SOFT, linewidth=1, linestyle="--")
        axes.set(xlim=(least, 1))
    axes.set(ylim=(least, 1.02), xlabel=picture.axes[0], ylabel=picture.axes[1])
    if picture.logarithmic:
        axes.set(xscale="log", yscale="log", ylim=(least, 1))
    if len(picture.bins) > 1:
        axes.legend(fontsize=7)


def _matrix(picture: Matrix, axes: Any, _evaluation: Evaluation) -> None:
    """Which class was taken for which: counts, shaded by their share of the true class."""
    shares = picture.counts / np.maximum(picture.counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    places = range(len(picture.names))
    names = [
        textwrap.shorten(name, _LONGEST_NAME, placeholder="…") or f"{name[: _LONGEST_NAME - 1]}…"
        for name in picture.names
    ]
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set_yticks(places, names)
    for (row, column), count in np.ndenumerate(picture.counts):
        ink = "white" if shares[row, column] > _DARK else INK  # on dark blue, dark ink cannot be read
        axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=ink)
    axes.set(xlabel="most probable class", ylabel="true class")


def _points(picture: Points, axes: Any, _evaluation: Evaluation) -> None:
    """Pairs of values, and the line on which they would be equal."""
    if picture.low is not None and picture.high is not None:
        order = np.argsort(picture.x, kind="stable")
        axes.vlines(picture.x[order], picture.low[order], picture.high[order], color=PALE, linewidth=0.6)
    axes.plot(picture.x, picture.y, "o", markersize=2, color=BLUE, alpha=0.5)
    ends = [float(np.nanmin(picture.x)), float(np.nanmax(picture.x))]
    axes.plot(ends, ends, color=SOFT, linewidth=1, linestyle="--")
    axes.set(xlabel=picture.axes[0], ylabel=picture.axes[1])


def _histogram(axes: Any, evaluation: Evaluation) -> None:
    pictures = evaluation.pictures
    axes.stairs(np.maximum(pictures.histogram, 0.5), pictures.histogram_edges, fill=True, color=PALE, edgecolor=BLUE)
    axes.set(yscale="log", xlabel="score", ylabel="landmarks", ylim=(0.5, None))
    if pictures.histogram_edges[0] >= 0:
        axes.set(xlim=(0, None))
    _mark_bands(axes, evaluation)


def _roc(curves: Curves, axes: Any, evaluation: Evaluation) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    axes.plot(_from(0, curves.false_positive_rate), _from(0, curves.sensitivity), color=BLUE)
    for above in evaluation.whole.above:
        if above.name is not None:
            point = (1 - above.figures["specificity"].value, above.figures["sensitivity"].value)
            _mark_point(axes, point, above.name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="1 - specificity", ylabel="sensitivity")


def _precision(curves: Curves, axes: Any, evaluation: Evaluation) -> None:
    axes.axhline(evaluation.whole.figures["prevalence"].value, color=SOFT, linewidth=1, linestyle="--")
    axes.plot(curves.sensitivity, curves.ppv, color=BLUE)
    for above in evaluation.whole.above:
        if above.name is not None:
            _mark_point(axes, (above.figures["sensitivity"].value, above.figures["ppv"].value), above.name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="sensitivity", ylabel="PPV")


def _utility(axes: Any, evaluation: Evaluation) -> None:
    pictures = evaluation.pictures
    axes.axhline(0, color=SOFT, linewidth=1, linestyle="--")
    axes.plot(pictures.thresholds, pictures.utility, color=BLUE)
    least = max(1e-4, float(pictures.thresholds.min(initial=1.0)))
    best = np.nanmax(pictures.utility) if np.isfinite(pictures.utility).any() else 1.0
    axes.set(xscale="log", xlim=(least, 1), ylim=(-0.5, max(0.1, float(best)) * 1.25))
    axes.set(xlabel="alarms at scores above", ylabel="utility")
    _mark_bands(axes, evaluation)


def _from(start: float, values: Floats) -> Floats:
    return np.append(start, values)


def _mark_point(axes: Any, point: tuple[float, float], name: str) -> None:
    if np.isfinite(point).all():
        axes.plot(*point, "o", color=RED, markersize=4)
        axes.annotate(name, point, xytext=(5, -9), textcoords="offset points", color=RED, fontsize=8)


def _mark_bands(axes: Any, evaluation: Evaluation) -> None:
    for above in evaluation.whole.above:
        if above.name is not None:
            axes.axvline(above.threshold, color=RED, linewidth=0.8)
            axes.text(
                above.threshold,
                0.99,
                f" {above.name}",
                color=RED,
                fontsize=8,
                rotation=90,
                va="top",
                ha="right",
                transform=axes.get_xaxis_transform(),
            )
