"""An evaluation as one HTML page without scripts or links to other hosts; it prints as it reads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from scorer import __version__
from scorer.errors import UserError
from scorer.evaluation import wording
from scorer.evaluation.beside_naive import in_words
from scorer.evaluation.figures import Above, Evaluation
from scorer.evaluation.plots import plots

_NUMBER, _OWN = ' class="n"', ' class="own"'
_CAPTIONS = {
    "reliability": "Reliability: the mean score of like landmarks against the share of them that is positive, with 95 % intervals. "
    "On the dashed line a score means what it says.",
    "histogram": "How many landmarks have which score; where the bands begin.",
    "roc": "ROC curve; on the dashed line a score says nothing.",
    "precision": "Precision-recall curve; the dashed line is the prevalence.",
    "utility": "Utility of alarming above each score; where the bands begin.",
    "confusion": "Which class (rows) was taken for which (columns): landmarks, shaded by their share of the true class.",
    "agreement": "Values against what came true, with their intervals; on the dashed line they are equal.",
    "coverage": "The share of what came true inside the interval, by tenths of the value, with 95 % intervals.",
}
_OF_SUBGROUPS = (
    "auroc",
    "average_precision",
    "brier",
    "calibration_intercept",
    "calibration_slope",
    "log_loss",
    "f1",
    "accuracy",
    "mae",
    "rmse",
    "r2",
    "coverage",
    "width",
)
_OF_ALARMS = (
    "utility",
    "sensitivity",
    "specificity",
    "ppv",
    "entities_foreseen",
    "lead_hours_median",
    "alarms_per_entity_day",
    "entities_alarmed_per_100",
)


def page(evaluation: Evaluation) -> str:
    """The page as HTML. Raises UserError where matplotlib is missing."""
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    notes = "".join(f"<p>{escape(remark)}</p>" for remark in evaluation.remarks)
    return template.substitute(
        title=escape(f"Model {evaluation.model_version} of {evaluation.job}"),
        headline=escape(wording.headline(evaluation)),
        notes=f'<div class="notes">{notes}</div>' if notes else "",
        sections="\n".join(_sections(evaluation)),
    )


def _sections(evaluation: Evaluation) -> Iterator[str]:
    whole = evaluation.whole
    if whole.figures:
        yield "<h2>Summary</h2>" + _figures(evaluation)
    yield "<h2>Plots</h2>" + _plots(evaluation)
    if whole.above:
        yield "<h2>Alarms</h2>" + _thresholds(evaluation)
    yield "<h2>Who was evaluated</h2>" + _table(
        ["step", "how many"],
        [[wording.step(name), f"{count:,}"] for name, count in evaluation.attrition.items()],
        numbers={1},
    )
    if len(evaluation.groups) > 1:
        yield "<h2>Subgroups</h2>" + _subgroups(evaluation)
    yield "<h2>What the words say</h2>" + _words(evaluation)
    yield "<h2>How this page was made</h2>" + _making(evaluation)


def _figures(evaluation: Evaluation) -> str:
    naive = evaluation.naive
    beside = {} if naive is None else naive.figures
    rows = [
        [
            wording.title(name),
            wording.written(figure),
            wording.number(beside[name].value) if name in beside else "",
            wording.meaning(name),
        ]
        for name, figure in evaluation.whole.figures.items()
    ]
    note = "" if naive is None else f"<p>{escape(in_words(naive))}</p>"
    return _table(["figure", "value (95 % interval)", "naive forecast", ""], rows) + note


def _plots(evaluation: Evaluation) -> str:
    figures = "".join(
        f"<figure>{svg}<figcaption>{escape(_CAPTIONS[name])}</figcaption></figure>"
        for name, svg in plots(evaluation).items()
    )
    return f'<div class="plots">{figures}</div>'


def _thresholds(evaluation: Evaluation) -> str:
    """One row per threshold, falling; the row of the job's own alarms is marked."""
    whole = evaluation.whole
    above = sorted(whole.above, key=lambda each: -each.threshold)
    names = list(above[0].figures) if above else []
    rows = [[wording.threshold(each), *_shown(each, names)] for each in above]
    own = {place for place, each in enumerate(above) if each.name is not None and each.name == evaluation.alarm}
    notes = [f"The job alarms from the band {evaluation.alarm} on." if own else "The job names no band to alarm from."]
    best = evaluation.pictures.best_threshold
    if math.isfinite(best):
        notes.append(
            f"The best utility on this cohort would have come of alarming at {wording.number(best)} and above, "
            f"{wording.number(evaluation.pictures.best_utility)}: known only afterwards, and no promise."
        )
    header = ["alarms at scores", *(wording.title(name) for name in names)]
    return f"<p>{escape(' '.join(notes))}</p>" + _table(header, rows, marked=own, stacked=True)


