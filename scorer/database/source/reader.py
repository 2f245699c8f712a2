"""The hospital's tables: read without locks, in sets, as columns, as known at each entity's as-of time.

A standby may take the load of it (`read_url`). It is read only for a run that says how far the standby must have come, and only where it
has; else the primary is read, so that no row is missing that was there.

A job's statements name their parameters `:entity_ids`, `:as_ofs`, `:known_ats` and the job's own. They are bound as settings of the
session, since a statement with parameters of its own cannot be sent as a binary COPY, which is what makes this read fast (see
tests/benchmarks/README.md, Reading).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Self

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import dbapi

from scorer.database.connection import Database, Target, columns_uri
from scorer.database.encoding import texts
from scorer.database.error_messages import sentences
from scorer.database.statements import bound, statement, without_comments
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.types.arrays import NO_TIME, Attributes, Floats, Integers, Observations
from scorer.types.values import Position, WorkItem

_log = logging.getLogger(__name__)


def _uninterrupted(function: Callable[..., Any], args: Any, kwargs: Any, _: object) -> Any:
    """What the function gives. An interrupt meanwhile is heard at its end, which statement_timeout brings at the latest."""
    return function(*args, **kwargs)


# The driver takes the main thread's SIGINT for itself while it waits, and forgets it where the answer comes all the same: the run that an
# operator interrupts would go on.
if hasattr(dbapi, "_blocking_call"):
    setattr(dbapi, "_blocking_call", _uninterrupted)  # noqa: B010 - the driver's types do not name it

OBSERVATION_COLUMNS = (
    "position",
    "observation_id",
    "observation_date",
    "observation_type_code",
    "observation_value",
    "reference_range_min",
    "reference_range_max",
)
KNOWN_FROM = "known_from"  # an observation's column that is no input: it enters neither hashes nor frames
ATTRIBUTE_COLUMNS = ("position",)
ORPHAN_COLUMNS = ("entity_id", "observations")
FAULT_COLUMNS = ("fault", "outcomes")
KNOWN_COLUMNS = ("position", "label")
LANDMARK_COLUMNS = ("entity_id", "cohort", "as_of", "label")

# The database's infinities as the driver gives them, wrapped round in counting from 1970 instead of 2000, and as they are
# told here: so far away that no date lies beyond, and near enough for differences.
_FROM_2000 = 946_684_800_000_000
_ENDLESS = {NO_TIME + _FROM_2000 - 1: 2**62, NO_TIME + _FROM_2000: -(2**62)}
_POLL_SECONDS = 0.05


class Source:
    """A read-only session with the database that holds the hospital's tables, and one with its standby; opened when first used."""

    def __init__(self, target: Target, *, standby: Target | None = None, lag_limit: timedelta = timedelta(0)) -> None:
        self._primary = _Reader(target)
        self._standby = None if standby is None else _Reader(standby)
        self._lag_limit = lag_limit
        self._position: Position | None = None
        self._inputs: dict[str, str] = {}  # by a job's version, the columns of its observations that are inputs

    @classmethod
    def of(cls, database: Database) -> Self:
        """The tables of the database at `url`, by way of its standby where the settings name one, in the worker's role."""
        role, read_url = database.settings.worker_role, database.settings.read_url
        standby = None if read_url is None else Target.of(read_url, database.settings, role=role)
        return cls(
            database.as_worker(),
            standby=standby,
            lag_limit=database.settings.read_lag_limit,
        )

    def beside(self) -> Source:
        """The same tables once more, in sessions of its own."""
        standby = None if self._standby is None else self._standby.target
        other = Source(self._primary.target, standby=standby, lag_limit=self._lag_limit)
        other._inputs = self._inputs
        return other

    def close(self) -> None:
        """End the sessions."""
        for reader in (self._primary, self._standby):
            if reader is not None:
                reader.close()

    def open_ahead(self) -> None:
        """Begin to open the session that will be used first; meanwhile something else may be done."""
        self._primary.open_ahead()

    @property
    def has_standby(self) -> bool:
        """Whether there is one."""
        return self._standby is not None

    def follow(self, position: Position) -> None:
        """Read observations and attributes from the standby from now on, as far as it has come to `position`."""
        self._position = position

    def standby_lack(self, position: Position) -> str | None:
        """What the standby lacks to be read at `position`, once it had the lag limit's time for it; None where it may be read.

        Raises UserError where it is another database, DatabaseUnavailable where it does not answer.
        """
        assert self._standby is not None
        until = time.monotonic() + self._lag_limit.total_seconds()
        while (lack := _lack(self._standby, position)) is not None and lack.may_pass and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return None if lack is None else lack.why

    def observations(self, job: Job, items: Sequence[WorkItem], *, known_from: bool = False) -> Observations:
        """The observations of `items` as known at each one's as-of time, sorted by entity, code, time and value.

        Since when each is `known_from` is told where that is asked for, and the job's statement gives it.
        """
        inputs = None if known_from else self._inputs.get(job.version)
        try:
            table = self._read(job, "observations", OBSERVATION_COLUMNS, items, only=inputs)
        except UserError:
            if inputs is None:
                raise
            self._inputs.clear()  # the statement may give other columns by now, where it says SELECT *
            table = self._read(job, "observations", OBSERVATION_COLUMNS, items)
        if job.version not in self._inputs:
            self._inputs[job.version] = _named(column for column in table.column_names if column != KNOWN_FROM)
        return _observations(table, keys=tuple(items))

    def attributes(self, job: Job, items: Sequence[WorkItem]) -> Attributes:
        """What is known of `items` beside their observations; missing where the statement gave no row."""
        if "attributes" not in job.statements:
            return Attributes()
        table = self._read(job, "attributes", ATTRIBUTE_COLUMNS, items)
        return _attributes(table, entities=len(items), where=f"attributes of job {job.name}")

    def orphans(self, job: Job, *, sweep: bool, known: Sequence[str]) -> list[tuple[str, int]]:
        """Entities that do not exist but have observations, with how many: all in a `sweep`, else new ones, and those of the `known`."""
        if "orphans" not in job.statements:
            return []
        looked_at = {"scorer.sweep": str(sweep).lower(), "scorer.entity_ids": texts(known)}
        table = self._read(job, "orphans", ORPHAN_COLUMNS, (), further=looked_at)
        return list(zip(table["entity_id"].to_pylist(), table["observations"].to_pylist(), strict=True))

    def landmarks(self, job: Job) -> pa.Table:
        """The entities and as-of times to train on, with label and cohort."""
        if "landmarks" not in job.statements:
            raise UserError(f"Job {job.name} cannot be trained: its job.toml names no landmarks statement.")
        return self._read(job, "landmarks", LANDMARK_COLUMNS, ())

    def outcome_faults(self, job: Job) -> list[tuple[str, int]]:
        """What is wrong with the outcomes, each fault with how many have it."""
        if "outcome_faults" not in job.statements:
            return []
        table = self._read(job, "outcome_faults", FAULT_COLUMNS, ())
        return list(zip(table["fault"].to_pylist(), table["outcomes"].to_pylist(), strict=True))

    def outcomes_known(self, job: Job, items: Sequence[WorkItem]) -> Floats:
        """The label of each of `items` as of its time, (n,); NaN where it is not known yet, or the job has no such statement."""
        labels = np.full(len(items), np.nan)
        if "outcomes_known" in job.statements and items:
            table = self._read(job, "outcomes_known", KNOWN_COLUMNS, items)
            labels[_integers(table["position"], where="position") - 1] = _floats(table["label"], where="label")
        return labels

    def _read(
        self,
        job: Job,
        name: str,
        columns: Iterable[str],
        items: Sequence[WorkItem],
        *,
        only: str | None = None,
        further: Mapping[str, str] = MappingProxyType({}),
    ) -> pa.Table:
        """What the statement called `name` gives, or `only` some columns of it."""
        settings = {f"scorer.{key}": value for key, value in job.parameters.items()}
        settings["scorer.entity_ids"] = texts([item.entity_id for item in items])
        settings["scorer.as_ofs"] = as_ofs = texts(_moments([item.as_of for item in items]))
        later = any(item.as_known_at is not None for item in items)
        settings["scorer.known_ats"] = texts(_moments([item.known_at for item in items])) if later else as_ofs
        # Without statistics the planner would read a whole table for a batch, and the array anew for each of its rows.
        settings["enable_seqscan"] = "off" if items else "on"
        settings |= further
        where = f"The statement {name} of job {job.name}"
        query = bound(job.statements[name])
        if only is not None:
            query = without_comments(statement("only_columns")).replace("{columns}", only).replace("{statement}", query)
        table = self._query(query, settings, where=where, by_entity=bool(items))
        missing = [column for column in columns if column not in table.column_names]
        if missing:
            raise UserError(
                f"The statement {name} of job {job.name} does not give the column {missing[0]!r}; "
                f"it gives {', '.join(table.column_names)}."
            )
        return table

    def _query(self, query: str, settings: dict[str, str], *, where: str, by_entity: bool) -> pa.Table:
        if by_entity and self._standby is not None and self._position is not None:
            try:
                lack = self.standby_lack(self._position)
                if lack is None:
                    return self._standby.query(query, settings, where=where)
            except DatabaseUnavailable as error:
                lack = str(error)
            self._position = None  # until the next run: waiting for it at every batch would be for nothing
            say(_log, events.STANDBY_LEFT, error=lack)
        return self._primary.query(query, settings, where=where)


