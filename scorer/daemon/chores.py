"""What the daemon does for each job once a night, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scorer.database.connection import Database
from scorer.database.upkeep.maintenance import nightly_upkeep
from scorer.governance.replay import replay_by_lot
from scorer.jobs.job import Job
from scorer.monitoring.checkup import nightly_checkup


@dataclass(frozen=True, slots=True)
class Chore:
    """A nightly chore, by its name in scorer.chores.

    `do` is given the job, the database, and what it asks every few seconds at least: whether it is to stop. Where it
    is, it raises Stopping, and another daemon begins it anew; so a chore can be begun twice for one night. It opens sessions of its own.
    """

    name: str
    do: Callable[[Job, Database, Callable[[], bool]], None]


CHORES: tuple[Chore, ...] = (
    Chore("upkeep", nightly_upkeep),
    Chore("checkup", nightly_checkup),
    Chore("replay", replay_by_lot),
)
