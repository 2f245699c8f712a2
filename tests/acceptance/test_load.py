"""`scorer load` with files as hospitals' tools write them: what is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
import pytest

VISITS = "visit_id,client,admitted_at,age_years,sex,unit,hours_before_icu,discharged_at\n"
OBSERVATIONS = "visit_id,client,observation_date,observation_type_code,observation_value\n"
DAY = OBSERVATIONS + "7013,E,2026-01-14T14:00:00Z,HR,93\n"

Loader = Callable[..., Any]


@pytest.fixture
def load(program: Any, migrated_url: str, tmp_path: Path) -> Loader:
    """Write the two files, load their folder, and give what came of it."""

    def run(visits: str, observations: str, *options: str, code: int = 0) -> Any:
        folder = tmp_path / "files"
        folder.mkdir(exist_ok=True)
        (folder / "visits.csv").write_text(visits, encoding="utf-8")
        (folder / "patient_observations.csv").write_text(observations, encoding="utf-8")
        environment = {"SCORER_DATABASE_URL": migrated_url, "SCORER_HOME": str(tmp_path / "home")}
        done = program("load", str(folder), *options, environment=environment)
        assert done.code == code, done.err
        return done

    return run


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url, options="-c TimeZone=UTC")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_times_without_a_zone_are_not_guessed(load: Loader, migrated_url: str) -> None:
    visits = VISITS + "7003,C,2026-01-15 01:00:00,63,F,MICU,3,\n"
    observations = OBSERVATIONS + "7003,C,2026-01-15 05:30:00,HR,118\n"
    refused = load(visits, observations, code=1)
    assert "visits.csv: none of its 1 rows can be loaded" in refused.err
    assert "has no time zone" in refused.err
    assert "--timezone Europe/Berlin" in refused.err
    done = load(visits, observations, "--timezone", "America/New_York")
    assert "visits: 1 time without a zone, taken as America/New_York." in done.out
    (seen,) = rows(migrated_url, "SELECT observation_date::text FROM public.patient_observations WHERE visit_id = 7003")
    assert seen == ("2026-01-15 10:30:00+00",)
    assert "is no time zone" in load(visits, observations, "--timezone", "Berlin", code=1).err


def test_words_for_null_are_told_and_a_file_of_which_nothing_is_loaded_is_an_error(
    load: Loader, migrated_url: str
) -> None:
    visits = (
        VISITS + "7012,D,2026-01-14 12:00:00+00:00,73,M,MICU,214.64,NULL\n7013,E,2026-01-14 12:00:00Z,7,M,NULL,1,NULL\n"
    )
    observations = DAY.replace("\n", ",reference_range_min\n", 1).replace("HR,93", "HR,93,NULL")
    done = load(visits, observations)
    assert "visits: 1 field of discharged_at read NULL, taken as empty." in done.out
    assert "patient_observations: 1 field of reference_range_min read NULL, taken as empty." in done.out
    assert rows(migrated_url, "SELECT discharged_at, unit FROM public.visits WHERE visit_id = 7012") == [(None, "MICU")]
    assert rows(migrated_url, "SELECT 1 FROM public.visits WHERE visit_id = 7013") == []
    load(visits, observations, "--null", "NULL")
    assert rows(migrated_url, "SELECT unit FROM public.visits WHERE visit_id = 7013") == [(None,)]

    commas = OBSERVATIONS + '7013,E,2026-01-14T15:00:00Z,HR,"93,5"\n' * 3
    refused = load(visits, commas, "--null", "NULL", code=1)
    assert "none of its 3 rows can be loaded, and nothing was loaded: observation_value has a comma" in refused.err
    done = load(visits, commas, "--null", "NULL", "--dialect", "de")
    assert rows(
        migrated_url, "SELECT observation_value FROM public.patient_observations WHERE observation_value = 93.5"
    )


def test_a_second_days_file_updates_what_moved_on(load: Loader, migrated_url: str) -> None:
    first = VISITS + "7013,E,2026-01-14 12:00:00+00:00,45,M,MICU,0.06,\n"
    second = first.replace("0.06,", "0.06,2026-01-16 04:19:00+00:00")
    load(first, DAY)
    refused = load(second, DAY, code=1)
    assert (
        "1 row of visits is there with another discharged_at; `load` adds rows and changes none: --update"
        in refused.err
    )
    assert rows(migrated_url, "SELECT discharged_at FROM public.visits WHERE visit_id = 7013") == [(None,)]
    refused = load(second, DAY, "--json", code=1)
    assert json.loads(refused.out)["tables"][0]["differing"] == ["discharged_at"]
    done = load(second, DAY, "--update")
    assert "Updated in visits: discharged_at of 1." in done.out
    ended = rows(migrated_url, "SELECT discharged_at::text FROM public.visits WHERE visit_id = 7013")
    assert ended == [("2026-01-16 04:19:00+00",)]


def test_a_long_remark_is_no_fault(load: Loader, migrated_url: str) -> None:
    visits = VISITS + "7001,A,2026-01-14T12:00:00Z,63,F,MICU,3,\n"
    header = OBSERVATIONS.replace("\n", ",remark\n")
    lines = "7001,A,2026-01-14T14:00:00Z,HR,93,note\n" + f"7001,A,2026-01-14T15:00:00Z,HR,95,{'n' * 140_000}"
    done = load(visits, header + lines, "--json")
    assert [table["loaded"] for table in json.loads(done.out)["tables"]] == [1, 2]
    assert rows(migrated_url, "SELECT count(*) FROM public.patient_observations WHERE visit_id = 7001") == [(2,)]
