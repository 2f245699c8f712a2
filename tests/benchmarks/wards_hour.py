"""A ward's day, hour by hour: ours beside the Polars script, which reads everything each time.

    python -m tests.benchmarks.wards_hour [--stays N] [--observations N] [--hours N] [--no-capture] [--json]

Each hour brings every stay eight observations, and some late, edited and deleted rows (ward_hour.sql). Both contestants have a process of
their own, warm, and a copy of the same database; they run in turn, and an hour counts once their scores agree to 1e-9 and all bands do.
The hours of ours are told by steps; those of several threads add up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from scorer.config import Settings
from scorer.database.embedded.server import Server
from tests.benchmarks.database import SERVER, copy_of, drop, execute, make_template, results, run_script
from tests.benchmarks.hospitals import used
from tests.benchmarks.rounds import agreed
from tests.benchmarks.stall import Entry, Stall, open_stall
from tests.benchmarks.task import AS_OF, Task

OURS = Entry("ward_ours", title="ours")
RIVAL = Entry("ward_afternoon", title="a good engineer's afternoon", needs=("polars",))
_TO_WARM_UP = 500


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stays", type=int, default=2000)
    parser.add_argument("--observations", type=int, default=400, help="of each stay, before the first hour")
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--no-capture", action="store_true", help="ours without the triggers that capture changes")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            found = measure(server, Task(home), asked)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    print(json.dumps(found) if asked.json else _table(found))


def measure(server: Server, task: Task, asked: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each hour by contestant, those of processor, the steps of ours, and what the insertions took."""
    templates = [
        make_template(
            server.url,
            f"ward_{stays}",
            Settings(home=task.home),
            visits=stays,
            observations=asked.observations,
            script="make_ward.sql",
        )
        for stays in sorted({min(_TO_WARM_UP, asked.stays), asked.stays})
    ]
    try:
        with ExitStack() as stack:
            stalls = {entry: stack.enter_context(open_stall(entry, task)) for entry in (OURS, RIVAL)}
            for stall in stalls.values():
                with copy_of(server.url, templates[0], name="warm") as url:
                    stall.run(url)
            urls = {
                entry: stack.enter_context(copy_of(server.url, templates[-1], name=entry.module)) for entry in stalls
            }
            if not asked.no_capture:
                execute(urls[OURS], task.job.statements["changed_observations"])
            return _day(server, stalls, urls, hours=asked.hours)
    finally:
        for template in templates:
            drop(server.url, template)


def _day(server: Server, stalls: dict[Entry, Stall], urls: dict[Entry, str], *, hours: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {entry.module: [] for entry in stalls}
    charted, peaks = dict.fromkeys(seconds, 0.0), dict.fromkeys(seconds, 0.0)
    own, servers = dict.fromkeys(seconds, 0.0), dict.fromkeys(seconds, 0.0)
    steps: Counter[str] = Counter()
    for hour in range(1, hours + 1):
        expected: tuple[np.ndarray, np.ndarray] | None = None
        for entry, stall in stalls.items():
            began = time.monotonic()
            run_script(urls[entry], "ward_hour.sql", {"hour": hour, "as_of": AS_OF + timedelta(hours=hour)})
            charted[entry.module] += time.monotonic() - began
            before = used(server)[0]
            timed = stall.run(urls[entry])
            servers[entry.module] += used(server)[0] - before
            own[entry.module] += timed.processor
            found = results(urls[entry])
            expected = expected or found
            agreed(entry, found, expected)
            seconds[entry.module].append(round(timed.seconds, 3))
            peaks[entry.module] = max(peaks[entry.module], round(timed.peak_mb))
            steps.update(timed.told.get("stages", {}))
    return {
        "seconds": seconds,
        "day": {module: round(sum(each), 2) for module, each in seconds.items()},
        "ratio": round(sum(seconds[RIVAL.module]) / sum(seconds[OURS.module]), 2),
        "processor": {module: [round(own[module], 2), round(servers[module], 2)] for module in seconds},
        "bands": dict(Counter(found[1].tolist())),
        "steps": {step: round(each, 2) for step, each in steps.items()},
        "charting": {module: round(each, 2) for module, each in charted.items()},
        "peak_mb": peaks,
    }


def _table(found: dict[str, Any]) -> str:
    lines = [
        "contestant        day, s   first hour   other hours   processor, s   PostgreSQL's, s   peak MB   charting, s"
    ]
    for module, each in found["seconds"].items():
        lines.append(
            f"{module:15}  {found['day'][module]:7.2f}  {each[0]:11.2f}  {np.median(each[1:] or each):12.3f}"
            f"  {found['processor'][module][0]:13.2f}  {found['processor'][module][1]:16.2f}"
            f"  {found['peak_mb'][module]:8.0f}  {found['charting'][module]:12.2f}"
        )
    lines.append(f"the script's day to ours: {found['ratio']}")
    lines.append(f"bands after the last hour: {found['bands']}")
    lines.append("ours by steps, s: " + ", ".join(f"{step} {each}" for step, each in found["steps"].items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
