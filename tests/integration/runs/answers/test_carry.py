"""A cohort is answered portion by portion, each entity once; and nothing is answered after its deadline."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from scorer.jobs.job import Job
from scorer.runs import requests
from scorer.runs.answers import carry
from scorer.runs.requests import RequestAnswering

PROGRESS = "SELECT status, entities, answered, scored, failed, absent FROM reporting.requests WHERE request_id = %s"
ENDINGS = "SELECT entity_id, outcome FROM reporting.request_entities WHERE request_id = %s ORDER BY entity_id"
# Every entity of a cohort that has ended has its ledger row, of its own outcome.
UNFOUNDED = """
    SELECT e.entity_id FROM scorer.request_entities AS e LEFT JOIN scorer.scores AS s USING (score_id)
    WHERE e.outcome IN ('SCORED', 'UNCHANGED') AND (s.entity_id, s.status) IS DISTINCT FROM (e.entity_id, 'SCORED')"""


@pytest.fixture(autouse=True)
def _portions_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_PORTION", 3)


def cohort(ward: Any, entities: Sequence[object], timeout: str | None = None) -> int:
    """Ask for a cohort; the key of its request."""
    asked = [None if each is None else str(each) for each in entities]
    return int(ward.one("SELECT scorer.request_cohort('sepsis', %s, %s::interval)", asked, timeout))


def progress(ward: Any, request: int) -> tuple[Any, ...]:
    (row,) = ward.rows(PROGRESS, request)
    return row


def drain(answering: RequestAnswering) -> list[int]:
    """How many were answered at each step, until none is left that can be."""
    steps = []
    while answered := answering.answer_waiting():
        steps.append(answered)
    return steps


def test_a_cohort_is_one_row_and_is_answered_portion_by_portion(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 6))
    ward.admit(6, observations=1)
    request = cohort(ward, [*range(1, 8), 1, "abc"])
    assert ward.one("SELECT count(*) FROM scorer.requests") == 1
    assert progress(ward, request) == ("waiting", 8, 0, 0, 0, 0)
    assert answering.answer_waiting() == 3
    assert progress(ward, request) == ("waiting", 8, 3, 3, 0, 0)
    assert drain(answering) == [3, 2]
    assert progress(ward, request) == ("done", 8, 8, 5, 0, 2)
    endings = {**dict.fromkeys("12345", "SCORED"), "6": "INSUFFICIENT", "7": "ABSENT", "abc": "ABSENT"}
    assert dict(ward.rows(ENDINGS, request)) == endings
    assert not ward.rows(UNFOUNDED)
    assert [ward.ledger(each) for each in (1, 6)] == [["SCORED"], ["INSUFFICIENT"]]
    why = ward.rows("SELECT DISTINCT reason FROM reporting.request_entities WHERE outcome = 'ABSENT'")
    assert why == [("there is no such visit to score at this time",)]
    again = cohort(ward, range(1, 4))
    assert drain(answering) == [3]
    assert {outcome for _, outcome in ward.rows(ENDINGS, again)} == {"UNCHANGED"}
    assert not ward.rows(UNFOUNDED)
    assert ward.ledger(1) == ["SCORED"]


def test_requests_of_one_entity_and_cohorts_take_turns(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 9))
    first = cohort(ward, range(1, 8))
    answering.answer_waiting()
    assert progress(ward, first)[2] == 3
    (one,) = ward.ask(8)
    answering.answer_waiting()
    assert ward.answers(one) == [("done", "SCORED")], "the single one waits for one portion at the most"
    ward.ask(8)
    answering.answer_waiting()
    assert progress(ward, first)[2] == 6, "and keeps the cohort waiting no longer than that"
    assert drain(answering) == [1, 1]


def test_the_most_urgent_cohort_comes_first(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 5))
    first, urgent = cohort(ward, [1, 2]), cohort(ward, [3, 4])
    ward.execute("UPDATE scorer.requests SET priority = 5 WHERE request_id = %s", urgent)
    answering.answer_waiting()
    assert [progress(ward, each)[0] for each in (first, urgent)] == ["waiting", "done"]


def test_an_entity_that_another_session_answers_for_is_come_back_to(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 5))
    request = cohort(ward, range(1, 5))
    with closing(ward.connect()) as other, other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('scorer.answers sepsis ' || e, 1)) FROM unnest(%s) AS e",
            (["1", "2", "3"],),
        )
        assert drain(answering) == [1]
        assert answering.holds_back
        assert dict(ward.rows(ENDINGS, request))["4"] == "SCORED"
    assert drain(answering) == [3]
    assert progress(ward, request)[0] == "done"


def test_a_cohort_is_cancelled_on_its_way(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 6))
    request = cohort(ward, range(1, 6))
    answering.answer_waiting()
    assert ward.one("SELECT scorer.cancel_request(%s)", request)
    assert drain(answering) == []
    assert progress(ward, request) == ("cancelled", 5, 3, 3, 0, 0)


def test_an_entity_that_the_jobs_statement_cannot_take_is_refused_alone(
    ward: Any, open_answering: Callable[..., RequestAnswering], changed_job: Callable[..., Job]
) -> None:
    job = changed_job()
    plain = "SELECT CAST(v.visit_id AS text) AS entity_id, :as_of::timestamptz AS as_of FROM public.visits AS v "
    where = "WHERE v.visit_id = ANY (:entity_ids::bigint[])"
    job = replace(job, statements={**job.statements, "requested": plain + where})
    ward.admit(1, 2, 3)
    request = cohort(ward, [1, 2, "bed 7", 3])
    drain(open_answering(job))
    assert progress(ward, request) == ("done", 4, 4, 3, 1, 0)
    assert dict(ward.rows(ENDINGS, request))["bed 7"] == "REFUSED"


def test_a_job_that_cannot_answer_refuses_the_whole_cohort(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 6))
    request = cohort(ward, range(1, 6))
    answering.answer_waiting()
    ward.execute("SELECT scorer.move_model('sepsis', model_version, 'archived', 'a test') FROM scorer.model_versions")
    assert drain(answering) == [1]
    assert progress(ward, request) == ("refused", 5, 3, 3, 0, 0)
    assert "no model in production" in ward.one("SELECT reason FROM reporting.requests")


# Deadlines


def test_what_is_late_expires_without_being_scored(ward: Any, answering: RequestAnswering) -> None:
    """As when a daemon comes back."""
    ward.admit(1, 2)
    (one,) = ward.rows("SELECT scorer.request_scores('sepsis', ARRAY['1'], '50 ms')")[0]
    many = cohort(ward, [1, 2], "50 ms")
    (patient,) = ward.ask(2)
    ward.execute("SELECT pg_sleep(0.1)")
    assert drain(answering) == [1]
    assert ward.answers(one, many, patient) == [("waiting", None), ("waiting", None), ("done", "SCORED")]
    with closing(psycopg2.connect(ward.url)) as waiting, waiting.cursor() as cursor:
        waiting.autocommit = True
        cursor.execute("LISTEN scorer_answers")
        assert answering.expire() == 2
        select.select([waiting], [], [], 30)
        waiting.poll()
        assert waiting.notifies, "those who wait are told"
    assert answering.expire() == 0
    assert ward.answers(one, many) == [("expired", None)] * 2
    assert ward.rows("SELECT reason FROM scorer.requests WHERE status = 'expired' ORDER BY request_id") == [
        ("not answered within 0.05 s",),
        ("not answered within 0.05 s, but for 0 of 2 entities",),
    ]
    assert ward.ledger(1) == []
    statistics = ward.rows("SELECT waiting, done, expired, cohorts FROM reporting.request_statistics")
    assert statistics == [(0, 1, 2, 1)]


@pytest.fixture
def late(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is taken is late by the time at which it is answered."""
    write_back = carry.write_back

    def slowly(session: Any, *arguments: Any, **options: Any) -> Any:
        (left,) = session.execute(
            "SELECT max(EXTRACT(EPOCH FROM expires_at - clock_timestamp())) FROM scorer.requests WHERE status = 'waiting'",
            {},
        ).one()
        session.execute("SELECT pg_sleep(:left)", {"left": float(left) + 0.01})
        return write_back(session, *arguments, **options)

    monkeypatch.setattr(carry, "write_back", slowly)


