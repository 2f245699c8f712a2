"""What the report draws: counts over time, shares by bin, figures from checkup to checkup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scorer.evaluation.pages import drawing
from scorer.evaluation.pages.dress import Html, element
from scorer.monitoring.report.period import Period

_FEW = 9  # steps up to which each has its label
_ROOM = 1.18  # of the axis, over the highest bar, where marks stand


@dataclass(frozen=True, slots=True)
class Series:
    """Counts by step of time, under a name and in a colour of the page's style."""

    name: str
    colour: str
    values: Sequence[int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.values)


def over_time(series: Sequence[Series], period: Period, *, of: str, name: str, marks: Sequence[float] = ()) -> Html:
    """Counts stacked by step of time, the first series at the bottom.

    `marks` are numbered lines, by their places among the steps.
    """
    told = "; ".join(f"{each.name} {each.total:,}" for each in series)

    def draw(axes: Any) -> None:
        bottom = [0] * len(period.steps)
        for each in series:
            axes.bar(
                range(len(bottom)),
                each.values,
                bottom=bottom,
                width=0.72,
                align="edge",
                color=drawing.COLOURS[each.colour],
            )
            bottom = [low + value for low, value in zip(bottom, each.values, strict=True)]
        top = max([*bottom, 1])
        for number, place in enumerate(marks, start=1):
            axes.axvline(place, color=drawing.INK, linewidth=0.8, linestyle="--")
            axes.text(place, top * _ROOM, f"{number}", ha="center", va="top", fontweight="bold", color=drawing.INK)
        _label_steps(axes, period)
        axes.set(ylim=(0, top * (_ROOM if marks else 1.05)), xlim=(-0.3, len(bottom)), ylabel=of)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)

    return drawing.drawn(draw, name=name, alt=f"{of} by {period.step}, {period.name}: {told}.")


def _label_steps(axes: Any, period: Period) -> None:
    steps = period.steps
    every = 1 if len(steps) <= _FEW else 3
    shown = range(0, len(steps), every)
    form = "%a %-d" if period.step == "day" else "%H:00"
    axes.set_xticks([place + 0.36 for place in shown], [f"{steps[place]:{form}}" for place in shown])


def key(series: Sequence[Series]) -> Html:
    """Which colour is which series, with its count: for the list below a drawing."""
    return element(
        "ul",
        [
            element(
                "li",
                element(
                    "svg",
                    element("rect", width=10, height=10, style=f"fill:var(--{each.colour})"),
                    viewBox="0 0 10 10",
                    aria_hidden="true",
                ),
                f"{each.name} {each.total:,}",
            )
            for each in series
        ],
        class_="key",
    )


def beside_training(shares: Sequence[float], training: Sequence[float], *, name: str, alt: str) -> Html:
    """Shares by bin, filled, and those of training as a line.

    The last bin, of missing values, stands apart.
    """

    def draw(axes: Any) -> None:
        edges, gap = list(range(len(shares))), [len(shares) + 0.4, len(shares) + 1.4]
        for values, look in ((shares, {"fill": True, "color": drawing.BLUE}), (training, {"color": drawing.INK})):
            axes.stairs(values[:-1], edges, **look)
            axes.stairs(values[-1:], [each - 1 for each in gap], **look)
        axes.set(ylim=(0, max([*shares, *training]) * 1.08 or 1), xticks=[], yticks=[])
        axes.spines["left"].set_visible(False)

    return drawing.drawn(draw, name=name, alt=alt, size=drawing.SMALL)


@dataclass(frozen=True, slots=True)
class Point:
    """A figure at a checkup, with its interval and what it was expected to be.

    `at` is in days, up to the report's end at 0.
    """

    at: float
    value: float
    low: float | None
    high: float | None
    expected: float | None


def from_checkups(points: Sequence[Point], *, name: str, alt: str) -> Html:
    """A figure from checkup to checkup, with intervals.

    The dashed line is what the model had foretold of itself.
    """

    def draw(axes: Any) -> None:
        at, values = [point.at for point in points], [point.value for point in points]
        low = [point.value - (point.low if point.low is not None else point.value) for point in points]
        high = [(point.high if point.high is not None else point.value) - point.value for point in points]
        errors = [[max(each, 0) for each in low], [max(each, 0) for each in high]]
        axes.errorbar(at, values, yerr=errors, fmt="o-", markersize=3, linewidth=1, color=drawing.BLUE)
        expected = [point.expected for point in points if point.expected is not None]
        if expected:
            axes.axhline(expected[-1], color=drawing.INK, linewidth=0.8, linestyle="--")
        axes.set(xticks=[])
        axes.yaxis.get_major_locator().set_params(nbins=3)
        axes.margins(x=0.15, y=0.2)

    return drawing.drawn(draw, name=name, alt=alt, size=(2.2, 1.3))
