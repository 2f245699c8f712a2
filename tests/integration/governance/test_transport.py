"""What is advised of a model in another hospital, in simulated worlds of which the truth is known."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.evaluation.landmarks import Landmarks
from scorer.governance.transport import Advice, Transport, transport
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, Task, load_job
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.model import LoadedModel
from scorer.tasks.links import logistic
from scorer.training.trainer import train
from scorer.types.arrays import NO_TIME, Attributes, Features

HOUR = 3_600_000_000
# What tells of the event: by feature, its median, its spread as a logarithm, and its weight in the log-odds.
TELLS = {
    "LACTATE_last_stay": (1.6, 0.5, 1.1),
    "CREATININE_last_stay": (1.0, 0.5, 0.8),
    "HR_last_stay": (85.0, 0.2, 0.8),
    "GLUCOSE_last_stay": (130.0, 0.3, 0.4),
}
COUNT = "HR_count_stay"


def _world(job: Job, *, clients: int, seed: int, odds: float = 0.0, tells: float = 1.0) -> Landmarks:
    """One landmark of each client, of whom some 15 % have the event three hours later, in a hospital as at home.

    `odds` is added to the log-odds, of which `tells` is how much of it the features tell.
    """
    random = np.random.default_rng(seed)
    names = feature_names(job.features)
    values = np.full((clients, len(names)), np.nan)
    margin = np.full(clients, -2.4 + odds)
    for name, (median, spread, weight) in TELLS.items():
        deviation = random.normal(size=clients)
        values[:, names.index(name)] = median * np.exp(spread * deviation)
        margin += tells * weight * deviation
    values[:, names.index(COUNT)] = random.poisson(12, size=clients)
    label = (random.random(clients) < logistic(margin)).astype(np.float64)
    as_of = np.arange(1, clients + 1) * 24 * HOUR
    ids = np.array([f"{seed}-{each:05}" for each in range(clients)], dtype=object)
    return Landmarks(
        entity_ids=ids,
        as_of=as_of,
        cohort=ids,
        label=label,
        event_at=np.where(label == 1, as_of + 3 * HOUR, NO_TIME),
        features=Features(names=names, values=values),
        scorable=np.ones(clients, dtype=bool),
        attributes=Attributes(),
        read=np.full(clients, 12),
        used=np.full(clients, 12),
        attrition={},
        first=datetime(2025, 1, 1, tzinfo=UTC),
        last=datetime(2025, 6, 1, tzinfo=UTC),
        data_sha256="0" * 64,
    )


def _changed(landmarks: Landmarks, **factors: float) -> Landmarks:
    """The landmarks with features multiplied; NaN takes them away."""
    values = landmarks.features.values.copy()
    for name, factor in factors.items():
        values[:, landmarks.features.names.index(name)] *= factor
    return replace(landmarks, features=replace(landmarks.features, values=values))


@pytest.fixture(scope="module")
def job() -> Job:
    return load_job("sepsis")


@pytest.fixture(scope="module")
def model(job: Job, tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A model made at home."""
    home = _world(job, clients=6000, seed=1)
    recipe = Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 80, "min_child_samples": 40})
    trained = train(job, home, recipe, models=tmp_path_factory.mktemp("models"), folds=3, workers=1)
    return LoadedModel.load(
        trained.folder, sha256=trained.sha256, task=Task.BINARY, features=feature_names(job.features)
    )


def _advised(hospital: Any, job: Job, model: LoadedModel, world: Landmarks) -> Transport:
    with (
        closing(Session(Database(hospital.url, hospital.settings).as_worker())) as session,
        session.transaction(keep=False),
    ):
        return transport(job, model, world, session=session)


