"""Searches in the database: what a search was of, and what it tried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scorer.database.session import Session


def keep(session: Session, about: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> None:
    """Keep a search as far as it has come; what is kept of it already stays as it is."""
    session.do("upsert_experiment", **{**about, "libraries": json.dumps(about["libraries"])})
    session.do("upsert_trials", experiment_id=about["experiment_id"], trials=json.dumps(list(trials)))
