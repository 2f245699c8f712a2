"""Runs killed with SIGKILL, at any moment and at each step's end, are finished by simply running again, and the ledger shows nothing of it.

Try it: pytest -s tests/acceptance/test_crash.py prints the seed and where the kills hit.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.job import Job
from scorer.runs.run import run_job
from scorer.runs.worker import Hooks

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
STEPS = ("enqueue", "claim", "read", "validate", "features", "score", "write", "record", "write back", "commit")
VISITS = 80
BATCH = 20
KILLS = 200  # at work
EARLY = 1 / 6  # the share of those that are killed before, while they connect and look round
LANES = 2

# Seven of eight visits in stay get a new observation shortly before `as_of`, so that they are scored anew.
CHART = """
    INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, recorded_at)
    SELECT visit_id, client, %s - interval '30 seconds', 'HR', 60 + (visit_id * 7 + %s) %% 60, %s - interval '30 seconds'
    FROM visits WHERE discharged_at IS NULL AND visit_id %% 8 <> %s"""

TAKEN_BACK = """
    SELECT one.entity_id FROM scorer.scores one JOIN scorer.scores other USING (job, entity_id, output)
    WHERE one.status = 'SCORED' AND other.score_id > one.score_id AND other.as_of < one.as_of"""


@dataclass
class Ward:
    """A database whose runs are killed: the clock moves on, nurses chart, and whatever was killed is run again."""

    url: str
    copy: str
    nursery: Any
    settings: Settings
    query: Callable[..., Any]
    require_consistent: Callable[..., None]
    ledger: Callable[[str], Any]
    as_of: datetime = NOW
    both_hands: bool = False  # whether its runs read a batch while they have another in hand
    rounds: int = 0
    first_step: float = 0.0
    rest: float = 0.0
    killed_after: Counter[str] = field(default_factory=Counter)

    def move_on(self) -> None:
        """A minute later: most visits are due again, with new inputs."""
        self.rounds += 1
        self.as_of += timedelta(minutes=1)
        for url in (self.url, self.copy):
            self.query(url, CHART, self.as_of, self.rounds, self.as_of, self.rounds % 8)

    def start(self, **more: Any) -> Any:
        """A child that runs the job."""
        return self.nursery.fork(
            "run", url=self.url, settings=self.settings, as_of=self.as_of, both_hands=self.both_hands, **more
        )

    def killed(self, child: Any) -> bool:
        """Whether it was killed, rather than done before; the database is looked at in either case."""
        code = child.wait()
        assert code in {0, -signal.SIGKILL}, child.log()
        self.require_consistent(self.url, done=code == 0)
        if code:
            self.killed_after[(child.trail() or ["nothing"])[-1]] += 1
        return bool(code)

    def kill_at_random(self, rng: random.Random) -> bool:
        """Whether a run, killed at a moment of its length, was at its work by then."""
        self.move_on()
        began, child = time.monotonic(), self.start()
        if rng.random() < EARLY:
            moment = began + rng.uniform(0, self.first_step)
        else:  # told from where its work begins: how long it takes until then depends on what else the machine does
            while not child.trail() and child.ended() is None:
                time.sleep(0.004)
            moment = time.monotonic() + rng.uniform(0, self.rest)
        while time.monotonic() < moment and child.ended() is None:
            time.sleep(0.004)
        if child.ended() is None:
            child.kill()
        return self.killed(child) and bool(child.trail())

    def finish(self) -> None:
        """Simply run again, undisturbed, and see how long it takes to its first step's end and from there to its own."""
        self.move_on()
        began, child = time.monotonic(), self.start()
        while not child.trail() and child.ended() is None:
            time.sleep(0.004)
        self.first_step = time.monotonic() - began
        while child.ended() is None:
            time.sleep(0.004)
        self.rest = time.monotonic() - began - self.first_step
        assert not self.killed(child)

    def require_same_as_undisturbed(self) -> None:
        """Fail unless the ledger is, to the bit, that of a copy where the same runs went on undisturbed, in batches of another size."""
        as_ofs = [as_of for (as_of,) in self.query(self.url, "SELECT DISTINCT as_of FROM scorer.runs ORDER BY 1")]
        settings = replace(self.settings, batch_size=3 * BATCH)
        child = self.nursery.fork("replay", url=self.copy, settings=settings, as_ofs=as_ofs)
        assert child.wait(runs=len(as_ofs)) == 0, child.log()
        assert self.ledger(self.url) == self.ledger(self.copy)


