"""What the acceptance tests share: a cohort to score, what must hold of a database whatever was killed, and children to kill.

Children come from a nursery: a process of its own that has imported the heavy libraries and proved the suites, and has done nothing else,
so that a child costs a fork and not five seconds. It is this file, run as a program; it has no thread that could hold a lock while it
forks, and no session.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import great_expectations  # noqa: F401 - the nursery is warmed by these
import numpy as np
import psycopg2
import pytest
import sklearn.ensemble  # noqa: F401

from scorer.cli import main as cli
from scorer.config import Settings, shipped_root
from scorer.database.connection import Database
from scorer.database.source.load import load
from scorer.database.source.sample import generate, write
from scorer.errors import UserError
from scorer.jobs.job import load_job
from scorer.log import logger as log
from scorer.runs import parallel
from scorer.runs.due import enqueue
from scorer.runs.requests import RequestAnswering
from scorer.runs.run import run_job
from scorer.runs.worker import Hooks
from scorer.scoring.features.build import build
from scorer.scoring.opening import open_pipeline
from scorer.scoring.pipeline import carry_batch
from scorer.scoring.validation.suites import Suites
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = 60.0  # seconds for what takes one
JOB = "sepsis"

Query = Callable[..., list[tuple[Any, ...]]]


# The nursery's side


class Watch:
    """Leaves a trail of the steps that ended; stops or kills its own process at the end of those that it was told."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._trail = os.open(order["trail"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._times: dict[str, int] = {}
        self._signals = {signal.SIGKILL: order["kill_at"], signal.SIGSTOP: order["stop_at"]}

    def __call__(self, step: str) -> None:
        os.write(self._trail, f"{step}\n".encode())
        self._times[step] = self._times.get(step, 0) + 1
        for number, places in self._signals.items():
            if [step, self._times[step]] in places:
                os.kill(os.getpid(), number)


def run_once(order: dict[str, Any]) -> None:
    """A whole run, as `scorer run` does it."""
    # Of batches as small as these a worker has one in hand by itself.
    with patch.object(parallel, "_may_read_ahead", lambda _: order["both_hands"]):
        run_job(
            load_job(JOB),
            database=Database(order["url"], order["settings"]),
            as_of=datetime.fromisoformat(order["as_of"]),
            workers=order["workers"],
            hooks=Hooks(progress=print if order["with_progress"] else None, watch=Watch(order)),
        )


def replay(order: dict[str, Any]) -> None:
    """Whole runs, one after the other, as of each of the times `as_ofs`."""
    for as_of in order["as_ofs"]:
        run_job(
            load_job(JOB),
            database=Database(order["url"], order["settings"]),
            as_of=datetime.fromisoformat(as_of),
            workers=1,
        )


def show_columns(order: dict[str, Any]) -> None:
    """Writes what is read of nobody, so that the nursery can prove the suites without a session of its own."""
    job = load_job(JOB)
    line = open_pipeline(job, database=Database(order["url"], order["settings"]))
    with Path(order["trail"]).open("wb") as file:
        pickle.dump((line.source.observations(job, ()), line.source.attributes(job, ())), file)
    line.close()


def prove_suites(order: dict[str, Any]) -> None:
    """Have the compiled suites proved here, as every process does that opens a line: its children need not do it again."""
    job = load_job(JOB)
    observations, attributes = pickle.loads(Path(order["trail"]).read_bytes())
    matrix = build(observations, attributes, as_of=np.empty(0, np.int64), spec=job.features)
    Suites(job).check_columns(observations, attributes, matrix)
    gc.freeze()  # a child's garbage collector does not touch, and so copy, what is here


def carry_alone(order: dict[str, Any]) -> None:
    """Batches of the run `run_id` until none is left to claim: what one worker of several does."""
    line = open_pipeline(load_job(JOB), database=Database(order["url"], order["settings"]))
    as_of, watch = datetime.fromisoformat(order["as_of"]), Watch(order)
    run = Run(order["run_id"], JOB, Trigger.MANUAL, "running", as_of, as_of, None, Counts())
    while carry_batch(line, run, watch=watch) is not None:
        pass
    line.close()


def answer_requests(order: dict[str, Any]) -> None:
    """Answers requests until it is killed; its trail says when it begins."""
    answering = RequestAnswering(database=Database(order["url"], order["settings"]), jobs=[load_job(JOB)])
    answering.warm()
    Watch(order)("warm")
    while True:
        if not answering.answer_waiting():
            time.sleep(0.001)


