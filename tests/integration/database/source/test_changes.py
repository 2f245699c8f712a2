"""What a daemon reads by what changed is what it would read in full, whatever happened meanwhile and in whatever order it was committed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scorer.database.connection import Database
from scorer.database.source import changes
from scorer.database.source.kept import Kept, differing
from scorer.database.source.reader import Source
from scorer.log import events
from scorer.scoring.input_hash import input_hashes
from scorer.types.arrays import Attributes, Observations
from scorer.types.values import WorkItem

VISITS = ("1", "2", "3", "4")
MISSED = "DELETE FROM scorer.captured_changes WHERE entity_id IS NOT NULL"


class Ward:
    """A hospital whose changes are captured, and a daemon that keeps what it reads."""

    def __init__(self, hospital: Any, *, megabytes: int = 64) -> None:
        self.hospital = hospital
        self.kept = Kept(megabytes)
        self.source = Source.of(Database(hospital.url, hospital.settings), kept=self.kept)

    def items(self, *, hours: float = 0, visits: Sequence[str] = VISITS) -> tuple[WorkItem, ...]:
        return tuple(WorkItem(each, self.hospital.noon + timedelta(hours=hours)) for each in visits)

    def by_changes(self, *, hours: float = 0, visits: Sequence[str] = VISITS) -> Observations | None:
        """What is read by what changed; None where that may not be."""
        return self.source._by_changes(self.hospital.job, self.items(hours=hours, visits=visits))

    def in_full(self, *, hours: float = 0, visits: Sequence[str] = VISITS) -> Observations:
        with closing(Source.of(Database(self.hospital.url, self.hospital.settings))) as source:
            return source.observations(self.hospital.job, self.items(hours=hours, visits=visits))

    def require_the_same(self, *, hours: float = 0, visits: Sequence[str] = VISITS) -> None:
        found, full = self.by_changes(hours=hours, visits=visits), self.in_full(hours=hours, visits=visits)
        assert found is not None
        assert differing(found, full) == 0
        assert found.codes == full.codes
        assert input_hashes(found, Attributes()) == input_hashes(full, Attributes())
        for one, other in ((found.position, full.position), (found.observation_id, full.observation_id)):
            assert np.array_equal(one, other)


@pytest.fixture
def ward(hospital: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ward]:
    """Three visits with observations, one of whom nothing is known, all of them read once."""
    monkeypatch.setattr(changes, "FEWEST", 1)
    hospital.admit(1, 2, 3)
    hospital.execute(hospital.job.statements["changed_observations"])
    made = Ward(hospital)
    made.require_the_same()
    yield made
    made.source.close()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """For each time that rows are read beside those that are kept: of how many entities, and by how many keys (0: all their rows)."""
    reads: list[tuple[int, int]] = []
    folded = Source._folded

    def counted(self: Source, job: Any, items: Any, inputs: Any, **further: Any) -> Any:
        keys = further.get("further", {}).get("scorer.observation_ids", "")
        reads.append((len(items), keys.count(",") + bool(keys)))
        return folded(self, job, items, inputs, **further)

    monkeypatch.setattr(Source, "_folded", counted)
    return reads


# Any history

SESSION = st.sampled_from("AB")
VISIT = st.sampled_from([1, 2, 3, 4, None])
ROW = st.integers(0, 30)
HOURS = st.sampled_from([-30.0, -3.0, -1.0, -0.5, 0.5, 1.0, 2.5, 600_000.0, None])
INSERTION = st.tuples(
    st.just("insert"), SESSION, VISIT, HOURS, HOURS, st.sampled_from(["HR", "RR", "NEW"]), st.sampled_from([60.0, 61.5])
)
STEP = st.one_of(
    INSERTION,
    INSERTION,
    st.tuples(st.just("edit"), SESSION, ROW, st.sampled_from([70.0, None, float("nan")])),
    st.tuples(st.just("date"), SESSION, ROW, HOURS),
    st.tuples(st.just("move"), SESSION, ROW, VISIT),
    st.tuples(st.just("delete"), SESSION, ROW),
    st.tuples(st.just("client"), SESSION, st.integers(1, 4), st.sampled_from(["C1", "other", None])),
    st.tuples(st.just("leave"), SESSION, st.integers(1, 4)),
    st.tuples(st.just("return"), SESSION, st.integers(1, 4)),
    st.tuples(st.just("undo"), SESSION),
    st.tuples(st.just("truncate"), st.just("C"), st.sampled_from(["patient_observations", "visits"])),
    st.tuples(st.just("commit"), SESSION),
    st.tuples(st.just("commit"), SESSION),
    st.tuples(st.just("rollback"), SESSION),
    st.tuples(st.just("read"), st.sampled_from([0.0, 1.0, 3.0]), st.permutations(VISITS)),
    st.tuples(st.just("read"), st.sampled_from([0.0, 1.0, 3.0]), st.permutations(VISITS).map(lambda them: them[:2])),
)
NTH = "(SELECT observation_id FROM public.patient_observations ORDER BY observation_id OFFSET %s LIMIT 1)"
SAID = {
    "edit": f"UPDATE public.patient_observations SET observation_value = %s WHERE observation_id = {NTH}",
    "date": f"UPDATE public.patient_observations SET observation_date = %s WHERE observation_id = {NTH}",
    "move": f"UPDATE public.patient_observations SET visit_id = %s WHERE observation_id = {NTH}",
    "delete": f"DELETE FROM public.patient_observations WHERE observation_id = {NTH}",
    "client": "UPDATE public.visits SET client = %s WHERE visit_id = %s",
    "leave": "DELETE FROM public.visits WHERE visit_id = %s",
    "return": "INSERT INTO public.visits (visit_id, client) VALUES (%s, 'C1') ON CONFLICT DO NOTHING",
    "undo": "SAVEPOINT s; DELETE FROM public.patient_observations; ROLLBACK TO s",
    "insert": "INSERT INTO public.patient_observations (visit_id, client, observation_date, recorded_at, observation_type_code, "
    "observation_value) VALUES (%s, 'C1', %s, %s, %s, %s)",
}


def carry_out(step: tuple[Any, ...], sessions: dict[str, Any], ward: Ward) -> None:
    """One step of a history; what would have to wait for the other session is rolled back."""
    what, whose, *rest = step
    if what == "read":
        ward.require_the_same(hours=whose, visits=rest[0])
        return
    session = sessions[whose]
    if what in ("commit", "rollback"):
        getattr(session, what)()
        return

    def moment(hours: float | None) -> Any:
        return None if hours is None else ward.hospital.noon + timedelta(hours=hours)

    if what == "truncate":
        statement, values = f"TRUNCATE public.{rest[0]}", []
    elif what == "insert":
        visit, dated, recorded, code, value = rest
        statement, values = SAID[what], [visit, moment(dated), moment(recorded), code, value]
    elif what == "date":
        statement, values = SAID[what], [moment(rest[1]), rest[0]]
    else:
        statement, values = SAID[what], rest[::-1] if len(rest) > 1 else rest
    try:
        with session.cursor() as cursor:
            cursor.execute(statement, values or None)
        if what == "truncate":
            session.commit()
    except psycopg2.errors.LockNotAvailable:
        session.rollback()


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(STEP, min_size=4, max_size=40))
@example(  # committed in another order than begun, with a read between
    history=[
        ("insert", "A", 1, -1.0, -1.0, "HR", 60.0),
        ("insert", "B", 1, -1.0, -0.5, "HR", 61.5),
        ("commit", "B"),
        ("read", 0.0, VISITS),
        ("commit", "A"),
        ("read", 0.0, VISITS),
    ]
)
@example(  # what was charted ahead is known by time alone, and a row that waits is edited
    history=[
        ("insert", "A", 2, 0.5, 0.5, "NEW", 60.0),
        ("commit", "A"),
        ("read", 0.0, VISITS),
        ("date", "A", 24, 2.5),
        ("commit", "A"),
        ("read", 1.0, VISITS),
        ("read", 3.0, VISITS),
    ]
)
def test_any_history_is_read_as_in_full(
    hospital: Any, monkeypatch: pytest.MonkeyPatch, history: list[tuple[Any, ...]]
) -> None:
    monkeypatch.setattr(changes, "FEWEST", 1)
    hospital.execute("TRUNCATE visits, patient_observations CASCADE")
    hospital.admit(1, 2, 3)
    hospital.execute(hospital.job.statements["changed_observations"])
    ward = Ward(hospital)
    sessions = {name: hospital.connect() for name in "ABC"}
    try:
        for session in sessions.values():
            with session.cursor() as cursor:
                cursor.execute("SET lock_timeout = '20ms'")
            session.commit()
        ward.require_the_same()
        for step in history:
            carry_out(step, sessions, ward)
        ward.require_the_same(hours=1)
        for session in sessions.values():
            session.commit()
        ward.require_the_same(hours=1)
    finally:
        for session in sessions.values():
            session.close()
        ward.source.close()


# What is read


def test_only_what_changed_is_read(ward: Ward, asked: list[tuple[int, int]]) -> None:
    ward.require_the_same(hours=1)
    assert asked[:-1] == []  # the last is the full read that it is compared with
    asked.clear()
    ward.hospital.observe(2)
    ward.hospital.execute(
        "UPDATE patient_observations SET observation_value = 99 WHERE visit_id = 3 AND observation_type_code = 'RR'"
    )
    ward.require_the_same(hours=1)
    assert asked[:-1] == [(2, 3)]


def test_a_visit_of_another_client_is_read_whole_and_one_with_another_score_not_at_all(
    ward: Ward, asked: list[tuple[int, int]]
) -> None:
    ward.hospital.execute("UPDATE visits SET sepsis_score = 0.5, risk_level = 'HIGH', scored_at = now()")
    ward.require_the_same()
    assert asked[:-1] == []
    asked.clear()
    ward.hospital.execute("UPDATE visits SET client = 'other' WHERE visit_id = 1")
    ward.require_the_same()
    assert asked[:-1] == [(1, 0)]
    found = ward.by_changes()
    assert found is not None
    assert np.array_equal(found.extras["same_client"] == 0, found.position == 0)


def test_what_is_committed_while_it_is_read_is_read_the_next_time(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is exchanged for another in one transaction: no read may have both, or neither."""
    key = ward.hospital.one("SELECT max(observation_id) FROM patient_observations WHERE visit_id = 3")
    ward.hospital.execute("UPDATE patient_observations SET observation_value = 98 WHERE observation_id = %s", key)
    before = ward.in_full()
    changed_since = changes.ByChanges._changed_since

    def meanwhile(*arguments: Any) -> Any:
        found = changed_since(*arguments)
        ward.hospital.execute(
            "WITH gone AS (DELETE FROM patient_observations WHERE observation_id = %s RETURNING visit_id, observation_date) "
            "INSERT INTO patient_observations (visit_id, observation_date, observation_type_code, observation_value) "
            "SELECT visit_id, observation_date, 'HR', 44 FROM gone",
            key,
        )
        return found

    monkeypatch.setattr(changes.ByChanges, "_changed_since", meanwhile)
    found = ward.by_changes()
    assert found is not None
    assert differing(found, before) == 0
    monkeypatch.setattr(changes.ByChanges, "_changed_since", changed_since)
    ward.require_the_same()


