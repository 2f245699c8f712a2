"""The page of an evaluation: whole, closed, escaped, and without a link to anywhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser

from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.page import page
from scorer.jobs.job import Job


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
    assert reader.seen.count("svg") == 5
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
    assert html.count("fewer than 10 events") == len(others)
    assert re.findall(r'<tr class="own"><td>([^<]*)</td>', html) == ["MEDIUM, above 0.025"]
    assert "The job alarms from the band MEDIUM on." in html


def test_a_page_without_outcomes_has_the_load_alone(
    sepsis: Job, cohort: Callable[..., EvaluationCohort], evaluated: Callable[..., Evaluation]
) -> None:
    html = page(evaluated(sepsis, cohort(), outcomes=False))
    assert "<svg" in html
    assert "Alarms per day" in html
    assert "<h2>Summary</h2>" not in html
