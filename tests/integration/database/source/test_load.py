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
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.database.source import load as loading
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

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ("ALTER TABLE public.visits DROP COLUMN unit", 'public.visits has no column "unit"'),
            (
                "ALTER TABLE public.visits ALTER COLUMN unit TYPE xml USING NULL",
                "is of type xml, which no file can fill",
            ),
            ("ALTER TABLE public.visits ADD CHECK (unit <> 'MICU')", "violates check constraint"),
            ("ALTER TABLE public.visits ALTER COLUMN unit TYPE varchar(3)", "string data right truncation"),
        ],
    )
    def test_that_cannot_take_the_file_stop_the_load(
        self, connection: Any, tmp_path: Path, rejects: Path, change: str, sentence: str
    ) -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute(loading._statement("create_visits"))
            cursor.execute(change)
        with pytest.raises(UserError, match=sentence) as refused:
            load(folder_of(tmp_path, visits=[["1", "P1", ADMITTED, "MICU"]]), connection=connection, rejects=rejects)
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
        texts = ["NA", "null", r"\N", r"a\tb", "a\tb", '5"', " x ", "Ünïcode 🫀", "a,b", "."]
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
        folder = folder_of(tmp_path, visits=[["x", "P1", ADMITTED, ""]])
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
            ("visits.csv", 3, "visit_id is already there with other content"),
            ("outcomes.csv", 2, "visit_id is already there with other content"),
        ]
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
    "semicolons": (b";".join(name.encode() for name in OBSERVATIONS), r'the column "visit_id" is missing'),
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
    monkeypatch.setattr(loading, "ROWS_AT_ONCE", 100)
    folder = folder_of(tmp_path, visits=GOOD_VISITS, observations=[observation()] * 1050)
    seen: list[tuple[str, int, int]] = []
    load(folder, connection=connection, rejects=rejects, progress=lambda *each: seen.append(each))
    for table in ("visits", "patient_observations"):
        size = (folder / f"{table}.csv").stat().st_size
        steps = [read for name, read, total in seen if name == table and total == size]
        assert steps == sorted(steps)
        assert steps[-1] == size
    assert len(seen) == 1 + 11


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
TEXTS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=5)
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
        report = load(folder, connection=connection, rejects=rejects)
        shutil.rmtree(folder)

        visit_counts, bad_visits = visits.after(visit_lines, unique=True)
        observation_counts, bad_observations = observations.after(observation_lines, unique=False)
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
