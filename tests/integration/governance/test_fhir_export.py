"""Exports to FHIR: whole or not at all, each score once however they follow each other, and nothing left out in silence."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.replays import Criteria
from scorer.errors import UserError
from scorer.governance import fhir_export
from scorer.governance.fhir_export import Exported, export, settled
from scorer.governance.recall import recall
from scorer.jobs.job import Job
from tests.integration.fhir_rules import require_valid

VISITS = range(1, 7)
HOUR = timedelta(hours=1)


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Six visits of today, scored by the shipped model."""
    hospital.noon = datetime.now(UTC) - timedelta(minutes=5)
    hospital.admit(*VISITS)
    assert hospital.run().counts.scored == len(VISITS)
    return hospital


def exported(ward: Any, out: Path, *, since: datetime | None = None) -> Exported:
    return export(ward.job, database=Database(ward.url, ward.settings), since=since, out=out)


def lines(out: Path) -> list[dict[str, Any]]:
    """The file's resources, each valid."""
    text = out.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [require_valid(line) for line in text.splitlines()]


def test_an_export_has_each_current_score_and_the_next_has_what_came_since(ward: Any, tmp_path: Path) -> None:
    first = exported(ward, tmp_path / "first.ndjson")
    assert (first.job, first.since, first.final, first.recalled, first.lacking) == ("sepsis", None, 6, 0, {})
    found = lines(tmp_path / "first.ndjson")
    assert {each["subject"]["reference"] for each in found} == {f"Patient/C{visit}" for visit in VISITS}
    assert {each["status"] for each in found} == {"final"}

    nothing = exported(ward, tmp_path / "second.ndjson", since=first.until)
    assert (nothing.since, nothing.final, nothing.recalled) == (first.until, 0, 0)
    assert (tmp_path / "second.ndjson").read_bytes() == b""

    ward.observe(2, hours_ago=-0.01, observation_value=139.0)
    ward.admit(20)
    assert ward.run(as_of=datetime.now(UTC)).counts.scored == 2
    third = exported(ward, tmp_path / "third.ndjson", since=nothing.until)
    assert {each["encounter"]["reference"] for each in lines(tmp_path / "third.ndjson")} == {
        "Encounter/2",
        "Encounter/20",
    }
    assert third.final == 2


def test_a_score_that_was_recalled_since_comes_as_entered_in_error(ward: Any, tmp_path: Path) -> None:
    first = exported(ward, tmp_path / "first.ndjson")
    version = ward.one("SELECT model_version FROM scorer.model_versions WHERE status = 'production'")
    database = Database(ward.url, ward.settings)
    recall("sepsis", Criteria(model_version=version), why="a mix-up", database=database, anyway=True)
    second = exported(ward, tmp_path / "second.ndjson", since=first.until)
    assert (second.final, second.recalled) == (0, 6)
    before = {each["id"]: each for each in lines(tmp_path / "first.ndjson")}
    after = {each["id"]: each for each in lines(tmp_path / "second.ndjson")}
    assert after == {key: {**each, "status": "entered-in-error"} for key, each in before.items()}

    assert ward.run(as_of=datetime.now(UTC)).counts.scored == 6
    third = exported(ward, tmp_path / "third.ndjson", since=second.until)
    assert (third.final, third.recalled) == (6, 0)
    assert not set(before) & {each["id"] for each in lines(tmp_path / "third.ndjson")}
    whole = exported(ward, tmp_path / "whole.ndjson")
    assert (whole.final, whole.recalled) == (6, 6)


def test_scores_that_commit_during_and_between_exports_come_once_each(ward: Any, tmp_path: Path) -> None:
    """Two workers commit batch after batch while one export follows the other."""
    ward.admit(*range(100, 130))
    small = replace(ward.job, batch_size=5)
    ended = threading.Event()

    def score() -> None:
        try:
            for _ in range(3):
                ward.run(small, as_of=datetime.now(UTC), workers=2)
                ward.execute("UPDATE patient_observations SET observation_value = observation_value + 0.25")
        finally:
            ended.set()

    ids: Counter[str] = Counter()
    since: datetime | None = None
    scoring = threading.Thread(target=score)
    scoring.start()
    for number in range(1000):
        last = ended.is_set()
        until = exported(ward, tmp_path / f"{number}.ndjson", since=since).until
        ids.update(each["id"] for each in lines(tmp_path / f"{number}.ndjson"))
        since = until
        if last:
            break
    scoring.join()
    assert number > 3
    assert max(ids.values()) == 1, "a score came twice"
    current = {f"sepsis-{score_id}" for (score_id,) in ward.rows("SELECT score_id FROM reporting.current_scores")}
    assert current <= set(ids), "a score never came"


