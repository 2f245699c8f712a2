"""What `scorer load` of a folder costs beside psql's `\\copy` of the same files into the same tables.

    python -m tests.benchmarks.loads DIR [--rounds N]

The tables are new, with their indexes. Told are medians: seconds by the clock, and of processor, ours and PostgreSQL's.
Where the machine is shared, the processor's are to be trusted.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2

from scorer.config import shipped_root
from scorer.database.embedded.server import Server
from scorer.database.source.load import load
from tests.benchmarks.database import SERVER, execute

TABLES = ("visits", "patient_observations", "outcomes")
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    found: dict[str, list[tuple[float, ...]]] = {}
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            for _ in range(asked.rounds):
                for name, fill in (("copy", copy_files), ("load", load_files)):
                    found.setdefault(name, []).append(_measured(server.url, asked.folder, fill))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print("         clock   ours   PostgreSQL's")
    middle = {name: [median(each) for each in zip(*rounds, strict=True)] for name, rounds in found.items()}
    for name, (clock, ours, servers) in middle.items():
        print(f"{name:6} {clock:7.2f} {ours:6.2f} {servers:8.2f}")
    (clock, *by_copy), (by_load, *processor) = middle["copy"], middle["load"]
    print(f"load / copy: {by_load / clock:.2f} by the clock, {sum(processor) / sum(by_copy):.2f} by processor")


def _measured(server_url: str, folder: Path, fill: Callable[[Any, Path], None]) -> tuple[float, ...]:
    """Seconds by the clock, of our processor and of PostgreSQL's."""
    execute(server_url, "CREATE DATABASE loads")
    url = server_url.replace("/scorer?", "/loads?", 1)
    for table in TABLES:
        execute(url, (shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    execute(url, "CHECKPOINT")
    with closing(psycopg2.connect(url, options="-c TimeZone=UTC")) as connection:
        backend = connection.get_backend_pid()
        before = time.monotonic(), time.process_time(), _processor_of(backend)
        fill(connection, folder)
        after = time.monotonic(), time.process_time(), _processor_of(backend)
    execute(server_url, "DROP DATABASE loads WITH (FORCE)")
    return tuple(end - begin for begin, end in zip(before, after, strict=True))


def copy_files(connection: Any, folder: Path) -> None:
    """Copy the files as psql would, in one transaction."""
    with connection, connection.cursor() as cursor:
        for table in TABLES:
            path = folder / f"{table}.csv"
            with path.open("rb") if path.exists() else gzip.open(f"{path}.gz") as file:
                columns = file.readline().decode("utf-8-sig").strip()
                cursor.copy_expert(f"COPY public.{table} ({columns}) FROM STDIN WITH (FORMAT csv)", file)


def load_files(connection: Any, folder: Path) -> None:
    """Load the files as `scorer load` does."""
    with tempfile.TemporaryDirectory() as rejects:
        load(folder, connection=connection, rejects=Path(rejects) / "rejected.csv")


def _processor_of(process: int) -> float:
    """Seconds of processor that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
