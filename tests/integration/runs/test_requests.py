"""Scores on demand: each request is answered once, in the transaction of its score, whatever else goes on; and new observations ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sklearn.dummy import DummyClassifier

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.store.batches import claim_work
from scorer.database.store.requests import is_answered, refuse_requests, take_requests
from scorer.errors import DatabaseUnavailable
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.runs.due import enqueue
from scorer.runs.requests import RequestAnswering
from scorer.runs.run import run_job
from scorer.scoring.opening import open_pipeline
from scorer.scoring.pipeline import carry_batch
from scorer.types.enums import Trigger


@pytest.fixture
def session(ward: Any) -> Iterator[Callable[[], Session]]:
    """Opens a session of the worker's, for what must stand open beside what answers."""
    opened: list[Session] = []

    def give() -> Session:
        opened.append(Session(Target.of(ward.url, ward.settings, role=ward.settings.worker_role)))
        return opened[-1]

    yield give
    for each in opened:
        each.close()


def why(ward: Any, request: int) -> str:
    return str(ward.one("SELECT reason FROM scorer.requests WHERE request_id = %s", request))


def drain(answering: RequestAnswering) -> int:
    """How many requests are answered until none is left that can be."""
    total = 0
    while answered := answering.answer_waiting():
        total += answered
    return total


def rows_of(url: str, text: str) -> list[tuple[Any, ...]]:
    """The rows of a query in another database."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall())


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


DONE = ("done", "SCORED")
WAITING = ("waiting", None)
# Every request that was answered has its ledger row, of the same entity and outcome, in the batch of its run or from before.
UNFOUNDED = """
    SELECT q.request_id FROM scorer.requests AS q LEFT JOIN scorer.scores AS s USING (score_id)
    WHERE q.status = 'done' AND (
        (s.job, s.entity_id) IS DISTINCT FROM (q.job, q.entity_id)
        OR s.status IS DISTINCT FROM CASE q.outcome WHEN 'UNCHANGED' THEN 'SCORED' ELSE q.outcome END)"""


# One request


def test_a_request_is_answered_with_its_score(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1, 2)
    (request,) = ward.ask(1)
    assert answering.answer_waiting() == 1
    assert answering.answer_waiting() == 0
    ((status, outcome, score_id, run_id, in_time),) = ward.rows(
        "SELECT status, outcome, score_id, run_id, finished_at >= requested_at FROM scorer.requests"
    )
    assert (status, outcome, in_time) == ("done", "SCORED", True)
    ((current, entity, as_of_after),) = ward.rows(
        "SELECT c.score_id, c.entity_id, c.as_of > q.requested_at FROM scorer.current_scores AS c "
        "JOIN scorer.requests AS q USING (score_id) WHERE q.request_id = %s",
        request,
    )
    assert (current, entity, as_of_after) == (score_id, "1", True)
    run = ward.rows(
        "SELECT run_id, trigger, status, eligible, scored, finished_at IS NOT NULL FROM scorer.runs ORDER BY run_id"
    )
    assert run == [(run_id, "request", "succeeded", 1, 1, True)]
    assert ward.rows("SELECT run_id, eligible, scored FROM scorer.batches") == [(run_id, 1, 1)]
    assert ward.one("SELECT count(*) FROM scorer.validation_results WHERE run_id = %s", run_id) == 0, (
        "nothing was found"
    )
    assert ward.one("SELECT sepsis_score = score FROM public.visits, scorer.current_scores WHERE visit_id = 1")
    assert ward.one("SELECT sepsis_score IS NULL FROM public.visits WHERE visit_id = 2")


def test_what_was_recorded_before_the_request_is_known(ward: Any, answering: RequestAnswering) -> None:
    """A row that is recorded in the request's own transaction counts, however late that of the answer began."""
    ward.admit(1, observations=7)
    with closing(ward.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, "
            "observation_value, reference_range_min, reference_range_max) VALUES (1, 'C1', now(), 'HR', 99, 60, 100)"
        )
        cursor.execute("SELECT * FROM scorer.request_score('sepsis', '1')")
        connection.commit()
    drain(answering)
    assert ward.one("SELECT observations_read FROM scorer.batches") == 8


