"""Suite + frame -> accepted, rejections: the only door to Great Expectations.

Each expectation of a suite names, in its `meta`, the rule's id, its action (warn, drop, quarantine, fail), what it expects in words, and
which columns a rejection shows. Frames hold numbers only, with the row's number as index, so that verdicts come back as row numbers, and
no patient's value enters a result.
"""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: nothing is sent, and nothing is asked

import great_expectations as gx
import numpy as np
import numpy.typing as npt
import pandas as pd
from great_expectations.exceptions import GreatExpectationsError
from great_expectations.expectations.expectation import ColumnAggregateExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

from scorer.errors import RunStopped, UserError
from scorer.job import Job
from scorer.types import (
    NO_TIME,
    Action,
    Attributes,
    Booleans,
    Features,
    Floats,
    Integers,
    Observations,
    Published,
    Rejection,
    RuleResult,
)

_MICROSECONDS_PER_HOUR = 3_600_000_000
# No date of the database lies so far from 1970, in microseconds: what does is its infinity.
_ENDLESS = 2**62
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
# So many characters of a text from the database are shown, and stand in a key.
_SHOWN_CHARACTERS = 200
# Great Expectations' parts are not safe to share between threads.
_LOCK = threading.Lock()


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
    of_all: bool  # whether it judges the rows together, and none by itself


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found: the numbers of the rows that broke it."""

    rule: Rule
    judged: int
    broken: Integers
    success: bool
    detail: str

    def result(self, suite: str) -> RuleResult:
        """The finding as counts, for the database."""
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


@dataclass(frozen=True, slots=True)
class ObservationVerdict:
    """Which observations may be used (n,), which entities are held and by which rule, and why."""

    usable: Booleans
    held: Mapping[int, str]
    rejections: tuple[Rejection, ...]
    results: tuple[RuleResult, ...]
    unknown_codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EntityVerdict:
    """Which entities are held and by which rule, and why."""

    held: Mapping[int, str]
    rejections: tuple[Rejection, ...]
    results: tuple[RuleResult, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """Frames of scores published before, newest first, to judge a small batch with: one row per inputs, and one per entity.

    Of the same inputs a score is the same, by whatever model; and where few entities are scored again and again, they are no sample
    of all.
    """

    by_inputs: pd.DataFrame
    by_entity: pd.DataFrame


class Suites:
    """A job's three suites, ready to judge; made once per process and job version."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._observations, self._features, self._scores = (
            _Suite(job, name) for name in ("observations", "features", "scores")
        )
        unknown = set(job.actions) - {rule.name for suite in self._all() for rule in suite.rules}
        if unknown:
            raise UserError(f"Job {job.name}: [actions] names {sorted(unknown)[0]!r}, which is no rule of its suites.")
        for suite in (self._features, self._scores):
            for rule in suite.rules:
                if rule.action is Action.DROP:
                    raise UserError(f"{suite.where}: rule {rule.name} cannot drop; only observations can be dropped.")

    def _all(self) -> tuple[_Suite, ...]:
        return self._observations, self._features, self._scores

    def judge_observations(
        self, observations: Observations, attributes: Attributes, *, as_of: Integers
    ) -> ObservationVerdict:
        """The verdict on each observation. Raises RunStopped where a rule whose action is fail is broken."""
        frame = observation_frame(self._job, observations, attributes, as_of=as_of)
        findings = self._observations.judge(frame)
        usable = np.ones(len(observations), dtype=bool)
        held: dict[int, str] = {}
        for finding in findings:
            if finding.rule.action is Action.DROP:
                usable[finding.broken] = False
            elif finding.rule.action is Action.QUARANTINE:
                for position in np.unique(observations.position[finding.broken]).tolist():
                    held.setdefault(position, finding.rule.name)
        return ObservationVerdict(
            usable=usable,
            held=held,
            rejections=tuple(each for finding in findings for each in _observation_rejections(observations, finding)),
            results=tuple(finding.result(self._observations.name) for finding in findings),
            unknown_codes=_unknown_codes(self._job, observations),
        )

    def judge_features(
        self, entity_ids: Sequence[str], features: Features, attributes: Attributes, *, read: Integers, used: Integers
    ) -> EntityVerdict:
        """The verdict on each entity's features. Raises RunStopped where a rule whose action is fail is broken."""
        frame = feature_frame(features, attributes, read=read, used=used)
        return self._judge_entities(self._features, entity_ids, frame)

    @property
    def pool_rows(self) -> int:
        """How many scores a batch needs to be judged alone by every rule; one with fewer is judged with a pool."""
        return max((rule.min_rows for rule in self._scores.rules if rule.of_all), default=0)

    def judge_scores(
        self, entity_ids: Sequence[str], *, score: Floats, training_quantile: Floats, pool: Pool | None = None
    ) -> EntityVerdict:
        """The verdict on the scores about to be published. Raises RunStopped where a rule whose action is fail is broken.

        A rule on all scores together that needs more of them than there are is judged with the newest of the `pool` as well.
        """
        frame = score_frame(score, training_quantile)
        return self._judge_entities(self._scores, entity_ids, frame, pool=pool)

    def check_columns(self, observations: Observations, attributes: Attributes, features: Features) -> None:
        """Raise UserError where a suite names a column that its frame does not have."""
        nobody = np.empty(0, np.int64)
        self._observations.require_columns(observation_frame(self._job, observations, attributes, as_of=nobody))
        self._features.require_columns(feature_frame(features, attributes, read=nobody, used=nobody))
        self._scores.require_columns(score_frame(np.empty(0), np.empty(0)))

    def _judge_entities(
        self, suite: _Suite, entity_ids: Sequence[str], frame: pd.DataFrame, *, pool: Pool | None = None
    ) -> EntityVerdict:
        findings = suite.judge(frame, pool=pool)
        held: dict[int, str] = {}
        for finding in findings:
            if finding.rule.action is Action.QUARANTINE:
                for position in finding.broken.tolist():
                    held.setdefault(position, finding.rule.name)
        return EntityVerdict(
            held=held,
            rejections=tuple(each for finding in findings for each in _entity_rejections(entity_ids, frame, finding)),
            results=tuple(finding.result(suite.name) for finding in findings),
        )


