"""A dirty hospital scored twice, its rules compiled and by Great Expectations: the database holds the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorer.config import Settings

# What is recorded of a run, without the times and numbers that differ from one run to the next.
RECORDED = (
    "SELECT entity_id, rule, action, observation_id, column_name, observed, expected FROM reporting.quarantine ORDER BY 1, 2, 4",
    "SELECT suite, rule, action, column_name, judged, unexpected, success, detail FROM scorer.validation_results ORDER BY 1, 2",
    "SELECT entity_id, status, score, risk_band, reason, as_of FROM reporting.current_scores ORDER BY 1",
    "SELECT observations_read, observations_dropped, unknown_codes FROM scorer.batches",
)


def fill(hospital: Any) -> None:
    """Two dozen visits, and among their observations one of each kind of dirt."""
    hospital.admit(*range(1, 25))
    hospital.admit(25, age_years=999.0)
    hospital.admit(26, admitted_at=None)
    hospital.admit(27, hours_before_icu=math.inf)
    hospital.admit(28, observations=2)
    hospital.observe(1, observation_value=None)
    hospital.observe(2, observation_value=math.nan)
    hospital.observe(3, observation_value=math.inf)
    hospital.observe(4, observation_value=350.5)
    hospital.observe(5, hours_ago=-1)
    hospital.observe(6, hours_ago=11)
    hospital.observe(7, observation_date=None)
    hospital.observe(8, observation_type_code="NA")
    hospital.observe(9, reference_range_min=100.0, reference_range_max=60.0)
    hospital.observe(10, client="another client")
    for _ in range(12):
        hospital.observe(11)


def test_compiled_rules_and_great_expectations_leave_the_same_in_the_database(
    hospital: Any, make_database: Callable[[str], str], template: str, tmp_path: Path
) -> None:
    other = type(hospital)(
        url=make_database(template),
        settings=Settings(home=tmp_path / "other", validation="great_expectations"),
        job=hospital.job,
    )
    hospital.settings = replace(hospital.settings, validation="compiled")
    found = []
    for each in hospital, other:
        fill(each)
        each.run()
        found.append([each.rows(statement) for statement in RECORDED])
    other.close()
    assert found[0] == found[1]
    assert len({rule for _, rule, *_ in found[0][0]}) > 12  # so many rules were broken
