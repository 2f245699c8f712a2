"""Arrays of a batch: observations, attributes and features as columns, each named in one place."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.types.values import WorkItem

Floats = npt.NDArray[np.float64]


Integers = npt.NDArray[np.int64]


Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Observations:
    """Observations of a batch in long form, sorted by entity, code, time and value; arrays of one length n.

    `position` (n,) is the index into `keys` of the entity that each row belongs to. Times are microseconds since
    1970-01-01 UTC, `NO_TIME` where unknown. `code` indexes `codes`; -1 where the database has none. `extras` are the columns
    that the job's statement adds for its suites; true, false and NULL are 1, 0 and NaN in float16. `known_from` (n,) is since when
    each row is known, where the statement tells it: for training and evaluation alone, which read an entity once for many as-of
    times; it is no input.
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

    def __len__(self) -> int:
        """Rows."""
        return len(self.position)

    def only(self, kept: Booleans | Integers) -> Observations:
        """The rows where `kept` (n,) is true, or those that it numbers, in its order."""
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
        )


NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Attributes:
    """One value per entity and attribute; arrays of length len(keys). Text as object, numbers and times as float64 and int64."""

    numbers: dict[str, Floats] = field(default_factory=dict)
    times: dict[str, Integers] = field(default_factory=dict)
    texts: dict[str, npt.NDArray[np.object_]] = field(default_factory=dict)

    def only(self, kept: Booleans) -> Attributes:
        """Those of the entities where `kept` (entities,) is true."""
        return Attributes(
            numbers={name: column[kept] for name, column in self.numbers.items()},
            times={name: column[kept] for name, column in self.times.items()},
            texts={name: column[kept] for name, column in self.texts.items()},
        )


@dataclass(frozen=True, slots=True)
class Features:
    """The feature matrix, C-ordered float64 of shape (entities, features); NaN where there is nothing to say."""

    names: tuple[str, ...]
    values: Floats

    def only(self, kept: Booleans) -> Features:
        """The rows where `kept` (entities,) is true."""
        return Features(names=self.names, values=self.values[kept])