def keep_schedules(order: dict[str, Any]) -> None:
    """The daemon, as the command starts it, in the environment `environment` and no other, and where one is named, in another network."""
    if order["network"]:
        with Path(order["network"]).open() as network:
            assert ctypes.CDLL(None).setns(network.fileno(), 0) == 0
    os.environ.clear()
    os.environ.update(order["environment"])
    cli.main(["daemon"])


def in_child(order: dict[str, Any]) -> int:
    """Does what is ordered, with its own log; the exit code, as the command line gives it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no child outlives its nursery
    for number, target in ((0, os.devnull), (1, order["log"]), (2, order["log"])):
        os.dup2(os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
    log.configure()
    if order["what"] == "daemon":
        try:
            keep_schedules(order)
        except SystemExit as ended:
            return int(ended.code or 0)
    order["settings"] = Settings(
        home=Path(order["home"]),
        batch_size=order["batch_size"],
        backend=order["backend"],
        retry_tries=order["tries"],
        retry_first_wait=timedelta(seconds=order["first_wait"]),
        retry_last_wait=timedelta(seconds=order["last_wait"]),
    )
    try:
        {
            "run": run_once,
            "replay": replay,
            "carry": carry_alone,
            "answer": answer_requests,
            "show columns": show_columns,
        }[order["what"]](order)
    except UserError as error:
        print(f"scorer: {error}", file=sys.stderr)
        return 1
    except Exception:  # noqa: BLE001 - the edge of the process
        traceback.print_exc()
        return 70
    return 0


def serve_orders() -> None:
    """Fork a child for each order, and say how those that are asked after ended."""
    ended: dict[int, int] = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["what"] == "ended":
            if order["pid"] not in ended:
                pid, status = os.waitpid(order["pid"], os.WNOHANG)
                ended |= {pid: os.waitstatus_to_exitcode(status)} if pid else {}
            answer: Any = ended.get(order["pid"])
        elif order["what"] == "prove suites":
            answer = prove_suites(order)
        else:
            answer = os.fork()
            if not answer:
                code = in_child(order)
                sys.stderr.flush()
                os._exit(code)
        print(json.dumps(answer), flush=True)


# The tests' side


@dataclass(frozen=True)
class Child:
    """A process that a nursery forked."""

    pid: int
    nursery: Nursery
    trail_file: Path
    log_file: Path

    def kill(self) -> None:
        """SIGKILL, now."""
        os.kill(self.pid, signal.SIGKILL)

    def go_on(self) -> None:
        """Go on after a stop."""
        os.kill(self.pid, signal.SIGCONT)

    def trail(self) -> list[str]:
        """The steps that ended in it."""
        return self.trail_file.read_text().split("\n")[:-1] if self.trail_file.exists() else []

    def log(self) -> str:
        """What it said."""
        return self.log_file.read_text()

    def ended(self) -> int | None:
        """Its exit code, below 0 a signal's number; None while it lives."""
        answer: int | None = self.nursery.ask({"what": "ended", "pid": self.pid})
        return answer

    def wait(self, *, runs: int = 1) -> int:
        """Its exit code, once it has ended, having been told to do so many runs."""
        found: list[int] = []

        def ended() -> bool:
            if (code := self.ended()) is not None:
                found.append(code)
            return bool(found)

        eventually(ended, what=self.log, patience=PATIENCE + 3 * runs)
        return found[0]

    def wait_until_stopped(self) -> None:
        """Return once it has stopped itself."""

        def stopped() -> bool:
            state = Path(f"/proc/{self.pid}/stat").read_text().rsplit(") ")[1][0]
            assert state != "Z", f"it ended before: {self.log()}"
            return state == "T"

        eventually(stopped, what=self.log)