def _shown(above: Above | None, names: Sequence[str]) -> list[str]:
    return [wording.written(above.figures[name]) if above and name in above.figures else "" for name in names]


def _subgroups(evaluation: Evaluation) -> str:
    of_scores = [name for name in _OF_SUBGROUPS if name in evaluation.whole.figures]
    first = evaluation.alarming(evaluation.whole)
    of_alarms = [name for name in _OF_ALARMS if first is not None and name in first.figures]
    rows = []
    for group in evaluation.groups:
        figures = [wording.written(group.figures[name]) for name in of_scores]
        few = wording.few(group) if evaluation.outcomes else ""
        named = wording.subgroup(group) + (f" ({few})" if few else "")
        counts = [f"{count:,}" for count in (group.entities, group.events, group.positives)]
        rows.append([named, *counts, *figures, *_shown(evaluation.alarming(group), of_alarms)])
    header = ["subgroup", "entities", "events", "positive landmarks"]
    header += [wording.title(name) for name in (*of_scores, *of_alarms)]
    note = f"Alarms are those of the job, from the band {evaluation.alarm} on." if of_alarms else ""
    return f"<p>{escape(note)}</p>" + _table(header, rows, numbers={1, 2, 3}, stacked=True)


def _words(evaluation: Evaluation) -> str:
    whole = evaluation.whole
    used = {*whole.figures, *(name for each in whole.above for name in each.figures)}
    words = [[title, says] for name, (title, says) in wording.FIGURES.items() if name in used]
    return _table(["figure", "says"], words) + (
        "<p>The naive forecast is what one would say without a model: the prevalence, the shares of the classes, or the median of a "
        "client's own earlier outcomes (everyone's, where there is none). A landmark is an entity at an as-of time: scored by what was "
        "known then, no less and no more. Sensitivity, specificity, PPV "
        "and utility are by landmark; one without a score has no alarm. Intervals are the middle 95 % of a bootstrap over clients.</p>"
    )


def _making(evaluation: Evaluation) -> str:
    return _table(
        ["", ""],
        [
            ["job version", evaluation.job_version],
            ["model version", evaluation.model_version],
            ["cohort, SHA-256", evaluation.cohort_sha256],
            ["clients that the model was trained on", _seen(evaluation)],
            ["draws of the bootstrap", f"{evaluation.draws}"],
            ["scorer", __version__],
            ["command", evaluation.command],
        ],
    )


def _seen(evaluation: Evaluation) -> str:
    seen = evaluation.clients_seen
    return "not known" if seen is None else f"{seen:,} of {evaluation.clients:,}"


def _table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[int] = (),
    marked: Collection[int] = (),
    stacked: bool = False,
) -> str:
    """A table of escaped texts: columns `numbers` aligned right, rows `marked` highlighted.

    Where `stacked`, an interval stands below its value.
    """

    def shown(text: str) -> str:
        value, bracket, interval = text.partition(" (")
        if stacked and interval.endswith(")") and " to " in interval and bracket:
            return f"{escape(value)}<br><small>{escape(interval[:-1])}</small>"
        return escape(text)

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{_NUMBER if place in numbers else ''}>{shown(text)}</{tag}>" for place, text in enumerate(row)
        )

    head = f"<thead><tr>{cells('th', header)}</tr></thead>" if any(header) else ""
    body = "".join(f"<tr{_OWN if place in marked else ''}>{cells('td', row)}</tr>" for place, row in enumerate(rows))
    return f'<div class="wide"><table>{head}<tbody>{body}</tbody></table></div>'


def write_page(report: Path, text: str) -> None:
    """Write a page to the file `report`. Raises UserError where the file cannot be written."""
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"The page {report} cannot be written: {error.strerror}; nothing was kept.") from error
