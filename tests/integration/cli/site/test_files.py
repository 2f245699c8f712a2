"""`scorer files` as it is typed: what it prints, its exit codes, and how it ends on a signal."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from scorer.database.embedded.server import Server
from tests.integration.runs.files.conftest import OBSERVED, observed, write

SCRIPT = Path(sys.executable).with_name("scorer")
PATIENCE = 120.0


@pytest.fixture
def environment(server: Server) -> dict[str, str]:
    """That of a site whose embedded PostgreSQL is the tests' own."""
    return {**os.environ, "SCORER_HOME": str(server.home)}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "in").mkdir()
    return "files", "sepsis", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")


def test_it_prints_what_became_of_the_files(
    folders: tuple[str, ...], environment: Mapping[str, str], program: Callable[..., Any], tmp_path: Path
) -> None:
    write(tmp_path / "in" / "a.csv", OBSERVED, observed(1, 2))
    write(tmp_path / "in" / "b.csv", ("bed",), [(1,)])
    ended = program(*folders, "--json", environment=environment)
    assert ended.code == 1
    assert "A delivery cannot be scored" in ended.err
    assert "b.csv lacks the columns visit_id" in ended.err
    told = json.loads(ended.out)
    assert {
        key: told[key] for key in ("job", "scored", "failed", "known", "entities", "entities_scored", "lacking")
    } == {
        "job": "sepsis",
        "scored": 1,
        "failed": 1,
        "known": 0,
        "entities": 2,
        "entities_scored": 2,
        "lacking": [],
    }
    write(tmp_path / "in" / "again.csv", OBSERVED, observed(1, 2))
    ended = program(*folders, environment=environment)
    assert ended.code == 0, ended.err
    assert "known" in ended.out


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--timezone", "Nowhere/City"), "Nowhere/City"),
        (("--as-of", "2025-06-01"), "has no time zone"),
        (("--as-of", "2999-06-01T00:00:00Z"), "--as-of 2999-06-01T00:00:00+00:00 lies in the future"),
        (("--in", "/none"), "/none is not a folder; name the one that the files come into."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    given: tuple[str, ...],
    sentence: str,
    folders: tuple[str, ...],
    environment: Mapping[str, str],
    program: Callable[..., Any],
) -> None:
    write(Path(folders[3]) / "a.csv", OBSERVED, observed(1))
    ended = program(*folders, *given, environment=environment)
    assert (ended.code, Path(folders[3], "a.csv").exists()) == (1, True)
    assert sentence in ended.err
    assert ended.err.count("\n") == 1


def test_a_second_process_is_refused(
    folders: tuple[str, ...], environment: Mapping[str, str], program: Callable[..., Any], tmp_path: Path
) -> None:
    with (tmp_path / "in" / ".scorer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = program(*folders, environment=environment)
    assert ended.code == 1
    assert "Another `scorer files` deals with" in ended.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watching_ends_cleanly_on_a_signal(
    number: signal.Signals, folders: tuple[str, ...], environment: Mapping[str, str], tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [SCRIPT, *folders, "--watch", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        write(tmp_path / "in" / "a.csv", OBSERVED, observed(1))
        until = time.monotonic() + PATIENCE
        while not (tmp_path / "in" / "done" / "a.csv").exists():
            assert time.monotonic() < until
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert json.loads(out)["scored"] == 1
