"""Reading the hospital's tables: which columns are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scorer.database.connection import Database
from scorer.database.source.reader import Source
from scorer.database.statements import without_comments
from scorer.types.values import WorkItem


def test_a_column_that_is_gone_by_now_is_asked_for_no_more(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("CREATE TABLE wards AS SELECT 'A' AS ward, 'B' AS floor")
    hospital.execute("GRANT SELECT ON wards TO scorer_worker")
    plain = without_comments(hospital.job.statements["observations"])
    with_all = f"SELECT given.*, w.* FROM ({plain}) AS given CROSS JOIN public.wards AS w"
    job = replace(hospital.job, statements={**hospital.job.statements, "observations": with_all})
    items = (WorkItem(entity_id="1", as_of=hospital.noon),)
    source = Source.of(Database(hospital.url, hospital.settings))
    try:
        before = source.observations(job, items)
        hospital.execute("ALTER TABLE wards DROP COLUMN floor")
        after = source.observations(job, items)
    finally:
        source.close()
    assert {"ward", "floor"} <= before.extras.keys()
    assert after.extras.keys() == before.extras.keys() - {"floor"}
    assert len(after) == len(before) > 0
