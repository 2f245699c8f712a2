"""What is written of a delivery: a row for each entity, in columns that the job's definition names."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scorer.jobs.job import Job, Task
from scorer.types.enums import Status
from scorer.types.values import Outcome

NOT_DUE = "NOT_DUE"  # of an entity that has not begun by the as-of time
NO_ENTITY = "entity_exists"  # the rule that observations of an entity without a row of its own break
# Of each task, what is published beside the score.
_BESIDE: Mapping[Task, tuple[str, ...]] = {
    Task.BINARY: (),
    Task.MULTICLASS: (),
    Task.REGRESSION: ("low", "high"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a job's predictions; `classes` are those of its model, where it tells several apart."""

    job: Job
    classes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names, in order."""
        job = self.job
        return (
            f"{job.entity}_id",
            *self._shown,
            job.output,
            *(f"{job.output}_{name}" for name in self._beside),
            *(("label",) if self.classes else ()),
            *(("risk_level",) if job.bands is not None else ()),
            "status",
            "processed_at",
            "model_version",
            "as_of",
            "valid_until",
            "reason",
            *(name for name in job.published if name not in self._shown),
        )

    def row(self, outcome: Outcome, *, processed_at: datetime, model_version: str) -> tuple[str, ...]:
        """The fields of an outcome."""
        job, has_score = self.job, outcome.score is not None
        return (
            outcome.entity_id,
            *(_field(outcome.attributes.get(name)) for name in self._shown),
            _field(outcome.score),
            *(_field(outcome.outputs.get(name)) if has_score else "" for name in self._beside),
            *((_field(outcome.label),) if self.classes else ()),
            *((_field(outcome.risk_band),) if job.bands is not None else ()),
            outcome.status.value,
            _field(processed_at),
            outcome.model_version or model_version,
            _field(outcome.as_of),
            _field(outcome.valid_until),
            _field(outcome.reason),
            *(_field(outcome.attributes.get(name)) for name in job.published if name not in self._shown),
        )

    def row_without(
        self, entity_id: str, status: str, *, processed_at: datetime, reason: str, attributes: Mapping[str, str | None]
    ) -> tuple[str, ...]:
        """The fields of an entity that has no outcome, and why."""
        known = {
            f"{self.job.entity}_id": entity_id,
            **attributes,
            "status": status,
            "processed_at": _field(processed_at),
            "reason": reason,
        }
        return tuple(_field(known.get(name)) for name in self.columns)

    @property
    def _shown(self) -> tuple[str, ...]:
        """The published attributes that stand before the score; the facility stands last."""
        return tuple(name for name in self.job.published if name != self.job.features.facility)

    @property
    def _beside(self) -> tuple[str, ...]:
        return self.classes or _BESIDE[self.job.task]


def write_predictions(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write the rows as CSV, below the names of the columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def rows_of(
    layout: Layout,
    outcomes: Sequence[Outcome],
    *,
    named: Sequence[tuple[str, str | None]],
    orphans: Sequence[tuple[str, int]],
    processed_at: datetime,
    model_version: str,
) -> list[tuple[str, ...]]:
    """A row for each entity: of its outcome, or why it has none.

    `named` are the entities that the delivery names, with their clients; `orphans` those that have observations alone, with how many.
    """
    place = {entity_id: number for number, (entity_id, _) in enumerate(named)}
    judged = {each.entity_id for each in outcomes}
    in_order = sorted(outcomes, key=lambda each: (place.get(each.entity_id, len(place)), each.entity_id))
    rows = [layout.row(each, processed_at=processed_at, model_version=model_version) for each in in_order]
    for entity_id, client in named:
        if entity_id not in judged:
            attributes = {"client": client} if "client" in layout.job.published else {}
            rows.append(
                layout.row_without(
                    entity_id,
                    NOT_DUE,
                    processed_at=processed_at,
                    reason="has not begun by the as-of time",
                    attributes=attributes,
                )
            )
    for entity_id, _ in orphans:
        if entity_id:
            rows.append(
                layout.row_without(
                    entity_id, Status.QUARANTINED.value, processed_at=processed_at, reason=NO_ENTITY, attributes={}
                )
            )
    return rows


def _field(value: object) -> str:
    """A value as CSV holds it: floats to the last bit, times as ISO 8601 has them.

    >>> _field(0.1), _field(None), _field("C1")
    ('0.1', '', 'C1')
    """
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)
