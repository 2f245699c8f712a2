"""A listener goes on after its session was ended."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from scorer.database.connection import Target
from scorer.database.notifications import Listener
from scorer.errors import DatabaseUnavailable


def test_a_listener_whose_session_ended_says_so_and_listens_again(ward: Any) -> None:
    target = Target.of(ward.url, ward.settings, role=ward.settings.worker_role)
    with closing(Listener.for_requests(target)) as listener:
        listener.open()
        ward.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE '%%LISTEN%%' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(DatabaseUnavailable):
            listener.hear(60)
        assert not listener.hear(0)
        ward.execute("SELECT scorer.request_score('sepsis', '1')")
        assert listener.hear(60)
