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
from scorer.registry.manifest import mark_of, seen_clients
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
    """The landmarks (n) of a facility by which a model is judged or calibrated.

    Their outcome is known, they can be scored, and their client was not among those that the model was trained on. `margin` (n,) or (n, k)
    is the model's, `gain` (n,) what an alarm is worth more than silence, None without a [utility]; `client` (n,) is the index among the
    clients. `left_out` is how many clients it was trained on: its scores are nearer to these than to others.
    """

    landmarks: Landmarks
    margin: Floats
    gain: Floats | None
    client: Integers
    rules: TaskRules
    left_out: int

    @classmethod
    def of(cls, job: Job, model: LoadedModel, landmarks: Landmarks) -> Sample:
        """The sample among `landmarks` of one facility.

        Raises UserError where no outcome is known, or none of a client that the model has not seen.
        """
        known = counted(landmarks, job)
        known = known.only(known.scorable)
        clients, client = np.unique(known.cohort.astype(str), return_inverse=True)
        seen = np.array(seen_clients(model.manifest.content, clients.tolist()) or [False] * len(clients), dtype=bool)
        if seen.any():
            if seen.all():
                raise UserError(
                    f"Model {model.manifest.model_version} of {job.name} was trained on each of these clients, so that its scores of them "
                    "say nothing of others; load others, with outcomes."
                )
            known = known.only(~seen[client])
            client = np.unique(known.cohort.astype(str), return_inverse=True)[1]
        margin, gain = model.margin(known.features), gains(known, job)
        return cls(known, margin, gain, client.astype(np.int64), model.rules, left_out=int(seen.sum()))

    @property
    def too_few(self) -> str:
        """What follows a facility's name where its outcomes do not suffice."""
        telling = "with the event" if self.rules.has_event else "with a known outcome"
        but = f", besides the {self.left_out:,} that the model was trained on" if self.left_out else ""
        return f"has too few clients: calibration takes {ENOUGH} {telling}{but}; load more outcomes."

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
    written. Clients that `model` was trained on are left out.
    """
    version, folder = require_free(job, models=models, model_version=model_version)
    sample = Sample.of(job, model, landmarks)
    known, rules = sample.landmarks, sample.rules
    if not suffices(known.label, sample.client, rules=rules):
        raise UserError(f'Facility "{facility}" {sample.too_few}')
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
