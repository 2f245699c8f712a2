"""What the report draws: bars as high as their counts, in their order, and the texts that say the same."""

from __future__ import annotations

import re

from scorer.monitoring.report.charts import Point, Series, beside_training, from_checkups, key, over_time
from scorer.monitoring.report.period import week_of

WEEK = week_of("2026-W48")
HIGH = Series("HIGH", "c1", [0, 1, 0, 2, 0, 0, 4])
LOW = Series("<LOW>", "c3", [7, 7, 7, 7, 7, 7, 7])


def heights(made: str, colour: str) -> list[float]:
    """How high each bar of a colour is, in points."""
    found = []
    for path in re.findall(rf'<path d="([^"]*)"[^>]*style="fill: var\(--{colour}\)"', made):
        ys = [float(y) for _, y in re.findall(r"[ML] ([-0-9.]+) ([-0-9.]+)", path)]
        found.append(max(ys) - min(ys))
    return found


def test_bars_are_as_high_as_their_counts() -> None:
    made = over_time([HIGH, LOW], WEEK, of="scores", name="a", marks=[2.5])
    high, low = heights(made, "c1"), heights(made, "c3")
    assert len(high) == len(low) == 7
    one = low[0] / 7
    assert [round(each / one) for each in high] == HIGH.values
    assert {round(each / one) for each in low} == {7}
    assert "scores by day, Week 48 of 2026: HIGH 7; &lt;LOW&gt; 49." in made
    assert ">1<" in made


def test_the_key_tells_colours_and_counts() -> None:
    made = key([HIGH, LOW])
    assert "fill:var(--c1)" in made
    assert "&lt;LOW&gt; 49" in made


def test_shares_stand_beside_those_of_training() -> None:
    made = beside_training([0.5] + [0.05] * 9 + [0.05], [0.1] * 10 + [0.0], name="a", alt="HR moved")
    assert 'aria-label="HR moved"' in made
    filled = heights(made, "blue")
    assert len(filled) == 2  # the tenths, and the missing values
    assert round(filled[0] / filled[1]) == 10


def test_a_figure_from_checkup_to_checkup() -> None:
    points = [Point(-2.0, 0.8, 0.7, 0.9, 0.85), Point(-1.0, 0.7, None, None, None)]
    made = from_checkups(points, name="a", alt="AUROC at 2 checkups")
    assert 'aria-label="AUROC at 2 checkups"' in made
    assert "stroke-dasharray" in made
