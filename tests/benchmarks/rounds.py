"""The rounds of a contest: every contestant in turn, each on a fresh copy, and no time counts before the results are the same."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np

from scorer.config import Settings
from tests.benchmarks.contestants import MEASURE, OURS
from tests.benchmarks.database import copy_of, drop, make_template, results
from tests.benchmarks.report import Contest
from tests.benchmarks.stall import Entry, Timed, open_stall
from tests.benchmarks.task import Task

TOLERANCE = 1e-9  # of a score, where features come of another library's arithmetic
_TO_WARM_UP = 500
Say = Callable[[str], None]


def contest(
    server_url: str, task: Task, entries: Sequence[Entry], *, visits: int, observations: int, rounds: int, say: Say
) -> Contest:
    """Contestants in processes of their own, warmed up on a small database, then run in turn so many rounds."""
    settings = Settings(home=task.home)
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, float] = defaultdict(float)
    differences: dict[str, float] = defaultdict(float)
    of_ours: list[Timed] = []
    bands: Counter[str] = Counter()
    templates = [
        make_template(server_url, f"visits_{each}", settings, visits=each, observations=observations)
        for each in sorted({min(_TO_WARM_UP, visits), visits})
    ]
    try:
        with ExitStack() as stack:
            stalls = {entry: stack.enter_context(open_stall(entry, task)) for entry in entries}
            for stall in stalls.values():
                with copy_of(server_url, templates[0]) as url:
                    stall.run(url)
            for number in range(rounds):
                expected: tuple[np.ndarray, np.ndarray] | None = None
                for entry, stall in stalls.items():
                    with copy_of(server_url, templates[-1]) as url:
                        timed = stall.run(url)
                        found = results(url)
                    expected = expected or found
                    difference = agreed(entry, found, expected)
                    differences[entry.module] = max(differences[entry.module], difference)
                    seconds[entry.module].append(timed.seconds)
                    peaks[entry.module] = max(peaks[entry.module], timed.peak_mb)
                    if entry.module == OURS:
                        of_ours.append(timed)
                    if entry.module == MEASURE:
                        bands = Counter(found[1].tolist())
                    say(f"{visits:,} visits, round {number + 1}: {entry.title} {timed.seconds:.3f} s")
    finally:
        for template in templates:
            drop(server_url, template)
    return Contest(
        visits=visits,
        seconds=dict(seconds),
        peak_mb=dict(peaks),
        stages=_medians([timed.told["stages"] for timed in of_ours]),
        begin_to_commit=[timed.told["begin_to_commit"] for timed in of_ours],
        bands=dict(bands),
        largest_difference=dict(differences),
    )


def agreed(entry: Entry, found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> float:
    """The largest difference of a score from the floor's. Ends the benchmark where results are not the same."""
    score, band = found
    missing = int(np.isnan(score).sum())
    if missing or len(score) != len(expected[0]):
        raise SystemExit(f"{entry.title} left {missing} of {len(score)} visits without a score; no time counts.")
    difference = float(np.abs(score - expected[0]).max(initial=0.0))
    other_bands = int((band != expected[1]).sum())
    if difference > (0.0 if entry.exact else TOLERANCE) or other_bands:
        raise SystemExit(
            f"{entry.title} disagrees with the floor: scores by up to {difference:.3g}, bands of {other_bands} visits; no time counts."
        )
    return difference


def _medians(stages: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for each in stages for name in each)
    return {name: statistics.median(each.get(name, 0.0) for each in stages) for name in names}
