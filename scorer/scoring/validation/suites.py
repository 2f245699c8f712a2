"""Suite + frame -> accepted, rejections.

Each expectation of a suite names, in its `meta`, the rule's id, its action (warn, drop, quarantine, fail), what it expects in words, and
which columns a rejection shows. Frames hold numbers only, and rules return row numbers, so that no patient's value enters a result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np

from scorer.errors import RunStopped, UserError
from scorer.jobs.job import Job
from scorer.scoring.validation.frames import (
    BESIDE,
    Frame,
    Pool,
    beside,
    feature_frame,
    observation_frame,
    score_frame,
    with_newest,
)
from scorer.scoring.validation.reading import (
    ONE_ROW,
    findings_of_entities,
    findings_of_rows,
    rejections_of_entities,
)
from scorer.scoring.validation.rejections import (
    SHOWN,
    entity_rejections,
    key_of,
    observation_rejections,
    word_of,
)
from scorer.scoring.validation.rule_engine import RuleEngine
from scorer.scoring.validation.rules import Finding, Rule, RuleOutcome, read_rules, with_actions
from scorer.types.arrays import Attributes, Booleans, Features, Floats, Integers, Observations
from scorer.types.enums import Action
from scorer.types.values import Rejection, RuleResult

_SHOWN_COLUMNS = 20


@dataclass(frozen=True, slots=True)
class ObservationResult:
    """What the observations suite found: which observations are usable (n,), which entities are held.

    `held` gives the rule by the entity's place, `unknown_codes` how often each code that the job does not know was read. `distinct` (n,)
    are all but those that another value of the same moment stands for: to be superseded is nothing that is wrong with a row.
    """

    usable: Booleans
    distinct: Booleans
    held: Mapping[int, str]
    rejections: tuple[Rejection, ...]
    results: tuple[RuleResult, ...]
    unknown_codes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EntityResult:
    """What a suite on entities found; `held` gives, by the entity's place, the rule that holds it.

    `unknown_words` is how many entities have each value, as category=value, that is none of those that the job lists.
    """

    held: Mapping[int, str]
    rejections: tuple[Rejection, ...]
    results: tuple[RuleResult, ...]
    unknown_words: Mapping[str, int] = field(default_factory=dict)


class Suites:
    """A job's three suites, ready to validate, for any number of threads at once.

    Made once per process and job version. `compiled` says whether rules may be evaluated in their compiled form, with the same outcomes;
    `records` is the folder where it is recorded which forms were proved equivalent. Raises UserError where the suites or the job's
    [actions] are wrong.
    """

    def __init__(self, job: Job, *, compiled: bool = True, records: Path | None = None) -> None:
        self._job = job
        self._observations, self._features, self._scores = (
            _Suite(job, name, compiled=compiled, records=records) for name in ("observations", "features", "scores")
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

    def validate_observations(
        self, observations: Observations, attributes: Attributes, *, as_of: Integers
    ) -> ObservationResult:
        """Validate each observation. Returns which are usable (n,) and which entities are held.

        `as_of` (entities,) is in microseconds since 1970-01-01 UTC. Raises RunStopped where a rule whose action is fail is broken.
        """
        frame = observation_frame(self._job, observations, attributes, as_of=as_of)
        findings = self._observations.validate(frame, then=lambda found: _among_usable(frame, observations, found))
        usable, distinct = _usable(findings, rows=len(frame)), np.ones(len(observations), dtype=bool)
        refused = np.zeros(len(observations), dtype=bool)
        of_entities = findings_of_entities(attributes)
        held = {
            place: each.rule.name for each in of_entities if each.rule.name == ONE_ROW for place in each.broken.tolist()
        }
        for finding in findings:
            if finding.rule.action in {Action.DROP, Action.QUARANTINE}:
                refused[finding.broken] = True
            if finding.rule.action is Action.DROP:
                if {*finding.rule.columns} & {"superseded", "ambiguous"}:
                    distinct[finding.broken] = False
            elif finding.rule.action is Action.QUARANTINE:
                for position in np.unique(observations.position[finding.broken]).tolist():
                    held.setdefault(position, finding.rule.name)
        of_rows = findings_of_rows(observations, refused=refused)
        for finding in of_rows:
            if finding.rule.action is Action.DROP:
                usable[finding.broken] = False
        entity_ids = [item.entity_id for item in observations.keys]
        return ObservationResult(
            usable=usable,
            distinct=distinct,
            held=held,
            rejections=(
                *(each for finding in of_entities for each in rejections_of_entities(entity_ids, attributes, finding)),
                *chain.from_iterable(observation_rejections(observations, each) for each in (*findings, *of_rows)),
            ),
            results=tuple(finding.result(self._observations.name) for finding in (*of_entities, *findings, *of_rows)),
            unknown_codes=_unknown_codes(self._job, observations),
        )

    def validate_features(
        self, entity_ids: Sequence[str], features: Features, attributes: Attributes, *, read: Integers, used: Integers
    ) -> EntityResult:
        """Validate each entity's features. Returns which entities are held, and the rejections.

        `read` and `used` (entities,) count observations. Raises RunStopped where a rule whose action is fail is broken.
        """
        frame = feature_frame(self._job, features, attributes, read=read, used=used)
        found = self._validate_entities(self._features, entity_ids, frame)
        return replace(found, unknown_words=_unknown_words(self._job, frame))

    @property
    def pool_rows(self) -> int:
        """How many scores a batch needs to be validated by itself; one with fewer is validated with a pool."""
        return max((rule.min_rows for rule in self._scores.rules if rule.is_aggregate), default=0)

    def validate_scores(
        self, entity_ids: Sequence[str], *, score: Floats, training_quantile: Floats, pool: Pool | None = None
    ) -> EntityResult:
        """Validate scores about to be published, (n,) like each one's place among the training scores.

        A rule on all scores together that needs more of them than there are is evaluated with the newest of the `pool` as well. Raises
        RunStopped where a rule whose action is fail is broken.
        """
        frame = score_frame(score, training_quantile)
        return self._validate_entities(self._scores, entity_ids, frame, pool=pool)

    def check_columns(self, observations: Observations, attributes: Attributes, features: Features) -> None:
        """Check that the frames have the columns that the suites name; prove the compiled forms for them.

        Takes the columns of a batch without entities. Raises UserError where a column is missing.
        """
        none = np.empty(0, np.int64)
        self._observations.prepare(observation_frame(self._job, observations, attributes, as_of=none))
        self._features.prepare(feature_frame(self._job, features, attributes, read=none, used=none))
        self._scores.prepare(score_frame(np.empty(0), np.empty(0)))

    def _validate_entities(
        self, suite: _Suite, entity_ids: Sequence[str], frame: Frame, *, pool: Pool | None = None
    ) -> EntityResult:
        findings = suite.validate(frame, pool=pool)
        held: dict[int, str] = {}
        for finding in findings:
            if finding.rule.action is Action.QUARANTINE:
                for position in finding.broken.tolist():
                    held.setdefault(position, finding.rule.name)
        return EntityResult(
            held=held,
            rejections=tuple(chain.from_iterable(entity_rejections(entity_ids, frame, each) for each in findings)),
            results=tuple(finding.result(suite.name) for finding in findings),
        )


class _Suite:
    """One suite, ready to validate."""

    def __init__(self, job: Job, name: str, *, compiled: bool, records: Path | None) -> None:
        self.name = name
        self.where = f"Suite {name} of job {job.name}"
        rules = read_rules(job.suites[name]["expectations"], where=self.where)
        self._engine = RuleEngine(rules, where=self.where, compiled=compiled, records=records)
        self.rules = with_actions(rules, job.actions)

    def require_columns(self, frame: Frame) -> None:
        for rule in self.rules:
            shows = [show for show in rule.shows if show not in SHOWN and show not in frame.texts]
            for column in (*rule.columns, *shows):
                if column not in frame.columns:
                    there = [*frame.columns]
                    raise UserError(
                        f"{self.where}: rule {rule.name} names the column {column!r}, which is not there; there are: "
                        f"{', '.join(there[:_SHOWN_COLUMNS])}{', ...' if len(there) > _SHOWN_COLUMNS else ''}."
                    )

    def prepare(self, frame: Frame) -> None:
        """Require the rules' columns, and prove the compiled forms for their types."""
        self.require_columns(frame)
        self._engine.prepare(frame)

    def validate(
        self,
        frame: Frame,
        *,
        pool: Pool | None = None,
        then: Callable[[Sequence[Finding]], Frame] | None = None,
    ) -> list[Finding]:
        """Evaluate each rule on `frame`. Returns a finding per rule, in the suite's order.

        A rule on all rows together that needs more of them is evaluated with the pool. Rules on a column of BESIDE come last, on the frame
        that `then` makes of what the others found. Raises RunStopped where a rule whose action is fail is broken.
        """
        self.require_columns(frame)
        frames = {
            rule.name: _with_pool(rule, frame, pool=pool)
            for rule in self.rules
            if pool is not None and rule.is_aggregate and len(frame) < rule.min_rows
        }
        last = [rule for rule in self.rules if then is not None and {*rule.columns} & {*BESIDE}]
        found = self._evaluate([rule for rule in self.rules if rule.name not in frames and rule not in last], frame)
        if then is not None and last:
            found |= self._evaluate(last, then([*found.values()]))
        for rule in self.rules:
            if rule.name in frames:
                found |= self._evaluate([rule], frames[rule.name])
        findings = [found[rule.name] for rule in self.rules]
        for finding in findings:
            if finding.rule.action is Action.FAIL and not finding.success:
                raise RunStopped(
                    f"{self.where}: rule {finding.rule.name} stops the run: expected {finding.rule.expected}; "
                    f"{finding.summary}. Nothing of this batch was published.",
                    results=tuple(each.result(self.name) for each in findings),
                )
        return findings

    def _evaluate(self, rules: Sequence[Rule], frame: Frame) -> dict[str, Finding]:
        """The finding of each rule, by its name; one for which the frame has too few rows is not evaluated."""
        evaluated = [rule for rule in rules if len(frame) >= rule.min_rows]
        outcomes = self._engine.evaluate(evaluated, frame) if evaluated else {}
        return {rule.name: _finding(rule, outcomes.get(rule.name), rows=len(frame)) for rule in rules}


