"""What differs between two definitions of a job."""

from __future__ import annotations

import copy
from typing import Any

from scorer.jobs.folder.difference import difference
from scorer.jobs.job import Job


def changed(job: Job, old: str, new: str) -> dict[str, Any]:
    """The job's definition with another text in job.toml."""
    definition = copy.deepcopy(job.definition)
    assert old in definition["job.toml"]
    definition["job.toml"] = definition["job.toml"].replace(old, new)
    return definition


def test_the_same_is_the_same(sepsis: Job) -> None:
    found = difference(sepsis.definition, sepsis.definition)
    assert found.is_nothing
    assert (found.features_added, found.features_removed) == ((), ())


def test_features_and_lines_that_differ_are_told(sepsis: Job) -> None:
    found = difference(sepsis.definition, changed(sepsis, 'windows = ["6 h"]', 'windows = ["12 h"]'))
    assert [*found.files] == ["job.toml"]
    assert '-windows = ["6 h"]' in found.files["job.toml"]
    assert '+windows = ["12 h"]' in found.files["job.toml"]
    assert found.features_added is not None
    assert found.features_removed is not None
    assert "HR_min_12h" in found.features_added
    assert "HR_min_6h" in found.features_removed


def test_statements_and_suites_that_differ_came_or_went_are_told(sepsis: Job) -> None:
    other = copy.deepcopy(sepsis.definition)
    other["statements"]["due"] += "\n-- changed"
    del other["statements"]["orphans"]
    other["suites"]["scores"]["expectations"][0]["kwargs"]["mostly"] = 0.25
    found = difference(sepsis.definition, other)
    assert [*found.files] == ["due.sql", "orphans.sql", "scores.json"]
    assert found.files["due.sql"][-1] == "+-- changed"
    assert all(line[0] in "-@" for line in found.files["orphans.sql"])
    assert any("0.25" in line for line in found.files["scores.json"])


def test_a_definition_that_this_release_cannot_read_is_compared_all_the_same(sepsis: Job) -> None:
    found = difference(sepsis.definition, changed(sepsis, 'statistics = ["last"]', 'statistics = ["newest"]'))
    assert not found.is_nothing
    assert found.features_added is None
