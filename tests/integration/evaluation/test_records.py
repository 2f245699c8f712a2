"""An evaluation in the database: every figure in order, with its group and its threshold, and none where there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.evaluation.figures import EVERYONE, Above, Evaluation, Group, Pictures
from scorer.evaluation.records import record
from scorer.tasks.bootstrap import Figure

SHIPPED = "2026.11.29"


def group(key: tuple[str, str], *, figures: dict[str, Figure], above: tuple[Above, ...] = ()) -> Group:
    return Group(
        attribute=key[0],
        value=key[1],
        entities=20,
        landmarks=400,
        scored=380,
        positives=30,
        events=12,
        figures=figures,
        above=above,
    )


@pytest.fixture
def evaluation(hospital: Any) -> Evaluation:
    """Two groups, three figures: one without an interval, one without a value."""
    nothing = np.empty(0)
    return Evaluation(
        job=hospital.job.name,
        job_version=hospital.job.version,
        model_version=SHIPPED,
        alarm="HIGH",
        every=timedelta(hours=1),
        first=datetime(2025, 6, 1, tzinfo=UTC),
        last=datetime(2025, 6, 2, tzinfo=UTC),
        outcomes=True,
        clients=20,
        clients_seen=None,
        cohort_sha256="0" * 64,
        attrition={"entities": 20, "landmarks": 400},
        remarks=("Only a test.",),
        groups=(
            group(
                EVERYONE,
                figures={"auroc": Figure(0.8, 0.7, 0.9), "brier": Figure(0.1)},
                above=(Above(threshold=0.5, name="HIGH", figures={"ppv": Figure(0.25, 0.1, 0.5)}),),
            ),
            group(("sex", "F"), figures={"auroc": Figure(math.nan)}),
        ),
        pictures=Pictures({}, nothing, nothing, math.nan, math.nan, nothing, nothing),
        command="scorer evaluate here",
    )


@pytest.fixture
def session(hospital: Any) -> Iterator[Session]:
    """A session of the worker."""
    opened = Session(Target.of(hospital.url, hospital.settings, role=hospital.settings.worker_role))
    yield opened
    opened.close()


def test_every_figure_is_recorded_with_its_group_and_threshold(
    hospital: Any, evaluation: Evaluation, session: Session
) -> None:
    with session.transaction():
        first, second = record(evaluation, session), record(evaluation, session)
    assert second > first
    assert hospital.rows(
        "SELECT model_version, command, outcomes, clients_seen, attrition, remarks FROM scorer.evaluations "
        "WHERE evaluation_id = %s",
        first,
    ) == [(SHIPPED, "scorer evaluate here", True, None, {"entities": 20, "landmarks": 400}, ["Only a test."])]
    assert hospital.rows(
        "SELECT attribute, subgroup, threshold, threshold_name, figure, value, low, high FROM scorer.evaluation_figures "
        "WHERE evaluation_id = %s ORDER BY place",
        first,
    ) == [
        ("", "everyone", None, None, "auroc", 0.8, 0.7, 0.9),
        ("", "everyone", None, None, "brier", 0.1, None, None),
        ("", "everyone", 0.5, "HIGH", "ppv", 0.25, 0.1, 0.5),
        ("sex", "F", None, None, "auroc", None, None, None),
    ]
