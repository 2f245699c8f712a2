"""One table: ours, stage by stage, beside the floor and whatever else one would write; on demand; among history; and the aims.

    python -m tests.benchmarks.bench [--sizes N[:ROUNDS] ...] [--only NAME ...] [--requests N] [--history N] [--out DIR] [--json]

Every contestant has the same data, model and bands, and a process of its own that is warm; they take turns within each round, each on a
fresh copy of the same database, and no time counts before the results agree: bands exactly, scores to 1e-9, and ours and the floor's to the
last bit. Ratios are medians of those within one round. Where a contestant's package is missing it is left out, and the table says so.
Writes bench.txt, bench.json and bench.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorer.config import Settings
from scorer.database.embedded.server import Server
from scorer.jobs.job import load_job
from tests.benchmarks import history, request_latency
from tests.benchmarks.aims import aims
from tests.benchmarks.contestants import ALL, takes_part
from tests.benchmarks.database import SERVER, execute
from tests.benchmarks.picture import draw
from tests.benchmarks.report import Report
from tests.benchmarks.rounds import contest
from tests.benchmarks.table import text
from tests.benchmarks.task import NAME, Task

SIZES = ("1000", "20000")


@dataclass(frozen=True, slots=True)
class Size:
    """So many visits, and how often they are scored where that is said for this size."""

    visits: int
    rounds: int | None

    @classmethod
    def of(cls, words: str) -> Size:
        """From N or N:ROUNDS."""
        visits, _, rounds = words.partition(":")
        return cls(visits=int(visits), rounds=int(rounds) if rounds else None)


def main() -> None:
    """Measure, print, write."""
    asked = _arguments()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-", dir=asked.scratch))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            report = _measured(server, home, asked)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    found = {
        "machine": report.machine,
        "observations_per_visit": report.observations,
        "contests": [each.as_json() for each in report.contests],
        "growth": {entry.module: report.growth(entry.module) for entry in ALL},
        "left_out": report.left_out,
        "requests": report.requests,
        "history": report.history,
        "aims": [
            {"figure": it.figure, "aim": it.aim, "measured": it.measured, "verdict": it.verdict} for it in aims(report)
        ],
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "bench.json").write_text(json.dumps(found, indent=1) + "\n")
    (asked.out / "bench.txt").write_text(text(report))
    if report.contests:
        draw(report, asked.out / "bench.svg")
    print(json.dumps(found) if asked.json else text(report), end="")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=Size.of, nargs="*", default=[Size.of(each) for each in SIZES])
    parser.add_argument("--rounds", type=int, default=5, help="where a size does not say")
    parser.add_argument("--observations", type=int, default=50, help="a visit")
    parser.add_argument(
        "--only", nargs="*", default=(), choices=[each.module for each in ALL], help="these, the floor and ours"
    )
    parser.add_argument("--requests", type=int, default=2000, help="on demand; 0: leave that out")
    parser.add_argument(
        "--history", type=int, default=0, help="scored visits among which 1,000 are due; 0: leave that out"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="folder for what is written")
    parser.add_argument("--scratch", type=Path, help="folder on the disk for the databases; unset, the machine's own")
    parser.add_argument("--json", action="store_true", help="print what bench.json has")
    return parser.parse_args()


def _measured(server: Server, home: Path, asked: argparse.Namespace) -> Report:
    task, settings, before = Task(home), Settings(home=home), os.getloadavg()[0]
    contests = []
    for size in sorted(asked.sizes, key=lambda size: size.visits):
        entries = [each for each in ALL if takes_part(each, visits=size.visits, only=tuple(asked.only))]
        contests.append(
            contest(
                server.url,
                task,
                entries,
                visits=size.visits,
                observations=asked.observations,
                rounds=size.rounds or asked.rounds,
                say=_say,
            )
        )
    requests = request_latency.measure(server.url, settings, requests=asked.requests) if asked.requests else None
    among = history.measure(server, settings, load_job(NAME), scored=asked.history) if asked.history else None
    return Report(
        machine=_machine(server.url, load_before=before),
        observations=asked.observations,
        contests=tuple(contests),
        left_out={each.title: f"{', '.join(each.missing)} not installed" for each in ALL if each.missing},
        requests=requests,
        history=among,
    )


def _machine(url: str, *, load_before: float) -> dict[str, Any]:
    ((postgresql,),) = execute(url, "SHOW server_version")
    return {
        "processors": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB",
        "PostgreSQL": postgresql,
        "Python": platform.python_version(),
        "load before": f"{load_before:.1f}",
        "load after": f"{os.getloadavg()[0]:.1f}",
    }


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
