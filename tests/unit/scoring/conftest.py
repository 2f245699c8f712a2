"""What the tests of scoring share: the inputs of a small batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from scorer.scoring.batch import BatchInputs
from scorer.types.arrays import Attributes, Observations
from scorer.types.values import Previous, WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def make_inputs() -> Callable[..., BatchInputs]:
    """Makes inputs of entities 0, 1, ... as of noon, with so many observations each."""

    def make(*counts: int, previous: dict[int, Previous] | None = None) -> BatchInputs:
        items = tuple(
            WorkItem(entity_id=str(place), as_of=NOON, previous=(previous or {}).get(place))
            for place in range(len(counts))
        )
        rows = sum(counts)
        observations = Observations(
            keys=items,
            position=np.repeat(np.arange(len(counts)), counts),
            observation_id=np.arange(rows),
            time=np.zeros(rows, np.int64),
            code=np.zeros(rows, np.int64),
            codes=("HR",),
            value=np.full(rows, 80.0),
            value_is_null=np.zeros(rows, bool),
            low=np.full(rows, np.nan),
            high=np.full(rows, np.nan),
        )
        clients = np.array([f"c{place}" for place in range(len(counts))], dtype=object)
        return BatchInputs(
            items=items,
            hashes=[b"same"] * len(counts),
            observations=observations,
            attributes=Attributes(texts={"client": clients, "facility": np.full(len(counts), "A", dtype=object)}),
        )

    return make
