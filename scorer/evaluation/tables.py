"""The tables of an evaluation's page: figures beside the naive forecast's, alarms, subgroups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from scorer.evaluation import wording
from scorer.evaluation.figures import Above, Evaluation, Group
from scorer.evaluation.pages.dress import Column, Html, element, joined, numbers, table, text
from scorer.evaluation.pages.wording import NOTHING, count
from scorer.tasks.bootstrap import Figure

WARD = 20  # beds, each with an entity at all times
_PER_CENT = 100.0
_OF_A_WARD = {"alarms_per_entity_day", "new_alarms_per_entity_day"}
_RIGHT = (
    "utility",
    "sensitivity",
    "specificity",
    "ppv",
    "entities_foreseen",
    "entities_caught",
    "entities_left_alone",
)
_SHARES = {*_RIGHT} - {"utility"}
_LOAD = (
    "alarms_per_entity_day",
    "new_alarms_per_entity_day",
    "entities_alarmed_per_100",
    "lead_hours_median",
    "lead_hours_lower",
    "lead_hours_upper",
)
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
_ALARMS_OF_SUBGROUPS = (
    "utility",
    "sensitivity",
    "specificity",
    "ppv",
    "entities_foreseen",
    "lead_hours_median",
    "alarms_per_entity_day",
    "entities_alarmed_per_100",
)


def summary(evaluation: Evaluation) -> Html:
    """Each figure of the whole cohort with its interval, beside the naive forecast's."""
    naive = _naive(evaluation)
    rows = [
        [
            wording.title(name),
            _stacked(wording.exact(figure.value), _interval(figure)),
            _value(naive.get(name)),
            wording.meaning(name),
        ]
        for name, figure in evaluation.whole.figures.items()
        if not _of_class(name)
    ]
    columns = ["figure", *numbers("value", "naive forecast"), text("says")]
    return table("Figures of everyone with 95 % intervals, and what the naive forecast comes to", columns, rows)


def by_class(evaluation: Evaluation) -> Html | None:
    """The figures of each class, the naive forecast's below; None where there are no classes."""
    figures, naive = evaluation.whole.figures, _naive(evaluation)
    classes = list(dict.fromkeys(_of_class(name) for name in figures if _of_class(name)))
    names = list(dict.fromkeys(name.partition(" of ")[0] for name in figures if _of_class(name)))
    if not classes:
        return None
    rows = []
    for each in classes:
        row: list[object] = [each]
        for name in names:
            found = figures.get(f"{name} of {each}", Figure(math.nan))
            beside = _value(naive.get(f"{name} of {each}"))
            row.append(_stacked(wording.exact(found.value), _interval(found), f"naive {beside}"))
        rows.append(row)
    return table(
        "Figures of each class against the rest, and below them what the naive forecast comes to",
        ["class", *numbers(*(wording.title(name) for name in names))],
        rows,
    )


def _of_class(name: str) -> str:
    """The class that a figure is of; empty for one of all."""
    return name.partition(" of ")[2]


def _naive(evaluation: Evaluation) -> Mapping[str, Figure]:
    return {} if evaluation.naive is None else evaluation.naive.figures


def _value(figure: Figure | None) -> str:
    return NOTHING if figure is None else wording.exact(figure.value) or NOTHING


def _interval(figure: Figure) -> str:
    return f"{wording.exact(figure.low)} to {wording.exact(figure.high)}" if math.isfinite(figure.low) else ""


def _stacked(value: str, *below: str) -> Html | str:
    """A value, and in small print below it what belongs to it."""
    lines = [joined(element("br"), element("small", each)) for each in below if each]
    return joined(value, lines) if value else NOTHING


# Alarms


def told(thresholds: Sequence[Above]) -> tuple[list[Above], int]:
    """The thresholds that say something, falling, and how many do not.

    Those without a name are left out where there is no alarm above them, or just the alarms of another one that is told.
    """
    falling = sorted(thresholds, key=lambda each: (-each.threshold, each.name is None))
    seen = {repr(each.figures) for each in falling if each.name is not None}
    kept = []
    for each in falling:
        same = repr(each.figures)
        if each.name is None:
            load = each.figures.get("alarms_per_entity_day")
            if same in seen or (load is not None and load.value == 0):
                continue
            seen.add(same)
        kept.append(each)
    return kept, len(falling) - len(kept)


