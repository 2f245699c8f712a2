"""What a visit costs, and how many databases of hospitals one machine carries.

    python -m tests.benchmarks.hospitals [--visits N ...] [--hospitals N] [--at-once N ...] [--json]

Told are, per visit: processor time of the worker and of PostgreSQL, bytes of its log of writes, and bytes that the ledger and the current
scores keep. The hospitals are databases of one server, each with so many visits that are due; `--at-once` processes carry them, one after
another from one list, each with a run of its own as a daemon would.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.jobs.job import load_job
from scorer.runs.run import run_job
from tests.benchmarks.database import SERVER, copy_of, drop, execute, make_template
from tests.benchmarks.task import AS_OF, NAME

_TO_WARM_UP = 500
_KEPT = """
    SELECT
        (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('scorer.scores'))::bigint,
        pg_total_relation_size('scorer.current_scores')"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured: `visits` of each hospital, carried by `at_once` processes."""

    hospitals: int
    visits: int
    at_once: int
    seconds: float
    worker_microseconds: float
    server_microseconds: float
    log_bytes: float
    ledger_bytes: float
    current_bytes: float

    @property
    def a_second(self) -> float:
        """Visits scored in a second, of all hospitals together."""
        return self.hospitals * self.visits / self.seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, nargs="+", default=[300, 20_000], help="due in each hospital")
    parser.add_argument("--hospitals", type=int, default=6)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 2, 3], help="processes")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            found = [
                each
                for visits in asked.visits
                for each in _measured(server, home, visits=visits, hospitals=asked.hospitals, at_once=asked.at_once)
            ]
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(json.dumps([asdict(each) for each in found]) if asked.json else _table(found))


def _measured(server: Server, home: Path, *, visits: int, hospitals: int, at_once: Sequence[int]) -> Iterator[Found]:
    settings = Settings(home=home)
    warm, full = (
        make_template(server.url, f"visits_{each}_{visits}", settings, visits=each, observations=50)
        for each in (_TO_WARM_UP, visits)
    )
    try:
        for processes in at_once:
            with ExitStack() as stack:
                urls = [
                    stack.enter_context(copy_of(server.url, full, name=f"hospital_{number}"))
                    for number in range(hospitals)
                ]
                with _pool(processes, server.url, warm, home) as pool:
                    before, began = used(server), time.monotonic()
                    worker = sum(pool.map(_carry, urls, [home] * hospitals))
                    seconds = time.monotonic() - began
                    after = used(server)
                ledger, current = execute(urls[0], _KEPT)[0]
                empty = execute(full, _KEPT)[0]
            scored = hospitals * visits
            yield Found(
                hospitals=hospitals,
                visits=visits,
                at_once=processes,
                seconds=round(seconds, 3),
                worker_microseconds=round(worker / scored * 1e6, 1),
                server_microseconds=round((after[0] - before[0]) / scored * 1e6, 1),
                log_bytes=round((after[1] - before[1]) / scored),
                ledger_bytes=round((ledger - empty[0]) / visits),
                current_bytes=round((current - empty[1]) / visits),
            )
    finally:
        for template in (warm, full):
            drop(server.url, template)


@contextmanager
def _pool(processes: int, server_url: str, template: str, home: Path) -> Iterator[ProcessPoolExecutor]:
    """Processes that have each carried a small hospital before."""
    with ExitStack() as stack:
        urls = [
            stack.enter_context(copy_of(server_url, template, name=f"warm_{number}")) for number in range(processes)
        ]
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            # Each waits for the others, so that every process is given one.
            list(pool.map(_warm, urls, [home] * processes))
            yield pool


def _warm(url: str, home: Path) -> None:
    _carry(url, home)
    time.sleep(1)


def _carry(url: str, home: Path) -> float:
    """Score all that is due; the seconds of processor that this took here."""
    began = time.process_time()
    run_job(load_job(NAME), database=Database(url, Settings(home=home)), as_of=AS_OF)
    return time.process_time() - began


def used(server: Server) -> tuple[float, int]:
    """Seconds of processor that the server's processes have taken so far, and bytes of log that they have written."""
    postmaster = int(next(server.folder.rglob("postmaster.pid")).read_text().split()[0])
    ticks = sum(_ticks(postmaster)[1:])
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent, own, system, *_ = _ticks(int(process.name))
        except OSError:
            continue  # it has ended, and its parent has counted it
        if parent == postmaster:
            ticks += own + system
    ((written,),) = execute(server.url, "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")
    return ticks / _TICKS, int(written)


def _ticks(process: int) -> tuple[int, int, int, int, int]:
    """The process's parent, and its clock ticks: its own, the system's for it, and those of its children that have ended.

    Source: proc(5), /proc/pid/stat.
    """
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    own, system, of_children, system_of_children = map(int, fields[11:15])
    return int(fields[1]), own, system, of_children, system_of_children


def _table(found: Sequence[Found]) -> str:
    head = "hospitals  visits each  at once   seconds  visits/s  worker us  server us  log B  ledger B  current B"
    rows = [
        f"{each.hospitals:9}  {each.visits:11,}  {each.at_once:7}  {each.seconds:8.2f}  {each.a_second:8,.0f}  "
        f"{each.worker_microseconds:9.0f}  {each.server_microseconds:9.0f}  {each.log_bytes:5.0f}  {each.ledger_bytes:8.0f}  "
        f"{each.current_bytes:9.0f}"
        for each in found
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
