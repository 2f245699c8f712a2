"""Desks killed at random moments: a request waits or is answered, with its row in the ledger, and never anything between."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.job import Job
from scorer.runs.requests import RequestAnswering

VISITS = 40
KILLS = 30
DESKS = 3

# Each asks for visits that have had a new observation, one in ten of which is not there.
ASK = """
    WITH asked AS (
        SELECT CASE WHEN n %% 10 = 0 THEN 900000 + n ELSE (SELECT min(visit_id) FROM visits) + (%s + n) %% %s END AS visit_id
        FROM generate_series(0, 19) AS n
    ), seen AS (
        INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value)
        SELECT v.visit_id, v.client, now(), 'HR', 60 + 60 * random() FROM asked JOIN visits AS v USING (visit_id)
    )
    INSERT INTO scorer.requests (job, entity_id) SELECT 'sepsis', visit_id::text FROM asked"""

# One statement each; every row is a fault.
FAULTS = {
    "of a cohort, scored without its row in the ledger": """
        SELECT e.entity_id FROM scorer.request_entities AS e LEFT JOIN scorer.scores AS s USING (score_id)
        WHERE e.outcome IN ('SCORED', 'UNCHANGED') AND (s.entity_id, s.status) IS DISTINCT FROM (e.entity_id, 'SCORED')""",
    "a cohort whose progress is not that of its entities": """
        SELECT q.request_id FROM scorer.requests AS q
        CROSS JOIN LATERAL (
            SELECT
                count(*) AS entities,
                count(e.outcome) AS answered,
                count(*) FILTER (WHERE e.outcome IN ('SCORED', 'UNCHANGED')) AS scored,
                count(*) FILTER (WHERE e.outcome IN ('FAILED', 'REFUSED')) AS failed,
                count(*) FILTER (WHERE e.outcome = 'ABSENT') AS absent
            FROM scorer.request_entities AS e WHERE e.request_id = q.request_id
        ) AS m
        WHERE q.entities IS NOT NULL
          AND (q.entities, q.answered, q.scored, q.failed, q.absent)
              IS DISTINCT FROM (m.entities, m.answered, m.scored, m.failed, m.absent)""",
    "answered without its row in the ledger": """
        SELECT q.request_id FROM scorer.requests AS q LEFT JOIN scorer.scores AS s USING (score_id)
        WHERE q.status = 'done' AND q.entities IS NULL AND (
            (s.job, s.entity_id) IS DISTINCT FROM (q.job, q.entity_id)
            OR s.status IS DISTINCT FROM CASE q.outcome WHEN 'UNCHANGED' THEN 'SCORED' ELSE q.outcome END)""",
    "a row in the ledger that answers nobody": """
        SELECT s.score_id FROM scorer.scores AS s
        WHERE NOT EXISTS (SELECT FROM scorer.requests AS q WHERE q.score_id = s.score_id)
          AND NOT EXISTS (SELECT FROM scorer.request_entities AS e WHERE e.score_id = s.score_id)""",
    "a new row that is not its own run's": """
        SELECT q.request_id FROM scorer.requests AS q JOIN scorer.scores AS s USING (score_id)
        WHERE q.outcome = 'SCORED' AND q.run_id <> s.run_id""",
    "two rows of an entity in one run": """
        SELECT entity_id FROM scorer.scores GROUP BY entity_id, run_id HAVING count(*) > 1""",
    "a score that is followed by one as of an earlier moment": """
        SELECT a.score_id FROM scorer.scores AS a JOIN scorer.scores AS b USING (job, entity_id)
        WHERE a.score_id < b.score_id AND a.as_of > b.as_of""",
    "a run that did not end well": "SELECT run_id FROM scorer.runs WHERE status <> 'succeeded'",
    "a visit refused that is there, or answered that is not": """
        SELECT q.request_id FROM scorer.requests AS q
        WHERE q.entities IS NULL AND (q.status = 'refused') <> (q.entity_id::bigint >= 900000) AND q.status <> 'waiting'""",
}


@pytest.mark.timeout(900)
def test_desks_killed_at_random_moments_lose_nothing_and_double_nothing(
    template: str,
    fill: Callable[..., None],
    make_database: Callable[[str], str],
    nursery: Any,
    settings: Settings,
    sepsis: Job,
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
    eventually: Callable[..., None],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    url = make_database(template)
    fill(url, visits=VISITS, now=datetime.now(UTC))  # the model declines to score a stay of months
    quick = replace(settings, batch_size=None)

    def start() -> Any:
        return nursery.fork("answer", url=url, settings=quick)

    desks, kills, in_hand = [start() for _ in range(DESKS)], 0, 0
    try:
        while kills < KILLS:
            victim = desks.pop(rng.randrange(DESKS))
            eventually(victim.trail, what=victim.log)
            query(url, ASK, rng.randrange(VISITS), VISITS)
            time.sleep(rng.uniform(0, 0.08))
            victim.kill()
            desks.append(start())
            assert victim.wait() == -signal.SIGKILL, victim.log()
            kills += 1
            in_hand += query(url, "SELECT count(*) FROM scorer.requests WHERE status = 'waiting'")[0][0] > 0
            assert not faults(url, query)
    finally:
        for each in desks:
            each.kill()
            each.wait()
    last = RequestAnswering(database=Database(url, settings), jobs=[sepsis])
    try:

        def drained() -> bool:
            last.answer_waiting()
            return query(url, "SELECT count(*) FROM scorer.requests WHERE status = 'waiting'") == [(0,)]

        eventually(drained, what=lambda: "the last desk to answer what the dead left")
    finally:
        last.close()
    assert not faults(url, query)
    require_consistent(url, done=True)
    told = dict(query(url, "SELECT status, count(*) FROM scorer.requests GROUP BY 1"))
    print(f"\nseed {seed}: {kills} kills, {in_hand} of them while requests waited; {told}")
    assert in_hand
    assert told == {"done": KILLS * 18, "refused": KILLS * 2}


def faults(url: str, query: Callable[..., Any]) -> dict[str, Any]:
    """By what it is, the rows of each fault that there is."""
    return {what: rows for what, sql in FAULTS.items() if (rows := query(url, sql))}


COHORT = """
    SELECT scorer.request_cohort('sepsis', ARRAY(
        SELECT visit_id::text FROM visits UNION ALL SELECT (900000 + n)::text FROM generate_series(1, %s) AS n
    ), '10 min')"""
ABSENT, COHORT_KILLS = 5, 12


@pytest.mark.timeout(900)
def test_desks_killed_amid_a_cohort_answer_each_entity_once(
    template: str,
    fill: Callable[..., None],
    make_database: Callable[[str], str],
    nursery: Any,
    settings: Settings,
    query: Callable[..., Any],
    eventually: Callable[..., None],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    rng = random.Random(seed)
    url = make_database(template)
    fill(url, visits=900, now=datetime.now(UTC))
    ((request,),) = query(url, COHORT, ABSENT)
    ((entities,),) = query(url, "SELECT entities FROM scorer.requests")
    seen, kills = [], 0

    def answered() -> int:
        ((count,),) = query(url, "SELECT answered FROM scorer.requests WHERE request_id = %s", request)
        return int(count)

    while kills < COHORT_KILLS and answered() < entities:
        desk = nursery.fork("answer", url=url, settings=settings)
        try:
            eventually(desk.trail, what=desk.log)
            before = seen[-1] if kills % 2 else -1  # every other one has answered a portion, and is in the next
            eventually(lambda before=before: answered() > before, what=desk.log)
            time.sleep(rng.uniform(0, 0.4))
        finally:
            desk.kill()
            assert desk.wait() == -signal.SIGKILL, desk.log()
        kills += 1
        seen.append(answered())
        assert not faults(url, query)
    assert any(0 < count < entities for count in seen), f"no desk was killed amid the cohort: {seen}"
    last = nursery.fork("answer", url=url, settings=settings)
    try:
        eventually(lambda: answered() == entities, what=last.log)
    finally:
        last.kill()
        last.wait()
    assert not faults(url, query)
    ((status, absent),) = query(url, "SELECT status, absent FROM scorer.requests")
    assert (status, absent) == ("done", ABSENT)
    assert query(
        url, "SELECT max(count), sum(count) FROM (SELECT count(*) FROM scorer.scores GROUP BY entity_id) AS c"
    ) == [(1, entities - ABSENT)]
    print(f"\nseed {seed}: {kills} kills amid a cohort of {entities}; answered after each: {seen}")
