"""Recipes as a search writes them: read again, or refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.training import Configuration, Recipe, read_recipe
from scorer.training.search_report import CONFIG

QUICK = Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 20, "min_child_samples": 5})


def test_a_recipe_is_read_as_it_was_told(tmp_path: Path) -> None:
    path = tmp_path / CONFIG
    path.write_text(json.dumps({"job": "sepsis", "recipe": QUICK.told(), "found": {"objective": 1.0}}))
    assert read_recipe(path, job="sepsis") == QUICK


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("recipe"), 'has no "recipe"'),
        (lambda content: content["recipe"].pop("members"), 'has no "members" in its recipe'),
        (lambda content: content["recipe"].update(membres=3), 'unknown key "membres"; did you mean "members"'),
        (lambda content: content.update(job="other"), "is of job other, not of sepsis"),
        (lambda content: content["recipe"].update(configuration="oracle"), "must be one of 'logistic regression'"),
        (lambda content: content["recipe"].update(parameters={"trees": "many"}), '"trees" must be a number'),
    ],
)
def test_a_configuration_that_is_not_one_is_refused_in_a_sentence(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / CONFIG
    content = {"job": "sepsis", "recipe": QUICK.told()}
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        read_recipe(path, job="sepsis")


@pytest.mark.parametrize(
    ("text", "said"), [("[1]", "not a JSON object"), ("{", "cannot be read"), (None, "cannot be read")]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / CONFIG
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said):
        read_recipe(path, job="sepsis")
