"""The files that a search writes: best configuration, all trials as JSON, a summary, and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorer.errors import UserError
from scorer.jobs.training import OWN_LANDMARKS, Recipe
from scorer.training.search.conduct import Found

CONFIG = "best_model_config.json"
LOG = "optimization_log.json"
SUMMARY = "summary.txt"
PICTURE = "trade_offs.svg"
_SHORT = {"auroc": "AUROC", "average_precision": "AP", "f1": "F1", "mae": "MAE"}


def write_findings(found: Found, folder: Path) -> tuple[Path, ...]:
    """Write the files of a search into `folder`. Returns their paths; without matplotlib there is no plot.

    Raises UserError where every trial failed.
    """
    if not found.ranked:
        raise UserError(f"No trial of the search succeeded; {folder / 'trials.jsonl'} says why each failed.")
    written = [folder / name for name in (CONFIG, LOG, SUMMARY)]
    best = found.ranked[0]
    config = {
        "job": found.about["job"],
        "recipe": {**Recipe().as_json(), **best["recipe"]},
        "found": {name: best[name] for name in ("combination", "auroc", "average_precision", "objective", "utility")}
        | {"figures": best["figures"], "experiment_id": found.about["experiment_id"], "trials": len(found.trials)},
    }
    _write_json(written[0], config)
    _write_json(written[1], {**found.about, "trials": list(found.trials)})
    written[2].write_text(summary(found), encoding="utf-8")
    picture = folder / PICTURE
    if draw(found, picture):
        written.append(picture)
    return tuple(written)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def summary(found: Found) -> str:
    """The ranking of the trials as text."""
    about = found.about
    failed = [trial for trial in found.trials if trial["error"] is not None]
    names = list(found.ranked[0]["figures"]) if found.ranked else []
    heads = "  ".join(f"{_SHORT.get(name, name):>6}" for name in names)
    positive = f", {about['positive_landmarks']:,} of them positive" if about["positive_landmarks"] else ""
    lines = [
        f"Search for the best model of job {about['job']}: {len(found.trials)} of {about['planned']} trials, {len(failed)} failed.",
        f"{about['landmarks']:,} landmarks{_every(about['landmark_step'])}{positive}.",
        f"{about['entities']:,} entities, {about['clients']:,} clients; {about['folds']} folds by client.",
        f"Objective: {about['objective']}, each the mean over the folds. Seconds are of one core.",
        "",
        f"{'rank':>4}  {'objective':>9}  {heads}  {'utility':>7}  {'features':>8}  {'seconds':>7}  model",
    ]
    for rank, trial in enumerate(found.ranked, start=1):
        utility = "" if trial["utility"] is None else f"{trial['utility']:.3f}"
        figures = "  ".join(_written(trial["figures"][name]) for name in names)
        lines.append(
            f"{rank:>4}  {trial['objective']:>9.4f}  {figures}  {utility:>7}  "
            f"{trial['features']:>8}  {trial['seconds']:>7.1f}  {trial['configuration']}, {trial['combination']}"
        )
    lines += [f"failed  {each['configuration']}, {each['combination']}: {each['error']}" for each in failed]
    return "\n".join(lines) + "\n"


def _written(value: float) -> str:
    """A figure in six places or more: four decimals of a share, four digits of what is larger."""
    return f"{value:>6.4f}" if abs(value) < 1 else f"{value:>6.4g}"


def _every(step: str) -> str:
    """The landmarks' step in words; nothing where the job has landmarks of its own."""
    return "" if step == OWN_LANDMARKS else f", one every {step}"


def draw(found: Found, path: Path) -> bool:
    """Draw the objective against seconds and against features into `path`, as SVG.

    Returns whether it was drawn: not where matplotlib is missing.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasSVG(figure)
    by_seconds, by_features = figure.subplots(1, 2, sharey=True)
    kinds = sorted({trial["configuration"] for trial in found.ranked})
    for kind in kinds:
        trials = [trial for trial in found.ranked if trial["configuration"] == kind]
        objective = [trial["objective"] for trial in trials]
        by_seconds.scatter([trial["seconds"] for trial in trials], objective, label=kind, s=22)
        by_features.scatter([trial["features"] for trial in trials], objective, s=22)
    by_seconds.set(xscale="log", xlabel="seconds for all folds, one core", ylabel=found.about["objective"])
    by_features.set(xlabel="features")
    for axes in (by_seconds, by_features):
        axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4)
    figure.suptitle(f"Job {found.about['job']}: {len(found.ranked)} models, {found.about['folds']} folds by client")
    with rc_context({"svg.hashsalt": "scorer"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
    return True