@pytest.fixture
def wards(
    cohort: Callable[[int], str],
    make_database: Callable[[str], str],
    nurseries: Callable[[int], Any],
    settings: Settings,
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
    ledger: Callable[[str], Any],
) -> Iterator[Ward]:
    """As many wards with the same cohort as are asked for."""
    small = replace(settings, batch_size=BATCH)

    def make() -> Iterator[Ward]:
        for number in itertools.count():
            url, copy = (make_database(cohort(VISITS)) for _ in range(2))
            yield Ward(url, copy, nurseries(number), small, query, require_consistent, ledger)

    return make()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_runs_killed_at_random_moments_lose_nothing_and_double_nothing(wards: Iterator[Ward]) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"\nseed {seed}")

    def lane(number: int, ward: Ward) -> int:
        rng = random.Random(seed + number)
        ward.both_hands = bool(number)
        ward.finish()  # everybody's first time takes longer
        ward.finish()
        hits = tries = 0
        while hits < KILLS // LANES:
            hits += ward.kill_at_random(rng)
            tries += 1
        ward.finish()
        killed = ward.killed_after.total()
        print(f"lane {number}: a run takes {ward.first_step:.2f} s to its first step's end and {ward.rest:.2f} more")
        print(f"lane {number}: {tries} tries, {killed} killed, {hits} of them at work")
        print(f"lane {number}: the last step that had ended: {dict(ward.killed_after)}")
        ward.require_same_as_undisturbed()
        return hits

    with ThreadPoolExecutor(LANES) as pool:
        hits = sum(pool.map(lane, range(LANES), [next(wards) for _ in range(LANES)]))
    assert hits >= KILLS


@pytest.mark.timeout(1800)
def test_a_run_killed_at_each_steps_end_loses_nothing_and_doubles_nothing(wards: Iterator[Ward]) -> None:
    ward = next(wards)
    for number in (1, 3):
        for step in STEPS:
            ward.move_on()
            # The first batches are those of the run that was killed before, if it left any.
            times = 1 if step == "enqueue" else number
            assert ward.killed(ward.start(kill_at=[(step, times)])), (step, times)
    ward.finish()
    assert ward.killed_after == dict.fromkeys(STEPS, 2)
    ward.require_same_as_undisturbed()


@pytest.fixture
def ward(wards: Iterator[Ward]) -> Ward:
    """One ward, where everybody is due for the first time."""
    return next(wards)


@pytest.fixture
def carriers(ward: Ward, begin_run: Callable[..., Any]) -> Callable[..., list[Any]]:
    """Begins a run and sets workers on it, with what each is told more; they are let go once each has claimed its second batch."""

    def start(*told: dict[str, Any]) -> list[Any]:
        run = begin_run(ward.url, as_of=ward.as_of)
        common = {"url": ward.url, "settings": replace(ward.settings, batch_size=8), "as_of": ward.as_of}
        children = [
            ward.nursery.fork("carry", run_id=run.run_id, stop_at=[("claim", 2)], **common, **more) for more in told
        ]
        for child in children:
            child.wait_until_stopped()
        for child in children:
            child.go_on()
        return children

    return start


def test_four_workers_at_once_lose_nothing_and_double_nothing(ward: Ward, carriers: Callable[..., list[Any]]) -> None:
    for child in carriers({}, {}, {}, {}):
        assert child.wait() == 0, child.log()
        assert child.trail().count("commit") > 1
    ward.require_consistent(ward.url)
    assert ward.query(ward.url, "SELECT count(*) FROM scorer.work") == [(0,)]
    assert ward.query(ward.url, "SELECT count(DISTINCT worker) FROM scorer.batches") == [(4,)]
    assert not ward.killed(ward.start())
    ward.require_same_as_undisturbed()


