"""`scorer export fhir`: what it refuses before the database is asked, and what it prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from scorer.cli.site.export import _print_exported, exports
from scorer.config import Settings
from scorer.errors import UserError
from scorer.governance.fhir_export import Exported

UNTIL = datetime(2026, 11, 29, 13, 5, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--job", "sepsi", "--out", "a.ndjson"], 'There is no job "sepsi"; did you mean "sepsis"?'),
        (["--job", "sepsis", "--out", "a.ndjson", "--since", "yesterday"], '"yesterday" is not a time'),
        (["--job", "sepsis", "--out", "a.ndjson", "--since", "2026-11-29T13:05:00"], "has no time zone"),
        (["--job", "sepsis", "--out", "."], "is a directory"),
        (["--job", "sepsis"], "Missing option '--out'"),
        (["--out", "a.ndjson"], "Missing option '--job'"),
        (["--job", "churn", "--out", "a.ndjson"], "Job churn has no [fhir] in its job.toml"),
        (["--job", "sepsis", "--out", "/nowhere/a.ndjson"], "there is no folder /nowhere"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(database_url="postgresql://nobody@localhost:1/nothing")
    ran = CliRunner().invoke(exports, ["fhir", *arguments], obj=settings, standalone_mode=False)
    assert isinstance(ran.exception, UserError | click.ClickException)
    sentence = str(ran.exception) if isinstance(ran.exception, UserError) else ran.exception.format_message()
    assert words in sentence
    assert "\n" not in sentence


def test_what_was_exported_is_told_with_what_has_no_resource(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = {"[fhir]": 2, "client": 1234, "job_version": 1}
    exported = Exported("sepsis", None, UNTIL, final=40, recalled=3, lacking=lacking)
    _print_exported(exported, out=Path("first.ndjson"))
    assert capsys.readouterr().out.splitlines() == [
        "first.ndjson: 40 scores of sepsis, and 3 recalled ones.",
        "2 scores have no resource: they were made by a version of the job that has no [fhir].",
        "1,234 scores have no resource: their client is not known.",
        "1 scores have no resource: the version of the job that made them has left with the ledger's old months.",
        "Until 2026-11-29T13:05:00.123456+00:00; go on from there with --since 2026-11-29T13:05:00.123456+00:00",
    ]
    assert exported.as_json()["lacking"] == lacking
