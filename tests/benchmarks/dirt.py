"""What dirt costs: findings written, and a run in which a twentieth of the rows is refused beside a clean one.

    python -m tests.benchmarks.dirt [--visits N] [--rounds N] [--json]

The same visits are scored clean, with one observation in twenty that breaks a rule, and with one in ten; in turn, in one warm process, each
on a fresh copy. Told are medians: seconds by the clock, and of processor, ours and PostgreSQL's. What findings cost is what the dirtiest
run takes more than the clean one of its round. Where the machine is shared, the processor's are to be trusted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
_TO_WARM_UP = 500
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


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
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
                    print(way, findings[way], execute(url, "select rule, count(*) from scorer.rejections group by 1"), execute(url, "select status, count(*) from scorer.scores group by 1"))
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
    """The figures of the aims.

    >>> clean, some, many = (Taken(clock, clock, 0, 0, 0) for clock in (2.0, 3.0, 4.0))
    >>> figures([{"clean": clean, "a twentieth": some, "a tenth": many}], findings=50_000)
    Dirt(ratio=(1.5, 1.5), seconds=(4.0, 4.0))
    """

    def both(of: object) -> tuple[float, float]:
        assert callable(of)
        by_clock, by_processor = (median(of(each, kind) for each in rounds) for kind in ("clock", "processor"))
        return by_clock, by_processor

    def ratio(each: Round, kind: str) -> float:
        return float(getattr(each["a twentieth"], kind) / getattr(each["clean"], kind))

    def seconds(each: Round, kind: str) -> float:
        return float(getattr(each["a tenth"], kind) - getattr(each["clean"], kind)) * 100_000 / findings

    return Dirt(ratio=both(ratio), seconds=both(seconds))


def _run(server: Server, task: Task, url: str) -> Taken:
    clock, ours, servers = time.monotonic(), _processor(), used(server)[0]
    with stages_counted() as stages:
        run_job(task.job, database=Database(url, Settings(home=task.home)), as_of=AS_OF)
    clock, ours = time.monotonic() - clock, _processor() - ours
    return Taken(clock, ours, used(server)[0] - servers, stages["validate"], stages["write"])


def _processor() -> float:
    times = os.times()
    return times.user + times.system


def _table(rounds: list[Round], findings: Mapping[str, int], dirt: Dirt) -> str:
    lines = ["refused      findings   clock    ours  PostgreSQL's  validate  write"]
    for way in WAYS:
        middle = [median(getattr(each[way], name) for each in rounds) for name in Taken.__dataclass_fields__]
        clock, ours, servers, validate, write = middle
        lines.append(
            f"{way:12} {findings[way]:8,} {clock:7.2f} {ours:7.2f} {servers:13.2f} {validate:9.2f} {write:6.2f}"
        )
    (by_clock, by_processor), (clock, processor) = dirt.ratio, dirt.seconds
    lines.append(f"a twentieth refused / clean: {by_clock:.2f} by the clock, {by_processor:.2f} by processor")
    lines.append(f"100,000 findings: {clock:.2f} s by the clock, {processor:.2f} s by processor")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
