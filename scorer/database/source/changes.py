"""Reads observations by what changed of those that are kept: the rest of them are not sent again.

It is exact under whatever ends in whatever order. Triggers that a site installed (changed_observations.sql of the job) add the key of each
changed row to scorer.captured_changes, in the transaction that changes it. All is read in one snapshot: which changes it sees that the
snapshot of the kept rows did not see, and these rows as they are now. Kept are all rows that there are, whenever they come to be known; of
an entity those are taken whose `known_from` is not after its as-of time.

Nothing is taken from what is kept, and all is read in full as if nothing were, where anything is unclear: where a table that the statement
reads is not captured in every way, where capture was altered, interrupted or begun anew since, where it lacks changes by now (pruned, or
truncated), where the server was started or has recovered from a crash since, or another answers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.arrow_session import ArrowSession
from scorer.database.source.columns import recorded_of, unsorted_of
from scorer.database.source.kept import Block, Kept, Mark, Part, Rows, differing, known_by, rows_of_keys, together
from scorer.database.statements import bound, statement
from scorer.jobs.job import Job
from scorer.jobs.sql_text import parameters_of
from scorer.log import events
from scorer.log.logger import say
from scorer.types.arrays import Integers, Observations
from scorer.types.values import WorkItem

_log = logging.getLogger(__name__)
FEWEST = 100  # entities: fewer are read in full as fast
_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_BEGIN, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_FEW = 10_000  # changes that are looked at, however few rows are kept
_WHERE = "The captured changes"


class Read(Protocol):
    """What reads a job's observations."""

    def __call__(self, items: Sequence[WorkItem], /, *, keys: Sequence[str] = ()) -> pa.Table:
        """All columns of the observations of items; of those alone with these keys, where some are given."""


@dataclass(frozen=True, slots=True)
class _Changed:
    """What changed since a snapshot: all of these `entities`, and single rows of others.

    `entity_id` (n,) has the entity of each of the `keys` (n,).
    """

    entities: frozenset[str]
    entity_id: pa.DictionaryArray
    keys: pa.Array

    def rows_of(self, entity_ids: Collection[str]) -> tuple[list[str], pa.Array]:
        """Of these entities, those of which single rows changed, and the keys of these."""
        names = self.entity_id.dictionary.to_pylist()
        index = self.entity_id.indices.to_numpy()
        asked = np.array([name in entity_ids for name in names], dtype=bool)[index]
        return [names[place] for place in np.unique(index[asked])], self.keys.filter(pa.array(asked)).unique()


def may_keep(job: Job, items: Sequence[WorkItem]) -> bool:
    """Whether the items may be read by what changed: many, each once, as known at their as-of times."""
    return (
        len(items) >= FEWEST
        and "observation_ids" in parameters_of(job.statements["observations"])
        and all(item.as_known_at is None for item in items)
        and len({item.entity_id for item in items}) == len(items)
    )


