"""What dirt costs: findings written, and a run in which a twentieth of the rows is refused beside a clean one.

    python -m tests.benchmarks.dirt [--visits N] [--rounds N] [--programs DIR] [--json]

The same visits are scored clean, with one observation in twenty that breaks a rule, and with one in ten; in turn, in one warm process, each
on a fresh copy. The last are scored once more when their scores have expired, and all is found again. Told are medians: seconds by the
clock, and of processor, ours and PostgreSQL's. What findings cost is what a run takes more than the clean one of its round.
`--programs` is the folder of another PostgreSQL's programs. Where the machine is shared, the processor's seconds are to be trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.runs.run import run_job
from tests.benchmarks.database import HERE, SERVER, copy_of, drop, execute, make_template
from tests.benchmarks.hospitals import used
from tests.benchmarks.ours import stages_counted
from tests.benchmarks.task import AS_OF, Task

OBSERVATIONS = 50  # a visit
WAYS: Mapping[str, int] = {"clean": 0, "a twentieth": 20, "a tenth": 10}  # one observation in so many breaks a rule
AGAIN = "a tenth, again"
_EXPIRED = timedelta(hours=7)
_TO_WARM_UP = 500
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
_FINDINGS = "SELECT count(*) FROM scorer.rejections WHERE resolved_at IS NULL"


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of one run: by the clock, of our processor and PostgreSQL's, and of the steps in which findings are made and written."""

    clock: float
    ours: float
    servers: float
    validate: float
    write: float

    @property
    def processor(self) -> float:
        """Of both."""
        return self.ours + self.servers


Round = Mapping[str, Taken]


@dataclass(frozen=True, slots=True)
class Dirt:
    """The aims' figures, each the median of the rounds: by the clock, and by processor."""

    ratio: tuple[float, float]  # a twentieth refused / clean
    seconds: tuple[float, float]  # for 100,000 findings
    again: tuple[float, float]  # for 100,000 that are open already


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home, programs=asked.programs).serving(settings=SERVER) as server:
            rounds, findings = measured(server, home, visits=asked.visits, rounds=asked.rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    dirt = figures(rounds, findings=findings["a tenth"])
    if asked.json:
        print(json.dumps(asdict(dirt) | {"rounds": [{way: asdict(it) for way, it in each.items()} for each in rounds]}))
    else:
        print(_table(rounds, findings, dirt))


def measured(server: Server, home: Path, *, visits: int, rounds: int) -> tuple[list[Round], dict[str, int]]:
    """What each way took in each round, and how many findings it left open."""
    task, settings = Task(home), Settings(home=home)
    templates, findings, found = {}, {}, []
    for way, one_in in WAYS.items():
        for size in (_TO_WARM_UP, visits):
            name = f"dirt_{one_in}_{size}"
            templates[way, size] = make_template(server.url, name, settings, visits=size, observations=OBSERVATIONS)
            if one_in:
                spoil(templates[way, size], one_in=one_in)
    try:
        for way in WAYS:
            with copy_of(server.url, templates[way, _TO_WARM_UP]) as url:
                _run(server, task, url)
        for _ in range(rounds):
            found.append({})
            for way, one_in in WAYS.items():
                with copy_of(server.url, templates[way, visits]) as url:
                    found[-1][way] = _run(server, task, url)
                    ((findings[way],),) = execute(url, _FINDINGS)
                    if one_in == min(filter(None, WAYS.values())):
                        found[-1][AGAIN] = _run(server, task, url, as_of=AS_OF + _EXPIRED)
                        ((findings[AGAIN],),) = execute(url, _FINDINGS)
            expected = {way: visits * OBSERVATIONS // one_in if one_in else 0 for way, one_in in WAYS.items()}
            if findings != expected | {AGAIN: expected["a tenth"]}:
                raise SystemExit(f"There are {findings} findings where {expected} are expected; no time counts.")
    finally:
        for template in templates.values():
            drop(server.url, template)
    return found, findings


def spoil(url: str, *, one_in: int) -> None:
    """Have one observation in so many break a rule, each a finding."""
    for part in (HERE / "make_dirt.sql").read_text().split(";\n"):
        execute(url, part, {"one_in": one_in})
    execute(url, "VACUUM")


def figures(rounds: list[Round], *, findings: int) -> Dirt:
    """The figures of the aims; `findings` are those of a tenth."""

    def middle(of: Callable[[Round, str], float]) -> tuple[float, float]:
        by_clock, by_processor = (median(of(each, kind) for each in rounds) for kind in ("clock", "processor"))
        return by_clock, by_processor

    def ratio(each: Round, kind: str) -> float:
        return float(getattr(each["a twentieth"], kind) / getattr(each["clean"], kind))

    def more(each: Round, kind: str, *, way: str) -> float:
        return float(getattr(each[way], kind) - getattr(each["clean"], kind)) * 100_000 / findings

    return Dirt(
        ratio=middle(ratio), seconds=middle(partial(more, way="a tenth")), again=middle(partial(more, way=AGAIN))
    )


def _run(server: Server, task: Task, url: str, *, as_of: datetime = AS_OF) -> Taken:
    clock, ours, servers = time.monotonic(), _processor(), used(server)[0]
    with stages_counted() as stages:
        run_job(task.job, database=Database(url, Settings(home=task.home)), as_of=as_of)
    clock, ours = time.monotonic() - clock, _processor() - ours
    while execute(url, _OTHERS) != [(0,)]:
        time.sleep(0.1)
    time.sleep(0.5)  # until PostgreSQL has counted what the processes of the sessions took, which have ended
    return Taken(clock, ours, used(server)[0] - servers, stages["validate"], stages["write"])


def _processor() -> float:
    times = os.times()
    return times.user + times.system


def _table(rounds: list[Round], findings: Mapping[str, int], dirt: Dirt) -> str:
    lines = ["refused        findings   clock    ours  PostgreSQL's  validate  write"]
    for way in rounds[0]:
        middle = [median(getattr(each[way], name) for each in rounds) for name in Taken.__dataclass_fields__]
        clock, ours, servers, validate, write = middle
        lines.append(
            f"{way:14} {findings[way]:8,} {clock:7.2f} {ours:7.2f} {servers:13.2f} {validate:9.2f} {write:6.2f}"
        )
    for what, (by_clock, by_processor), unit in (
        ("a twentieth refused / clean", dirt.ratio, ""),
        ("100,000 findings", dirt.seconds, " s"),
        ("100,000 findings found again", dirt.again, " s"),
    ):
        lines.append(f"{what}: {by_clock:.2f}{unit} by the clock, {by_processor:.2f}{unit} by processor")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
