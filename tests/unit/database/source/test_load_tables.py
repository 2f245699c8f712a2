"""Which files are loaded, and which columns of them, as the database has them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from scorer.database.source.files.csv_fields import ColumnType
from scorer.database.source.load_tables import File, columns_to_fill, files_in, source_tables
from scorer.errors import UserError

TABLES = source_tables()


class TestFiles:
    def test_that_are_optional_may_be_missing(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "patient_observations.csv.gz"):
            (tmp_path / name).touch()
        found = files_in(tmp_path, TABLES)
        assert [file.path.name for file in found] == ["visits.csv", "patient_observations.csv.gz"]

    def test_that_are_required_may_not(self, tmp_path: Path) -> None:
        (tmp_path / "visits.csv").touch()
        with pytest.raises(UserError, match=r"neither patient_observations\.csv nor patient_observations\.csv\.gz"):
            files_in(tmp_path, TABLES)

    def test_may_not_be_there_twice(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "visits.csv.gz"):
            (tmp_path / name).touch()
        with pytest.raises(UserError, match=r"both visits\.csv and visits\.csv\.gz"):
            files_in(tmp_path, TABLES)

    def test_are_looked_for_in_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is not a folder"):
            files_in(tmp_path / "nowhere", TABLES)


class TestColumns:
    OUTCOMES = next(table for table in TABLES if table.name == "outcomes")
    FILE = File(Path("outcomes.csv"), OUTCOMES)
    TYPES: ClassVar = {
        "visit_id": ColumnType("int8"),
        "sepsis": ColumnType("int2"),
        "onset_at": ColumnType("timestamptz"),
    }

    def test_are_found_wherever_they_stand(self) -> None:
        columns = columns_to_fill(self.FILE, ["remark", "sepsis", "visit_id"], self.TYPES, zone_is_told=False)
        assert [(column.name, column.position) for column in columns] == [
            ("visit_id", 2),
            ("sepsis", 1),
            ("onset_at", None),
        ]

    def test_with_and_without_a_zone_need_to_know_whose_clock_it_is(self) -> None:
        (table,) = (table for table in TABLES if table.name == "visits")
        types = {name: ColumnType("text") for name in table.columns}
        types |= {"admitted_at": ColumnType("timestamp"), "discharged_at": ColumnType("timestamptz")}
        file = File(Path("visits.csv"), table)
        with pytest.raises(UserError, match="say whose clock those without one show"):
            columns_to_fill(file, table.required, types, zone_is_told=False)
        assert columns_to_fill(file, table.required, types, zone_is_told=True)
