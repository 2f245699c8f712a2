"""`scorer model`: what is refused before the database is asked, and how cards and evidence are shown."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from scorer.cli.models import _shown_card, _shown_result, models
from scorer.config import Settings
from scorer.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["challenge", "sepsis", "--why", "x"], "Name the version that is to challenge production, or say --stop."),
        (
            ["challenge", "sepsis", "v1", "--stop", "--why", "x"],
            "Name the version that is to challenge production, or say --stop.",
        ),
        (["card", "sepsis", "v1", "--write", "a", "--set", "b"], "Say --write or --set, not both."),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], sentence: str) -> None:
    refused = CliRunner().invoke(models, arguments, obj=Settings()).exception
    assert isinstance(refused, UserError)
    assert str(refused) == sentence


@pytest.mark.parametrize(
    ("card", "shown"),
    [
        (None, "none"),
        ({"gaps": [], "written_by": "ana"}, "filled, by ana"),
        ({"gaps": ["owner", "limits"], "written_by": "ana"}, "to be filled: owner, limits, by ana"),
    ],
)
def test_a_card_in_one_line(card: dict[str, Any] | None, shown: str) -> None:
    assert _shown_card(card) == shown


def test_evidence_in_one_line() -> None:
    golden = {"kind": "golden", "result": {"rows": 20, "max_difference": 0.0}}
    assert _shown_result(golden) == "20 vectors, off by 0.0"
    moves = {"production": None, "entities": 9, "moved": 3, "up": 2, "down": 1}
    assert _shown_result({"kind": "shadow", "result": moves}) == "beside nothing: 9 entities, 3 moved, 2 up, 1 down"
