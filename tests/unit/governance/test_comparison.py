"""Two models over the same entities, by hand: who moves, how alike the scores are, and what known outcomes say."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from scorer.database.store.models import Pair
from scorer.governance.comparison import agreement, measured, migration, rank_correlation
from scorer.tasks.binary import Binary

BANDS = ("HIGH", "MEDIUM", "LOW")
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def pair(one: tuple[str, float | None, str | None], other: tuple[str, float | None, str | None]) -> Pair:
    statuses, scores, bands = zip(one, other, strict=True)
    return Pair("1", NOON, statuses, scores, bands)


def scored(score: float, band: str) -> tuple[str, float, str]:
    return "SCORED", score, band


HELD = ("QUARANTINED", None, None)
PAIRS = [
    pair(scored(0.1, "LOW"), scored(0.2, "LOW")),
    pair(scored(0.3, "LOW"), scored(0.8, "HIGH")),
    pair(scored(0.5, "MEDIUM"), scored(0.3, "LOW")),
    pair(scored(0.9, "HIGH"), HELD),
    pair(HELD, HELD),
]


def test_a_migration_counts_who_moves_and_in_which_direction() -> None:
    found = migration(PAIRS, bands=BANDS)
    assert found.order == (*BANDS, "QUARANTINED")
    # The entity that loses its score has moved, neither up nor down.
    assert (found.entities, found.moved, found.up, found.down) == (5, 3, 1, 1)
    assert found.as_json()["bands"] == {
        "HIGH": {"QUARANTINED": 1},
        "MEDIUM": {"LOW": 1},
        "LOW": {"HIGH": 1, "LOW": 1},
        "QUARANTINED": {"QUARANTINED": 1},
    }
    assert found.table()[2] == ["LOW", 1, 0, 1, 0, 2]


def test_a_job_without_bands_moves_by_status_alone() -> None:
    found = migration([pair(("SCORED", 0.1, None), ("SCORED", 0.9, None)), pair(HELD, HELD)], bands=())
    assert (found.moved, found.up, found.down) == (0, 0, 0)
    assert found.order == ("QUARANTINED", "SCORED")


def test_agreement_is_of_those_that_both_score() -> None:
    found = agreement(PAIRS)
    assert found["scored_by_both"] == 3
    assert found["same_band"] == pytest.approx(1 / 3)
    assert found["largest"] == pytest.approx(0.5)
    assert found["mean_difference"] == pytest.approx((0.1 + 0.5 + 0.2) / 3)
    assert found["rank_correlation"] == pytest.approx(0.5)  # ranks 1, 2, 3 against 1, 3, 2
    assert set(agreement(PAIRS[3:]).values()) == {0, None}


def test_equal_scores_have_no_rank_correlation() -> None:
    assert rank_correlation(np.array([0.1, 0.1]), np.array([0.1, 0.2])) is None
    assert rank_correlation(np.empty(0), np.empty(0)) is None
    assert rank_correlation(np.array([0.1, 0.2]), np.array([0.9, 0.8])) == pytest.approx(-1)


def test_known_outcomes_measure_a_model() -> None:
    found = measured(np.array([0.4, 0.3, 0.2, 0.1]), np.array([1.0, 0, 1, 0]), ["a", "b", "c", "d"], rules=Binary())
    assert found["metrics"]["auroc"]["value"] == 0.75
    assert found["metrics"]["prevalence"]["value"] == 0.5
    assert sum(each["rows"] for each in found["calibration"]) == 4
    assert all(each["observed"] in {0.0, 1.0} for each in found["calibration"])
