"""Files into tables: every good row arrives as it was written, every other one is accounted for."""

from __future__ import annotations

import csv
import gzip
import io
import math
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.database.source import load as loading
from scorer.database.source.files import csv_blocks
from scorer.database.source.files.csv_dialect import Writing, is_never_meant, zone_named
from scorer.database.source.files.csv_fields import Note
from scorer.database.source.files.reject_file import NothingLoaded
from scorer.database.source.load import LoadReport, load
from scorer.errors import DatabaseUnavailable, UserError

VISITS = ["visit_id", "client", "admitted_at", "unit"]
OBSERVATIONS = ["visit_id", "client", "observation_date", "observation_type_code", "observation_value"]
ADMITTED = "2025-06-01T08:00:00Z"
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)

Rows = Sequence[list[str]]
Content = Rows | bytes


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    connection = psycopg2.connect(database_url, options="-c TimeZone=UTC")
    yield connection
    connection.close()


@pytest.fixture
def rejects(tmp_path: Path) -> Path:
    return tmp_path / "rejected" / "rows.csv"


def written(header: list[str], rows: Rows) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


def folder_of(tmp_path: Path, *, visits: Content = (), observations: Content = (), **more: bytes) -> Path:
    """A folder of files to load; rows stand under the headers VISITS and OBSERVATIONS, bytes as they are."""
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    for name, header, content in (("visits", VISITS, visits), ("patient_observations", OBSERVATIONS, observations)):
        (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else written(header, content))
    for name, packed in more.items():
        (folder / name.replace("__", ".")).write_bytes(packed)
    return folder


def query(connection: Any, statement: str) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def all_visits(connection: Any) -> list[tuple[Any, ...]]:
    return query(connection, "SELECT visit_id, client, admitted_at, unit FROM public.visits ORDER BY visit_id")


def all_observations(connection: Any) -> list[tuple[Any, ...]]:
    columns = ", ".join(OBSERVATIONS)
    return query(connection, f"SELECT {columns} FROM public.patient_observations ORDER BY observation_id")


def rejected_rows(report: LoadReport) -> list[tuple[str, int, str, str]]:
    if report.rejects is None:
        return []
    with report.rejects.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["file", "line", "reason", "row"]
    return [(name, int(line), reason, row) for name, line, reason, row in rows]


def counts(report: LoadReport) -> dict[str, tuple[int, int, int, int]]:
    return {each.table: (each.read, each.loaded, each.already_there, each.rejected) for each in report.tables}


def observation(**fields: str) -> list[str]:
    usual = dict(zip(OBSERVATIONS, ["1", "P1", "2025-06-01T12:00:00Z", "HR", "80"], strict=True))
    return list((usual | fields).values())


