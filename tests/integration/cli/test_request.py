"""The commands that ask for scores and cancel, by the login of one who may ask and nothing else; and what hears of the answers."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg2
import pytest

from scorer.cli import main as cli
from scorer.database.connection import Target
from scorer.database.notifications import Listener
from scorer.runs.requests import RequestAnswering

PASSWORD = "only-for-tests"
_numbers = itertools.count(1)


def sql(url: str, text: str) -> list[tuple[Any, ...]]:
    """What a statement gives, committed."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


@contextmanager
def logins(url: str) -> Iterator[Callable[[str], str]]:
    """Makes a login that has one of the roles and nothing else; gives the database's URL for it."""
    made: list[str] = []

    def make(role: str) -> str:
        made.append(f"requests_{role}_{next(_numbers)}")
        sql(url, f"CREATE ROLE {made[-1]} LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_{role}")
        return re.sub(r"//\w+@", f"//{made[-1]}:{PASSWORD}@", url)

    yield make
    for name in made:
        sql(url, f"DROP ROLE {name}")


@pytest.fixture
def login(ward: Any) -> Iterator[Callable[[str], str]]:
    """Makes a login for the ward."""
    with logins(ward.url) as make:
        yield make


@pytest.fixture(scope="module")
def refused(make_database: Callable[[str], str], template: str) -> Iterator[Callable[[str], str]]:
    """Gives the URL of a login with a role, on a database that no test changes: all that they try is refused."""
    with logins(make_database(template)) as make:
        yield cache(make)


@pytest.fixture
def requester(login: Callable[[str], str]) -> str:
    """The ward's URL for one who may ask."""
    return login("requester")


