"""What findings cost: a run of visits of which one observation in twenty is refused, beside the same run of clean ones.

    python -m tests.benchmarks.findings [--visits N] [--rounds N]

Told are medians: seconds of our processor, by step of the batches by the clock, and how many findings were written.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.jobs.job import load_job
from scorer.runs.run import run_job
from tests.benchmarks.database import SERVER, copy_of, execute, make_template
from tests.benchmarks.ours import stages_counted
from tests.benchmarks.task import AS_OF, NAME

_WARM = 500
_REFUSED = "UPDATE public.patient_observations SET observation_value = -999 WHERE observation_id % 20 = 0"


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            settings = Settings(home=home)
            made = {
                name: make_template(server.url, name, settings, visits=visits, observations=50)
                for name, visits in (("warm", _WARM), ("clean", asked.visits), ("dirty", asked.visits))
            }
            for name in ("warm", "dirty"):
                execute(made[name], _REFUSED)
                execute(made[name], "VACUUM FULL public.patient_observations")
            with copy_of(server.url, made["warm"]) as url:
                _run(url, settings)
            found: dict[str, list[tuple[float, dict[str, float], int]]] = {"clean": [], "dirty": []}
            for _ in range(asked.rounds):
                for name, runs in found.items():
                    with copy_of(server.url, made[name]) as url:
                        runs.append(_run(url, settings))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    for name, runs in found.items():
        steps = {step: median(each[1][step] for each in runs) for step in runs[0][1]}
        told = " ".join(f"{step} {taken:.2f}" for step, taken in steps.items())
        print(f"{name}: {median(each[0] for each in runs):.2f} s of our processor; {runs[0][2]} findings; {told}")


def _run(url: str, settings: Settings) -> tuple[float, dict[str, float], int]:
    with stages_counted() as steps:
        began = time.process_time()
        run_job(load_job(NAME), database=Database(url, settings), as_of=AS_OF)
        taken = time.process_time() - began
    ((findings,),) = execute(url, "SELECT count(*) FROM scorer.rejections")
    return taken, dict(steps), findings


if __name__ == "__main__":
    main()
