"""How a job's model is trained: [training] and [search] of job.toml.

A recipe stands in job.toml under [training], and in the best_model_config.json that a search writes; the two have the same keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable

# The step from one landmark to the next of a job whose landmarks are those that its statement gives.
OWN_LANDMARKS = "0 s"
# The name of the group that holds the features of attributes; the other groups are of observations.
ATTRIBUTES = "attributes"


class Configuration(StrEnum):
    """The model configurations; tasks/ says which fit a task, training/ has the parameters of each."""

    LOGISTIC_REGRESSION = "logistic regression"  # standardised; a missing value has a weight of its own
    LINEAR_REGRESSION = "linear regression"  # the same for values, with a ridge
    RANDOM_FOREST = "random forest"
    EXTRA_TREES = "extra trees"
    GRADIENT_BOOSTING = "histogram gradient boosting"
    LIGHTGBM_SMALL = "lightgbm small"  # few leaves, strongly regularised
    LIGHTGBM_LARGE = "lightgbm large"  # more leaves and trees
    LIGHTGBM_UTILITY = "lightgbm utility"  # landmarks weighted by what an alarm is worth at that hour
    LIGHTGBM_ABSOLUTE = "lightgbm absolute"  # of values: the median, by absolute errors
    STACK = "calibrated stack"  # logistic regression, extra trees and LightGBM, weighted on held-out clients


class Target(StrEnum):
    """What a regression is fitted to."""

    VALUE = "value"
    LOG = "log"  # the logarithm, for values above 0 whose errors grow with them; carried back when it is published


class SplitBy(StrEnum):
    """How a recipe's figures are had: by whom, or by what time, the model has not seen."""

    CLIENT = "client"  # cross-validated: each client is scored by a model that has not seen it
    TIME = "time"  # what follows is scored by a model of the past alone, of all clients


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to train a model.

    `groups` are names of feature groups, empty for all features. `parameters` override the configuration's own. `members` models are
    fitted, each with a seed of its own, and averaged. Of entities without the event (of all, where the task has none) one landmark in
    `thin` is used, its weight times `thin`. `target` is of a regression.
    """

    configuration: Configuration = Configuration.LIGHTGBM_UTILITY
    groups: tuple[str, ...] = ()
    parameters: Mapping[str, float | bool] = field(default_factory=dict)
    members: int = 1
    thin: int = 1
    seed: int = 1
    split: SplitBy = SplitBy.CLIENT
    target: Target = Target.VALUE
    elsewhere: float = 1.0

    @classmethod
    def read(cls, table: TomlTable, *, usual: Configuration = Configuration.LIGHTGBM_UTILITY) -> Self:
        """Read a recipe; what it leaves out has its default, `usual` for the configuration.

        Raises UserError where `elsewhere` is no weight.
        """
        parameters = table.table("parameters", required=False)
        recipe = cls(
            configuration=table.choice("configuration", Configuration, usual),
            groups=table.texts("groups", default=()),
            parameters={name: _parameter(parameters, name, value) for name, value in parameters.take_all().items()},
            members=table.positive("members", default=1),
            thin=table.positive("thin", default=1),
            seed=table.positive("seed", default=1),
            split=table.choice("split", SplitBy, SplitBy.CLIENT),
            target=table.choice("target", Target, Target.VALUE),
            elsewhere=table.number("elsewhere", default=1.0),
        )
        table.finish()
        if not 0 < recipe.elsewhere <= 1:
            raise UserError(f'{table.where}: "elsewhere" must be a weight, above 0 and not above 1.')
        return recipe

    def as_json(self) -> dict[str, Any]:
        """The recipe with the keys of job.toml, for JSON; an unusual `split` or `target` too."""
        return {
            "configuration": self.configuration.value,
            "groups": list(self.groups),
            "parameters": dict(self.parameters),
            "members": self.members,
            "thin": self.thin,
            "seed": self.seed,
            **({} if self.split is SplitBy.CLIENT else {"split": self.split.value}),
            **({} if self.target is Target.VALUE else {"target": self.target.value}),
            **({} if self.elsewhere == 1.0 else {"elsewhere": self.elsewhere}),
        }


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """[search]: the combinations of feature groups that a search tries, by name."""

    combinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, table: TomlTable) -> Self:
        """Read [search]; where it names no combination, all features are the only one."""
        combinations = table.table("combinations", required=False)
        found = {name: combinations.texts(name) for name in combinations.names()}
        combinations.finish()
        table.finish()
        return cls(combinations=found or {"all": ()})


def require_groups(groups: Sequence[str], known: Sequence[str], *, where: str) -> None:
    """Raises UserError where one of `groups` is not `known` to the job."""
    for name in groups:
        if name not in known:
            raise UserError(f'{where}: there is no feature group "{name}"; there are: {", ".join(known)}.')


def read_recipe(path: Path, *, job: str) -> Recipe:
    """Read the recipe in a search's best_model_config.json.

    Raises UserError where the file is not one, or is of another job.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"The configuration {path} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"The configuration {path} is not a JSON object; give the best_model_config.json of a search.")
    table = TomlTable(content, where=str(path))
    for key in ("job", "recipe"):
        if key not in content:
            raise UserError(f'The configuration {path} has no "{key}"; give the best_model_config.json of a search.')
    if (of := table.text("job")) != job:
        raise UserError(f"The configuration {path} is of job {of}, not of {job}.")
    inner = table.table("recipe")
    missing = [key for key in Recipe().as_json() if key not in inner.names()]
    if missing:
        raise UserError(
            f'The configuration {path} has no "{missing[0]}" in its recipe; give the one that a search wrote.'
        )
    table.optional_table("found")
    table.finish()
    return Recipe.read(inner)


def _parameter(table: TomlTable, name: str, value: Any) -> float | bool:
    if not isinstance(value, bool | int | float):
        raise UserError(f'{table.where}: "{name}" must be a number or true or false, not {value!r}.')
    return value
