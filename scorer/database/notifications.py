"""Notifications, as hints: a session that hears them.

Nothing depends on one, since any may be lost with its session: whoever listens looks by himself now and then.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg2

from scorer.database.connection import Target
from scorer.database.error_messages import sentences
from scorer.database.statements import statement


class Listener:
    """A session that listens; opened when first used, opened anew after `close`. Used by one thread."""

    def __init__(self, target: Target, listen: str) -> None:
        self._target, self._listen = target, listen
        self._session: Any = None

    @classmethod
    def for_requests(cls, target: Target) -> Listener:
        """Hears that scores were asked for."""
        return cls(target, statement("listen_for_requests"))

    @classmethod
    def for_answers(cls, target: Target) -> Listener:
        """Hears that requests were answered, refused or cancelled."""
        return cls(target, statement("listen_for_answers"))

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def open(self) -> None:
        """Listen from now on: what is committed after this is heard."""
        if self._session is None:
            with sentences():
                session = psycopg2.connect(self._target.dsn(read_only=True))
                session.autocommit = True
                with session.cursor() as cursor:
                    cursor.execute(self._listen)
            self._session = session

    def hear(self, seconds: float) -> bool:
        """Whether something was heard within so many seconds; at once where it was heard since the last call."""
        self.open()
        until = time.monotonic() + seconds
        while not (heard := self._heard()) and (left := until - time.monotonic()) > 0:
            select.select([self._session], [], [], left)
        return heard

    def _heard(self) -> bool:
        with sentences():
            try:
                self._session.poll()
            except psycopg2.Error:
                self.close()
                raise
        heard = bool(self._session.notifies)
        self._session.notifies.clear()
        return heard