def observation_frame(job: Job, observations: Observations, attributes: Attributes, *, as_of: Integers) -> pd.DataFrame:
    """What the observations suite may name: one row per observation, numbers only.

    hours_before_as_of, hours_since_<attribute> for each attribute that is a time, code_known (0 or 1), observation_value,
    plausible_min, plausible_max, reference_range_min, reference_range_max, repeat (0 for the first of rows that agree in entity, code, time
    and value, then 1, 2, ...), and the statement's further columns. Times that are missing are NaN.
    """
    known = {code.name: code for code in job.codes}
    listed = [known.get(code) for code in observations.codes]
    low, high = (
        np.array([getattr(code, side) if code else np.nan for code in listed] + [np.nan])[observations.code]
        for side in ("plausible_min", "plausible_max")
    )
    # Whole numbers are int64 and the rest float64: other types Great Expectations judges value by value, in Python.
    columns: dict[str, npt.NDArray[Any]] = {
        "hours_before_as_of": _hours(as_of[observations.position], observations.time),
        "code_known": np.array([code is not None for code in listed] + [False])[observations.code].astype(np.int64),
        "observation_value": observations.value,
        "plausible_min": low,
        "plausible_max": high,
        "reference_range_min": observations.low,
        "reference_range_max": observations.high,
        "repeat": _repeats(observations),
    }
    for name, times in attributes.times.items():
        columns[f"hours_since_{name}"] = _hours(observations.time, times[observations.position])
    for name, values in observations.extras.items():
        columns[name] = values.astype(np.int64) if values.dtype == bool else values
    return pd.DataFrame(columns, copy=False)


def feature_frame(features: Features, attributes: Attributes, *, read: Integers, used: Integers) -> pd.DataFrame:
    """What the features suite may name: one row per entity.

    The features, attributes that are numbers, observations_read, observations_used, and dropped_share, the share of the read that is
    not used (0 where none was read).
    """
    columns: dict[str, npt.NDArray[Any]] = {
        "observations_read": read,
        "observations_used": used,
        "dropped_share": (read - used) / np.maximum(read, 1),
        **{name: features.values[:, place] for place, name in enumerate(features.names)},
    }
    # The attributes last, as they were read: of the feature made of one, what was infinite is gone.
    return pd.DataFrame(columns | attributes.numbers, copy=False)


