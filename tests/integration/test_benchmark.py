"""The benchmark itself, on sixty visits: all contestants that can run here agree, and what it promises is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.contestants import ALL

ROOT = Path(__file__).parents[2]


@pytest.mark.long
def test_contestants_agree_and_a_report_is_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.bench", "--sizes", "60", "--rounds", "1", "--requests", "20"]
    command += ["--json", "--out", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told == json.loads((tmp_path / "bench.json").read_text())
    (contest,) = told["contests"]
    assert list(contest["contestants"]) == [each.module for each in ALL if not each.missing]
    assert set(told["left_out"]) == {each.title for each in ALL if each.missing}
    assert all(each["largest_difference"] <= 1e-9 for each in contest["contestants"].values())
    assert len(contest["bands"]) > 1, "bands that are all alike show nothing"
    stages = {"claim", "read", "validate", "features", "score", "write", "record"}
    assert stages <= set(contest["stages_of_ours"])
    assert told["requests"]["requests"] == 20
    assert "on-demand latency" in (tmp_path / "bench.txt").read_text()
    assert (tmp_path / "bench.svg").read_text().startswith("<?xml")
