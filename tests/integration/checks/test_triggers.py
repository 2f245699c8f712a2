"""The hospital's triggers on the tables that a job writes to: found before a run where they would fail, and named where one does."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.checks.triggers import check_triggers, written_tables
from scorer.database.connection import Database
from scorer.errors import UserError

AUDIT = """
    CREATE TABLE public.visits_audit (at timestamptz DEFAULT now(), who text DEFAULT current_user, visit_id bigint);
    GRANT INSERT ON public.visits_audit TO scorer_worker;
    CREATE FUNCTION public.audit_visits() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {body} RETURN new; END $$;
    CREATE TRIGGER audit AFTER UPDATE {of} ON public.visits FOR EACH ROW EXECUTE FUNCTION public.audit_visits()"""
UNQUALIFIED = "INSERT INTO visits_audit (visit_id) VALUES (new.visit_id);"


def look(hospital: Any) -> str:
    return check_triggers("sepsis", database=Database(hospital.url, hospital.settings))


def test_a_trigger_that_names_a_table_without_its_schema_is_found_before_a_run_and_named_by_one(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute(AUDIT.format(body=UNQUALIFIED, of=""))
    with pytest.raises(UserError) as raised:
        look(hospital)
    assert "audit on public.visits runs public.audit_visits(), which names visits_audit without a schema" in str(
        raised.value
    )
    assert "ALTER FUNCTION public.audit_visits() SET search_path = public" in str(raised.value)
    with pytest.raises(UserError) as raised:
        hospital.run()
    told = str(raised.value)
    assert told.startswith(
        "The statement write_back of job sepsis calls or fires the hospital's function public.audit_visits(), which fails"
    )
    assert "ALTER FUNCTION public.audit_visits() SET search_path = public" in told
    hospital.execute("ALTER FUNCTION public.audit_visits() SET search_path = public")
    assert look(hospital) == "nothing on public.visits depends on the caller's search_path"
    assert hospital.run().counts.scored == 1
    assert hospital.one("SELECT count(*) FROM public.visits_audit") == 1


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO public.visits_audit (visit_id) VALUES (new.visit_id);",
        "INSERT INTO public.visits_audit (visit_id) VALUES (new.visit_id); -- FROM visits_audit\n",
        "new.risk_level := upper(new.risk_level);",
    ],
)
def test_a_trigger_that_finds_its_names_holds_and_is_listed(hospital: Any, body: str) -> None:
    hospital.execute(AUDIT.format(body=body, of=""))
    assert look(hospital).endswith("pg_catalog alone: audit on public.visits (public.audit_visits())")


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("UPDATE VISITS_AUDIT SET who = 'x';", "visits_audit"),
        ("PERFORM 1 FROM visits_audit;", "visits_audit"),
        ("PERFORM stamp();", "stamp"),
        ("PERFORM nextval('stamps');", "stamps"),
    ],
)
def test_tables_functions_and_sequences_count(hospital: Any, body: str, name: str) -> None:
    hospital.execute(
        "CREATE FUNCTION public.stamp() RETURNS integer LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE public.stamps"
    )
    hospital.execute(AUDIT.format(body=body, of=""))
    with pytest.raises(UserError, match=f"which names {name} without a schema"):
        look(hospital)


def test_triggers_that_our_update_cannot_fire_do_not_count(hospital: Any) -> None:
    hospital.execute(AUDIT.format(body=UNQUALIFIED, of="OF client"))
    assert look(hospital).startswith("nothing on public.visits")
    hospital.execute("ALTER TABLE public.visits DISABLE TRIGGER audit")
    hospital.execute(
        "CREATE TRIGGER added AFTER INSERT ON public.visits FOR EACH ROW EXECUTE FUNCTION public.audit_visits()"
    )
    assert look(hospital).startswith("nothing on public.visits")


def test_a_privilege_that_a_trigger_lacks_is_told_with_its_function(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute(AUDIT.format(body="INSERT INTO public.visits_audit (visit_id) VALUES (new.visit_id);", of=""))
    hospital.execute("REVOKE INSERT ON public.visits_audit FROM scorer_worker")
    with pytest.raises(
        UserError,
        match=r"audit_visits\(\), which lacks a privilege: permission denied for table visits_audit",
    ):
        hospital.run()


def test_the_tables_that_a_plan_writes_to_are_found_in_it() -> None:
    update = {"Node Type": "ModifyTable", "Schema": "a", "Relation Name": "b", "Plans": [{"Node Type": "Seq Scan"}]}
    assert list(written_tables([[{"Plan": {"Node Type": "CTE Scan", "Plans": [update]}}]])) == ["a.b"]
