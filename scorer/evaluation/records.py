"""Keeping an evaluation in the database, inside the transaction of a session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from scorer.database.session import Session
from scorer.evaluation.figures import Evaluation, Group, plain
from scorer.version import __version__


def keep(evaluation: Evaluation, session: Session) -> int:
    """The number under which the evaluation, with all its figures, is kept."""
    content = evaluation.content()
    evaluation_id = int(
        session.one(
            "record_evaluation",
            job=evaluation.job,
            job_version=evaluation.job_version,
            model_version=evaluation.model_version,
            as_of_every=evaluation.every,
            first_as_of=evaluation.first,
            last_as_of=evaluation.last,
            outcomes=evaluation.outcomes,
            clients=evaluation.clients,
            clients_seen=evaluation.clients_seen,
            cohort_sha256=evaluation.cohort_sha256,
            attrition=json.dumps(content["attrition"]),
            reliability=json.dumps(content["reliability"]),
            remarks=list(evaluation.remarks),
            bootstraps=evaluation.draws,
            command=evaluation.command,
            scorer_version=__version__,
        ).evaluation_id
    )
    figures = [row for group in evaluation.groups for row in _rows(group)]
    numbered = [{"place": place, **row} for place, row in enumerate(figures, start=1)]
    session.do("record_figures", evaluation_id=evaluation_id, figures=json.dumps(numbered))
    return evaluation_id


def _rows(group: Group) -> Iterator[dict[str, Any]]:
    """The figures of a group, as rows: those of the scores, then those of each threshold."""
    of_group = {
        "attribute": group.attribute,
        "subgroup": group.value,
        "entities": group.entities,
        "events": group.events,
        "positives": group.positives,
    }
    for name, figure in group.figures.items():
        yield {**of_group, "figure": name, **plain(figure)}
    for above in group.above:
        at = {"threshold": above.threshold, "threshold_name": above.name}
        for name, figure in above.figures.items():
            yield {**of_group, **at, "figure": name, **plain(figure)}
