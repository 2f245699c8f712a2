"""Which files are loaded, rows as COPY takes them; statements, tables.toml and calls name the same columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorer.database.source import load
from scorer.database.source.csv_rows import Row
from scorer.errors import UserError

TABLES = load._tables()


def test_all_faults_of_a_row_are_reported_at_once() -> None:
    columns = [
        load._Column("visit_id", 0, load._Type("int8", must_have=True)),
        load._Column("value", 2, load._Type("float8", must_have=False)),
        load._Column("unit", None, load._Type("text", must_have=False)),
    ]
    rows = [
        Row(line, "", fields, None) for line, fields in enumerate([["1", "", ""], ["", "", "high"], ["x", "", "1"]])
    ]
    copied, faults = load._converted(rows, columns)
    assert copied == ["0\t1\t\\N\t\\N\n"]
    assert faults == {
        1: "visit_id is empty; value is not a number",
        2: "visit_id is not a whole number",
    }


class TestFiles:
    def test_that_are_optional_may_be_missing(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "patient_observations.csv.gz"):
            (tmp_path / name).touch()
        found = load._files(tmp_path, TABLES)
        assert [file.path.name for file in found] == ["visits.csv", "patient_observations.csv.gz"]

    def test_that_are_required_may_not(self, tmp_path: Path) -> None:
        (tmp_path / "visits.csv").touch()
        with pytest.raises(UserError, match=r"neither patient_observations\.csv nor patient_observations\.csv\.gz"):
            load._files(tmp_path, TABLES)

    def test_may_not_be_there_twice(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "visits.csv.gz"):
            (tmp_path / name).touch()
        with pytest.raises(UserError, match=r"both visits\.csv and visits\.csv\.gz"):
            load._files(tmp_path, TABLES)

    def test_are_looked_for_in_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is not a folder"):
            load._files(tmp_path / "nowhere", TABLES)


class TestStatements:
    """Each file of sql/source is asked for by a call, each call finds its file, and columns are those of tables.toml."""

    FOLDER = load._folder()

    def test_match_the_calls_both_ways(self) -> None:
        source = Path(load.__file__).read_text(encoding="utf-8")
        named = set(re.findall(r'_statement\(f?"(\w+)(?:"|\{)', source))
        asked = {"one_load_at_a_time", "columns", "analyze"}
        for table in TABLES:
            verbs = ["create_", "stage_", "copy_", "pass_known_", "insert_"] + ["refuse_taken_"] * table.unique
            asked |= {f"{verb}{table.name}" for verb in verbs}
            named |= {f"{verb}{table.name}" for verb in verbs if verb in named}
        others = "".join(path.read_text(encoding="utf-8") for path in Path(load.__file__).parent.glob("*.py"))
        there = {path.stem for path in self.FOLDER.glob("*.sql")}
        of_any_table = {name for name in there if name.endswith("_rows")}  # job_tables fills them in, by their steps
        assert {name for name in there - of_any_table if name in asked or name not in others} == asked
        assert {name for name in named if not name.endswith("_")} == asked

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_receive_the_columns_in_the_order_in_which_they_are_sent(self, table: load._Table) -> None:
        statement = (self.FOLDER / f"copy_{table.name}.sql").read_text(encoding="utf-8")
        assert re.findall(r"^    (\w+),?$", statement, re.MULTILINE) == ["line", *table.columns]

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_compare_every_column_with_what_is_there(self, table: load._Table) -> None:
        statement = (self.FOLDER / f"pass_known_{table.name}.sql").read_text(encoding="utf-8")
        for name in table.columns:
            assert re.search(rf"\w\.{name} (IS NOT DISTINCT FROM|=) l\.{name}\b", statement), name
        asked_for = set(re.findall(r"'(\w+)' <> ALL", statement))
        assert asked_for <= set(table.optional)
        assert set(table.optional) - asked_for <= {"recorded_at"}
