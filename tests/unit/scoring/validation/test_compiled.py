"""The compiled form of a rule and Great Expectations give the same verdict, whatever the rule says and whatever the rows hold."""

from __future__ import annotations

import json
import logging
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import great_expectations.expectations.core as expectations
import numpy as np
import pytest
from great_expectations.expectations.expectation import ColumnAggregateExpectation, Expectation
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from scorer.errors import UserError
from scorer.scoring.validation import compiled, gx
from scorer.scoring.validation.columns import Columns, mean
from scorer.scoring.validation.compiled import compile_rule
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rule_engine import RuleEngine
from scorer.scoring.validation.rules import Rule, RuleOutcome, is_of_all, read_rules

FLOATS = ("a", "b", "c")
WHOLE = ("i", "j")
# Few values, so that rows repeat, sides are equal and limits are met; and the values at the ends of what a double can be.
FEW = st.sampled_from([math.nan, -math.inf, -1.0, -0.0, 0.0, 1e-9, 0.1, 0.2, 0.3, 1.0, 1.5, 2.0, 3.0, math.inf])
EXTREMES = st.sampled_from([sys.float_info.max, -sys.float_info.max, 5e-324, 2.0**53, 1 + 2**-52, 1e16, -1e16])
ANY_FLOAT = st.one_of(FEW, FEW, FEW, EXTREMES, st.floats(allow_nan=True, allow_infinity=True))
FINITE = st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3, 1.0])
WHOLES = st.integers(-3, 3) | st.sampled_from([2**53, 2**53 + 1, 2**62, -(2**63), 2**63 - 1])
LIMIT = st.none() | st.integers(-3, 100) | FEW.filter(math.isfinite) | FINITE | EXTREMES
MOSTLY = st.sampled_from([0, 0.1, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 0.9, 1])
FLAG = st.booleans()
COLUMN = st.sampled_from([*FLOATS, *WHOLE])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    """A frame of float64 and int64 columns, of no row, of one, or of a few; one column with nothing missing, and one out of step."""
    rows = draw(st.sampled_from([0, 1, 2, 3, 5, 8, 20]))
    columns: dict[str, Any] = {}
    for name, values in (("a", ANY_FLOAT), ("b", FEW), ("c", FINITE)):
        columns[name] = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=np.float64)
    for name, values in (("i", WHOLES), ("j", st.integers(-2, 2))):
        columns[name] = np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=np.int64)
    times = draw(st.sampled_from([1, 1, 1, 1, 9, 450]))  # NumPy adds up long columns in blocks
    columns = {name: np.tile(values, times) for name, values in columns.items()}
    columns["b"] = np.repeat(columns["b"], 2)[::2]  # a column of a matrix does not lie in one piece
    return Frame(columns, rows=rows * times)


@st.composite
def limits(draw: st.DrawFn, limit: st.SearchStrategy[Any] = LIMIT) -> dict[str, Any]:
    low, high = draw(limit), draw(limit)
    if low is not None and high is not None and low > high:
        low, high = high, low
    if low is None and high is None:
        low = 0
    named = draw(st.fixed_dictionaries({}, optional={"strict_min": FLAG, "strict_max": FLAG}))
    return {"min_value": low, "max_value": high, **named}