# Where anything is unclear


OFF = (
    "DROP FUNCTION scorer.changed_observations_of_sepsis() CASCADE",
    "DROP TRIGGER changed_by_delete_of_sepsis ON public.patient_observations",
    "DROP TRIGGER changed_by_truncate_of_sepsis ON public.visits",
    "ALTER TABLE public.patient_observations DISABLE TRIGGER changed_by_insert_of_sepsis",
    "ALTER TABLE public.patient_observations ENABLE TRIGGER changed_by_update_of_sepsis",
    "ALTER TABLE public.visits DISABLE TRIGGER ALL",
    "CREATE TABLE public.more () INHERITS (public.patient_observations)",
    (
        "ALTER TABLE public.visits RENAME TO those; CREATE VIEW public.visits AS SELECT * FROM public.those; "
        "GRANT SELECT ON public.visits TO scorer_worker"
    ),
    "TRUNCATE scorer.captured_changes",
)


@pytest.mark.parametrize("statement", OFF)
def test_where_not_all_is_captured_all_is_read(ward: Ward, statement: str) -> None:
    ward.hospital.execute(statement)
    assert ward.by_changes() is None
    assert len(ward.source.observations(ward.hospital.job, ward.items())) == 24


ALTERED = (
    (
        "ALTER TABLE public.patient_observations DISABLE TRIGGER USER; {change}; ALTER TABLE public.patient_observations "
        "ENABLE ALWAYS TRIGGER changed_by_insert_of_sepsis, ENABLE ALWAYS TRIGGER changed_by_update_of_sepsis, "
        "ENABLE ALWAYS TRIGGER changed_by_delete_of_sepsis, ENABLE ALWAYS TRIGGER changed_by_truncate_of_sepsis"
    ),
    "ALTER TABLE public.patient_observations ALTER observation_value TYPE float8 USING observation_value + 1",
    (
        "ALTER TABLE public.patient_observations RENAME reference_range_min TO was; "
        "ALTER TABLE public.patient_observations RENAME reference_range_max TO reference_range_min; "
        "ALTER TABLE public.patient_observations RENAME was TO reference_range_max"
    ),
    "{change}; TRUNCATE scorer.captured_changes; INSERT INTO scorer.captured_changes (job, entity_id) VALUES ('sepsis', '9')",
    "{change}; DELETE FROM scorer.captured_changes",
)


