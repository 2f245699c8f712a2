"""Deliveries, one after the other: each is taken, scored and settled.

One that is bad is set aside, and stops no other.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.source.files.csv_dialect import PLAIN, Writing
from scorer.database.source.load_tables import File, lacking_columns, tables_for
from scorer.errors import DatabaseUnavailable, TimedOut, UserError
from scorer.jobs.folder.tables import SourceTable
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.files.inbox import DONE, FAILED, Delivery, Inbox, fingerprint, looks
from scorer.runs.files.outbox import Outbox, free_name, held, printable
from scorer.runs.files.predictions import Layout, rows_of, write_predictions
from scorer.runs.files.scratch import Judged, Models, Scratch, opened_scratch
from scorer.scoring.batch import add_counts
from scorer.types.values import Counts

_log = logging.getLogger(__name__)
_BETWEEN_LOOKS = 1.0  # seconds, in which a file that is still being written changes
_NAP = 0.2
_MODEL_LOOKS = 10.0  # seconds between looks at which model is in production
_TRIES = 3  # of a delivery that changes while it is scored


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of the deliveries: scored, failed, known from before; `waiting` were not complete.

    Those of `lacking` wait for another file. `entities` are the rows of predictions, `counts` how those that were due ended, `rejected`
    the rows that could not be loaded.
    """

    scored: int = 0
    failed: int = 0
    known: int = 0
    waiting: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    entities: int = 0
    rejected: int = 0
    counts: Counts = Counts()
    model_version: str | None = None
    bugs: int = 0
    last_reason: str | None = None


class Changed(Exception):
    """A file changed while it was scored."""


class _Broken(Exception):
    """A bug that a delivery brought to light."""


