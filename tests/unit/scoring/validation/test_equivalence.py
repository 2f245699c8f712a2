"""Compiled forms are compared with Great Expectations on edge values: a wrong one is found out before it is used."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.scoring.validation import compiled, gx
from scorer.scoring.validation.columns import Columns, mean
from scorer.scoring.validation.equivalence import find_differing
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rule_engine import RuleEngine
from scorer.scoring.validation.rules import Rule, RuleOutcome

pytestmark = pytest.mark.usefixtures("nothing_proved")

MakeRules = Callable[..., tuple[Rule, ...]]
MakeFrame = Callable[..., Frame]
BETWEEN = "expect_column_values_to_be_between"
ABOVE_0 = {"column": "a", "min_value": 0}


def shown(outcome: RuleOutcome) -> tuple[list[int], bool, str]:
    return outcome.broken.tolist(), outcome.success, outcome.detail


def limits_are_open(**arguments: Any) -> Any:
    return compiled._between(**arguments | {"strict_min": True})


def missing_breaks(*, column: str, mostly: float = 1.0, **limits: Any) -> Any:
    outside = compiled._outside(**limits)
    assert outside is not None
    return lambda columns: compiled._of_given(
        columns, column, outside(columns[column]) | ~columns.given(column), mostly=mostly
    )


def mostly_of_all_rows(*, column: str, mostly: float = 1.0, **limits: Any) -> Any:
    outside = compiled._outside(**limits)
    assert outside is not None
    return lambda columns: compiled._by_row(
        outside(columns[column]), considered=lambda: columns.rows, mostly=mostly if mostly < 1 else 0.5
    )


def infinite_is_missing(**arguments: Any) -> Any:
    evaluate = compiled._between(**arguments)
    assert evaluate is not None

    def evaluate_finite(columns: Columns) -> RuleOutcome:
        found = evaluate(columns)
        finite = np.isfinite(columns[arguments["column"]][found.broken])
        return RuleOutcome(found.broken[finite], success=found.success, detail=found.detail)

    return evaluate_finite


def either_for_both(**arguments: Any) -> Any:
    return compiled._a_greater_than_b(**arguments | {"ignore_row_if": "either_value_is_missing"})


def mean_of_all_rows(columns: Columns, column: str) -> Any:
    return columns.filled(column, 0.0).mean()


def last_bit(columns: Columns, column: str) -> Any:
    return np.nextafter(mean(columns, column), np.inf)


PAIR_RULE = ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "a", "column_B": "b"})
MEAN_RULE = ("expect_column_mean_to_be_between", {"column": "a", "max_value": 0.9})
WRONG: dict[str, tuple[tuple[str, dict[str, Any]], Any]] = {
    "limits are open": ((BETWEEN, ABOVE_0), limits_are_open),
    "what is missing breaks the rule": ((BETWEEN, ABOVE_0), missing_breaks),
    "another share": ((BETWEEN, ABOVE_0), mostly_of_all_rows),
    "an infinity is missing": ((BETWEEN, ABOVE_0), infinite_is_missing),
    "rows with one side are left out": (PAIR_RULE, either_for_both),
    "what is missing counts as 0": (MEAN_RULE, compiled._measured(mean_of_all_rows)),
    "the last bit": (MEAN_RULE, compiled._measured(last_bit)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_form_is_found_out_before_it_is_used(
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    make_rules: MakeRules,
    make_frame: MakeFrame,
) -> None:
    entry, make = WRONG[kind]
    sound = ("expect_column_values_to_not_be_null", {"column": "a"})
    rules = make_rules(entry, sound)
    monkeypatch.setitem(compiled._FORMS, entry[0], replace(compiled._FORMS[entry[0]], make=make))  # type: ignore[arg-type]
    frame = make_frame(a=[0.0, math.nan, 0.1, 0.2, -math.inf], b=[0.0, 1.0, math.nan, 0.0, 0.0])
    kinds = {name: frame[name].dtype for name in ("a", "b")}
    assert find_differing(rules, kinds, where="A suite", suite="compared") == {"r0"}
    asked = RuleEngine(rules, where="A suite", compiled=True, records=tmp_path)
    found = asked.evaluate(rules, frame)
    assert list(asked._usable_forms(frame)) == ["r1"]
    assert shown(found["r0"]) == shown(gx.evaluate(rules, frame, where="", suite="beside")["r0"])
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.fields["rule"] for record in warned] == ["r0"]  # type: ignore[attr-defined]
    # That the suite is understood; a proof that failed spares no process the warning.
    assert len(list(tmp_path.iterdir())) == 1


def test_sound_forms_do_not_differ(make_rules: MakeRules) -> None:
    rules = make_rules((BETWEEN, ABOVE_0), PAIR_RULE, MEAN_RULE)
    for kind in np.dtype(np.float64), np.dtype(np.int64):
        assert find_differing(rules, {"a": kind, "b": kind}, where="A suite", suite=f"sound {kind}") == set()


def test_where_great_expectations_cannot_evaluate_a_rule_no_form_is_used(make_rules: MakeRules) -> None:
    rules = make_rules((BETWEEN, ABOVE_0), (BETWEEN, {**ABOVE_0, "max_value": -1}))
    kinds = {"a": np.dtype(np.float64)}
    assert find_differing(rules, kinds, where="A suite", suite="cannot") == {"r0", "r1"}
