"""Checks of what runs use beside the database: a standby to read from, its other users, a cluster."""

from __future__ import annotations

from contextlib import closing

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.server import mark_position, read_server_load
from scorer.errors import UserError
from scorer.runs.cluster import Cluster
from scorer.runs.neighbour import Neighbour


def check_standby(target: Target, *, database: Database) -> str:
    """Ask the standby how far it is. Raises UserError where it lacks what the primary has written."""
    with closing(Session(target)) as session, closing(Source.of(database)) as source:
        with session.transaction():
            position = mark_position(session)
        lack = source.standby_lack(position)
    if lack is not None:
        raise UserError(f"Observations would be read at the primary: {lack}; mend the standby, or unset read_url.")
    return "has replayed what the primary had written a moment ago"


def check_neighbours(target: Target, *, settings: Settings) -> str:
    """Look at the server's load as a run does. Returns whether a run would give way now."""
    with closing(Session(target)) as session, session.transaction():
        decision = Neighbour.of(settings).consider(read_server_load(session), size=1)
    why = decision.why
    return "the limits can be seen, and are kept" if why is None else f"runs would give way now: {why}"


def check_cluster(settings: Settings) -> str:
    """Reach the cluster. Returns how many workers it has, or why runs would go on without it."""
    reached = Cluster(settings)
    try:
        with reached as cluster:
            return f"{cluster.workers} workers of {settings.scheduler}, with the packages that are here"
    except UserError as error:
        return f"runs would go on without it now: {error}"
