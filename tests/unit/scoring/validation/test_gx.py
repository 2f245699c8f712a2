"""Great Expectations as it is asked: what it does not understand is refused, and each rule gets its own answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.scoring.validation import gx
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rule_engine import RuleEngine
from scorer.scoring.validation.rules import Rule

MakeRules = Callable[..., tuple[Rule, ...]]
MakeFrame = Callable[..., Frame]
BETWEEN = "expect_column_values_to_be_between"
ABOVE_0 = {"column": "a", "min_value": 0}


@pytest.mark.parametrize("enabled", [True, False])
def test_great_expectations_refuses_what_it_does_not_understand(
    enabled: bool, tmp_path: Path, make_rules: MakeRules
) -> None:
    rules = make_rules((BETWEEN, {"column": "a", "min_valu": 0}))
    for _ in range(2):
        with pytest.raises(UserError, match=r"A suite: expectation 1: .* does not understand rule r0: .*min_valu"):
            RuleEngine(rules, where="A suite", compiled=enabled, records=tmp_path)


def test_each_rule_gets_its_own_outcome(make_rules: MakeRules, make_frame: MakeFrame) -> None:
    rules = make_rules(
        (BETWEEN, ABOVE_0),
        ("expect_column_values_to_not_be_null", {"column": "a", "mostly": 0.5}),
        ("expect_column_mean_to_be_between", {"column": "a", "max_value": 0}),
    )
    found = gx.evaluate(rules, make_frame(a=[1.0, -1.0, math.nan, 3.0]), where="A suite", suite="own outcomes")
    assert [found[rule.name].broken.tolist() for rule in rules] == [[1], [2], []]
    assert [found[rule.name].success for rule in rules] == [False, True, False]
    assert [found[rule.name].detail for rule in rules] == ["", "", "observed 1.0"]


def test_two_rules_on_quantiles_of_one_column_get_an_outcome_each(make_rules: MakeRules, make_frame: MakeFrame) -> None:
    """In one call Great Expectations would answer both with those of the first."""

    def quantile(low: float, high: float, quantile: float) -> tuple[str, dict[str, Any]]:
        ranges = {"quantiles": [quantile], "value_ranges": [[low, high]]}
        return "expect_column_quantile_values_to_be_between", {"column": "a", "quantile_ranges": ranges}

    rules = make_rules(quantile(0, 1, 0.0), quantile(8, 9, 1.0), quantile(0, 1, 1.0))
    found = gx.evaluate(rules, make_frame(a=list(range(10))), where="A suite", suite="quantiles")
    assert [found[rule.name].success for rule in rules] == [True, True, False]


def test_a_rule_that_cannot_be_evaluated_is_one_sentence(make_rules: MakeRules, make_frame: MakeFrame) -> None:
    rules = make_rules((BETWEEN, {"column": "a", "min_value": 1, "max_value": 0}))
    with pytest.raises(UserError, match=r"^A suite: rule r0 could not be judged \([\w.]+\); mend the suite\.$"):
        gx.evaluate(rules, make_frame(a=[37.2]), where="A suite", suite="cannot")
