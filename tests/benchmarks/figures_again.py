"""The shipped models' figures, had again: each on a server of its own, its cohort loaded, trained anew, each figure compared.

    python -m tests.benchmarks.figures_again --data DIR [--reports DIR] [JOB...]

DIR holds the data sets, as `make cohorts` takes them. Each job that has a module in tests/cohorts/ is trained anew on its cohort, by the
recipe of its job.toml; JOB@VERSION is an older model, trained by the recipe of its manifest on what it was made on. Exit 1 where a figure
differs from the shipped manifest's.
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
from scorer.jobs.job import load_job
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


def has_again(model: str, *, data: Path, home: Path, call: Callable[..., None], reports: Path | None) -> bool:
    """Train a model, JOB or JOB@VERSION, anew, and print which figures differ. Returns whether none does."""
    name, _, asked = model.partition("@")
    job = load_job(name)
    version = asked or job.first_model
    assert version is not None
    shipped = json.loads((job.model_folder / version / "manifest.json").read_text(encoding="utf-8"))
    cohort, config = home / "cohorts" / job.name, home / "recipe.json"
    cohort.mkdir(parents=True)
    writes_older = getattr(module_of(job.name), "OLDER", {})
    writes_older.get(version, module_of(job.name).write)(data, cohort)
    own = ("--job", job.name) if has_tables(job.name, jobs_dir=None) else ()
    call("load", cohort, *own)
    recipe = ("--config", config) if asked else ()
    config.write_text(json.dumps({"job": job.name, "recipe": shipped["recipe"]}), encoding="utf-8")
    page = () if reports is None else ("--report", reports.resolve() / f"{model}.html")
    word = shipped["training"].get("data")
    told_so = () if word is None else ("--data", word)
    call("train", job.name, "--full", *recipe, "--version", AGAIN, *told_so, *page)
    of = {
        "shipped": told(shipped),
        "again": told(json.loads((home / "models" / job.name / AGAIN / "manifest.json").read_text(encoding="utf-8"))),
    }
    differing = [name for name in of["shipped"] if of["shipped"][name] != of["again"].get(name)]
    for name in differing:
        print(f"{model} {name}: {of['shipped'][name]} in the shipped manifest, {of['again'].get(name)} now")
    same = len(of["shipped"]) - len(differing)
    print(f"{model}: {same} of {len(of['shipped'])} figures are the same, to the last digit.", flush=True)
    return not differing


def on_a_server(model: str, *, data: Path, reports: Path | None) -> bool:
    """Have a model's figures again on a server that is there for it alone. Returns whether none differs."""
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
            return has_again(model, data=data, home=home, call=call, reports=reports)
        finally:
            call("db", "stop")


def main() -> int:
    """Train anew, compare."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--reports", type=Path)
    options.add_argument("models", nargs="*", metavar="JOB")
    arguments = options.parse_args()
    if arguments.reports is not None:
        arguments.reports.mkdir(parents=True, exist_ok=True)
    same = [on_a_server(model, data=arguments.data, reports=arguments.reports) for model in arguments.models or jobs()]
    return 0 if all(same) else 1


if __name__ == "__main__":
    sys.exit(main())
