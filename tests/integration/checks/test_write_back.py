"""Each band and a score of it are written into the hospital's table as it is, read back, and rolled back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.check import check
from scorer.checks.result import CheckResult
from scorer.checks.write_back import probes_of
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job


def found(hospital: Any, **settings: Any) -> CheckResult:
    """The result about write-back of `scorer check`."""
    database = Database(hospital.url, replace(hospital.settings, **settings))
    (result,) = (each for each in check(database=database) if each.name == "job sepsis write-back")
    return result


@pytest.fixture
def one(ward: Any) -> Any:
    ward.admit(7)
    return ward


def test_each_band_is_written_read_back_and_rolled_back(one: Any) -> None:
    before = one.rows("SELECT * FROM visits")
    result = found(one)
    assert result.holds, result.found
    assert result.found == "wrote LOW, MEDIUM, HIGH and 0.0103, 0.0478, 0.4606, 0.9942 for 7, read back and rolled back"
    assert one.rows("SELECT * FROM visits") == before
    assert one.one("SELECT count(*) FROM scorer.write_backs") == 0


WIDE = "ALTER TABLE visits ALTER COLUMN sepsis_score TYPE {}, ALTER COLUMN risk_level TYPE {}"


@pytest.mark.parametrize(
    ("score", "band", "sentence"),
    [
        ("double precision", "varchar(4)", "string data right truncation (SQLSTATE 22001)"),
        ("double precision", "text CHECK (risk_level IN ('LOW', 'HIGH'))", "a trigger or constraint there"),
        (
            "integer",
            "text",
            "sepsis_score does not hold the scores that write_back wrote: 0.0103 as 0, 0.0478 as 0, 0.4606 as 0",
        ),
        ("smallint", "char(10)", "0.4606 as 0, 0.9942 as 1; make it double precision."),
        ("numeric(2, 1)", "text", "0.0103 as 0, 0.0478 as 0, 0.4606 as 0.5"),
        ("numeric(2, 2) CHECK (sepsis_score < 0.4)", "text", "a trigger or constraint there"),
        ("text CHECK (length(sepsis_score) < 5)", "text", "a trigger or constraint there"),
    ],
)
def test_a_column_that_cannot_hold_a_band_or_a_score_blocks_its_job(
    one: Any, score: str, band: str, sentence: str
) -> None:
    types = [each.partition(" CHECK ")[0] for each in (score, band)]
    one.execute(WIDE.format(*types))
    for each in (score, band):
        if " CHECK " in each:
            one.execute(f"ALTER TABLE visits ADD CHECK {each.partition(' CHECK ')[2]}")
    result = found(one)
    assert not result.holds
    assert sentence in result.found
    assert (result.blocks, result.job) == (True, "sepsis")


@pytest.mark.parametrize(
    ("score", "band"), [("real", "char(10)"), ("numeric", "varchar(6)"), ("numeric(6, 5)", "name"), ("text", "text")]
)
def test_a_column_that_holds_them_in_its_own_way_is_well(one: Any, score: str, band: str) -> None:
    one.execute(WIDE.format(score, band))
    assert found(one).holds


def test_a_column_that_rounds_and_tells_bands_apart_is_told_and_blocks_nothing(one: Any) -> None:
    one.execute(WIDE.format("numeric(3, 2)", "text"))
    result = found(one)
    assert (result.holds, result.blocks) == (False, False)
    assert "0.0103 as 0.01, 0.0478 as 0.05, 0.4606 as 0.46, 0.9942 as 0.99; make it double precision" in result.found


def test_a_statement_that_writes_percent_or_marks_of_its_own_is_well(
    one: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    one.execute(WIDE.format("integer", "char(1)"))
    changed_job(
        ("write_back.sql", "sepsis_score = locked.score", "sepsis_score = round(100 * locked.score)"),
        ("write_back.sql", "risk_level = locked.risk_band", "risk_level = left(locked.risk_band, 1)"),
    )
    result = found(one, jobs_dir=tmp_path / "site")
    assert result.holds, result.found


def test_a_band_that_is_cut_without_an_error_is_found(
    one: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    changed_job(
        ("write_back.sql", "risk_level = locked.risk_band", "risk_level = CAST(locked.risk_band AS varchar(4))")
    )
    result = found(one, jobs_dir=tmp_path / "site")
    assert not result.holds
    assert "The column risk_level holds 'MEDI' where write_back wrote the band 'MEDIUM'" in result.found


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("RETURN NULL", "wrote no row of 7: others hold them"),
        ("RETURN OLD", "the row is the same after each"),
        ("RAISE 'not for you'", "was refused by the hospital's function public.keep() (SQLSTATE P0001)"),
    ],
)
def test_a_trigger_that_keeps_the_row_as_it_is_is_found(one: Any, body: str, sentence: str) -> None:
    one.execute(f"CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; END $$")
    one.execute("CREATE TRIGGER keep BEFORE UPDATE ON visits FOR EACH ROW EXECUTE FUNCTION keep()")
    result = found(one)
    assert not result.holds
    assert sentence in result.found
    assert "not for you" not in result.found


def test_a_view_that_cannot_be_updated_is_said_in_words(one: Any) -> None:
    one.execute("ALTER TABLE visits RENAME TO beds")
    one.execute("CREATE VIEW visits AS SELECT b.* FROM beds AS b JOIN (SELECT 1) AS x ON true")
    one.execute("GRANT SELECT, UPDATE ON visits TO scorer_worker")
    results = [each for each in check(database=Database(one.url, one.settings)) if not each.holds]
    assert "object not in prerequisite state (SQLSTATE 55000)" in results[0].found


def test_what_a_recall_empties_is_tried_too(one: Any) -> None:
    one.execute("UPDATE visits SET risk_level = 'LOW'")
    one.execute("ALTER TABLE visits ALTER COLUMN risk_level SET NOT NULL")
    result = found(one)
    assert not result.holds
    assert "The statement take_back of job sepsis" in result.found


def test_a_row_that_is_held_is_passed_over_for_the_next(ward: Any) -> None:
    ward.admit(1, 2)
    with closing(ward.connect()) as other:
        other.cursor().execute("SELECT FROM visits WHERE visit_id = 1 FOR UPDATE")
        assert "for 2, read back" in found(ward).found


def test_an_entity_that_was_scored_serves_where_none_is_due_and_without_any_nothing_is_tried(ward: Any) -> None:
    assert found(ward).found == "not tried: no entity is there yet whose row could be written"
    ward.admit(3, discharged_at=ward.noon)
    ward.run()
    ward.execute(
        "UPDATE visits SET admitted_at = admitted_at - interval '1 year', discharged_at = now() - interval '300 days'"
    )
    assert "for 3, read back" in found(ward).found


def test_a_run_that_meets_such_a_column_is_one_sentence(one: Any) -> None:
    one.execute(WIDE.format("double precision", "varchar(2)"))
    with pytest.raises(
        UserError, match=r"^The statement write_back of job sepsis cannot write .*: string data right truncation"
    ):
        one.run()
    assert one.scores() == {}


def test_a_probe_lies_within_its_band(sepsis: Job) -> None:
    assert [(probe.band, probe.score) for probe in probes_of(sepsis)] == [
        ("LOW", 0.0103),
        ("MEDIUM", 0.0478),
        ("HIGH", 0.4606),
        ("HIGH", 0.9942),
    ]
    assert len({probe.score for probe in probes_of(replace(sepsis, bands=None))}) == 3
