"""Columns of a frame as compiled rules see them, and measures of a whole column.

Each measure gives what pandas gives, to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.scoring.validation.frames import Frame
from scorer.types.arrays import Booleans, Floats


class Columns:
    """The columns of a frame and, kept for the rules that share them, which of their values are given."""

    def __init__(self, frame: Frame) -> None:
        self.rows = frame.rows
        self._frame = frame
        self._given: dict[str, Booleans] = {}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._frame[name]

    def given(self, name: str) -> Booleans:
        """Which values of the column are given, not missing, (rows,)."""
        if name not in self._given:
            values = self._frame[name]
            floats = values.dtype.kind == "f"
            self._given[name] = ~np.isnan(values) if floats else np.ones(self.rows, dtype=bool)
        return self._given[name]

    def present(self, name: str) -> npt.NDArray[Any]:
        """The values of the column that are given, in order."""
        values: npt.NDArray[Any] = self._frame[name][self.given(name)]
        return values

    def filled(self, name: str, value: float) -> npt.NDArray[Any]:
        """The column (rows,) with `value` where it is missing."""
        values = self._frame[name]
        return np.where(self.given(name), values, value) if values.dtype.kind == "f" else values


def least(columns: Columns, column: str) -> Any:
    """The smallest value, NaN where there is none."""
    return columns.filled(column, np.inf).min() if columns.given(column).any() else np.nan


def greatest(columns: Columns, column: str) -> Any:
    """The largest value, NaN where there is none."""
    return columns.filled(column, -np.inf).max() if columns.given(column).any() else np.nan


def total(columns: Columns, column: str) -> Any:
    """The sum of the values, 0 where there is none."""
    return columns.filled(column, 0.0).sum()


def mean(columns: Columns, column: str) -> Any:
    """The mean, NaN where there is no value."""
    count = columns.given(column).sum()
    return columns.filled(column, 0.0).sum(dtype=np.float64) / np.float64(count) if count else np.nan


def median(columns: Columns, column: str) -> Any:
    """The median, NaN where there is no value."""
    given = columns.present(column)
    return np.median(given.astype(np.float64)) if len(given) else np.nan


def stdev(columns: Columns, column: str) -> Any:
    """The standard deviation of a sample, NaN where there are fewer than two values."""
    given = columns.given(column)
    count = given.sum()
    if count <= 1:
        return np.nan
    values: Floats = columns.filled(column, 0.0).astype(np.float64)
    squares = (values.sum() / np.float64(count) - values) ** 2
    squares[~given] = 0.0
    return np.sqrt(squares.sum() / np.float64(count - 1))


def distinct(columns: Columns, column: str) -> int:
    """The number of different values."""
    return len(np.unique(columns.present(column)))


def share_distinct(columns: Columns, column: str) -> float:
    """The share of different values among the given values, 0 where there is none."""
    count = int(columns.given(column).sum())
    return distinct(columns, column) / count if count else 0


def share_given(columns: Columns, column: str) -> float:
    """The share of given values among the rows, 0 where there is no row."""
    return int(columns.given(column).sum()) / columns.rows if columns.rows else 0
