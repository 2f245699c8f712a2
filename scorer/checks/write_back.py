"""The check of write-back: each band is written into the hospital's table, read back, and rolled back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scorer.database.session import Session
from scorer.database.store.ledger import stage_probe, stage_recall, write_staged
from scorer.database.store.server import read_written
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.tasks.known import task_of

_WITHIN = 0.4137  # a band's probe lies so far between its limits: four digits of it are no round number
_NEARLY = (
    0.9937  # and one more of the highest band there: a column of whole numbers holds another for it than for the others
)
_DIGITS = 4
_AS_FLOAT4 = 1e-6  # relative: what a column of type real makes of a number
_SCALES = (
    10,
    100,
    1000,
)  # a score in percent, say, which the statement itself made so, may be rounded to whole numbers
_TRIED = 5  # entities, where others hold the first or it is not there


class Rounded(UserError):
    """The hospital's column rounds scores, and still tells those of different bands apart."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A score to write and its band, and what was read back by column; None where nothing could be."""

    score: float
    band: str | None
    row: Mapping[str, Any] | None = None


def check_write_back(session: Session, job: Job, *, entity_ids: Sequence[str], labels: Sequence[str] = ()) -> str:
    """Write a score of each band for one of the entities, and read it back. Returns what was tried.

    Nothing of it stays. Raises UserError where the hospital's table refuses a band or a score, or holds another than was written; it is
    Rounded, where scores are rounded and that is all.
    """
    if not entity_ids:
        return "not tried: no entity is there yet whose row could be written"
    for entity_id in entity_ids[:_TRIED]:
        written = [
            _written(session, job, entity_id, probe, label=labels[0] if labels else None) for probe in probes_of(job)
        ]
        if None not in written:
            return _tell([probe for probe in written if probe is not None], entity_id=entity_id)
    raise UserError(
        f"The statement write_back of job {job.name} wrote no row of {', '.join(entity_ids[:_TRIED])}: others hold them, "
        "the statement does not find them, or a trigger of the table keeps them as they are."
    )


def _written(session: Session, job: Job, entity_id: str, probe: Probe, *, label: str | None) -> Probe | None:
    """Write a probe, read and take it back, roll all back. Returns it as read; None if no row was written."""
    with session.transaction(keep=False):
        stage_probe(session, entity_id=entity_id, score=probe.score, risk_band=probe.band, label=label)
        if not write_staged(session, job, "write_back"):
            return None
        rows = read_written(session, entity_id=entity_id)
        if "take_back" in job.statements:
            stage_recall(session, entity_id=entity_id)
            write_staged(session, job, "take_back")
    if not rows:
        return probe
    row = {f"{number} {name}": value for number, each in enumerate(rows) for name, value in each.items()}
    return Probe(probe.score, probe.band, row)


def probes_of(job: Job) -> list[Probe]:
    """A score of each band, lowest first, one more of the highest; three scores, if there are no bands."""
    if job.bands is None:
        return [Probe(score, None) for score in (0.0341, _WITHIN, _NEARLY)]
    limits = [limit for _, limit in reversed(job.bands.limits)]
    lowest, highest = (
        (0.0, 1.0) if task_of(job.task).gives_probabilities else (min(0.0, limits[0] - 1.0), limits[-1] + 1.0)
    )
    edges = [lowest, *limits, highest]
    probes = [
        Probe(_between(low, high), band)
        for band, low, high in zip(reversed(job.bands.names), edges[:-1], edges[1:], strict=True)
    ]
    return [*probes, Probe(_between(edges[-2], edges[-1], share=_NEARLY), probes[-1].band)]


def _between(low: float, high: float, *, share: float = _WITHIN) -> float:
    exact = low + (high - low) * share
    rounded = round(exact, _DIGITS)
    return rounded if low < rounded <= high else exact


def _tell(probes: list[Probe], *, entity_id: str) -> str:
    """What became of the probes. Raises UserError where a column holds another band or score."""
    rows = [probe.row for probe in probes if probe.row is not None]
    bands = dict.fromkeys(probe.band for probe in probes if probe.band is not None)
    tried = (
        f"wrote {', '.join(bands) or 'scores'} and {', '.join(f'{probe.score:g}' for probe in probes)} for {entity_id}"
    )
    if len(rows) < len(probes):
        return f"{tried}, rolled back; they could not be read back: the table is large, and its key is not the entity"
    names = {name for name in rows[0] if len({str(row.get(name)) for row in rows}) > 1 and not _is_time(rows[0][name])}
    if len(probes) > 1 and not names:
        raise UserError(
            f"write_back {tried}, and the row is the same after each: a trigger or rule of the hospital's table undoes what is written."
        )
    for name in sorted(names):
        _require_band(probes, name)
    _require_score(probes, names)
    return f"{tried}, read back and rolled back"


def _require_band(probes: list[Probe], name: str) -> None:
    """Raises UserError where the column holds some of the bands, and others not as they were written."""
    found = [(probe.band, _text(probe, name)) for probe in probes if probe.band is not None]
    wrong = [(band, text) for band, text in found if band != text]
    if 0 < len(wrong) < len(found):
        raise UserError(
            f"The column {_column(name)} holds {wrong[0][1]!r} where write_back wrote the band {wrong[0][0]!r}; make the column "
            "wide enough for each band: type text."
        )


def _require_score(probes: list[Probe], names: Iterable[str]) -> None:
    """Raises UserError where a column holds the score rounded, and none holds it as it was written.

    It is Rounded, where the scores of different bands still differ.
    """
    rounded: list[tuple[str, list[float]]] = []
    for name in sorted(names):
        values = [_number(probe, name) for probe in probes]
        if None in values:
            continue
        stored = [value for value in values if value is not None]
        if any(_is_score(probes, stored, scale=scale) for scale in (1, *_SCALES)):
            return
        if all(abs(value - probe.score) <= 0.5 for value, probe in zip(stored, probes, strict=True)):  # noqa: PLR2004 - to a whole number
            rounded.append((name, stored))
    if rounded:
        name, stored = rounded[0]
        pairs = ", ".join(f"{probe.score:g} as {value:g}" for probe, value in zip(probes, stored, strict=True))
        sentence = f"The column {_column(name)} does not hold the scores that write_back wrote: {pairs}; make it double precision."
        raise UserError(sentence) if len(set(stored)) < len(stored) else Rounded(sentence)


def _is_score(probes: list[Probe], stored: list[float], *, scale: int) -> bool:
    """Whether the numbers are the scores times `scale`; scaled ones may be rounded to whole numbers."""
    return all(
        abs(value - probe.score * scale) <= (_AS_FLOAT4 * abs(probe.score) if scale == 1 else 0.5)
        for value, probe in zip(stored, probes, strict=True)
    )


def _text(probe: Probe, name: str) -> str | None:
    value = None if probe.row is None else probe.row.get(name)
    return value.rstrip(" ") if isinstance(value, str) else None


def _number(probe: Probe, name: str) -> float | None:
    value = None if probe.row is None else probe.row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _is_time(value: object) -> bool:
    return isinstance(value, str) and re.match(r"\d{4,}-\d\d-\d\d", value) is not None


def _column(name: str) -> str:
    return name.partition(" ")[2]