def never() -> bool:
    """Nobody asks to stop."""
    return False


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: deliveries of `inbox`, results to `outbox`, as of a time or each as of its own.

    `writing` is how the files are written. Once `stopping` is true, it ends after the delivery in hand.
    """

    inbox: Path
    outbox: Path
    as_of: datetime | None = None
    writing: Writing = PLAIN
    watch: bool = False
    stopping: Callable[[], bool] = never


class Conduct:
    """One process's dealing with two folders."""

    def __init__(
        self, job: Job, order: Order, *, scratch: Scratch, models: Models, tables: tuple[SourceTable, ...]
    ) -> None:
        self._job, self._order, self._scratch, self._models = job, order, scratch, models
        known = tables_for(tables)
        required = [each for each in known if each.file == "required"]
        alone = known[1] if not tables else required[0] if len(required) == 1 else None
        self._derives = not tables
        self._inbox, self._outbox = Inbox(order.inbox, known, alone=alone), Outbox(order.outbox)
        self._looked_at_models = -_MODEL_LOOKS
        self.summary = Summary()

    def all(self) -> Summary:
        """Deal with what a dead process left and with what is there. Returns what became of it.

        With `watch` it goes on with what comes, until it is to stop.
        """
        self._inbox.make()
        self._outbox.make()
        for each in self._inbox.left():
            self._deal_with(each)
        self._inbox.look()
        self._rest(_BETWEEN_LOOKS)
        told: set[str] = set()
        while not self._order.stopping():
            ready, waiting = self._inbox.look()
            for each in ready:
                if self._order.stopping():
                    break
                self._deal_with(each)
            self._tell_waiting(waiting, told)
            if not self._order.watch:
                break
            self._rest(_BETWEEN_LOOKS)
        return self.summary

    def _tell_waiting(self, waiting: list[Delivery], told: set[str]) -> None:
        """Count those that wait, and log what is new of it."""
        lacking = tuple(each.told for each in waiting if each.lacks)
        self.summary = replace(
            self.summary, lacking=lacking, waiting=tuple(each.told for each in waiting if not each.lacks)
        )
        for each in waiting:
            if each.lacks and each.told not in told:
                say(_log, events.DELIVERY_WAITS, job=self._job.name, file=each.told, lacks=", ".join(each.lacks))
                told.add(each.told)

    def _deal_with(self, delivery: Delivery) -> None:
        """Take a delivery, and settle it in one way or another.

        What is wrong with the database, the folders or the model is raised, with the delivery back where it was.
        """
        self._follow_models()
        try:
            taken = self._inbox.take(delivery)
        except FileNotFoundError:
            return  # whoever brought it has taken it away
        try:
            self._settle(taken)
        except BaseException:
            if not self._outbox.has_plan:
                self._inbox.give_back(taken)
            raise

    def _settle(self, taken: Delivery) -> None:
        for _ in range(_TRIES):
            self._outbox.clear()
            before = looks(taken)
            try:
                with _bugs_apart():
                    self._score(taken, before)
            except Changed:
                self._rest(_BETWEEN_LOOKS)
                continue
            except (DatabaseUnavailable, TimedOut):
                raise
            except (UserError, _Broken) as error:
                self._fail(taken, error)
            return
        self._fail(
            taken, UserError(f"{taken.told} changed each time that it was being scored; put it there once it is whole.")
        )

    def _score(self, taken: Delivery, before: tuple[Any, ...]) -> None:
        """Score the delivery and settle it, unless one of the same bytes was settled before."""
        began = time.monotonic()
        if taken.fault is not None:
            raise UserError(taken.fault)
        key = fingerprint(taken, self._job.name, str(self._order.as_of or ""), str(self._order.writing.zone or ""))
        receipt = self._outbox.receipt(key)
        if receipt is not None:
            self._pass_over(taken, receipt)
            return
        staged, files = self._outbox.staged, self._inbox.tables_of(taken)
        _require_columns(files, self._job)
        rejects = staged / "rejects.csv"
        judged = self._scratch.judge(
            files,
            rejects=rejects,
            as_of=self._order.as_of,
            alone=taken.alone and self._derives,
            writing=self._order.writing,
        )
        rows = self._write(judged, staged / "predictions.csv")
        if looks(taken) != before:
            raise Changed
        name = self._free_name(taken, DONE)
        self._outbox.settle(
            moves=[
                (staged / "predictions.csv", self._order.outbox / f"predictions_{name}.csv"),
                *([(rejects, self._order.outbox / f"rejects_{name}.csv")] if rejects.exists() else []),
                *self._moves(taken, DONE, name),
            ],
            notes={},
            key=key,
            receipt={"job": self._job.name, "predictions": f"predictions_{name}.csv", "files": taken.told},
        )
        self._tell_scored(taken, judged, predictions=f"predictions_{name}.csv", rows=rows, began=began)

    def _tell_scored(self, taken: Delivery, judged: Judged, *, predictions: str, rows: int, began: float) -> None:
        """Count a delivery that was scored, and log it."""
        rejected = sum(each.rejected for each in judged.delivery.report.tables)
        version = self._scratch.pipeline.model_version
        self.summary = replace(
            self.summary,
            scored=self.summary.scored + 1,
            entities=self.summary.entities + rows,
            rejected=self.summary.rejected + rejected,
            counts=add_counts(self.summary.counts, judged.result.counts),
            model_version=version,
        )
        say(
            _log,
            events.DELIVERY_SCORED,
            job=self._job.name,
            file=taken.told,
            predictions=predictions,
            entities=rows,
            scored=judged.result.counts.scored,
            rejected=rejected,
            as_of=judged.as_of and judged.as_of.isoformat(),
            model_version=version,
            seconds=round(time.monotonic() - began, 3),
        )

    def _write(self, judged: Judged, path: Path) -> int:
        """Write the predictions. Returns how many rows they have."""
        pipeline = self._scratch.pipeline
        layout = Layout(self._job, classes=tuple(pipeline.model.rules.classes))
        rows = rows_of(
            layout,
            judged.result.new_outcomes,
            named=judged.delivery.visits,
            orphans=judged.orphans,
            processed_at=datetime.now(UTC),
            model_version=pipeline.model_version,
        )
        write_predictions(path, layout.columns, rows)
        return len(rows)

    def _pass_over(self, taken: Delivery, receipt: Any) -> None:
        """Settle a delivery that was scored before."""
        name = self._free_name(taken, DONE)
        sentence = f"The same bytes as {receipt['files']}, scored before: see {receipt['predictions']}."
        self._outbox.settle(
            moves=self._moves(taken, DONE, name),
            notes={self._order.inbox / DONE / f"{name}.known.txt": f"{sentence}\n"},
        )
        self.summary = replace(self.summary, known=self.summary.known + 1)
        say(
            _log,
            events.DELIVERY_KNOWN,
            job=self._job.name,
            file=taken.told,
            before=receipt["files"],
            predictions=receipt["predictions"],
        )

    def _fail(self, taken: Delivery, error: Exception) -> None:
        """Settle a delivery that cannot be scored, with the reason and the reject file, if there is one."""
        is_bug = isinstance(error, _Broken)
        cause = error.__cause__ if is_bug else error
        reason = f"a bug: {type(cause).__name__}" if is_bug else str(error)
        name = self._free_name(taken, FAILED)
        rejects = self._outbox.staged / "rejects.csv"
        kept = [(rejects, self._order.outbox / f"rejects_{name}.csv")] if rejects.exists() else []
        reason = printable(reason.replace(str(rejects), f"{self._order.outbox / f'rejects_{name}.csv'}"))
        (self._outbox.staged / "predictions.csv").unlink(missing_ok=True)
        self._outbox.settle(
            moves=[*kept, *self._moves(taken, FAILED, name)],
            notes={self._order.inbox / FAILED / f"{name}.reason.txt": f"{reason}\n"},
        )
        summary = self.summary
        self.summary = replace(
            summary, failed=summary.failed + 1, bugs=summary.bugs + is_bug, last_reason=f"{taken.told}: {reason}"
        )
        if is_bug:
            say(_log, events.BUG, raised=cause)
        say(_log, events.DELIVERY_FAILED, job=self._job.name, file=taken.told, error=reason)

    def _free_name(self, taken: Delivery, place: str) -> str:
        """The name by which the delivery's results are called, and nothing else that is there."""
        out, inbox = self._order.outbox, self._order.inbox / place
        forms = [(inbox, _form(path, taken.name)) for _, path in taken.files]
        marks = [(inbox, "{}.reason.txt"), (inbox, "{}.known.txt")]
        return free_name(taken.name, [(out, "predictions_{}.csv"), (out, "rejects_{}.csv"), *forms, *marks])

    def _moves(self, taken: Delivery, place: str, name: str) -> list[tuple[Path, Path]]:
        folder = self._order.inbox / place
        return [(path, folder / _form(path, taken.name).replace("{}", name)) for _, path in taken.files]

    def _follow_models(self) -> None:
        """Look, now and then, which model is in production, and score with that one from then on."""
        now = time.monotonic()
        if now - self._looked_at_models < _MODEL_LOOKS:
            return
        changed = self._models.changed()
        if changed or not self._scratch.is_open:
            self._scratch.close()
            self._scratch.open(self._models.model)
        self._looked_at_models = time.monotonic()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._order.stopping():
            time.sleep(min(left, _NAP))


