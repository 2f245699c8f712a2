"""The example of a new job: the same whenever it is written, with dirt, and outcomes of each kind."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorer.errors import UserError
from scorer.jobs.folder.example import CLIENTS, EXAMPLE_AS_OF, as_of_example, write_example
from scorer.jobs.job import Task

NOW = datetime(2026, 3, 1, 15, 30, tzinfo=UTC)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("task", Task)
def test_it_is_small_and_of_the_task(tmp_path: Path, task: Task) -> None:
    clients, events, outcomes = write_example(tmp_path, task=task, now=NOW)
    assert len(rows(clients)) == CLIENTS
    assert sum(path.stat().st_size for path in (clients, events, outcomes)) < 500_000
    found = Counter(row["outcome"] for row in rows(outcomes))
    if task is Task.BINARY:
        assert set(found) == {"0", "1"}
        assert min(found.values()) > 40
    elif task is Task.MULTICLASS:
        assert set(found) == {"none", "some", "much"}
        assert min(found.values()) > 20
    else:
        assert all(float(each) >= 0 for each in found)
        assert len(found) > 50


def test_nothing_lies_in_the_future_and_every_outcome_can_be_known(tmp_path: Path) -> None:
    _, events, outcomes = write_example(tmp_path, task=Task.BINARY, now=NOW)
    moments = [row["happened_at"] for row in rows(events) if row["happened_at"] != "yesterday"]
    assert max(map(datetime.fromisoformat, moments)) < NOW
    assert max(datetime.fromisoformat(row["as_of"]) for row in rows(outcomes)) < NOW - timedelta(days=30)


def test_it_has_dirt(tmp_path: Path) -> None:
    _, events, _ = write_example(tmp_path, task=Task.BINARY, now=NOW)
    amounts = Counter(row["amount"] for row in rows(events))
    assert amounts[""] > 5
    assert amounts["999999"] > 5
    assert [row["happened_at"] for row in rows(events)].count("yesterday") == 1


def test_it_is_the_same_but_for_the_dates(tmp_path: Path) -> None:
    one = write_example(tmp_path / "one", task=Task.REGRESSION, now=NOW)
    other = write_example(tmp_path / "other", task=Task.REGRESSION, now=NOW + timedelta(days=3))
    again = write_example(tmp_path / "again", task=Task.REGRESSION, now=NOW)
    assert [path.read_text() for path in one] == [path.read_text() for path in again]
    assert [row["outcome"] for row in rows(one[2])] == [row["outcome"] for row in rows(other[2])]


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_example(tmp_path / "taken", task=Task.BINARY, now=NOW)


def test_an_example_may_say_as_of_when_it_is_looked_at(tmp_path: Path) -> None:
    assert as_of_example(tmp_path) is None
    (tmp_path / EXAMPLE_AS_OF).write_text("2026-11-16T01:00:00+01:00\n")
    assert as_of_example(tmp_path) == datetime(2026, 11, 16, tzinfo=UTC)
    (tmp_path / EXAMPLE_AS_OF).write_text("yesterday")
    with pytest.raises(UserError, match="says 'yesterday', which is no time"):
        as_of_example(tmp_path)