class _Reader:
    """One read-only session, opened when first used."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session: dbapi.Connection | None = None
        self._opening: Future[dbapi.Connection] | None = None
        self._bound: dict[str, str] = {}

    def open_ahead(self) -> None:
        """Begin to open the session, in a thread: the driver asks the server for all of its types, which takes a while."""
        if self._session is None and self._opening is None:
            opener = ThreadPoolExecutor(1, thread_name_prefix="opener")
            self._opening = opener.submit(_connect, self.target)
            opener.shutdown(wait=False)

    def _opened(self) -> dbapi.Connection:
        opening, self._opening = self._opening, None
        return _connect(self.target) if opening is None else opening.result()

    def close(self) -> None:
        if self._opening is not None:
            with suppress(adbc_driver_manager.Error):
                self._session = self._opened()
        session, self._session = self._session, None
        self._bound.clear()
        if session is not None:
            session.close()

    def query(self, query: str, settings: Mapping[str, str], *, where: str) -> pa.Table:
        """What a statement without parameters gives, after `settings` have been made."""
        with self._cursor(where) as cursor:
            if new := {name: value for name, value in settings.items() if self._bound.get(name) != value}:
                cursor.execute(statement("bind_parameters"), (json.dumps(new),))
                cursor.fetchall()
                self._bound |= new
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def replayed(self, position: Position) -> Mapping[str, Any]:
        """How the server stands to a position, as the columns of sql/engine/server/replayed_position.sql."""
        with self._cursor("The standby's position") as cursor:
            cursor.execute(statement("replayed_position"), (position.written,))
            (row,) = cursor.fetch_arrow_table().to_pylist()
            return dict(row)

    @contextmanager
    def _cursor(self, where: str) -> Iterator[dbapi.Cursor]:
        with sentences(adbc_driver_manager.Error, where=where):
            if self._session is None:
                self._session = self._opened()
            try:
                with self._session.cursor() as cursor:
                    yield cursor
            except adbc_driver_manager.Error:
                self.close()
                raise


def _connect(target: Target) -> dbapi.Connection:
    session: dbapi.Connection = adbc_driver_postgresql.dbapi.connect(columns_uri(target), autocommit=True)
    return session


@dataclass(frozen=True, slots=True)
class _Lack:
    """Why a standby may not be read, and whether waiting could change it."""

    why: str
    may_pass: bool = True


def _lack(standby: _Reader, position: Position) -> _Lack | None:
    """What keeps the standby from being read at `position`, just now."""
    found = standby.replayed(position)
    if (found["cluster"], found["database"]) != (position.cluster, position.database):
        raise UserError(
            "read_url leads to another database than database_url, not to a standby of it; mend it, or unset it to read where all "
            "else is."
        )
    if not found["standby"]:
        return _Lack("the server of read_url is no standby, or is one no more", may_pass=False)
    if found["timeline"] != position.timeline:
        return _Lack("the standby follows another timeline than the primary is on", may_pass=False)
    if found["behind"] is None or found["behind"] > 0:
        return _Lack(f"the standby lacks {found['behind'] or 0} bytes that the primary had written when the run began")
    return None


def _named(columns: Iterable[str]) -> str:
    r"""Columns as a statement names them.

    >>> _named(["a", 'b"c'])
    '"a", "b""c"'
    """
    return ", ".join('"' + column.replace('"', '""') + '"' for column in columns)


def _moments(moments: Sequence[datetime]) -> list[str]:
    """As text; most entities of a batch share theirs."""
    told = {moment: moment.isoformat() for moment in set(moments)}
    return [told[moment] for moment in moments]


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC.

    >>> microseconds(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds


def _observations(table: pa.Table, *, keys: tuple[WorkItem, ...]) -> Observations:
    codes, code = _codes(table["observation_type_code"])
    value = table["observation_value"]
    plain = Observations(
        keys=keys,
        position=_integers(table["position"], where="position") - 1,
        observation_id=_keys(table["observation_id"]),
        time=_times(table["observation_date"], where="observation_date"),
        code=code,
        codes=codes,
        value=_floats(value, where="observation_value"),
        value_is_null=value.is_null().to_numpy(),
        low=_floats(table["reference_range_min"], where="reference_range_min"),
        high=_floats(table["reference_range_max"], where="reference_range_max"),
        extras={
            name: _further(table[name], where=name)
            for name in table.column_names
            if name not in {*OBSERVATION_COLUMNS, KNOWN_FROM}
        },
        known_from=_times(table[KNOWN_FROM], where=KNOWN_FROM) if KNOWN_FROM in table.column_names else None,
    )
    return plain.only(_order(plain))


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Integers]:
    """The codes in alphabetical order, and each row's index into them, -1 where it has none: the same in whatever batch."""
    encoded = column.combine_chunks().dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if not all(isinstance(each, str) for each in found):
        raise UserError(f"The column observation_type_code is {column.type}, where text is expected.")
    codes = tuple(sorted(found))
    rank = {code: place for place, code in enumerate(codes)}
    ranks = np.array([*(rank[code] for code in found), -1], dtype=np.int64)
    return codes, ranks[_integers(encoded.indices.fill_null(-1), where="observation_type_code")]


