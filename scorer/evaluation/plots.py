"""The plots of an evaluation as SVG to be set into a page: no script, no font, no other file."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.figures import Evaluation
from scorer.types.arrays import Floats

INK, SOFT, BLUE, PALE, RED = "#333333", "#9a9a9a", "#2a5d8a", "#c9d8e6", "#a8403a"
_SIZE = (4.6, 3.6)  # inches
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
    wanted: dict[str, Draw] = {"histogram": _histogram}
    if evaluation.pictures.curves is not None:
        wanted = {"reliability": _reliability, **wanted, "roc": _roc, "precision": _precision, "utility": _utility}
    return {name: _drawn(name, draw, evaluation) for name, draw in wanted.items()}


def require_plots() -> None:
    """Raises UserError where matplotlib is missing; to be called before minutes are spent."""
    try:
        import matplotlib as _  # noqa: F401, ICN001 - looked for alone
    except ImportError as error:
        raise UserError(
            "A page with plots needs matplotlib; install it with pip install 'scorer[training]'."
        ) from error


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


def _reliability(axes: Any, evaluation: Evaluation) -> None:
    """Observed against predicted with intervals, on logarithmic scales, as most scores are small."""
    bins = [each for each in evaluation.pictures.bins if np.isfinite(each.observed.value)]
    predicted = np.array([each.predicted for each in bins])
    observed = np.array([each.observed.value for each in bins])
    low = np.array([np.nan_to_num(each.observed.low, nan=each.observed.value) for each in bins])
    high = np.array([np.nan_to_num(each.observed.high, nan=each.observed.value) for each in bins])
    least = max(1e-4, float(min(predicted.min(), observed[observed > 0].min(initial=1.0))) / 2)
    axes.plot([least, 1], [least, 1], color=SOFT, linewidth=1, linestyle="--")
    errors = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    axes.errorbar(predicted, np.maximum(observed, least), yerr=errors, fmt="o", markersize=4, color=BLUE, linewidth=1)
    axes.set(xscale="log", yscale="log", xlim=(least, 1), ylim=(least, 1))
    axes.set(xlabel="mean score", ylabel="share with a positive label")


def _histogram(axes: Any, evaluation: Evaluation) -> None:
    pictures = evaluation.pictures
    axes.stairs(np.maximum(pictures.histogram, 0.5), pictures.histogram_edges, fill=True, color=PALE, edgecolor=BLUE)
    axes.set(yscale="log", xlabel="score", ylabel="landmarks", ylim=(0.5, None), xlim=(0, None))
    _mark_bands(axes, evaluation)


def _roc(axes: Any, evaluation: Evaluation) -> None:
    curves = evaluation.pictures.curves
    assert curves is not None
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    axes.plot(_from(0, curves.false_positive_rate), _from(0, curves.sensitivity), color=BLUE)
    for above in evaluation.whole.above:
        if above.name is not None:
            point = (1 - above.figures["specificity"].value, above.figures["sensitivity"].value)
            _mark_point(axes, point, above.name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="1 - specificity", ylabel="sensitivity")


def _precision(axes: Any, evaluation: Evaluation) -> None:
    curves = evaluation.pictures.curves
    assert curves is not None
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
