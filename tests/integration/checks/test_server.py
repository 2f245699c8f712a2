"""Checks of the database: the server's version and role, and the revision of the schema."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.checks import server
from scorer.checks.server import check_schema, check_server
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
