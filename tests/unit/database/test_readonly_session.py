"""A read-only session waits for no server longer than it may."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import timedelta

import pytest

from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import DatabaseUnavailable


def test_a_server_that_says_nothing_is_given_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        session = ReadOnlySession(Target.of(url, Settings(), role=None), patience=timedelta(milliseconds=100))
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable, match=r"did not answer within 0\.1 s"):
                session.all("list_health")