def _order(rows: Observations) -> Integers:
    """The order by entity, code, time, value, range and key: the same whatever order the database gave."""
    segment = rows.position * (len(rows.codes) + 1) + rows.code + 1
    order = np.lexsort((rows.time, segment)) if len(rows) else np.empty(0, np.int64)
    same = (np.diff(segment[order]) == 0) & (np.diff(rows.time[order]) == 0)
    if same.any():
        further = [column for column in rows.extras.values() if column.dtype.kind in "biuf"]
        ties = (rows.observation_id, *further, rows.value_is_null, rows.high, rows.low, rows.value, rows.time, segment)
        order = np.lexsort(ties)
    return order.astype(np.int64)


def _attributes(table: pa.Table, *, entities: int, where: str) -> Attributes:
    position = _integers(table["position"], where="position") - 1
    if len(np.unique(position)) != len(position):
        raise UserError(f"The {where} give more than one row for an entity.")
    found = Attributes()
    for name in table.column_names:
        column = table[name]
        if name in ATTRIBUTE_COLUMNS:
            continue
        if pa.types.is_timestamp(column.type):
            found.times[name] = _spread(_times(column, where=name), position, np.full(entities, NO_TIME))
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts = np.empty(entities, dtype=object)
            found.texts[name] = _spread(_plain(column), position, texts)
        else:
            found.numbers[name] = _spread(_floats(column, where=name), position, np.full(entities, np.nan))
    return found


