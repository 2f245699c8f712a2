"""The load test in its short form: a hundred sessions on a server of the usual hundred connections, and no request is lost.

make crowd          # the same for five minutes
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKED = {"sessions": 100, "spawn": 20, "seconds": 15, "connections": 100, "visits": 300}


@pytest.mark.timeout(600)
def test_a_hundred_sessions_lose_no_request() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.many_sessions", "--json"]
    command += [word for name, value in ASKED.items() for word in (f"--{name}", str(value))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    print(f"\n{figures}")
    assert not figures["errors"]
    assert (figures["lost"], figures["waiting"]) == (0, 0)
    assert set(figures["ended"]) <= {"done", "expired"}
    assert sum(figures["ended"].values()) == figures["asked"]
    assert figures["ended"]["done"] > 30
    assert figures["refused_by_quota"] > 0, "the sessions of the login with the default quota"
    assert figures["turned_away_by_the_server"] > 0, "of a hundred connections the service has some, and superusers"
    assert figures["p99_ms"] < 30_000, "none was answered after its deadline"
