"""A version of the same fit, calibrated anew by the outcomes of one facility."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import SplitBy
from scorer.registry.manifest import mark_of
from scorer.registry.model import LoadedModel
from scorer.tasks.task import TaskRules
from scorer.training.calibrations import ENOUGH, Calibrations, calibrate, suffices
from scorer.training.cross_validation import crossed
from scorer.training.folds import folds_for
from scorer.training.held_out_figures import figures_of
from scorer.training.targets import counted, gains
from scorer.training.trainer import Trained, require_free, write_whole
from scorer.types.arrays import Booleans, Features, Floats, Integers

_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """The landmarks (n) of a facility whose outcome is known and that can be scored.

    `margin` (n,) or (n, k) is the model's, `gain` (n,) what an alarm is worth more than silence, None without a [utility]; `client` (n,)
    is the index among the clients.
    """

    landmarks: Landmarks
    margin: Floats
    gain: Floats | None
    client: Integers
    rules: TaskRules

    @classmethod
    def of(cls, job: Job, model: LoadedModel, landmarks: Landmarks) -> Sample:
        """The sample among `landmarks` of one facility. Raises UserError where no outcome is known."""
        known = counted(landmarks, job)
        known = known.only(known.scorable)
        client = np.unique(known.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
        return cls(known, model.margin(known.features), gains(known, job), client, model.rules)

    def calibrated(self, rows: Booleans | None = None) -> Calibrations:
        """Calibration and threshold by all rows, or by the `rows` (n,) alone."""
        chosen = np.ones(len(self.landmarks), dtype=bool) if rows is None else rows
        return calibrate(
            self.margin[chosen],
            self.landmarks.label[chosen],
            self.client[chosen],
            gain=None if self.gain is None else self.gain[chosen],
            facility=None,
            rules=self.rules,
        )


def recalibrate(
    job: Job,
    model: LoadedModel,
    artefact: bytes,
    landmarks: Landmarks,
    *,
    facility: str,
    models: Path,
    model_version: str | None = None,
) -> Trained:
    """Make a version with the artefact of `model`, calibrated for one facility by its `landmarks`.

    Its alarm threshold is chosen anew too. The figures that its manifest has of the facility are cross-validated by client: each fold is
    calibrated by the others. Raises UserError where the outcomes do not suffice, or the version's folder is there already; then nothing is
    written.
    """
    version, folder = require_free(job, models=models, model_version=model_version)
    sample = Sample.of(job, model, landmarks)
    known, rules = sample.landmarks, sample.rules
    if not suffices(known.label, sample.client, rules=rules):
        telling = "with the event" if rules.has_event else "with a known outcome"
        raise UserError(
            f'Facility "{facility}" has too few clients: calibration takes {ENOUGH} {telling}; load more outcomes.'
        )
    calibrations = sample.calibrated()
    dealt = folds_for(known, rules, folds=_FOLDS, split=SplitBy.CLIENT)
    published, alarm = crossed(sample.margin, dealt, known.label, sample.gain, rules=rules, client=sample.client)
    before = model.manifest.content
    clients = sorted({mark_of(each) for each in known.cohort.astype(str).tolist()})
    of_facility = {
        "clients": len(clients),
        "rows": len(known),
        **({"positive_rows": rules.positives(known.label)} if rules.has_event else {}),
        "calibration": dict(calibrations.everyone),
        "alarm_threshold": None if calibrations.threshold is None else calibrations.threshold.value,
        "metrics": figures_of(known, job, published=published, alarm=alarm, rules=rules),
        "calibrated_by": {"from": before["model_version"], "data_sha256": known.data_sha256},
    }
    seen = before.get("training", {}).get("clients_seen")
    manifest: dict[str, Any] = {
        **{name: each for name, each in before.items() if name != "golden"},  # its scores are those of before
        "model_version": version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "facilities": {**before.get("facilities", {}), facility: of_facility},
        "training": {
            **before.get("training", {}),
            **({} if seen is None else {"clients_seen": sorted({*seen, *clients})}),
        },
    }
    rows = _with_golden(model, known.features)
    every = np.ones(len(rows.values), dtype=bool)
    write_whole(folder, manifest=manifest, artefact=artefact, job=job, features=rows, among=every)
    return Trained(
        folder=folder,
        model_version=version,
        sha256=manifest["sha256"],
        manifest=manifest,
        landmarks=known,
        published=published,
    )


def _with_golden(model: LoadedModel, features: Features) -> Features:
    """The rows of a facility, after the golden vectors that the model had, which are to stay."""
    golden = model.manifest.golden
    if golden is None:
        return features
    nobody = np.full(len(golden.inputs), None, dtype=object)
    before = golden.facility if golden.facility is not None else nobody
    own = features.facility if features.facility is not None else np.full(len(features.values), None, dtype=object)
    return Features(features.names, np.concatenate([golden.inputs, features.values]), np.concatenate([before, own]))
