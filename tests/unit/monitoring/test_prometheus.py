"""The alert rules for the metrics, as promtool tests them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: apt-get install prometheus")
def test_alerts_fire_when_they_should_and_a_quiet_night_is_quiet() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "scorer.rules.test.yml"],
        cwd=ROOT / "systemd",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