class Nursery:
    """Forks children on demand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._proved = False
        one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **one_thread},
        )

    def ask(self, order: dict[str, Any]) -> Any:
        """The nursery's answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def fork(
        self,
        what: str,
        *,
        url: str,
        settings: Settings,
        as_of: datetime = NOW,
        as_ofs: Sequence[datetime] = (),
        run_id: int | None = None,
        workers: int = 1,
        with_progress: bool = False,
        both_hands: bool = False,
        kill_at: Sequence[tuple[str, int]] = (),
        stop_at: Sequence[tuple[str, int]] = (),
    ) -> Child:
        """A child that does `what` ("run", "replay" or "carry"); it stops or kills itself at the ends of steps, named with how manieth."""
        if not self._proved:
            self._proved = True
            shown = self.fork("show columns", url=url, settings=settings)
            assert shown.wait() == 0, shown.log()
            self.ask({"what": "prove suites", "trail": str(shown.trail_file)})
        name = next(self._numbers)
        order = {
            "what": what,
            "url": url,
            "home": str(settings.home),
            "batch_size": settings.batch_size,
            "backend": settings.backend,
            "tries": settings.retry_tries,
            "first_wait": settings.retry_first_wait.total_seconds(),
            "last_wait": settings.retry_last_wait.total_seconds(),
            "as_of": as_of.isoformat(),
            "as_ofs": [each.isoformat() for each in as_ofs],
            "run_id": run_id,
            "workers": workers,
            "with_progress": with_progress,
            "both_hands": both_hands,
            "kill_at": kill_at,
            "stop_at": stop_at,
            "trail": str(self._folder / f"{name}.trail"),
            "log": str(self._folder / f"{name}.log"),
        }
        return Child(self.ask(order), self, self._folder / f"{name}.trail", self._folder / f"{name}.log")

    def daemon(self, environment: Mapping[str, str], *, network: Path | None = None) -> Child:
        """A child that is `scorer daemon` in that environment and no other; in a network namespace of its own, if one is named."""
        name = next(self._numbers)
        log_file = self._folder / f"{name}.log"
        place = None if network is None else str(network)
        pid = self.ask({"what": "daemon", "environment": dict(environment), "network": place, "log": str(log_file)})
        return Child(pid, self, self._folder / f"{name}.trail", log_file)

    def close(self) -> None:
        """End it; its children, if any live, die with it."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)


@pytest.fixture(scope="session")
def nurseries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], Nursery]]:
    """Gives the nursery of a number; each thread that forks needs its own."""
    with contextlib.ExitStack() as stack:

        @cache
        def give(number: int) -> Nursery:
            nursery = Nursery(tmp_path_factory.mktemp("nursery"))
            stack.callback(nursery.close)
            return nursery

        yield give


@pytest.fixture
def nursery(nurseries: Callable[[int], Nursery]) -> Nursery:
    """One nursery."""
    return nurseries(0)


def eventually(holds: Callable[[], object], *, what: Callable[[], object], patience: float = PATIENCE) -> None:
    """Return once it holds; fail with `what` is to be said after a time in which it should have."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"waited in vain: {what()}")
        time.sleep(0.002)


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., None]:
    """See above."""
    return eventually


def load_cohort(url: str, folder: Path, *, visits: int, seed: int, now: datetime = NOW) -> None:
    """Load a cohort of the week before `now`, with dirt in it; three quarters are still in stay, and so due again hour by hour."""
    facts = json.loads((shipped_root() / "sql" / JOB / "cohort.json").read_text(encoding="utf-8"))
    write(generate(facts, visits=visits, seed=seed, first_visit=1, now=now), folder)
    with closing(psycopg2.connect(url)) as connection:
        load(folder, connection=connection, rejects=folder / "rejects.csv")
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE visits SET discharged_at = NULL WHERE visit_id % 4 <> 0")


