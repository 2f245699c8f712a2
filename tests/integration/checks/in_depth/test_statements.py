"""The check of a job's statements without a model: each fault is a sentence of the statement that has it."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.checks.in_depth.statements import check_statements
from scorer.checks.result import CheckResult


def lines(shop: Any) -> dict[str, CheckResult]:
    """Each line of the check, by its name."""
    return {result.name: result for result in check_statements(shop.job, database=shop.database)}


def test_a_new_job_holds_as_it_stands(shop: Any) -> None:
    found = lines(shop)
    assert [name for name, result in found.items() if not result.holds] == []
    assert [*found] == ["statements", "due", "observations", "attributes", "suites", "landmarks"]
    assert "outcomes: " in found["landmarks"].found


FAULTS = {
    "a column that is not there": ("due.sql", "c.joined_at", "c.begun_at", "statements", "due"),
    "a number for a key": ("due.sql", "c.client_id AS entity_id", "1 AS entity_id", "statements", "due"),
    "a date for a time": ("due.sql", "CAST(:as_of AS timestamptz) AS", "CAST(:as_of AS date) AS", "due", "a timestamptz"),
    "a column left out": ("observations.sql", "    e.kind AS observation_type_code,\n", "", "observations", "observation_type_code"),
    "another unit": ("observations.sql", "    e.amount AS", "    e.amount * 1e6 AS", "observations", "another unit"),
    "two rows for an entity": ("attributes.sql", "ON c.client_id = k.entity_id", "ON true", "attributes", "more than one row"),
    "other words": ("attributes.sql", "    c.region", "    upper(c.region) AS region", "attributes", "no value is known"),
    "an attribute left out": ("attributes.sql", ",\n    c.age_years", "", "suites", "age_years"),
    "a label that is text": ("landmarks.sql", "o.outcome AS label", "'yes' AS label", "landmarks", "0, 1 or NULL"),
    "another number": ("landmarks.sql", "o.outcome AS label", "o.outcome + 1 AS label", "landmarks", "0, 1 or NULL"),
    "one label": ("landmarks.sql", "o.outcome AS label", "1 AS label", "landmarks", "none is negative"),
    "landmarks to come": ("landmarks.sql", "    o.as_of,", "    o.as_of + interval '10 years' AS as_of,", "landmarks", "in the future"),
    "a landmark twice": ("landmarks.sql", "    o.as_of,", "    timestamptz '2025-01-01' AS as_of,", "landmarks", "give it once"),
    "a key that is a number": ("landmarks.sql", "o.client_id AS entity_id", "1 AS entity_id", "landmarks", "text is expected"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_where_it_is(shop: Any, fault: str) -> None:
    file, old, new, line, words = FAULTS[fault]
    shop.edit(file, old, new)
    result = lines(shop)[line]
    assert not result.holds, result.found
    assert words in result.found
    assert "\n" not in result.found
