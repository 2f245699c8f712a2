"""Recipes and searches: from job.toml, and from the file that a search writes."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.job import load_job
from scorer.jobs.toml_table import TomlTable
from scorer.jobs.training import Configuration, Recipe, SearchSpec, SplitBy, Target, read_recipe, require_groups

QUICK = Recipe(configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 20, "min_child_samples": 5})


def table(text: str) -> TomlTable:
    return TomlTable(tomllib.loads(text), where="[training]")


def test_what_a_recipe_leaves_out_has_its_default() -> None:
    assert Recipe.read(table("")) == Recipe()
    read = Recipe.read(table('configuration = "lightgbm small"\nparameters = { trees = 20, min_child_samples = 5 }'))
    assert read == QUICK


def test_the_default_recipe_of_a_job_without_a_utility_needs_none() -> None:
    assert load_job("sepsis").training.configuration is Configuration.LIGHTGBM_UTILITY
    job = load_job("ward_load", jobs_dir=Path(__file__).parents[2] / "jobs")
    assert job.measures.utility is None
    assert job.training.configuration is Configuration.LIGHTGBM_SMALL


def test_split_and_target_are_written_only_where_they_are_unusual() -> None:
    text = 'configuration = "lightgbm absolute"\nsplit = "time"\ntarget = "log"'
    read = Recipe.read(table(text))
    assert (read.split, read.target) == (SplitBy.TIME, Target.LOG)
    assert {**read.as_json(), "split": "time", "target": "log"} == read.as_json()
    assert not {"split", "target"} & set(Recipe().as_json()), "files of earlier searches have neither"
    with pytest.raises(UserError, match="split"):
        Recipe.read(table('split = "week"'))


def test_the_usual_configuration_is_the_tasks() -> None:
    usual = Configuration.LIGHTGBM_SMALL
    assert Recipe.read(table("members = 2"), usual=usual).configuration is usual


def test_without_a_combination_a_search_tries_all_features() -> None:
    assert SearchSpec.read(table("")).combinations == {"all": ()}
    assert SearchSpec.read(table('combinations = { few = ["vitals"] }')).combinations == {"few": ("vitals",)}


def test_a_group_that_is_not_there_is_refused_in_a_sentence() -> None:
    require_groups(["vitals"], ["vitals", "attributes"], where="here")
    with pytest.raises(UserError, match=r'^here: there is no feature group "vitalz"; there are: vitals, attributes\.$'):
        require_groups(["vitals", "vitalz"], ["vitals", "attributes"], where="here")


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "best_model_config.json"
    path.write_text(json.dumps({"job": "sepsis", "recipe": QUICK.as_json(), "found": {"objective": 1.0}}))
    assert read_recipe(path, job="sepsis") == QUICK


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.pop("recipe"), 'has no "recipe"'),
        (lambda content: content["recipe"].pop("members"), 'has no "members" in its recipe'),
        (lambda content: content["recipe"].update(membres=3), 'unknown key "membres"; did you mean "members"'),
        (lambda content: content.update(job="other"), "is of job other, not of sepsis"),
        (lambda content: content["recipe"].update(configuration="oracle"), "must be one of 'logistic regression'"),
        (lambda content: content["recipe"].update(parameters={"trees": "many"}), '"trees" must be a number'),
    ],
)
def test_a_configuration_that_is_not_one_is_refused_in_a_sentence(tmp_path: Path, change: Any, sentence: str) -> None:
    path = tmp_path / "best_model_config.json"
    content = {"job": "sepsis", "recipe": QUICK.as_json()}
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=sentence):
        read_recipe(path, job="sepsis")


@pytest.mark.parametrize(
    ("text", "sentence"), [("[1]", "not a JSON object"), ("{", "cannot be read"), (None, "cannot be read")]
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    path = tmp_path / "best_model_config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=sentence):
        read_recipe(path, job="sepsis")
