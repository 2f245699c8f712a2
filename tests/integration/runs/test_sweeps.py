"""Whom a run looks at that is no sweep: all who are due, at a cost that goes by them and not by history."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.statements import statement
from scorer.database.store.chores import nightly
from scorer.database.store.runs import begin_run, enqueue_due, list_unsettled
from scorer.jobs.sql_text import parameters_of, without_comments
from scorer.runs.due import look_of
from scorer.runs.plan import steps_of
from scorer.types.enums import Trigger
from scorer.types.values import Run

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECHECK = 30 * DAY

# What is due, and nothing else: every visit that has begun is looked at, and every outcome. `excused` are those that a sweep alone finds.
DUE = """
    SELECT
        d.entity_id || ' ' || d.as_of,
        d.settled AND (
            (c.entity_id IS NULL AND d.risk_level IS NOT NULL)
            OR (c.status IN ('INSUFFICIENT', 'INDETERMINATE') AND c.status_as_of <> d.as_of)
        ) IS TRUE AS excused
    FROM (
        SELECT
            CAST(v.visit_id AS text) AS entity_id,
            v.risk_level,
            GREATEST(LEAST(v.discharged_at, %(as_of)s), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
            COALESCE(v.discharged_at < CAST(%(as_of)s AS timestamptz) - INTERVAL '30 days', false) AS settled
        FROM public.visits AS v
        WHERE (v.admitted_at > %(as_of)s) IS NOT TRUE
           OR v.admitted_at > CAST(%(as_of)s AS timestamptz) + INTERVAL '10 years'
    ) AS d
    LEFT JOIN scorer.current_scores AS c
        ON c.job = 'sepsis'
        AND c.entity_id = d.entity_id
        AND c.output = 'sepsis_probability'
    WHERE c.entity_id IS NULL
       OR (c.status IN ('QUARANTINED', 'FAILED', 'RECALLED') AND c.status_as_of <= %(as_of)s)
       OR (
           c.status IN ('INSUFFICIENT', 'INDETERMINATE')
           AND c.status_as_of <= %(as_of)s
           AND NOT (
               d.settled
               AND c.status_as_of = d.as_of
               AND COALESCE(c.status_known_at, c.status_as_of) >= d.as_of
               AND c.judged_by_job = %(job_version)s
               AND c.judged_by_model = %(model_version)s
           )
       )
       OR (c.status = 'SCORED' AND NOT d.settled AND c.status_as_of <= %(as_of)s)
"""
# How the line writes down an outcome, in short.
JUDGE = """
    INSERT INTO scorer.current_scores AS c (
        job, entity_id, output, status, status_as_of, status_known_at, status_at, input_hash, judged_by_model, judged_by_job,
        score_id, score, as_of, scored_at, valid_until, model_version
    )
    SELECT 'sepsis', %(entity)s, 'sepsis_probability', %(status)s, %(as_of)s, %(known_at)s, now(), '', %(model)s, %(job)s,
        s.score_id, s.score, s.at, s.at, s.at, s.model
    FROM (
        SELECT
            CASE WHEN %(status)s = 'SCORED' THEN 1 END AS score_id,
            CASE WHEN %(status)s = 'SCORED' THEN 0.5 END AS score,
            CASE WHEN %(status)s = 'SCORED' THEN CAST(%(as_of)s AS timestamptz) END AS at,
            CASE WHEN %(status)s = 'SCORED' THEN %(model)s END AS model
    ) AS s
    ON CONFLICT (job, entity_id, output) DO UPDATE
    SET status = excluded.status, status_as_of = excluded.status_as_of, status_known_at = excluded.status_known_at,
        status_at = excluded.status_at, judged_by_model = excluded.judged_by_model, judged_by_job = excluded.judged_by_job,
        score_id = COALESCE(excluded.score_id, c.score_id), score = COALESCE(excluded.score, c.score),
        as_of = COALESCE(excluded.as_of, c.as_of), scored_at = COALESCE(excluded.scored_at, c.scored_at),
        valid_until = COALESCE(excluded.valid_until, c.valid_until), model_version = COALESCE(excluded.model_version, c.model_version)
"""
RECALL = """
    UPDATE scorer.current_scores
    SET status = CASE WHEN status = 'SCORED' THEN 'RECALLED' ELSE status END,
        score_id = NULL, score = NULL, as_of = NULL, scored_at = NULL, valid_until = NULL, model_version = NULL
    WHERE score IS NOT NULL AND entity_id = %(entity)s
"""


@dataclass
class World:
    """A hospital and its outcomes in one transaction, which is rolled back, and runs of which only the looking is real."""

    hospital: Any
    session: Session
    cursor: Any
    now: datetime
    job: Any
    model: str = "one"
    looks: list[bool] = field(default_factory=list)  # of each run: whether it swept
    changed: dict[str, set[str]] = field(
        default_factory=dict
    )  # by job version: whose visit is another since a whole sweep

    def do(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        self.cursor.execute(sql, parameters)
        return list(self.cursor.fetchall()) if self.cursor.description else []

    def run(
        self, outcomes: Iterator[str], *, back: timedelta, limit: int | None, fails: bool, known: timedelta | None
    ) -> None:
        """A run that finds who is due, as it should, and judges them by lot."""
        as_of = self.now - back
        known_at = None if known is None else as_of - known
        run = begin_run(
            self.session, self.job, model_version=self.model, trigger=Trigger.MANUAL, as_of=as_of, as_known_at=known_at
        )
        should = self.do(DUE, as_of=as_of, job_version=self.job.version, model_version=self.model)
        found, sweep = self.enqueue(run, limit=limit, known_at=known_at)
        due = {entity for entity, _ in should}
        changed = self.changed.get(self.job.version, set())
        excused = {each for each, excused in should if excused and each.split()[0] in changed} if not sweep else set()
        assert found <= due
        if limit is None:
            assert due - found <= excused
        else:
            assert len(found) >= min(limit, len(due - excused))
        self.looks.append(sweep)
        waiting = self.do("SELECT entity_id, as_of FROM scorer.work ORDER BY entity_id")
        for entity, moment in waiting if not fails else ():
            self.judge(entity, moment, next(outcomes), known_at=known_at)
        self.do("DELETE FROM scorer.work")
        if sweep and limit is None and known is None and not fails:
            self.changed[self.job.version] = set()
        self.do(
            "UPDATE scorer.runs SET status = %(status)s, error = %(error)s, finished_at = now(), scored = eligible "
            "WHERE run_id = %(run_id)s",
            status="failed" if fails else "succeeded",
            error="a test" if fails else None,
            run_id=run.run_id,
        )

    def enqueue(self, run: Run, *, limit: int | None, known_at: datetime | None) -> tuple[set[str], bool]:
        """Who was enqueued, and whether everyone was looked at."""
        nights = nightly(self.hospital.settings)
        look = look_of(self.session, self.job, run, model_versions=(self.model,), nightly=nights)
        eligible = enqueue_due(
            self.session,
            self.job,
            run,
            look=look,
            model_versions=(self.model,),
            limit=limit,
            as_known_at=known_at,
        )
        found = {entity for (entity,) in self.do("SELECT entity_id || ' ' || as_of FROM scorer.work")}
        assert len(found) == eligible
        return found, look.sweep

    def judge(self, entity: str, as_of: datetime, outcome: str, *, known_at: datetime | None = None) -> None:
        """An outcome; where it is a score, it is written to the hospital's table, but for a row that another session holds."""
        status = outcome.removesuffix(", held")
        known = None if known_at is None else min(known_at, as_of)
        drawn = {"entity": entity, "as_of": as_of, "known_at": known, "model": self.model, "job": self.job.version}
        self.do(JUDGE, status=status, **drawn)
        if outcome == "SCORED":
            self.do("UPDATE public.visits SET risk_level = 'LOW' WHERE visit_id = %(visit)s", visit=int(entity))


@contextmanager
def world_of(hospital: Any) -> Iterator[World]:
    with (
        closing(Session(Target.of(hospital.url, hospital.settings, role=None))) as session,
        session.transaction(keep=False),
    ):
        connection = session._session.connection.driver_connection  # what this session sees, and no other
        with connection.cursor() as cursor:
            yield World(hospital=hospital, session=session, cursor=cursor, now=hospital.noon, job=hospital.job)


SPANS = st.sampled_from([-40 * DAY, -HOUR, timedelta(0), HOUR, DAY, 29 * DAY, 31 * DAY, 45 * DAY, 400 * DAY])
ENDS = st.one_of(st.none(), SPANS, st.sampled_from(["infinity", "-infinity"]))
LONG_AGO = st.sampled_from([31 * DAY, 45 * DAY, 400 * DAY])
NOT_OURS = st.sampled_from([None, None, "HIGH"])  # a risk level that another program has written
VISITS = st.integers(1, 6)
OUTCOMES = ["SCORED", "SCORED, held", "INSUFFICIENT", "INSUFFICIENT", "INDETERMINATE", "QUARANTINED", "FAILED"]
CHANGES = st.one_of(
    st.tuples(st.just("load"), st.integers(1, 12), ENDS, ENDS, NOT_OURS),
    st.tuples(st.just("load"), st.integers(1, 12), st.just(500 * DAY), LONG_AGO, NOT_OURS),
    st.tuples(st.just("end"), VISITS, ENDS),
    st.tuples(st.just("begin"), VISITS, ENDS),
    st.tuples(st.just("recall"), VISITS, st.booleans()),
    st.tuples(st.just("promote"), st.sampled_from(["one", "two"])),
    st.tuples(st.just("change the job"), st.sampled_from(["v1", "v2"])),
    st.tuples(st.just("wait"), st.sampled_from([HOUR, HOUR, 20 * DAY])),
)
RUNS = st.fixed_dictionaries(
    {
        "back": st.sampled_from([timedelta(0)] * 8 + [HOUR, 35 * DAY]),
        "limit": st.sampled_from([None, None, None, 2]),
        "fails": st.sampled_from([False] * 6 + [True]),
        "known": st.sampled_from([None] * 8 + [timedelta(0), DAY]),
    }
)
# To begin with: visits that ended long ago, one that ended lately, and one that lasts.
BEGINNING = [("load", visit, 500 * DAY, (31 + visit) * DAY, None) for visit in range(1, 5)]
BEGINNING += [("load", 5, 5 * DAY, DAY, None), ("load", 6, 5 * DAY, None, None)]


def moment(now: datetime, ago: timedelta | str | None) -> datetime | str | None:
    return now - ago if isinstance(ago, timedelta) else ago


def change(world: World, kind: str, *drawn: Any) -> None:
    """One thing that happens between runs."""
    if kind in {"load", "end", "begin"}:
        for each in world.changed.values():
            each.add(str(drawn[0]))
    match kind:
        case "load":
            visit, begin, end, level = drawn
            world.do(
                "INSERT INTO public.visits (visit_id, admitted_at, discharged_at, risk_level) "
                "VALUES (%(visit)s, %(begin)s, %(end)s, %(level)s) ON CONFLICT DO NOTHING",
                visit=visit,
                begin=moment(world.now, begin),
                end=moment(world.now, end),
                level=level,
            )
        case "end" | "begin":
            visit, at = drawn
            column = {"end": "discharged_at", "begin": "admitted_at"}[kind]
            world.do(
                f"UPDATE public.visits SET {column} = %(at)s WHERE visit_id = %(visit)s",
                visit=visit,
                at=moment(world.now, at),
            )
        case "recall":
            visit, emptied = drawn
            world.do(RECALL, entity=str(visit))
            if emptied:
                world.do("UPDATE public.visits SET risk_level = NULL WHERE visit_id = %(visit)s", visit=visit)
        case "promote":
            (world.model,) = drawn
        case "change the job":
            world.job = replace(world.job, version=drawn[0])
        case "wait":
            world.now += drawn[0]


def test_whatever_happens_a_run_finds_whom_a_sweep_would(hospital: Any) -> None:
    seen: list[bool] = []

    # Not shrunk: that would take longer than reading the example.
    @settings(max_examples=200, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
    @given(
        steps=st.lists(st.tuples(st.lists(CHANGES, max_size=3), RUNS), min_size=2, max_size=8),
        outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=12),
    )
    def whatever_happens(steps: list[Any], outcomes: list[str]) -> None:
        lot = itertools.cycle(outcomes)
        with world_of(hospital) as world:
            for number, (changes, run) in enumerate(steps):
                for each in changes if number else BEGINNING:
                    change(world, *each)
                world.run(lot, **run)
            seen.extend(world.looks)

    whatever_happens()
    assert min(seen.count(True), seen.count(False)) > 50  # both were tried


OLD = ("load", 1, 500 * DAY, 45 * DAY, None)
OLD_WITH_A_LEVEL = ("load", 2, 500 * DAY, 45 * DAY, "HIGH")


@pytest.mark.parametrize(
    ("steps", "looks"),
    [
        # Each step is what happens before a run, and what is particular about that run.
        (
            [([OLD], {}), ([("change the job", "v2")], {}), ([("change the job", "v1")], {}), ([], {})],
            [True, True, False, False],
        ),
        ([([OLD], {}), ([("promote", "two")], {}), ([("promote", "one")], {}), ([], {})], [True, False, False, False]),
        ([([], {}), ([OLD], {"known": DAY}), ([], {}), ([], {})], [True, True, True, False]),
        ([([], {}), ([OLD], {"known": 60 * DAY}), ([], {}), ([], {})], [True, True, True, False]),
        ([([OLD_WITH_A_LEVEL], {"fails": True}), ([], {}), ([], {})], [True, True, False]),
        ([([OLD, OLD_WITH_A_LEVEL], {"limit": 1}), ([], {}), ([], {})], [True, True, False]),
        ([([OLD_WITH_A_LEVEL], {"known": DAY}), ([], {}), ([], {})], [True, True, False]),
        ([([], {"back": 35 * DAY}), ([OLD_WITH_A_LEVEL], {}), ([], {})], [True, True, False]),
        ([([], {}), ([("wait", DAY), OLD_WITH_A_LEVEL], {}), ([], {})], [True, True, False]),
    ],
)
def test_an_entity_with_another_outcome_is_found_and_a_sweep_that_was_none_is_made_up_for(
    steps: list[Any], looks: list[bool], hospital: Any
) -> None:
    with world_of(hospital) as world:
        change(world, "change the job", "v1")
        for changes, particular in steps:
            for each in changes:
                change(world, *each)
            plain = {"back": timedelta(0), "limit": None, "fails": False, "known": None}
            world.run(itertools.repeat("INSUFFICIENT"), **(plain | particular))
        assert world.looks == looks


def test_a_run_that_has_a_clock_put_right_behind_it_sweeps(hospital: Any) -> None:
    with world_of(hospital) as world:
        change(world, "load", 1, 5 * DAY, 40 * DAY, None)
        for _ in range(2):
            world.run(itertools.repeat("SCORED"), back=timedelta(0), limit=None, fails=False, known=None)
        world.do(
            "INSERT INTO scorer.runs (job, job_version, trigger, status, as_of, as_known_at, started_at, finished_at, scorer_version) "
            "SELECT job, job_version, 'schedule', 'succeeded', at, at, at, at, scorer_version "
            "FROM scorer.runs, (SELECT now() + interval '1 hour' AS at) AS later WHERE run_id = (SELECT max(run_id) FROM scorer.runs)"
        )
        for _ in range(2):
            world.run(itertools.repeat("SCORED"), back=timedelta(0), limit=None, fails=False, known=None)
        assert world.looks == [True, False, True, False]


def test_a_job_whose_statement_knows_no_sweeps_looks_at_everyone_at_every_run(
    hospital: Any, changed_job: Callable[..., Any]
) -> None:
    site = changed_job(("due.sql", "CAST(:sweep AS boolean)", "true"))
    assert "sweep" not in parameters_of(site.statements["due"])
    hospital.admit(1)
    swept = [hospital.one("SELECT swept FROM scorer.runs WHERE run_id = %s", hospital.run(site).run_id) for _ in (1, 2)]
    assert swept == [True, True]
    of_sepsis = [hospital.one("SELECT swept FROM scorer.runs WHERE run_id = %s", hospital.run().run_id) for _ in (1, 2)]
    assert of_sepsis == [True, False]


def test_settled_entities_are_not_read(hospital: Any) -> None:
    """20,000 visits that ended long ago, one in a hundred without a score, beside ten that last."""
    hospital.execute(
        "INSERT INTO visits (visit_id, admitted_at, discharged_at, risk_level) "
        "SELECT n, %s, %s, CASE WHEN mod(n, 100) > 0 THEN 'LOW' END FROM generate_series(1, 20000) AS n",
        hospital.noon - 90 * DAY,
        hospital.noon - 60 * DAY,
    )
    hospital.execute(
        "INSERT INTO visits (visit_id, admitted_at) SELECT 20000 + n, %s FROM generate_series(1, 10) AS n",
        hospital.noon,
    )
    hospital.execute(
        "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_model, "
        "judged_by_job, score_id, score, as_of, scored_at, valid_until, model_version) "
        "SELECT 'sepsis', CAST(visit_id AS text), 'sepsis_probability', 'SCORED', discharged_at, discharged_at, "
        "CAST('' AS bytea), 'one', %s, "
        "1, 0.5, discharged_at, discharged_at, discharged_at, 'one' FROM visits WHERE risk_level = 'LOW' UNION ALL "
        "SELECT 'sepsis', CAST(visit_id AS text), 'sepsis_probability', 'INSUFFICIENT', discharged_at, discharged_at, "
        "CAST('' AS bytea), 'one', %s, "
        "NULL, NULL, NULL, NULL, NULL, NULL FROM visits WHERE risk_level IS NULL AND discharged_at IS NOT NULL",
        hospital.job.version,
        hospital.job.version,
    )
    hospital.execute("VACUUM ANALYZE visits")
    hospital.execute("VACUUM ANALYZE scorer.current_scores")
    with world_of(hospital) as world:
        world.now, found = hospital.noon, set()
        query = statement("enqueue_due").replace("{due}", without_comments(world.job.statements["due"]))
        of_run = {
            "run_id": 0,
            "queue": "sepsis",
            "max_entities": None,
            "as_known_at": None,
            "swept": False,
            "sweep": False,
        }
        run = begin_run(world.session, world.job, model_version="one", trigger=Trigger.MANUAL, as_of=world.now)
        assert list_unsettled(world.session, world.job, model_versions=("one",)) == "{}"
        ((plan,),) = world.session.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {query}",
            of_run
            | {
                "job": "sepsis",
                "output": "sepsis_probability",
                "as_of": run.as_of,
                "job_version": world.job.version,
                "model_versions": ["one"],
                "entity_ids": "{}",
                **world.job.parameters,
            },
        )
        for step in steps_of(plan[0]["Plan"]):
            if step.get("Relation Name") in {"visits", "current_scores"}:
                assert step["Node Type"] != "Seq Scan"
                found.add(step["Node Type"])
                assert step["Actual Rows"] * step["Actual Loops"] <= 200  # those without a score, or those that last
        assert found
        assert world.do("SELECT count(*) FROM scorer.work") == [(10,)]
