"""Recording an evaluation in the database, inside the transaction of a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scorer.database.session import Session
from scorer.database.store.experiments import record_evaluation, record_figures
from scorer.evaluation.figures import Evaluation, Group, plain


def record(evaluation: Evaluation, session: Session) -> int:
    """Record the evaluation and all its figures. Returns its key."""
    content = evaluation.content()
    evaluation_id = record_evaluation(
        session,
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
        attrition=content["attrition"],
        reliability=content["reliability"],
        remarks=list(evaluation.remarks),
        bootstraps=evaluation.draws,
        command=evaluation.command,
    )
    figures = [row for group in evaluation.groups for row in _rows(group)]
    numbered = [{"place": place, **row} for place, row in enumerate(figures, start=1)]
    record_figures(session, evaluation_id, figures=numbered)
    return evaluation_id


def _rows(group: Group) -> Iterator[dict[str, Any]]:
    """The figures of a group as rows: those of the scores, then those of each threshold."""
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
