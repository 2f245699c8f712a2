"""Observations of visits that do not exist: found in the gaps between those that do, wherever the gaps are."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scorer.database.connection import Database
from scorer.database.source.reader import Source

LEAST, MOST = -(2**63), 2**63 - 1
IDS = st.sampled_from([LEAST, LEAST + 1, -1, *range(8), MOST - 1, MOST])
KNOWN_TO_SQL = """
    SELECT COALESCE(CAST(visit_id AS text), ''), count(*) FROM patient_observations
    WHERE visit_id IS NULL OR visit_id NOT IN (SELECT visit_id FROM visits)
    GROUP BY visit_id"""


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(visits=st.sets(IDS), observed=st.lists(st.one_of(st.none(), IDS), max_size=12))
@example(visits=set(), observed=[LEAST, LEAST, MOST, None])
@example(visits={LEAST, MOST}, observed=[LEAST, MOST, 0])
@example(visits={1, 2, 3}, observed=[1, 2, 3])
def test_a_sweep_finds_every_visit_that_does_not_exist(
    hospital: Any, visits: set[int], observed: list[int | None]
) -> None:
    hospital.execute("TRUNCATE visits, patient_observations CASCADE")
    for visit_id in visits:
        hospital.execute("INSERT INTO visits (visit_id, admitted_at) VALUES (%s, %s)", visit_id, hospital.noon)
    for visit_id in observed:
        hospital.execute(
            "INSERT INTO patient_observations (visit_id, observation_date, observation_type_code) VALUES (%s, %s, 'HR')",
            visit_id,
            hospital.noon,
        )
    source = Source.of(Database(hospital.url, hospital.settings))
    try:
        found = source.orphans(hospital.job, sweep=True, known=())
    finally:
        source.close()
    assert sorted(found) == sorted(hospital.rows(KNOWN_TO_SQL))