@pytest.fixture
def command(
    ward: Any, requester: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs `scorer` by the requester's login; its exit code, and what it said on stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("SCORER_DATABASE_URL", requester)
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@contextmanager
def answered_meanwhile(answering: RequestAnswering) -> Iterator[None]:
    """Within it, requests are answered in a thread of their own."""
    ended = threading.Event()
    answering.warm()

    def work() -> None:
        while not ended.wait(0.01):
            answering.answer_waiting()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_request_waits_for_its_answer(ward: Any, answering: RequestAnswering, command: Any) -> None:
    ward.admit(1)
    ward.admit(2, observations=1)
    with answered_meanwhile(answering):
        code, out, err = command("request", "sepsis", "1", "2", "--wait", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)["requests"]
    assert [(each["entity_id"], each["status"], each["outcome"]) for each in told] == [
        ("1", "done", "SCORED"),
        ("2", "done", "INSUFFICIENT"),
    ]
    assert all(each["score_id"] and each["latency_ms"] > 0 for each in told)


def test_who_is_not_there_ends_with_one(ward: Any, answering: RequestAnswering, command: Any) -> None:
    ward.admit(1)
    with answered_meanwhile(answering):
        code, out, err = command("request", "sepsis", "1", "2", "--wait")
    assert code == 1
    assert "SCORED" in out
    assert "refused" in out
    assert re.fullmatch(
        r"scorer: 1 of 2 requests were not answered; the first: request 2 of 2 is refused: there is no such visit to score at "
        r"this time\.\n",
        err,
    )


def test_without_a_daemon_requests_wait_until_they_expire(ward: Any, answering: RequestAnswering, command: Any) -> None:
    ward.admit(1)
    code, out, err = command("request", "sepsis", "1", "--wait", "--timeout", "0.1")
    assert code == 1
    assert "expired" in out
    assert "request 1 of 1 is expired: not answered within 0.1 s." in err
    code, out, err = command("request", "sepsis", "1", "--json")
    assert (code, err) == (0, "")
    (asked,) = json.loads(out)["requests"]
    assert (asked["request_id"], asked["status"]) == (2, "waiting")
    assert answering.answer_waiting() == 1
    assert ward.answers(1, 2) == [("expired", None), ("done", "SCORED")]


def test_a_cohort_is_asked_for_in_one_request(ward: Any, answering: RequestAnswering, command: Any) -> None:
    ward.admit(1, 2, 3)
    with answered_meanwhile(answering):
        code, out, err = command("request", "sepsis", "1", "2", "3", "9", "--cohort", "--wait", "--json")
    assert (code, err) == (0, "")
    (told,) = json.loads(out)["requests"]
    assert {each: told[each] for each in ("status", "entities", "answered", "scored", "failed", "absent")} == {
        "status": "done",
        "entities": 4,
        "answered": 4,
        "scored": 3,
        "failed": 0,
        "absent": 1,
    }
    code, out, err = command("request", "sepsis", "1", "2", "--cohort")
    assert (code, err) == (0, "")
    assert "entities" in out
    assert "entity_id" not in out


def test_a_cohort_by_a_predicate_is_found_with_the_rights_of_who_asks(
    ward: Any, answering: RequestAnswering, command: Any, requester: str
) -> None:
    ward.admit(1, 2)
    ward.admit(3, unit="SICU")
    ward.ask(1, 2, 3)
    answering.answer_waiting()
    where = ("request", "sepsis", "--json", "--where")
    code, _, err = command(*where, "true")
    assert (code, "current_scores" in err) == (1, True), "a requester alone may not read what the predicate is about"
    name = re.search(r"//(\w+):", requester)[1]  # type: ignore[index]
    sql(ward.url, f"GRANT scorer_reader TO {name}")
    code, out, err = command(*where, "attributes ->> 'client' IN ('C1', 'C2') -- those of two clients")
    assert (code, err) == (0, "")
    (told,) = json.loads(out)["requests"]
    assert (told["status"], told["entities"]) == ("waiting", 2)
    asked = sql(requester, "SELECT entity_id FROM reporting.request_entities ORDER BY 1")
    assert asked == [("1",), ("2",)]
    assert command(*where, "false")[2].startswith("scorer: Nothing was asked for: no entity of job sepsis")
    assert "one of the two" in command(*where, "true", "7")[2]
    assert "one of the two" in command("request", "sepsis")[2]
    assert ward.one("SELECT count(*) FROM scorer.requests WHERE entities IS NOT NULL") == 1


@pytest.mark.parametrize(
    "predicate",
    [
        "true); DELETE FROM scorer.requests; --",
        "true); COMMIT; DELETE FROM scorer.requests; --",
        "public.written() > 0",
        "entity_id IN (SELECT v.visit_id::text FROM public.visits AS v)",
        "nobodys_column = 1",
        "true) UNION SELECT rolpassword FROM pg_catalog.pg_authid --",
        "(",
        "",
    ],
)
def test_a_predicate_does_nothing_but_read_what_its_login_may(
    ward: Any, command: Any, requester: str, predicate: str
) -> None:
    name = re.search(r"//(\w+):", requester)[1]  # type: ignore[index]
    sql(ward.url, f"GRANT scorer_reader TO {name}")
    sql(ward.url, f"CREATE TABLE public.own (a int); GRANT ALL ON public.own TO {name}")
    sql(
        ward.url,
        "CREATE FUNCTION public.written() RETURNS int LANGUAGE sql AS $$ INSERT INTO public.own VALUES (1) RETURNING 1 $$",
    )
    ward.admit(1)
    ward.run(as_of=ward.noon)
    ward.ask(1)
    code, out, err = command("request", "sepsis", "--where", predicate)
    assert (code, out) == (1, ""), err
    assert err.startswith("scorer: ")
    assert err.count("\n") == 1, "one sentence"
    assert ward.one("SELECT count(*) FROM scorer.requests") == 1
    assert ward.one("SELECT count(*) FROM public.own") == 0
    sql(ward.url, f"REVOKE ALL ON public.own FROM {name}")


def test_a_quota_that_is_spent_is_one_sentence_with_the_time_to_wait(
    ward: Any, answering: RequestAnswering, command: Any
) -> None:
    for _ in range(5):
        assert command("request", "sepsis", "1", "2")[0] == 0
    code, out, err = command("request", "sepsis", "1")
    assert (code, out) == (1, "")
    told = re.fullmatch(r"scorer: (\w+) may make 10 requests a minute and has made them; wait (\d+) s\.\n", err, re.I)
    assert told, err
    assert 1 <= int(told[2]) <= 60
    assert ward.one("SELECT count(*) FROM scorer.requests") == 10
    code, _, err = command("request", "sepsis", *map(str, range(11)))
    assert code == 1
    assert "makes 11 at once; ask for many entities in one request" in err


def test_a_job_that_is_not_there_is_one_sentence(command: Any) -> None:
    code, out, err = command("request", "sepsys", "1")
    assert (code, out) == (1, "")
    assert err == "scorer: There is no job 'sepsys' in this database; reporting.health has those there are.\n"


def test_requests_are_cancelled_by_who_made_them(
    ward: Any, answering: RequestAnswering, command: Any, login: Any
) -> None:
    ward.admit(1)
    command("request", "sepsis", "1", "1")
    other = sql(login("requester"), "SELECT * FROM scorer.request_score('sepsis', '1')")
    assert other == [(3,)]
    assert command("cancel", "1")[:2] == (0, "Request 1: cancelled.\n")
    code, out, err = command("cancel", "2", "3", "1", "99")
    assert code == 1
    assert out.splitlines()[0] == "Request 2: cancelled."
    assert err == "scorer: Not cancelled, being answered already or somebody else's: 3, 1, 99.\n"
    assert answering.answer_waiting() == 1
    assert ward.rows("SELECT status FROM reporting.requests ORDER BY request_id") == [
        ("cancelled",),
        ("cancelled",),
        ("done",),
    ]


# Who may do what


def test_a_requester_asks_in_each_of_the_ways(ward: Any, answering: RequestAnswering, requester: str) -> None:
    ward.admit(1)
    sql(requester, "INSERT INTO scorer.requests (job, entity_id, priority) VALUES ('sepsis', '1', 3)")
    sql(requester, "SELECT scorer.request_score('sepsis', '1', '2')")
    sql(requester, "SELECT scorer.request_score('sepsis', VARIADIC ARRAY['1'])")
    assert answering.answer_waiting() == 4
    ((who,),) = sql(requester, "SELECT DISTINCT requested_by FROM reporting.requests")
    assert who in requester
    ((waiting, done, refused, p50),) = sql(
        requester, "SELECT waiting, done, refused, p50_ms FROM reporting.request_statistics WHERE job = 'sepsis'"
    )
    assert (waiting, done, refused) == (0, 3, 1)
    assert p50 > 0


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO scorer.requests (job, entity_id, outcome) VALUES ('sepsis', '1', 'SCORED')",
        "INSERT INTO scorer.requests (job, entity_id, run_id) VALUES ('sepsis', '1', 1)",
        "INSERT INTO scorer.requests (job, entity_id, requested_by) VALUES ('sepsis', '1', 'another')",
        "UPDATE scorer.requests SET status = 'cancelled'",
        "UPDATE scorer.requests SET priority = 9",
        "DELETE FROM scorer.requests",
        "SELECT FROM scorer.requests FOR UPDATE",
        "SELECT scorer.announce_requests()",
        "SELECT scorer.announce_answers()",
        "SELECT * FROM scorer.arrivals",
        "INSERT INTO scorer.arrivals (job, entity_id, observations) VALUES ('sepsis', '1', 9)",
        "INSERT INTO scorer.work (run_id, job, entity_id, as_of) VALUES (1, 'sepsis', '1', now())",
        "SELECT * FROM scorer.scores",
        "SELECT * FROM scorer.current_scores",
        "SELECT * FROM public.visits",
        "UPDATE scorer.alembic_version SET version_num = '0'",
        "SET ROLE scorer_worker",
    ],
)
def test_a_requester_does_no_more(refused: Callable[[str], str], text: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sql(refused("requester"), text)


@pytest.mark.parametrize("role", ["reader", "approver"])
def test_others_do_not_ask(refused: Callable[[str], str], role: str) -> None:
    for text in ("SELECT scorer.request_score('sepsis', '1')", "SELECT scorer.cancel_request(1)"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            sql(refused(role), text)


def test_a_worker_may_cancel_what_another_asked_for(requester: str, login: Callable[[str], str]) -> None:
    ((request,),) = sql(requester, "SELECT scorer.request_score('sepsis', '1')")
    assert sql(login("worker"), f"SELECT scorer.cancel_request({request})") == [(True,)]


# Notifications


def test_what_is_committed_is_heard(ward: Any, requester: str, answering: RequestAnswering) -> None:
    ward.admit(1)
    target = Target.of(ward.url, ward.settings, role=ward.settings.worker_role)
    requests, answers = Listener.for_requests(target), Listener.for_answers(target)
    try:
        assert not requests.hear(0)
        answers.open()
        sql(requester, "SELECT scorer.request_score('sepsis', '1')")
        assert requests.hear(60)
        assert not requests.hear(0)
        assert not answers.hear(0)
        answering.answer_waiting()
        assert answers.hear(60)
        sql(requester, "SELECT scorer.cancel_request(scorer.request_score('sepsis', '1'))")
        assert requests.hear(60)
        assert answers.hear(60)
    finally:
        requests.close()
        answers.close()
