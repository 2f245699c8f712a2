"""A database at head with rows of runs that began when a test says, shared by the tests of partitions and upkeep."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.upkeep import maintenance as upkeep
from scorer.database.upkeep.maintenance import Done

DAY = timedelta(days=1)
OLD = datetime(2024, 1, 15, tzinfo=UTC)
KEPT = 200 * DAY
# The tables of a test are so small that a join would read them whole.
JOINED = "SET enable_hashjoin = off; SET enable_mergejoin = off"
# Writes so many rows of the ledger for each run there is.
MANY = (
    "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, reason, as_of, as_known_at, input_hash, "
    "job_version, run_began_at) SELECT 'j', g::text, 'score', run_id, 1, 'binary', 'FAILED', 'r', as_of, as_of, '', 'v', started_at "
    "FROM scorer.runs CROSS JOIN generate_series(1, %s) AS g"
)


class Ledger:
    """A database at head, and rows of runs that began when a test says."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.settings = settings
        self.run("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('j', 'v', '{}')")

    def connect(self) -> Any:
        return psycopg2.connect(self.url, options="-c TimeZone=UTC")

    def run(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def one(self, text: str, *parameters: object) -> Any:
        ((value,),) = self.run(text, *parameters)
        return value

    def begin(self, began_at: datetime | None = None, *, status: str = "succeeded", eligible: int = 1) -> int:
        """A run that began then, or just now; its key."""
        return int(
            self.one(
                "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, started_at, status, "
                "finished_at, eligible, scored) SELECT 'j', 'v', 'manual', b, b, '0', b, %s, CASE WHEN %s <> 'running' THEN b END, %s, %s "
                "FROM (SELECT COALESCE(%s, now()) AS b) AS t RETURNING run_id",
                *(status, status, eligible, eligible, began_at),
            )
        )

    def write(self, run_id: int, *entity_ids: str, valid_until: str = "2024-02-01", **columns: object) -> list[int]:
        """Rows of the ledger, each with a reason, that are current; their keys."""
        row = {"batch_id": 1, "shadow": False} | columns
        keys = []
        for entity_id in entity_ids:
            keys.append(
                int(
                    self.one(
                        "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, as_of, as_known_at, "
                        "valid_until, input_hash, features, model_version, job_version, shadow, run_began_at) SELECT 'j', %s, 'score', "
                        "run_id, %s, 'binary', 'SCORED', 0.5, as_of, as_of, %s, '', '', 'm', 'v', %s, started_at FROM scorer.runs "
                        "WHERE run_id = %s RETURNING score_id",
                        *(entity_id, row["batch_id"], valid_until, row["shadow"], run_id),
                    )
                )
            )
            self.run(
                "INSERT INTO scorer.score_reasons (score_id, rank, kind, contribution, run_began_at) "
                "SELECT score_id, 1, 'bias', 0, run_began_at FROM scorer.scores WHERE score_id = %s",
                keys[-1],
            )
            self.run(
                "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_job, "
                "score_id, score, as_of, scored_at, valid_until, model_version) "
                "SELECT job, entity_id, output, status, as_of, as_of, '', 'v', "
                "score_id, score, as_of, as_of, valid_until, model_version FROM scorer.scores WHERE score_id = %s "
                "ON CONFLICT (job, entity_id, output) DO UPDATE SET score_id = EXCLUDED.score_id, valid_until = EXCLUDED.valid_until",
                keys[-1],
            )
        return keys

    def point(self, score_id: int) -> None:
        """A request, a replay and a recall of a row of the ledger."""
        self.run(
            "INSERT INTO scorer.requests (job, entity_id, status, outcome, finished_at, score_id, run_began_at) "
            "SELECT job, entity_id, 'done', 'SCORED', now(), score_id, run_began_at FROM scorer.scores WHERE score_id = %s",
            score_id,
        )
        self.run(
            "INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, alarming, scorer_version) "
            "SELECT score_id, run_began_at, 'vector', 'IDENTICAL', false, '0' FROM scorer.scores WHERE score_id = %s",
            score_id,
        )
        self.run(
            "INSERT INTO scorer.recalls (score_id, run_began_at, why) "
            "SELECT score_id, run_began_at, 'wrong' FROM scorer.scores WHERE score_id = %s",
            score_id,
        )

    def partitions(self) -> list[str]:
        return [
            name
            for (name,) in self.run(
                "SELECT partition FROM scorer.ledger_partitions WHERE ledger = 'scores' ORDER BY begins_at"
            )
        ]

    def tables(self) -> set[str]:
        return {name for (name,) in self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'scorer'")}

    def maintain(self, *, dry_run: bool = False, **options: object) -> list[Done]:
        """Do an upkeep under these options. Returns what it did."""
        done: list[Done] = []
        upkeep.maintain(Database(self.url, replace(self.settings, **options)), dry_run=dry_run, report=done.append)
        return done


def deeds(done: list[Done], *of: str) -> list[tuple[str, str]]:
    return [(each.deed, each.table) for each in done if not of or each.deed in of]


def month(moment: datetime, later: int = 0) -> str:
    years, months = divmod(moment.year * 12 + moment.month - 1 + later, 12)
    return f"{years}_{months + 1:02}"


def expired(ledger: Ledger) -> tuple[int, int]:
    """Two months of long ago with a score each, which a request, a replay and a recall point to; their keys."""
    (first,) = ledger.write(ledger.begin(OLD), "1")
    (second,) = ledger.write(ledger.begin(OLD + 31 * DAY), "2")
    ledger.write(ledger.begin(), "3", valid_until="infinity")
    for key in (first, second):
        ledger.point(key)
    return first, second
