"""Bands and limits, of everyone and of each facility."""

from __future__ import annotations

import numpy as np

from scorer.jobs.publication import Bands, Limit
from scorer.registry.bands import band_names, limits_of

HERE = np.array(["A", "B", "C", None], dtype=object)
BANDS = Bands(limits=(("HIGH", 0.7), ("MEDIUM", 0.4)), lowest="LOW", by_facility={"B": {"HIGH": 0.5, "MEDIUM": 0.2}})


def test_a_facility_with_limits_of_its_own_has_bands_by_them_and_the_others_by_those_of_all() -> None:
    score = np.full(4, 0.5000001)
    assert band_names(BANDS, score, HERE) == ["MEDIUM", "HIGH", "MEDIUM", "MEDIUM"]
    assert band_names(BANDS, score) == ["MEDIUM"] * 4, "a job without facilities has one set of limits"
    assert band_names(BANDS, np.array([0.2, 0.2, np.nan, 0.71]), HERE) == ["LOW", "LOW", None, "HIGH"]
    assert band_names(None, score, HERE) == [None] * 4


def test_limits_are_one_number_where_no_facility_has_its_own() -> None:
    assert limits_of(Limit(0.3), HERE) == 0.3
    assert limits_of(Limit(0.3, {"A": 0.1}), None) == 0.3
    np.testing.assert_array_equal(limits_of(Limit(0.3, {"A": 0.1}), HERE), [0.1, 0.3, 0.3, 0.3])
