"""One day of the soak; `make soak` runs thirty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOAK = Path(__file__).parents[1] / "soak" / "soak.py"


def test_a_day_of_hourly_runs_is_accounted_for() -> None:
    done = subprocess.run([sys.executable, str(SOAK), "--days", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "decline late 1; decline missed 4; decline ran 19; sepsis late 1; sepsis missed 4; sepsis ran 19" in done.stdout
    )
