"""What the commands print: numbers and times, tables, JSON, and results."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scorer.cli.output import (
    print_json,
    print_load,
    print_migration,
    print_rows,
    print_run,
    print_table,
    progress_bar,
    shown_interval,
    shown_number,
    shown_time,
)
from scorer.database.source.load import LoadReport, TableLoad
from scorer.governance.comparison import Migration

NOON = datetime(2025, 6, 1, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [
        (0.12345, ".3f", "0.123"),
        (12.0, ".6g", "12"),
        (1234567.0, ".6g", "1.23457e+06"),
        (0.001234, "+.3g", "+0.00123"),
        (0.25, ".1%", "25.0%"),
        (0.0, ".4f", "0.0000"),
        (float("nan"), ".3f", "nan"),
        (None, ".3f", "none"),
    ],
)
def test_numbers(value: float | None, form: str, shown: str) -> None:
    assert shown_number(value, form, none="none") == shown


def test_numbers_that_are_missing_are_an_empty_cell() -> None:
    assert shown_number(None) == ""


def test_intervals() -> None:
    assert shown_interval(0.7, 0.8) == "0.700 to 0.800"
    assert shown_interval(None, 0.8, ".4f", none="unknown") == "unknown to 0.8000"


def test_times() -> None:
    assert shown_time(NOON) == "2025-06-01 12:00Z"
    assert shown_time(NOON, to_the_second=True) == "2025-06-01 12:00:30Z"


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was printed, line by line, with one space between words."""
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]


def test_a_table_shows_each_kind_of_value_and_aligns_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "count", "at", "share"], [["a", 12345, NOON, 0.5], ["b", 6, None, 0.25]])
    _, header, _, first, second, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["name", "count", "at", "share"]
    assert first.split() == ["a", "12,345", "2025-06-01", "12:00:30Z", "0.500"]
    assert second.split() == ["b", "6", "0.250"]
    assert first.index("12,345") + len("12,345") == second.index(" 6 ") + 2


def test_rows_are_a_table_and_no_rows_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"risk_band": "HIGH", "entities": 3}], none="Nothing.")
    assert printed(capsys)[0] == "risk band entities"
    print_rows([], none="Nothing.")
    assert printed(capsys) == ["Nothing."]


def test_json_is_one_line_with_times_as_iso(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"at": NOON, "folder": Path("/a"), "none": None})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"at": "2025-06-01T12:00:30+00:00", "folder": "/a", "none": None}


def test_a_migration_counts_who_moves_up_and_down(capsys: pytest.CaptureFixture[str]) -> None:
    moves = {("HIGH", "HIGH"): 2, ("LOW", "HIGH"): 3, ("HIGH", "LOW"): 1, ("LOW", "UNSCORED"): 4}
    moved = Migration(order=("HIGH", "LOW", "UNSCORED"), moves=moves, bands=2)
    print_migration(moved, one="old", other="new", bands=["HIGH", "LOW"])
    shown = printed(capsys)
    assert shown[0] == "old \\ new HIGH LOW UNSCORED in all"
    assert shown[-1] == (
        "8 of 10 entities would stand elsewhere: 3 to a higher band, 1 to a lower one, 4 to or from none."
    )
    print_migration(moved, one=None, other="new", bands=["HIGH", "LOW"])
    assert printed(capsys)[0] == "Production is empty: 10 entities were scored by new alone."


def test_a_load_names_columns_and_rejects(capsys: pytest.CaptureFixture[str]) -> None:
    tables = (TableLoad("visits", 1200, 1000, 150, 50, ("ward",)),)
    print_load(LoadReport(tables, Path("/rejects.csv")))
    shown = printed(capsys)
    assert shown[0] == "table read loaded already there rejected"
    assert shown[2] == "visits 1,200 1,000 150 50"
    assert shown[-2:] == [
        "Columns of visits that were not loaded: ward.",
        "Rejected rows, with line and reason: /rejects.csv",
    ]


def ended(**more: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed"), 1)
    run = {"run_id": 7, "job": "sepsis", "as_of": "2025-06-01T12:00:00+00:00", "status": "succeeded", "seconds": 1.25}
    return {**run, "eligible": 6, **counts, **more}


def test_a_run_and_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    print_run(ended())
    assert printed(capsys)[0] == "Run 7 of sepsis as of 2025-06-01T12:00:00+00:00: succeeded in 1.2 s"
    print_run(ended(run_id=None, status="dry run", as_known_at="2025-06-02T00:00:00+00:00"))
    assert printed(capsys)[0] == (
        "Dry run of sepsis as of 2025-06-01T12:00:00+00:00 as known at 2025-06-02T00:00:00+00:00: dry run in 1.2 s"
    )


def test_there_is_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("Scoring") as progress:
        assert progress is None
    assert capsys.readouterr().err == ""
