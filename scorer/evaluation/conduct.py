"""An evaluation from start to end: read, computed, recorded and written as a page; all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database
from scorer.database.session import Session, engine
from scorer.database.source.reader import Source
from scorer.database.store.models import read_model
from scorer.errors import UserError
from scorer.evaluation.cohort import read_cohort
from scorer.evaluation.figures import Evaluation, evaluate
from scorer.evaluation.page import page, write_page
from scorer.evaluation.pages.drawing import require_drawings
from scorer.evaluation.records import record
from scorer.jobs.evaluation import Subgroups
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_production, open_version
from scorer.registry.model import LoadedModel
from scorer.types.values import Progress


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be evaluated; None: the model in production, the job's own landmarks and subgroups."""

    every: timedelta | None
    outcomes: bool
    between: tuple[datetime | None, datetime | None] = (None, None)
    model_version: str | None = None
    subgroups: tuple[str, ...] | None = None
    report: Path | None = None
    command: str = ""


@dataclass(frozen=True, slots=True)
class Conducted:
    """An evaluation, and its key in the database."""

    evaluation_id: int
    evaluation: Evaluation


def conduct(job: Job, wanted: Wanted, *, database: Database, progress: Progress | None = None) -> Conducted:
    """Evaluate a model of `job`, record the figures and write the page, if one is wanted.

    Raises UserError where that is not possible; then nothing is recorded or written.
    """
    require_place(wanted.report)
    subgroups = _subgroups(job, wanted.subgroups)
    target = database.as_worker()
    schema.require_head(engine(target))
    session, source = Session(target), Source.of(database)
    try:
        with session.transaction():
            model = _model(job, wanted.model_version, session, settings=database.settings)
        cohort = read_cohort(
            job,
            source,
            model,
            every=wanted.every,
            between=wanted.between,
            outcomes=wanted.outcomes,
            subgroups=subgroups,
            progress=progress,
        )
        evaluation = evaluate(
            job,
            cohort,
            model.manifest,
            outcomes=wanted.outcomes,
            faults=source.outcome_faults(job) if wanted.outcomes else (),
            command=wanted.command,
        )
        text = None if wanted.report is None else page(evaluation)
        with session.transaction():
            evaluation_id = record(evaluation, session)
            if wanted.report is not None and text is not None:
                write_page(wanted.report, text)
    finally:
        source.close()
        session.close()
    return Conducted(evaluation_id=evaluation_id, evaluation=evaluation)


def _model(job: Job, model_version: str | None, session: Session, *, settings: Settings) -> LoadedModel:
    if model_version is None:
        return open_production(job, session, settings=settings)
    return open_version(job, read_model(session, job.name, model_version), session, settings=settings)


def _subgroups(job: Job, wanted: tuple[str, ...] | None) -> tuple[Subgroups, ...]:
    """The subgroups by the attributes `wanted`: as the job defines them, others by their texts."""
    if wanted is None:
        return job.measures.subgroups
    known = {each.attribute: each for each in job.measures.subgroups}
    return tuple(known.get(name, Subgroups(attribute=name)) for name in wanted)


def require_place(report: Path | None) -> None:
    """Check, before minutes are spent, that the page can be drawn and has a folder.

    Raises UserError where matplotlib or the folder is missing.
    """
    if report is None:
        return
    require_drawings()
    if not report.parent.is_dir():
        raise UserError(f"The page {report} cannot be written: there is no folder {report.parent}.")