class TestWorlds:
    """Hospital C, simulated: what is advised is right in each."""

    def test_as_at_home(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        found = _advised(hospital, job, model, _world(job, clients=4000, seed=2))
        assert found.advice is Advice.AS_IS, found.why
        assert max(shift.psi for shift in found.shifts) < 0.1
        assert found.units == ()

    def test_more_patients_with_the_event(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        found = _advised(hospital, job, model, _world(job, clients=4000, seed=3, odds=1.2))
        assert found.advice is Advice.RECALIBRATE, found.why
        assert found.recalibrated is not None
        before, after = (
            each["calibration_intercept"]["value"] for each in (found.recalibrated.before, found.recalibrated.after)
        )
        assert before is not None
        assert after is not None
        assert before == pytest.approx(1.2, abs=0.3)
        assert abs(after) < 0.2
        assert found.recalibrated.calibration["intercept"] > model.manifest.content["estimator"]["intercept"] + 0.8

    def test_another_unit(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        world = _changed(_world(job, clients=4000, seed=4), CREATININE_last_stay=88.4)
        found = _advised(hospital, job, model, world)
        assert found.advice is Advice.DO_NOT
        assert found.why.startswith("before its units are mended: CREATININE lies")
        assert "as if in umol/L" in found.why

    def test_another_assay_is_told_and_judged_by_the_figures(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        world = _changed(_world(job, clients=4000, seed=4), CREATININE_last_stay=12.0)
        found = _advised(hospital, job, model, world)
        assert [(each.code, each.unit) for each in found.units] == [("CREATININE", None)]
        assert "units" not in found.why

    def test_what_tells_most_is_not_measured(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        gone = {"LACTATE_last_stay": np.nan, "CREATININE_last_stay": np.nan}
        found = _advised(hospital, job, model, _changed(_world(job, clients=6000, seed=5), **gone))
        assert found.advice is Advice.RETRAIN, found.why
        few = _advised(hospital, job, model, _changed(_world(job, clients=1200, seed=5), **gone))
        assert few.advice is Advice.DO_NOT
        assert "too few to retrain by" in few.why
        assert {each.feature for each in found.shifts[:2]} == {*gone}

    def test_measured_half_as_often(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        found = _advised(hospital, job, model, _changed(_world(job, clients=4000, seed=6), **{COUNT: 0.5}))
        assert found.advice is Advice.AS_IS, found.why
        assert found.shifts[0].feature == COUNT
        assert found.shifts[0].psi > 0.25

    def test_the_event_is_another(self, hospital: Any, job: Job, model: LoadedModel) -> None:
        found = _advised(hospital, job, model, _world(job, clients=2000, seed=7, tells=0.0))
        assert found.advice is Advice.DO_NOT, found.why


def test_a_facility_of_the_model_is_judged_by_what_is_its_own(hospital: Any, job: Job, tmp_path: Path) -> None:
    """Its threshold, its figures of training and the rows that it was trained on; of another facility, those of all."""
    both = _world(job, clients=6000, seed=11)
    facility = np.array(["A", "B"], dtype=object)[np.arange(6000) % 2]
    values = both.features.values.copy()
    values[facility == "B", both.features.names.index(COUNT)] *= 3
    label = np.where(
        (facility == "B") & (np.arange(6000) % 3 > 0), 0.0, both.label
    )  # two in three of B's events are none
    both = replace(both, label=label, event_at=np.where(label == 1, both.event_at, NO_TIME))
    both = replace(both, features=replace(both.features, values=values, facility=facility))
    recipe = Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 40, "min_child_samples": 40})
    trained = train(job, both, recipe, models=tmp_path, folds=3, workers=1)
    model = LoadedModel.load(
        trained.folder, sha256=trained.sha256, task=Task.BINARY, features=feature_names(job.features)
    )
    own = model.manifest.facilities["A"]
    assert abs(own["alarm_threshold"] - model.manifest.content["alarm_threshold"]) > 1e-3
    world = _world(job, clients=3000, seed=12)
    found = {}
    for name in ("A", "C"):
        of_one = replace(world.features, facility=np.full(3000, name, dtype=object))
        found[name] = _advised(hospital, job, model, replace(world, features=of_one))
    published = model.score(replace(world.features, facility=np.full(3000, "A", dtype=object))).score
    share = float((published > own["alarm_threshold"]).mean())
    assert found["A"].figures["alarm_share"]["value"] == pytest.approx(share)
    assert found["A"].own == own["metrics"]
    assert found["C"].own == model.manifest.content["metrics"]
    (moved,) = (each for each in found["A"].shifts if each.feature == COUNT)
    assert moved.psi < 0.1, "of A's own rows, not of A's and B's"
    (moved,) = (each for each in found["C"].shifts if each.feature == COUNT)
    assert moved.psi > 0.1


def test_a_few_outcomes_are_waited_for(hospital: Any, job: Job, model: LoadedModel) -> None:
    found = _advised(hospital, job, model, _world(job, clients=100, seed=8))
    assert (found.advice, found.figures, found.recalibrated) == (Advice.WAIT, {}, None)
    assert found.why == f"{found.events} clients tell of the outcome, 50 are needed"
    assert found.events < 50


def test_how_many_outcomes_a_verdict_takes_grows_with_the_interval(hospital: Any, job: Job, model: LoadedModel) -> None:
    found = _advised(hospital, job, model, _world(job, clients=1000, seed=9))
    auroc = found.figures["auroc"]
    assert auroc["low"] is not None
    assert auroc["high"] is not None
    assert found.needed == np.ceil(found.events * ((auroc["high"] - auroc["low"]) / 2 / 0.025) ** 2)