def test_an_answer_that_is_late_is_none_and_its_score_stands(
    ward: Any, answering: RequestAnswering, late: None
) -> None:
    ward.admit(1)
    answering.warm()
    (one,) = ward.rows("SELECT scorer.request_scores('sepsis', ARRAY['1'], '1 s')")[0]
    assert answering.answer_waiting() == 1
    found = ward.rows(
        "SELECT status, outcome, score_id, run_id, reason, finished_at > expires_at FROM scorer.requests WHERE request_id = %s",
        one,
    )
    assert found == [("expired", None, None, None, "not answered within 1 s", True)]
    assert ward.ledger(1) == ["SCORED"]
    assert ward.status(1)[0] == "SCORED"
    assert ward.one("SELECT sepsis_score = score FROM public.visits, scorer.current_scores")


def test_a_cohort_that_is_late_keeps_what_was_answered_in_time(
    ward: Any, answering: RequestAnswering, request: pytest.FixtureRequest
) -> None:
    ward.admit(*range(1, 6))
    asked = cohort(ward, range(1, 6), "1 h")
    answering.answer_waiting()
    ward.execute("UPDATE scorer.requests SET expires_at = clock_timestamp() + INTERVAL '1 s'")
    request.getfixturevalue("late")
    assert answering.answer_waiting() == 2
    assert progress(ward, asked) == ("expired", 5, 3, 3, 0, 0)
    assert ward.one("SELECT reason FROM scorer.requests").endswith(" s, but for 3 of 5 entities")
    assert dict(ward.rows(ENDINGS, asked)) == {**dict.fromkeys("123", "SCORED"), **dict.fromkeys("45", None)}
    assert ward.statuses() == dict.fromkeys("12345", "SCORED"), "the scores stand as any others"


