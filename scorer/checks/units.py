"""Checks of what a source holds, by a sample of what is due: units of codes, words of categories."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from scorer.checks.result import CheckResult
from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.store.batches import claim_work
from scorer.database.store.chores import nightly
from scorer.errors import StatementFailed, UserError
from scorer.jobs.job import Job, load_job
from scorer.registry.units import Usual, unit_shift, usual_values
from scorer.runs.due import enqueue
from scorer.scoring.batch import BatchInputs
from scorer.scoring.opening import open_pipeline
from scorer.scoring.validation.frames import Frame, observation_frame
from scorer.types.arrays import Floats, Integers, Observations
from scorer.types.enums import Trigger

_SAMPLE = 200  # entities that are read
_MOST = 0.5  # a code of which so much is refused is in another unit, or none
_MANY = 0.05  # a code of which so much is refused is told, though the rest of it fits
_WORDS = 5  # values of a category that are shown


def check_values(name: str, *, database: Database) -> Iterator[CheckResult]:
    """Read a sample of what is due. Yields whether its units fit the job's, and its words are listed.

    Neither keeps scoring from its start: a value that does not fit is refused, and told with its visit.
    """
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    try:
        inputs, usual = _sample(job, database=database)
    except (UserError, StatementFailed) as error:
        yield CheckResult(name=f"job {name} units", holds=False, found=str(error), blocks=False, job=name)
        return
    for subject, (holds, found) in {
        "units": _units(job, inputs, usual={each.code.name: each for each in usual}),
        "words": _words(job, inputs),
    }.items():
        yield CheckResult(name=f"job {name} {subject}", holds=holds, found=found, blocks=False, job=name)


def _sample(job: Job, *, database: Database) -> tuple[BatchInputs, tuple[Usual, ...]]:
    """The inputs of some due entities, and where training's values lay. Rolls all back that it writes."""
    pipeline = open_pipeline(job, database=database)
    try:
        with pipeline.session.transaction(keep=False):
            run, _ = enqueue(
                pipeline, as_of=None, limit=_SAMPLE, trigger=Trigger.MANUAL, nightly=nightly(Settings()), kept=False
            )
            items = claim_work(pipeline.session, job, run, size=_SAMPLE)
            return BatchInputs.read(pipeline.source, job, items), usual_values(pipeline.model.manifest.content, job)
    finally:
        pipeline.close()


def _units(job: Job, inputs: BatchInputs, *, usual: Mapping[str, Usual]) -> tuple[bool, str]:
    """Whether the units of every code fit, and what was found of each code."""
    frame = observation_frame(job, inputs.observations, inputs.attributes, as_of=inputs.as_of)
    fit, few, partly, wrong = [], [], [], []
    for code in job.codes:
        rows = _rows(inputs.observations, code.name)
        entities = len(np.unique(inputs.observations.position[rows]))
        refused = _refused(frame, rows)
        shift = None
        if entities >= job.limits.unit_entities and code.name in usual:
            shift = unit_shift(_newest(inputs.observations, rows), usual[code.name])
        if shift is not None:
            wrong.append(shift.sentence)
        elif len(rows) and refused >= _MOST:
            wrong.append(
                f"{code.name} is not in {code.unit}: {refused:.0%} of {len(rows)} values, or their ranges, cannot be"
            )
        elif not len(rows):
            few.append(code.name)
        else:
            fit.append(code.name)
            if refused >= _MANY:
                partly.append(f"{code.name} ({refused:.0%} of {len(rows)})")
    told = [
        *wrong,
        f"fit: {', '.join(fit) or 'none'}",
        *([f"fit but for values that are refused: {', '.join(partly)}"] if partly else []),
        *([f"without a value: {', '.join(few)}"] if few else []),
    ]
    remedy = ["convert the values in the job's observations.sql"] if wrong else []
    return not wrong, f"of {len(inputs.items)} entities: {'; '.join([*told, *remedy])}"


def _rows(observations: Observations, code: str) -> Integers:
    """The rows of a code whose value is finite, (m,)."""
    if code not in observations.codes:
        return np.empty(0, np.int64)
    return np.flatnonzero((observations.code == observations.codes.index(code)) & np.isfinite(observations.value))


def _refused(frame: Frame, rows: Integers) -> float:
    """The share of `rows` whose value is not plausible, or whose range is one of another unit."""
    value = frame["observation_value"][rows]
    beyond = (value < frame["plausible_min"][rows]) | (value > frame["plausible_max"][rows])
    return float((beyond | (frame["range_fits_unit"][rows] == 0)).mean()) if len(rows) else 0.0


def _newest(observations: Observations, rows: Integers) -> Floats:
    """The last value of each entity among the `rows` of one code."""
    last = np.append(np.diff(observations.position[rows]) != 0, True)
    values: Floats = observations.value[rows][last]
    return values


def _words(job: Job, inputs: BatchInputs) -> tuple[bool, str]:
    """Whether every category has listed values alone, and those that are not listed."""
    told = []
    for name, values in job.features.categories:
        texts = inputs.attributes.texts[name].tolist()
        unknown = Counter(text for text in texts if text is not None and text not in values)
        if unknown:
            shown = [f'"{text[:40]}" ({times})' for text, times in unknown.most_common(_WORDS)]
            more = [f"{len(unknown) - _WORDS} more"] if len(unknown) > _WORDS else []
            told.append(f"{name} {', '.join([*shown, *more])}")
    if not told:
        return True, f"the categories of {len(inputs.items)} entities have values that job.toml lists, or none"
    return False, (
        f"of {len(inputs.items)} entities: {'; '.join(told)}: job.toml does not list them, and they say nothing; name them in "
        "[features.synonyms], or train with them in [features] categories"
    )
