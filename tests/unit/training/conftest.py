"""What the tests of training share: made-up landmarks, and a recipe that is fitted in no time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, load_job
from scorer.jobs.training import ATTRIBUTES, Configuration, Recipe, SearchSpec
from scorer.training.search import trials
from scorer.types.arrays import NO_TIME, Attributes, Features

HOUR = 3_600_000_000


def _made(job: Job, *, clients: int = 150, hours: int = 10, seed: int = 1, tells: float = 1.5) -> Landmarks:
    """Clients with an entity each and a landmark each hour.

    Every fifth has the event, an hour after its last landmark. The first feature tells the label.
    """
    random = np.random.default_rng(seed)
    client = np.repeat(np.arange(clients), hours)
    hour = np.tile(np.arange(1, hours + 1), clients)
    has_event = client % 5 == 0
    as_of = (hour + 24 * client) * HOUR
    event_at = np.where(has_event, (hours + 1 + 24 * client) * HOUR, NO_TIME)
    label = (has_event & (as_of + 6 * HOUR >= event_at)).astype(np.float64)
    names = feature_names(job.features)
    values = random.normal(size=(len(client), len(names)))
    values[random.random(values.shape) < 0.2] = np.nan
    values[:, 0] = random.normal(size=len(client)) + tells * label
    ids = np.array([f"{each:05}" for each in client], dtype=object)
    return Landmarks(
        entity_ids=ids,
        as_of=as_of,
        cohort=np.array([f"C{each}" for each in client], dtype=object),
        label=label,
        event_at=event_at,
        features=Features(names=names, values=values),
        scorable=hour > 1,
        attributes=Attributes(numbers={"age_years": client.astype(np.float64)}),
        read=hour * 3,
        used=hour * 3,
        attrition={"landmarks": len(client)},
        first=datetime(1970, 1, 1, tzinfo=UTC),
        last=datetime(1970, 6, 1, tzinfo=UTC),
        data_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def job() -> Job:
    """The shipped job, searched over two combinations."""
    return replace(load_job("sepsis"), search=SearchSpec({"vitals": ("vitals",), "few": (ATTRIBUTES,)}))


@pytest.fixture(scope="session")
def landmarks(job: Job) -> Landmarks:
    """Landmarks whose first feature tells the label."""
    return _made(job)


@pytest.fixture(scope="session")
def made() -> Callable[..., Landmarks]:
    """Makes landmarks of a job: so many `clients` and `hours`, and how much the first feature `tells`."""
    return _made


@pytest.fixture(scope="session")
def quick() -> Recipe:
    """A recipe of few small trees."""
    return Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 20, "min_child_samples": 5})


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes the fits of trials take no time, and those of extra trees fail; the configurations and groups that were fitted."""
    made: list[str] = []

    class Constant:
        def margin(self, rows: Any) -> Any:
            return np.nan_to_num(rows[:, 0])

    def fit(recipe: Recipe, *_: Any) -> Any:
        made.append(f"{recipe.configuration}, {', '.join(recipe.groups)}")
        if recipe.configuration is Configuration.EXTRA_TREES:
            raise ValueError("a value that must not be shown: 37.2")
        return Constant()

    monkeypatch.setattr(trials, "fit_fold", fit)
    return made
