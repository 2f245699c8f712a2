"""The search for leaks: what statements say of a time, although it came to be known only later.

Three looks, none of which can see everything:

    later rows   each statement is run as it is, and with its tables read as they were at the as-of time: later times empty, later rows
                 left out. What differs depends on what came later.
    past scores  what the ledger says that a score was made of, against what the statements give for that time now. What job.toml calls
                 pooled is left out: a corrected row of one entity changes it for all.
    outcomes     a feature that tells the outcomes apart without a fault is likely to be made of them.

A column that is overwritten and keeps no time of it shows in the second look once there are scores, and in the third where it says much.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import numpy as np

from scorer.checks.in_depth.statements import SAMPLE, read_labels
from scorer.checks.result import CheckResult, result_of
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.columns import labels
from scorer.database.source.reader import Source, microseconds
from scorer.database.store.replays import draw_scores, read_past_scores
from scorer.database.store.runs import sample_due
from scorer.database.store.server import AsItWas, as_it_was
from scorer.errors import StatementFailed, UserError
from scorer.jobs.features import columns, feature_names
from scorer.jobs.job import Job
from scorer.jobs.sql_text import parameters_of, without_comments
from scorer.scoring.features.build import build
from scorer.tasks.task import TaskRules
from scorer.types.arrays import NO_TIME, Booleans, Floats
from scorer.types.values import WorkItem

_LANDMARKS = 400  # that features are compared with outcomes on
_FEWEST = 20  # of them, from which on that says something
_FEWEST_OF_A_CLASS = 5
_PERFECT = 0.999
_CORRECTED = 0.1  # such a share of past scores may have been corrected since
_SHOWN = 8  # names that a sentence has
_RELATION = re.compile(
    r"(?P<before>\b(?:FROM|JOIN)\s+|,\s*)(?:ONLY\s+)?"
    r'(?P<relation>(?:"[^"]+"|\w+)\.(?:"[^"]+"|\w+))(?![\w.(])(?P<after>\s+(?:AS\s+)?(?:"[^"]+"|\w+))?',
    re.IGNORECASE,
)
_NO_ALIAS = frozenset(
    {"WHERE", "ON", "JOIN", "LEFT", "RIGHT", "FULL", "INNER", "CROSS", "NATURAL", "GROUP", "ORDER", "LIMIT", "HAVING"}
    | {"UNION", "EXCEPT", "INTERSECT", "WINDOW", "FOR", "OFFSET", "FETCH", "USING", "TABLESAMPLE"}
)


def check_leaks(job: Job, *, database: Database) -> Iterator[CheckResult]:
    """Search the job's statements for leaks, in three looks."""
    with closing(Session(database.as_worker())) as session, closing(Source.of(database)) as source:
        looks = (
            ("leaks: later rows", lambda: _later_rows(job, session, source)),
            ("leaks: past scores", lambda: _past_scores(job, session, source)),
            ("leaks: outcomes", lambda: _outcomes(job, source)),
        )
        for name, look in looks:
            yield result_of(name, look, job=job.name, blocks=False)


# Later rows


def _later_rows(job: Job, session: Session, source: Source) -> str:
    items = _landmark_items(job, source) or _past_items(job, session, source)
    found: dict[tuple[str, str], list[WorkItem]] = defaultdict(list)
    for item in items:
        as_it_is = _inputs(job, source, item)
        for called in ("observations", "attributes"):
            if called in job.statements:
                for name in _depending(job, session, source, item, called=called, as_it_is=as_it_is):
                    found[called, name].append(item)
    if found:
        raise UserError(
            f"What these say of a time changes with what came later: {_told(found, looked_at=len(items))}. Read them as of the time; where "
            "a column holds times that are known ahead, or of updates that change nothing of this, name it in job.toml: "
            'planned = ["column"].'
        )
    untold = (
        ""
        if "known_ats" in parameters_of(job.statements["observations"])
        else ("; observations does not name :known_ats, so that rows recorded late count as known from the first")
    )
    return f"{len(items)} of the job's {job.entity}s read the same without what came after their as-of times{untold}"


