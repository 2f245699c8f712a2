"""The rules of a suite: what each expectation's `meta` says, and what was found when it was evaluated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scorer.errors import UserError
from scorer.types.arrays import Integers
from scorer.types.enums import Action
from scorer.types.values import RuleResult

_META: Mapping[str, type] = {
    "rule": str,
    "action": str,
    "expected": str,
    "shows": list,
    "once_per_entity": bool,
    "min_rows": int,
}
_ALWAYS = ("rule", "action", "expected")
_KINDS = {str: "text", list: "a list of columns", bool: "true or false", int: "a whole number"}
_COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")


# What Great Expectations knows and a rule here cannot honour: each would be ignored, or judged otherwise than it says.
_CONDITION = "write the condition into the statement"
_RUNTIME = "how results are given is not the suite's to say, so leave it out"
_UNSUPPORTED_ARGUMENTS: Mapping[str, str] = {
    "row_condition": _CONDITION,
    "condition_parser": _CONDITION,
    "batch_id": "a rule judges the rows of each batch, so leave it out",
    "result_format": _RUNTIME,
    "include_config": _RUNTIME,
    "catch_exceptions": _RUNTIME,
}
_UNSUPPORTED_FIELDS: Mapping[str, str] = {
    "windows": "give the limits themselves",
}
_UNSUPPORTED_TYPES: Mapping[str, str] = {
    "expect_table_column": "a rule sees no other columns than it names",
    "expect_table_row_count_to_equal_other": "a rule sees no other table",
    "expect_query": "rules are judged on columns, not by SQL",
    "unexpected_rows": "rules are judged on columns, not by SQL",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One expectation of a suite, and what a breach of it does."""

    name: str
    action: Action
    expectation: str
    columns: tuple[str, ...]
    expected: str
    shows: tuple[str, ...]
    once_per_entity: bool
    min_rows: int
    is_aggregate: bool  # whether it is about the rows together, such as their mean, and about none by itself
    entry: Mapping[str, Any]  # as it stands in the suite


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one expectation gives: the numbers of the rows that break it, ascending, and whether it holds.

    It may hold although rows break it, where `mostly` allows that.
    """

    broken: Integers
    success: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found in a frame: how many rows it `judged`, and the numbers of those that broke it."""

    rule: Rule
    judged: int
    broken: Integers
    success: bool
    detail: str

    def result(self, suite: str) -> RuleResult:
        """The finding of a rule of `suite`, as counts for the database."""
        return RuleResult(
            suite=suite,
            rule=self.rule.name,
            expectation=self.rule.expectation,
            action=self.rule.action,
            column_name=", ".join(self.rule.columns),
            judged=self.judged,
            unexpected=len(self.broken),
            success=self.success,
            detail=self.detail,
        )

    @property
    def summary(self) -> str:
        """What was found, in counts alone: it is logged, and what a rule measured may be a patient's value."""
        if len(self.broken):
            return f"{len(self.broken)} of {self.judged} rows are otherwise"
        return f"all {self.judged} rows together are otherwise (scorer.validation_results says what was measured)"


def read_rules(entries: Any, *, where: str) -> tuple[Rule, ...]:
    """The rules of a suite's expectations, in order. Raises UserError where one is wrong or named twice."""
    rules = tuple(_rule(entry, where=f"{where}: expectation {place}") for place, entry in enumerate(entries, start=1))
    repeated = [name for name, times in Counter(rule.name for rule in rules).items() if times > 1]
    if repeated:
        raise UserError(f"{where}: two rules are called {repeated[0]!r}.")
    return rules


def with_actions(rules: tuple[Rule, ...], actions: Mapping[str, Action]) -> tuple[Rule, ...]:
    """The rules, with the `actions` that a job gives some of them instead of the suite's."""
    return tuple(replace(rule, action=actions.get(rule.name, rule.action)) for rule in rules)


def _rule(entry: Any, *, where: str) -> Rule:
    if isinstance(entry, dict) and "expectation_type" in entry:
        raise UserError(
            f'{where} has the key "expectation_type", of Great Expectations before 1.0; write "type" instead.'
        )
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise UserError(f'{where} is no expectation: it needs a "type", "kwargs" and a "meta".')
    meta = entry["meta"] if isinstance(entry.get("meta"), dict) else {}
    _require_meta(meta, where=f"{where}, {entry['type']}")
    if meta["action"] not in set(Action):
        raise UserError(
            f"{where}: rule {meta['rule']} has the action {meta['action']!r}; there are: {', '.join(Action)}."
        )
    arguments = entry["kwargs"] if isinstance(entry.get("kwargs"), dict) else {}
    _require_supported(entry, arguments, where=f"{where}: rule {meta['rule']}")
    named = [arguments[key] for key in _COLUMN_ARGUMENTS if key in arguments]
    return Rule(
        name=meta["rule"],
        action=Action(meta["action"]),
        expectation=entry["type"],
        columns=tuple(column for each in named for column in (each if isinstance(each, list) else [each])),
        expected=meta["expected"],
        shows=tuple(meta.get("shows", ())),
        once_per_entity=meta.get("once_per_entity", False),
        min_rows=meta.get("min_rows", 0),
        is_aggregate=is_aggregate(entry["type"]),
        entry=entry,
    )


def is_aggregate(expectation: str) -> bool:
    """Whether an expectation of this type is about a column as a whole, such as its mean.

    >>> is_aggregate("expect_column_mean_to_be_between"), is_aggregate("expect_column_values_to_be_between")
    (True, False)
    """
    others = ("values_", "value_", "pair_", "to_exist", "type_")
    column, _, rest = expectation.partition("expect_column_")
    return not column and bool(rest) and not rest.startswith(others)


def _require_supported(entry: Mapping[str, Any], arguments: Mapping[str, Any], *, where: str) -> None:
    """Raise UserError where the expectation has what a rule here cannot honour."""
    for prefix, why in _UNSUPPORTED_TYPES.items():
        if entry["type"].startswith(prefix):
            raise UserError(f"{where}: {entry['type']} is not supported; {why}.")
    for given, unsupported in ((arguments, _UNSUPPORTED_ARGUMENTS), (entry, _UNSUPPORTED_FIELDS)):
        for name, instead in unsupported.items():
            if given.get(name) is not None:
                raise UserError(f"{where}: {name} is not supported; {instead}.")
    if "$PARAMETER" in json.dumps(arguments):
        raise UserError(f"{where}: $PARAMETER is not supported; write the value itself.")


def _require_meta(meta: Mapping[str, Any], *, where: str) -> None:
    for key in _ALWAYS:
        if key not in meta:
            raise UserError(f'{where}, has no "{key}" in its meta.')
    for key, value in meta.items():
        if key not in _META:
            raise UserError(f'{where}: rule {meta["rule"]} has the unknown key "{key}" in its meta.')
        parts = value if isinstance(value, list) else []
        if type(value) is not _META[key] or not all(isinstance(part, str) for part in parts):
            raise UserError(f'{where}: rule {meta["rule"]}: "{key}" in its meta must be {_KINDS[_META[key]]}.')