def score_frame(score: Floats, training_quantile: Floats) -> pd.DataFrame:
    """What the scores suite may name: score, and training_quantile, the share of the training scores that lie below it."""
    return pd.DataFrame({"score": score, "training_quantile": training_quantile})


def pool_of(
    published: Sequence[Published],
    *,
    entity_ids: Sequence[str],
    input_hashes: Sequence[bytes],
    training_quantile: Callable[[Floats], Floats],
) -> Pool:
    """What was `published` before (newest first) of other inputs, and of other entities, than those about to be published."""
    inputs, entities = set(zip(entity_ids, input_hashes, strict=True)), set(entity_ids)
    by_inputs, by_entity = [], []
    for each in published:
        if (each.entity_id, each.input_hash) not in inputs:
            inputs.add((each.entity_id, each.input_hash))
            by_inputs.append(each.score)
        if each.entity_id not in entities:
            entities.add(each.entity_id)
            by_entity.append(each.score)
    frames = []
    for scores in by_inputs, by_entity:
        score = np.array(scores, dtype=np.float64)
        frames.append(score_frame(score, training_quantile(score)))
    return Pool(*frames)


class _Suite:
    """One suite: its rules, and Great Expectations' form of it."""

    def __init__(self, job: Job, name: str) -> None:
        self.name = name
        self.where = f"Suite {name} of job {job.name}"
        entries = job.suites[name]["expectations"]
        for place, entry in enumerate(entries, start=1):
            _require_understood(entry, where=f"{self.where}: expectation {place}")
        self.rules = tuple(_rule(entry, job.actions, where=self.where) for entry in entries)
        repeated = [rule for rule, times in Counter(rule.name for rule in self.rules).items() if times > 1]
        if repeated:
            raise UserError(f"{self.where}: two rules are called {repeated[0]!r}.")
        self._by_name = {rule.name: (rule, entry) for rule, entry in zip(self.rules, entries, strict=True)}
        self._batches = _batch_definition(f"{job.name}.{job.version}.{name}")

    def require_columns(self, frame: pd.DataFrame) -> None:
        for rule in self.rules:
            for column in (*rule.columns, *(show for show in rule.shows if show not in _SHOWN)):
                if column not in frame.columns:
                    raise UserError(
                        f"{self.where}: rule {rule.name} names the column {column!r}, which is not there; "
                        f"there are: {', '.join(map(str, frame.columns[:20]))}{', ...' if len(frame.columns) > 20 else ''}."  # noqa: PLR2004
                    )

    def judge(self, frame: pd.DataFrame, *, pool: Pool | None = None) -> list[Finding]:
        """A finding per rule, in the suite's order; those of rules on all rows together with the pool, where the frame is too small."""
        self.require_columns(frame)
        frames = {
            rule.name: _with_pool(rule, frame, pool=pool)
            for rule in self.rules
            if pool is not None and rule.of_all and len(frame) < rule.min_rows
        }
        found = self._judge_together([rule for rule in self.rules if rule.name not in frames], frame)
        for name, rows in frames.items():
            found |= self._judge_together([self._by_name[name][0]], rows)
        findings = [found[rule.name] for rule in self.rules]
        for finding in findings:
            if finding.rule.action is Action.FAIL and not finding.success:
                raise RunStopped(
                    f"{self.where}: rule {finding.rule.name} stops the run: expected {finding.rule.expected}; "
                    f"{_seen(finding)}. Nothing of this batch was published.",
                    results=tuple(each.result(self.name) for each in findings),
                )
        return findings

    def _judge_together(self, rules: Sequence[Rule], frame: pd.DataFrame) -> dict[str, Finding]:
        """By rule's name, what those of `rules` find that the frame has rows enough for."""
        asked = [rule for rule in rules if len(frame) >= rule.min_rows]
        named = sorted({column for rule in asked for column in rule.columns})
        found = self._validate(frame[named], [self._by_name[rule.name][1] for rule in asked]) if asked else {}
        return {rule.name: found.get(rule.name) or _too_few(rule, len(frame)) for rule in rules}

    def _validate(self, frame: pd.DataFrame, entries: list[dict[str, Any]]) -> dict[str, Finding]:
        suite = _expectation_suite(self.where, entries)
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = self._batches.get_batch(batch_parameters={"dataframe": frame})
            outcome = batch.validate(
                suite,
                result_format={
                    "result_format": "COMPLETE",
                    "exclude_unexpected_values": True,
                    "partial_unexpected_count": 0,
                    "return_unexpected_index_query": False,
                },
            )
        findings = [self._finding(result, rows=len(frame)) for result in outcome.results]
        if len(findings) != len(entries):
            raise UserError(
                f"{self.where}: {len(entries)} rules were asked and {len(findings)} answered; see its types."
            )
        return {finding.rule.name: finding for finding in findings}

    def _finding(self, outcome: Any, *, rows: int) -> Finding:
        rule, _ = self._by_name[outcome.expectation_config.meta["rule"]]
        raised = _raised(outcome.exception_info)
        if raised:
            raise UserError(f"{self.where}: rule {rule.name} could not be judged ({raised}); mend the suite.")
        told = outcome.result
        judged = told.get("element_count", rows)
        if judged != rows:
            raise UserError(f"{self.where}: rule {rule.name} judged {judged} of {rows} rows; mend the suite.")
        observed = told.get("observed_value")
        return Finding(
            rule=rule,
            judged=rows,
            broken=np.asarray(told.get("unexpected_index_list") or [], dtype=np.int64),
            success=bool(outcome.success),
            detail="" if observed is None else f"observed {observed}",
        )


