"""The tables: which thresholds say something, digits that say something, the load of a ward."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest

from scorer.evaluation import tables, wording
from scorer.evaluation.figures import Above, Evaluation
from scorer.tasks.bootstrap import Figure
from tests import evaluations


@pytest.fixture(scope="module")
def rare(done: Evaluation) -> Evaluation:
    """Alarms of which there is one in ten thousand days, with the same above two thresholds and none above the others."""

    def above(threshold: float, name: str | None, load: float) -> Above:
        figures = {
            "sensitivity": Figure(load, load / 2, load * 2),
            "ppv": Figure(0.1 if load else math.nan),
            "alarms_per_entity_day": Figure(load, load / 2, load * 2),
        }
        return Above(threshold, name, figures)

    made = [above(0.3, "HIGH", 0.0001), above(0.1, "MEDIUM", 0.02)]
    made += [above(at, None, load) for at, load in ((0.05, 0.03), (0.1001, 0.02), (0.04, 0.03), (0.5, 0.0), (0.9, 0.0))]
    return dataclasses.replace(done, groups=(dataclasses.replace(done.whole, above=tuple(made)),))


def test_thresholds_that_say_nothing_new_are_left_out(rare: Evaluation) -> None:
    kept, left = tables.told(rare.whole.above)
    assert [(each.threshold, each.name) for each in kept] == [(0.3, "HIGH"), (0.1, "MEDIUM"), (0.05, None)]
    assert left == 4


def test_a_threshold_with_a_name_is_told_whatever_it_says(done: Evaluation) -> None:
    silent = [Above(0.9, "HIGH", {"alarms_per_entity_day": Figure(0.0)})] * 2
    assert tables.told(silent) == (silent, 0)


def test_no_figure_of_alarms_that_is_not_nothing_reads_as_nothing(rare: Evaluation) -> None:
    right, load = tables.alarms(rare)
    assert '<td class="n">0.0100<br><small>0.00500 to 0.0200</small></td>' in right, "per cent"
    assert '<td class="n">0.00200<br><small>0.00100 to 0.00400</small></td>' in load, "of 20 beds"
    for made in (right, load):
        assert not re.search(r">0(\.0+)?<", made)


def test_a_ward_has_so_many_times_the_alarms_of_a_bed(done: Evaluation) -> None:
    (_, load) = tables.alarms(done)
    assert "Alarms per day, 20 beds" in load
    own = done.alarming(done.whole)
    assert own is not None
    for name in ("alarms_per_entity_day", "new_alarms_per_entity_day"):
        assert f">{wording.significant(20 * own.figures[name].value)}<br>" in load


def test_each_figure_stands_beside_the_naive_forecasts() -> None:
    found = evaluations.of_events()
    assert found.naive is not None
    made = tables.summary(found)
    for name in ("auroc", "average_precision", "brier"):
        row = re.search(rf'<tr><th scope="row">{wording.title(name)}</th>(.*?)</tr>', made)
        assert row is not None
        cells = re.findall(r'<td class="n">(.*?)</td>', row[1])
        own, naive = found.whole.figures[name], found.naive.figures[name]
        interval = f"{wording.exact(own.low)} to {wording.exact(own.high)}"
        assert cells == [f"{wording.exact(own.value)}<br><small>{interval}</small>", wording.exact(naive.value)]


def test_classes_are_in_a_table_of_their_own() -> None:
    found = evaluations.of_classes()
    assert " of " not in "".join(re.findall(r'<th scope="row">([^<]*)</th>', tables.summary(found)))
    made = tables.by_class(found)
    assert made is not None
    assert made.count('<th scope="row">') == len(evaluations.CLASSES)
    assert tables.by_class(evaluations.of_values()) is None


def test_subgroups_have_their_figures_and_their_alarms(done: Evaluation) -> None:
    figures, alarms = tables.subgroups(done)
    assert figures.count('<th scope="row">') == alarms.count('<th scope="row">') == len(done.groups)
    assert "age: below &lt;65&gt;" in figures
    assert "from the band MEDIUM on" in alarms
    assert len(tables.subgroups(dataclasses.replace(done, alarm=None))) == 1


def test_the_words_are_those_of_alarms(done: Evaluation) -> None:
    made = tables.words(done)
    assert made is not None
    assert "Sensitivity" in made
    assert "AUROC" not in made
    assert tables.words(dataclasses.replace(done, groups=(dataclasses.replace(done.whole, above=()),))) is None


def test_the_attrition_is_told_step_by_step(done: Evaluation) -> None:
    made = tables.attrition(done)
    assert made.count("<tr>") == 1 + len(done.attrition)
    assert '<td class="n">1,200</td>' in made
