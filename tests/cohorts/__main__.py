"""The data sets of the shipped jobs, each as the source tables that its job reads; and the examples that come with the jobs.

    python -m tests.cohorts DATA OUT [JOB...]     # DATA/<set> -> OUT/<job>, as `scorer load OUT/<job> --job <job>` takes it
    python -m tests.cohorts --samples [JOB...]    # sql/<job>/example, generated anew

A module here is named like its job and has `write(data, out)`; one whose example is shipped has `write_sample(out)`, too, and `AS_OF`, the
time as of which the example is to be looked at, where that is not the usual one. `OLDER` has, by an older model's version, what writes the
tables that it was made on, where these were others.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from scorer.jobs.folder.example import EXAMPLE_AS_OF

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "sql"
AS_OF = datetime(2026, 11, 28, 12, tzinfo=UTC)


def jobs() -> list[str]:
    """The jobs that have a module here, by name."""
    return sorted(path.stem for path in HERE.glob("[!_]*.py") if (SHIPPED / path.stem / "job.toml").exists())


def module_of(job: str) -> ModuleType:
    """The module of a job."""
    return importlib.import_module(f"tests.cohorts.{job}")


def write_example(job: str, folder: Path) -> bool:
    """Write a job's generated example into the folder. Returns whether it has one."""
    sample = getattr(module_of(job), "write_sample", None)
    if sample is None:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    sample(folder)
    as_of = getattr(module_of(job), "AS_OF", AS_OF)
    (folder / EXAMPLE_AS_OF).write_text(f"{as_of.isoformat()}\n", encoding="utf-8")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Write what the command line asks for."""
    options = argparse.ArgumentParser(prog="python -m tests.cohorts", description=__doc__.splitlines()[0])
    options.add_argument("--samples", action="store_true", help="write sql/<job>/example instead")
    options.add_argument("words", nargs="*", metavar="DATA OUT JOB...")
    asked = options.parse_args(arguments)
    words = list(asked.words)
    if not asked.samples and len(words) < 2:
        options.error("say where the data sets are, and where to write: DATA OUT [JOB...]")
    data, out = (None, None) if asked.samples else (Path(words.pop(0)), Path(words.pop(0)))
    unknown = sorted(set(words) - set(jobs()))
    if unknown:
        options.error(f"there is no module for {', '.join(unknown)}; there are: {', '.join(jobs())}")
    for job in words or jobs():
        if data is None or out is None:
            print(
                f"{job}: {SHIPPED / job / 'example' if write_example(job, SHIPPED / job / 'example') else 'no example'}"
            )
            continue
        folder = out / job
        folder.mkdir(parents=True, exist_ok=True)
        module_of(job).write(data, folder)
        print(f"{job}: {folder}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