def _require_understood(entry: Any, *, where: str) -> None:
    """Raise UserError where an entry of a suite has not the shape of an expectation, or Great Expectations does not know it.

    Asked one by one, for in a whole suite Great Expectations drops what it does not understand.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise UserError(f'{where} is no expectation: it needs a "type", "kwargs" and a "meta".')
    meta = entry["meta"] if isinstance(entry.get("meta"), dict) else {}
    _require_meta(meta, where=f"{where}, {entry['type']}")
    try:
        ExpectationConfiguration(**entry).to_domain_obj()
    except (TypeError, ValueError, GreatExpectationsError) as error:
        why = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{where}: Great Expectations does not understand rule {meta['rule']}: {why}.") from error


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


def _rule(entry: Mapping[str, Any], actions: Mapping[str, Action], *, where: str) -> Rule:
    meta = entry["meta"]
    if meta["action"] not in set(Action):
        raise UserError(
            f"{where}: rule {meta['rule']} has the action {meta['action']!r}; there are: {', '.join(Action)}."
        )
    arguments = entry.get("kwargs", {})
    named = [arguments[key] for key in _COLUMN_ARGUMENTS if key in arguments]
    return Rule(
        name=meta["rule"],
        action=actions.get(meta["rule"], Action(meta["action"])),
        expectation=entry["type"],
        columns=tuple(column for each in named for column in ([each] if isinstance(each, str) else each)),
        expected=meta["expected"],
        shows=tuple(meta.get("shows", ())),
        once_per_entity=meta.get("once_per_entity", False),
        min_rows=meta.get("min_rows", 0),
        of_all=isinstance(ExpectationConfiguration(**entry).to_domain_obj(), ColumnAggregateExpectation),
    )


def _with_pool(rule: Rule, frame: pd.DataFrame, *, pool: Pool) -> pd.DataFrame:
    """The scores given in `frame`, and as many of the newest in the pool as the rule then lacks."""
    given = frame[frame["score"].notna()]
    before = pool.by_entity if rule.once_per_entity else pool.by_inputs
    return pd.concat([given, before.head(max(rule.min_rows - len(given), 0))], ignore_index=True)


def _too_few(rule: Rule, rows: int) -> Finding:
    detail = f"not judged: {rows} rows, {rule.min_rows} needed"
    return Finding(rule=rule, judged=0, broken=np.empty(0, np.int64), success=True, detail=detail)


def _seen(finding: Finding) -> str:
    """What was found, as counts: a sentence is logged, and what a rule measured may be one patient's value."""
    if len(finding.broken):
        return f"{len(finding.broken)} of {finding.judged} rows are otherwise"
    return f"all {finding.judged} rows together are otherwise (scorer.validation_results says what was measured)"


def _raised(exception_info: Mapping[str, Any]) -> str:
    """What a metric raised, if any: without its text, which may hold values."""
    nested = [exception_info, *(each for each in exception_info.values() if isinstance(each, Mapping))]
    for info in nested:
        if info.get("raised_exception"):
            lines = str(info.get("exception_traceback") or "an exception").strip().splitlines()
            return lines[-1].split(":")[0]
    return ""