def test_asked_again_the_score_stands_until_something_changes(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    first, second = ward.ask(1), (drain(answering), ward.ask(1))[1]
    drain(answering)
    assert ward.answers(*first, *second) == [DONE, ("done", "UNCHANGED")]
    assert ward.one("SELECT count(DISTINCT score_id) FROM scorer.requests") == 1
    ward.observe(1, hours_ago=0)
    third = ward.ask(1)
    drain(answering)
    assert ward.answers(*third) == [DONE]
    assert ward.ledger(1) == ["SCORED", "SCORED"]
    assert not ward.rows(UNFOUNDED)
    assert ward.rows("SELECT eligible, scored, unchanged FROM scorer.runs ORDER BY run_id") == [
        (1, 1, 0),
        (1, 0, 1),
        (1, 1, 0),
    ]


def test_an_entity_without_a_score_is_answered_too(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1, observations=2)
    ward.admit(2, admitted_at=None)
    for _ in range(2):
        requests = ward.ask(1, 2)
        drain(answering)
        assert ward.answers(*requests) == [("done", "INSUFFICIENT"), ("done", "QUARANTINED")]
    assert ward.ledger(1) == ["INSUFFICIENT"]
    assert ward.ledger(2) == ["QUARANTINED"]
    assert ward.open_findings(2)
    assert ward.rows("SELECT DISTINCT unexpected > 0 OR NOT success FROM scorer.validation_results") == [(True,)]
    assert not ward.rows(UNFOUNDED)


def test_an_entity_that_is_not_there_is_refused(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    strange = [
        "7",
        "abc",
        "01",
        "",
        "9" * 19,
        "9" * 30,
        "1; DROP",
        "-1",
        "1.0",
        " 1",
        "1\n",
        "№",
        "{}",
        "NULL",
        "1,2",
        '"',
    ]
    requests = ward.ask(*strange, 1)
    assert answering.answer_waiting() == len(requests)
    assert ward.answers(*requests) == [("refused", None)] * len(strange) + [DONE]
    assert why(ward, requests[0]) == "there is no such visit to score at this time"


def test_an_entity_that_is_to_come_is_refused(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1, admitted_at=ward.noon + timedelta(days=1))
    (request,) = ward.ask(1)
    drain(answering)
    assert ward.answers(request) == [("refused", None)]
    assert ward.one("SELECT count(*) FROM scorer.runs") == 0


def test_requests_of_one_entity_are_answered_by_one_score(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1, 2)
    requests = ward.ask(1, 2, 1, 1)
    assert answering.answer_waiting() == 4
    assert ward.answers(*requests) == [DONE] * 4
    assert ward.ledger(1) == ["SCORED"]
    assert ward.one("SELECT count(DISTINCT score_id) FROM scorer.requests WHERE entity_id = '1'") == 1
    assert ward.one("SELECT eligible FROM scorer.runs") == 2


def test_a_score_on_demand_is_the_one_that_a_scheduled_run_makes(
    ward: Any, answering: RequestAnswering, make_database: Callable[[str], str]
) -> None:
    ward.admit(*range(1, 9))
    ward.admit(9, discharged_at=ward.noon - timedelta(minutes=30))
    ward.admit(10, observations=3)
    ward.close()
    ward._connection = None
    copy = make_database(psycopg2.extensions.parse_dsn(ward.url)["dbname"])
    ward.ask(3, 9, 10, 1)
    drain(answering)
    as_of = ward.one("SELECT max(as_of) FROM scorer.scores")
    run_job(ward.job, database=Database(copy, ward.settings), as_of=as_of)
    scores = """
        SELECT entity_id, as_of, as_known_at, status, reason, encode(float8send(score), 'hex'), risk_band,
            encode(input_hash, 'hex'), encode(features, 'hex'), valid_until, attributes, model_version, job_version
        FROM scorer.scores WHERE entity_id IN ('1', '3', '9', '10') ORDER BY entity_id"""
    on_demand = ward.rows(scores)
    assert on_demand == rows_of(copy, scores)
    assert {row[3] for row in on_demand} == {"SCORED", "INSUFFICIENT"}
    assert on_demand[3][1] == ward.noon - timedelta(minutes=30)


# Beside the schedule


def test_a_request_overtakes_the_schedules_backlog(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 7))
    ward.settings = Settings(home=ward.settings.home, batch_size=2)
    seen: list[Any] = []

    def between_batches(step: str) -> None:
        if step == "commit" and not seen:
            waiting = {row[0] for row in ward.rows("SELECT entity_id FROM scorer.work")}
            (asked,) = ward.ask(max(waiting))
            assert drain(answering) == 1
            seen.append((asked, ward.one("SELECT count(*) FROM scorer.work"), len(waiting)))

    ended = ward.run(watch=between_batches, as_of=datetime.now(UTC) - timedelta(milliseconds=50))
    ((asked, left, before),) = seen
    assert left == before == 4, "the work of the run stays for the run"
    assert ward.answers(asked) == [DONE]
    assert (ended.counts.scored, ended.counts.unchanged) == (5, 1)
    assert ward.rows("SELECT entity_id FROM scorer.scores GROUP BY 1 HAVING count(*) > 1") == []


def test_an_entity_that_is_being_scored_this_moment_waits(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(*range(1, 5))
    ward.settings = Settings(home=ward.settings.home, batch_size=2)
    seen: list[Any] = []

    def within_a_batch(step: str) -> None:
        if step == "score" and not seen:
            requests = ward.ask(1, 2, 3, 4)
            assert answering.answer_waiting() == 2
            assert answering.answer_waiting() == 0
            assert answering.holds_back
            seen.append(requests)

    ward.run(watch=within_a_batch, as_of=datetime.now(UTC) - timedelta(milliseconds=50))
    (requests,) = seen
    assert sorted(ward.answers(*requests)) == [DONE, DONE, WAITING, WAITING]
    assert drain(answering) == 2
    assert not answering.holds_back
    assert sorted(ward.answers(*requests)) == [DONE, DONE, ("done", "UNCHANGED"), ("done", "UNCHANGED")]
    assert not ward.rows(UNFOUNDED)
    assert ward.rows("SELECT entity_id FROM scorer.scores GROUP BY 1 HAVING count(*) > 1") == []


def test_no_answer_begins_while_a_runs_work_becomes_visible(ward: Any, answering: RequestAnswering) -> None:
    """Else the answer would not see the work, nor its worker the answer's score."""
    ward.admit(1)
    answering.warm()
    ward.ask(1)
    line = open_pipeline(ward.job, database=Database(ward.url, ward.settings))
    try:
        with line.session.transaction():
            run, eligible = enqueue(line, as_of=None, limit=None, trigger=Trigger.SCHEDULE)
            assert eligible == 1
            assert answering.answer_waiting() == 0
            assert answering.holds_back, "to be asked again in a moment"
        with line.session.transaction():
            assert claim_work(line.session, ward.job, run, size=1)
            assert answering.answer_waiting() == 0
        assert carry_batch(line, run) is not None
    finally:
        line.close()
    assert drain(answering) == 1
    assert ward.one("SELECT outcome FROM scorer.requests") == "UNCHANGED"
    assert ward.ledger(1) == ["SCORED"]


def test_a_run_waits_for_the_answers_that_cannot_see_its_work(ward: Any, session: Callable[[], Session]) -> None:
    ward.admit(1)
    ward.ask(1)
    beside = session()
    ended: list[Any] = []
    with beside.transaction():
        assert take_requests(beside, ward.job, max_requests=10).asked
        running = threading.Thread(target=lambda: ended.append(ward_run(ward)))
        running.start()
        eventually(
            lambda: (
                ward.one(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND mode = 'ExclusiveLock'"
                )
                or ended
            )
        )
        assert not ended
        assert ward.one("SELECT count(*) FROM scorer.work") == 0
    running.join()
    assert ended == ["succeeded"]


def ward_run(ward: Any) -> str:
    return run_job(ward.job, database=Database(ward.url, ward.settings)).status


def test_a_row_that_the_hospital_holds_keeps_no_answer_back(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    with closing(ward.connect()) as held, held.cursor() as cursor:
        cursor.execute("SELECT FROM public.visits WHERE visit_id = 1 FOR UPDATE")
        (request,) = ward.ask(1)
        assert drain(answering) == 1
        assert ward.answers(request) == [DONE]
        assert ward.rows("SELECT entity_id FROM scorer.write_backs") == [("1",)]
    ward.run(as_of=datetime.now(UTC) - timedelta(milliseconds=10))
    assert ward.one("SELECT sepsis_score = score FROM public.visits, scorer.current_scores")


# Several who ask, several who answer


def test_the_most_urgent_come_first_and_then_the_oldest(ward: Any, session: Callable[[], Session]) -> None:
    ward.admit(1)
    first, second = ward.ask(1, 2)
    (urgent,) = ward.ask(3, priority=5)
    ward.ask(4, priority=-1)
    asking = session()
    with asking.transaction():
        taken = take_requests(asking, ward.job, max_requests=2)
        assert [each.request_id for each in taken.asked] == [first, urgent]
        other = session()
        with other.transaction():
            left = take_requests(other, ward.job, max_requests=1)
            assert [each.request_id for each in left.asked] == [second]


def test_an_entity_that_another_process_answers_for_waits(
    ward: Any, answering: RequestAnswering, session: Callable[[], Session]
) -> None:
    ward.admit(1, 2)
    ward.ask(1)
    other = session()
    with other.transaction():
        assert len(take_requests(other, ward.job, max_requests=10).asked) == 1
        later = ward.ask(1, 2)
        assert drain(answering) == 1
        assert answering.holds_back
        assert ward.answers(*later) == [WAITING, DONE]
    assert drain(answering) == 2
    assert ward.ledger(1) == ["SCORED"]


def fill(ward: Any, *, visits: int) -> None:
    """A clean visit, and so many that differ from it in their values, from 1001 on."""
    ward.admit(1)
    ward.execute(
        "INSERT INTO public.visits SELECT 1000 + n, 'C', admitted_at, NULL, age_years, sex, unit, hours_before_icu "
        "FROM public.visits, generate_series(1, %s) AS n",
        visits,
    )
    ward.execute(
        "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, "
        "observation_value, reference_range_min, reference_range_max, recorded_at) "
        "SELECT 1000 + n, 'C', observation_date, observation_type_code, observation_value + n * 2.5, "
        "reference_range_min, reference_range_max, recorded_at FROM public.patient_observations, generate_series(1, %s) AS n",
        visits,
    )


def test_beside_runs_no_score_is_followed_by_one_as_of_an_earlier_moment(
    ward: Any, open_answering: Callable[..., RequestAnswering]
) -> None:
    """Runs, answers, and new observations of the entities that are asked for, all at once."""
    fill(ward, visits=20)
    ward.settings = Settings(home=ward.settings.home, batch_size=7)
    answering = open_answering()
    answering.warm()
    ended = threading.Event()

    def run() -> None:
        try:
            for _ in range(12):
                run_job(ward.job, database=Database(ward.url, ward.settings))
        finally:
            ended.set()

    running = threading.Thread(target=run)
    running.start()
    number = 0
    while not ended.is_set():
        number += 1
        ward.execute(
            "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, observation_value) "
            "SELECT visit_id, client, now(), 'HR', 60 + random() * 60 FROM public.visits WHERE visit_id %% 3 = %s %% 3",
            number,
        )
        ward.execute(
            "INSERT INTO scorer.requests (job, entity_id) SELECT 'sepsis', visit_id::text FROM public.visits WHERE visit_id %% 3 = %s %% 3",
            number,
        )
        answering.answer_waiting()
    running.join()
    while (
        drain(answering) or answering.holds_back
    ):  # what a batch held a moment ago is looked at again, as the daemon's loop does
        time.sleep(0.05)
    assert ward.rows("SELECT status, count(*) FROM scorer.requests GROUP BY 1") == [("done", number * 7)]
    assert ward.rows("SELECT DISTINCT status, trigger FROM scorer.runs ORDER BY 2") == [
        ("succeeded", "manual"),
        ("succeeded", "request"),
    ]
    assert not ward.rows(UNFOUNDED)
    assert not ward.rows(
        "SELECT a.entity_id, a.as_of, b.as_of FROM scorer.scores AS a JOIN scorer.scores AS b USING (job, entity_id) "
        "WHERE a.score_id < b.score_id AND a.as_of >= b.as_of"
    )
    assert not ward.rows(
        "SELECT c.entity_id FROM scorer.current_scores AS c WHERE c.score_id <> "
        "(SELECT max(s.score_id) FROM scorer.scores AS s WHERE s.entity_id = c.entity_id)"
    )


def test_two_processes_at_once_answer_each_request_once(
    ward: Any, open_answering: Callable[..., RequestAnswering]
) -> None:
    fill(ward, visits=20)
    both = [open_answering() for _ in range(2)]
    for each in both:
        each.warm()
    counted = [0, 0]
    ended = threading.Event()

    def work(number: int) -> None:
        while not ended.is_set():
            counted[number] += both[number].answer_waiting()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            ward.execute(
                "INSERT INTO scorer.requests (job, entity_id) SELECT 'sepsis', visit_id::text FROM public.visits WHERE visit_id > 1"
            )
        deadline = time.monotonic() + 60
        while ward.one("SELECT count(*) FROM scorer.requests WHERE status = 'waiting'") and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert sum(counted) == 200
    assert ward.rows("SELECT status, count(*) FROM scorer.requests GROUP BY 1") == [("done", 200)]
    assert not ward.rows(UNFOUNDED)
    # Asked for ten times with nothing new, each has one score.
    assert ward.rows("SELECT entity_id FROM scorer.scores GROUP BY 1 HAVING count(*) > 1") == []
    assert ward.one("SELECT count(DISTINCT entity_id) FROM scorer.scores") == 20
    assert ward.one("SELECT sum(eligible) FROM scorer.runs") <= 200


# Cancelled


def test_a_cancelled_request_is_not_answered(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    (request,) = ward.ask(1)
    assert ward.one("SELECT scorer.cancel_request(%s)", request)
    assert drain(answering) == 0
    assert ward.answers(request) == [("cancelled", None)]
    assert "cancelled by" in why(ward, request)
    assert not ward.one("SELECT scorer.cancel_request(%s)", request)


def test_a_request_that_is_being_answered_can_no_longer_be_cancelled(ward: Any, session: Callable[[], Session]) -> None:
    ward.admit(1)
    (request,) = ward.ask(1)
    beside = session()
    said: list[bool] = []

    def cancel() -> None:
        with closing(ward.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute("SELECT scorer.cancel_request(%s)", (request,))
            said.append(cursor.fetchone()[0])

    with beside.transaction():
        taken = take_requests(beside, ward.job, max_requests=1)
        thread = threading.Thread(target=cancel)
        thread.start()
        eventually(lambda: ward.one("SELECT count(*) FROM pg_locks WHERE NOT granted"))
        assert not said
        refuse_requests(beside, [each.request_id for each in taken.asked], reason="a test")
    thread.join()
    assert said == [False]
    assert ward.answers(request) == [("refused", None)]


# What goes wrong


def test_a_rule_that_stops_runs_refuses_the_requests_and_says_so(
    ward: Any, open_answering: Callable[..., RequestAnswering], changed_job: Callable[..., Job]
) -> None:
    def stop(expectations: list[dict[str, Any]]) -> None:
        for each in expectations:
            each["meta"]["action"] = "fail"

    strict = changed_job(suites={"features": stop})
    ward.admit(1, age_years=-4.0)
    ward.admit(2)
    answering = open_answering(strict)
    requests = ward.ask(1, 2)
    assert answering.answer_waiting() == 2
    assert answering.answer_waiting() == 0
    assert ward.answers(*requests) == [("refused", None)] * 2
    assert "stops the run" in why(ward, requests[1])
    assert ward.last_run() == ("failed", why(ward, requests[0]), 0, 0)
    assert ward.one("SELECT count(*) FROM scorer.validation_results WHERE batch_id IS NULL AND NOT success") > 0
    assert ward.ledger(1) == ward.ledger(2) == []
    again = ward.ask(2)
    assert drain(answering) == 1
    assert ward.answers(*again) == [DONE]


def test_without_a_model_in_production_requests_are_refused_and_it_is_taken_up_when_there_is_one(
    ward: Any, answering: RequestAnswering, make_model: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    ward.admit(1)
    ward.execute("SELECT scorer.move_model('sepsis', model_version, 'archived', 'a test') FROM scorer.model_versions")
    (request,) = ward.ask(1)
    assert answering.answer_waiting() == 1
    assert ward.answers(request) == [("refused", None)]
    assert why(ward, request).startswith("Job sepsis has no model in production")
    ward.ask(1)
    assert drain(answering) == 1
    assert answering.answer_waiting() == 0
    assert caplog.text.count("Requests refused") == 1, "logged once, and not for each"
    put_dummy(ward, make_model, version="first")
    (request,) = ward.ask(1)
    drain(answering)
    assert ward.answers(request) == [DONE]
    assert ward.one("SELECT model_version FROM scorer.current_scores") == "first"


def put_dummy(ward: Any, make_model: Callable[..., Path], *, version: str) -> None:
    width = len(feature_names(ward.job.features))
    fitted = DummyClassifier(strategy="prior").fit([[0.0] * width] * 4, [0, 0, 0, 1])
    ward.put_into_production(ward.job, make_model(ward.job, fitted, version=version))


def test_a_model_promoted_meanwhile_answers_the_next_request(
    ward: Any, answering: RequestAnswering, make_model: Callable[..., Path]
) -> None:
    ward.admit(1, 2)
    ward.ask(1)
    drain(answering)
    put_dummy(ward, make_model, version="newer")
    ward.ask(1, 2)
    drain(answering)
    assert ward.rows("SELECT model_version, score FROM scorer.current_scores") == [("newer", 0.25)] * 2
    assert ward.rows("SELECT entity_id, count(*) FROM scorer.scores GROUP BY 1 ORDER BY 1") == [("1", 2), ("2", 1)]


def test_a_changed_job_is_taken_up_at_a_reload(
    ward: Any, answering: RequestAnswering, changed_job: Callable[..., Job]
) -> None:
    ward.admit(1)
    ward.ask(1)
    drain(answering)
    banded = changed_job(("job.toml", "HIGH = 0.08, MEDIUM = 0.025", "HIGH = 0.00002, MEDIUM = 0.00001"))
    answering.reload([banded])
    (request,) = ward.ask(1)
    drain(answering)
    assert ward.answers(request) == [DONE]
    assert ward.rows("SELECT risk_band, judged_by_job FROM scorer.current_scores") == [("HIGH", banded.version)]


def test_an_entity_that_makes_scoring_raise_fails_alone(
    ward: Any, answering: RequestAnswering, make_model: Callable[..., Path]
) -> None:
    ward.admit(1, 2, 3)
    answering.warm()
    answering._pipelines["sepsis"].model._estimator = Choosy(answering._pipelines["sepsis"].model._estimator)
    ward.execute("UPDATE public.visits SET age_years = 66 WHERE visit_id = 2")
    requests = ward.ask(1, 2, 3)
    assert drain(answering) == 3
    assert ward.answers(*requests) == [DONE, ("done", "FAILED"), DONE]
    assert not ward.rows(UNFOUNDED)


class Choosy:
    """A model that cannot bear one age."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict_proba(self, rows: Any) -> Any:
        if (rows == 66).any():
            raise ZeroDivisionError
        return self._model.predict_proba(rows)


def test_a_statement_that_fails_refuses_the_requests_and_keeps_other_jobs_from_nothing(
    ward: Any,
    open_answering: Callable[..., RequestAnswering],
    changed_job: Callable[..., Job],
    caplog: pytest.LogCaptureFixture,
) -> None:
    ward.admit(1)
    ward.execute("CREATE FUNCTION public.never(text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$")
    broken = changed_job(("requested.sql", "CAST(v.visit_id AS text)", "public.never(CAST(v.visit_id AS text))"))
    answering = open_answering(ward.job, ward.under_another_name(broken))
    for _ in range(2):
        refused, done = ward.ask(1, job="other"), ward.ask(1)
        assert drain(answering) == 2
        assert ward.answers(*refused, *done)[0] == ("refused", None)
        assert ward.answers(*done)[0][0] == "done"
        assert "SQLSTATE 22012" in why(ward, *refused)
    assert [event for event in logged(caplog) if event != "REQUESTS_ANSWERED"] == ["REQUESTS_FAILED"]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of all events that were logged."""
    return [record.event.name for record in caplog.records if hasattr(record, "event")]


def test_requests_wait_where_the_database_breaks_off(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    answering.warm()
    (request,) = ward.ask(1)
    ward.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scorer'")
    with pytest.raises(DatabaseUnavailable):
        answering.answer_waiting()
    assert ward.answers(request) == [WAITING]
    assert drain(answering) == 1
    assert ward.answers(request) == [DONE]


def test_one_that_stands_still_in_the_middle_lets_go(
    ward: Any, open_answering: Callable[..., RequestAnswering]
) -> None:
    ward.admit(1)
    usual, ward.settings = ward.settings, replace(ward.settings, idle_timeout=timedelta(milliseconds=200))
    still = open_answering()
    ward.settings = usual
    (request,) = ward.ask(1)
    with still._session.transaction():
        assert take_requests(still._session, ward.job, max_requests=1).asked
        eventually(lambda: not ward.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"))
        still._session.close()
    assert drain(open_answering()) == 1
    assert ward.answers(request) == [DONE]


def test_requests_of_a_job_that_no_daemon_knows_wait_for_an_hour_and_it_is_logged_once(
    ward: Any, answering: RequestAnswering, caplog: pytest.LogCaptureFixture
) -> None:
    ward.execute("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('other', 'v', '{}')")
    ward.admit(1)
    young, old, older = ward.ask(1, 1, 1, job="other")
    assert answering.refuse_strangers({}) == 0
    assert "REQUESTS_STRANGE" not in logged(caplog)
    for request, minutes in ((old, 59), (older, 61)):
        ward.execute(
            "UPDATE scorer.requests SET requested_at = now() - %s * INTERVAL '1 minute' WHERE request_id = %s",
            minutes,
            request,
        )
    assert drain(answering) == 0
    assert [answering.refuse_strangers({}), answering.refuse_strangers({})] == [1, 0]
    assert ward.answers(young, old, older) == [WAITING, WAITING, ("refused", None)]
    assert "no daemon answers for job 'other'" in why(ward, older)
    assert logged(caplog).count("REQUESTS_STRANGE") == 1


def test_requests_that_cannot_be_taken_do_not_stand_in_the_way_of_others(
    ward: Any, answering: RequestAnswering, session: Callable[[], Session]
) -> None:
    """More of them than are taken at once, of an entity that another process answers for; and the one behind them."""
    ward.admit(1, 2)
    ward.ask(1)
    other = session()
    with other.transaction():
        assert take_requests(other, ward.job, max_requests=1).asked
        ward.execute("INSERT INTO scorer.requests (job, entity_id) SELECT 'sepsis', '1' FROM generate_series(1, 1100)")
        (behind,) = ward.ask(2)
        assert drain(answering) == 1
        assert ward.answers(behind) == [DONE]
        assert answering.holds_back
    assert drain(answering) == 1101
    assert not answering.holds_back


def test_what_is_asked_for_has_its_measure(ward: Any) -> None:
    with pytest.raises(psycopg2.Error, match="more than 1000 characters") as refused:
        ward.one("SELECT scorer.request_score('sepsis', %s)", "x" * 1001)
    assert refused.value.pgcode == "SC001"
    ward._connection.rollback()
    with pytest.raises(psycopg2.Error, match="at most 10000") as refused:
        ward.one("SELECT scorer.request_score('sepsis', VARIADIC array_fill('1'::text, ARRAY[10001]))")
    assert refused.value.pgcode == "SC001"
    ward._connection.rollback()
    for columns, constraint in (({"entity": "x" * 1001}, "is_short"), ({"entity": 1, "priority": 101}, "is_modest")):
        entity, priority = columns["entity"], columns.get("priority", 0)
        with pytest.raises(psycopg2.errors.CheckViolation, match=constraint):
            ward.ask(entity, priority=priority)
        ward._connection.rollback()
    assert len(ward.ask("x" * 1000, priority=-100)) == 1


def test_jobs_are_answered_in_turn(
    ward: Any, open_answering: Callable[..., RequestAnswering], changed_job: Callable[..., Job]
) -> None:
    """A second job, here the same under another name, whose model is missing, keeps the first from nothing."""
    ward.admit(1)
    ward.execute("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('other', 'v', '{}')")
    answering = open_answering(ward.job, replace(ward.job, name="other"))
    refused, done = ward.ask(1, job="other"), ward.ask(1)
    assert answering.answer_waiting() == 1
    assert answering.answer_waiting() == 1
    assert ward.answers(*refused, *done) == [("refused", None), DONE]


# Jobs that are not run here

LEFT_OUT = {"sepsis": "job sepsis is not run here: the option jobs does not name it"}


def test_a_request_of_a_job_that_is_not_run_is_refused_with_the_reason(ward: Any, open_answering: Any) -> None:
    ward.admit(1)
    (request,) = ward.ask(1)
    answering = open_answering()
    answering.reload([])
    assert answering.refuse_strangers(LEFT_OUT) == 0, "another daemon may be about to start"
    ward.execute("UPDATE scorer.requests SET requested_at = now() - interval '2 min'")
    ward.execute(
        "INSERT INTO scorer.daemons (daemon, version, ready, detail, jobs) VALUES ('b/1', '1', true, '', '{sepsis}')"
    )
    assert answering.refuse_strangers(LEFT_OUT) == 0, "another daemon runs it"
    ward.execute("UPDATE scorer.daemons SET jobs = NULL")
    assert answering.refuse_strangers(LEFT_OUT) == 0, "a daemon of an older release may run it"
    ward.execute("UPDATE scorer.daemons SET jobs = '{readmit}'")
    assert answering.refuse_strangers(LEFT_OUT) == 1
    assert ward.rows("SELECT status, reason FROM reporting.requests WHERE request_id = %s", request) == [
        ("refused", LEFT_OUT["sepsis"])
    ]


@pytest.mark.parametrize(
    ("daemons", "answered"),
    [
        ([], True),
        (["{sepsis}"], True),
        ([None], True),
        (["{readmit}"], False),
        (["{readmit}", "{sepsis}"], True),
        (["{}"], False),
    ],
)
def test_whether_a_daemon_answers_is_known_at_once(ward: Any, daemons: list[str | None], answered: bool) -> None:
    for number, jobs in enumerate(daemons):
        ward.execute(
            "INSERT INTO scorer.daemons (daemon, version, ready, detail, jobs) VALUES (%s, '1', true, '', %s)",
            f"b/{number}",
            jobs,
        )
    with closing(Session(Database(ward.url, ward.settings).as_worker())) as session, session.transaction():
        assert is_answered(session, "sepsis") == answered


def test_a_request_that_the_jobs_statement_cannot_take_is_refused_alone(
    ward: Any, open_answering: Callable[..., RequestAnswering], changed_job: Callable[..., Job]
) -> None:
    """A site's `requested` that casts whatever is asked for."""
    job = changed_job()
    plain = "SELECT CAST(v.visit_id AS text) AS entity_id, :as_of::timestamptz AS as_of FROM public.visits AS v "
    where = "WHERE v.visit_id = ANY (:entity_ids::bigint[])"
    job = replace(job, statements={**job.statements, "requested": plain + where})
    ward.admit(1, 2, 3)
    keys = ward.ask(1, 2, "bed 7", 3)
    answering = open_answering(job)
    while answering.answer_waiting():
        pass
    assert [status for status, _ in ward.answers(*keys)] == ["done", "done", "refused", "done"]