def test_an_answer_that_is_on_its_way_is_not_marked_expired_beside_it(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    ward.rows("SELECT scorer.request_scores('sepsis', ARRAY['1'], '50 ms')")
    with closing(ward.connect()) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM scorer.requests FOR UPDATE")
        ward.execute("SELECT pg_sleep(0.1)")
        assert answering.expire() == 0
        other.rollback()
    assert answering.expire() == 1


def test_the_database_itself_takes_no_late_answer(ward: Any) -> None:
    ward.rows("SELECT scorer.request_scores('sepsis', ARRAY['1'], '1 s')")
    with pytest.raises(psycopg2.errors.CheckViolation, match="requests_answered_in_time"):
        ward.execute(
            "UPDATE scorer.requests SET status = 'done', outcome = 'SCORED', finished_at = expires_at + interval '1 ms'"
        )


def test_what_the_service_asks_for_itself_has_no_deadline(ward: Any) -> None:
    with closing(ward.connect()) as worker, worker, worker.cursor() as cursor:
        cursor.execute("SET ROLE scorer_worker")
        cursor.execute("INSERT INTO scorer.requests (job, entity_id, priority) VALUES ('sepsis', '1', -1)")
    assert ward.one("SELECT expires_at FROM scorer.requests") is None


@pytest.mark.parametrize(
    ("entities", "timeout", "seconds"),
    [
        (range(1), None, 30),
        (range(1000), None, 30),
        (range(1001), None, 60),
        (range(10_000), None, 300),
        ([1], "7 s", 7),
    ],
)
def test_a_cohort_has_thirty_seconds_for_each_thousand(
    ward: Any, entities: Sequence[int], timeout: str | None, seconds: int
) -> None:
    cohort(ward, entities, timeout)
    assert ward.one("SELECT round(EXTRACT(EPOCH FROM expires_at - requested_at)) FROM scorer.requests") == seconds


@pytest.mark.parametrize(
    ("entities", "timeout", "sentence"),
    [
        ([], None, "the cohort asked for has no entity"),
        (range(10_001), None, "scores of 10001 entities are asked for at once; ask for at most 10000"),
        (["x" * 1001], None, "more than 1000 characters"),
        ([None], None, "is null"),
        ([1], "-1 s", "from 0 to 86400 s"),
        ([1], "2 days", "from 0 to 86400 s"),
    ],
)
def test_a_cohort_has_its_measure(ward: Any, entities: Sequence[object], timeout: str | None, sentence: str) -> None:
    with pytest.raises(psycopg2.Error, match=sentence) as refused:
        cohort(ward, entities, timeout)
    assert refused.value.pgcode == "SC001"
