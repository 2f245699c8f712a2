"""The demo's sample cohort, loaded into the database by the loader that a hospital's files go through."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scorer.config import FIRST_JOB, shipped_root
from scorer.database.error_messages import sentences
from scorer.database.source.load import LoadReport, load
from scorer.database.source.sample import generate, write
from scorer.database.statements import statement
from scorer.jobs.job import Job

JOB = FIRST_JOB
_OF_THE_SAMPLE = (
    (f"reporting.{JOB}_predictions", "a row per visit: probability, risk level, until when it is valid"),
    ("public.visits", "score, risk level and time, written back"),
)
_VIEW = re.compile(r"\bVIEW (reporting\.\w+)")
_SEED = 20190219  # the day that the PhysioNet/CinC Challenge 2019 opened
_FIRST_VISIT = 900_001


@dataclass(frozen=True, slots=True)
class Sample:
    """What was loaded of the sample cohort: visits, dirt by kind, and the loader's report, if any."""

    visits: int
    dirty: dict[str, int]
    report: LoadReport | None


def where_to_look(job: Job) -> tuple[tuple[str, str], ...]:
    """The relations that show what a demo of `job` made, each with what it holds."""
    views = dict.fromkeys(_VIEW.findall(job.statements.get("views", ""))) or ("reporting.current_scores",)
    own = [(view, "what the job publishes; stale: past valid_until") for view in views]
    first, *last = _OF_THE_SAMPLE if job.name == JOB else own
    return (
        first,
        (
            "reporting.quarantine",
            f"a row per refused observation or {job.entity}: rule, what was seen, what was expected",
        ),
        ("reporting.runs", "a row per run: six counts that add up to eligible"),
        *last,
    )


def load_sample(
    job: Job, *, visits: int, connection: Any, rejects: Path, progress: Callable[[str, int, int], None] | None = None
) -> Sample:
    """Load as many sample visits as are missing to `visits`. Returns what was loaded."""
    there = _visits_there(connection)
    missing = visits - there
    if missing <= 0:
        return Sample(visits=0, dirty={}, report=None)
    facts = json.loads((shipped_root() / "sql" / job.name / "cohort.json").read_text(encoding="utf-8"))
    now = datetime.now(UTC).replace(microsecond=0)
    cohort = generate(facts, visits=missing, seed=_SEED + there, first_visit=_FIRST_VISIT + there, now=now)
    with tempfile.TemporaryDirectory(prefix="scorer-demo-") as folder:
        write(cohort, Path(folder))
        report = load(Path(folder), connection=connection, rejects=rejects, progress=progress)
    return Sample(visits=missing, dirty=cohort.dirty, report=report)


def _visits_there(connection: Any) -> int:
    with sentences(), connection, connection.cursor() as cursor:
        cursor.execute(statement("source/find_visits"))
        if not cursor.fetchone()[0]:
            return 0
        cursor.execute(statement("source/count_visits"))
        return int(cursor.fetchone()[0])