class ByChanges:
    """Reads a job's observations in one session, by what is kept of them."""

    def __init__(self, session: ArrowSession, kept: Kept) -> None:
        self._session, self._kept = session, kept

    def observations(
        self,
        job: Job,
        items: Sequence[WorkItem],
        *,
        look: Callable[[], Read | None],
        in_full: Callable[[], Observations] | None,
    ) -> Observations | None:
        """The observations of `items`, as read in full; None where they must be.

        `look` has the statement lock what it reads, and gives what reads its rows, if that can be done. Where `in_full` is given, what it
        reads is returned, and what is kept is compared with that.
        """
        with self._session.one_snapshot():
            mark, oldest = self._mark(job)
            if mark is None:
                return None
            read = look()
            if read is None or not self._is_whole(job, mark):
                return None
            blocks = self._kept.take(job.version, {item.entity_id for item in items})
            usable = [block for block in blocks if block.mark.capture == mark.capture and block.mark.before > oldest]
            rows = self._rows(job, items, usable, read=read)
            proof = in_full() if in_full is not None and usable else None
            # Once more: what a function in the statement reads is known only now.
            if rows is None or not self._is_whole(job, mark):
                return None
        places = {item.entity_id: place for place, item in enumerate(items)}
        found = replace(known_by(rows, _as_ofs(items)), keys=tuple(items))
        if proof is not None and (entities := differing(found, proof)):
            self._kept.switch_off()
            say(_log, events.KEPT_ROWS_DIFFER, job=job.name, entities=entities, read=len(items))
            return proof
        for block in usable:
            self._kept.put(block.without(places))
        self._kept.put(Block(job.version, mark, places, rows))
        return found if proof is None else proof

    def _mark(self, job: Job) -> tuple[Mark | None, int]:
        """This snapshot, and the oldest transaction whose changes are kept; None where nothing is captured."""
        ((snapshot, capture, oldest),) = zip(*self._ask("read_capture", job).to_pydict().values(), strict=True)
        if capture is None or oldest is None:
            return None, 0
        return Mark(snapshot, capture), int(oldest)

    def _is_whole(self, job: Job, mark: Mark) -> bool:
        """Whether all that this transaction has locked is captured, and has not lost rows unseen.

        A table that is truncated or rewritten after the snapshot is empty in it. The mark tells: it has the tables' files of now.
        """
        return not len(self._ask("list_uncaptured", job)) and self._mark(job)[0] == mark

    def _rows(self, job: Job, items: Sequence[WorkItem], blocks: Sequence[Block], *, read: Read) -> Rows | None:
        """All rows of the items in this snapshot: of the blocks, of what changed since, and all others."""
        places = {item.entity_id: place for place, item in enumerate(items)}
        left = {item.entity_id: replace(item, as_of=_EVER) for item in items}
        parts: list[Part] = []
        for block in blocks:
            changed = self._changed_since(job, block)
            taken = left.keys() & block.places.keys() - changed.entities if changed is not None else set()
            if changed is None or not taken:
                continue
            again, keys = changed.rows_of(taken)
            there = block.places_in(places, of=taken)
            try:
                # Both are left out here and read anew: rows of these entities with these keys, changed or not.
                out = rows_of_keys(block.rows.observations, keys)
            except pa.ArrowInvalid:  # keys that the statement never gives: what is captured is of something else
                continue
            out &= block.places_in(places, of=again)[block.rows.observations.position] >= 0
            parts.append(Part(block.rows, there, out))
            if again:
                items_again = [left[entity_id] for entity_id in again]
                parts.append(_part(read(items_again, keys=keys.to_pylist()), items_again, places))
            for each in taken:
                del left[each]
        if left or not parts:
            parts.append(_part(read([*left.values()]), [*left.values()], places))
        return together(parts)

    def _changed_since(self, job: Job, block: Block) -> _Changed | None:
        """What changed since the block's snapshot; None where that is everything, or too much to tell."""
        most = max(_FEW, len(block.rows) // 2)
        table = self._ask("list_captured", job, kept_snapshot=block.mark.snapshot, most_changes=str(most))
        if len(table) >= most or table["entity_id"].null_count:
            return None
        whole = pc.is_null(table["observation_id"])
        of_rows = table.filter(pc.invert(whole))
        return _Changed(
            entities=frozenset(table["entity_id"].filter(whole).to_pylist()),
            entity_id=of_rows["entity_id"].combine_chunks().dictionary_encode(),
            keys=of_rows["observation_id"].combine_chunks(),
        )

    def _ask(self, name: str, job: Job, **settings: str) -> pa.Table:
        """The rows of one of our statements."""
        made = {f"scorer.{key}": value for key, value in {**settings, "captured_job": job.name}.items()}
        return self._session.query(bound(statement(name)), made, where=_WHERE)


def _as_ofs(items: Sequence[WorkItem]) -> Integers:
    """The as-of time of each (n,), in microseconds since 1970."""
    return np.array([(item.as_of - _BEGIN) // _MICROSECOND for item in items], dtype=np.int64)


def _part(table: pa.Table, items: Sequence[WorkItem], places: Mapping[str, int]) -> Part:
    """The rows that were read of the items, each to its entity's place."""
    rows = Rows(unsorted_of(table, keys=()), recorded_of(table))
    return Part(rows, np.array([places[item.entity_id] for item in items], dtype=np.int64))