def test_a_transaction_that_commits_late_with_an_earlier_time_is_waited_for(ward: Any, tmp_path: Path) -> None:
    since = exported(ward, tmp_path / "first.ndjson").until
    writer = ward.connect()
    with closing(writer), writer.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('scorer.recalls sepsis', 0))")
        cursor.execute("UPDATE scorer.current_scores SET scored_at = now() WHERE entity_id = '3'")
        cursor.execute("SELECT now()")
        ((scored_at,),) = cursor.fetchall()
        found: list[Exported] = []
        exporting = threading.Thread(target=lambda: found.append(exported(ward, tmp_path / "late.ndjson", since=since)))
        exporting.start()
        time.sleep(1.5)
        assert not found, "the export did not wait"
        writer.commit()
    exporting.join()
    assert found[0].until > scored_at
    assert [each["encounter"]["reference"] for each in lines(tmp_path / "late.ndjson")] == ["Encounter/3"]


def test_scoring_does_not_wait_for_an_export_that_waits(ward: Any, tmp_path: Path) -> None:
    with closing(ward.connect()) as slow, slow.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('scorer.recalls sepsis', 0))")
        exporting = threading.Thread(target=lambda: exported(ward, tmp_path / "out.ndjson"))
        exporting.start()
        ward.admit(30)
        began = time.monotonic()
        assert ward.run(as_of=datetime.now(UTC)).counts.scored == 1
        assert exporting.is_alive()
        assert time.monotonic() - began < 60
        slow.rollback()
    exporting.join()


def test_a_transaction_that_does_not_end_is_one_sentence_and_another_jobs_is_not_waited_for(
    ward: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fhir_export, "BEGINNING", timedelta(seconds=0.3))
    target = Database(ward.url, ward.settings).as_reader()
    with (
        closing(ward.connect()) as slow,
        slow.cursor() as cursor,
        closing(ReadOnlySession(target, patience=HOUR)) as views,
    ):
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended('scorer.recalls other', 0))")
        assert settled(views, "sepsis", patience=timedelta(seconds=1)) <= datetime.now(UTC)
        with pytest.raises(
            UserError, match=r"A transaction that scores other has gone on for more than 1 s, .*export again"
        ):
            settled(views, "other", patience=timedelta(seconds=1))


def test_a_transaction_of_ours_that_has_just_begun_is_waited_for(ward: Any) -> None:
    """Between its beginning and its first statement it has its time, and no lock yet."""
    target = Database(ward.url, ward.settings).as_reader()
    own = psycopg2.connect(ward.url, application_name="scorer")
    with closing(own), closing(ReadOnlySession(target, patience=HOUR)) as views, own.cursor() as cursor:
        cursor.execute("SELECT 1")  # its transaction is open
        threading.Timer(1.0, own.rollback).start()
        began = time.monotonic()
        settled(views, "sepsis")
        assert 0.5 < time.monotonic() - began < 4


def test_what_has_no_resource_is_counted(ward: Any, tmp_path: Path, changed_job: Callable[..., Job]) -> None:
    ward.execute("UPDATE scorer.current_scores SET attributes = '{}' WHERE entity_id = '2'")
    found = exported(ward, tmp_path / "out.ndjson")
    assert (found.final, found.lacking) == (5, {"client": 1})
    assert len(lines(tmp_path / "out.ndjson")) == 5

    ward.execute("INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('sepsis', 'older', '{}')")
    ward.execute("UPDATE scorer.current_scores SET judged_by_job = 'older' WHERE entity_id IN ('3', '4')")
    assert exported(ward, tmp_path / "out.ndjson").lacking == {"[fhir]": 2, "client": 1}