@cache
def _context() -> Any:
    with _LOCK:
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False, "metric_calculations": False}
        return context


@cache
def _batch_definition(name: str) -> Any:
    context = _context()
    with _LOCK:
        asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
        return asset.add_batch_definition_whole_dataframe(name)


def _expectation_suite(where: str, entries: list[dict[str, Any]]) -> Any:
    """Great Expectations' form of `entries`."""
    _context()
    return gx.ExpectationSuite(name=where, expectations=[dict(entry) for entry in entries])


def _hours(later: Integers, earlier: Integers) -> Floats:
    hours: Floats = (later - earlier) / _MICROSECONDS_PER_HOUR
    hours[(later == NO_TIME) | (earlier == NO_TIME)] = np.nan
    return hours


def _repeats(observations: Observations) -> Integers:
    """How many rows before it agree with it in entity, code, time and value; rows are sorted so that these are neighbours."""
    if not len(observations):
        return np.empty(0, np.int64)
    keys = (observations.position, observations.code, observations.time, observations.value)
    same = np.concatenate([[False], np.logical_and.reduce([key[1:] == key[:-1] for key in keys])])
    row = np.arange(len(same))
    return np.asarray(row - np.maximum.accumulate(np.where(same, 0, row)))


def _unknown_codes(job: Job, observations: Observations) -> dict[str, int]:
    known = {code.name for code in job.codes}
    times = np.bincount(observations.code[observations.code >= 0], minlength=len(observations.codes))
    codes = zip(observations.codes, times.tolist(), strict=True)
    counts = {_key(code): count for code, count in codes if count and code not in known}
    none = int((observations.code < 0).sum())
    return counts | ({"(none)": none} if none else {})


def _time_text(rows: Observations, row: int) -> str:
    time = int(rows.time[row])
    if abs(time) >= _ENDLESS:
        return "null" if time == NO_TIME else "infinity" if time > 0 else "-infinity"
    return f"{np.datetime64(time, 'us')}Z"


def _value_text(rows: Observations, row: int) -> str:
    return "null" if rows.value_is_null[row] else str(rows.value[row])


_SHOWN: dict[str, Callable[[Observations, int], str]] = {
    "observation_date": _time_text,
    "observation_type_code": lambda rows, row: rows.codes[rows.code[row]] if rows.code[row] >= 0 else "(none)",
    "observation_value": _value_text,
    "reference_range_min": lambda rows, row: str(rows.low[row]),
    "reference_range_max": lambda rows, row: str(rows.high[row]),
}


def _observation_rejections(observations: Observations, finding: Finding) -> Iterable[Rejection]:
    rule = finding.rule
    entities: dict[tuple[str, str], int] = {}
    for row in finding.broken.tolist():
        entity_id = observations.keys[int(observations.position[row])].entity_id
        observed = " ".join(_SHOWN[show](observations, row) if show in _SHOWN else show for show in rule.shows)
        if rule.once_per_entity:
            entities[entity_id, observed] = entities.get((entity_id, observed), 0) + 1
        else:
            yield _rejection(rule, entity_id, str(observations.observation_id[row]), _cut(observed))
    for (entity_id, observed), times in entities.items():
        yield _rejection(rule, entity_id, observed, f"{_cut(observed)} ({times} observations)")


def _entity_rejections(entity_ids: Sequence[str], frame: pd.DataFrame, finding: Finding) -> Iterable[Rejection]:
    for row in finding.broken.tolist():
        observed = " ".join(str(frame[show].iloc[row]) for show in finding.rule.shows)
        yield _rejection(finding.rule, entity_ids[row], None, observed)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _key(text: str) -> str:
    """The text, or where it is too long for an index its beginning and a hash: of different texts never the same."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: _SHOWN_CHARACTERS - len(digest) - 2]}\N{HORIZONTAL ELLIPSIS} {digest}"


def _rejection(rule: Rule, entity_id: str, observation_id: str | None, observed: str) -> Rejection:
    return Rejection(
        entity_id=entity_id,
        observation_id=None if observation_id is None else _key(observation_id),
        rule=rule.name,
        action=rule.action,
        column_name=", ".join(rule.shows or rule.columns),
        observed=observed,
        expected=rule.expected,
    )
