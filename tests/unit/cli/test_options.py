"""What the commands share: times with a zone, the workers' options, and which database is in use."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from scorer.cli import options
from scorer.cli.options import Moment, database_url, embedded_server, how_to_connect, reject_file, with_backend
from scorer.config import Settings
from scorer.errors import UserError


@pytest.mark.parametrize("text", ["2025-06-01T12:00:00Z", "2025-06-01T14:00+02:00", "2025-06-01 07:00:00-05:00"])
def test_a_time_is_read_in_utc(text: str) -> None:
    read = Moment().convert(text, None, None)
    assert read == datetime(2025, 6, 1, 12, tzinfo=UTC)
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2025-06-01", "has no time zone; write it as 2025-06-01T00:00:00Z or 2025-06-01T00:00:00+02:00"),
        ("noon", '"noon" is not a time; write it as 2025-06-01T00:00:00Z'),
        ("", '"" is not a time'),
        ("0001-01-01", '"0001-01-01" lies before 1900'),
        ("0001-01-01T00:00:00+14:00", "lies before 1900, when nothing was recorded; write it as 2025-06-01T00:00:00Z"),
        ("9999-12-31T23:59:59-01:00", "lies beyond all calendars; write it as 2025-06-01T00:00:00Z"),
    ],
)
def test_any_other_time_is_refused(text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        Moment().convert(text, None, None)
    assert words in str(refused.value)


def test_the_command_line_decides_what_the_workers_are() -> None:
    settings = Settings(backend="threads", scheduler="tcp://one:1")
    same = with_backend(settings, backend=None, scheduler=None)
    assert (same.backend, same.scheduler) == ("threads", "tcp://one:1")
    other = with_backend(settings, backend="dask", scheduler="tcp://two:2")
    assert (other.backend, other.scheduler) == ("dask", "tcp://two:2")
    with pytest.raises(UserError, match="--scheduler is for a Dask cluster; add --backend dask"):
        with_backend(settings, backend=None, scheduler="tcp://two:2")


def test_the_database_is_the_one_that_is_named() -> None:
    settings = Settings(database_url="postgresql://u@h/d")
    assert database_url(settings) == "postgresql://u@h/d"
    with pytest.raises(UserError, match="is not ours to start or stop"):
        embedded_server(settings)


def test_an_embedded_server_that_is_stopped_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`scorer db start` starts it"):
        database_url(Settings(home=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_to_type_is_the_name_or_else_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/scorer"])
    monkeypatch.setattr(options.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert how_to_connect() == 'psql "$(scorer db url)"'
    monkeypatch.setattr(options.shutil, "which", lambda _: None)
    assert how_to_connect() == 'psql "$(/opt/venv/bin/scorer db url)"'


def test_a_reject_file_is_named_for_its_folder(tmp_path: Path) -> None:
    path = reject_file(Settings(home=tmp_path), Path("/data/ward"))
    assert path.parent == tmp_path / "rejects"
    assert path.name.startswith("ward-2")
