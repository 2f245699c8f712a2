"""Checks of what a daemon uses beside the database.

They are a standby to read from, the database's other users, a cluster, and a folder for reports.
"""

from __future__ import annotations

import os
from contextlib import closing

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.standing import require_views
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.server import mark_position, read_server_load
from scorer.errors import UserError
from scorer.evaluation.pages.drawing import require_drawings
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


def check_reports(database: Database) -> str:
    """Look whether the night's report can be made and written. Returns where it goes to.

    Raises UserError where it cannot.
    """
    settings = database.settings
    assert settings.report_dir is not None
    require_drawings()
    with closing(ReadOnlySession(database.as_reader(), patience=settings.connect_timeout)) as views:
        require_views(views)
    there = settings.report_dir if settings.report_dir.exists() else settings.report_dir.parent
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"report_dir: {settings.report_dir} cannot be written; make it, or name another folder.")
    return f"each night's page goes to {settings.report_dir}"


def check_cluster(settings: Settings) -> str:
    """Reach the cluster. Returns how many workers it has, or why runs would go on without it."""
    reached = Cluster(settings)
    try:
        with reached as cluster:
            return f"{cluster.workers} workers of {settings.scheduler}, with the packages that are here"
    except UserError as error:
        return f"runs would go on without it now: {error}"