def test_one_of_four_workers_killed_in_the_middle_loses_nothing(ward: Ward, carriers: Callable[..., list[Any]]) -> None:
    children = carriers({}, {}, {"kill_at": [("write", 2)]}, {})
    codes = sorted(child.wait() for child in children)
    assert codes == [-signal.SIGKILL, 0, 0, 0], "\n".join(child.log() for child in children)
    ward.require_consistent(ward.url)
    assert not ward.killed(ward.start())
    ward.require_same_as_undisturbed()


def test_two_runs_at_once_share_the_backlog(ward: Ward) -> None:
    for _ in range(3):
        children = [ward.start(), ward.start()]
        assert [child.wait() for child in children] == [0, 0], "\n".join(child.log() for child in children)
        assert not any("whose process died" in child.log() for child in children)
        ward.require_consistent(ward.url, done=True)
        ward.move_on()
    ward.require_same_as_undisturbed()


def test_a_run_as_of_an_earlier_moment_that_waited_does_not_take_scores_back(ward: Ward) -> None:
    """It found everybody due, and then waited for a batch of a later run to be committed."""
    earlier = ward.as_of
    ward.move_on()
    later = ward.start(stop_at=[("write back", 1)])
    later.wait_until_stopped()
    waiting = ward.nursery.fork("run", url=ward.url, settings=ward.settings, as_of=earlier)
    time.sleep(1.0)  # long enough to find and to wait; lock_timeout is 5 s
    assert waiting.ended() is None
    later.go_on()
    for child in (later, waiting):
        assert child.wait() == 0, child.log()
    ward.require_consistent(ward.url, done=True)
    assert not ward.query(ward.url, TAKEN_BACK)


def workers_of(ward: Ward) -> set[int]:
    """The process ids of those who carried batches."""
    return {
        int(worker.split("/")[1]) for (worker,) in ward.query(ward.url, "SELECT DISTINCT worker FROM scorer.batches")
    }


def test_a_run_goes_on_when_one_of_its_own_workers_is_killed(
    ward: Ward, sepsis: Job, eventually: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    victims: list[int] = []

    def kill_one(done: int, total: int) -> None:
        if 0 < done < total and not victims and (found := workers_of(ward) - {os.getpid()}):
            victims.append(found.pop())
            os.kill(victims[0], signal.SIGKILL)

    tiny = replace(ward.settings, batch_size=1)
    ended = run_job(
        sepsis, database=Database(ward.url, tiny), as_of=ward.as_of, workers=4, hooks=Hooks(progress=kill_one)
    )
    assert victims
    assert "Going on without further workers" in caplog.text
    assert (ended.status, ended.counts.eligible) == ("succeeded", VISITS)
    ward.require_consistent(ward.url, done=True)
    ward.require_same_as_undisturbed()


def test_workers_whose_parent_was_killed_do_no_harm(ward: Ward, eventually: Callable[..., None]) -> None:
    tiny = replace(ward.settings, batch_size=2)
    child = ward.nursery.fork("run", url=ward.url, settings=tiny, as_of=ward.as_of, workers=4)
    orphans: list[int] = []
    try:
        eventually(lambda: workers_of(ward), what=child.log)
        orphans = [
            int(pid)
            for task in Path(f"/proc/{child.pid}/task").iterdir()
            for pid in (task / "children").read_text().split()
        ]
        child.kill()
        assert child.wait() == -signal.SIGKILL
        again = ward.start()  # while they live on
        assert again.wait() == 0, again.log()
        assert "Going on with a run whose process died" in again.log()
        eventually(
            lambda: ward.query(ward.url, "SELECT count(*) FROM scorer.runs WHERE status = 'running'") == [(0,)],
            what=again.log,
        )
    finally:
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    ward.require_consistent(ward.url, done=True)
    ward.require_same_as_undisturbed()
