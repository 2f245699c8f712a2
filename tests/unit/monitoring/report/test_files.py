"""Reports as files: whole or not at all, and kept for so long."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from scorer.errors import UserError
from scorer.monitoring.report.files import make_folder, nightly_file, nightly_files, remove_old, write_file

LAST = date(2026, 11, 28)


def test_a_page_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    file = nightly_file(tmp_path, LAST)
    write_file(file, "one")
    write_file(file, "two – ü")  # noqa: RUF001 - no ASCII
    assert file.read_text(encoding="utf-8") == "two – ü"  # noqa: RUF001
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["scorer-report-2026-11-28.html"]


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for place in (tmp_path / "nowhere" / "x.html", tmp_path / "there"):
        with pytest.raises(UserError, match="cannot be written"):
            write_file(place, "x")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert not list((tmp_path / "there").iterdir())


def test_a_device_is_written_to() -> None:
    write_file(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()


def test_what_was_kept_for_long_enough_is_removed_and_nothing_else(tmp_path: Path) -> None:
    for days in (0, 1, 89, 90, 200):
        nightly_file(tmp_path, LAST - timedelta(days=days)).write_text("x")
    for name in ("scorer-report-2020-99-99.html", "scorer-report-2020-01-01.html.bak", "other-2020-01-01.html"):
        (tmp_path / name).write_text("x")
    assert remove_old(tmp_path, day=LAST, keep=timedelta(days=90)) == 2
    assert [(LAST - day).days for day in nightly_files(tmp_path)] == [89, 1, 0]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    make_folder(tmp_path / "reports")
    make_folder(tmp_path / "reports")
    assert (tmp_path / "reports").stat().st_mode & 0o777 == 0o750
    with pytest.raises(UserError, match="cannot be made"):
        make_folder(tmp_path / "nowhere" / "reports")
    assert nightly_files(tmp_path / "nowhere") == {}
