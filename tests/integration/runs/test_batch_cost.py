"""What a batch reads: its own rows, however many stand beside them and whatever the planner knows of the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa

from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.statements import bound
from scorer.database.store.batches import claim_work
from scorer.database.store.ledger import write_staged
from scorer.database.store.runs import begin_run, list_missing, register_job_version
from scorer.runs.plan import steps_of
from scorer.types.enums import Trigger
from scorer.types.values import Run, WorkItem

VISITS, BATCH = 20_000, 2_000


class Explaining(Session):
    """A session that runs the statements of `of` twice, and keeps how many rows of each table they read."""

    def __init__(self, target: Target, of: str) -> None:
        super().__init__(target)
        self.of, self.rows = of, dict[str, int]()

    def execute(self, query: str, parameters: Mapping[str, Any]) -> sa.CursorResult[Any]:
        if self.of in query:
            self.rows = rows_read(super().execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", parameters).scalar_one())
        return super().execute(query, parameters)


def rows_read(plan: Any) -> dict[str, int]:
    """By table, the most rows that one step of a plan has looked at."""
    found: dict[str, int] = {}
    for step in steps_of(plan[0]["Plan"]):
        if "Relation Name" in step and "Actual Loops" in step:
            removed = step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
            rows = (step["Actual Rows"] + removed) * step["Actual Loops"]
            found[step["Relation Name"]] = max(found.get(step["Relation Name"], 0), round(rows))
    return found


@pytest.fixture
def crowded(hospital: Any) -> Any:
    """The hospital with many visits that have outcomes."""
    hospital.execute(
        "INSERT INTO visits (visit_id, admitted_at) SELECT n, %s FROM generate_series(1, %s) AS n",
        hospital.noon,
        VISITS,
    )
    hospital.execute(
        "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_model, "
        "judged_by_job, score_id, score, as_of, scored_at, valid_until, model_version) "
        "SELECT 'sepsis', CAST(visit_id AS text), 'sepsis_probability', 'SCORED', admitted_at, admitted_at, CAST('' AS bytea), 'one', "
        "'one', visit_id, 0.5, admitted_at, admitted_at, admitted_at, 'one' FROM visits",
    )
    return hospital


@pytest.fixture(params=["nothing is counted", "all is counted"])
def counted(request: pytest.FixtureRequest, crowded: Any) -> Callable[[], None]:
    """What is to be called once all tables are full."""

    def count() -> None:
        if request.param == "all is counted":
            crowded.execute("ANALYZE visits, patient_observations, scorer.current_scores, scorer.work")

    return count


def session_of(hospital: Any, of: str) -> Explaining:
    return Explaining(Target.of(hospital.url, hospital.settings, role=hospital.settings.worker_role), of)


def begun(session: Session, hospital: Any) -> Run:
    with session.transaction():
        register_job_version(session, hospital.job)
        return begin_run(session, hospital.job, model_version="one", trigger=Trigger.MANUAL, as_of=hospital.noon)


def test_a_claim_reads_what_it_takes(crowded: Any, counted: Callable[[], None]) -> None:
    with closing(session_of(crowded, "FOR UPDATE SKIP LOCKED")) as session:
        run = begun(session, crowded)
        crowded.execute(
            "INSERT INTO scorer.work (run_id, job, entity_id, as_of) SELECT %s, 'sepsis', CAST(visit_id AS text), admitted_at FROM visits",
            run.run_id,
        )
        counted()
        with session.transaction():
            items = claim_work(session, crowded.job, run, size=BATCH)
        assert len(items) == BATCH
        assert all(item.previous is not None for item in items)
        assert session.rows["work"] <= 2 * BATCH  # explained in the same transaction, it has locked them once before
        assert session.rows["current_scores"] <= BATCH


def test_who_is_looked_for_is_found_by_an_index(crowded: Any, counted: Callable[[], None]) -> None:
    crowded.execute("UPDATE scorer.current_scores SET looked_for = true WHERE CAST(entity_id AS bigint) <= 100")
    counted()
    with closing(session_of(crowded, "looked_for")) as session:
        run = begun(session, crowded)
        with session.transaction():
            missing = list_missing(session, crowded.job, run, swept=False)
        assert len(missing) == 100
        assert session.rows["current_scores"] <= 100


@pytest.mark.parametrize("facility", ["a column", "none"])
def test_attributes_are_read_of_the_batchs_visits_alone(
    facility: str, crowded: Any, counted: Callable[[], None]
) -> None:
    if facility == "none":
        crowded.execute("ALTER TABLE visits DROP COLUMN facility")
    counted()
    ids = f"{{{','.join(map(str, range(1, BATCH + 1)))}}}"
    moments = f"{{{','.join([crowded.noon.isoformat()] * BATCH)}}}"
    with closing(session_of(crowded, "nothing")) as session, session.transaction():
        for name, value in {**crowded.job.parameters, "entity_ids": ids, "as_ofs": moments}.items():
            session.one("set_parameter", parameter=f"scorer.{name}", setting=value)
        query = bound(crowded.job.statements["attributes"]).replace(":", r"\:")
        plan = session.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", {}).scalar_one()
    assert rows_read(plan) == {"visits": BATCH}


def test_no_table_is_read_whole_for_a_batchs_observations(crowded: Any, counted: Callable[[], None]) -> None:
    crowded.execute(
        "INSERT INTO patient_observations (visit_id, observation_date, recorded_at, observation_type_code) "
        "SELECT visit_id, admitted_at, admitted_at, 'HR' FROM visits"
    )
    counted()
    before = whole_reads(crowded)
    source = Source.of(Database(crowded.url, crowded.settings))
    try:
        items = [WorkItem(entity_id=str(each), as_of=crowded.noon) for each in range(1, BATCH + 1)]
        assert len(source.observations(crowded.job, items)) == BATCH
        assert len(source.attributes(crowded.job, items).times["admitted_at"]) == BATCH
    finally:
        source.close()
    # A session reports what it has read as it ends.
    until = time.monotonic() + 10
    while (after := whole_reads(crowded))["looked up"] <= before["looked up"] and time.monotonic() < until:
        time.sleep(0.05)
    assert after["looked up"] > before["looked up"]
    assert after["whole"] == before["whole"]


def whole_reads(hospital: Any) -> dict[str, int]:
    """How often the hospital's tables were read whole so far, and how many rows of observations were looked up by an index."""
    ((whole, looked_up),) = hospital.rows(
        "SELECT sum(seq_scan)::bigint, max(idx_tup_fetch) FROM pg_stat_user_tables "
        "WHERE relid IN ('visits'::regclass, 'patient_observations'::regclass)"
    )
    return {"whole": whole, "looked up": looked_up}


@pytest.mark.parametrize("name", ["write_back", "take_back"])
def test_only_the_batchs_visits_are_written(crowded: Any, counted: Callable[[], None], name: str) -> None:
    counted()
    with closing(session_of(crowded, "UPDATE public.visits")) as session, session.transaction():
        session.make(f"create_staged_{name}")
        columns = "entity_id, score, risk_band, as_of, scored_at, valid_until, since, recalled"
        values = f"CAST(n AS text), 0.5, 'LOW', now(), now(), now(), now(), false FROM generate_series(1, {BATCH}) AS n"
        if name == "take_back":
            columns, values = "entity_id, since", f"CAST(n AS text), now() FROM generate_series(1, {BATCH}) AS n"
        session.execute(f"INSERT INTO pg_temp.staged_{name} ({columns}) SELECT {values}", {})
        written = write_staged(session, crowded.job, name)
        assert len(written) == BATCH
        assert session.rows["visits"] == BATCH
