"""A job's own tables: made as tables.toml says, and filled from its files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.database.source.load import LoadReport, load
from scorer.database.source.load_tables import ddl
from scorer.errors import UserError
from scorer.jobs.folder.tables import read_tables


@pytest.fixture
def again(shop: Any, tmp_path: Path) -> Callable[[], LoadReport]:
    """Loads the example again."""

    def act() -> LoadReport:
        tables = read_tables("shop", jobs_dir=shop.hospital.settings.jobs_dir)
        with closing(psycopg2.connect(shop.hospital.url)) as connection:
            return load(
                shop.folder / "example", connection=connection, rejects=tmp_path / "again.csv", job_tables=tables
            )

    return act


def rejected(report: LoadReport) -> list[list[str]]:
    """File, line, reason and row of each row that was rejected."""
    assert report.rejects is not None
    with report.rejects.open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_the_script_makes_what_the_loader_made_and_does_nothing_again(shop: Any) -> None:
    hospital = shop.hospital
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'shop_data' "
        "ORDER BY table_name, ordinal_position"
    )
    made = hospital.rows(columns)
    script = ddl(read_tables("shop", jobs_dir=hospital.settings.jobs_dir))
    hospital.execute(script)
    assert hospital.one("SELECT count(*) FROM shop_data.clients") == 100
    hospital.execute("DROP SCHEMA shop_data CASCADE")
    hospital.execute(script)
    assert hospital.rows(columns) == made
    assert ("events", "recorded_at", "timestamp with time zone") in made
    assert hospital.one("SELECT count(*) FROM pg_indexes WHERE schemaname = 'shop_data'") == 4


def test_the_same_files_again_add_nothing(shop: Any, again: Callable[[], LoadReport]) -> None:
    before = shop.hospital.one("SELECT count(*) FROM shop_data.events")
    report = again()
    assert {table.table: (table.loaded, table.read - table.already_there) for table in report.tables} == {
        "clients": (0, 0),
        "events": (0, 1),
        "outcomes": (0, 0),
    }
    assert shop.hospital.one("SELECT count(*) FROM shop_data.events") == before
    ((file, _, reason, _),) = rejected(report)
    assert (file, reason.split()[0]) == ("events.csv", "happened_at")


def test_a_key_that_is_taken_is_rejected_with_its_line(shop: Any, again: Callable[[], LoadReport]) -> None:
    clients, outcomes = (shop.folder / "example" / f"{name}.csv" for name in ("clients", "outcomes"))
    header, first, *rest = clients.read_text().splitlines()
    clients.write_text(
        "\n".join(
            [
                header,
                first.replace("north", "west").replace("south", "west"),
                *rest,
                "N1,2026-01-01T00:00Z,north,",
                "N1,2026-01-02T00:00Z,,30",
                "",
            ]
        )
    )
    lines = outcomes.read_text().splitlines()
    outcomes.write_text("\n".join([*lines, lines[1][:-1] + "9", ""]))
    report = again()
    assert [(table.loaded, table.rejected) for table in report.tables] == [(1, 2), (0, 1), (0, 1)]
    reasons = [reason for _, _, reason, _ in rejected(report)]
    assert reasons[0] == "client_id is already there with another region"
    assert reasons[1] == "client_id is already on line 102"
    assert reasons[3] == "client_id and as_of is already there with another outcome"


def test_a_column_that_the_file_lacks_is_left_to_the_table(shop: Any, again: Callable[[], LoadReport]) -> None:
    shop.hospital.execute("TRUNCATE shop_data.events")
    path = shop.folder / "example" / "events.csv"
    path.write_text("".join(f"{line.rsplit(',', 1)[0]}\n" for line in path.read_text().splitlines()))
    assert again().tables[1].loaded > 1000
    assert shop.hospital.one("SELECT count(*) FROM shop_data.events WHERE recorded_at IS NOT NULL") == 0


def test_names_of_any_kind_are_made_and_filled(shop: Any, tmp_path: Path) -> None:
    (shop.folder / "tables.toml").write_text(
        """["Bird list"]
        table = '"Bird Lab"."Bird ""Book"" 1"'
        key = ["Bird ID"]
        index = ["union", "Body Mass (%)"]
        columns = { "Bird ID" = "bigint", "Body Mass (%)" = "double precision", union = "text", "it's {same}" = "text" }
        """
    )
    folder = tmp_path / "birds"
    folder.mkdir()
    tables = read_tables("shop", jobs_dir=shop.hospital.settings.jobs_dir)
    reports = []
    for mass in ("3.5", "3.5", "4.5"):
        (folder / "Bird list.csv").write_text(f"Bird ID,Body Mass (%),union,it's {{same}}\n7,{mass},yes,so\n")
        with closing(psycopg2.connect(shop.hospital.url)) as connection:
            reports += load(
                folder, connection=connection, rejects=tmp_path / "r.csv", job_tables=tables, update=True
            ).tables
    assert [(each.loaded, each.already_there, each.updated) for each in reports] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert reports[2].changes == {"Body Mass (%)": 1}
    assert shop.hospital.rows('SELECT * FROM "Bird Lab"."Bird ""Book"" 1"') == [(7, 4.5, "yes", "so")]


def test_a_file_that_is_missing_is_told_unless_it_may_be(shop: Any, again: Callable[[], LoadReport]) -> None:
    (shop.folder / "example" / "outcomes.csv").unlink()
    assert [table.table for table in again().tables] == ["clients", "events"]
    (shop.folder / "example" / "clients.csv").unlink()
    with pytest.raises(UserError, match=r"neither clients\.csv nor clients\.csv\.gz"):
        again()


def test_update_gives_rows_the_values_of_the_file_in_its_columns(shop: Any, tmp_path: Path) -> None:
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "clients.csv").write_text("client_id,joined_at,region\nC001,2020-01-01T00:00:00Z,west\n")
    first = shop.hospital.rows("SELECT * FROM shop_data.events ORDER BY event_id LIMIT 1")[0]
    (folder / "events.csv").write_text(
        f"event_id,client_id,happened_at,kind,amount\n{first[0]},{first[1]},{first[2].isoformat()},{first[3]},17.5\n"
    )
    tables = read_tables("shop", jobs_dir=shop.hospital.settings.jobs_dir)
    age = shop.hospital.one("SELECT age_years FROM shop_data.clients WHERE client_id = 'C001'")
    reports = []
    for update in (False, True, True):
        with closing(psycopg2.connect(shop.hospital.url)) as connection:
            reports.append(
                load(folder, connection=connection, rejects=tmp_path / "r.csv", job_tables=tables, update=update)
            )
    refused, updated, again = reports
    assert [table.differing for table in refused.tables] == [("joined_at", "region"), ("amount",)]
    with pytest.raises(UserError, match="1 row of clients is there with another joined_at, region"):
        refused.require_no_differing()
    assert [(table.updated, table.changes) for table in updated.tables] == [
        (1, {"joined_at": 1, "region": 1}),
        (1, {"amount": 1}),
    ]
    assert [table.already_there for table in again.tables] == [1, 1]
    known = "SELECT region, age_years FROM shop_data.clients WHERE client_id = 'C001'"
    assert shop.hospital.rows(known) == [("west", age)]
    assert shop.hospital.one("SELECT amount FROM shop_data.events WHERE event_id = %s", first[0]) == 17.5


def test_rows_of_a_table_without_a_key_are_there_or_new(shop: Any, again: Callable[[], LoadReport]) -> None:
    path = shop.folder / "tables.toml"
    path.write_text(path.read_text().replace('key = ["event_id"]\n', ""))
    assert again().tables[1].loaded == 0
    events = shop.folder / "example" / "events.csv"
    header, first, *rest = events.read_text().splitlines()
    events.write_text("\n".join([header, "900001" + first[first.index(",") :], *rest, ""]))
    assert (again().tables[1].loaded, again().tables[1].loaded) == (1, 0)