class TestTables:
    COLUMNS = """
        SELECT
            c.relname,
            a.attname,
            format_type(a.atttypid, a.atttypmod),
            col_description(c.oid, a.attnum),
            obj_description(c.oid)
        FROM pg_class AS c
        INNER JOIN pg_attribute AS a
            ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
        ORDER BY c.relname, a.attnum
    """

    def test_are_made_as_the_design_has_them_and_each_column_explained(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        load(folder_of(tmp_path), connection=connection, rejects=rejects)
        columns = query(connection, self.COLUMNS)
        assert all(meaning and table_meaning for *_, meaning, table_meaning in columns)
        assert [(table, column, kind) for table, column, kind, *_ in columns] == [
            ("outcomes", "visit_id", "bigint"),
            ("outcomes", "sepsis", "smallint"),
            ("outcomes", "onset_at", "timestamp with time zone"),
            ("patient_observations", "observation_id", "bigint"),
            ("patient_observations", "visit_id", "bigint"),
            ("patient_observations", "client", "text"),
            ("patient_observations", "observation_date", "timestamp with time zone"),
            ("patient_observations", "observation_type_code", "text"),
            ("patient_observations", "observation_value", "double precision"),
            ("patient_observations", "reference_range_min", "double precision"),
            ("patient_observations", "reference_range_max", "double precision"),
            ("patient_observations", "recorded_at", "timestamp with time zone"),
            ("visits", "visit_id", "bigint"),
            ("visits", "client", "text"),
            ("visits", "admitted_at", "timestamp with time zone"),
            ("visits", "discharged_at", "timestamp with time zone"),
            ("visits", "age_years", "double precision"),
            ("visits", "sex", "text"),
            ("visits", "unit", "text"),
            ("visits", "facility", "text"),
            ("visits", "hours_before_icu", "double precision"),
            ("visits", "sepsis_score", "double precision"),
            ("visits", "risk_level", "text"),
            ("visits", "scored_at", "timestamp with time zone"),
        ]
        indexes = query(connection, "SELECT indexdef FROM pg_indexes WHERE tablename = 'patient_observations'")
        assert any("(visit_id, observation_date)" in definition for (definition,) in indexes)

    def test_that_are_there_are_filled_as_they_are(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                loading._statement("create_visits").replace("age_years double precision", "age_years smallint")
            )
        visits = written([*VISITS, "age_years"], [["1", "P1", ADMITTED, "", "73"], ["2", "P2", ADMITTED, "", "40000"]])
        report = load(folder_of(tmp_path, visits=visits), connection=connection, rejects=rejects)
        assert query(connection, "SELECT visit_id, age_years FROM public.visits") == [(1, 73)]
        assert [row[:3] for row in rejected_rows(report)] == [("visits.csv", 3, "age_years is out of range")]

    def test_that_were_made_before_there_were_facilities_are_given_the_column(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(loading._statement("create_visits"))
            cursor.execute("ALTER TABLE public.visits DROP COLUMN facility")
        load(folder_of(tmp_path, visits=[["1", "P1", ADMITTED, "MICU"]]), connection=connection, rejects=rejects)
        columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'public.visits'::regclass AND attname = 'facility'"
        assert query(connection, columns) == [], "a file that does not say it leaves the table as it is"
        visits = written([*VISITS, "facility"], [["2", "P2", ADMITTED, "MICU", "B"]])
        load(folder_of(tmp_path, visits=visits), connection=connection, rejects=rejects)
        assert query(connection, "SELECT visit_id, facility FROM public.visits ORDER BY 1") == [(1, None), (2, "B")]

    def test_without_facilities_are_filled_by_who_does_not_own_them(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        load(folder_of(tmp_path), connection=connection, rejects=rejects)
        with connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE public.visits DROP COLUMN facility")
            cursor.execute("CREATE ROLE loads_only")
            cursor.execute("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO loads_only")
        with connection, connection.cursor() as cursor:
            cursor.execute("SET ROLE loads_only")
        try:
            visits = [["1", "P1", ADMITTED, "MICU"]]
            load(folder_of(tmp_path, visits=visits), connection=connection, rejects=rejects)
            visits = [["1", "P1", ADMITTED, "SICU"], ["2", "P2", ADMITTED, "MICU"]]
            report = load(folder_of(tmp_path, visits=visits), connection=connection, rejects=rejects, update=True)
            assert (report.tables[0].updated, report.tables[0].loaded) == (1, 1)
            with_facility = written([*VISITS, "facility"], [["3", "P3", ADMITTED, "MICU", "B"]])
            with pytest.raises(UserError, match="must be owner of table visits"):
                load(folder_of(tmp_path, visits=with_facility), connection=connection, rejects=rejects)
        finally:
            connection.rollback()
            with connection, connection.cursor() as cursor:
                cursor.execute("RESET ROLE")
                cursor.execute("DROP OWNED BY loads_only")
                cursor.execute("DROP ROLE loads_only")
        assert query(connection, "SELECT visit_id, unit FROM public.visits ORDER BY 1") == [(1, "SICU"), (2, "MICU")]

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ("ALTER TABLE public.visits DROP COLUMN unit", 'public.visits has no column "unit"'),
            (
                "ALTER TABLE public.visits ALTER COLUMN unit TYPE xml USING NULL",
                "is of type xml, which no file can fill",
            ),
            ("ALTER TABLE public.visits ADD CHECK (unit <> 'MICU')", "violates check constraint"),
            ("ALTER TABLE public.visits ALTER COLUMN age_years TYPE numeric(3, 2)", "numeric value out of range"),
        ],
    )
    def test_that_cannot_take_the_file_stop_the_load(
        self, connection: Any, tmp_path: Path, rejects: Path, change: str, sentence: str
    ) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(loading._statement("create_visits"))
            cursor.execute(change)
        visits = written([*VISITS, "age_years"], [["1", "P1", ADMITTED, "MICU", "73"]])
        with pytest.raises(UserError, match=sentence) as refused:
            load(folder_of(tmp_path, visits=visits), connection=connection, rejects=rejects)
        assert "P1" not in str(refused.value)
        assert "MICU" not in str(refused.value)
        assert query(connection, "SELECT count(*) FROM public.visits") == [(0,)]


class TestValues:
    def test_arrive_exactly(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        values = ["0.1", "1e-310", "5e-324", "1.7976931348623157e308", "-0.0", "nan", "-inf", "Infinity", ""]
        rows = [observation(observation_value=value) for value in values]
        load(folder_of(tmp_path, observations=rows), connection=connection, rejects=rejects)
        arrived = [row[-1] for row in all_observations(connection)]
        assert [repr(value) for value in arrived] == [repr(float(value)) if value else "None" for value in values]

    def test_that_are_text_arrive_as_they_stand(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        texts = ["NA", r"a\tb", "a\tb", '5"', " x ", "Ünïcode 🫀", "a,b", "."]
        rows = [observation(observation_type_code=text) for text in texts]
        load(folder_of(tmp_path, observations=rows), connection=connection, rejects=rejects)
        assert [row[3] for row in all_observations(connection)] == texts

    def test_that_are_empty_are_null(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        load(folder_of(tmp_path, observations=[[""] * 5]), connection=connection, rejects=rejects)
        assert all_observations(connection) == [(None,) * 5]

    def test_recorded_at_is_the_observations_date_where_the_file_has_none(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        header = [*OBSERVATIONS, "recorded_at"]
        rows = [[*observation(), "2025-06-01T13:00:00Z"], [*observation(), ""], [*observation(observation_date=""), ""]]
        load(folder_of(tmp_path, observations=written(header, rows)), connection=connection, rejects=rejects)
        load(folder_of(tmp_path, observations=[observation(client="P2")]), connection=connection, rejects=rejects)
        statement = "SELECT recorded_at FROM public.patient_observations ORDER BY observation_id"
        (given,), (none_given,), (loaded_at,), (no_column,) = query(connection, statement)
        assert (given, none_given, no_column) == (NOON + timedelta(hours=1), NOON, NOON)
        assert abs(loaded_at - datetime.now(tz=UTC)) < timedelta(minutes=1)

    def test_of_columns_that_no_table_has_are_ignored(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        header = ["ward", *VISITS, "scored_at", "remarks"]
        rows = [["7", "1", "P1", ADMITTED, "MICU", "2025-06-01", "seen\nby two"]]
        report = load(folder_of(tmp_path, visits=written(header, rows)), connection=connection, rejects=rejects)
        assert report.tables[0].ignored_columns == ("ward", "scored_at", "remarks")
        assert all_visits(connection) == [(1, "P1", datetime(2025, 6, 1, 8, tzinfo=UTC), "MICU")]
        assert query(connection, "SELECT scored_at FROM public.visits") == [(None,)]


class TestRejects:
    def test_say_which_row_of_which_file_and_why(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        lines = [
            ",".join(OBSERVATIONS),
            "1,P1,2025-06-01T12:00:00Z,HR,80",
            "1,P1,2025-06-01T12:00:00Z,HR,eighty",
            "1,P1,1 June 2025,HR,80",
            "1,P1,2025-06-01T12:00:00Z,HR",
            "99999999999999999999,P1,2025-06-01T12:00:00Z,HR,80",
            '1,"P1,2025-06-01T12:00:00Z,HR,80',
            "1,P1,2025-06-01T12:00:00Z,HR,81",
            "one,P1,2025-13-01,HR,1e999",
        ]
        folder = folder_of(
            tmp_path,
            visits=[
                ["1", "P1", ADMITTED, ""],
                ["", "P2", ADMITTED, ""],
                ["1", "P1", ADMITTED, "MICU"],
                ["1", "P1", ADMITTED, ""],
            ],
            observations="\n".join(lines).encode(),
        )
        report = load(folder, connection=connection, rejects=rejects)
        assert counts(report) == {"visits": (4, 1, 0, 3), "patient_observations": (8, 2, 0, 6)}
        name = "patient_observations.csv"
        assert rejected_rows(report) == [
            ("visits.csv", 3, "visit_id is empty", f",P2,{ADMITTED},"),
            ("visits.csv", 4, "visit_id is already on line 2", f"1,P1,{ADMITTED},MICU"),
            ("visits.csv", 5, "visit_id is already on line 2", f"1,P1,{ADMITTED},"),
            (name, 3, "observation_value is not a number", lines[2]),
            (name, 4, "observation_date is not a time as ISO 8601 writes it", lines[3]),
            (name, 5, "4 fields where the header has 5", lines[4]),
            (name, 6, "visit_id is out of range", lines[5]),
            (name, 7, "the quotes do not match", lines[6]),
            (
                name,
                9,
                (
                    "visit_id is not a whole number; observation_date is not a time that exists; "
                    "observation_value is out of range"
                ),
                lines[8],
            ),
        ]

    def test_are_for_their_owner_alone(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        rejects.parent.mkdir()
        rejects.write_text("of another day")
        folder = folder_of(tmp_path, visits=[["x", "P1", ADMITTED, ""], ["1", "P1", ADMITTED, ""]])
        report = load(folder, connection=connection, rejects=rejects)
        assert report.rejects == rejects
        assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
        assert len(rejected_rows(report)) == 1

    def test_need_a_place_to_go(self, connection: Any, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        folder = folder_of(tmp_path, visits=[["x", "P1", ADMITTED, ""]])
        with pytest.raises(UserError, match=r"The reject file .* cannot be written"):
            load(folder, connection=connection, rejects=tmp_path / "file" / "rows.csv")

    def test_are_not_made_where_every_row_is_good(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        report = load(folder_of(tmp_path, visits=[["1", "P1", ADMITTED, ""]]), connection=connection, rejects=rejects)
        assert report.rejects is None
        assert not rejects.parent.exists()


class TestAgain:
    def test_the_same_folder_adds_nothing(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(
            tmp_path,
            visits=[["1", "P1", ADMITTED, ""], ["2", "", "", "MICU"], ["1", "P1", ADMITTED, ""], ["x", "", "", ""]],
            observations=[observation(), observation(), [""] * 5, observation(observation_value="nan")],
            outcomes__csv=written(["visit_id", "sepsis", "onset_at"], [["1", "0", ""], ["2", "1", ADMITTED]]),
        )
        first = load(folder, connection=connection, rejects=rejects)
        assert counts(first) == {
            "visits": (4, 2, 0, 2),
            "patient_observations": (4, 4, 0, 0),
            "outcomes": (2, 2, 0, 0),
        }
        before = repr([all_visits(connection), all_observations(connection)])
        assert counts(load(folder, connection=connection, rejects=rejects)) == {
            "visits": (4, 0, 3, 1),
            "patient_observations": (4, 0, 4, 0),
            "outcomes": (2, 0, 2, 0),
        }
        assert repr([all_visits(connection), all_observations(connection)]) == before

    def test_columns_that_the_file_lacks_are_not_compared(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        full = folder_of(
            tmp_path,
            visits=[["1", "P1", ADMITTED, "MICU"]],
            observations=written(
                [*OBSERVATIONS, "reference_range_min", "recorded_at"],
                [[*observation(), "60", "2025-06-01T13:00:00Z"], [*observation(observation_date=""), "", ""]],
            ),
        )
        lean = folder_of(
            tmp_path,
            visits=written(VISITS[:3], [["1", "P1", ADMITTED]]),
            observations=[observation(), observation(observation_date="")],
        )
        load(full, connection=connection, rejects=rejects)
        for folder in (lean, full):
            assert counts(load(folder, connection=connection, rejects=rejects)) == {
                "visits": (1, 0, 1, 0),
                "patient_observations": (2, 0, 2, 0),
            }

    def test_a_key_with_other_content_is_rejected(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        first = folder_of(
            tmp_path,
            visits=[["1", "P1", ADMITTED, "MICU"]],
            outcomes__csv=written(["visit_id", "sepsis"], [["1", "0"]]),
        )
        other = folder_of(
            tmp_path,
            visits=[["2", "P2", ADMITTED, ""], ["1", "P1", ADMITTED, ""]],
            outcomes__csv=written(["visit_id", "sepsis"], [["1", "1"]]),
        )
        load(first, connection=connection, rejects=rejects)
        report = load(other, connection=connection, rejects=rejects)
        assert [row[:3] for row in rejected_rows(report)] == [
            ("visits.csv", 3, "visit_id is already there with another unit"),
            ("outcomes.csv", 2, "visit_id is already there with another sepsis"),
        ]
        assert [(each.table, each.differing_rows, each.differing) for each in report.tables if each.differing] == [
            ("visits", 1, ("unit",)),
            ("outcomes", 1, ("sepsis",)),
        ]
        sentence = r"1 row of visits is there with another unit; `load` adds rows and changes none: --update"
        with pytest.raises(UserError, match=sentence):
            report.require_no_differing()
        assert [(row[0], row[3]) for row in all_visits(connection)] == [(1, "MICU"), (2, None)]

    def test_waits_for_a_load_that_is_under_way(
        self, connection: Any, database_url: str, tmp_path: Path, rejects: Path
    ) -> None:
        other = psycopg2.connect(database_url)
        with other, other.cursor() as cursor, connection, connection.cursor() as ours:
            cursor.execute(loading._statement("one_load_at_a_time"))
            ours.execute("SET lock_timeout = '50 ms'")
        with other, other.cursor() as cursor:
            cursor.execute(loading._statement("one_load_at_a_time"))
            with pytest.raises(DatabaseUnavailable):
                load(folder_of(tmp_path), connection=connection, rejects=rejects)
        other.close()
        load(folder_of(tmp_path), connection=connection, rejects=rejects)


class TestUpdate:
    """A second day's files: what moved on is changed, what is new is added, what is gone stays."""

    ENDED = "2025-06-03T04:19:00Z"

    def days(self, tmp_path: Path) -> tuple[Path, Path]:
        header = [*VISITS, "discharged_at"]
        open_visit, closed = ["1", "P1", ADMITTED, "MICU", ""], ["1", "P1", ADMITTED, "MICU", self.ENDED]
        other = ["2", "P2", ADMITTED, "MICU", ""]
        first = folder_of(tmp_path, visits=written(header, [open_visit, other]), observations=[observation()])
        second = folder_of(
            tmp_path,
            visits=written(header, [closed, ["3", "P3", ADMITTED, "", ""]]),
            observations=[observation(), observation(observation_date="2025-06-01T13:00:00Z")],
        )
        return first, second

    def test_changes_what_is_there_and_says_what(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        first, second = self.days(tmp_path)
        load(first, connection=connection, rejects=rejects)
        report = load(second, connection=connection, rejects=rejects, update=True)
        assert [(each.updated, dict(each.changes)) for each in report.tables] == [(1, {"discharged_at": 1}), (0, {})]
        assert counts(report) == {"visits": (2, 1, 0, 0), "patient_observations": (2, 1, 1, 0)}
        report.require_no_differing()
        discharged = "SELECT visit_id, discharged_at FROM public.visits ORDER BY visit_id"
        assert query(connection, discharged) == [(1, datetime(2025, 6, 3, 4, 19, tzinfo=UTC)), (2, None), (3, None)]
        again = load(second, connection=connection, rejects=rejects, update=True)
        assert counts(again) == {"visits": (2, 0, 2, 0), "patient_observations": (2, 0, 2, 0)}

    def test_without_it_the_new_rows_are_loaded_and_the_others_rejected(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        first, second = self.days(tmp_path)
        load(first, connection=connection, rejects=rejects)
        report = load(second, connection=connection, rejects=rejects)
        assert counts(report) == {"visits": (2, 1, 0, 1), "patient_observations": (2, 1, 1, 0)}
        assert [row[:3] for row in rejected_rows(report)] == [
            ("visits.csv", 2, "visit_id is already there with another discharged_at")
        ]
        with pytest.raises(UserError, match="1 row of visits is there with another discharged_at"):
            report.require_no_differing()

    def test_touches_no_column_that_the_file_lacks(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        load(folder_of(tmp_path, visits=[["1", "P1", ADMITTED, "MICU"]]), connection=connection, rejects=rejects)
        lean = folder_of(tmp_path, visits=written(VISITS[:3], [["1", "P2", ADMITTED]]))
        report = load(lean, connection=connection, rejects=rejects, update=True)
        assert dict(report.tables[0].changes) == {"client": 1}
        assert all_visits(connection) == [(1, "P2", datetime(2025, 6, 1, 8, tzinfo=UTC), "MICU")]

    def test_takes_the_first_of_two_lines_for_one_visit(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        load(folder_of(tmp_path, visits=[["1", "P1", ADMITTED, "MICU"]]), connection=connection, rejects=rejects)
        for lines, unit in (
            ([["1", "P1", ADMITTED, "MICU"], ["1", "P1", ADMITTED, "CCU"]], "MICU"),
            ([["1", "P1", ADMITTED, "CCU"], ["1", "P1", ADMITTED, "SICU"]], "CCU"),
        ):
            folder = folder_of(tmp_path, visits=lines)
            report = load(folder, connection=connection, rejects=rejects, update=True)
            assert [row[:3] for row in rejected_rows(report)] == [("visits.csv", 3, "visit_id is already on line 2")]
            assert all_visits(connection)[0][3] == unit

    def test_corrects_outcomes(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        header = ["visit_id", "sepsis"]
        for label, changes in (("0", {}), ("1", {"sepsis": 1})):
            folder = folder_of(tmp_path, outcomes__csv=written(header, [["1", label]]))
            report = load(folder, connection=connection, rejects=rejects, update=True)
            assert dict(report.tables[2].changes) == changes
        assert query(connection, "SELECT visit_id, sepsis FROM public.outcomes") == [(1, 1)]

    def test_corrects_an_observation_that_is_alone_at_its_time(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        load(folder_of(tmp_path, observations=[observation()]), connection=connection, rejects=rejects)
        other = folder_of(tmp_path, observations=[observation(observation_value="81")])
        report = load(other, connection=connection, rejects=rejects, update=True)
        assert (report.tables[1].updated, dict(report.tables[1].changes)) == (1, {"observation_value": 1})
        assert [row[4] for row in all_observations(connection)] == [81.0]

    def test_adds_an_observation_beside_others_of_its_time(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        load(folder_of(tmp_path, observations=[observation()]), connection=connection, rejects=rejects)
        both = folder_of(tmp_path, observations=[observation(), observation(observation_value="81")])
        for rows in ((2, 1, 1, 0), (2, 0, 2, 0)):
            report = load(both, connection=connection, rejects=rejects, update=True)
            assert counts(report)["patient_observations"] == rows
        assert [row[4] for row in all_observations(connection)] == [80.0, 81.0]

    def test_leaves_a_record_with_a_time_of_its_own(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        header = [*OBSERVATIONS, "recorded_at"]
        for value, recorded_at in (("80", "2025-06-01T12:01:00Z"), ("81", "2025-06-01T14:00:00Z")):
            rows = [[*observation(observation_value=value), recorded_at]]
            folder = folder_of(tmp_path, observations=written(header, rows))
            load(folder, connection=connection, rejects=rejects, update=True)
        assert [row[4] for row in all_observations(connection)] == [80.0, 81.0]

    def test_without_it_a_corrected_observation_is_told(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        load(folder_of(tmp_path, observations=[observation()]), connection=connection, rejects=rejects)
        other = folder_of(tmp_path, observations=[observation(observation_value="81")])
        report = load(other, connection=connection, rejects=rejects)
        assert (report.tables[1].loaded, report.tables[1].beside) == (1, 1)


class TestTimes:
    """Whose clock a time shows is in the file, or the load says it; it is never guessed."""

    VISIT = ("7003", "C", "2026-01-15 01:00:00", "MICU")

    def test_without_a_zone_are_refused(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(tmp_path, visits=[list(self.VISIT)])
        with pytest.raises(
            UserError, match=r"none of its 1 rows can be loaded.*admitted_at has no time zone"
        ) as refused:
            load(folder, connection=connection, rejects=rejects)
        assert "--timezone Europe/Berlin" in str(refused.value)
        assert query(connection, "SELECT to_regclass('public.visits')") == [(None,)]
        assert "7003,C,2026-01-15 01:00:00,MICU" in rejects.read_text(encoding="utf-8")

    def test_are_of_the_clock_that_the_load_names(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(
            tmp_path,
            visits=[list(self.VISIT), ["7004", "D", "2026-01-15 01:00:00+00:00", ""]],
            observations=[
                observation(observation_date=date)
                for date in ("2025-11-02 01:30:00", "2026-03-08 02:30:00", "2025-11-02 01:30:00-05:00", "2026-01-15")
            ],
        )
        writing = Writing(zone=zone_named("America/New_York"))
        report = load(folder, connection=connection, rejects=rejects, writing=writing)
        assert [row[2] for row in all_visits(connection)] == [
            datetime(2026, 1, 15, 6, tzinfo=UTC),
            datetime(2026, 1, 15, 1, tzinfo=UTC),
        ]
        assert [row[2] for row in all_observations(connection)] == [
            datetime(2025, 11, 2, 6, 30, tzinfo=UTC),
            datetime(2026, 1, 15, 5, tzinfo=UTC),
        ]
        doubt = "observation_date falls into the time that clocks in America/New_York"
        assert [row[:3] for row in rejected_rows(report)] == [
            ("patient_observations.csv", 2, f"{doubt} show twice; write its offset behind it"),
            ("patient_observations.csv", 3, f"{doubt} leave out when they are put forward"),
        ]
        assert [
            (told.note.name, told.column, times) for each in report.tables for told, times in each.notes.items()
        ] == [
            ("ZONE", "admitted_at", 1),
            ("ZONE", "observation_date", 1),
        ]

    def test_of_a_table_without_zones_are_the_clock_of_its_columns(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        with connection, connection.cursor() as cursor:
            for table in ("visits", "patient_observations"):
                cursor.execute(loading._statement(f"create_{table}").replace("timestamptz", "timestamp"))
        folder = folder_of(tmp_path, visits=[["1", "P1", "2026-01-15 01:00:00", ""]], observations=[observation()])
        with pytest.raises(UserError, match="its column none; say whose clock"):
            load(folder, connection=connection, rejects=rejects)
        load(folder, connection=connection, rejects=rejects, writing=Writing(zone=zone_named("Europe/Berlin")))
        assert [row[2] for row in all_visits(connection)] == [datetime(2026, 1, 15, 1)]  # noqa: DTZ001 - as clocks show it
        assert [row[2] for row in all_observations(connection)] == [datetime(2025, 6, 1, 14)]  # noqa: DTZ001 - as clocks show it
        recorded = query(connection, "SELECT recorded_at FROM public.patient_observations")
        assert recorded == [(datetime(2025, 6, 1, 14),)]  # noqa: DTZ001 - as clocks show it


class TestTypes:
    """Tables as hospitals have them: other widths, keys and words."""

    def test_are_filled_whatever_holds_the_value(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        key = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TYPE public.unit_name AS ENUM ('MICU', 'SICU')")
            cursor.execute("CREATE DOMAIN public.years AS real CHECK (VALUE < 200)")
            visits = loading._statement("create_visits")
            for before, after in (
                ("visit_id bigint", "visit_id uuid"),
                ("client text", "client char(8)"),
                ("admitted_at timestamptz", "admitted_at timestamp"),
                ("discharged_at timestamptz", "discharged_at timestamp"),
                ("age_years double precision", "age_years public.years"),
                ("unit text", "unit public.unit_name"),
                ("sex text", "sex varchar(1)"),
            ):
                visits = visits.replace(before, after)
            cursor.execute(visits)
            observations = loading._statement("create_patient_observations")
            observations = observations.replace("visit_id bigint", "visit_id uuid")
            cursor.execute(observations.replace("client text", "client char(8)").replace("double precision", "real"))
            cursor.execute(
                loading._statement("create_outcomes").replace("bigint", "uuid").replace("smallint", "boolean")
            )
        header = [*VISITS, "age_years", "sex", "discharged_at"]
        folder = folder_of(
            tmp_path,
            visits=written(
                header,
                [
                    [key, "P1", "2026-01-15 01:00", "MICU", "63.5", "F", ""],
                    [key.replace("a0", "b0"), "P1", "2026-01-15 01:00", "CCU", "63.5", "F", ""],
                    [key.replace("a0", "c0"), "P1-too-long", "2026-01-15 01:00", "MICU", "1e39", "female", ""],
                ],
            ),
            observations=[observation(visit_id=key), observation(visit_id=""), observation(visit_id="1")],
            outcomes__csv=written(["visit_id", "sepsis"], [[key, "true"]]),
        )
        report = load(folder, connection=connection, rejects=rejects)
        assert [row[2] for row in rejected_rows(report)] == [
            "unit is none of the words of its type",
            "client is longer than 8 characters; age_years is out of range; sex is longer than 1 characters",
            "visit_id is not a UUID",
        ]
        assert query(connection, "SELECT visit_id::text, client, age_years, unit FROM public.visits") == [
            (key, "P1      ", 63.5, "MICU")
        ]
        again = counts(load(folder, connection=connection, rejects=rejects, update=True))
        assert {name: (loaded, there) for name, (_, loaded, there, _) in again.items()} == {
            "visits": (0, 1),
            "patient_observations": (0, 2),
            "outcomes": (0, 1),
        }


class TestHabits:
    """Files as other tools write them."""

    def test_words_for_null_are_empty_in_columns_that_are_no_text(
        self, connection: Any, tmp_path: Path, rejects: Path
    ) -> None:
        header = [*VISITS, "discharged_at"]
        rows = [
            ["7012", "D", ADMITTED, "MICU", "NULL"],
            ["7013", "D", ADMITTED, "NULL", "NULL"],
            ["7014", "NA", ADMITTED, "", ""],
        ]
        ranges = written([*OBSERVATIONS, "reference_range_min"], [[*observation(), r"\N"]])
        folder = folder_of(tmp_path, visits=written(header, rows), observations=ranges)
        report = load(folder, connection=connection, rejects=rejects)
        assert query(connection, "SELECT visit_id, discharged_at FROM public.visits") == [(7012, None), (7014, None)]
        assert [row[:3] for row in rejected_rows(report)] == [
            ("visits.csv", 3, "unit reads NULL; leave the field empty, or take the word as empty: --null WORD")
        ]
        assert [(*told, times) for told, times in report.tables[0].notes.items()] == [
            (Note.WORD, "client", "NA", 1),
            (Note.EMPTY, "discharged_at", "NULL", 1),
        ]
        report = load(folder, connection=connection, rejects=rejects, writing=Writing(null_words=frozenset({"NULL"})))
        assert counts(report)["visits"] == (3, 1, 2, 0)
        assert all_visits(connection)[1] == (7013, "D", datetime(2025, 6, 1, 8, tzinfo=UTC), None)

    def test_of_decimal_commas_nothing_is_loaded(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        rows = [observation(observation_value="93,5")] * 674
        folder = folder_of(tmp_path, visits=GOOD_VISITS, observations=rows)
        sentence = (
            r"none of its 674 rows can be loaded, .*: observation_value has a comma; .*--dialect de.*\(674 rows\)"
        )
        with pytest.raises(UserError, match=sentence):
            load(folder, connection=connection, rejects=rejects)
        assert query(connection, "SELECT to_regclass('public.visits')") == [(None,)]
        assert len(rejects.read_text(encoding="utf-8").splitlines()) == 1 + 1 + 674

    def test_an_export_of_a_german_excel_is_read(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        visits = [
            "sep=;",
            "visit_id;client;admitted_at;unit;age_years",
            "1;Jörg;25.10.2026 08:00;MICU;1.063,5",
            "2;B;15.01.2026 08:00;;63,5",
        ]
        observations = [";".join(OBSERVATIONS), "2;B;15.01.2026 09:30;HR;93,5", "2;B;15.01.2026 09:30;PLT;1.234", ""]
        folder = folder_of(
            tmp_path,
            visits="\ufeff".encode() + "\r\n".join(visits).encode(),
            observations="\ufeff".encode() + "\r\n".join(observations).encode(),
        )
        writing = Writing(dialect="de", zone=zone_named("Europe/Berlin"))
        report = load(folder, connection=connection, rejects=rejects, writing=writing)
        assert [each.separator for each in report.tables] == ["semicolons", "semicolons"]
        assert query(connection, "SELECT client, admitted_at, age_years FROM public.visits ORDER BY visit_id") == [
            ("Jörg", datetime(2026, 10, 25, 7, tzinfo=UTC), 1063.5),
            ("B", datetime(2026, 1, 15, 7, tzinfo=UTC), 63.5),
        ]
        assert [row[2:] for row in all_observations(connection)] == [
            (datetime(2026, 1, 15, 8, 30, tzinfo=UTC), "HR", 93.5)
        ]
        assert [row[1:3] for row in rejected_rows(report)] == [
            (
                3,
                "observation_value has one point, before three digits, which could divide thousands or be a decimal point",
            )
        ]

    def test_a_long_remark_is_no_fault(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        header = [*OBSERVATIONS, "remark"]
        rows = [
            [*observation(observation_value="93"), "note"],
            [*observation(observation_value="95"), "n" * 140_000],
            [*observation(observation_value="97"), 'he said "no"\n' * 20_000],
        ]
        folder = folder_of(tmp_path, observations=written(header, rows).rstrip())
        report = load(folder, connection=connection, rejects=rejects)
        assert counts(report)["patient_observations"] == (3, 3, 0, 0)


GOOD_VISITS = written(VISITS, [["1", "P1", ADMITTED, ""], ["x", "", "", ""]])
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "a blank line": (b"\n", r"patient_observations\.csv has no header"),
    "empty": (b"", r"patient_observations\.csv has no header"),
    "a column is missing": (
        written(OBSERVATIONS[:-1], [observation()[:-1]]),
        r'patient_observations\.csv: the column "observation_value" is missing',
    ),
    "a column is there twice": (
        written([*OBSERVATIONS, "client"], [[*observation(), "P1"]]),
        r'the header has the column "client" twice',
    ),
    "not UTF-8": (
        written(OBSERVATIONS, [observation()] * 20_001) + "1,Jérôme,,HR,80\n".encode("latin-1"),
        r"patient_observations\.csv is not UTF-8 after line \d+",
    ),
    "UTF-16": (written(OBSERVATIONS, []).decode().encode("utf-16"), r"is not UTF-8 after line 0"),
    "colons": (b":".join(name.encode() for name in OBSERVATIONS), r'the column "visit_id" is missing'),
}
PACKED = gzip.compress(written(OBSERVATIONS, [observation()] * 20_001))
BAD_PACKED_FILES = {
    "not gzip": b"visit_id\n",
    "cut short": PACKED[: len(PACKED) // 2],
    "damaged": PACKED[:200] + bytes([PACKED[200] ^ 255]) + PACKED[201:],
    "wrong checksum": PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
}


class TestDoubtfulFiles:
    """One sentence, and nothing loaded: not even the files before the doubtful one."""

    def refused(self, connection: Any, folder: Path, *, rejects: Path, sentence: str) -> None:
        with pytest.raises(UserError, match=sentence) as refused:
            load(folder, connection=connection, rejects=rejects)
        assert "\n" not in str(refused.value)
        assert query(connection, "SELECT to_regclass('public.visits')") == [(None,)]
        assert not rejects.exists()

    @pytest.mark.parametrize("kind", BAD_FILES)
    def test_stop_the_load(self, connection: Any, tmp_path: Path, rejects: Path, kind: str) -> None:
        content, sentence = BAD_FILES[kind]
        folder = folder_of(tmp_path, visits=GOOD_VISITS, observations=content)
        self.refused(connection, folder, rejects=rejects, sentence=sentence)

    @pytest.mark.parametrize("kind", BAD_PACKED_FILES)
    def test_that_cannot_be_unpacked_stop_it(self, connection: Any, tmp_path: Path, rejects: Path, kind: str) -> None:
        folder = folder_of(tmp_path, visits=GOOD_VISITS, patient_observations__csv__gz=BAD_PACKED_FILES[kind])
        (folder / "patient_observations.csv").unlink()
        sentence = r"patient_observations\.csv\.gz cannot be read after line \d+"
        self.refused(connection, folder, rejects=rejects, sentence=sentence)

    def test_that_are_missing_stop_it(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(tmp_path, visits=GOOD_VISITS)
        (folder / "patient_observations.csv").unlink()
        self.refused(connection, folder, rejects=rejects, sentence="holds neither patient_observations")

    def test_that_are_folders_stop_it(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(tmp_path, visits=GOOD_VISITS)
        (folder / "patient_observations.csv").unlink()
        (folder / "patient_observations.csv").mkdir()
        self.refused(connection, folder, rejects=rejects, sentence="cannot be read: Is a directory")

    def test_are_no_longer_doubtful_once_mended(self, connection: Any, tmp_path: Path, rejects: Path) -> None:
        folder = folder_of(tmp_path, visits=GOOD_VISITS, observations=BAD_FILES["empty"][0])
        self.refused(connection, folder, rejects=rejects, sentence="no header")
        (folder / "patient_observations.csv").write_bytes(written(OBSERVATIONS, [observation()]))
        report = load(folder, connection=connection, rejects=rejects)
        assert counts(report) == {"visits": (2, 1, 0, 1), "patient_observations": (1, 1, 0, 0)}


def test_progress_grows_to_the_size_of_each_file(
    connection: Any, tmp_path: Path, rejects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_blocks, "BLOCK", 100 * len(",".join(observation()) + "\r\n"))
    folder = folder_of(tmp_path, visits=GOOD_VISITS, observations=[observation()] * 1050)
    seen: list[tuple[str, int, int]] = []
    load(folder, connection=connection, rejects=rejects, progress=lambda *each: seen.append(each))
    for table in ("visits", "patient_observations"):
        size = (folder / f"{table}.csv").stat().st_size
        steps = [read for name, read, total in seen if name == table and total == size]
        assert steps == sorted(steps)
        assert steps[-1] == size
    assert 1 + 11 <= len(seen) <= 2 + 12


def test_works_on_a_connection_in_autocommit(connection: Any, tmp_path: Path, rejects: Path) -> None:
    connection.autocommit = True
    bad = folder_of(tmp_path, visits=GOOD_VISITS, observations=b"\n")
    with pytest.raises(UserError):
        load(bad, connection=connection, rejects=rejects)
    assert query(connection, "SELECT to_regclass('public.visits')") == [(None,)]
    load(folder_of(tmp_path, visits=GOOD_VISITS), connection=connection, rejects=rejects)
    assert len(all_visits(connection)) == 1


# Any mixture of good and bad rows.

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-9))])
TIMES = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 - the strategy adds the zone
TEXTS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=5).filter(
    lambda text: not is_never_meant(text)
)
IDS = st.integers(min_value=1, max_value=6) | st.integers(min_value=-(2**63), max_value=2**63 - 1)
NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, math.nan, math.inf])


@dataclass(frozen=True)
class Line:
    """A line of a file, and the values that it holds; None where it cannot be loaded."""

    text: str
    values: tuple[Any, ...] | None


def line_of(values: tuple[Any, ...]) -> Line:
    fields = ["" if value is None else str(value) for value in values]
    text = written(fields, []).decode().rstrip("\r\n")
    return Line(text, tuple(None if value == "" else value for value in values))


def some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


GOOD_VISIT_LINES = st.tuples(IDS, TEXTS, some(TIMES), TEXTS).map(line_of)
GOOD_OBSERVATION_LINES = st.tuples(some(IDS), TEXTS, some(TIMES), TEXTS, some(NUMBERS)).map(line_of)
BAD_VISIT_LINES = st.sampled_from(
    [
        f"x,P1,{ADMITTED},",
        f",P1,{ADMITTED},",
        f"{2**63},P1,{ADMITTED},",
        "1,P1,2025-02-30,",
        "1",
        f'1,"P1,{ADMITTED},',
        f"1,P1,{ADMITTED},,,",
    ]
)
BAD_OBSERVATION_LINES = st.sampled_from(
    [
        "x,P1,,HR,80",
        "1,P1,,HR,high",
        "1,P1,,HR,1e999",
        "1,P1,12:00,HR,80",
        "1,P1,,HR",
        "1,P1,,HR,80,81",
        '1,P1,,HR,"80',
        '1,"P1,,HR,80',
        '1,"P"1,,HR,80',
        "1,P\0,,HR,80",
    ]
)


def mixtures(good: st.SearchStrategy[Line], bad: st.SearchStrategy[str]) -> st.SearchStrategy[list[Line]]:
    """Lists of lines, good and bad, some of them more than once."""
    one = good | bad.map(lambda text: Line(text, None))
    return st.lists(one, max_size=8).flatmap(
        lambda lines: st.lists(st.sampled_from(lines), max_size=12) if lines else st.just([])
    )


VISIT_LINES = mixtures(GOOD_VISIT_LINES, BAD_VISIT_LINES)
OBSERVATION_LINES = mixtures(GOOD_OBSERVATION_LINES, BAD_OBSERVATION_LINES)


def same(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values by which the database takes two rows for one: 0 is -0, NaN is NaN."""
    return tuple(repr(value + 0.0) if isinstance(value, float) else value for value in values)


def exact(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(repr(value) if isinstance(value, float) else value for value in values)


class Expected:
    """What the tables hold after each load, worked out row by row."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def after(self, lines: list[Line], *, unique: bool) -> tuple[tuple[int, int, int, int], list[int]]:
        """The counts, and the numbers of the lines that are rejected."""
        there = {same(row) for row in self.rows}
        keys = {row[0] for row in self.rows}
        loaded, already_there, rejected = [], 0, []
        for number, line in enumerate(lines, start=2):
            if line.values is not None and same(line.values) in there:
                already_there += 1
            elif line.values is None or (unique and line.values[0] in keys):
                rejected.append(number)
            else:
                loaded.append(line.values)
                keys.add(line.values[0])
        self.rows += loaded
        return (len(lines), len(loaded), already_there, len(rejected)), rejected


def file_of(header: list[str], lines: list[Line], *, packed: bool) -> bytes:
    content = "\n".join([",".join(header), *(line.text for line in lines)]).encode()
    return gzip.compress(content) if packed else content


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loads=st.lists(st.tuples(VISIT_LINES, OBSERVATION_LINES, st.booleans()), min_size=1, max_size=3))
def test_any_mixture_of_rows_is_accounted_for_and_every_good_one_arrives(
    connection: Any, tmp_path: Path, rejects: Path, loads: list[tuple[list[Line], list[Line], bool]]
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS public.visits, public.patient_observations, public.outcomes")
    visits, observations = Expected(), Expected()
    for visit_lines, observation_lines, packed in loads:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        ending = ".csv.gz" if packed else ".csv"
        (folder / f"visits{ending}").write_bytes(file_of(VISITS, visit_lines, packed=packed))
        (folder / f"patient_observations{ending}").write_bytes(file_of(OBSERVATIONS, observation_lines, packed=packed))
        before = deepcopy((visits, observations))
        try:
            report = load(folder, connection=connection, rejects=rejects)
        except NothingLoaded:
            report = None
        shutil.rmtree(folder)

        visit_counts, bad_visits = visits.after(visit_lines, unique=True)
        observation_counts, bad_observations = observations.after(observation_lines, unique=False)
        if report is None:
            assert (0, 0) in {each[1:3] for each in (visit_counts, observation_counts) if each[0]}
            visits, observations = before
            continue
        assert counts(report) == {"visits": visit_counts, "patient_observations": observation_counts}
        assert sorted((name, line, row) for name, line, _, row in rejected_rows(report)) == sorted(
            [(f"visits{ending}", number, visit_lines[number - 2].text) for number in bad_visits]
            + [
                (f"patient_observations{ending}", number, observation_lines[number - 2].text)
                for number in bad_observations
            ]
        )
        assert Counter(map(exact, all_visits(connection))) == Counter(map(exact, visits.rows))
        assert list(map(exact, all_observations(connection))) == list(map(exact, observations.rows))
