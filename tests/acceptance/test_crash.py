"""Runs killed with SIGKILL, at any moment and at each step's end, are finished by simply running again, and the ledger shows nothing of it.

Try it: pytest -s tests/acceptance/test_crash.py prints the seed and where the kills hit.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from scorer.config import Settings
from scorer.job import Job
from scorer.runs import run_job

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
STEPS = ("enqueue", "claim", "read", "validate", "features", "score", "write", "record", "write back", "commit")
VISITS = 200
BATCH = 40
KILLS = 200
LANES = 2

# Seven of eight visits in stay get a new observation shortly before `as_of`, so that they are scored anew.
CHART = """
    INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, recorded_at)
    SELECT visit_id, client, %s - interval '1 minute', 'HR', 60 + (visit_id * 7 + %s) %% 60, %s - interval '1 minute'
    FROM visits WHERE discharged_at IS NULL AND visit_id %% 8 <> %s"""


@dataclass
class Ward:
    """A database whose runs are killed: the clock moves on, nurses chart, and whatever was killed is run again."""

    url: str
    nursery: Any
    settings: Settings
    query: Callable[..., Any]
    require_consistent: Callable[..., None]
    as_of: datetime = NOW
    rounds: int = 0
    killed_after: Counter[str] = field(default_factory=Counter)

    def move_on(self) -> None:
        """Ten minutes later: most visits are due again, with new inputs."""
        self.rounds += 1
        self.as_of += timedelta(minutes=10)
        self.query(self.url, CHART, self.as_of, self.rounds, self.as_of, self.rounds % 8)

    def start(self, **more: Any) -> Any:
        """A child that runs the job."""
        return self.nursery.fork("run", url=self.url, settings=self.settings, as_of=self.as_of, **more)

    def killed(self, child: Any) -> bool:
        """Whether it was killed, rather than done before; the database is looked at in either case."""
        code = child.wait()
        assert code in {0, -9}, child.log()
        self.require_consistent(self.url, done=code == 0)
        if code:
            self.killed_after[(child.trail() or ["nothing"])[-1]] += 1
        return code != 0

    def kill_at_random(self, rng: random.Random, *, longest: float) -> bool:
        """Whether a run, killed at a moment of its length, had something in hand."""
        self.move_on()
        child = self.start()
        time.sleep(rng.uniform(0, longest))
        if child.ended() is None:
            child.kill()
        return self.killed(child) and bool(child.trail())

    def finish(self) -> None:
        """Simply run again, undisturbed."""
        assert not self.killed(self.start())


@pytest.fixture
def wards(
    cohort: Callable[[int], str],
    make_database: Callable[[str], str],
    make_nursery: Callable[[], Any],
    settings: Settings,
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
) -> Iterator[Ward]:
    """Any number of wards with the same cohort."""
    small = replace(settings, batch_size=BATCH)

    def make() -> Iterator[Ward]:
        while True:
            yield Ward(make_database(cohort(VISITS)), make_nursery(), small, query, require_consistent)

    return make()


@pytest.fixture
def require_same_as_undisturbed(
    cohort: Callable[[int], str],
    make_database: Callable[[str], str],
    settings: Settings,
    sepsis: Job,
    query: Callable[..., Any],
    ledger: Callable[[str], Any],
) -> Callable[[Ward], None]:
    """Fails unless the ledger is, row for row and bit for bit, that of a copy on which the same runs were never disturbed."""

    def require(ward: Ward) -> None:
        copy = make_database(cohort(VISITS))
        for number in range(1, ward.rounds + 1):
            as_of = NOW + number * timedelta(minutes=10)
            query(copy, CHART, as_of, number, as_of, number % 8)
        for (as_of,) in query(ward.url, "SELECT DISTINCT as_of FROM scorer.runs ORDER BY 1"):
            run_job(sepsis, url=copy, settings=settings, as_of=as_of)
        assert ledger(ward.url) == ledger(copy)

    return require


def test_runs_killed_at_random_moments_lose_nothing_and_double_nothing(
    wards: Iterator[Ward], require_same_as_undisturbed: Callable[[Ward], None]
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"\nseed {seed}")

    def lane(number: int, ward: Ward) -> tuple[int, int]:
        rng = random.Random(seed + number)
        began = time.monotonic()
        ward.finish()
        longest = time.monotonic() - began
        hits = tries = 0
        while hits < KILLS // LANES:
            hits += ward.kill_at_random(rng, longest=longest)
            tries += 1
        ward.move_on()
        ward.finish()
        print(f"lane {number}: a run of {longest:.2f} s; {tries} tries, {hits} killed in a run, by last step that ended: {dict(ward.killed_after)}")
        return hits, tries

    lanes = [next(wards) for _ in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        told = list(pool.map(lane, range(LANES), lanes))
    assert sum(hits for hits, _ in told) >= KILLS
    for ward in lanes:
        require_same_as_undisturbed(ward)
