"""A search from the shell: it is killed, goes on, is recorded, and its best is trained."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scorer.config import shipped_root
from scorer.jobs.job import Job


def commanded(cohort: Any, jobs_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command of scorer, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from scorer.cli.main import main; main()", *arguments],
        env={
            **os.environ,
            "SCORER_DATABASE_URL": cohort.url,
            "SCORER_HOME": str(cohort.settings.home),
            "SCORER_JOBS_DIR": str(jobs_dir),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_search_that_is_killed_goes_on_and_is_kept(
    cohort: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    text = (shipped_root() / "sql" / "sepsis" / "job.toml").read_text()
    combinations = text[text.index("[search.combinations]") :].split("\n\n", 1)[0]
    changed_job(("job.toml", combinations, '[search.combinations]\n"vitals" = ["vitals"]'))
    arguments = ("optimize", "sepsis", "--landmark-step", "1 h", "--folds", "2", "--workers", "2", "--json")
    trials = cohort.settings.home / "searches" / "sepsis" / "trials.jsonl"
    with commanded(cohort, tmp_path / "site", *arguments) as killed:
        while not (trials.exists() and len(trials.read_text().splitlines()) > 2):
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.02)
        os.killpg(killed.pid, signal.SIGKILL)
    done = len(trials.read_text().splitlines()) - 1
    assert 2 <= done < 8
    assert cohort.one("SELECT count(*) FROM reporting.trials") == 0
    first = trials.read_text().splitlines()[: done + 1]
    with commanded(cohort, tmp_path / "site", *arguments) as again:
        out, err = again.communicate(timeout=120)
        assert again.returncode == 0, err
    shown = json.loads(out)
    assert (shown["planned"], shown["trials"], shown["failed"]) == (8, 8, 0)
    assert trials.read_text().splitlines()[: len(first) - 1] == first[:-1], "what was tried was tried again"
    assert cohort.rows("SELECT planned, trials, failed FROM reporting.experiments") == [(8, 8, 0)]
    ranks = cohort.rows("SELECT rank, configuration FROM reporting.trials ORDER BY rank")
    assert [rank for rank, _ in ranks] == list(range(1, 9))
    assert ranks[0][1] == shown["best"]["configuration"]
    config = Path(shown["folder"]) / "best_model_config.json"
    with commanded(
        cohort, tmp_path / "site", *("train", "sepsis", "--full", "--config", str(config), "--folds", "2", "--version", "b1", "--json",
                                      "--report", str(tmp_path / "report.html"))
    ) as trained:  # fmt: skip
        out, err = trained.communicate(timeout=120)
        assert trained.returncode == 0, err
    auroc = json.loads(out)["metrics"]["auroc"]["value"]
    assert auroc > 0.5
    page = (tmp_path / "report.html").read_text()
    assert "a model of the same recipe that had not seen that client" in page
    assert f"{auroc:.3f}" in page, "the page's figures are those out of the folds"
    assert cohort.rows("SELECT model_version, status FROM reporting.models WHERE model_version = 'b1'") == [
        ("b1", "candidate")
    ]