@pytest.mark.parametrize("statement", ALTERED)
def test_what_was_kept_before_the_capture_was_altered_is_not_used(ward: Ward, statement: str) -> None:
    change = "UPDATE public.patient_observations SET observation_value = 71 WHERE visit_id = 2"
    ward.hospital.execute(statement.format(change=change))
    ward.hospital.execute("INSERT INTO scorer.captured_changes (job, entity_id) VALUES ('sepsis', '9')")
    ward.require_the_same()
    ward.require_the_same()


def test_what_another_server_said_is_not_used(ward: Ward, asked: list[tuple[int, int]]) -> None:
    """One that was started since may have lost what it had committed, or have been put back to an earlier time."""
    (block,) = ward.kept.take(ward.hospital.job.version, VISITS)
    ward.kept.put(replace(block, mark=replace(block.mark, capture="another")))
    ward.require_the_same()
    assert asked[:-1] == [(4, 0)]


def test_changes_that_were_pruned_are_missed_by_nobody(ward: Ward) -> None:
    """The oldest change that is left tells who lacks some."""
    ward.hospital.execute("UPDATE patient_observations SET observation_value = 72 WHERE visit_id = 1")
    ward.hospital.execute("UPDATE scorer.captured_changes SET changed_at = now() - interval '4 days'")
    ward.hospital.observe(2)
    prune = f"DELETE FROM scorer.captured_changes WHERE ctid = ANY (ARRAY({_retention(ward)}))"
    ward.hospital.execute(prune)
    assert ward.hospital.one("SELECT count(*) FROM scorer.captured_changes") == 1
    ward.require_the_same()