@pytest.fixture(scope="session")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Loads a cohort of so many visits into a database that has everything else."""

    def load_into(url: str, *, visits: int, now: datetime = NOW) -> None:
        load_cohort(url, tmp_path_factory.mktemp("cohort"), visits=visits, seed=visits, now=now)

    return load_into


@pytest.fixture(scope="session")
def cohort(make_database: Callable[[str], str], template: str, fill: Callable[..., None]) -> Callable[[int], str]:
    """Gives the name of a template database with a cohort of so many visits, everything in place, and nothing scored."""
    made: dict[int, str] = {}

    def give(visits: int) -> str:
        if visits not in made:
            url = make_database(template)
            fill(url, visits=visits)
            made[visits] = str(psycopg2.extensions.parse_dsn(url)["dbname"])
        return made[visits]

    return give


@pytest.fixture(scope="session")
def query() -> Query:
    """Rows of a statement in a database, as its owner; a session of its own, so that it leaves nothing behind."""

    def ask(url: str, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []

    return ask


# What nobody may ever see, one statement each; every row is a fault.
FAULTS = {
    "a ledger row without its batch": """
        SELECT s.score_id FROM scorer.scores s LEFT JOIN scorer.batches b USING (batch_id, run_id) WHERE b.batch_id IS NULL""",
    "a batch without its run": """
        SELECT b.batch_id FROM scorer.batches b LEFT JOIN scorer.runs r USING (run_id) WHERE r.run_id IS NULL""",
    "a batch whose counts are not those of its ledger rows and of what is unchanged or held again": """
        SELECT b.batch_id
        FROM scorer.batches b
        LEFT JOIN (
            SELECT batch_id,
                count(*) FILTER (WHERE status = 'SCORED') AS scored,
                count(*) FILTER (WHERE status = 'QUARANTINED') AS quarantined,
                count(*) FILTER (WHERE status = 'INSUFFICIENT') AS insufficient,
                count(*) FILTER (WHERE status = 'INDETERMINATE') AS indeterminate,
                count(*) FILTER (WHERE status = 'FAILED') AS failed
            FROM scorer.scores GROUP BY batch_id
        ) s USING (batch_id)
        WHERE b.scored <> COALESCE(s.scored, 0) OR b.failed <> COALESCE(s.failed, 0)
           OR b.quarantined < COALESCE(s.quarantined, 0) OR b.insufficient < COALESCE(s.insufficient, 0)
           OR b.indeterminate < COALESCE(s.indeterminate, 0) OR b.eligible = 0""",
    "a batch without what its rules found": """
        SELECT batch_id FROM scorer.batches JOIN scorer.runs USING (run_id) WHERE trigger <> 'request'
        EXCEPT SELECT batch_id FROM scorer.validation_results""",
    "what rules found in a batch that is not there": """
        SELECT result_id FROM scorer.validation_results WHERE batch_id IS NULL""",
    "an entity with two outcomes in a run": """
        SELECT job, entity_id, run_id, output FROM scorer.scores GROUP BY 1, 2, 3, 4 HAVING count(*) > 1""",
    "an entity that waits although the run has its outcome": """
        SELECT w.work_id FROM scorer.work w JOIN scorer.scores s USING (job, entity_id, run_id)""",
    "work of a run that has ended": """
        SELECT w.work_id FROM scorer.work w JOIN scorer.runs r USING (run_id) WHERE r.status <> 'running'""",
    "a current outcome that is not the ledger's newest": """
        SELECT entity_id
        FROM scorer.current_scores c
        FULL JOIN (
            SELECT DISTINCT ON (job, entity_id, output) * FROM scorer.scores ORDER BY job, entity_id, output, score_id DESC
        ) s USING (job, entity_id, output)
        WHERE (c.status, c.status_as_of, c.status_at, c.reason, c.input_hash, c.judged_by_model, c.judged_by_job)
            IS DISTINCT FROM (s.status, s.as_of, s.scored_at, s.reason, s.input_hash, s.model_version, s.job_version)""",
    "a current score that is not the ledger's newest": """
        SELECT entity_id
        FROM (SELECT * FROM scorer.current_scores WHERE score_id IS NOT NULL) c
        FULL JOIN (
            SELECT DISTINCT ON (job, entity_id, output) * FROM scorer.scores WHERE status = 'SCORED'
            ORDER BY job, entity_id, output, score_id DESC
        ) s USING (job, entity_id, output)
        WHERE (c.score_id, c.score, c.risk_band, c.as_of, c.scored_at, c.valid_until, c.model_version)
            IS DISTINCT FROM (s.score_id, s.score, s.risk_band, s.as_of, s.scored_at, s.valid_until, s.model_version)""",
    "a visit whose own columns are not its current score": """
        SELECT v.visit_id
        FROM visits v
        FULL JOIN scorer.current_scores c ON c.entity_id = v.visit_id::text
        WHERE (v.sepsis_score, v.risk_level, v.scored_at) IS DISTINCT FROM (c.score, c.risk_band, c.scored_at)""",
    "a run whose work and batches are not what was eligible": """
        SELECT r.run_id
        FROM scorer.runs r
        WHERE r.eligible <> (SELECT count(*) FROM scorer.work w WHERE w.run_id = r.run_id)
            + (SELECT COALESCE(sum(b.eligible), 0) FROM scorer.batches b WHERE b.run_id = r.run_id)""",
    "a succeeded run that is not the sum of its batches": """
        SELECT r.run_id
        FROM scorer.runs r
        LEFT JOIN scorer.batches b USING (run_id)
        WHERE r.status = 'succeeded'
        GROUP BY r.run_id
        HAVING (r.eligible, r.scored, r.unchanged, r.quarantined, r.insufficient, r.indeterminate, r.failed) <> (
            COALESCE(sum(b.eligible), 0), COALESCE(sum(b.scored), 0), COALESCE(sum(b.unchanged), 0),
            COALESCE(sum(b.quarantined), 0), COALESCE(sum(b.insufficient), 0), COALESCE(sum(b.indeterminate), 0),
            COALESCE(sum(b.failed), 0)
        ) OR r.eligible <> r.scored + r.unchanged + r.quarantined + r.insufficient + r.indeterminate + r.failed""",
    "a run that failed": "SELECT run_id, error FROM scorer.runs WHERE status = 'failed'",
    "a finding twice open, or of no run": """
        SELECT entity_id FROM scorer.rejections q LEFT JOIN scorer.runs r USING (run_id) WHERE r.run_id IS NULL
        UNION ALL
        SELECT entity_id FROM scorer.rejections WHERE resolved_at IS NULL
        GROUP BY entity_id, rule, observation_id HAVING count(*) > 1""",
}
# What nobody may see once nothing is left to do.
LEFTOVERS = {
    "work": "SELECT work_id FROM scorer.work",
    "a run that is not ended": "SELECT run_id FROM scorer.runs WHERE status = 'running'",
    "a run that is held": """
        SELECT pid FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    "a temporary table": "SELECT relname FROM pg_class WHERE relpersistence = 't'",
    "a prepared transaction": "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()",
    "a visit without an outcome": """
        SELECT v.visit_id FROM visits v LEFT JOIN scorer.current_scores c ON c.entity_id = v.visit_id::text
        WHERE c.entity_id IS NULL""",
}
_SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""


