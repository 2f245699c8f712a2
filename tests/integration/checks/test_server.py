"""Checks of the database: the server's version and role, and the revision of the schema."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.checks import server
from scorer.checks.server import check_schema, check_server, check_sessions, check_temporary_tables
from scorer.database.connection import Database
from scorer.errors import UserError


def test_the_server_is_told_with_login_and_role(hospital: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    target = Database(hospital.url, hospital.settings).as_worker()
    assert check_server(target).endswith(f"acting as {hospital.settings.worker_role}")
    monkeypatch.setattr(server, "_OLDEST_SERVER", 99)
    with pytest.raises(UserError, match="99 or newer is needed"):
        check_server(target)


def test_a_schema_at_head_holds(hospital: Any) -> None:
    assert check_schema(Database(hospital.url, hospital.settings).as_worker()).startswith("at head, revision ")


def test_a_database_without_the_schema_does_not_hold(make_database: Any, hospital: Any) -> None:
    with pytest.raises(UserError, match="scorer db upgrade"):
        check_schema(Database(make_database(), hospital.settings).as_login())


EVENT_TRIGGER = """
    CREATE FUNCTION public.no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN {body} END $$;
    CREATE EVENT TRIGGER no_ddl ON ddl_command_start EXECUTE FUNCTION public.no_ddl()"""


@pytest.mark.parametrize("more", ["", " USING ERRCODE = 'insufficient_privilege'"])
def test_an_event_trigger_that_forbids_temporary_tables_is_found_before_a_run_and_named_by_one(
    hospital: Any, more: str
) -> None:
    hospital.admit(1)
    body = f"IF current_user = 'scorer_worker' THEN RAISE EXCEPTION 'DDL only by the DBA team'{more}; END IF;"
    hospital.execute(EVENT_TRIGGER.format(body=body))
    words = r"^The database refused to make a temporary table \(\w{5}\): an event trigger there.*its function public.no_ddl\(\)\?"
    with pytest.raises(UserError, match=words) as raised:
        check_temporary_tables(Database(hospital.url, hospital.settings).as_worker())
    assert str(raised.value).endswith("There are: no_ddl (ddl_command_start, public.no_ddl()).")
    with pytest.raises(UserError, match=words):
        hospital.run()


def test_an_event_trigger_that_lets_them_pass_holds_and_is_listed(hospital: Any) -> None:
    target = Database(hospital.url, hospital.settings).as_worker()
    assert check_temporary_tables(target) == "can be made"
    hospital.execute(EVENT_TRIGGER.format(body="PERFORM 1;"))
    assert (
        check_temporary_tables(target)
        == "can be made, with the event triggers no_ddl (ddl_command_start, public.no_ddl())"
    )


def test_a_database_without_temporary_tables_is_a_privilege(hospital: Any) -> None:
    database = hospital.one("SELECT current_database()")
    hospital.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM public, scorer_worker")
    with pytest.raises(UserError, match="GRANT TEMPORARY on the database"):
        check_temporary_tables(Database(hospital.url, hospital.settings).as_worker())


def test_time_limits_that_are_not_ours_are_told(hospital: Any) -> None:
    url = f"{hospital.url}&options=-c%20statement_timeout%3D90s"
    assert check_server(Database(url, hospital.settings).as_worker()).endswith(
        "the database or the URL: statement_timeout 90s"
    )


def test_a_setting_that_is_lost_is_named(hospital: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = server.lost_settings
    monkeypatch.setattr(server, "lost_settings", lambda target: (real(target)[0], ["role", "row_security"]))
    with pytest.raises(UserError, match="loses what scorer sets in it, role, row_security"):
        check_server(Database(hospital.url, hospital.settings).as_worker())


def test_the_sessions_that_a_daemon_may_need_are_compared_with_every_limit(hospital: Any) -> None:
    target = Database(hospital.url, hospital.settings).as_worker()
    assert check_sessions(target, jobs=1, workers=1) == "a daemon needs up to 13, which may be had"
    with pytest.raises(UserError, match=r"needs up to \d+ sessions, and max_connections allows"):
        check_sessions(target, jobs=100, workers=4)
    database = hospital.one("SELECT current_database()")
    hospital.execute(f"ALTER DATABASE {database} CONNECTION LIMIT 12")
    with pytest.raises(UserError, match="up to 13 sessions, and the CONNECTION LIMIT of the database allows 12"):
        check_sessions(target, jobs=1, workers=1)
