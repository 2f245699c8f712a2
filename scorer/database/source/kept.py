"""Rows of observations that a daemon keeps from run to run: all of an entity, as of one snapshot.

A batch that was read is kept as a block. Who reads an entity again takes its rows out of their block, leaves out those that changed
since the block's snapshot, puts in these as they are now, and keeps what comes of it as a new block. `changes.py` says what changed. A
block is never altered: what is not taken out of it stays true of its own snapshot.

No more is kept than the setting `kept_rows` says; the blocks that were not used for longest go first.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.columns import by_moment, in_order, places_of_two_values
from scorer.types.arrays import NO_TIME, Booleans, Integers, Observations

_MEGABYTE = 1_000_000
_NUMBERS = ("observation_value", "reference_range_min", "reference_range_max")
_OF_AN_OBJECT = 80  # bytes of a short text and the place that names it, as they were measured


@dataclass(frozen=True, slots=True)
class Mark:
    """A snapshot, as PostgreSQL writes it, and what tells the capture that stood in it from every other."""

    snapshot: str
    capture: str

    @property
    def before(self) -> int:
        """The transaction before which all had ended in this snapshot."""
        return int(self.snapshot.partition(":")[0])


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of observations, and when each was recorded (n,): None where the job does not say."""

    observations: Observations
    recorded: Integers | None

    def __len__(self) -> int:
        """How many."""
        return len(self.observations)

    @property
    def bytes(self) -> int:
        """The memory that they take, about."""
        rows = self.observations
        columns: list[npt.NDArray[Any] | None] = [
            *(rows.position, rows.observation_id, rows.time, rows.code, rows.value, rows.value_is_null, rows.low),
            *(rows.high, rows.known_from, self.recorded, *rows.extras.values(), *rows.unread.values()),
        ]
        return sum(
            len(each) * (_OF_AN_OBJECT if each.dtype.hasobject else each.itemsize)
            for each in columns
            if each is not None
        )


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The rows of some entities of a job's version, all as they stood at `mark`.

    `places` are the entities whose rows are to be taken from here, with their positions.
    """

    version: str
    mark: Mark
    places: Mapping[str, int]
    rows: Rows

    def places_in(self, whole: Mapping[str, int], *, of: Collection[str]) -> Integers:
        """To each position here (m,) that of its entity in the `whole`; -1 where it is not one `of` these."""
        positions = 1 + max(*self.places.values(), int(self.rows.observations.position.max(initial=-1)))
        there = np.full(positions, -1, dtype=np.int64)
        for entity_id in of:
            there[self.places[entity_id]] = whole[entity_id]
        return there

    def without(self, entity_ids: Collection[str]) -> Block:
        """The same for the other entities; the rows stay."""
        return replace(self, places={each: place for each, place in self.places.items() if each not in entity_ids})


class Kept:
    """What is kept of one job, up to so many megabytes; threads may share it."""

    def __init__(self, megabytes: int) -> None:
        self._limit = megabytes * _MEGABYTE
        self._blocks: list[Block] = []  # the one that was used last is the last
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """The memory that all of it takes, about."""
        with self._lock:
            return sum(block.rows.bytes for block in self._blocks)

    def switch_off(self) -> None:
        """Keep nothing, from now on."""
        with self._lock:
            self._limit, self._blocks = 0, []

    def take(self, version: str, entity_ids: Collection[str]) -> list[Block]:
        """Take out the blocks of the job's version that hold any of the entities.

        Those of another version are forgotten.
        """
        with self._lock:
            blocks = [block for block in self._blocks if block.version == version]
            taken = [block for block in blocks if any(each in block.places for each in entity_ids)]
            self._blocks = [block for block in blocks if block not in taken]
        return taken

    def put(self, block: Block) -> None:
        """Keep the block; forget others where all is too much, or this one where it alone is."""
        if not block.places:
            return
        with self._lock:
            blocks, room = [], self._limit
            for each in (block, *reversed(self._blocks)):
                room -= each.rows.bytes
                if room < 0:
                    break
                blocks.append(each)
            self._blocks = blocks[::-1]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of which some are taken.

    `places` (m,) gives to each of their positions that of the whole, -1 to leave it out. `left_out` (n,) are rows that are not taken
    all the same; None where there are none.
    """

    rows: Rows
    places: Integers
    left_out: Booleans | None = None


def rows_of_keys(rows: Observations, keys: pa.Array) -> Booleans:
    """Which rows (n,) have one of the keys (k,), which are texts.

    Raises pyarrow.ArrowInvalid where a key is none that the rows could have.
    """
    if rows.observation_id.dtype == object:
        found = pc.is_in(pa.array(rows.observation_id, pa.string()), value_set=keys)
        return np.asarray(found.to_numpy(zero_copy_only=False))
    return np.isin(rows.observation_id, pc.cast(keys, pa.int64()).to_numpy())