def _spread(values: npt.NDArray[Any], position: Integers, into: npt.NDArray[Any]) -> npt.NDArray[Any]:
    into[position] = values
    return into


def _floats(column: pa.ChunkedArray, *, where: str) -> Floats:
    try:
        return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        if pa.types.is_integer(column.type):
            raise UserError(
                f"The column {where} holds whole numbers beyond 2^53, which cannot be told apart as numbers; CAST it AS text "
                "in the job's statement (AS double precision, if it is a measurement)."
            ) from error
        raise UserError(
            f"The column {where} is {column.type}, where a number is expected; CAST it in the job's statement."
        ) from error


def _integers(column: pa.ChunkedArray | pa.Array, *, where: str) -> Integers:
    try:
        array = pc.cast(column, pa.int64())
    except pa.ArrowException as error:
        raise UserError(f"The column {where} is {column.type}, where a whole number is expected.") from error
    return np.asarray(array.to_numpy(**({} if isinstance(array, pa.ChunkedArray) else {"zero_copy_only": False})))


def _times(column: pa.ChunkedArray, *, where: str) -> Integers:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise UserError(f"The column {where} is {column.type}, where a timestamp with time zone is expected.")
    whole = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    times = _integers(pc.fill_null(whole, NO_TIME), where=where)
    for wrapped, endless in _ENDLESS.items():
        times = np.where(times == wrapped, endless, times)
    return times


def _keys(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Keys that can be told in a rejection: a uuid, say, comes as bytes that nobody could look up."""
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        raise UserError(
            f"The column observation_id is {column.type}, where a whole number or text is expected; CAST it AS text in the "
            "job's statement."
        )
    return _plain(column)


def _further(column: pa.ChunkedArray, *, where: str) -> npt.NDArray[Any]:
    """A column for the suites; true and false as 1 and 0 of half precision, which no column of the database has, with NaN for NULL."""
    return _floats(column, where=where).astype(np.float16) if pa.types.is_boolean(column.type) else _plain(column)


def _plain(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy())
