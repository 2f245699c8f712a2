"""Notifications of requests and answers, by LISTEN.

They are hints: any may be lost with its session, so a listener also looks into the tables now and then.
"""

from __future__ import annotations

import select
import time
from typing import Any

import psycopg2

from scorer.database.connecting import connect
from scorer.database.connection import Target
from scorer.database.error_messages import sentences
from scorer.database.statements import statement


class Listener:
    """A session that listens; opened when first used, and anew after `close`. For one thread."""

    def __init__(self, target: Target, listen: str) -> None:
        self._target, self._listen = target, listen
        self._session: Any = None

    @classmethod
    def for_requests(cls, target: Target) -> Listener:
        """A listener that hears of new requests."""
        return cls(target, statement("listen_for_requests"))

    @classmethod
    def for_answers(cls, target: Target) -> Listener:
        """A listener that hears when requests are answered, refused or cancelled."""
        return cls(target, statement("listen_for_answers"))

    def close(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def open(self) -> None:
        """Listen from now on: notifications of transactions that commit after this are heard."""
        if self._session is None:
            with sentences():
                session = connect(self._target, read_only=True)
                session.autocommit = True
                with session.cursor() as cursor:
                    cursor.execute(self._listen)
            self._session = session

    def hear(self, seconds: float) -> bool:
        """Wait up to `seconds` for a notification. Returns whether one has come since the last call."""
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