def _told(found: Mapping[tuple[str, str], Sequence[WorkItem]], *, looked_at: int) -> str:
    """What was found, in words: names that depend on what came later, together where they are alike."""
    alike: dict[tuple[str, int], list[str]] = defaultdict(list)
    for (called, name), of in found.items():
        alike[called, len(of)].append(name)
    (example, *_), *_ = found.values()
    told = [
        f"{_named(names)} ({called}) for {times} of {looked_at}"
        for (called, times), names in sorted(alike.items(), key=lambda each: -each[0][1])
    ]
    return f"{'; '.join(told)}, such as {example.entity_id} as of {example.as_of.isoformat()}"


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _depending(
    job: Job, session: Session, source: Source, item: WorkItem, *, called: str, as_it_is: Mapping[str, Any]
) -> list[str]:
    """The features and attributes that a statement makes depend on what came later."""
    text = without_comments(job.statements[called])
    relations = sorted({match["relation"] for match in _RELATION.finditer(text)})
    with session.transaction(keep=False):
        tables = as_it_was(session, relations, moment=item.as_of, planned=job.planned)
    if not tables:
        return []
    differing: list[set[str]] = []
    for way in ("known", "settled"):
        instead = replace(
            job,
            version=f"{job.version} {way} {item.as_of.isoformat()}",
            statements={**job.statements, called: _read_otherwise(text, tables, way=way)},
        )
        try:
            other = _inputs(instead, source, item)
        except (UserError, StatementFailed) as error:
            raise UserError(
                f"The statement {called} cannot be looked at: with its tables read as they were at a time it fails: {error}"
            ) from error
        differing.append({name for name in as_it_is.keys() | other.keys() if as_it_is.get(name) != other.get(name)})
    return sorted(set.intersection(*differing))


def _read_otherwise(text: str, tables: Sequence[AsItWas], *, way: str) -> str:
    """The statement with its tables read as they were.

    >>> table = AsItWas("a.b", known="(SELECT 1)", settled="(SELECT 2)")
    >>> _read_otherwise("TABLES FROM a.b WHERE x", [table], way="known")
    'TABLES FROM (SELECT 1) AS b WHERE x'
    >>> _read_otherwise("SELECT c.d FROM e, ONLY a.b c JOIN A.b", [table], way="settled")
    'SELECT c.d FROM e, (SELECT 2) c JOIN A.b'
    """
    instead = {table.relation: getattr(table, way) for table in tables}

    def stand_in(match: re.Match[str]) -> str:
        if match["relation"] not in instead:
            return match[0]
        after = match["after"] or ""
        if not after or after.split()[0].upper() in _NO_ALIAS:
            after = f" AS {match['relation'].partition('.')[2]}{after}"
        return f"{match['before']}{instead[match['relation']]}{after}"

    return _RELATION.sub(stand_in, text)


def _inputs(job: Job, source: Source, item: WorkItem) -> dict[str, Any]:
    """The features and attributes of one item by name, None where there is no value."""
    observations, attributes = source.observations(job, [item]), source.attributes(job, [item])
    matrix = build(observations, attributes, as_of=np.array([microseconds(item.as_of)], np.int64), spec=job.features)
    found = {name: _plain(value) for name, value in zip(matrix.names, matrix.values[0], strict=True)}
    for of_kind in (attributes.numbers, attributes.times, attributes.texts):
        found |= {name: _plain(values[0]) for name, values in of_kind.items()}
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return None if np.isnan(value) or value == NO_TIME else value.item()


def _landmark_items(job: Job, source: Source) -> list[WorkItem]:
    """A few landmarks, of as many outcomes as there are, one for each entity; none where the job has none."""
    if "landmarks" not in job.statements:
        return []
    chosen: dict[str, datetime] = {}
    for entity, as_of, _ in _labelled(job, source)[0]:
        if len(chosen) < SAMPLE:
            chosen.setdefault(entity, as_of)
    return [WorkItem(entity_id=entity, as_of=as_of) for entity, as_of in chosen.items()]


def _labelled(job: Job, source: Source) -> tuple[list[tuple[str, datetime, float | None]], TaskRules]:
    """The landmarks with their labels, shuffled, the labels taking turns; and the rules of the task."""
    table = source.landmarks(job)
    label, rules = read_labels(job, labels(table["label"]), of="landmarks")
    known = [None if np.isnan(each) else each for each in label.tolist()]
    rows = list(zip(table["entity_id"].to_pylist(), table["as_of"].to_pylist(), known, strict=True))
    Random(1).shuffle(rows)  # noqa: S311 - a sample, not a secret
    turns: Counter[float | None] = Counter()
    placed = []
    for row in rows:
        placed.append((turns[row[2]], row))
        turns[row[2]] += 1
    return [row for _, row in sorted(placed, key=lambda each: each[0])], rules


