"""Rules evaluated by Great Expectations: the only module that imports it.

What a rule means is what Great Expectations makes of it; a compiled form is used only where it gives the same. A call costs some 90 ms
however few the rows, and its parts are not safe to share between threads.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: nothing is sent, and nothing is asked

import great_expectations as gx
import numpy as np
import pandas as pd
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from scorer.errors import UserError
from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, RuleOutcome

_LOCK = threading.Lock()
_QUANTILES = "expect_column_quantile_values_to_be_between"
_ROWS_ALONE = {  # of the rows that break a rule their numbers, and never a value
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "partial_unexpected_count": 0,
    "return_unexpected_index_query": False,
}


def require_understood(rules: Iterable[Rule], *, where: str) -> None:
    """Require that Great Expectations knows each rule's expectation and arguments.

    Raises UserError, which begins with `where`, for the first rule that it does not understand. The rules are tried one by one: in a whole
    suite Great Expectations drops what it does not understand.
    """
    for place, rule in enumerate(rules, start=1):
        try:
            ExpectationConfiguration(**rule.entry).to_domain_obj()
        except (TypeError, ValueError, GreatExpectationsError) as error:
            why = " ".join(str(error).split()).rstrip(".")
            raise UserError(
                f"{where}: expectation {place}: Great Expectations does not understand rule {rule.name}: {why}."
            ) from error


def evaluate(rules: Sequence[Rule], frame: Frame, *, where: str, suite: str) -> dict[str, RuleOutcome]:
    """Evaluate the rules on `frame`. Returns their outcomes by name.

    `suite` is the same name for the same suite as long as the process lives. Raises UserError, which begins with `where`, if a rule cannot
    be evaluated.
    """
    outcomes: dict[str, RuleOutcome] = {}
    for together in _calls(rules):
        outcomes |= _evaluate_together(together, frame, where=where, suite=suite)
    return outcomes


def _calls(rules: Sequence[Rule]) -> list[list[Rule]]:
    """The rules of each call. In one call, all rules on quantiles of a column get the first one's answer."""
    calls: list[list[Rule]] = [[]]
    for rule in rules:
        twins = [each.columns for each in calls[0] if each.expectation == rule.expectation == _QUANTILES]
        if rule.columns in twins:
            calls.append([rule])
        else:
            calls[0].append(rule)
    return calls


def _evaluate_together(rules: Sequence[Rule], frame: Frame, *, where: str, suite: str) -> dict[str, RuleOutcome]:
    named = sorted({column for rule in rules for column in rule.columns})
    table = pd.DataFrame({name: frame[name] for name in named}, index=pd.RangeIndex(len(frame)), copy=False)
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batches = _batch_definition(suite)
        asked = gx.ExpectationSuite(name=suite, expectations=[dict(rule.entry) for rule in rules])
        batch = batches.get_batch(batch_parameters={"dataframe": table})
        validated = batch.validate(asked, result_format=_ROWS_ALONE)
    found = dict(_outcome(result, rows=len(frame), where=where) for result in validated.results)
    if len(found) != len(rules):
        raise UserError(f"{where}: {len(rules)} rules were asked and {len(found)} answered; see its types.")
    return found


def _outcome(result: Any, *, rows: int, where: str) -> tuple[str, RuleOutcome]:
    """The name and the outcome of a rule, from what Great Expectations returned for it."""
    name = result.expectation_config.meta["rule"]
    raised = _raised(result.exception_info)
    if raised:
        raise UserError(f"{where}: rule {name} could not be judged ({raised}); mend the suite.")
    details = result.result
    judged = details.get("element_count", rows)
    if judged != rows:
        raise UserError(f"{where}: rule {name} judged {judged} of {rows} rows; mend the suite.")
    observed = details.get("observed_value")
    return name, RuleOutcome(
        broken=np.asarray(details.get("unexpected_index_list") or [], dtype=np.int64),
        success=bool(result.success),
        detail="" if observed is None else f"observed {observed}",
    )


def _raised(exception_info: Mapping[str, Any]) -> str:
    """The kind of what a metric raised, if anything, without its text, which may hold values."""
    nested = [exception_info, *(each for each in exception_info.values() if isinstance(each, Mapping))]
    for info in nested:
        if info.get("raised_exception"):
            lines = str(info.get("exception_traceback") or "an exception").strip().splitlines()
            return lines[-1].split(":")[0]
    return ""


@cache
def _context() -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


@cache
def _batch_definition(name: str) -> Any:
    """The batch definition of a suite, made once: each new one would keep its frame for ever."""
    asset = _context().data_sources.add_pandas(name).add_dataframe_asset(name)
    return asset.add_batch_definition_whole_dataframe(name)
