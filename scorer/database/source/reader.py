"""The hospital's tables: read in sets, as columns, as known at each entity's as-of time; no locks.

A standby may take the load of reading (`read_url`). It is read only for a run that says how far the standby must have come, and only
where it has come so far; else the primary is read, so that no row is missing that was there.

A job's statements name their parameters `:entity_ids`, `:as_ofs`, `:known_ats` and the job's own. They are bound as settings of the
session, since a statement with parameters of its own cannot be sent as a binary COPY, and observations come folded, many rows in one: both
make this read fast (see tests/benchmarks/README.md, Reading). A daemon keeps rows from run to run, and then
reads what changed (changes.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorer.database.connection import Database, Target
from scorer.database.encoding import texts
from scorer.database.source.arrow_session import ArrowSession
from scorer.database.source.changes import ByChanges, Read, may_keep
from scorer.database.source.columns import (
    ATTRIBUTE_COLUMNS,
    KNOWN_FROM,
    OBSERVATION_COLUMNS,
    RECORDED_AT,
    attributes_of,
    exchanged,
    integers,
    labels,
    moved,
    observations_of,
    places_of_two_values,
)
from scorer.database.source.folded import NotFolded, can_fold, to_fold, unfolded
from scorer.database.source.kept import Kept
from scorer.database.source.standby import Standby
from scorer.database.statements import bound, only_named, statement, without_rows
from scorer.errors import DatabaseUnavailable, DataRefused, TimedOut, UserError
from scorer.jobs.job import Job
from scorer.jobs.sql_text import without_comments
from scorer.log import events
from scorer.log.logger import say
from scorer.types.arrays import Attributes, Observations
from scorer.types.values import Position, WorkItem

_log = logging.getLogger(__name__)

_ORPHAN_COLUMNS = ("entity_id", "observations")
_FAULT_COLUMNS = ("fault", "outcomes")
_KNOWN_COLUMNS = ("position", "label")
_LANDMARK_COLUMNS = ("entity_id", "cohort", "as_of", "label")
_FOLDED_AT_ONCE = 500_000  # rows; some 60 bytes each, which the server and we hold twice
_KEYS = "scorer.observation_ids"
_IN_ANY_WAY = (DatabaseUnavailable, DataRefused, TimedOut)  # which another way of reading would meet as well
_TELLING = 100  # so many entities tell how many rows the next ones have


@dataclass(slots=True)
class _Inputs:
    """The columns of a job's observations that are inputs, with their types.

    `names` are these and `dated` these and RECORDED_AT as a statement names them, the latter None where the job has no such column.
    `rows_each` is how many rows an entity has: many, until some have been read. `folds` is no longer true once the database refused to fold
    them, as it does columns of a domain.
    """

    schema: pa.Schema
    names: str
    dated: str | None
    rows_each: float = 1000.0
    folds: bool = True


def _only(query: str, columns: str) -> str:
    """Asks a statement for some of its columns, row for row."""
    return without_comments(statement("only_columns")).replace("{columns}", columns).replace("{statement}", query)


def _fold(query: str, schema: pa.Schema) -> str:
    """Asks a statement for the rows of all its columns in one."""
    text = without_comments(statement("fold_rows"))
    for name, part in to_fold(schema).items():
        text = text.replace(f"{{{name}}}", part)
    return text.replace("{statement}", query)


class Source:
    """The hospital's tables, by read-only sessions with the database and its standby."""

    def __init__(self, target: Target, *, standby: Standby | None = None, kept: Kept | None = None) -> None:
        self._primary, self._standby, self._kept = ArrowSession(target), standby, kept
        self._position: Position | None = None
        self._inputs: dict[str, _Inputs] = {}  # by a job's version
        self._whole: dict[str, _Inputs] = {}  # the same with all columns
        self._proving = False

    @classmethod
    def of(cls, database: Database, *, kept: Kept | None = None) -> Self:
        """The tables of the database, by way of its standby where the settings name one, in the worker's role.

        `kept` is what is kept of the job's observations, see changes.py.
        """
        return cls(database.as_worker(), standby=Standby.of(database), kept=kept)

    def beside(self) -> Source:
        """The same tables, in sessions of its own, for a second thread."""
        standby = None if self._standby is None else self._standby.beside()
        other = Source(self._primary.target, standby=standby, kept=self._kept)
        other._inputs, other._whole, other._proving = self._inputs, self._whole, self._proving
        return other

    def prove_kept(self, *, proving: bool) -> None:
        """Whether all is read in full from now on, and what is kept compared with it."""
        self._proving = proving

    def close(self) -> None:
        """End the sessions."""
        self._primary.close()
        if self._standby is not None:
            self._standby.session.close()

    def open_ahead(self) -> None:
        """Begin to open the session that will be used first; meanwhile something else may be done."""
        self._primary.open_ahead()

    @property
    def has_standby(self) -> bool:
        """Whether the settings name a standby."""
        return self._standby is not None

    def follow(self, position: Position) -> None:
        """Read observations and attributes from the standby from now on, where it has come to `position`."""
        self._position = position

    def standby_lack(self, position: Position) -> str | None:
        """What keeps the standby from being read at `position`, as `Standby.lack` says."""
        assert self._standby is not None
        return self._standby.lack(position)

    def observations(self, job: Job, items: Sequence[WorkItem], *, known_from: bool = False) -> Observations:
        """The observations of `items` as known at their as-of times, sorted as in Observations.

        With `known_from`, since when each is known, where the job's statement gives it. When a row was recorded is read for the entities
        alone that need it, which are read anew: those that have two values of one code and time.
        """
        keys = tuple(items)
        if known_from or not items:
            return observations_of(self._read(job, "observations", OBSERVATION_COLUMNS, items), keys=keys)
        found = self._by_changes(job, items) if self._kept is not None and may_keep(job, items) else None
        return self._in_full(job, items) if found is None else found

    def _by_changes(self, job: Job, items: Sequence[WorkItem]) -> Observations | None:
        """The observations of `items`, of which those are read that are not kept; None where all must be."""
        if self._kept is None or self._position is not None:  # whose changes are captured, a standby cannot tell
            return None

        def look() -> Read | None:
            columns = (*OBSERVATION_COLUMNS, KNOWN_FROM)
            schema = self._read(job, "observations", columns, items[:1], within=without_rows).schema
            inputs = self._whole.get(job.version)
            if inputs is None or not inputs.schema.equals(schema):
                inputs = self._whole[job.version] = _Inputs(schema=schema, names="", dated=None)
            return partial(self._by_keys, job, inputs) if inputs.folds and can_fold(schema) else None

        def in_full() -> Observations:
            return self._in_full(job, items)

        by_changes = ByChanges(self._primary, self._kept)
        try:
            return by_changes.observations(job, items, look=look, in_full=in_full if self._proving else None)
        except (DatabaseUnavailable, TimedOut):
            raise
        except (UserError, NotFolded):  # what is wrong, says the statement as the job has it
            return None

    def _by_keys(
        self, job: Job, inputs: _Inputs, items: Sequence[WorkItem], /, *, keys: Sequence[str] = ()
    ) -> pa.Table:
        """All columns of the observations of `items`; of those alone with these keys, where some are given."""
        try:
            if not keys:
                return self._folded(job, items, inputs)
            few = replace(inputs, rows_each=len(keys) / len(items))
            return self._folded(job, items, few, further={_KEYS: texts(keys)})
        except _IN_ANY_WAY:
            raise
        except (UserError, NotFolded):
            inputs.folds = False
            raise

    def _in_full(self, job: Job, items: Sequence[WorkItem]) -> Observations:
        """The observations of `items`, all of them read."""
        keys = tuple(items)
        known = self._inputs.get(job.version)
        inputs = known or self._look_at(job, items)
        try:
            table = self._rows(job, items, inputs)
        except _IN_ANY_WAY:
            raise
        except UserError:
            if known is None:
                raise
            self._inputs.pop(job.version, None)  # the statement may give other columns by now, where it says SELECT *
            return self._in_full(job, items)
        found = observations_of(table, keys=keys)
        if inputs.dated and len(places := places_of_two_values(found)):
            tied = [items[place] for place in places]
            anew = self._read(job, "observations", (RECORDED_AT,), tied, within=partial(_only, columns=inputs.dated))
            found = observations_of(exchanged(table, anew, places=places), keys=keys)
        return found

    def _look_at(self, job: Job, items: Sequence[WorkItem]) -> _Inputs:
        """What the job's observations statement gives, for this run and the next ones."""
        nothing = self._read(job, "observations", OBSERVATION_COLUMNS, items[:1], within=without_rows)
        names = [name for name in nothing.column_names if name not in {KNOWN_FROM, RECORDED_AT}]
        dated = _named([*names, RECORDED_AT]) if RECORDED_AT in nothing.column_names else None
        inputs = _Inputs(schema=nothing.select(names).schema, names=_named(names), dated=dated)
        self._inputs[job.version] = inputs
        return inputs

    def _rows(self, job: Job, items: Sequence[WorkItem], inputs: _Inputs) -> pa.Table:
        """The input columns of the observations of `items`: folded, or row by row where that cannot be done."""
        fold = inputs.folds and can_fold(inputs.schema)
        if fold:
            try:
                return self._folded(job, items, inputs)
            except _IN_ANY_WAY:
                raise
            except (UserError, NotFolded):  # what is wrong with them, says the statement as the job has it
                pass
        table = self._read(job, "observations", OBSERVATION_COLUMNS, items, within=partial(_only, columns=inputs.names))
        if fold:
            inputs.folds = not table.schema.equals(inputs.schema)
            if inputs.folds:  # columns are of other types by now
                self._inputs.pop(job.version, None)
        return table

    def _folded(
        self,
        job: Job,
        items: Sequence[WorkItem],
        inputs: _Inputs,
        *,
        further: Mapping[str, str] = MappingProxyType({}),
    ) -> pa.Table:
        """The same, folded: in parts, so that neither side holds many more than `_FOLDED_AT_ONCE` rows."""
        parts: list[pa.Table] = []
        begin, asked = 0, partial(_fold, schema=inputs.schema)
        while begin < len(items):
            part = items[begin : begin + max(1, int(_FOLDED_AT_ONCE / inputs.rows_each))]
            given = self._read(job, "observations", (), part, within=asked, further=further)
            table = unfolded(given, inputs.schema)
            if len(part) >= _TELLING:
                inputs.rows_each = max(1.0, table.num_rows / len(part))
            parts.append(moved(table, by=begin))
            begin += len(part)
        return pa.concat_tables(parts)

    def attributes(self, job: Job, items: Sequence[WorkItem]) -> Attributes:
        """What is known of `items` beside their observations: arrays (items,), missing where there is no row."""
        if "attributes" not in job.statements:
            return Attributes()
        table = self._read(job, "attributes", ATTRIBUTE_COLUMNS, items)
        return attributes_of(table, entities=len(items), numbers=job.features.numbers, words=job.features.words)

    def orphans(self, job: Job, *, sweep: bool, known: Sequence[str]) -> list[tuple[str, int]]:
        """Entities that have observations but do not exist, with how many observations.

        In a `sweep` all of them; else the new ones, and those of the `known`.
        """
        if "orphans" not in job.statements:
            return []
        looked_at = {"scorer.sweep": str(sweep).lower(), "scorer.entity_ids": texts(known)}
        table = self._read(job, "orphans", _ORPHAN_COLUMNS, (), further=looked_at)
        return list(zip(table["entity_id"].to_pylist(), table["observations"].to_pylist(), strict=True))

    def landmarks(self, job: Job) -> pa.Table:
        """The entities and as-of times to train on, with label and cohort.

        Raises UserError where the job has no such statement.
        """
        if "landmarks" not in job.statements:
            raise UserError(f"Job {job.name} cannot be trained: its job.toml names no landmarks statement.")
        return self._read(job, "landmarks", _LANDMARK_COLUMNS, ())

    def outcome_faults(self, job: Job) -> list[tuple[str, int]]:
        """What is wrong with the outcomes: each fault, with how many outcomes have it."""
        if "outcome_faults" not in job.statements:
            return []
        table = self._read(job, "outcome_faults", _FAULT_COLUMNS, ())
        return list(zip(table["fault"].to_pylist(), table["outcomes"].to_pylist(), strict=True))

    def source_faults(self, job: Job) -> list[str]:
        """What the job takes for granted of its source and is otherwise there: a sentence for each fault."""
        faults: list[str] = self._read(job, "source_faults", ("fault",), ())["fault"].to_pylist()
        return faults

    def outcomes_known(self, job: Job, items: Sequence[WorkItem]) -> npt.NDArray[Any]:
        """The label of each of `items` as of its time, (n,), as the statement gives it.

        NaN, or None of texts, where it is not known yet. It is NaN for all where the job has no such statement.
        """
        unknown = np.full(len(items), np.nan)
        if "outcomes_known" not in job.statements or not items:
            return unknown
        table = self._read(job, "outcomes_known", _KNOWN_COLUMNS, items)
        found = labels(table["label"])
        spread = unknown if found.dtype != object else np.full(len(items), None, dtype=object)
        spread[integers(table["position"], where="position") - 1] = found
        return spread

    def _read(
        self,
        job: Job,
        name: str,
        columns: Iterable[str],
        items: Sequence[WorkItem],
        *,
        within: Callable[[str], str] | None = None,
        further: Mapping[str, str] = MappingProxyType({}),
    ) -> pa.Table:
        """Run the job's statement called `name`, or what asks it `within` a statement of ours.

        Raises UserError where one of `columns` is missing.
        """
        settings = {f"scorer.{key}": value for key, value in job.parameters.items()}
        settings["scorer.entity_ids"] = texts([item.entity_id for item in items])
        settings["scorer.as_ofs"] = as_ofs = texts(_moments([item.as_of for item in items]))
        later = any(item.as_known_at is not None for item in items)
        settings["scorer.known_ats"] = texts(_moments([item.known_at for item in items])) if later else as_ofs
        # Without statistics the planner would read a whole table for a batch, and the array anew for each of its rows.
        settings["enable_seqscan"] = "off" if items else "on"
        settings |= further
        where = f"The statement {name} of job {job.name}"
        there = {key.partition(".")[2]: value for key, value in {_KEYS: "{}", "scorer.by_keys": "", **settings}.items()}
        only_named(job.statements[name], there, where=where)
        query = bound(job.statements[name], by_keys=_KEYS in settings)
        if within is not None:
            query = within(query)
        table = self._query(query, settings, where=where, by_entity=bool(items))
        for field in table.schema:
            if (field.metadata or {}).get(b"POSTGRESQL:type") == b"money":
                raise UserError(
                    f"{where} gives {field.name} as money, which comes without its point; CAST it AS numeric."
                )
        missing = [column for column in columns if column not in table.column_names]
        if missing:
            raise UserError(
                f"The statement {name} of job {job.name} does not give the column {missing[0]!r}; "
                f"it gives {', '.join(table.column_names)}."
            )
        return table

    def _query(self, query: str, settings: dict[str, str], *, where: str, by_entity: bool) -> pa.Table:
        """Run the query at the standby, if it is `by_entity` and the standby can be read, else at the primary."""
        if by_entity and self._standby is not None and self._position is not None:
            try:
                lack = self._standby.lack(self._position)
                if lack is None:
                    return self._standby.session.query(query, settings, where=where)
            except DatabaseUnavailable as error:
                lack = str(error)
            self._position = None  # until the next run: waiting for it at every batch would be for nothing
            say(_log, events.STANDBY_LEFT, error=lack)
        return self._primary.query(query, settings, where=where)


def _named(columns: Iterable[str]) -> str:
    r"""Columns as a statement names them.

    >>> _named(["a", 'b"c'])
    '"a", "b""c"'
    """
    return ", ".join('"' + column.replace('"', '""') + '"' for column in columns)


def _moments(moments: Sequence[datetime]) -> list[str]:
    """The moments as text; most entities of a batch share theirs."""
    written = {moment: moment.isoformat() for moment in set(moments)}
    return [written[moment] for moment in moments]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC.

    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
