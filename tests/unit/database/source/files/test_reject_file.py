"""The reject file: for its owner alone, there where rows were rejected, and gone where the load failed for another reason."""

from __future__ import annotations

import csv
import stat
from pathlib import Path

import pytest

from scorer.database.source.files.reject_file import NothingLoaded, Rejected, RejectFile
from scorer.errors import UserError


def test_holds_each_row_with_its_reasons(tmp_path: Path) -> None:
    path = tmp_path / "rejects" / "rows.csv"
    with RejectFile(path) as rejects:
        rejects.add("visits.csv", [Rejected(2, ("a", "b"), "1,x\r\n"), Rejected(3, ("b",), "2,y\n")])
        rejects.add(
            "outcomes.csv",
            [Rejected(2, ("id is already on line 7",), "z"), Rejected(3, ("id is already on line 8",), "z")],
        )
    assert rejects.count == 4
    assert rejects.most_frequent("visits.csv") == ("b", 2)
    assert rejects.most_frequent("outcomes.csv") == ("id is already on another line", 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[:3] == [
            ["file", "line", "reason", "row"],
            ["visits.csv", "2", "a; b", "1,x"],
            ["visits.csv", "3", "b", "2,y"],
        ]


@pytest.mark.parametrize(("failure", "is_kept"), [(UserError, False), (ValueError, False), (NothingLoaded, True)])
def test_is_kept_where_it_says_why_nothing_was_loaded(
    tmp_path: Path, failure: type[Exception], *, is_kept: bool
) -> None:
    def fail() -> None:
        with RejectFile(tmp_path / "rows.csv") as rejects:
            rejects.add("visits.csv", [Rejected(2, ("a",), "1")])
            raise failure

    with pytest.raises(failure):
        fail()
    assert (tmp_path / "rows.csv").exists() == is_kept


def test_is_not_made_where_no_row_is_rejected(tmp_path: Path) -> None:
    with RejectFile(tmp_path / "rows.csv"):
        pass
    assert not (tmp_path / "rows.csv").exists()
