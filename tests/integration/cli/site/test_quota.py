"""Quotas, by logging in: bound are all who ask, also several sessions at once; only an approver sets one."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import psycopg2.extensions
import pytest

from scorer.cli import main as cli

PASSWORD = "only-for-tests"
_numbers = itertools.count(1)
ASK = "SELECT scorer.request_score('sepsis', '1')"
Denied = psycopg2.errors.InsufficientPrivilege


def sql(url: str, text: str) -> list[tuple[Any, ...]]:
    """What a statement gives, committed."""
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text)
        return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def login(ward: Any) -> Iterator[Callable[..., str]]:
    """Makes a login with roles; gives the ward's URL for it."""
    made: list[str] = []

    def make(*roles: str) -> str:
        made.append(f"quota_{next(_numbers)}")
        sql(ward.url, f"CREATE ROLE {made[-1]} LOGIN PASSWORD '{PASSWORD}' IN ROLE {', '.join(roles)}")
        return re.sub(r"//\w+@", f"//{made[-1]}:{PASSWORD}@", ward.url)

    yield make
    for name in made:
        sql(ward.url, f"DROP ROLE {name}")


def name_of(url: str) -> str:
    found = re.search(r"//(\w+):", url)
    assert found is not None
    return found[1]


def spend(url: str, *, text: str = ASK, most: int = 50) -> int:
    """How often it can ask before it is refused for its quota."""
    for times in range(most):
        try:
            sql(url, text)
        except psycopg2.Error as error:
            if (error.pgcode, error.diag.constraint_name) != ("SC001", "quota"):
                raise
            return times
    return most


@pytest.mark.parametrize(
    "text",
    [
        ASK,
        "SELECT scorer.request_cohort('sepsis', ARRAY['1', '2', '3'])",
        "INSERT INTO scorer.requests (job, entity_id) VALUES ('sepsis', '1')",
        "BEGIN ISOLATION LEVEL SERIALIZABLE; " + ASK,
        "SET scorer.requests_per_minute = 1000; " + ASK,
    ],
)
def test_a_requester_makes_ten_requests_a_minute_in_whichever_way(login: Any, text: str) -> None:
    assert spend(login("scorer_requester"), text=text) == 10


def test_others_are_not_bound_by_it(ward: Any, login: Any) -> None:
    first, second = login("scorer_requester"), login("scorer_requester")
    assert spend(first) == 10
    assert spend(second) == 10
    assert spend(login("scorer_requester", "scorer_worker"), most=15) == 15
    assert spend(ward.url, most=15) == 15, "the service, and who stands above it"


def test_a_minute_later_he_may_again(ward: Any, login: Any) -> None:
    requester = login("scorer_requester")
    assert spend(requester) == 10
    age = "UPDATE scorer.requests SET expires_at = 'infinity', requested_at = clock_timestamp() - %s * INTERVAL '1 s' WHERE request_id "
    ward.execute(f"{age} > 2", 5)
    ward.execute(f"{age} <= 2", 30)
    assert 1 <= told_to_wait(requester) <= 30
    ward.execute(f"{age} <= 2", 61)
    assert spend(requester) == 2
    assert 10 <= told_to_wait(requester) <= 55, "for those that are five seconds old"


def test_what_a_recall_asks_for_is_not_the_quota_of_who_recalls(ward: Any, login: Any) -> None:
    """One row for each entity, in the login's name: the scores of a ward would keep him from asking for a minute."""
    approver = login("scorer_requester", "scorer_approver")
    ward.execute(
        "INSERT INTO scorer.requests (job, entity_id, priority, requested_by) SELECT 'sepsis', n, 50, %s FROM generate_series(1, 20) AS n",
        name_of(approver),
    )
    assert spend(approver) == 10


def told_to_wait(url: str) -> int:
    """Seconds that it is told to wait."""
    with pytest.raises(psycopg2.Error, match="may make 10 requests a minute and has made them; wait ") as refused:
        sql(url, ASK)
    found = re.search(r"wait (\d+) s", str(refused.value))
    assert found is not None
    return int(found[1])


