"""Rules: what an expectation's `meta` must say, and what a finding says."""

from __future__ import annotations

from typing import Any

import great_expectations.expectations.core as expectations
import numpy as np
import pytest
from great_expectations.expectations.expectation import ColumnAggregateExpectation, Expectation

from scorer.errors import UserError
from scorer.scoring.validation.rules import Finding, is_aggregate, read_rules, with_actions
from scorer.types.enums import Action

META = {"rule": "r", "action": "drop", "expected": "a value"}


def entry(kind: str = "expect_column_values_to_not_be_null", **meta: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": {"column": "a"}, "meta": META | meta}


def test_a_rule_is_what_its_expectation_and_meta_say() -> None:
    kwargs = {"column_A": "a", "column_B": "b"}
    (rule, other) = read_rules(
        [
            {"type": "expect_column_pair_values_to_be_equal", "kwargs": kwargs, "meta": META | {"shows": ["c"]}},
            entry("expect_column_mean_to_be_between", rule="mean", action="fail", min_rows=20, once_per_entity=True),
        ],
        where="A suite",
    )
    assert (rule.name, rule.action, rule.columns, rule.shows) == ("r", Action.DROP, ("a", "b"), ("c",))
    assert (rule.min_rows, rule.once_per_entity, rule.is_aggregate) == (0, False, False)
    assert (other.columns, other.min_rows, other.once_per_entity, other.is_aggregate) == (("a",), 20, True, True)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("text", "A suite: expectation 1 is no expectation"),
        ({"kwargs": {}, "meta": META}, "is no expectation: it needs a"),
        ({"type": "x", "meta": {"rule": "r", "action": "drop"}}, 'expectation 1, x, has no "expected" in its meta'),
        (entry(action="stop"), "rule r has the action 'stop'; there are: warn, drop, quarantine, fail"),
        (entry(note="x"), 'rule r has the unknown key "note" in its meta'),
        (entry(shows="c"), '"shows" in its meta must be a list of columns'),
        (entry(shows=[1]), '"shows" in its meta must be a list of columns'),
        (entry(min_rows=True), '"min_rows" in its meta must be a whole number'),
    ],
)
def test_a_rule_that_says_what_none_can_is_one_sentence(wrong: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read_rules([wrong], where="A suite")


def between(**kwargs: Any) -> dict[str, Any]:
    return {"type": "expect_column_values_to_be_between", "kwargs": {"column": "a", **kwargs}, "meta": META}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (
            between(row_condition="b==1", condition_parser="pandas"),
            "row_condition is not supported; write the condition into the statement",
        ),
        (
            between(condition_parser="great_expectations"),
            "condition_parser is not supported; write the condition into the statement",
        ),
        (
            between(result_format="BASIC"),
            "result_format is not supported; how results are given is not the suite's to say",
        ),
        (between(catch_exceptions=False), "catch_exceptions is not supported"),
        (between(batch_id="x"), "batch_id is not supported"),
        (between(min_value={"$PARAMETER": "low"}), "$PARAMETER is not supported; write the value itself"),
        (between() | {"windows": [{}]}, "windows is not supported; give the limits themselves"),
        (
            entry("expect_table_columns_to_match_set"),
            "expect_table_columns_to_match_set is not supported; a rule sees no other columns",
        ),
        (
            entry("unexpected_rows_expectation"),
            "unexpected_rows_expectation is not supported; rules are judged on columns, not by SQL",
        ),
    ],
)
def test_what_a_rule_cannot_honour_is_refused_with_what_to_do(wrong: Any, why: str) -> None:
    with pytest.raises(UserError) as raised:
        read_rules([wrong], where="A suite")
    assert str(raised.value).startswith(f"A suite: expectation 1: rule r: {why}")


def test_an_expectation_of_great_expectations_018_is_refused_by_its_old_key() -> None:
    old = {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "a"}, "meta": META}
    with pytest.raises(
        UserError, match=r'^A suite: expectation 1 has the key "expectation_type", of .* write "type" instead\.$'
    ):
        read_rules([old], where="A suite")


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(UserError, match=r"A suite: two rules are called 'r'\."):
        read_rules([entry(), entry()], where="A suite")


def test_a_job_may_give_a_rule_another_action() -> None:
    rules = with_actions(read_rules([entry(), entry(rule="s")], where="A suite"), {"s": Action.WARN})
    assert [rule.action for rule in rules] == [Action.DROP, Action.WARN]


def test_a_finding_is_summed_up_in_counts() -> None:
    (rule,) = read_rules([entry()], where="A suite")
    finding = Finding(rule=rule, judged=7, broken=np.array([1, 4]), success=False, detail="observed 37.2")
    assert finding.summary == "2 of 7 rows are otherwise"
    result = finding.result("observations")
    assert (result.rule, result.judged, result.unexpected, result.column_name) == ("r", 7, 2, "a")
    together = Finding(rule=rule, judged=7, broken=np.empty(0, np.int64), success=False, detail="observed 37.2")
    assert "37.2" not in together.summary


def test_rules_on_a_whole_column_are_known_by_their_names() -> None:
    kinds = [each for each in vars(expectations).values() if isinstance(each, type) and issubclass(each, Expectation)]
    aggregate = {each.expectation_type: issubclass(each, ColumnAggregateExpectation) for each in kinds}
    assert {True, False} == set(aggregate.values())
    assert {name: is_aggregate(name) for name in aggregate} == aggregate