def test_a_job_without_the_section_and_a_time_to_come_are_one_sentence(
    ward: Any, tmp_path: Path, changed_job: Callable[..., Job]
) -> None:
    section = ward.job.text.split("[fhir]")[1].split("[statements]")[0]
    without = changed_job(("job.toml", f"[fhir]{section}", ""))
    database = Database(ward.url, ward.settings)
    with pytest.raises(UserError, match=r"Job sepsis has no \[fhir\] in its job.toml"):
        export(without, database=database, since=None, out=tmp_path / "out.ndjson")
    with pytest.raises(UserError, match="lies in the future"):
        exported(ward, tmp_path / "out.ndjson", since=datetime.now(UTC) + HOUR)
    assert list(tmp_path.glob("*.ndjson")) == []


def test_what_is_no_file_is_not_put_aside_and_a_link_stays_one(ward: Any, tmp_path: Path) -> None:
    """As root would `--out /dev/null` have put a file in its place."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is no file; name one that is, or that is not there yet"):
        exported(ward, tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert ward.one("SELECT count(*) FROM reporting.audit WHERE action = 'exported'") == 0
    (tmp_path / "newest.ndjson").symlink_to("whole.ndjson")
    exported(ward, tmp_path / "newest.ndjson")
    assert (tmp_path / "newest.ndjson").is_symlink()
    assert len(lines(tmp_path / "whole.ndjson")) == len(VISITS)


def test_a_file_that_cannot_be_written_is_one_sentence_and_leaves_the_one_before(
    ward: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"cannot be written: there is no folder"):
        exported(ward, tmp_path / "nowhere" / "out.ndjson")
    out = tmp_path / "out.ndjson"
    exported(ward, out)
    before = out.read_bytes()
    assert out.stat().st_mode & 0o777 == 0o600

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fhir_export.os, "fsync", full)
    with pytest.raises(UserError, match=r"out.ndjson cannot be written: No space left on device\."):
        exported(ward, out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".out")] == []


def test_lines_are_lines_whatever_a_text_holds(ward: Any, tmp_path: Path) -> None:
    ward.execute(
        "UPDATE scorer.current_scores SET attributes = %s WHERE entity_id = '2'",
        json.dumps({"client": 'a\nb\u2028 "c'}),
    )
    exported(ward, tmp_path / "out.ndjson")
    content = (tmp_path / "out.ndjson").read_bytes().decode()
    assert content.count("\n") == 6
    values = [
        json.loads(line)["subject"].get("identifier", {}).get("value") for line in content.rstrip("\n").split("\n")
    ]
    assert 'a\nb\u2028 "c' in values


def test_a_login_of_one_facility_exports_that_one_and_the_export_is_on_record(hospitals: Any, tmp_path: Path) -> None:
    hospital = hospitals.hospital
    north, none = (hospitals.login(f"seen_{name}", "scorer_reader") for name in ("north", "none"))
    hospitals.grant("seen_north", "north")
    whole = export(hospital.job, database=Database(hospital.url, hospital.settings), since=None, out=tmp_path / "whole")
    assert whole.final + sum(whole.lacking.values()) == len([*hospitals.NORTH, *hospitals.SOUTH, *hospitals.UNKNOWN])
    own = export(hospital.job, database=Database(north, hospital.settings), since=None, out=tmp_path / "own")
    assert {each["encounter"]["reference"] for each in lines(tmp_path / "own")} == {
        f"Encounter/{each}" for each in hospitals.NORTH
    }
    nothing = export(hospital.job, database=Database(none, hospital.settings), since=None, out=tmp_path / "nothing")
    assert (own.final, nothing.final, nothing.recalled, nothing.lacking) == (len([*hospitals.NORTH]), 0, 0, {})
    told = hospital.rows("SELECT actor, subject FROM reporting.audit WHERE action = 'exported' ORDER BY happened_at")
    assert [each for each in told if each[0].startswith("seen_")] == [
        ("seen_north", str(tmp_path / "own")),
        ("seen_none", str(tmp_path / "nothing")),
    ]