@pytest.fixture
def require_consistent() -> Callable[..., None]:
    """Fails where the database shows what nobody may ever see, or (`done`) what may not be left once all is done."""

    def require(url: str, *, done: bool = False, server_died: bool = False) -> None:
        # A server that dies leaves temporary tables to its next sessions of the same number, which remove them.
        forgiven = {"a temporary table"} if server_died else set()
        text = " UNION ALL ".join(
            f"SELECT '{what.replace(chr(39), chr(39) * 2)}', x::text FROM ({sql}) AS x"
            for what, sql in (FAULTS | LEFTOVERS if done else FAULTS).items()
            if what not in forgiven
        )
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True

            def rows(statement: str) -> list[tuple[Any, ...]]:
                cursor.execute(statement)
                return list(cursor.fetchall())

            eventually(lambda: rows(_SESSIONS) == [(0,)], what=lambda: "the sessions of the dead to end")
            assert not rows(text)

    return require


# Everything that a score is, and nothing of when and by whom it was written.
_LEDGER = """
    SELECT entity_id, as_of, status, reason, float8send(score), risk_band, valid_until, input_hash, features, attributes::text,
        model_version, job_version
    FROM scorer.scores ORDER BY entity_id, score_id"""


@pytest.fixture
def ledger(query: Query) -> Callable[[str], list[tuple[Any, ...]]]:
    """The ledger: everything that a score is, to the bit, and nothing of when and by whom it was written."""

    def read(url: str) -> list[tuple[Any, ...]]:
        rows = query(url, _LEDGER)
        return [tuple(bytes(each) if isinstance(each, memoryview) else each for each in row) for row in rows]

    return read


@pytest.fixture
def begin_run(settings: Settings) -> Callable[..., Run]:
    """Begins a run, with everything due in it waiting, and lets go of it as if its process had died."""

    def begin(url: str, *, as_of: datetime = NOW) -> Run:
        line = open_pipeline(load_job(JOB), database=Database(url, settings))
        try:
            with line.session.transaction():
                run, eligible = enqueue(line, as_of=as_of, limit=None, trigger=Trigger.MANUAL)
            assert eligible
            return run
        finally:
            line.close()

    return begin


if __name__ == "__main__":
    serve_orders()
