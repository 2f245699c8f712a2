"""The units: systemd understands every line of them, and finds little to fear."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = sorted(path for pattern in ("*.service", "*.timer") for path in (ROOT / "systemd").glob(pattern))

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@needs_systemd
def test_systemd_understands_the_units() -> None:
    assert UNITS
    verified = analyze("verify", "--man=no", *UNITS)
    ours = [line for line in verified.stderr.splitlines() if "scorer" in line]
    assert (verified.returncode, ours) == (0, [])


@needs_systemd
@pytest.mark.parametrize("unit", [path for path in UNITS if path.suffix == ".service"], ids=lambda path: path.name)
def test_the_services_are_hardened(unit: Path) -> None:
    assert analyze("security", "--offline=true", "--threshold=20", unit).returncode == 0
