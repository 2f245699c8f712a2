"""The shipped model's figures, had again: a server of its own, the cohort loaded, the model trained anew, each figure compared.

    python tests/benchmarks/figures_again.py --data DIR [--report FILE.html]

DIR holds visits, patient_observations and outcomes as `scorer load` takes them. Exit 1 where a figure differs from the shipped manifest's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from scorer.jobs.job import load_job

JOB = "sepsis"
SCORER = Path(sys.executable).with_name("scorer")


def flat(content: Any, name: str = "") -> dict[str, Any]:
    """Every figure by its path."""
    if isinstance(content, dict):
        return {
            path: value for key, each in content.items() for path, value in flat(each, f"{name} {key}".strip()).items()
        }
    return {name: content}


def told(manifest: dict[str, Any]) -> dict[str, Any]:
    """The figures of a manifest, and the scores of its golden vectors."""
    figures = flat({part: manifest[part] for part in ("metrics", "bands", "alarm_threshold")})
    return {**figures, "golden scores": manifest["golden"]["scores"]}


def main() -> int:
    """Train anew, compare."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--report", type=Path)
    arguments = options.parse_args()
    job = load_job(JOB)
    assert job.first_model is not None
    shipped = json.loads((job.model_folder / job.first_model / "manifest.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)  # where this is root, the server runs as another user
        environment = {key: value for key, value in os.environ.items() if not key.startswith("SCORER_")}
        environment["SCORER_HOME"] = home

        def call(*words: str | Path) -> None:
            print("$ scorer", *words, flush=True)
            subprocess.run([SCORER, *words], env=environment, check=True)

        call("db", "start")
        try:
            call("db", "upgrade")
            call("load", arguments.data)
            page = ("--report", arguments.report.resolve()) if arguments.report else ()
            call("train", JOB, "--full", "--version", "again", *page)
        finally:
            call("db", "stop")
        again = json.loads((Path(home) / "models" / JOB / "again" / "manifest.json").read_text(encoding="utf-8"))
    of = {name: told(manifest) for name, manifest in (("shipped", shipped), ("again", again))}
    differing = [name for name in of["shipped"] if of["shipped"][name] != of["again"].get(name)]
    for name in differing:
        print(f"{name}: {of['shipped'][name]} in the shipped manifest, {of['again'].get(name)} now")
    print(f"{len(of['shipped']) - len(differing)} of {len(of['shipped'])} figures are the same, to the last digit.")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
