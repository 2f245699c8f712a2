"""What the benchmark says of its figures: no time of a wrong result, no aim that is shaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.aims import aims
from tests.benchmarks.contestants import ALL, takes_part
from tests.benchmarks.dirt import AGAIN, Dirt, Taken, figures
from tests.benchmarks.report import Contest, Report
from tests.benchmarks.rounds import agreed
from tests.benchmarks.table import text

FLOOR, GUIDE = ALL[0], ALL[-1]
EXPECTED = np.array([0.1, 0.2]), np.array(["HIGH", "HIGH"], dtype=object)


def contest(visits: int, *, ours: list[float], **seconds: list[float]) -> Contest:
    return Contest(
        visits=visits,
        seconds={"ours": ours, **seconds},
        peak_mb=dict.fromkeys(("ours", *seconds), 400.0),
        stages={"read": 0.1},
        begin_to_commit=ours,
        bands={"LOW": visits},
        largest_difference=dict.fromkeys(("ours", *seconds), 0.0),
    )


def report(*contests: Contest, **others: Any) -> Report:
    return Report(machine={"load before": "0.1"}, observations=50, contests=contests, **others)


def verdicts(of: Report) -> list[str]:
    return [each.verdict for each in aims(of)]


def test_scores_of_another_arithmetic_may_differ_in_their_last_bits() -> None:
    near = EXPECTED[0] + 1e-12, EXPECTED[1]
    assert agreed(GUIDE, near, EXPECTED) == pytest.approx(1e-12, rel=0.01)
    with pytest.raises(SystemExit, match="disagrees with the floor: scores by up to 1e-12"):
        agreed(FLOOR, near, EXPECTED)


def test_no_time_counts_where_a_result_is_wrong() -> None:
    with pytest.raises(SystemExit, match="scores by up to 1e-06"):
        agreed(GUIDE, (EXPECTED[0] + 1e-6, EXPECTED[1]), EXPECTED)
    with pytest.raises(SystemExit, match="bands of 1 visits"):
        agreed(GUIDE, (EXPECTED[0], np.array(["HIGH", "LOW"], dtype=object)), EXPECTED)
    with pytest.raises(SystemExit, match="left 1 of 2 visits without a score"):
        agreed(GUIDE, (np.array([0.1, np.nan]), EXPECTED[1]), EXPECTED)


def test_a_ratio_is_the_median_of_those_within_a_round() -> None:
    # Medians alone would say 2.0 / 4.0.
    found = contest(20_000, ours=[1.0, 2.0, 9.0], floor=[1.0, 4.0, 4.0])
    assert found.ratio("ours", "floor") == 1.0
    assert found.ratio("guide", "ours") is None


def test_what_was_not_measured_is_said_to_be_so() -> None:
    assert set(verdicts(report())) == {"not measured in this run"}


def test_a_shorter_history_holds_no_aim() -> None:
    told = aims(report(history={"scored": 100_000, "ratio": 1.0}))[-2]
    assert (told.measured, told.verdict) == ("1.00 among 100,000", "not measured in this run")


def test_an_aim_is_held_or_it_is_not() -> None:
    few = contest(20_000, ours=[1.8], floor=[1.0], guide=[14.5], afternoon=[1.45])
    many = contest(1_000_000, ours=[99.0], floor=[50.0])
    requests = {"p50_ms": 49.0, "p95_ms": 99.0, "p99_ms": 199.0}
    history = {"scored": 10_000_000, "ratio": 1.2}
    held = report(contest(1000, ours=[0.49]), few, many, requests=requests, history=history)
    assert verdicts(held) == ["held"] * 8

    few = contest(20_000, ours=[1.8], floor=[0.999], guide=[14.3], afternoon=[1.43])
    many = contest(1_000_000, ours=[99.1], floor=[50.0])
    few.peak_mb["ours"], many.peak_mb["ours"] = 560.0, 600.0  # type: ignore[index]
    missed = report(
        contest(1000, ours=[0.5]),
        few,
        many,
        requests=requests | {"p99_ms": 200.0},
        history=history | {"ratio": 1.21},
    )
    assert verdicts(missed) == ["NOT HELD"] * 8


def test_memory_may_not_grow_however_little_it_is() -> None:
    few, many = contest(20_000, ours=[1.0]), contest(1_000_000, ours=[50.0])
    few.peak_mb["ours"], many.peak_mb["ours"] = 300.0, 331.0  # type: ignore[index]
    assert [(each.measured, each.verdict) for each in aims(report(few, many))][5] == ("1.10, 331 MB", "NOT HELD")


def test_growth_is_fitted_in_log_log() -> None:
    linear = report(*(contest(visits, ours=[visits / 1000]) for visits in (1000, 20_000, 100_000)))
    assert linear.growth("ours") == pytest.approx(1.0)
    assert report(contest(1000, ours=[1.0])).growth("ours") is None
    assert report(contest(1000, ours=[1.0]), contest(4000, ours=[2.0])).growth("ours") == pytest.approx(0.5)


def test_whoever_is_slow_runs_at_large_sizes_only_when_asked_for() -> None:
    assert takes_part(GUIDE, visits=20_000, only=())
    assert not takes_part(GUIDE, visits=100_000, only=())
    assert takes_part(GUIDE, visits=100_000, only=("guide",))
    assert not takes_part(GUIDE, visits=1000, only=("afternoon",))
    assert takes_part(FLOOR, visits=1_000_000, only=("guide",))


def test_the_table_tells_who_was_left_out() -> None:
    told = text(report(contest(1000, ours=[1.0], floor=[1.0]), left_out={"the afternoon": "polars not installed"}))
    assert "the afternoon is left out: polars not installed" in told


def test_a_peak_is_of_the_block_alone_and_of_the_children_too() -> None:
    # In a process of its own: what this one has given back, and the system has not yet, would count.
    program = """
import subprocess, sys
import numpy as np
from tests.benchmarks.memory import measured
np.ones(50 * 2**17)  # 50 MB, given back before
with measured() as nothing:
    pass
with measured() as peak:
    np.ones(50 * 2**17)
    subprocess.run([sys.executable, "-c", "import time; held = b'x' * 100 * 2**20; time.sleep(1)"], check=True)
print(peak.mb - nothing.mb)
"""
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert 140 < float(said.stdout) < 200


def test_what_dirt_costs_is_told_by_round_and_for_a_hundred_thousand_findings() -> None:
    def round_of(clean: float, some: float, many: float, again: float) -> dict[str, Taken]:
        ways = zip(("clean", "a twentieth", "a tenth", AGAIN), (clean, some, many, again), strict=True)
        return {way: Taken(clock=seconds, ours=seconds, servers=1.0, validate=0.0, write=0.0) for way, seconds in ways}

    rounds = [round_of(2.0, 3.0, 4.0, 5.0), round_of(1.0, 9.0, 1.5, 2.0), round_of(4.0, 4.4, 4.5, 5.0)]
    # By the clock: ratios 1.5, 9, 1.1; seconds more 2, 0.5, 0.5 and 3, 1, 1. By processor one second of PostgreSQL's is in each.
    assert figures(rounds, findings=50_000) == Dirt(ratio=(1.5, 4 / 3), seconds=(1.0, 1.0), again=(2.0, 2.0))
