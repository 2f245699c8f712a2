"""The report as a picture: seconds over visits for every contestant, and where our time goes."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.contestants import TITLES
from tests.benchmarks.report import Report


def draw(report: Report, path: Path) -> None:
    """Write an SVG; its text stays text."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "scorer", "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(11, 4.5), layout="constrained")
        growth, stages = figure.subplots(ncols=2)
        for module, title in TITLES.items():
            points = [(each.visits, each.median(module)) for each in report.contests if module in each.seconds]
            if points:
                growth.loglog(*zip(*points, strict=True), marker="o", label=title)
        growth.set(xlabel="visits", ylabel="seconds, median", title=f"{report.observations} observations a visit")
        growth.grid(visible=True, which="both", alpha=0.2)
        growth.legend(frameon=False, fontsize=8)
        largest = report.contests[-1]
        names, seconds = zip(*sorted(largest.stages.items(), key=lambda stage: stage[1]), strict=True)
        stages.barh(names, seconds, color="tab:orange")
        stages.set(xlabel="seconds", title=f"ours by stage, {largest.visits:,} visits")
        figure.savefig(path, metadata={"Date": None})