def test_what_is_cancelled_answered_or_rolled_back(ward: Any, login: Any) -> None:
    """What was asked for counts, whatever became of it; what was not, does not."""
    requester = login("scorer_requester")
    for _ in range(5):
        sql(requester, f"SELECT scorer.cancel_request(({ASK}))")
        with closing(psycopg2.connect(requester)) as connection, connection.cursor() as cursor:
            cursor.execute(ASK)
    assert spend(requester) == 5


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_sessions_at_once_do_not_slip_past(ward: Any, login: Any, isolation: str) -> None:
    requester, sessions, tries = login("scorer_requester"), 8, 6
    ready = threading.Barrier(sessions)
    refused: list[str | None] = []

    def ask() -> None:
        with closing(psycopg2.connect(requester)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level=isolation)
            cursor.execute("SELECT 1")  # its snapshot is from before all the others' requests
            ready.wait()
            for _ in range(tries):
                try:
                    cursor.execute(ASK)
                    connection.commit()
                except psycopg2.Error as error:
                    connection.rollback()
                    refused.append(error.pgcode)

    threads = [threading.Thread(target=ask) for _ in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = ward.one("SELECT count(*) FROM scorer.requests")
    assert made == sessions * tries - len(refused)
    assert made <= 10
    assert set(refused) <= {"SC001", psycopg2.errorcodes.SERIALIZATION_FAILURE}
    if isolation == "READ COMMITTED":
        assert made == 10


def test_a_login_has_its_own_quota_or_the_highest_of_its_roles(ward: Any, login: Any) -> None:
    approver, requester = login("scorer_approver"), login("scorer_requester")
    sql(approver, "SELECT scorer.set_quota('scorer_requester', 3)")
    assert spend(requester) == 3
    sql(ward.url, f"CREATE ROLE quota_group; GRANT quota_group TO {name_of(requester)}")
    try:
        sql(approver, "SELECT scorer.set_quota('quota_group', 5)")
        assert spend(requester) == 2
        sql(approver, f"SELECT scorer.set_quota('{name_of(requester)}', 0)")
        assert spend(requester) == 0
        with pytest.raises(
            psycopg2.Error, match="may make 0 requests a minute and makes 1 at once; an approver sets another quota"
        ):
            sql(requester, ASK)
        sql(approver, f"SELECT scorer.set_quota('{name_of(requester)}', NULL)")
        sql(approver, "SELECT scorer.set_quota('quota_group', 7)")
        assert spend(requester) == 2
        assert sql(requester, "SELECT role, per_minute, set_by FROM reporting.quotas ORDER BY 1") == [
            ("quota_group", 7, name_of(approver)),
            ("scorer_requester", 3, name_of(approver)),
        ]
    finally:
        sql(ward.url, "DROP ROLE quota_group")
    assert spend(requester) == 0, "a role that is gone raises nobody's"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT scorer.set_quota(session_user::text, 1000)",
        "SELECT scorer.set_quota('scorer_requester', 1000)",
        "INSERT INTO scorer.quotas (role, per_minute) VALUES (session_user, 1000)",
        "UPDATE scorer.quotas SET per_minute = 1000",
        "DELETE FROM scorer.quotas",
        "UPDATE reporting.quotas SET per_minute = 1000",
        "DELETE FROM scorer.quota_turns",
        "UPDATE scorer.requests SET requested_at = requested_at - INTERVAL '1 hour'",
        "INSERT INTO scorer.requests (job, entity_id, expires_at) VALUES ('sepsis', '1', 'infinity')",
        "INSERT INTO scorer.requests (job, entity_id, requested_at) VALUES ('sepsis', '1', '-infinity')",
        "INSERT INTO scorer.requests (job, entities, answered) VALUES ('sepsis', 1, 1)",
        "UPDATE scorer.requests SET answered = 1",
        "UPDATE scorer.request_entities SET outcome = 'SCORED'",
        "INSERT INTO scorer.request_entities (request_id, entity_id) VALUES (1, '1')",
        "SELECT * FROM scorer.request_entities",
        "SELECT entities FROM scorer.requests",
        "ALTER TABLE scorer.requests DISABLE TRIGGER requests_judged",
        "SET session_replication_role = replica",
        "SET SESSION AUTHORIZATION scorer_worker",
    ],
)
def test_a_requester_raises_no_quota_and_forges_no_progress(login: Any, text: str) -> None:
    requester = login("scorer_requester")
    sql(requester, "SELECT scorer.request_cohort('sepsis', ARRAY['1'])")
    with pytest.raises(Denied):
        sql(requester, text)


@pytest.mark.parametrize("role", ["scorer_worker", "scorer_reader", "scorer_requester"])
def test_only_an_approver_sets_a_quota(login: Any, role: str) -> None:
    with pytest.raises(Denied):
        sql(login(role), "SELECT scorer.set_quota('scorer_requester', 1000)")


def test_one_requester_does_not_see_the_cohort_of_another(login: Any) -> None:
    first, second = login("scorer_requester"), login("scorer_requester")
    sql(first, "SELECT scorer.request_cohort('sepsis', ARRAY['1', '2'])")
    count = "SELECT count(*) FROM reporting.request_entities"
    assert [sql(each, count) for each in (first, second, login("scorer_reader"))] == [[(2,)], [(0,)], [(2,)]]


# The command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `scorer quota` by a login; its exit code, and what it said on stdout and stderr."""

    def run(url: str, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.setenv("SCORER_DATABASE_URL", url)
        with pytest.raises(SystemExit) as ended:
            cli.main(["quota", *arguments])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


def test_quotas_are_set_and_shown(login: Any, command: Any) -> None:
    approver, requester = login("scorer_approver"), login("scorer_requester")
    code, out, err = command(approver, name_of(requester), "--per-minute", "2", "--json")
    assert (code, err) == (0, "")
    told = {each["role"]: (each["per_minute"], each["set_by"]) for each in json.loads(out)["quotas"]}
    assert told[name_of(requester)] == (2, name_of(approver))
    assert told["scorer_requester"][0] == 10
    assert spend(requester) == 2
    assert name_of(requester) not in command(approver, name_of(requester), "--default")[1]
    assert spend(requester) == 8
    assert "scorer_requester" in command(requester)[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nobody_such", "--per-minute", "2"), "There is no role 'nobody_such' in this server"),
        (("scorer_requester",), "Say ROLE with --per-minute N or with --default"),
        (("--default",), "Say ROLE with --per-minute N or with --default"),
        (("scorer_requester", "--default", "--per-minute", "2"), "Say ROLE with --per-minute N or with --default"),
        (("scorer_requester", "--per-minute", "-1"), "--per-minute"),
        (("scorer_requester", "--per-minute", "2000000"), "--per-minute"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(
    login: Any, command: Any, arguments: tuple[str, ...], sentence: str
) -> None:
    code, out, err = command(login("scorer_approver"), *arguments)
    assert (code, out) == (1, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_who_is_no_approver_is_told(login: Any, command: Any) -> None:
    code, _, err = command(login("scorer_requester"), "scorer_requester", "--per-minute", "99")
    assert code == 1
    assert "set_quota" in err
