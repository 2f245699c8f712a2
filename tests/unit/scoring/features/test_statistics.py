"""Statistics are tested by hand, and against slow and obvious arithmetic, in test_build.py; here that each takes no series."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.jobs.features import STATISTICS as NAMES
from scorer.scoring.features.series import Rows, series_of
from scorer.scoring.features.statistics import STATISTICS
from tests.unit.scoring.features.test_series import observations


@pytest.mark.parametrize("name", NAMES)
def test_of_no_series_there_is_no_value(name: str) -> None:
    nothing = Rows(row=np.empty(0, np.int64), key=np.empty(0, np.int64), age=np.empty(0, np.int64))
    assert STATISTICS[name](series_of(observations(1.0), nothing)).shape == (0,)
