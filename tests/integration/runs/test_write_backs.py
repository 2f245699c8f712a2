"""What waits to be written into the hospital's table: tried at each look, counted, and told once it has lasted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.database.connection import Database, Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session
from scorer.database.store.status import JobHealth, list_health
from scorer.governance.recall import take_back
from scorer.jobs.job import Job
from scorer.runs.requests import RequestAnswering
from scorer.runs.write_backs import WriteBacks

VISITS = range(1, 11)
# As a hospital has it that lets nobody but its own application write; it says nothing.
ONLY_HIS = """
    CREATE FUNCTION public.only_his() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN IF current_user <> 'his_owner' THEN RETURN NULL; END IF; RETURN new; END $$;
    CREATE TRIGGER aa_only_his BEFORE UPDATE ON public.visits FOR EACH ROW EXECUTE FUNCTION public.only_his();
"""


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Ten visits of today, not scored yet."""
    hospital.noon = datetime.now(UTC)
    hospital.admit(*VISITS)
    return hospital


@pytest.fixture
def clinician(ward: Any) -> Iterator[Any]:
    """A session of the hospital's own, in a transaction that has changed every visit and stands idle."""
    with closing(ward.connect()) as session:
        session.cursor().execute("UPDATE visits SET unit = unit")
        yield session


class Look:
    """A daemon's looks at what waits, a minute apart."""

    def __init__(self, ward: Any, job: Job, caplog: pytest.LogCaptureFixture) -> None:
        self.session = Session(Target.of(ward.url, ward.settings, role=ward.settings.worker_role))
        self.now = 1000.0
        self._looks = WriteBacks(job, self.session, clock=lambda: self.now)
        self._caplog = caplog

    def __call__(self, times: int = 1) -> list[str]:
        """The names of the events of so many looks."""
        self._caplog.clear()
        for _ in range(times):
            self.now += 60
            self._looks.look(stopping=lambda: False)
        return [record.event.name for record in self._caplog.records]  # type: ignore[attr-defined]

    def fields(self) -> dict[str, Any]:
        """The fields of the newest event."""
        return dict(self._caplog.records[-1].fields)  # type: ignore[attr-defined]


@pytest.fixture
def look(ward: Any, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Look]]:
    opened: list[Look] = []
    caplog.set_level(logging.INFO, logger="scorer")

    def make(job: Job | None = None) -> Look:
        opened.append(Look(ward, job or ward.job, caplog))
        return opened[-1]

    yield make
    for each in opened:
        each.session.close()


def waiting(ward: Any) -> int:
    return int(ward.one("SELECT count(*) FROM scorer.write_backs"))


def written(ward: Any) -> int:
    return int(ward.one("SELECT count(*) FROM visits WHERE scored_at IS NOT NULL"))


def age(ward: Any, minutes: int) -> None:
    """Have what waits have waited for so long."""
    ward.execute("UPDATE scorer.write_backs SET since = now() - make_interval(mins => %s)", minutes)


def health(ward: Any) -> JobHealth:
    target = Database(ward.url, ward.settings).as_worker()
    with closing(ReadOnlySession(target, patience=ward.settings.connect_timeout)) as session:
        (found,) = list_health(session)
    return found


def test_where_nothing_waits_one_statement_is_run(ward: Any, look: Any) -> None:
    ward.run()
    looking = look()
    assert looking(3) == []
    with looking.session.transaction():
        made = looking.session.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'", {})
        assert made.scalar() == 0


def test_rows_that_were_held_are_written_at_the_first_look_after(ward: Any, clinician: Any, look: Any) -> None:
    ward.run()
    looking = look()
    assert looking(2) == []
    assert (waiting(ward), written(ward)) == (len(VISITS), 0)
    clinician.rollback()
    assert looking() == []
    assert (waiting(ward), written(ward)) == (0, len(VISITS))


def test_what_waits_is_counted_with_its_age(ward: Any, clinician: Any) -> None:
    ward.run()
    age(ward, 20)
    found = health(ward)
    assert (found.write_backs_waiting, found.take_backs_waiting) == (len(VISITS), 0)
    assert found.write_backs_seconds == pytest.approx(1200, abs=60)
    ward.execute("UPDATE scorer.write_backs SET recalled = true WHERE entity_id = '3'")
    found = health(ward)
    assert found.take_backs_waiting == 1
    assert found.take_backs_seconds == pytest.approx(1200, abs=60)
    clinician.rollback()


def test_after_a_quarter_of_an_hour_a_lock_is_told_once_and_that_it_is_over(
    ward: Any, clinician: Any, look: Any
) -> None:
    ward.run()
    looking = look()
    age(ward, 10)
    assert looking(5) == []
    age(ward, 16)
    assert looking() == ["WRITE_BACKS_WAIT"]
    told = looking.fields()
    assert (told["job"], told["rows"]) == ("sepsis", len(VISITS))
    assert told["seconds"] == pytest.approx(960, abs=60)
    assert told["reason"] == f"sessions that hold rows of it for long: {clinician.info.backend_pid}"
    assert looking(5) == []
    clinician.rollback()
    assert looking() == ["WRITE_BACKS_DONE"]
    assert looking() == []


def test_a_trigger_that_takes_nothing_is_told_in_another_sentence(ward: Any, look: Any) -> None:
    ward.execute(ONLY_HIS)
    ward.run()
    assert waiting(ward) == len(VISITS)
    age(ward, 16)
    looking = look()
    assert looking() == [], "one look alone cannot tell a lock that comes and goes"
    assert looking() == ["WRITE_BACKS_NOT_TAKEN"]
    assert looking.fields() | {"seconds": 0} == {"job": "sepsis", "rows": len(VISITS), "seconds": 0}
    ward.execute("DROP TRIGGER aa_only_his ON public.visits")
    assert looking() == ["WRITE_BACKS_DONE"]
    assert written(ward) == len(VISITS)


