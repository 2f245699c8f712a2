"""The report as text."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from tests.benchmarks.aims import aims
from tests.benchmarks.contestants import MEASURE, OURS, TITLES
from tests.benchmarks.report import Contest, Report

_QUIET = 0.5  # load average


def text(report: Report) -> str:
    """Machine, contests, growth, history, latency, and the aims last."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in report.machine.items())
    if float(report.machine["load before"]) > _QUIET:
        yield "Others are at work on this machine: ratios tell more than times, and both less than on a quiet one."
    for contest in report.contests:
        yield ""
        yield from _of_contest(contest, observations=report.observations)
    yield from (f"{title} is left out: {why}" for title, why in report.left_out.items())
    yield from _of_growth(report)
    yield from _of_mapping("On demand, from the request's commit to the score's", report.requests)
    yield from _of_mapping("History", report.history)
    yield ""
    rows = [(each.figure, each.aim, each.measured, each.verdict) for each in aims(report)]
    yield from _table(("aim", "must be", "is", ""), rows)


def _of_contest(contest: Contest, *, observations: int) -> Iterator[str]:
    rounds = len(contest.seconds[OURS])
    yield f"{contest.visits:,} visits x {observations} observations, median of {rounds}"
    rows = [
        (
            TITLES[module],
            f"{contest.median(module):.3f} s",
            _times(contest.ratio(module, MEASURE)),
            _times(contest.ratio(module, OURS)),
            f"{contest.peak_mb[module]:.0f} MB",
            "exactly" if contest.largest_difference[module] == 0 else f"to {contest.largest_difference[module]:.0e}",
        )
        for module in contest.seconds
    ]
    yield from _table(("", "time", "/ floor", "/ ours", "peak memory", "scores agree"), rows)
    yield "bands agree exactly: " + ", ".join(f"{count:,} {band}" for band, count in sorted(contest.bands.items()))
    stages = sorted(contest.stages.items(), key=lambda stage: -stage[1])
    within = statistics.median(contest.begin_to_commit)
    yield "ours by stage: " + ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in stages) + " s"
    yield "  (where a batch is read while the one before is scored, they add up to more than the time that passes)"
    yield (
        f"ours, begin of the run to its last commit: {within:.3f} s; before and after it, opening and closing the line: "
        f"{contest.median(OURS) - within:.3f} s"
    )


def _of_growth(report: Report) -> Iterator[str]:
    if len(report.contests) < 2:
        return
    yield ""
    yield "growth: seconds = a x visits ^ b by least squares; microseconds a visit at each size"
    rows = [
        (
            TITLES[module],
            f"b = {report.growth(module):.3f}",
            *(
                f"{each.visits:,}: {1e6 * each.median(module) / each.visits:.0f}" if module in each.seconds else ""
                for each in report.contests
            ),
        )
        for module in report.contests[0].seconds
        if report.growth(module) is not None
    ]
    yield from _table(("", *([""] * (1 + len(report.contests)))), rows)


def _of_mapping(title: str, told: object) -> Iterator[str]:
    if not isinstance(told, dict):
        return
    yield ""
    yield title
    for name, value in told.items():
        if isinstance(value, dict):
            yield from _table(("", ""), [(f"  {name}: {each}", str(it)) for each, it in value.items()])
        else:
            yield f"  {name.replace('_', ' ')}: {value}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell: the first to the left, numbers to the right."""
    lines = [head, *rows] if any(head) else list(rows)
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        first, *others = (
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()