def test_no_change_is_pruned_after_one_that_stays(ward: Ward) -> None:
    """A transaction that began long ago may have changed something only after another one."""
    ward.hospital.execute("TRUNCATE scorer.captured_changes")
    for changed_in, days in ((10, 1), (11, 5), (9, 6)):
        ward.hospital.execute(
            "INSERT INTO scorer.captured_changes (job, changed_in, changed_at) "
            "VALUES ('sepsis', %s::text::xid8, now() - %s * interval '1 day')",
            str(changed_in),
            days,
        )
    found = ward.hospital.rows(
        f"SELECT changed_in::text FROM scorer.captured_changes WHERE ctid = ANY (ARRAY({_retention(ward)}))"
    )
    assert found == [("9",)]


def _retention(ward: Ward) -> str:
    text = changes.statement("retention/captured_changes").replace(":keep", "'3 days'")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--"))


# The proof


def test_the_sweep_reads_in_full_and_tells_where_what_was_kept_differs(
    ward: Ward, caplog: pytest.LogCaptureFixture
) -> None:
    ward.source.prove_kept(proving=True)
    assert ward.by_changes() is not None
    assert not caplog.records
    ward.hospital.execute("UPDATE patient_observations SET observation_value = 73 WHERE visit_id = 2")
    ward.hospital.execute(MISSED)
    found = ward.by_changes()
    assert found is not None
    assert differing(found, ward.in_full()) == 0
    (record,) = caplog.records
    assert record.event is events.KEPT_ROWS_DIFFER  # type: ignore[attr-defined]
    assert ward.kept.bytes == 0
    ward.source.prove_kept(proving=False)
    ward.require_the_same()
    assert ward.kept.bytes == 0


