"""Compiled forms of a suite's rules, compared with Great Expectations on the edge values of the rules.

Both evaluate every limit, its two neighbours, what is missing, the infinities, 0 and repeats. Where they differ on a rule, its compiled
form is not used.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.scoring.validation import gx
from scorer.scoring.validation.columns import Columns
from scorer.scoring.validation.compiled import compile_rule
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, RuleOutcome

_TIMES = 4  # how often each edge value stands in a column
_ALWAYS = (0.0, -0.0, 1.0, -1.0, sys.float_info.max, -sys.float_info.max, sys.float_info.min, 2.0**53)
_MISSING = (np.nan, np.nan, np.inf, -np.inf)


def find_differing(rules: Sequence[Rule], kinds: Mapping[str, np.dtype[Any]], *, where: str, suite: str) -> set[str]:
    """The names of the rules whose compiled form differs from Great Expectations; all, where that fails.

    `kinds` gives the type of each column that the rules name, int64 or float64.
    """
    columns = _edge_columns(rules, kinds)
    trials: list[tuple[str, Rule]] = []
    for rule in rules:
        for place, (trial, values) in enumerate(_trials(rule, kinds, rows=len(next(iter(columns.values()), ())))):
            columns |= values
            trials.append((rule.name, replace(trial, name=f"{rule.name} {place}")))
    edges = Frame(columns, rows=len(next(iter(columns.values()), ())))
    try:
        expected = gx.evaluate([_renamed(trial) for _, trial in trials], edges, where=where, suite=suite)
    except UserError:
        return {rule.name for rule in rules}
    seen = Columns(edges)
    return {name for name, trial in trials if not _same(_compiled(trial, seen), expected[trial.name])}


def _compiled(trial: Rule, columns: Columns) -> RuleOutcome | None:
    form = compile_rule(trial)
    return None if form is None else form(columns)


def _same(one: RuleOutcome | None, other: RuleOutcome) -> bool:
    return (
        one is not None
        and np.array_equal(one.broken, other.broken)
        and (one.success, one.detail) == (other.success, other.detail)
    )


def _renamed(trial: Rule) -> Rule:
    return replace(trial, entry={**trial.entry, "meta": {**trial.entry["meta"], "rule": trial.name}})


def _trials(
    rule: Rule, kinds: Mapping[str, np.dtype[Any]], *, rows: int
) -> Iterator[tuple[Rule, dict[str, npt.NDArray[Any]]]]:
    """The rule as it stands and, if it is about a whole column, on further columns made for it."""
    yield rule, {}
    if not rule.is_aggregate:
        return
    (column,) = rule.columns
    limits = sorted(set(map(float, _numbers(rule.entry["kwargs"]))))
    mixed = np.resize([*limits, np.nan, 0.1, 0.2, 0.3], rows)
    counted = [np.arange(rows) % (limit + off) for limit in limits for off in (-1, 0, 1) if 0 < limit + off <= rows]
    flat = [np.full(rows, edge) for limit in limits for edge in _neighbours(limit) if math.isfinite(edge)]
    for place, values in enumerate([mixed, *counted, *flat]):
        name = f"{column} of {rule.name} {place}"
        entry = {**rule.entry, "kwargs": {**rule.entry["kwargs"], "column": name}}
        yield replace(rule, entry=entry, columns=(name,)), {name: _as(values.astype(np.float64), kinds[column])}


def _edge_columns(rules: Sequence[Rule], kinds: Mapping[str, np.dtype[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Edge values for each column that the rules name, each in another order, so that all pairs meet."""
    values = np.array([*_edges(rules), *_ALWAYS, *_MISSING] * _TIMES)
    names = sorted({name for rule in rules for name in rule.columns})
    columns = {}
    for place, name in enumerate(names):
        order = np.random.default_rng(place)
        few = order.choice([np.nan, -np.inf, -1.0, 0.0, 1.0, np.inf], 200)
        columns[name] = _as(np.concatenate([order.permutation(values), few]), kinds[name])
    return columns


def _as(values: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The values in the type of a column; for whole numbers, NaN becomes 0 and the rest the nearest one."""
    if dtype.kind == "f":
        return values
    ends = 2.0**62
    return np.nan_to_num(values, nan=0.0, posinf=ends, neginf=-ends).clip(-ends, ends).astype(np.int64)


def _edges(rules: Sequence[Rule]) -> list[float]:
    """Every number in the arguments of the rules, and its neighbours as a double and as a whole number."""
    numbers = sorted({float(number) for rule in rules for number in _numbers(rule.entry.get("kwargs"))})
    return sorted({edge for number in numbers for edge in (*_neighbours(number), number - 1, number + 1)})


def _neighbours(number: float) -> tuple[float, float, float]:
    return math.nextafter(number, -math.inf), number, math.nextafter(number, math.inf)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value