def arguments(needed: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(needed, optional=optional)


def between(needed: dict[str, Any], limit: st.SearchStrategy[Any] = LIMIT, **optional: Any) -> st.SearchStrategy[Any]:
    return st.tuples(arguments(needed, **optional), limits(limit)).map(lambda both: both[0] | both[1])


SET = st.lists(st.integers(-3, 3), min_size=1, max_size=4) | st.lists(
    st.one_of(st.integers(-3, 3), FEW.filter(math.isfinite), FINITE), min_size=1, max_size=6
)
PAIR = {"column_A": COLUMN, "column_B": COLUMN}
IGNORED = st.sampled_from(["both_values_are_missing", "either_value_is_missing", "neither"])
LIST = {"column_list": st.lists(COLUMN, min_size=2, max_size=4, unique=True)}
LIST_IGNORED = st.sampled_from(["all_values_are_missing", "any_value_is_missing", "never"])
COUNT = st.none() | st.integers(0, 12)
SHARE = st.none() | st.sampled_from([0, 0.25, 1 / 3, 0.5, 2 / 3, 1])


@st.composite
def quantiles(draw: st.DrawFn) -> dict[str, Any]:
    wanted = sorted(draw(st.lists(st.sampled_from([0, 0.05, 0.25, 0.5, 0.9, 1]), min_size=1, max_size=3, unique=True)))
    ranges = []
    for _ in wanted:
        each = draw(limits())
        ranges.append([each["min_value"], each["max_value"]])
    return {"quantiles": wanted, "value_ranges": ranges}


ONE = {"column": COLUMN}
KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": arguments(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_null": arguments(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_between": between(ONE, mostly=MOSTLY),
    "expect_column_values_to_be_in_set": arguments({**ONE, "value_set": SET}, mostly=MOSTLY),
    "expect_column_values_to_not_be_in_set": arguments({**ONE, "value_set": SET}, mostly=MOSTLY),
    "expect_column_values_to_be_unique": arguments(ONE, mostly=MOSTLY),
    "expect_column_pair_values_a_to_be_greater_than_b": arguments(
        PAIR, mostly=MOSTLY, or_equal=FLAG, ignore_row_if=IGNORED
    ),
    "expect_column_pair_values_to_be_equal": arguments(PAIR, mostly=MOSTLY, ignore_row_if=IGNORED),
    "expect_compound_columns_to_be_unique": arguments(LIST, mostly=MOSTLY, ignore_row_if=LIST_IGNORED),
    "expect_multicolumn_sum_to_equal": arguments(
        {**LIST, "sum_total": st.integers(-2, 4) | FINITE | st.sampled_from([0.3, 0.6])},
        mostly=MOSTLY,
        ignore_row_if=LIST_IGNORED,
    ),
    "expect_column_min_to_be_between": between(ONE),
    "expect_column_max_to_be_between": between(ONE),
    "expect_column_sum_to_be_between": between(ONE),
    "expect_column_mean_to_be_between": between(ONE),
    "expect_column_median_to_be_between": between(ONE),
    "expect_column_stdev_to_be_between": between(ONE),
    "expect_column_unique_value_count_to_be_between": between(ONE, COUNT),
    "expect_column_proportion_of_unique_values_to_be_between": between(ONE, SHARE),
    "expect_column_proportion_of_non_null_values_to_be_between": between(ONE, SHARE),
    "expect_column_quantile_values_to_be_between": arguments(
        {**ONE, "quantile_ranges": quantiles()},
        allow_relative_error=st.sampled_from([False, "linear", "lower", "higher", "midpoint", "nearest"]),
    ),
    "expect_table_row_count_to_be_between": between({}, COUNT),
}


def rules_of(*entries: tuple[str, dict[str, Any]]) -> tuple[Rule, ...]:
    return read_rules(
        [
            {"type": kind, "kwargs": kwargs, "meta": {"rule": f"r{n}", "action": "warn", "expected": "x"}}
            for n, (kind, kwargs) in enumerate(entries)
        ],
        where="a test",
    )


def by_numpy(rules: tuple[Rule, ...], frame: Frame) -> dict[str, RuleOutcome]:
    columns, found = Columns(frame), {}
    for rule in rules:
        form = compile_rule(rule)
        assert form is not None, rule.entry
        found[rule.name] = form(columns)
    return found


def told(verdict: RuleOutcome) -> tuple[list[int], bool, str]:
    return verdict.broken.tolist(), verdict.success, verdict.detail


def assert_same(rules: tuple[Rule, ...], frame: Frame) -> None:
    one, other = by_numpy(rules, frame), gx.judge(rules, frame, where="a test", suite="a test")
    for rule in rules:
        entry = {key: rule.entry[key] for key in ("type", "kwargs")}
        assert told(one[rule.name]) == told(other[rule.name]), (entry, {n: frame[n].tolist() for n in rule.columns})


def test_every_type_that_is_compiled_is_compared() -> None:
    assert set(KINDS) == set(compiled._FORMS)


def test_rules_on_a_whole_column_are_told_by_their_names() -> None:
    kinds = [each for each in vars(expectations).values() if isinstance(each, type) and issubclass(each, Expectation)]
    told_apart = {each.expectation_type: issubclass(each, ColumnAggregateExpectation) for each in kinds}
    assert {True, False} == set(told_apart.values())
    assert {name: is_of_all(name) for name in told_apart} == told_apart


# One call judges many rules: 32 examples, with every kind three times, are some 2,000 comparisons.
@settings(
    max_examples=32,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    frame=frames(),
    asked=st.tuples(*(st.tuples(st.just(kind), drawn) for kind, drawn in KINDS.items() for _ in range(3))),
)
def test_both_forms_give_the_same_verdicts(frame: Frame, asked: tuple[tuple[str, dict[str, Any]], ...]) -> None:
    assert_same(rules_of(*asked), frame)


def test_a_quantile_is_about_within_its_range() -> None:
    rows = [1e-9, -1e-9, 2e-8, 1.00005, 1.0002]
    ranges = [[None, 0.0], [0.0, None], [0.0, 0.0], [0.5, 1.0], [1.0003, 2.0]]
    asked = [
        {"column": name, "quantile_ranges": {"quantiles": [0.5], "value_ranges": [limits]}}
        for name in rows_by_name(rows)
        for limits in ranges
    ]
    rules = rules_of(*(("expect_column_quantile_values_to_be_between", kwargs) for kwargs in asked))
    frame = Frame(rows_by_name(rows), rows=1)
    assert_same(rules, frame)
    assert len({verdict.success for verdict in by_numpy(rules, frame).values()}) == 2


def rows_by_name(values: list[float]) -> dict[str, Any]:
    """A column of one row for each value."""
    return {f"column {place}": np.array([value]) for place, value in enumerate(values)}


BETWEEN = "expect_column_values_to_be_between"
ABOVE_0 = {"column": "a", "min_value": 0}
LEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "another type": ("expect_column_values_to_be_increasing", {"column": "a"}),
    "rows on a condition": (BETWEEN, {**ABOVE_0, "row_condition": "a > 0", "condition_parser": "pandas"}),
    "a note": (BETWEEN, {**ABOVE_0, "notes": "x"}),
    "no limit": (BETWEEN, {"column": "a"}),
    "limits that contradict each other": (BETWEEN, {**ABOVE_0, "max_value": -1}),
    "text for a number": (BETWEEN, {"column": "a", "min_value": "0"}),
    "true for a number": (BETWEEN, {"column": "a", "min_value": True}),
    "NaN for a number": (BETWEEN, {"column": "a", "min_value": math.nan}),
    "a number that no double is": (BETWEEN, {"column": "a", "min_value": 2**53 + 1}),
    "a parameter": (BETWEEN, {"column": "a", "min_value": {"$PARAMETER": "x"}}),
    "text for a flag": (BETWEEN, {**ABOVE_0, "strict_min": "yes"}),
    "null for a share": (BETWEEN, {**ABOVE_0, "mostly": None}),
    "a share above 1": (BETWEEN, {**ABOVE_0, "mostly": 1.5}),
    "no column": (BETWEEN, {"min_value": 0}),
    "null in a set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [1, None]}),
    "text in a set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [1, "1"]}),
    "an empty set": ("expect_column_values_to_be_in_set", {"column": "a", "value_set": []}),
    "half a row": ("expect_table_row_count_to_be_between", {"min_value": 0.5}),
    "a word that is none": (
        "expect_column_pair_values_to_be_equal",
        {"column_A": "a", "column_B": "b", "ignore_row_if": "never"},
    ),
    "one column twice": ("expect_compound_columns_to_be_unique", {"column_list": ["a", "a"]}),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_has_no_compiled_form_is_left_to_great_expectations(kind: str) -> None:
    (rule,) = rules_of(LEFT[kind])
    assert compile_rule(rule) is None


def edges(**columns: Any) -> Frame:
    return Frame({name: np.array(values) for name, values in columns.items()}, rows=len(next(iter(columns.values()))))


def judges(rules: tuple[Rule, ...], *, records: Path | None = None, enabled: bool = True) -> RuleEngine:
    return RuleEngine(rules, where="A suite", compiled=enabled, records=records)


@pytest.fixture(autouse=True)
def _nothing_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a new process does."""
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._proved", {})


def test_columns_of_other_types_are_judged_by_great_expectations_and_the_rest_is_not() -> None:
    rules = rules_of(
        ("expect_column_values_to_not_be_null", {"column": "text"}), (BETWEEN, ABOVE_0), LEFT["another type"]
    )
    frame = edges(a=[1.0, -1.0, 2.0], text=np.array(["x", None, "y"], dtype=object))
    found = judges(rules).judge(rules, frame)
    assert {name: verdict.broken.tolist() for name, verdict in found.items()} == {"r0": [1], "r1": [1], "r2": [1]}
    assert list(judges(rules)._usable_forms(frame)) == ["r1"]


def limits_are_open(**arguments: Any) -> Any:
    return compiled._between(**arguments | {"strict_min": True})


def missing_breaks(*, column: str, mostly: float = 1.0, **limits: Any) -> Any:
    outside = compiled._outside(**limits)
    assert outside is not None
    return lambda columns: compiled._of_given(
        columns, column, outside(columns[column]) | ~columns.given(column), mostly=mostly
    )


def mostly_of_all(*, column: str, mostly: float = 1.0, **limits: Any) -> Any:
    outside = compiled._outside(**limits)
    assert outside is not None
    return lambda columns: compiled._by_row(
        outside(columns[column]), considered=lambda: columns.rows, mostly=mostly if mostly < 1 else 0.5
    )


def infinite_is_missing(**arguments: Any) -> Any:
    judge = compiled._between(**arguments)
    assert judge is not None

    def judge_finite(columns: Columns) -> RuleOutcome:
        found = judge(columns)
        finite = np.isfinite(columns[arguments["column"]][found.broken])
        return RuleOutcome(found.broken[finite], success=found.success, detail=found.detail)

    return judge_finite


def either_for_both(**arguments: Any) -> Any:
    return compiled._a_greater_than_b(**arguments | {"ignore_row_if": "either_value_is_missing"})


def mean_of_all(columns: Columns, column: str) -> Any:
    return columns.filled(column, 0.0).mean()


def last_bit(columns: Columns, column: str) -> Any:
    return np.nextafter(mean(columns, column), np.inf)


PAIR_RULE = ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "a", "column_B": "b"})
MEAN_RULE = ("expect_column_mean_to_be_between", {"column": "a", "max_value": 0.9})
WRONG: dict[str, tuple[tuple[str, dict[str, Any]], Any]] = {
    "limits are open": ((BETWEEN, ABOVE_0), limits_are_open),
    "what is missing breaks the rule": ((BETWEEN, ABOVE_0), missing_breaks),
    "another share": ((BETWEEN, ABOVE_0), mostly_of_all),
    "an infinity is missing": ((BETWEEN, ABOVE_0), infinite_is_missing),
    "rows with one side are left out": (PAIR_RULE, either_for_both),
    "what is missing counts as 0": (MEAN_RULE, compiled._measured(mean_of_all)),
    "the last bit": (MEAN_RULE, compiled._measured(last_bit)),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_form_is_found_out_before_it_judges_and_great_expectations_judges(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    entry, make = WRONG[kind]
    sound = ("expect_column_values_to_not_be_null", {"column": "a"})
    rules = rules_of(entry, sound)
    monkeypatch.setitem(compiled._FORMS, entry[0], replace(compiled._FORMS[entry[0]], make=make))  # type: ignore[arg-type]
    frame = edges(a=[0.0, math.nan, 0.1, 0.2, -math.inf], b=[0.0, 1.0, math.nan, 0.0, 0.0])
    asked = judges(rules, records=tmp_path)
    found = asked.judge(rules, frame)
    assert list(asked._usable_forms(frame)) == ["r1"]
    assert told(found["r0"]) == told(gx.judge(rules, frame, where="", suite="beside")["r0"])
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.fields["rule"] for record in warned] == ["r0"]  # type: ignore[attr-defined]
    assert (
        len(list(tmp_path.iterdir())) == 1
    )  # that the suite is understood; a proof that failed spares nobody a warning


def test_the_proof_holds_for_the_types_of_the_columns_that_it_was_made_for() -> None:
    rules = rules_of((BETWEEN, ABOVE_0))
    asked = judges(rules)
    asked.judge(rules, edges(a=[1.0]))
    asked.judge(rules, edges(a=[1, 2, -1]))
    assert list(asked._forms) == [("<f8",), ("<i8",)]


def test_a_rule_that_cannot_be_judged_says_so_though_it_is_compiled_elsewhere() -> None:
    rules = rules_of(LEFT["limits that contradict each other"])
    with pytest.raises(UserError, match="A suite: rule r0 could not be judged"):
        judges(rules).judge(rules, edges(a=[1.0]))


@pytest.mark.parametrize("enabled", [True, False])
def test_great_expectations_refuses_what_it_does_not_understand(enabled: bool, tmp_path: Path) -> None:
    rules = rules_of((BETWEEN, {"column": "a", "min_valu": 0}))
    for _ in range(2):
        with pytest.raises(UserError, match=r"A suite: expectation 1: .* does not understand rule r0: .*min_valu"):
            judges(rules, records=tmp_path, enabled=enabled)


PROGRAM = """
import json, sys, pathlib
import numpy as np
from scorer.jobs.job import load_job
from scorer.scoring.validation.suites import Suites
suites = Suites(load_job("sepsis"), records=pathlib.Path(sys.argv[1]))
score = np.linspace(0, 1, 100)
verdict = suites.validate_scores([str(n) for n in range(100)], score=score, training_quantile=score)
print(json.dumps([sorted({"great_expectations", "pandas"} & set(sys.modules)), [str(each) for each in verdict.results]]))
"""


def test_a_proof_on_record_spares_the_next_process_great_expectations(tmp_path: Path) -> None:
    def run() -> Any:
        done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    loaded, results = run()
    assert loaded == ["great_expectations", "pandas"]
    assert run() == [[], results]


@pytest.mark.parametrize("spoiled", ["{", "7", '["another rule"]', "\xff"])
def test_a_spoiled_record_vouches_for_nothing(spoiled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, frame = rules_of((BETWEEN, ABOVE_0)), edges(a=[-1.0])
    assert judges(rules, records=tmp_path).judge(rules, frame)["r0"].broken.tolist() == [0]
    for record in tmp_path.iterdir():
        record.write_bytes(spoiled.encode("latin-1"))
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._proved", {})
    assert judges(rules, records=tmp_path).judge(rules, frame)["r0"].broken.tolist() == [0]


def test_a_record_is_for_one_suite_one_code_and_one_set_of_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(*entries: tuple[str, dict[str, Any]]) -> str:
        return judges(rules_of(*entries))._key(("<f8",))

    keys = [key((BETWEEN, ABOVE_0)), key((BETWEEN, {**ABOVE_0, "min_value": 1})), key((BETWEEN, ABOVE_0))]
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._surroundings", lambda: ["another NumPy"])
    keys.append(key((BETWEEN, ABOVE_0)))
    assert keys[0] == keys[2]
    assert len(set(keys)) == 3


def test_where_no_record_can_be_kept_the_proof_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    rules = rules_of((BETWEEN, ABOVE_0))
    asked = judges(rules, records=tmp_path / "file" / "proofs")
    assert asked.judge(rules, edges(a=[-1.0]))["r0"].broken.tolist() == [0]
