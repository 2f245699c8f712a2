"""Explanations of scores: the stored reasons, or those that the model gives for the stored features.

The observations behind reasons that were not stored are looked up in the source, as known at the score's time. They are named only where
they give exactly the stored feature vector: an observation changed or deleted since cannot be named.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from scorer.config import Settings
from scorer.database import schema
from scorer.database.access.audit import record_audit
from scorer.database.connection import Database
from scorer.database.session import Session, engine
from scorer.database.source.reader import Source, microseconds
from scorer.database.store.ledger import list_reasons, read_explained
from scorer.database.store.models import read_model
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_version
from scorer.registry.model import LoadedModel
from scorer.scoring.features.build import build
from scorer.scoring.reasons import add_up, reasons_of
from scorer.scoring.validation.suites import Suites
from scorer.tasks.known import task_of
from scorer.types.arrays import Features, Integers, Observations
from scorer.types.enums import ReasonKind, Status
from scorer.types.values import Reason, WorkItem


@dataclass(frozen=True, slots=True)
class Explained:
    """A score of the ledger and its reasons, which were `stored` with it or are computed now.

    `note` says what is missing from them, if anything.
    """

    job: str
    entity_id: str
    score_id: int
    score: float
    risk_band: str | None
    label: str | None
    outputs: Mapping[str, Any]
    as_of: datetime
    scored_at: datetime
    model_version: str
    shadow: bool
    stored: bool
    reasons_in: str
    reasons_give: str
    reasons: tuple[Reason, ...]
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The explanation as the command line prints it; the sum of the reasons by its unit's name."""
        content = asdict(self)
        unit = content.pop("reasons_in").replace("-", "_")
        del content["reasons_give"]
        return {**content, unit: sum(each.contribution for each in self.reasons)}


def explain(
    job: Job, entity_id: str, *, database: Database, score_id: int | None = None, top: int | None = None
) -> Explained:
    """Explain an entity's current score, or the one with the key `score_id`.

    Returns the contributions of its `top` features, of the others together, and the bias. Raises UserError where there is no such score,
    its model cannot be loaded, or the model has no contributions.
    """
    target = database.as_worker()
    schema.require_head(engine(target))
    with closing(Session(target)) as session, session.transaction():
        row = read_explained(session, job, entity_id, score_id=score_id)
        _require_score(job, entity_id, row, score_id=score_id)
        reasons = list_reasons(session, row.score_id)
        wanted = job.reasons.top if top is None else top
        features = sum(each.kind is ReasonKind.FEATURE for each in reasons)
        stored = features > 0 and (top is None or top == features)
        note = None
        if not stored:
            model = open_version(
                job, read_model(session, job.name, row.model_version), session, settings=database.settings
            )
            with closing(Source(target)) as source:
                reasons, note = _reasons(
                    job, entity_id, model, row, source=source, settings=database.settings, top=wanted
                )
        record_audit(session, "explained", job=job.name, subject=entity_id, score_id=row.score_id)
    return Explained(
        job=job.name,
        entity_id=entity_id,
        score_id=row.score_id,
        score=row.score,
        risk_band=row.risk_band,
        label=row.label,
        outputs=row.outputs,
        as_of=row.as_of,
        scored_at=row.scored_at,
        model_version=row.model_version,
        shadow=row.shadow,
        stored=stored,
        reasons_in=task_of(job.task).reasons_in,
        reasons_give=task_of(job.task).reasons_give,
        reasons=reasons,
        note=note,
    )


def _require_score(job: Job, entity_id: str, row: Any, *, score_id: int | None) -> None:
    if row.score_id is None and score_id is not None:
        raise UserError(
            f"{job.entity.capitalize()} {entity_id} of {job.name} has no score {score_id}; reporting.score_history has those it has."
        )
    if row.score_id is None:
        why = "it was never judged" if row.standing is None else f"it is {row.standing}: {row.standing_reason}"
        if row.standing != Status.RECALLED and row.taken_back is not None:
            why += f"; its last score was taken back: {row.taken_back}"
        raise UserError(f"{job.entity.capitalize()} {entity_id} of {job.name} has no score to explain; {why}.")
    if row.status != Status.SCORED:
        raise UserError(f"Row {row.score_id} of the ledger is no score to explain: it is {row.status}, {row.reason}.")


def _reasons(
    job: Job, entity_id: str, model: LoadedModel, row: Any, *, source: Source, settings: Settings, top: int
) -> tuple[tuple[Reason, ...], str | None]:
    """The reasons that the model gives for the stored vector, and a note on what is missing from them."""
    names = model.manifest.features
    facility = None if job.features.facility is None else [row.attributes.get(job.features.facility)]
    matrix = Features.stored(names, [bytes(row.features)], facility=facility)
    contributions = model.contributions(matrix)
    if contributions is None:
        raise UserError(
            f"Model {row.model_version} of {job.name} cannot be taken apart, so that its scores have no reasons; "
            "those of an ensemble of trees or of linear models have some (see `scorer train --full`)."
        )
    scores = model.score(matrix)
    same_score = bool(np.isclose(scores.score[0], row.score, rtol=1e-6, atol=1e-9))
    if not (same_score and add_up(contributions, scores.whole, rules=model.rules).all()):
        raise UserError(
            f"What model {row.model_version} of {job.name} says of score {row.score_id} does not add up to it: this machine does not give "
            "the score again; see `scorer model verify`."
        )
    as_of = np.array([microseconds(row.as_of)], dtype=np.int64)
    item = WorkItem(entity_id=entity_id, as_of=row.as_of, as_known_at=row.as_known_at)
    seen, same = _observations(job, item, matrix, source=source, settings=settings, as_of=as_of)
    (reasons,) = reasons_of(contributions, matrix, seen, as_of=as_of, spec=job.features, top=top)
    return reasons, None if same else "the source no longer gives the inputs of this score: no observation is named"


def _observations(
    job: Job, item: WorkItem, matrix: Features, *, source: Source, settings: Settings, as_of: Integers
) -> tuple[Observations, bool]:
    """The observations that `matrix` (1, features) is made of, and whether the source still has them.

    Empty where the source gives other features by now; `as_of` is (1,).
    """
    observations = source.observations(job, [item])
    attributes = source.attributes(job, [item])
    suites = Suites(job, compiled=settings.validation == "compiled", records=settings.proofs_dir)
    usable = observations.only(suites.validate_observations(observations, attributes, as_of=as_of).usable)
    again = build(usable, attributes, as_of=as_of, spec=job.features)
    same = (again.names, again.values.tobytes()) == (matrix.names, matrix.values.tobytes())
    return (usable if same else usable.only(np.empty(0, dtype=np.int64))), same
