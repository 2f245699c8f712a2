"""What lies in the folder: which files belong together, which are complete, what a dead process had in hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scorer.database.source.load_tables import source_tables
from scorer.errors import UserError
from scorer.runs.files.inbox import Delivery, Inbox, fingerprint


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    tables = source_tables()
    made = Inbox(tmp_path, tables, alone=tables[1])
    made.make()
    return made


def put(inbox: Inbox, *names: str, text: str = "a\n") -> None:
    for name in names:
        (inbox.folder / name).write_text(text)


def settled(inbox: Inbox) -> tuple[list[Delivery], list[Delivery]]:
    inbox.look()
    return inbox.look()


def test_a_file_is_taken_once_it_looks_the_same_twice(inbox: Inbox) -> None:
    put(inbox, "ward.csv")
    assert [each.name for each in inbox.look()[0]] == []
    assert [each.name for each in inbox.look()[0]] == ["ward"]
    put(inbox, "ward.csv", text="more\n")
    ready, waiting = inbox.look()
    assert (ready, [each.told for each in waiting]) == ([], ["ward.csv"])
    assert [each.name for each in inbox.look()[0]] == ["ward"]


def test_a_file_of_the_same_size_that_was_written_again_has_changed(inbox: Inbox) -> None:
    put(inbox, "ward.csv", text="1\n")
    inbox.look()
    put(inbox, "ward.csv", text="2\n")
    assert inbox.look()[0] == []


def test_hidden_files_other_endings_and_folders_are_not_looked_at(inbox: Inbox) -> None:
    put(inbox, ".ward.csv", "~ward.csv", "ward.csv.part", "ward.txt", "ward.csv.filepart", ".csv")
    (inbox.folder / "folder.csv").mkdir()
    assert settled(inbox) == ([], [])


def test_files_of_one_name_are_a_delivery_and_wait_for_each_other(inbox: Inbox) -> None:
    put(inbox, "ward.visits.csv", "ward.3.csv")
    ready, waiting = settled(inbox)
    assert [each.name for each in ready] == ["ward.3"]
    assert [each.lacks for each in waiting] == [("ward.patient_observations.csv",)]
    put(inbox, "ward.patient_observations.csv.gz")
    ready, _ = settled(inbox)
    assert [(each.name, each.alone) for each in ready] == [("ward", False), ("ward.3", True)]
    assert [file.table.name for file in inbox.tables_of(ready[0])] == ["visits", "patient_observations"]
    assert [file.table.name for file in inbox.tables_of(ready[1])] == ["patient_observations"]


def test_a_table_that_is_there_twice_is_a_fault(inbox: Inbox) -> None:
    put(inbox, "ward.visits.csv", "ward.visits.csv.gz", "ward.patient_observations.csv")
    ((delivery,), _) = settled(inbox)
    assert delivery.fault == "ward.visits is there both as .csv and as .csv.gz; take one of them away."


def test_a_job_of_several_tables_takes_no_file_without_one(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, source_tables(), alone=None)
    put(inbox, "ward.csv")
    ((delivery,), _) = settled(inbox)
    assert delivery.fault is not None
    assert "NAME.visits.csv and NAME.patient_observations.csv" in delivery.fault


def test_what_was_in_hand_is_found_with_what_had_not_come_to_be_moved(inbox: Inbox) -> None:
    put(inbox, "ward.visits.csv", "ward.patient_observations.csv", "other.csv")
    ((_, delivery), _) = settled(inbox)
    (inbox.folder / "ward.visits.csv").rename(inbox.folder / "working" / "ward.visits.csv")
    (left,) = inbox.left()
    assert (left.name, left.lacks, len(left.files)) == ("ward", (), 2)
    taken = inbox.take(left)
    assert {path.parent.name for _, path in taken.files} == {"working"}
    assert {path.name for _, path in taken.files} == {path.name for _, path in delivery.files}
    assert [each.name for each in inbox.left()] == ["ward"]


def test_a_delivery_is_given_back_but_over_no_other(inbox: Inbox) -> None:
    put(inbox, "ward.csv", text="first\n")
    ((delivery,), _) = settled(inbox)
    taken = inbox.take(delivery)
    put(inbox, "ward.csv", text="second\n")
    inbox.give_back(taken)
    assert (inbox.folder / "ward.csv").read_text() == "second\n"
    assert (inbox.folder / "working" / "ward.csv").read_text() == "first\n"
    (inbox.folder / "ward.csv").unlink()
    inbox.give_back(taken)
    assert (inbox.folder / "ward.csv").read_text() == "first\n"


def test_a_fingerprint_is_of_bytes_and_not_of_names(inbox: Inbox) -> None:
    put(inbox, "a.csv", "b.csv", text="same\n")
    put(inbox, "c.csv", text="other\n")
    ((a, b, c), _) = settled(inbox)
    assert fingerprint(a, "job") == fingerprint(b, "job")
    assert len({fingerprint(a, "job"), fingerprint(c, "job"), fingerprint(a, "another job")}) == 3


def test_a_file_that_cannot_be_read_is_the_operators(inbox: Inbox) -> None:
    put(inbox, "a.csv")
    ((delivery,), _) = settled(inbox)
    (inbox.folder / "a.csv").unlink()
    with pytest.raises(UserError, match=r"a\.csv cannot be read"):
        fingerprint(delivery)


def test_what_may_be_missing_is_not_left_behind_by_a_process_that_died(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits, observations, outcomes = source_tables()
    inbox = Inbox(inbox.folder, (visits, observations, replace(outcomes, name="works")), alone=None)
    names = ("ward.patient_observations.csv", "ward.visits.csv", "ward.works.csv")
    put(inbox, *names)
    ((delivery,), _) = settled(inbox)
    rename = Path.rename
    for most in range(1, 3):
        moved: list[Path] = []

        def dying(path: Path, place: Path, moved: list[Path] = moved, most: int = most) -> Path:
            if len(moved) == most:
                raise KeyboardInterrupt
            moved.append(path)
            return rename(path, place)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", dying)
            with pytest.raises(KeyboardInterrupt):
                inbox.take(delivery)
        (left,) = inbox.left()
        assert {path.name for _, path in left.files} == set(names)
        for path in moved:
            rename(inbox.folder / "working" / path.name, path)


def test_half_a_delivery_whose_other_half_was_taken_away_waits_again(inbox: Inbox) -> None:
    put(inbox, "ward.patient_observations.csv", "ward.visits.csv")
    ((delivery,), _) = settled(inbox)
    (inbox.folder / "ward.visits.csv").unlink()
    with pytest.raises(FileNotFoundError):
        inbox.take(delivery)
    assert inbox.left() == []
    _, (waiting,) = inbox.look()
    assert waiting.lacks == ("ward.visits.csv",)


def test_what_two_deliveries_left_is_found(inbox: Inbox) -> None:
    put(inbox, "ward.visits.csv", "ward.patient_observations.csv", "other.csv")
    for name in ("ward.visits.csv", "other.csv"):
        (inbox.folder / name).rename(inbox.folder / "working" / name)
    assert [(each.name, each.lacks) for each in inbox.left()] == [("other", ()), ("ward", ())]


def test_what_came_anew_of_a_delivery_in_hand_is_another(inbox: Inbox) -> None:
    names = ("ward.patient_observations.csv", "ward.visits.csv")
    put(inbox, *names, text="first\n")
    (inbox.folder / names[0]).rename(inbox.folder / "working" / names[0])
    put(inbox, names[0], text="second\n")
    (left,) = inbox.left()
    assert left.fault is None
    taken = inbox.take(left)
    assert [path.read_text() for _, path in taken.files] == ["first\n", "first\n"]
    assert (inbox.folder / names[0]).read_text() == "second\n"
