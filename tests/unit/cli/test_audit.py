"""`scorer replay` and `scorer recall`: what is refused before the database is asked, and results as they are printed."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from scorer.cli.audit import _print_recall, _print_replays, recall, replay
from scorer.config import Settings
from scorer.database.store.replays import Part, Recall, Replayed, ReplayVerdict
from scorer.errors import UserError


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        (replay, [], "Name the scores to replay"),
        (replay, ["1", "--sample", "2"], "Name the scores to replay"),
        (replay, ["1", "--job", "sepsis"], "--job and --since are about a sample"),
        (recall, ["--why", "x"], "Name the job"),
        (recall, ["sepsis", "--model", "v1"], "--why is missing"),
        (recall, ["sepsis", "--follow", "1"], "--follow stands alone"),
        (recall, ["--follow", "1", "--model", "v1"], "--follow stands alone"),
        (recall, ["--follow", "1", "--anyway"], "--follow stands alone"),
        (recall, ["--follow", "1", "--dry-run"], "--follow stands alone"),
        (recall, ["--follow", "1", "--why", "x"], "--follow stands alone"),
        (recall, ["--follow", "1", "--job-version", "x"], "--follow stands alone"),
    ],
)
def test_what_does_not_go_together_is_refused(command: click.Command, arguments: list[str], words: str) -> None:
    refused = CliRunner().invoke(command, arguments, obj=Settings()).exception
    assert isinstance(refused, UserError)
    assert words in str(refused)


def test_replays_with_their_differences(capsys: pytest.CaptureFixture[str]) -> None:
    part, verdict = next(iter(Part)), next(iter(ReplayVerdict))
    found = [Replayed(7, part, verdict, difference, why="why") for difference in (0.0, 0.01234, -2e-17, None)]
    _print_replays(found, {"scores": 4, "alarming": 2, "corrected": 1, "not_replayable": 1})
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith("7")]
    assert [row[-2] for row in rows[:3]] == ["0", "+0.0123", "-2e-17"]
    assert rows[3] == ["7", *part.value.split(), *verdict.value.split(), "why"]
    assert shown.splitlines()[-1].startswith(
        "4 scores: 2 differ though their inputs are the same, 1 because the source"
    )


def recalled(*, entities: int, in_force: bool) -> Recall:
    event = {
        "recall_id": 3, "job": "sepsis", "done_by": "ana", "why": "Wrong unit.", "scores": 1200, "shadow_scores": 5,
        "entities": entities, "in_force": in_force,
    }  # fmt: skip
    counts = {"from_band": "HIGH", "to_band": None, "to_status": "RECALLED", "entities": entities, "in_source": 2}
    rows = [{"entity_id": str(n), "changes_band": changes} for n, changes in enumerate((True, False, None))]
    return Recall(event, [counts], rows)


def printed(found: Recall, capsys: pytest.CaptureFixture[str], **how: Any) -> str:
    _print_recall(found, as_json=False, **how)
    return capsys.readouterr().out


def test_a_recall_says_what_is_still_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(recalled(entities=40, in_force=True), capsys)
    assert shown.startswith(
        "Recall 3 of sepsis by ana: 1,200 scores and 5 shadow scores, 40 of them current. Wrong unit.\n"
    )
    assert "2 of 40 are shown; reporting.recalls has all." in shown
    assert "40 wait to be scored again" in shown
    assert "2 rows of the job's own table are still to be put right" in shown
    assert "That version goes on scoring" in shown


def test_a_dry_run_of_a_recall_promises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(recalled(entities=40, in_force=True), capsys, dry_run=True)
    assert shown.startswith(
        "Dry run: 1,200 scores and 5 shadow scores of sepsis would be recalled, 40 of them current.\n"
    )
    assert "wait to be scored" not in shown
    assert "goes on scoring" not in shown
