"""What becomes of every kind of file: scored, known, set aside, waiting; and of every row and visit in it."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scorer.database.source.files.csv_dialect import Writing
from scorer.errors import DatabaseUnavailable, UserError
from scorer.runs.files.conduct import Order, require_folders
from scorer.runs.files.outbox import Outbox
from tests.integration.runs.files.conftest import NOON, OBSERVED, VISITS, Site, admitted, observed, read, write


def test_the_guides_seven_columns_are_enough(site: Site) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1, 2, 3))
    summary = site.deal()
    assert (summary.scored, summary.entities, summary.counts.scored) == (1, 3, 3)
    rows = site.predictions("ward")
    assert [(row["visit_id"], row["client"], row["status"]) for row in rows] == [
        ("1", "C1", "SCORED"),
        ("2", "C2", "SCORED"),
        ("3", "C3", "SCORED"),
    ]
    assert {row["as_of"] for row in rows} == {(NOON - timedelta(hours=1)).isoformat()}  # the last observation's time
    assert {row["model_version"] for row in rows} == {summary.model_version}
    assert all(0 < float(row["sepsis_probability"]) < 1 and row["risk_level"] for row in rows)
    assert (site.names("done"), site.names("working"), site.names("failed")) == (["ward.csv"], [], [])
    assert sorted(path.name for path in site.outbox.iterdir()) == [".scorer", "predictions_ward.csv"]


def test_as_of_a_time_later_observations_are_not_known(site: Site) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))
    site.deal(as_of=NOON - timedelta(hours=5))
    (row,) = site.predictions("ward")
    assert (row["status"], row["reason"]) == ("INSUFFICIENT", "4 usable observations, 5 needed")
    assert row["sepsis_probability"] == row["risk_level"] == row["valid_until"] == ""


def test_of_observations_alone_each_visit_is_scored_as_of_its_own_last_one(site: Site) -> None:
    before = NOON - timedelta(days=2)
    write(site.inbox / "ward.csv", OBSERVED, [*observed(1), *observed(2, noon=before)])
    site.deal()
    hour = timedelta(hours=1)
    assert [row["as_of"] for row in site.predictions("ward")] == [
        (NOON - hour).isoformat(),
        (before - hour).isoformat(),
    ]
    (site.inbox / "done" / "ward.csv").rename(site.inbox / "again.csv")
    site.deal(as_of=NOON)  # another question of the same bytes
    assert [row["as_of"] for row in site.predictions("again")] == [NOON.isoformat()] * 2


def test_visits_and_observations_are_scored_together_packed_or_not(site: Site) -> None:
    write(site.inbox / "ward.visits.csv", VISITS, admitted(1, 2))
    plain = write(site.inbox / "plain", OBSERVED, observed(1, 2))
    (site.inbox / "ward.patient_observations.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    site.deal()
    assert site.statuses("ward") == {"1": "SCORED", "2": "SCORED"}
    assert site.names("done") == ["ward.patient_observations.csv.gz", "ward.visits.csv"]
    assert {row["as_of"] for row in site.predictions("ward")} == {(NOON - timedelta(hours=1)).isoformat()}


def test_every_visit_that_is_named_has_its_row(site: Site) -> None:
    far = (NOON + timedelta(hours=1)).isoformat()
    visits = [*admitted(1, 2), (3, "C3", far, None, 50)]
    rows = [*observed(1), *observed(2)[:3], *observed(9)]
    write(site.inbox / "ward.visits.csv", VISITS, visits)
    write(site.inbox / "ward.patient_observations.csv", OBSERVED, rows)
    site.deal(as_of=NOON)
    assert site.statuses("ward") == {"1": "SCORED", "2": "INSUFFICIENT", "3": "NOT_DUE", "9": "QUARANTINED"}
    assert {row["reason"] for row in site.predictions("ward") if row["visit_id"] == "9"} == {"entity_exists"}


def test_a_visit_of_two_clients_is_held(site: Site) -> None:
    rows = [(visit, "X" if number == 7 else client, *rest) for number, (visit, client, *rest) in enumerate(observed(1))]
    write(site.inbox / "ward.csv", OBSERVED, [*rows, *observed(2)])
    site.deal()
    assert site.statuses("ward") == {"1": "QUARANTINED", "2": "SCORED"}


def test_rows_that_cannot_be_loaded_are_beside_with_line_and_reason(site: Site) -> None:
    rows = observed(1, 2)
    rows[2] = (*rows[2][:4], "haemolysed", *rows[2][5:])
    write(site.inbox / "ward.csv", OBSERVED, rows)
    summary = site.deal()
    assert (summary.scored, summary.rejected) == (1, 1)
    ((file, line, reason),) = [
        (row["file"], row["line"], row["reason"]) for row in read(site.outbox / "rejects_ward.csv")
    ]
    assert (file, line) == ("ward.csv", "4")
    assert "observation_value" in reason
    assert len(site.predictions("ward")) == 2


def test_times_without_a_zone_need_one(site: Site) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1, zone=False))
    summary = site.deal()
    assert (summary.scored, summary.failed) == (0, 1)
    assert site.names("failed") == ["ward.csv", "ward.reason.txt"]
    reason = (site.inbox / "failed" / "ward.reason.txt").read_text()
    assert "none of its 8 rows can be loaded" in reason
    assert str(site.outbox / "rejects_ward.csv") in reason
    assert len(read(site.outbox / "rejects_ward.csv")) == 8
    (site.inbox / "failed" / "ward.csv").rename(site.inbox / "ward.csv")
    site.deal(writing=Writing(zone=ZoneInfo("Europe/Berlin")))
    (path,) = site.outbox.glob("predictions_*.csv")
    (row,) = read(path)
    assert row["as_of"] == (NOON - timedelta(hours=3)).isoformat()  # what a clock in Berlin shows in summer


def test_one_bad_file_stops_no_other(site: Site) -> None:
    (site.inbox / "a_empty.csv").write_text("")
    (site.inbox / "b_beds.csv").write_text("bed,ward\n1,A\n")
    (site.inbox / "c_latin.csv").write_bytes(
        ",".join(OBSERVED).encode() + b"\n1,M\xfcller,2025-06-01T10:00:00Z,HR,1,1,1\n"
    )
    (site.inbox / "d_cut.csv.gz").write_bytes(gzip.compress(b"x" * 10_000)[:40])
    write(site.inbox / "e_good.csv", OBSERVED, observed(1))
    write(site.inbox / "f_pair.visits.csv", VISITS, admitted(1))
    (site.inbox / "f_pair.visits.csv.gz").write_bytes(b"")
    write(site.inbox / "f_pair.patient_observations.csv", OBSERVED, observed(1))
    (site.inbox / "g_none.csv").write_text(",".join(OBSERVED) + "\n")
    summary = site.deal()
    assert (summary.scored, summary.failed, summary.bugs) == (2, 5, 0)
    reasons = {path.name.split(".")[0]: path.read_text() for path in (site.inbox / "failed").glob("*.reason.txt")}
    assert sorted(reasons) == ["a_empty", "b_beds", "c_latin", "d_cut", "f_pair"]
    assert "has no header" in reasons["a_empty"]
    assert (
        "b_beds.csv lacks the columns visit_id, client, observation_date, observation_type_code, observation_value"
        in reasons["b_beds"]
    )
    assert "UTF-8" in reasons["c_latin"]
    assert "there both as .csv and as .csv.gz" in reasons["f_pair"]
    assert all(reason.count("\n") == 1 for reason in reasons.values())
    assert site.statuses("e_good") == {"1": "SCORED"}
    assert site.statuses("g_none") == {}
    assert site.names("working") == []


LATIN = os.fsdecode(b"caf\xe9.csv")


ODD_NAMES = [LATIN, "two\nlines.csv", "n" * 251 + ".csv", "ü" * 125 + ".csv", "'; --{}.csv", " a b ä.csv"]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_whatever_a_file_is_called_it_is_accounted_for_and_stops_no_other(site: Site, name: str) -> None:
    write(site.inbox / name, OBSERVED, observed(1))
    write(site.inbox / "z.csv", OBSERVED, observed(2))
    assert (summary := site.deal()).scored == 2, summary
    assert site.statuses("z") == {"2": "SCORED"}
    assert len(site.names("done")) == len(list(site.outbox.glob("predictions_*"))) == 2
    write(site.inbox / name, OBSERVED, observed(1))
    assert site.deal().known == 1
    write(site.inbox / name, ("bed", "ward"), [(1, 2)])
    write(site.inbox / "y.csv", OBSERVED, [*observed(3), (4, "C4", "yesterday", "HR", 1, 1, 1)])
    summary = site.deal()
    assert (summary.scored, summary.failed) == (1, 1)
    write(site.inbox / name, OBSERVED, [(4, "C4", "yesterday", "HR", 1, 1, 1)])
    assert site.deal().failed == 1
    assert site.names("working") == []
    assert [path.name for path in site.inbox.glob("*.csv")] == []


def test_a_name_that_leads_nowhere_stops_nothing(site: Site) -> None:
    (site.inbox / "loop.csv").symlink_to("loop.csv")
    (site.inbox / "gone.csv").symlink_to("nothing.csv")
    write(site.inbox / "z.csv", OBSERVED, observed(2))
    assert site.deal().scored == 1


def test_a_bug_that_a_file_brings_to_light_stops_no_other(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.inbox / "a.csv", OBSERVED, observed(1))
    write(site.inbox / "b.csv", OBSERVED, observed(2))
    judge = site.scratch.judge

    def strange(files: object, **more: object) -> object:
        if files[0].path.name == "a.csv":  # type: ignore[index]
            raise ZeroDivisionError
        return judge(files, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(site.scratch, "judge", strange)
    summary = site.deal()
    assert (summary.scored, summary.failed, summary.bugs) == (1, 1, 1)
    assert (site.inbox / "failed" / "a.reason.txt").read_text() == "a bug: ZeroDivisionError\n"


def test_the_same_bytes_are_scored_once_whatever_they_are_called(site: Site) -> None:
    first = write(site.inbox / "ward.csv", OBSERVED, observed(1)).read_bytes()
    site.deal()
    made = (site.outbox / "predictions_ward.csv").read_bytes()
    (site.inbox / "ward.csv").write_bytes(first)
    (site.inbox / "other.csv").write_bytes(first)
    summary = site.deal()
    assert (summary.scored, summary.known) == (0, 2)
    assert sorted(path.name for path in site.outbox.glob("predictions_*")) == ["predictions_ward.csv"]
    assert (site.outbox / "predictions_ward.csv").read_bytes() == made
    assert site.names("done") == ["other.csv", "other.known.txt", "ward-2.csv", "ward-2.known.txt", "ward.csv"]
    told = (site.inbox / "done" / "other.known.txt").read_text()
    assert told == "The same bytes as ward.csv, scored before: see predictions_ward.csv.\n"


def test_another_file_of_the_same_name_takes_nothing_away(site: Site) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))
    site.deal()
    write(site.inbox / "ward.csv", OBSERVED, observed(2))
    site.deal()
    assert site.statuses("ward") == {"1": "SCORED"}
    assert site.statuses("ward-2") == {"2": "SCORED"}
    assert site.names("done") == ["ward-2.csv", "ward.csv"]


def test_the_same_visit_in_two_files_is_scored_by_each_alone(site: Site) -> None:
    write(site.inbox / "a.csv", OBSERVED, observed(1)[:5])
    write(site.inbox / "b.csv", OBSERVED, observed(1))
    summary = site.deal()
    assert summary.counts.scored == 2
    assert site.predictions("a")[0]["as_of"] < site.predictions("b")[0]["as_of"]


def test_half_a_delivery_waits(site: Site) -> None:
    write(site.inbox / "ward.visits.csv", VISITS, admitted(1))
    summary = site.deal()
    assert (summary.scored, summary.lacking) == (0, ("ward.visits.csv",))
    write(site.inbox / "ward.patient_observations.csv", OBSERVED, observed(1))
    assert site.deal().scored == 1


def test_a_file_that_is_still_being_written_is_let_be(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))
    rest = site.inbox / "ward.csv"

    def append(*_: object) -> None:
        with rest.open("a") as file:
            file.write("1,C1,2025-06-01T11:30:00Z,HR,80,60,100\n")

    monkeypatch.setattr("scorer.runs.files.conduct.time.sleep", append)
    summary = site.deal()
    assert (summary.scored, summary.waiting) == (0, ("ward.csv",))
    monkeypatch.undo()
    assert site.deal().scored == 1


def test_a_file_that_grows_while_it_is_scored_is_scored_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))
    judge, seen = site.scratch.judge, []

    def grow(files: object, **more: object) -> object:
        done = judge(files, **more)  # type: ignore[arg-type]
        if not seen:
            with files[0].path.open("a") as file:  # type: ignore[index]
                file.write("1,C1,2025-06-01T11:30:00Z,HR,80,60,100\n")
        seen.append(done)
        return done

    monkeypatch.setattr(site.scratch, "judge", grow)
    site.deal()
    assert len(seen) == 2
    assert site.predictions("ward")[0]["as_of"] == "2025-06-01T11:30:00+00:00"


def test_a_database_that_is_gone_leaves_the_file_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))

    def gone(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("gone")

    with monkeypatch.context() as patch:
        patch.setattr(site.scratch, "judge", gone)
        with pytest.raises(DatabaseUnavailable):
            site.deal()
    assert (site.inbox / "ward.csv").exists()
    assert site.names("failed") == site.names("working") == []
    assert site.deal().scored == 1


def test_a_full_disk_loses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.inbox / "ward.csv", OBSERVED, observed(1))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    for place in ("scorer.runs.files.conduct.write_predictions", "scorer.runs.files.outbox._synchronise"):
        with monkeypatch.context() as patch:
            patch.setattr(place, full)
            with pytest.raises(OSError, match="No space"):
                site.deal()
        assert (site.inbox / "ward.csv").exists()
        assert not list(site.outbox.glob("predictions_*"))
    assert site.deal().scored == 1


def test_what_a_dead_process_had_settled_or_in_hand_is_finished_first(site: Site) -> None:
    site.deal()
    write(site.inbox / "working" / "hand.csv", OBSERVED, observed(1))
    settled = write(site.inbox / "working" / "settled.csv", OBSERVED, observed(2))
    outbox = Outbox(site.outbox)
    outbox.clear()
    (outbox.staged / "predictions.csv").write_text("visit_id\n2\n")
    outbox.finish = lambda: None  # type: ignore[method-assign]
    outbox.settle(
        moves=[
            (outbox.staged / "predictions.csv", site.outbox / "predictions_settled.csv"),
            (settled, site.inbox / "done" / "settled.csv"),
        ],
        notes={},
        key="ff",
        receipt={},
    )
    assert site.deal().scored == 1
    assert site.statuses("hand") == {"1": "SCORED"}
    assert (site.outbox / "predictions_settled.csv").read_text() == "visit_id\n2\n"
    assert site.names("done") == ["hand.csv", "settled.csv"]


def test_it_stops_after_the_delivery_in_hand(site: Site) -> None:
    for name in "abc":
        write(site.inbox / f"{name}.csv", OBSERVED, observed(ord(name)))
    summary = site.deal(watch=True, stopping=lambda: any(site.outbox.glob("predictions_*")))
    assert summary.scored == 1
    assert sorted(path.name for path in site.inbox.glob("*.csv")) == ["b.csv", "c.csv"]


def test_what_comes_while_it_watches_is_scored(site: Site) -> None:
    looks = iter(range(1000))

    def stopping() -> bool:
        number = next(looks)
        if number == 5:
            write(site.inbox / "late.csv", OBSERVED, observed(4))
        return (site.outbox / "predictions_late.csv").exists() or number == 999

    assert site.deal(watch=True, stopping=stopping).scored == 1


def test_times_in_the_future_are_no_time_of_the_files(site: Site) -> None:
    rows = observed(1)
    rows.append((1, "C1", (datetime.now(UTC) + timedelta(days=9)).isoformat(), "HR", 80, 60, 100))
    write(site.inbox / "ward.csv", OBSERVED, rows)
    site.deal()
    (row,) = site.predictions("ward")
    assert (row["status"], row["as_of"]) == ("SCORED", (NOON - timedelta(hours=1)).isoformat())


@pytest.mark.parametrize(
    ("inbox", "outbox", "sentence"),
    [
        ("none", "out", "is not a folder; name the one that the files come into"),
        ("in", "in", "is where files come into"),
        ("in", "in/done", "is where files come into"),
        ("in", "in/file/out", "cannot be made: Not a directory"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, inbox: str, outbox: str, sentence: str) -> None:
    (tmp_path / "in" / "done").mkdir(parents=True)
    (tmp_path / "in" / "file").touch()
    with pytest.raises(UserError, match=sentence):
        require_folders(Order(tmp_path / inbox, tmp_path / outbox))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_nobody_may_write_to(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written to"):
        require_folders(Order(tmp_path / "in", tmp_path / "out"))
