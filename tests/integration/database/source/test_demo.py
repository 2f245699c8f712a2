"""The demo's sample cohort: as many visits as are missing, and none where they are there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg2

from scorer.database.source.demo import load_sample
from scorer.jobs.job import Job


def test_as_many_visits_are_loaded_as_are_missing(database_url: str, sepsis: Job, tmp_path: Path) -> None:
    with closing(psycopg2.connect(database_url)) as connection:

        def load(visits: int) -> tuple[int, int, bool]:
            """How many visits were asked to be there: loaded, there now, and whether dirt was among them."""
            found = load_sample(sepsis, visits=visits, connection=connection, rejects=tmp_path / "rejects.csv")
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT count(DISTINCT visit_id) FROM public.visits")
                (there,) = cursor.fetchone()
            assert (found.report is None) == (found.visits == 0)
            return found.visits, there, bool(found.dirty)

        assert load(20) == (20, 20, True)
        assert load(20) == load(5) == (0, 20, False)
        assert load(23)[:2] == (3, 23)
    assert (tmp_path / "rejects.csv").exists(), "two observations have text for a value"
