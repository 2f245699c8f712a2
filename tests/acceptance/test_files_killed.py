"""`scorer files` is killed at random moments, and started again: every file is accounted for exactly once, with every visit in it.

`make killed` is the long form: a thousand files of a hundred visits, and twenty kills.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

SCRIPT = Path(sys.executable).with_name("scorer")
FILES = int(os.environ.get("FILES", "40"))
KILLS = int(os.environ.get("KILLS", "3"))
VISITS = 100
PATIENCE = 7200.0
SEED = 17
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
VITALS = (("HR", 80.0, 60, 100), ("SBP", 120.0, 90, 140), ("TEMP", 36.8, 36, 38), ("RR", 16.0, 12, 20))
OBSERVED = (
    "visit_id",
    "client",
    "observation_date",
    "observation_type_code",
    "observation_value",
    "reference_range_min",
    "reference_range_max",
)


def write(path: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def fill(inbox: Path) -> dict[str, set[str]]:
    """Files of all kinds: observations alone, pairs, the same bytes again, and one of another job. Returns the visits of each delivery."""
    drawn = random.Random(SEED)
    visits_of: dict[str, set[str]] = {}
    for number in range(FILES):
        ids = range(number * 50, number * 50 + VISITS)  # half of them are in the next file too
        observed = [
            (
                visit,
                f"C{visit}",
                (NOON - timedelta(hours=8 - hour)).isoformat(),
                code,
                value + drawn.gauss(0, 3),
                low,
                high,
            )
            for visit in ids
            for hour, (code, value, low, high) in enumerate(VITALS * 2)
        ]
        name = f"ward{number:04}"
        if number % 3:
            write(inbox / f"{name}.csv", OBSERVED, observed)
        else:
            write(inbox / f"{name}.patient_observations.csv", OBSERVED, observed)
            rows = [(visit, f"C{visit}", (NOON - timedelta(hours=9)).isoformat(), 60) for visit in ids]
            write(inbox / f"{name}.visits.csv", ("visit_id", "client", "admitted_at", "age_years"), rows)
        visits_of[name] = {str(visit) for visit in ids}
    return visits_of


@pytest.fixture
def environment(home: Path) -> Iterator[dict[str, str]]:
    """That of a site with an embedded PostgreSQL of its own, which is stopped at the end."""
    (home / "killed").mkdir()
    environment = {**os.environ, "SCORER_HOME": str(home / "killed")}
    subprocess.run([SCRIPT, "db", "start"], env=environment, check=True, capture_output=True)
    yield environment
    subprocess.run([SCRIPT, "db", "stop"], env=environment, check=True, capture_output=True)


def started(environment: dict[str, str], inbox: Path, outbox: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [SCRIPT, "files", "sepsis", "--in", inbox, "--out", outbox, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_one_more(process: subprocess.Popen[str], outbox: Path) -> None:
    """Wait until the process has settled a file of its own, or has ended."""
    receipts = outbox / ".scorer" / "receipts"
    before = len(list(receipts.glob("*.json")))
    while process.poll() is None and len(list(receipts.glob("*.json"))) <= before:
        time.sleep(0.01)


def visits_in(path: Path) -> list[str]:
    with path.open(newline="") as file:
        return [row["visit_id"] for row in csv.DictReader(file)]


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.timeout(PATIENCE)
@pytest.mark.long
def test_every_file_is_accounted_for_exactly_once_however_often_the_process_is_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    inbox, outbox = tmp_path / "in", tmp_path / "out"
    inbox.mkdir()
    visits_of = fill(inbox)
    (inbox / "again.csv").write_bytes((inbox / "ward0001.csv").read_bytes())
    (inbox / "zbed.csv").write_text("bed,ward\n1,A\n")
    (inbox / "cut.csv").write_text("")
    given = {path.name: sha(path) for path in inbox.iterdir() if not path.name.startswith(".")}
    drawn, killed, began = random.Random(SEED), 0, time.monotonic()
    while killed < KILLS:
        process = started(environment, inbox, outbox)
        if drawn.random() < 0.2:  # somewhere in its start
            time.sleep(drawn.uniform(0.5, 6.0))
        else:
            wait_for_one_more(process, outbox)
            time.sleep(drawn.uniform(0.0, 1.0))
        assert process.poll() is None, "\n".join(process.communicate())
        process.kill()
        process.communicate()
        killed += 1
    process = started(environment, inbox, outbox)
    out, err = process.communicate(timeout=PATIENCE)
    told = json.loads(out)
    assert told["bugs"] == 0, err
    # Those that cannot be scored may have been set aside by a process that was killed later.
    assert process.returncode == (1 if told["failed"] else 0), err
    assert ("cannot be scored" in err) == (told["failed"] > 0)

    done = {path.name: sha(path) for path in (inbox / "done").iterdir() if path.suffix == ".csv"}
    failed = {path.name: sha(path) for path in (inbox / "failed").iterdir() if path.suffix == ".csv"}
    assert done | failed == given
    assert set(failed) == {"zbed.csv", "cut.csv"}
    assert not [path for path in (inbox / "working").iterdir() if path.suffix == ".csv"]
    assert {path.name for path in inbox.iterdir()} == {".scorer.lock", "done", "failed", "working"}

    predictions = {path.name for path in outbox.glob("predictions_*")}
    twins = {"again", "ward0001"}  # the first of the two to come is scored
    assert len(predictions) == FILES
    named = {path.removeprefix("predictions_").removesuffix(".csv") for path in predictions}
    assert named - twins == set(visits_of) - twins
    for name in named:
        visits = visits_in(outbox / f"predictions_{name}.csv")
        assert Counter(visits) == Counter(visits_of["ward0001" if name == "again" else name]), name
    assert len(list((inbox / "done").glob("*.known.txt"))) == 1
    assert len(list((outbox / ".scorer" / "receipts").iterdir())) == FILES
    assert sorted(path.name for path in (outbox / ".scorer").iterdir()) == ["receipts"]

    url = subprocess.run([SCRIPT, "db", "url"], env=environment, check=True, capture_output=True, text=True).stdout
    with closing(psycopg2.connect(url.strip())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'scorer_files%'")
        assert cursor.fetchall() == []
    print(f"\n{FILES} files, {killed} kills, {time.monotonic() - began:.0f} s")