def alarms(evaluation: Evaluation) -> list[Html]:
    """How right alarms are, and their load: a row for each threshold, that of the job marked."""
    above, _ = told(evaluation.whole.above)
    own = {place for place, each in enumerate(above) if each.name is not None and each.name == evaluation.alarm}
    made = []
    for caption, wanted in (
        ("How right alarms are, by where they begin, with 95 % intervals", _RIGHT),
        (f"Load of alarms in a ward of {WARD} beds, and how early they come, with 95 % intervals", _LOAD),
    ):
        names = [name for name in wanted if above and name in above[0].figures]
        if names:
            rows = [[_threshold(each), *_cells(each.figures, names)] for each in above]
            made.append(table(caption, ["alarms at scores", *_heads(names)], rows, marked=own))
    return made


def _threshold(above: Above) -> Html:
    head, bracket, own = wording.threshold(above).partition(" (")
    return joined(head, [element("br"), element("small", own[:-1])] if bracket else None)


def _heads(names: Sequence[str]) -> tuple[Column | str, ...]:
    return numbers(*map(_head, names))


def _head(name: str) -> str:
    title = wording.title(name)
    if name in _OF_A_WARD:
        return f"{title}, {WARD} beds"
    return f"{title}, %" if name in _SHARES else title


def _cells(figures: Mapping[str, Figure], names: Sequence[str]) -> list[object]:
    return [_cell(name, figures[name]) if name in figures else NOTHING for name in names]


def _cell(name: str, figure: Figure) -> Html | str:
    """A figure of alarms as its head says it: in per cent, or for a ward."""
    times = WARD if name in _OF_A_WARD else _PER_CENT if name in _SHARES else 1.0
    value, low, high = (wording.significant(times * each) for each in (figure.value, figure.low, figure.high))
    return _stacked(value, f"{low} to {high}" if low else "")


# Whom it is about


def attrition(evaluation: Evaluation) -> Html:
    """What is left of the cohort after each step."""
    rows = [[wording.step(name), count(number)] for name, number in evaluation.attrition.items()]
    return table("Entities and landmarks, step by step", ["step", *numbers("how many")], rows)


def subgroups(evaluation: Evaluation) -> list[Html]:
    """The figures of each subgroup, and those of its alarms."""
    whole = evaluation.whole
    names = [name for name in _OF_SUBGROUPS if name in whole.figures]
    counted = ("entities", "events", "positive landmarks") if whole.positives else ("entities", "outcomes")
    rows: list[list[object]] = []
    for group in evaluation.groups:
        counts = [count(number) for number in (group.entities, group.events, group.positives)[: len(counted)]]
        figures = [group.figures.get(name, Figure(math.nan)) for name in names]
        rows.append(
            [
                _group(evaluation, group),
                *counts,
                *(_stacked(wording.exact(each.value), _interval(each)) for each in figures),
            ]
        )
    heads = (*counted, *(wording.title(name) for name in names))
    made = [table("Figures by subgroup, with 95 % intervals", ["subgroup", *numbers(*heads)], rows)]
    first = evaluation.alarming(whole)
    if first is not None:
        of_alarms = [name for name in _ALARMS_OF_SUBGROUPS if name in first.figures]
        found = [(group, evaluation.alarming(group)) for group in evaluation.groups]
        rows = [
            [_group(evaluation, group), *_cells({} if own is None else own.figures, of_alarms)] for group, own in found
        ]
        caption = f"The job's own alarms, from the band {evaluation.alarm} on, by subgroup"
        made.append(table(caption, ["subgroup", *_heads(of_alarms)], rows))
    return made


def _group(evaluation: Evaluation, group: Group) -> Html:
    few = wording.few(group) if evaluation.outcomes else ""
    return joined(wording.subgroup(group), [element("br"), element("small", few)] if few else None)


def words(evaluation: Evaluation) -> Html | None:
    """What the figures of alarms say; None where there are none."""
    used = {name for each in evaluation.whole.above for name in each.figures}
    rows = [list(each) for name, each in wording.FIGURES.items() if name in used]
    return table("Figures of alarms", ["figure", text("says")], rows) if rows else None
