"""Who did what: every act is in reporting.audit, and nobody changes or removes one."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from scorer.database.access.audit import record_audit
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.governance.explain import explain
from scorer.registry import registration

ROLES = ("owner", "worker", "approver", "requester", "reader")


@pytest.fixture
def people(hospitals: Any) -> dict[str, str]:
    """URLs by role, of logins that have it and nothing else."""
    return {role: hospitals.login(f"audit_{role}", f"scorer_{role}") for role in ROLES}


def acts(hospitals: Any, url: str) -> set[tuple[Any, ...]]:
    """(actor, action, job, subject) of what a login is shown."""
    return set(hospitals.rows(url, "SELECT actor, action, job, subject FROM reporting.audit"))


def test_each_act_is_told_with_who_did_it(hospitals: Any, people: dict[str, str]) -> None:
    hospital, settings = hospitals.hospital, hospitals.hospital.settings
    explain(hospitals.job, "10", database=Database(people["worker"], settings))
    hospitals.rows(people["approver"], "SELECT scorer.grant_facilities('audit_reader', ARRAY['north'], NULL, false)")
    hospitals.rows(people["owner"], "SELECT scorer.revoke_facilities('audit_reader', NULL, false, NULL)")
    hospitals.rows(people["approver"], "SELECT scorer.grant_facilities('audit_requester', NULL, 'sepsis', false)")
    hospitals.rows(people["requester"], "SELECT scorer.request_score('sepsis', '7')")
    hospitals.rows(
        people["approver"],
        "SELECT count(*) FROM scorer.recall_scores('sepsis', 'a mix-up', 'by-hand', NULL, NULL, NULL, true, false)",
    )
    registration.disable_job("sepsis", database=Database(people["approver"], settings))
    registration.enable_job("sepsis", database=Database(people["owner"], settings))
    session = Session(Target.of(people["reader"], settings, role=None))
    with closing(session), session.transaction():
        record_audit(session, "exported", job="sepsis", subject="scores.ndjson", rows=3)
    expected = {
        ("audit_worker", "explained", "sepsis", "10"),
        ("audit_approver", "facility granted", None, "audit_reader"),
        ("audit_owner", "facility revoked", None, "audit_reader"),
        ("audit_approver", "facility granted", "sepsis", "audit_requester"),
        ("audit_requester", "requested", "sepsis", "7"),
        ("audit_approver", "recalled", "sepsis", "model by-hand"),
        ("audit_approver", "job disabled", "sepsis", "sepsis"),
        ("audit_owner", "job enabled", "sepsis", "sepsis"),
        ("audit_reader", "exported", "sepsis", "scores.ndjson"),
    }
    found = acts(hospitals, people["worker"])
    assert found >= expected
    assert {(action, subject) for _, action, _, subject in found} >= {
        ("model registered", "by-hand"),
        ("model promoted", "by-hand"),
    }
    told = "SELECT detail FROM reporting.audit WHERE action = 'exported'"
    assert hospitals.rows(people["worker"], told) == [({"rows": 3},)]
    assert hospital.one("SELECT bool_and(happened_at BETWEEN now() - interval '1 hour' AND now()) FROM reporting.audit")


def test_who_may_not_see_all_sees_his_own_acts(hospitals: Any, people: dict[str, str]) -> None:
    hospitals.grant("audit_reader", "north")
    hospitals.rows(people["reader"], "SELECT reporting.record_audit('exported', 'sepsis', 'a', NULL)")
    hospitals.rows(people["worker"], "SELECT reporting.record_audit('exported', 'sepsis', 'b', NULL)")
    assert acts(hospitals, people["reader"]) == {("audit_reader", "exported", "sepsis", "a")}
    for role in ("worker", "approver"):
        assert acts(hospitals, people[role]) >= {
            ("audit_reader", "exported", "sepsis", "a"),
            ("audit_worker", "exported", "sepsis", "b"),
        }
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        acts(hospitals, people["requester"])


@pytest.mark.parametrize("role", [*ROLES, "superuser"])
def test_nobody_changes_what_was_done(hospitals: Any, people: dict[str, str], role: str) -> None:
    hospitals.grant("audit_reader", "north")
    hospitals.rows(people["reader"], "SELECT reporting.record_audit('exported', 'sepsis', 'a', NULL)")
    hospitals.hospital.execute("INSERT INTO scorer.job_switches (job, enabled) VALUES ('sepsis', true)")
    url = hospitals.hospital.url if role == "superuser" else people[role]
    before = acts(hospitals, hospitals.hospital.url)
    for table, column in (("audit_events", "subject"), ("facility_grants", "login"), ("job_switches", "job")):
        for change in (
            f"UPDATE scorer.{table} SET {column} = 'another'",
            f"DELETE FROM scorer.{table}",
            f"TRUNCATE scorer.{table}",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                hospitals.rows(url, change)
    if role not in {"owner", "superuser"}:
        for change in (
            "UPDATE scorer.requests SET requested_by = 'another'",
            "UPDATE scorer.requests SET requested_at = now()",
            "UPDATE scorer.requests SET entity_id = '1'",
            "INSERT INTO scorer.audit_events (action, actor) VALUES ('exported', 'another')",
            "INSERT INTO scorer.facility_grants (login, given) VALUES ('another', true)",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                hospitals.rows(url, change)
    assert acts(hospitals, hospitals.hospital.url) == before


@pytest.mark.parametrize("action", ["model promoted", "flag set", "recalled", "requested", "facility granted"])
def test_nobody_records_an_act_that_another_table_tells(hospitals: Any, people: dict[str, str], action: str) -> None:
    """Else a reader would be shown to have promoted a model."""
    with pytest.raises(psycopg2.errors.CheckViolation):
        hospitals.rows(people["reader"], f"SELECT reporting.record_audit('{action}', 'sepsis', 'a', NULL)")
    assert (action, "a") not in hospitals.rows(hospitals.hospital.url, "SELECT action, subject FROM reporting.audit")


@pytest.mark.parametrize("role", ["worker", "requester", "reader"])
def test_only_an_approver_or_the_owner_grants(hospitals: Any, people: dict[str, str], role: str) -> None:
    for call in (
        "scorer.grant_facilities('audit_reader', NULL, NULL, false)",
        "scorer.revoke_facilities('audit_reader', NULL, false, NULL)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            hospitals.rows(people[role], f"SELECT {call}")