def deal(job: Job, order: Order, *, server: Server, database: Database, tables: tuple[SourceTable, ...]) -> Summary:
    """Deal with the deliveries of a folder. Returns what became of them.

    `database` is the one in use, whose model in production scores. Raises UserError where the folders cannot be used, another process
    deals with them, or what is needed to score is not there.
    """
    require_folders(order)
    with ExitStack() as stack:
        for folder in (order.inbox, order.outbox):
            stack.enter_context(held(folder))
        with _full_disks(order):
            scratch = stack.enter_context(opened_scratch(job, server=server, settings=database.settings, tables=tables))
            return Conduct(job, order, scratch=scratch, models=Models(job, database), tables=tables).all()


def require_folders(order: Order) -> None:
    """Check the folders, and make that of the results.

    Raises UserError where they are not two that can be used.
    """
    if not order.inbox.is_dir():
        raise UserError(f"{order.inbox} is not a folder; name the one that the files come into.")
    try:
        order.outbox.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{order.outbox} cannot be made: {error.strerror}; name a folder for the results.") from error
    within = [order.inbox, *(order.inbox / each for each in ("working", DONE, FAILED))]
    if any(order.outbox.exists() and each.exists() and order.outbox.samefile(each) for each in within):
        raise UserError(
            f"{order.outbox} is where files come into, or go to from there; name another folder for the results."
        )
    for folder in (order.inbox, order.outbox):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UserError(f"{folder} cannot be written to; see to it that it can.")


@contextmanager
def _full_disks(order: Order) -> Iterator[None]:
    """Within it, an error of the file system becomes a sentence: raises UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"A file cannot be written or moved ({error.strerror}: {error.filename or order.outbox}); what was not settled is in "
            f"{order.inbox} still, and is scored once that is mended and the command is started again."
        ) from error


@contextmanager
def _bugs_apart() -> Iterator[None]:
    """Within it, what nobody foresaw becomes a _Broken, unless it is of the file system."""
    try:
        yield
    except (UserError, OSError, Changed):
        raise
    except Exception as error:
        raise _Broken from error


def _require_columns(files: Sequence[File], job: Job) -> None:
    """Raise UserError where a file lacks columns, which all are named: it may be one of another job."""
    for file in files:
        lacks = lacking_columns(file)
        if lacks:
            raise UserError(
                f"{file.path.name} lacks the columns {', '.join(lacks)}, which job {job.name} needs of {file.table.name}; add them, mend "
                "their names in the header, or give the file to the job that it is for."
            )


def _form(path: Path, name: str) -> str:
    """The file's name with {} for the delivery's.

    >>> _form(Path("ward3.visits.csv.gz"), "ward3")
    '{}.visits.csv.gz'
    """
    return "{}" + path.name.removeprefix(name)
