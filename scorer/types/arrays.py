"""Arrays of a batch: observations, attributes and features, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.types.values import WorkItem

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]  # None where unknown

NO_TIME = np.iinfo(np.int64).min  # a time that is unknown


@dataclass(frozen=True, slots=True)
class Observations:
    """Observations of a batch, a row each, sorted by entity, code, time, rank and value.

    Every array is (n,). `position` is the index into `keys` of the row's entity, `code` the index into `codes`, -1 where the database has
    none. Times are microseconds since 1970-01-01 UTC, `NO_TIME` where unknown. `extras` are the columns that the job's statement adds for
    its suites; of booleans, true, false and NULL are 1, 0 and NaN in float16. `known_from` is the time from which a row is known, where
    the statement returns it: training and evaluation need it, which read an entity once for many as-of times. It is not an input. `rank`
    ascends, among rows of one entity, code and time that differ in value, with when they were recorded; it is 0 where that says nothing,
    and None where it is 0 for all.
    `unread` holds, by column, the text (n,) that stood where a number was expected: None where there was a number, or NULL.
    """

    keys: tuple[WorkItem, ...]
    position: Integers
    observation_id: npt.NDArray[Any]
    time: Integers
    code: Integers
    codes: tuple[str, ...]
    value: Floats
    value_is_null: Booleans
    low: Floats
    high: Floats
    extras: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    known_from: Integers | None = None
    unread: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    rank: Integers | None = None

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.position)

    def only(self, kept: Booleans | Integers) -> Observations:
        """The rows where `kept` (n,) is true; or, of indexes (m,), those rows in that order."""
        if kept.dtype == bool and kept.all():
            return self
        return Observations(
            keys=self.keys,
            position=self.position[kept],
            observation_id=self.observation_id[kept],
            time=self.time[kept],
            code=self.code[kept],
            codes=self.codes,
            value=self.value[kept],
            value_is_null=self.value_is_null[kept],
            low=self.low[kept],
            high=self.high[kept],
            extras={name: column[kept] for name, column in self.extras.items()},
            known_from=None if self.known_from is None else self.known_from[kept],
            unread={name: column[kept] for name, column in self.unread.items()},
            rank=None if self.rank is None else self.rank[kept],
        )


@dataclass(frozen=True, slots=True)
class Attributes:
    """One value per entity and attribute; every array is (entities,).

    Numbers are NaN where unknown, times `NO_TIME` (else microseconds since 1970-01-01 UTC), texts None. `unread` is as in Observations.
    `repeated` says which entities had more rows than one, of which none was taken; it is None where none had.
    """

    numbers: dict[str, Floats] = field(default_factory=dict)
    times: dict[str, Integers] = field(default_factory=dict)
    texts: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    unread: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)
    repeated: Booleans | None = None

    def only(self, kept: Booleans) -> Attributes:
        """The entities where `kept` (entities,) is true."""
        return Attributes(
            numbers={name: column[kept] for name, column in self.numbers.items()},
            times={name: column[kept] for name, column in self.times.items()},
            texts={name: column[kept] for name, column in self.texts.items()},
            unread={name: column[kept] for name, column in self.unread.items()},
            repeated=None if self.repeated is None else self.repeated[kept],
        )


@dataclass(frozen=True, slots=True)
class Features:
    """The feature matrix: `values` (entities, features), C-ordered, NaN where a feature has no value.

    `facility` (entities,) is what each entity belongs to, None where unknown; it is None itself where the job names no facility.
    """

    names: tuple[str, ...]
    values: Floats
    facility: Texts | None = None

    @classmethod
    def stored(
        cls, names: tuple[str, ...], vectors: Sequence[bytes], *, facility: Sequence[str | None] | None = None
    ) -> Features:
        """Rows as the ledger keeps them, a text of float64 each, with the `facility` of each.

        A facility that is empty is unknown. Raises ValueError where one is not as long as `names`.
        """
        values = np.frombuffer(b"".join(vectors), dtype="<f8").astype(np.float64).reshape(len(vectors), len(names))
        if facility is None:
            return cls(names, values)
        return cls(names, values, facility=np.array([*(each or None for each in facility), None], dtype=object)[:-1])

    def only(self, kept: Booleans | Integers) -> Features:
        """The rows where `kept` (entities,) is true; or, of indexes (m,), those rows in that order.

        All rows are the same object, and no copy.
        """
        if kept.dtype == bool and kept.all():
            return self
        facility = None if self.facility is None else self.facility[kept]
        return Features(names=self.names, values=self.values[kept], facility=facility)
