"""Statements, tables.toml and calls name the same columns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scorer.database.source import load
from scorer.database.source.load_tables import Table, source_folder, source_tables

TABLES = source_tables()


class TestStatements:
    """Each file of sql/source is asked for by a call, each call finds its file, and columns are those of tables.toml."""

    FOLDER = source_folder()

    def test_match_the_calls_both_ways(self) -> None:
        source = Path(load.__file__).read_text(encoding="utf-8")
        named = set(re.findall(r'_statement\(f?"(\w+)(?:"|\{)', source))
        asked = {"one_load_at_a_time", "columns", "set_zone", "widen_visits", "analyze", "derive_visits", "list_visits"}
        for table in TABLES:
            verbs = ["create_", "stage_", "copy_", "compare_", "pass_known_", "update_", "insert_"]
            verbs += ["refuse_taken_"] * table.unique
            asked |= {f"{verb}{table.name}" for verb in verbs}
            named |= {f"{verb}{table.name}" for verb in verbs if verb in named}
        others = "".join(path.read_text(encoding="utf-8") for path in Path(load.__file__).parent.glob("*.py"))
        there = {path.stem for path in self.FOLDER.glob("*.sql")}
        of_any_table = {name for name in there if name.endswith("_rows")}  # load_tables fills them in, by their steps
        assert {name for name in there - of_any_table if name in asked or name not in others} == asked
        assert {name for name in named if not name.endswith("_")} == asked

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_receive_the_columns_in_the_order_in_which_they_are_sent(self, table: Table) -> None:
        statement = (self.FOLDER / f"copy_{table.name}.sql").read_text(encoding="utf-8")
        assert re.findall(r"^    (\w+),?$", statement, re.MULTILINE) == ["line", *table.columns]

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_compare_and_update_every_column(self, table: Table) -> None:
        compared = (self.FOLDER / f"compare_{table.name}.sql").read_text(encoding="utf-8")
        updated = (self.FOLDER / f"update_{table.name}.sql").read_text(encoding="utf-8")
        for name in table.columns:
            if re.search(rf"\w\.{name} = l\.{name}\b", compared):
                continue  # it is of the key
            assert re.search(rf"\w\.{name} IS DISTINCT FROM l\.{name}\b", compared), name
            assert re.search(rf"\b{name} =\s.*l\.{name}\b", updated), name
        for statement in (compared, updated):
            assert set(table.optional) - set(re.findall(r"'(\w+)' = ANY", statement)) <= {"recorded_at"}

    def test_pass_over_observations_that_are_alike_in_every_column(self) -> None:
        (table,) = (table for table in TABLES if not table.unique)
        statement = (self.FOLDER / f"pass_known_{table.name}.sql").read_text(encoding="utf-8")
        for name in table.columns:
            alike = rf"\w\.{name} (IS NOT DISTINCT FROM|=) l\.{name}\b|ARRAY\[\w\.{name}\] = ARRAY\[l\.{name}\]"
            assert re.search(alike, statement), name
        assert set(table.optional) - set(re.findall(r"'(\w+)' <> ALL", statement)) <= {"recorded_at"}