def test_a_rule_of_the_table_fails_the_run_in_one_sentence(ward: Any) -> None:
    ward.execute("CREATE RULE none_written AS ON UPDATE TO public.visits DO INSTEAD NOTHING")
    with pytest.raises(Exception, match="write_back"):
        ward.run()
    ward.execute("DROP RULE none_written ON public.visits")


def test_short_transactions_of_others_explain_nothing(ward: Any, look: Any) -> None:
    ward.execute(ONLY_HIS)
    ward.run()
    age(ward, 16)
    looking = look()
    said: list[str] = []
    for _ in range(3):
        with closing(ward.connect()) as other:
            other.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
            said += looking()
            other.rollback()
    assert said == ["WRITE_BACKS_NOT_TAKEN"]


def test_a_table_that_refuses_is_told_with_its_reason(ward: Any, clinician: Any, look: Any) -> None:
    ward.run()
    clinician.rollback()
    ward.execute("ALTER TABLE public.visits ADD CONSTRAINT never CHECK (risk_level IS NULL) NOT VALID")
    age(ward, 16)
    looking = look()
    assert looking() == ["WRITE_BACKS_WAIT"]
    assert "refused by the hospital's table (SQLSTATE 23514)" in looking.fields()["reason"]


def test_a_recalled_score_is_more_urgent(ward: Any, look: Any) -> None:
    ward.run()
    ward.execute(ONLY_HIS)
    ward.execute(
        "UPDATE scorer.current_scores SET score = NULL, risk_band = NULL, score_id = NULL, as_of = NULL, scored_at = NULL, "
        "valid_until = NULL, model_version = NULL, status = 'RECALLED' WHERE entity_id = '3'"
    )
    ward.execute("INSERT INTO scorer.write_backs (job, entity_id, recalled) VALUES ('sepsis', '3', true)")
    age(ward, 6)
    looking = look()
    assert looking(2) == ["TAKE_BACKS_WAIT"]
    assert looking.fields()["rows"] == 1
    assert looking.fields()["reason"].startswith("no lock explains it")
    ward.execute("DROP TRIGGER aa_only_his ON public.visits")
    assert looking() == ["WRITE_BACKS_DONE"]
    assert ward.one("SELECT risk_level IS NULL FROM visits WHERE visit_id = 3")


def test_a_score_that_expired_while_it_waited_is_told_and_not_written(ward: Any, clinician: Any, look: Any) -> None:
    ward.run()
    clinician.rollback()
    ward.execute("UPDATE scorer.current_scores SET valid_until = now() WHERE entity_id IN ('3', '4')")
    looking = look()
    assert looking() == ["WRITE_BACKS_EXPIRED"]
    assert looking.fields() == {"job": "sepsis", "rows": 2}
    assert (waiting(ward), written(ward)) == (0, len(VISITS) - 2)


def test_a_run_tells_what_expired_as_well(ward: Any, clinician: Any, caplog: pytest.LogCaptureFixture) -> None:
    ward.run()
    clinician.rollback()
    ward.execute("UPDATE scorer.current_scores SET valid_until = now() - interval '1 s' WHERE entity_id = '3'")
    caplog.set_level(logging.INFO, logger="scorer")
    ward.run(as_of=ward.noon.replace(year=2000))
    assert [r.fields["rows"] for r in caplog.records if r.event.name == "WRITE_BACKS_EXPIRED"] == [1]  # type: ignore[attr-defined]
    assert waiting(ward) == 0


def test_a_few_rows_are_tried_where_none_was_written(
    ward: Any, clinician: Any, look: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.runs.write_backs._A_FEW", 2)
    ward.run()
    looking = look()
    looking()
    before = set(ward.rows("SELECT entity_id, xmin FROM scorer.write_backs"))
    looking()
    assert len(before - set(ward.rows("SELECT entity_id, xmin FROM scorer.write_backs"))) == 2
    clinician.rollback()
    looking()
    assert waiting(ward) == 0


def test_a_row_that_an_answer_has_written_waits_no_more(ward: Any, answering: RequestAnswering) -> None:
    """Else a flag that is put off afterwards would have the row emptied, as one that bears a recalled score."""
    ward.run()
    ward.execute("INSERT INTO scorer.write_backs (job, entity_id, recalled) VALUES ('sepsis', '4', true)")
    ward.observe(4, hours_ago=0.1, observation_value=91.0)
    ward.ask(4)
    answering.answer_waiting()
    assert ward.rows("SELECT entity_id FROM scorer.write_backs") == []
    ward.execute("SELECT scorer.set_flag('sepsis.write_back', false, NULL, NULL, 'a test')")
    take_back(ward.job, database=Database(ward.url, ward.settings))
    assert ward.rows("SELECT sepsis_score FROM visits WHERE visit_id = 4") == [(ward.scores()["4"],)]


def test_a_recalled_score_that_an_answer_could_not_write_over_waits_as_before(
    ward: Any, answering: RequestAnswering
) -> None:
    ward.run()
    ward.execute("INSERT INTO scorer.write_backs (job, entity_id, recalled) VALUES ('sepsis', '4', true)")
    before = ward.rows("SELECT entity_id, since, recalled FROM scorer.write_backs")
    ward.observe(4, hours_ago=0.1, observation_value=91.0)
    (asked,) = ward.ask(4)
    with closing(ward.connect()) as session:
        session.cursor().execute("SELECT FROM visits WHERE visit_id = 4 FOR UPDATE")
        answering.answer_waiting()
    assert ward.answers(asked) == [("done", "SCORED")]
    assert ward.rows("SELECT entity_id, since, recalled FROM scorer.write_backs") == before
