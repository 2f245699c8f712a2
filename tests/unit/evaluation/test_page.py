"""The page of an evaluation: whole, closed, escaped, and without a link to anywhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest

from scorer.evaluation import wording
from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.page import page
from scorer.jobs.job import Job
from tests import evaluations

HOSTILE = "<script>alert(1)</script>"


class Reader(HTMLParser):
    """Which elements there are, and whether each is closed where it should be."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.seen: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_by_itself(done: Evaluation) -> None:
    html = page(done)
    reader = Reader()
    reader.feed(html)
    assert reader.opened == []
    assert reader.seen.count("svg") == 6
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.seen)
    assert not re.search(r"https?:|@import|url\((?!#)|\bsrc=", html)
    assert len(reader.ids) == len(set(reader.ids))
    used = {*re.findall(r'href="#([^"]+)"', html), *re.findall(r"url\(#([^)]+)\)", html)}
    assert used <= set(reader.ids)
    assert "below <65>" in reader.text  # escaped
    assert "scorer evaluate <here>" in reader.text
    assert done.cohort_sha256 in reader.text
    assert page(done) == html


def test_a_page_marks_the_jobs_alarms_and_groups_of_few_events(done: Evaluation) -> None:
    first, *others = done.groups
    html = page(dataclasses.replace(done, groups=(first, *(dataclasses.replace(each, events=5) for each in others))))
    assert html.count("<small>fewer than 10 events</small>") == 2 * len(others), "figures, and alarms"
    marked = re.findall(r'<tr class="marked"><th scope="row">([^<]*)</th>', html)
    assert marked == ["MEDIUM, above 0.025"] * 2, "how right its alarms are, and their load"
    assert "The job alarms from the band MEDIUM on." in html


def test_a_page_without_outcomes_has_the_load_alone(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    html = page(evaluated(sepsis, cohort(), outcomes=False))
    assert "<svg" in html
    assert "Alarms per day" in html
    assert "Summary" not in html
    assert "How right alarms are" not in html
    assert "PPV, %" not in html


@pytest.mark.parametrize("make", [evaluations.of_events, evaluations.of_classes, evaluations.of_values])
def test_a_page_of_each_task_escapes_whatever_it_is_given(make: Callable[[], Evaluation]) -> None:
    found = make()
    band = found.alarm
    above = tuple(dataclasses.replace(each, name=HOSTILE) if each.name == band else each for each in found.whole.above)
    hostile = dataclasses.replace(
        found,
        job=HOSTILE,
        alarm=HOSTILE,
        remarks=(HOSTILE,),
        attrition={HOSTILE: 1},
        command=HOSTILE,
        groups=(dataclasses.replace(found.whole, above=above), *found.groups[1:]),
    )
    html = page(hostile)
    reader = Reader()
    reader.feed(html)
    assert reader.opened == []
    assert len(reader.ids) == len(set(reader.ids))
    assert not {"script", "b"} & set(reader.seen)
    assert reader.text.count(HOSTILE) > 8


def test_a_page_of_classes_has_the_naive_forecast_beside_each() -> None:
    found = evaluations.of_classes()
    assert found.naive is not None
    html = page(found)
    for name in evaluations.CLASSES:
        for figure in ("auroc", "brier"):
            beside = f"<small>naive {wording.exact(found.naive.figures[f'{figure} of {name}'].value)}</small>"
            assert beside in html
    assert html.count("<svg") == 3


def test_a_page_says_where_the_naive_forecast_is_judged_by_other_landmarks() -> None:
    found = evaluations.of_events()
    assert found.naive is not None
    sentence = "so that the prevalences differ"
    assert sentence in page(found)
    alike = {**found.naive.figures, "prevalence": found.whole.figures["prevalence"]}
    same = dataclasses.replace(found, naive=dataclasses.replace(found.naive, figures=alike))
    assert sentence not in page(same)
    assert sentence not in page(evaluations.of_classes())


def test_a_page_of_values_tells_how_near_they_come() -> None:
    html = page(evaluations.of_values())
    for words in ("Mean absolute error", "Coverage", "HIGH, above 1,000,000", "The model beats the naive forecast"):
        assert words in html
    assert html.count("<svg") == 3
    assert "Decision curve" not in html
