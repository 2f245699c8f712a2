"""Transactions in hand are told to whoever may read the views alone: those of our program, and whose hold the lock of those that score."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Any

import psycopg2

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.in_hand import list_transactions_in_hand

LOCK = "SELECT pg_advisory_xact_lock_shared(hashtextextended('scorer.recalls {}', 0)), pg_backend_pid()"


def test_who_scores_the_job_or_has_begun_is_in_hand(hospital: Any) -> None:
    reader = ReadOnlySession(Database(hospital.url, hospital.settings).as_reader(), patience=timedelta(seconds=30))
    with closing(reader), closing(hospital.connect()) as other, closing(hospital.connect()) as scoring:
        assert list_transactions_in_hand(reader, "sepsis") == []
        with other.cursor() as cursor:
            cursor.execute(LOCK.format("another job"))
        with scoring.cursor() as cursor:
            cursor.execute(LOCK.format("sepsis"))
            ((_, pid),) = cursor.fetchall()
        (found,) = list_transactions_in_hand(reader, "sepsis")
        assert (found.pid, found.scores) == (pid, True)
        scoring.rollback()
        with closing(psycopg2.connect(hospital.url, application_name="scorer")) as own, own.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            ((pid,),) = cursor.fetchall()
            (found,) = list_transactions_in_hand(reader, "sepsis")
            assert (found.pid, found.scores) == (pid, False)
        assert list_transactions_in_hand(reader, "sepsis") == []