def together(parts: Sequence[Part]) -> Rows | None:
    """The rows of all parts, by entity, code and time; None where their columns are not alike."""
    observations = [part.rows.observations for part in parts]
    if len({_kinds(part.rows) for part in parts}) != 1:
        return None
    codes = tuple(sorted({code for each in observations for code in each.codes}))
    position = np.concatenate([part.places[part.rows.observations.position] for part in parts])
    for part, ends in zip(parts, np.cumsum([len(each) for each in observations]), strict=True):
        if part.left_out is not None:
            position[ends - len(part.rows) : ends][part.left_out] = -1
    whole = Observations(
        keys=(),
        position=position,
        observation_id=np.concatenate([each.observation_id for each in observations]),
        time=np.concatenate([each.time for each in observations]),
        code=np.concatenate([_recoded(each, codes) for each in observations]),
        codes=codes,
        value=np.concatenate([each.value for each in observations]),
        value_is_null=np.concatenate([each.value_is_null for each in observations]),
        low=np.concatenate([each.low for each in observations]),
        high=np.concatenate([each.high for each in observations]),
        extras={name: np.concatenate([each.extras[name] for each in observations]) for name in observations[0].extras},
        known_from=np.concatenate([_known_from(each) for each in observations]),
        unread=_unread(observations),
    )
    times = [part.rows.recorded for part in parts]
    recorded = None if times[0] is None else np.concatenate([each for each in times if each is not None])
    order = by_moment(whole)[1]
    order = order[position[order] >= 0]
    return Rows(whole.only(order), None if recorded is None else recorded[order])


def known_by(rows: Rows, as_of: Integers) -> Observations:
    """The rows that are known by each entity's as-of time (entities,), as if these had been read alone."""
    observations, recorded = rows.observations, rows.recorded
    known = _known_from(observations) <= as_of[observations.position]
    if not known.all():
        observations, recorded = observations.only(known), None if recorded is None else recorded[known]
    named = np.flatnonzero(np.bincount(observations.code + 1, minlength=len(observations.codes) + 1)[1:])
    codes = tuple(observations.codes[place] for place in named)
    plain = replace(observations, code=_recoded(observations, codes), codes=codes, known_from=None)
    plain = replace(plain, unread={name: texts for name, texts in plain.unread.items() if _any(texts)})
    found = in_order(plain, recorded=None)
    if recorded is None or not len(places := places_of_two_values(found)):
        return found
    return in_order(plain, recorded=np.where(np.isin(plain.position, places), recorded, NO_TIME))


def differing(one: Observations, other: Observations) -> int:
    """How many of the entities, which are the same in both, have other rows in the one."""
    entities = len(one.keys)
    counts = [np.bincount(each.position, minlength=entities) for each in (one, other)]
    unlike = counts[0] != counts[1]
    alike = [each.only(~unlike[each.position]) for each in (one, other)]
    for a, b in zip(*(_columns(each) for each in alike), strict=True):
        if a.dtype == np.float64 == b.dtype:
            a, b = a.view(np.int64), b.view(np.int64)  # noqa: PLW2901 - NaN is as NaN, and -0 another than 0
        unlike[alike[0].position[(a != b) & ((a == a) | (b == b))]] = True  # noqa: PLR0124 - NaN alone differs from itself
    return int(unlike.sum())


def _columns(rows: Observations) -> list[npt.NDArray[Any]]:
    code = np.array([*rows.codes, None], dtype=object)[rows.code]
    rank = np.zeros(len(rows), np.int64) if rows.rank is None else rows.rank
    extras = [rows.extras[name] for name in sorted(rows.extras)]
    texts = [rows.unread.get(name, np.full(len(rows), None, dtype=object)) for name in _NUMBERS]
    return [
        rows.observation_id,
        rows.time,
        code,
        rank,
        rows.value,
        rows.value_is_null,
        rows.low,
        rows.high,
        *extras,
        *texts,
    ]


def _known_from(rows: Observations) -> Integers:
    assert rows.known_from is not None
    return rows.known_from


def _kinds(rows: Rows) -> tuple[object, ...]:
    """The columns and their types, but for those that any rows may have."""
    held = rows.observations
    extras = sorted((name, str(column.dtype)) for name, column in held.extras.items())
    return str(held.observation_id.dtype), *extras, held.known_from is None, rows.recorded is None


def _recoded(rows: Observations, codes: tuple[str, ...]) -> Integers:
    """The code of each row (n,) as its place in `codes`."""
    if rows.codes == codes:
        return rows.code
    place = {code: at for at, code in enumerate(codes)}
    return np.array([*(place.get(code, -1) for code in rows.codes), -1], dtype=np.int64)[rows.code]


def _unread(parts: Sequence[Observations]) -> dict[str, npt.NDArray[np.object_]]:
    names = sorted({name for each in parts for name in each.unread})
    return {
        name: np.concatenate([each.unread.get(name, np.full(len(each), None, dtype=object)) for each in parts])
        for name in names
    }


def _any(texts: npt.NDArray[np.object_]) -> bool:
    return any(text is not None for text in texts)
