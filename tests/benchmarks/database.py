"""Databases full of visits: one template for each size, and a fresh copy of it for every run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg2

from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import engine
from scorer.registry import registration

HERE = Path(__file__).parent
# Roomy enough that no checkpoint falls into a run by itself; commit times are kept for what is told by the database's clock.
SERVER = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "track_commit_timestamp": "on",
}
# By the indexes, since a sequential scan of a large table leaves nothing in shared_buffers.
READ_ALL = """
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0;
    SELECT max(observation_value), max(observation_date), max(client) FROM public.patient_observations WHERE visit_id > 0;
    SELECT max(client) FROM public.visits WHERE visit_id > 0"""


def execute(url: str, statement: str, parameters: object = None) -> list[tuple[Any, ...]]:
    """The rows of a statement that is committed at once; none where it gives none."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


def make_template(
    server_url: str,
    name: str,
    settings: Settings,
    *,
    visits: int,
    observations: int,
    script: str = "make_visits.sql",
) -> str:
    """The URL of a new database with so many visits, all due, and everything in place to score them."""
    execute(server_url, f"CREATE DATABASE {name}")
    made = server_url.replace("/scorer?", f"/{name}?", 1)
    put_in_place(made, settings)
    run_script(made, script, {"visits": visits, "observations": observations})
    execute(made, "VACUUM")
    return made


def run_script(url: str, script: str, parameters: Any) -> None:
    """Run the statements of a file of this folder, each committed at once."""
    for part in (HERE / script).read_text().split(";\n"):
        execute(url, part, parameters)


def put_in_place(url: str, settings: Settings) -> None:
    """The hospital's tables, empty, and ours, with the jobs' models and grants."""
    for table in ("visits", "patient_observations", "outcomes"):
        execute(url, (shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    schema.upgrade(engine(Target.of(url, settings, role=None)))
    registration.install_jobs(database=Database(url, settings))
    registration.grant_source(database=Database(url, settings))


@contextmanager
def copy_of(server_url: str, template: str, *, name: str = "copy") -> Iterator[str]:
    """The URL of a fresh copy of that name, its tables in memory and its files on disk; gone afterwards."""
    original = Path(urlsplit(template).path).name
    execute(server_url, f"CREATE DATABASE {original}_{name} TEMPLATE {original} STRATEGY FILE_COPY")
    try:
        copy = template.replace(f"/{original}?", f"/{original}_{name}?", 1)
        execute(copy, READ_ALL)
        execute(copy, "CHECKPOINT")
        yield copy
    finally:
        execute(server_url, f"DROP DATABASE {original}_{name} WITH (FORCE)")


def drop(server_url: str, template: str) -> None:
    """Drop a database."""
    execute(server_url, f"DROP DATABASE {Path(urlsplit(template).path).name} WITH (FORCE)")


def results(url: str) -> tuple[np.ndarray, np.ndarray]:
    """What stands in the hospital's table, by visit: scores, NaN for none, and bands."""
    rows = execute(url, "SELECT COALESCE(sepsis_score, 'NaN'), risk_level FROM public.visits ORDER BY visit_id")
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=object)
