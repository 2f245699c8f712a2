"""The aims, each with the figure that was measured: held, NOT HELD, or not measured in this run."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.contestants import GUIDE, MEASURE, OURS, RIVAL
from tests.benchmarks.report import Report

FEW, MANY, A_THOUSAND, TEN_MILLION = 20_000, 1_000_000, 1_000, 10_000_000
NOT_MEASURED = "not measured in this run"


@dataclass(frozen=True, slots=True)
class Aim:
    """An aim as it is told; `held` is None where the figure was not measured."""

    figure: str
    aim: str
    measured: str
    held: bool | None

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "held", False: "NOT HELD", None: NOT_MEASURED}[self.held]


def aims(report: Report) -> list[Aim]:
    """All of them, in their order."""
    return [*_of_ratios(report), *_of_growth(report), _of_history(report), _of_requests(report)]


def _of_ratios(report: Report) -> Iterator[Aim]:
    few, thousand = report.at(FEW), report.at(A_THOUSAND)
    ratio = few and few.ratio(OURS, MEASURE)
    name = "ours / floor, 20,000 visits, one worker, full validation"
    yield _aim(name, "1.8 or less", ratio, held=lambda it: it <= 1.8)
    ratio = few and few.ratio(GUIDE, OURS)
    yield _aim("the guide's way / ours, 20,000 visits", "8 or more", ratio, held=lambda it: it >= 8.0)
    ratio = few and few.ratio(RIVAL, OURS)
    yield _aim("a good engineer's afternoon / ours, 20,000 visits", "0.8 or more", ratio, held=lambda it: it >= 0.8)
    seconds = thousand and statistics.median(thousand.begin_to_commit)
    name = "1,000 visits, begin of the run to its last commit, warm"
    yield _aim(name, "under 0.5 s", seconds, unit=" s", held=lambda it: it < 0.5)


def _of_growth(report: Report) -> Iterator[Aim]:
    name = "ours at 1,000,000 / (50 x ours at 20,000)"
    yield _aim(name, "1.10 or less", report.over_linear(FEW, MANY), held=lambda it: it <= 1.1)
    few, many = report.at(FEW), report.at(MANY)
    name = "peak memory at 1,000,000 / at 20,000"
    if few is None or many is None:
        yield _aim(name, "1.1 or less, under 600 MB", None)
        return
    ratio, peak = many.peak_mb[OURS] / few.peak_mb[OURS], many.peak_mb[OURS]
    yield Aim(name, "1.1 or less, under 600 MB", f"{ratio:.2f}, {peak:.0f} MB", ratio <= 1.1 and peak < 600)


def _of_history(report: Report) -> Aim:
    name, aim = "1,000 due among 10,000,000 scored / 1,000 due among none", "1.2 or less"
    if report.history is not None and report.history["scored"] < TEN_MILLION:
        return Aim(name, aim, f"{report.history['ratio']:.2f} among {report.history['scored']:,}", None)
    return _aim(name, aim, report.history and report.history["ratio"], held=lambda it: it <= 1.2)


def _of_requests(report: Report) -> Aim:
    name, aim = "on-demand latency, 10 sessions: P50, P95, P99", "under 50, 100, 200 ms"
    told = report.requests
    if told is None:
        return _aim(name, aim, None)
    each = [told["p50_ms"], told["p95_ms"], told["p99_ms"]]
    within = all(it < limit for it, limit in zip(each, (50, 100, 200), strict=True))
    return Aim(name, aim, ", ".join(f"{it:.0f}" for it in each) + " ms", within)


def _aim(figure: str, aim: str, value: float | None, *, unit: str = "", held: object = None) -> Aim:
    if value is None:
        return Aim(figure, aim, "-", None)
    assert callable(held)
    return Aim(figure, aim, f"{value:.2f}{unit}", bool(held(value)))
