"""Flags in the database: who may set them, what they answer, what is kept; the database's answer is the program's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.database.access.flags import check_flag, clear_flag, list_flags, read_job_flags, set_flag
from scorer.database.connection import Target
from scorer.database.embedded.server import Server
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.types.flags import Switch, bucket, includes
from tests.integration.test_roles import PASSWORD, as_login, run_sql

Denied = psycopg2.errors.InsufficientPrivilege
ROLES = ("worker", "approver", "requester", "reader")
_numbers = itertools.count(1)


@pytest.fixture
def session(hospital: Any) -> Iterator[Session]:
    """The session of an approver."""
    with closing(Session(Target.of(hospital.url, hospital.settings, role="scorer_approver"))) as opened:
        yield opened


@pytest.fixture
def logins(server: Server, hospital: Any) -> Callable[[str], str]:
    """Gives the URL of a login that has one role and nothing else."""
    made = {role: f"flags_{role}_{next(_numbers)}" for role in ROLES}
    for role, name in made.items():
        run_sql(server.url, f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        run_sql(server.url, f"GRANT scorer_{role} TO {name}")
    return lambda role: as_login(hospital.url, made[role])


def put(session: Session, flag: str, **given: Any) -> bool:
    with session.transaction():
        return set_flag(session, flag, **{"enabled": True, "why": "a test", **given})


def is_on(hospital: Any, flag: str, entity: str | None = None, facility: str | None = None) -> bool:
    answer: bool = hospital.one("SELECT scorer.is_enabled(%s, %s, %s)", flag, entity, facility)
    return answer


# Setting


def test_an_approver_alone_sets_a_flag_and_gives_a_reason(hospital: Any, logins: Callable[[str], str]) -> None:
    setting = "SELECT scorer.set_flag('sepsis.scores', false, NULL, NULL, 'a test')"
    clearing = "SELECT scorer.clear_flag('sepsis.scores', 'a test')"
    writing = "INSERT INTO scorer.flags (flag, action, enabled, reason) VALUES ('sepsis.scores', 'set', false, 'sly')"
    for role in ("worker", "requester", "reader"):
        for text in (setting, clearing, writing):
            with pytest.raises(Denied):
                run_sql(logins(role), text)
    with pytest.raises(Denied):
        run_sql(logins("approver"), writing)
    for why in ("NULL", "''", "'  '"):
        with pytest.raises(psycopg2.DatabaseError, match="a reason is needed"):
            run_sql(logins("approver"), setting.replace("'a test'", why))
    assert hospital.one("SELECT count(*) FROM scorer.flags") == 0
    run_sql(logins("approver"), setting)
    with pytest.raises(psycopg2.DatabaseError, match="a reason is needed"):
        run_sql(logins("approver"), clearing.replace("'a test'", "''"))
    run_sql(logins("approver"), clearing)
    (actor,) = {actor for (actor,) in hospital.rows("SELECT actor FROM reporting.flags")}
    assert actor.startswith("flags_approver_")
    kept = hospital.rows("SELECT flag, action, reason, detail, is_current FROM reporting.flags ORDER BY at")
    assert kept == [
        ("sepsis.scores", "set", "a test", {"enabled": False}, False),
        ("sepsis.scores", "clear", "a test", {}, True),
    ]


@pytest.mark.parametrize(
    "text", ["DELETE FROM scorer.flags", "UPDATE scorer.flags SET reason = 'other'", "TRUNCATE scorer.flags"]
)
def test_the_history_is_changed_by_nobody(hospital: Any, session: Session, text: str) -> None:
    put(session, "own", why="first")
    with pytest.raises(Denied, match="append-only"):
        hospital.execute(text)


def test_who_may_ask(hospital: Any, session: Session, logins: Callable[[str], str]) -> None:
    put(session, "own.name", enabled=False)
    for role in ("worker", "approver", "requester"):
        assert run_sql(logins(role), "SELECT scorer.is_enabled('own.name', '1')") == [(False,)]
    for role in ROLES:
        assert run_sql(logins(role), "SELECT reporting.is_enabled('own.name', '1', 'north')") == [(False,)]
    assert len(run_sql(logins("reader"), "SELECT * FROM reporting.flags")) == 1
    with pytest.raises(Denied):
        run_sql(logins("requester"), "SELECT * FROM scorer.flags")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a job nobody has": ({"flag": "sepsos.scores"}, "of a job 'sepsos' that this database does not know"),
    "a flag that no job has": ({"flag": "sepsis.score"}, "job sepsis has no flag sepsis.score; it has sepsis.scores, "),
    "a name with blanks": ({"flag": "my flag"}, "the name of a flag is of lower-case letters"),
    "no name": ({"flag": ""}, "the name of a flag is of lower-case letters"),
    "a share of nobody": ({"share": Decimal(0)}, "a share is more than 0 and less than 100 per cent"),
    "a share of all": ({"share": Decimal(100)}, "a share is more than 0 and less than 100 per cent"),
    "a share too fine": ({"share": Decimal("0.00001")}, "with up to four decimals"),
    "off for a share": ({"enabled": False, "share": Decimal(5)}, "off for everyone"),
    "off for a facility": ({"enabled": False, "facilities": ["north"]}, "off for everyone"),
    "a facility without a name": ({"facilities": ["north", ""]}, "a facility needs a name"),
    "no facility": ({"facilities": []}, "a facility needs a name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_set_is_refused_in_a_sentence(hospital: Any, session: Session, what: str) -> None:
    given, sentence = REFUSED[what]
    with pytest.raises(UserError) as refused:
        put(session, given.get("flag", "own"), **{name: value for name, value in given.items() if name != "flag"})
    assert sentence.lower() in str(refused.value).lower()
    assert hospital.one("SELECT count(*) FROM scorer.flags") == 0


def test_the_newest_setting_counts_and_the_same_again_is_no_change(session: Session) -> None:
    assert put(session, "own", share=Decimal(10))
    assert not put(session, "own", share=Decimal("10.0000"))
    assert put(session, "own", facilities=["b", "a", "b"])
    assert not put(session, "own", facilities=["a", "b"])
    with session.transaction():
        (row,) = list_flags(session)
        assert (row["flag"], row["enabled"], row["share"], row["facilities"]) == ("own", True, None, ["a", "b"])
        assert [each["share"] for each in list_flags(session, flag="own", history=True)] == [Decimal(10), None]
        clear_flag(session, "own", why="done")
        assert list_flags(session) == []
        with pytest.raises(UserError, match="Nobody has set a flag 'own'"):
            clear_flag(session, "own", why="again")


# Asking


def test_a_flag_that_nobody_knows_is_an_error_unless_its_answer_is_given(hospital: Any, session: Session) -> None:
    with pytest.raises(psycopg2.DatabaseError, match="nobody has set a flag 'own'"):
        is_on(hospital, "own")
    assert hospital.one("SELECT scorer.is_enabled('own', '1', NULL, false)") is False
    assert hospital.one("SELECT scorer.is_enabled('own', '1', NULL, true)") is True
    for wrong in ("sepsis.score", "nojob.scores", "My flag"):
        with pytest.raises(psycopg2.DatabaseError):
            hospital.one("SELECT scorer.is_enabled(%s, '1', NULL, true)", wrong)
    put(session, "own", enabled=False)
    assert hospital.one("SELECT scorer.is_enabled('own', '1', NULL, true)") is False


@pytest.mark.parametrize("switch", Switch)
def test_a_flag_of_a_job_is_on_unless_it_is_set_off(hospital: Any, session: Session, switch: Switch) -> None:
    name = f"sepsis.{switch}"
    assert is_on(hospital, name, "1")
    put(session, name, enabled=False)
    assert not is_on(hospital, name, "1")
    with session.transaction():
        assert read_job_flags(session, "sepsis").settings == {name: {"enabled": False}}
        clear_flag(session, name, why="over")
        assert read_job_flags(session, "sepsis").settings == {}
    assert is_on(hospital, name, "1")


def test_a_check_says_where_an_entity_stands(session: Session) -> None:
    put(session, "own", share=Decimal("12.5"))
    with session.transaction():
        checked = check_flag(session, "own", entity_id="7", facility=None)
        assert checked.bucket == bucket("own", "7")
        assert checked.setting == {"enabled": True, "share": 12.5}
        assert checked.is_on is (checked.bucket < 125_000)
        assert not check_flag(session, "own", entity_id=None, facility=None).is_on


_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
_settings = st.fixed_dictionaries(
    {"enabled": st.booleans()},
    optional={
        "share": st.decimals(min_value="0.0001", max_value="99.9999", places=4),
        "facilities": st.lists(st.sampled_from(["north", "south", "Süd 7"]), min_size=1, max_size=2, unique=True),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(setting=_settings, entity=_texts, facility=st.sampled_from([None, "", "north", "south", "Süd 7"]))
def test_the_database_answers_as_the_program_does(
    hospital: Any, setting: dict[str, Any], entity: str, facility: str | None
) -> None:
    kept = setting | ({"share": float(setting["share"])} if "share" in setting else {})
    ((in_sql, place),) = hospital.rows(
        "SELECT scorer.flag_includes(CAST(%s AS jsonb), 'j.scores', %s, %s), scorer.flag_bucket('j.scores', %s)",
        json.dumps(kept),
        entity,
        facility,
        entity,
    )
    assert place == bucket("j.scores", entity)
    assert in_sql is includes(kept, "j.scores", entity, facility)
