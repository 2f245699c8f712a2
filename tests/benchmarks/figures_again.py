"""The shipped models' figures, had again: a server of its own, each cohort loaded, each model trained anew, each figure compared.

    python -m tests.benchmarks.figures_again --data DIR [--reports DIR] [JOB...]

DIR holds the data sets, as `make cohorts` takes them. Each job that has a module in tests/cohorts/ is trained anew on its cohort, by the
recipe of its job.toml. Exit 1 where a figure differs from the shipped manifest's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scorer.jobs.folder.tables import has_tables
from scorer.jobs.job import Job, load_job
from tests.cohorts.__main__ import jobs, module_of

SCORER = Path(sys.executable).with_name("scorer")
AGAIN = "again"  # the version that is trained
FIGURES = ("metrics", "bands", "alarm_threshold", "facilities", "facility_unknown")  # of a manifest, where it has them


def flat(content: Any, name: str = "") -> dict[str, Any]:
    """Every figure by its path."""
    if isinstance(content, dict):
        return {
            path: value for key, each in content.items() for path, value in flat(each, f"{name} {key}".strip()).items()
        }
    return {name: content}


def told(manifest: dict[str, Any]) -> dict[str, Any]:
    """The figures of a manifest, and the scores of its golden vectors."""
    figures = flat({part: manifest[part] for part in FIGURES if part in manifest})
    return {**figures, "golden scores": manifest["golden"]["scores"]}


def has_again(job: Job, *, data: Path, home: Path, call: Callable[..., None], reports: Path | None) -> bool:
    """Train a job's model anew, and print which figures differ. Returns whether none does."""
    assert job.first_model is not None
    cohort = home / "cohorts" / job.name
    cohort.mkdir(parents=True)
    module_of(job.name).write(data, cohort)
    own = ("--job", job.name) if has_tables(job.name, jobs_dir=None) else ()
    call("load", cohort, *own)
    page = () if reports is None else ("--report", reports.resolve() / f"{job.name}.html")
    shipped = json.loads((job.model_folder / job.first_model / "manifest.json").read_text(encoding="utf-8"))
    word = shipped["training"].get("data")
    call("train", job.name, "--full", "--version", AGAIN, *(() if word is None else ("--data", word)), *page)
    of = {
        "shipped": told(shipped),
        "again": told(json.loads((home / "models" / job.name / AGAIN / "manifest.json").read_text(encoding="utf-8"))),
    }
    differing = [name for name in of["shipped"] if of["shipped"][name] != of["again"].get(name)]
    for name in differing:
        print(f"{job.name} {name}: {of['shipped'][name]} in the shipped manifest, {of['again'].get(name)} now")
    same = len(of["shipped"]) - len(differing)
    print(f"{job.name}: {same} of {len(of['shipped'])} figures are the same, to the last digit.", flush=True)
    return not differing


def main() -> int:
    """Train anew, compare."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--reports", type=Path)
    options.add_argument("jobs", nargs="*", metavar="JOB")
    arguments = options.parse_args()
    if arguments.reports is not None:
        arguments.reports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # where this is root, the server runs as another user
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SCORER_")}
        environment["SCORER_HOME"] = str(home)

        def call(*words: str | Path) -> None:
            print("$ scorer", *words, flush=True)
            subprocess.run([SCORER, *words], env=environment, check=True)

        call("db", "start")
        try:
            call("db", "upgrade")
            same = [
                has_again(load_job(name), data=arguments.data, home=home, call=call, reports=arguments.reports)
                for name in arguments.jobs or jobs()
            ]
        finally:
            call("db", "stop")
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