def _with_pool(rule: Rule, frame: Frame, *, pool: Pool) -> Frame:
    """The scores given in `frame`, filled up from the pool to as many rows as the rule needs."""
    return with_newest(frame, pool.by_entity if rule.once_per_entity else pool.by_inputs, rows=rule.min_rows)


def _finding(rule: Rule, outcome: RuleOutcome | None, *, rows: int) -> Finding:
    if outcome is None:
        detail = f"not judged: {rows} rows, {rule.min_rows} needed"
        return Finding(rule=rule, judged=0, broken=np.empty(0, np.int64), success=True, detail=detail)
    return Finding(rule=rule, judged=rows, broken=outcome.broken, success=outcome.success, detail=outcome.detail)


def _usable(findings: Iterable[Finding], *, rows: int) -> Booleans:
    """Which rows (n,) no finding drops."""
    usable = np.ones(rows, dtype=bool)
    for finding in findings:
        if finding.rule.action is Action.DROP:
            usable[finding.broken] = False
    return usable


def _among_usable(frame: Frame, observations: Observations, found: Sequence[Finding]) -> Frame:
    """The frame, its columns of BESIDE about the rows alone that nothing `found` so far drops."""
    if not any(frame[name].any() for name in BESIDE):
        return frame
    usable = _usable(found, rows=len(frame))
    return frame if usable.all() else replace(frame, columns={**frame.columns, **beside(observations, usable)})


def _unknown_words(job: Job, frame: Frame) -> dict[str, int]:
    """How often each text stands for a category and is none of its values, as category=value."""
    counts: Counter[str] = Counter()
    for name, _ in job.features.categories:
        if name in frame.texts:
            counts.update(f"{name}={word_of(text)}" for text in frame.texts[name][frame[f"{name}_known"] == 0])
    return {key_of(word): times for word, times in counts.items()}


def _unknown_codes(job: Job, observations: Observations) -> dict[str, int]:
    known = {code.name for code in job.codes}
    times = np.bincount(observations.code[observations.code >= 0], minlength=len(observations.codes))
    codes = zip(observations.codes, times.tolist(), strict=True)
    counts = {key_of(code): count for code, count in codes if count and code not in known}
    none = int((observations.code < 0).sum())
    return counts | ({"(none)": none} if none else {})