def test_what_was_read_in_two_sessions_is_neither_kept_nor_compared(
    ward: Ward, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_full = Source._in_full

    def after_a_loss(self: Source, *arguments: Any) -> Observations:
        self._primary.close()
        ward.hospital.observe(1, observation_value=74)
        return in_full(self, *arguments)

    monkeypatch.setattr(Source, "_in_full", after_a_loss)
    ward.source.prove_kept(proving=True)
    assert ward.by_changes() is None
    assert not caplog.records
    assert ward.kept.bytes == 0
    monkeypatch.setattr(Source, "_in_full", in_full)
    ward.require_the_same()


# What it is off by, and what it costs the hospital


def test_no_more_is_kept_than_there_is_room_for(ward: Ward) -> None:
    assert ward.kept.bytes > 0
    small = Ward(ward.hospital, megabytes=0)
    small.require_the_same()
    assert small.kept.bytes == 0
    small.source.close()


def test_an_insertion_goes_on_where_the_scorer_is_gone(ward: Ward) -> None:
    """Nobody keeps rows then."""
    ward.hospital.execute("DROP TABLE scorer.captured_changes")
    ward.hospital.observe(1)
    ward.hospital.execute("UPDATE visits SET client = 'other'")
    assert ward.hospital.one("SELECT count(*) FROM patient_observations") == 25


def test_sessions_do_not_wait_for_each_other(ward: Ward) -> None:
    one, other = ward.hospital.connect(), ward.hospital.connect()
    insertion = "INSERT INTO patient_observations (visit_id, observation_type_code) VALUES (1, 'HR')"
    with closing(one), closing(other), one.cursor() as first, other.cursor() as second:
        first.execute(insertion)
        second.execute("SET lock_timeout = '1s'")
        second.execute(insertion)
        second.execute("DELETE FROM patient_observations WHERE visit_id = 2")
        other.commit()
        one.commit()
    ward.require_the_same()


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


RELOADED = (
    "CREATE TEMPORARY TABLE reloaded AS SELECT * FROM public.patient_observations",
    "TRUNCATE public.patient_observations",
    "INSERT INTO public.patient_observations OVERRIDING SYSTEM VALUE SELECT * FROM reloaded",
)
REWRITTEN = ("ALTER TABLE public.patient_observations ALTER observation_value TYPE float8 USING observation_value + 0",)


@pytest.mark.parametrize("again", [RELOADED, REWRITTEN], ids=["reloaded", "rewritten"])
@pytest.mark.parametrize("fresh", [True, False], ids=["nothing is kept", "all is kept"])
def test_a_table_that_is_reloaded_while_it_is_waited_for_is_not_taken_for_empty(
    ward: Ward, again: Sequence[str], *, fresh: bool
) -> None:
    """Such a table is empty in every snapshot from before, and the lock on it is waited for in one."""
    read = Ward(ward.hospital) if fresh else ward
    ward.hospital.execute("UPDATE patient_observations SET observation_value = 99 WHERE visit_id = 3")
    found: list[Observations] = []
    with closing(ward.hospital.connect()) as other, other.cursor() as cursor:
        for each in again:
            cursor.execute(each)
        reading = threading.Thread(
            target=lambda: found.append(read.source.observations(ward.hospital.job, ward.items()))
        )
        reading.start()
        wait_until(lambda: ward.hospital.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        other.commit()
        reading.join()
    assert differing(found[0], ward.in_full()) == 0
    assert len(found[0]) > 0
    if fresh:
        read.source.close()


def test_what_a_function_of_the_statement_reads_must_be_captured_too(ward: Ward) -> None:
    ward.hospital.execute(
        "CREATE TABLE public.code_map (code text, other text); GRANT SELECT ON public.code_map TO PUBLIC; "
        "CREATE FUNCTION public.code_of(given text) RETURNS text LANGUAGE plpgsql STABLE AS $$ "
        "BEGIN RETURN COALESCE((SELECT m.other FROM public.code_map AS m WHERE m.code = given), given); END $$"
    )
    job, column = ward.hospital.job, "    o.observation_type_code,\n"
    mapped = job.statements["observations"].replace(
        column, column.replace("o.", "public.code_of(o.").replace("code,", "code) AS observation_type_code,"), 1
    )
    assert "code_of" in mapped
    ward.hospital.job = replace(job, version="mapped", statements={**job.statements, "observations": mapped})
    assert ward.by_changes() is None


def test_what_was_kept_before_the_server_recovered_is_not_used(ward: Ward, asked: list[tuple[int, int]]) -> None:
    """A crash resets statistics, and may lose what was seen; the server's start time stays."""
    ward.hospital.execute("SELECT pg_stat_reset_shared('bgwriter')")
    ward.require_the_same()
    assert (len(VISITS), 0) in asked


def test_of_an_unlogged_table_nothing_is_kept(ward: Ward) -> None:
    ward.hospital.execute("ALTER TABLE public.patient_observations SET UNLOGGED")
    assert ward.by_changes() is None