def _past_items(job: Job, session: Session, source: Source) -> list[WorkItem]:
    """A few entities, each as of the middle of its observations."""
    with session.transaction(keep=False):
        items = sample_due(session, job, as_of=datetime.now(UTC), limit=SAMPLE)
    rows = source.observations(job, items)
    past = []
    for place, item in enumerate(items):
        times = np.sort(rows.time[(rows.position == place) & (np.abs(rows.time) < 2**62)])
        if len(times):
            middle = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(times[len(times) // 2]))
            past.append(WorkItem(entity_id=item.entity_id, as_of=middle))
    return past


# Past scores


def _past_scores(job: Job, session: Session, source: Source) -> str:
    with session.transaction(keep=False):
        past = read_past_scores(session, draw_scores(session, job=job.name, since=None, size=SAMPLE))
    past = [each for each in past if each.job_version == job.version and each.features is not None]
    if not past:
        return "none by this version of the job yet; look again when there are some"
    names = feature_names(job.features)
    # What is pooled changes for all with a corrected row of anyone. Whether it is made of later rows, the first look tells.
    unlooked = {*columns(job.features), *job.pooled}
    changed: Counter[str] = Counter()
    for each in past:
        item = WorkItem(entity_id=each.entity_id, as_of=each.as_of, as_known_at=each.as_known_at)
        now = _inputs(job, source, item)
        then = np.frombuffer(each.features or b"", "<f8")
        changed.update(
            name
            for name, value in zip(names, then, strict=True)
            # Observations that a rule refused count here, and did not then: only a replay can tell.
            if name not in unlooked and _plain(value) != now[name]
        )
    leaks = {name: times for name, times in changed.items() if times > max(1, _CORRECTED * len(past))}
    if leaks:
        told = ", ".join(f"{name} for {times} of {len(past)}" for name, times in list(leaks.items())[:_SHOWN])
        raise UserError(
            f"For the times of past scores the statement attributes now gives other values than it gave then: {told}. A column that is "
            "overwritten says what is known today; a model trained on it learns from what came later."
        )
    corrected = f", but for {sum(changed.values())} that may have been corrected since" if changed else ""
    return f"{len(past)} past scores read the same attributes for their times as they did then{corrected}"


# Outcomes


def _outcomes(job: Job, source: Source) -> str:
    if "landmarks" not in job.statements:
        return "the job has no landmarks to compare with"
    labelled, rules = _labelled(job, source)
    rows = [row for row in labelled if row[2] is not None][:_LANDMARKS]
    if len(rows) < _FEWEST:
        return f"{len(rows)} landmarks with a known outcome are too few to tell"
    items = [WorkItem(entity_id=entity, as_of=as_of) for entity, as_of, _ in rows]
    observations, attributes = source.observations(job, items), source.attributes(job, items)
    as_of = np.array([microseconds(item.as_of) for item in items], np.int64)
    matrix = build(observations, attributes, as_of=as_of, spec=job.features)
    label = np.array([row[2] for row in rows], dtype=np.float64)
    groups = [*rules.groups(label).values()]
    telling = [name for place, name in enumerate(matrix.names) if _tells(matrix.values[:, place], label, groups)]
    if telling:
        raise UserError(
            f"These features alone tell the outcomes of {len(rows)} landmarks apart, without a fault: {_named(telling)}. Is "
            "an outcome joined in, or a column that is filled because of it?"
        )
    return f"none of {len(matrix.names)} features alone tells the outcomes of {len(rows)} landmarks apart"


def _tells(values: Floats, label: Floats, groups: Sequence[Booleans]) -> bool:
    """Whether a feature's `values` (n,) alone tell the outcomes: their presence, or their order.

    `groups` are the rows (n,) of each class, or all together where `label` (n,) is a value.
    """
    if len(groups) == 1:
        return _follows(values, label)
    known = ~np.isnan(values)
    for of_class in groups:
        if min(of_class.sum(), (~of_class).sum()) < _FEWEST_OF_A_CLASS:
            continue
        if (known == of_class).all() or (known == ~of_class).all():
            return True
        # Of several classes one may well be told by a measurement; what is made of the outcome has two values.
        if len(groups) == len((0, 1)) or len(np.unique(values[known])) <= len((0, 1)):
            area = _area(values[known], of_class[known])
            if known.mean() > 1 / 2 and max(area, 1 - area) >= _PERFECT:
                return True
    return False


def _area(values: Floats, of_class: Booleans) -> float:
    """The area under the ROC curve of the values (n,); 0.5 where one of the classes has too few of them."""
    ones, others = values[of_class], np.sort(values[~of_class])
    if min(len(ones), len(others)) < _FEWEST_OF_A_CLASS:
        return 0.5
    below = np.searchsorted(others, ones, side="left") + np.searchsorted(others, ones, side="right")
    return float(below.mean() / 2 / len(others))


def _follows(values: Floats, targets: Floats) -> bool:
    """Whether the values (n,) stand in the order of the targets (n,)."""
    known = np.isfinite(values) & np.isfinite(targets)
    values, targets = values[known], targets[known]
    if (
        len(values) < _FEWEST
        or len(np.unique(values)) < _FEWEST_OF_A_CLASS
        or len(np.unique(targets)) < _FEWEST_OF_A_CLASS
    ):
        return False
    ranks = [np.unique(each, return_inverse=True)[1].astype(float) for each in (values, targets)]
    return abs(float(np.corrcoef(ranks[0], ranks[1])[0, 1])) >= _PERFECT
