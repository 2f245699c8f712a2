"""Replays and recalls by the functions of the store: past scores read and recorded, and scores entered in error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scorer import __version__
from scorer.database.session import Session
from scorer.database.store.batches import lock_against_recalls
from scorer.database.store.ledger import take_back, write_back
from scorer.database.store.replays import (
    Criteria,
    Part,
    Recall,
    Replayed,
    ReplayVerdict,
    draw_scores,
    read_job_version,
    read_past_scores,
    read_recall,
    recall_scores,
    record_replays,
)
from scorer.database.store.runs import begin_run, register_job_version
from scorer.errors import UserError
from scorer.types.enums import Status, Trigger
from scorer.types.values import Run


@pytest.fixture
def scored(hospital: Any, begin: Any, carry: Any) -> Run:
    """A run of three visits: two scores, and one that is held."""
    hospital.admit(1, 2, 3)
    run, _ = begin()
    carry(run, ends={"3": Status.QUARANTINED})
    return run


def test_past_scores_are_read_as_they_were_written(hospital: Any, session: Session, scored: Any, model: str) -> None:
    with session.transaction():
        drawn = draw_scores(session, job="sepsis", since=None, size=10)
        assert len(draw_scores(session, job=None, since=None, size=2)) == 2
        assert draw_scores(session, job="another", since=None, size=10) == []
        assert draw_scores(session, job=None, since=scored.started_at + timedelta(hours=1), size=10) == []
        past = {each.entity_id: each for each in read_past_scores(session, drawn)}
    assert sorted(past) == ["1", "2", "3"]
    one, three = past["1"], past["3"]
    assert (one.status, one.score, one.risk_band, one.features) == (Status.SCORED, 0.5, "LOW", b"vector")
    assert (one.as_of, one.as_known_at, one.input_hash) == (hospital.noon, hospital.noon, b"hash")
    assert (one.model_version, one.job_version) == (model, hospital.job.version)
    assert (three.status, three.reason, three.score, three.features) == (Status.QUARANTINED, "a test", None, None)
    with pytest.raises(UserError, match=f"There is no score {max(drawn) + 1} in the ledger"), session.transaction():
        read_past_scores(session, [*drawn, max(drawn) + 1])


def test_a_jobs_definition_is_read_as_it_was(hospital: Any, session: Session, scored: Any) -> None:
    with session.transaction():
        assert read_job_version(session, "sepsis", hospital.job.version) == hospital.job.definition
    with pytest.raises(UserError, match="Version none of job sepsis is not in the database"), session.transaction():
        read_job_version(session, "sepsis", "none")


def test_what_became_of_a_score_is_recorded(hospital: Any, session: Session, scored: Any) -> None:
    same = Replayed(1, Part.VECTOR, ReplayVerdict.IDENTICAL, difference=0.0)
    other = Replayed(1, Part.SOURCE, ReplayVerdict.DIFFERS, 0.25, "other inputs", inputs_changed=True)
    gone = Replayed(2, Part.SOURCE, ReplayVerdict.NOT_REPLAYABLE, why="its model is gone")
    with session.transaction():
        record_replays(session, [same, other, gone])
    columns = "score_id, part, verdict, difference, why, inputs_changed, alarming, scorer_version"
    assert hospital.rows(f"SELECT {columns} FROM scorer.replays ORDER BY score_id, part DESC") == [
        (1, "vector", "IDENTICAL", 0.0, None, None, False, __version__),
        (1, "source", "DIFFERS", 0.25, "other inputs", True, False, __version__),
        (2, "source", "NOT REPLAYABLE", None, "its model is gone", None, False, __version__),
    ]


@pytest.mark.usefixtures("scored")
def test_recalled_scores_are_current_no_longer_and_taken_back(
    hospital: Any, session: Session, open_session: Callable[..., Session], model: str
) -> None:
    hospital.execute("UPDATE scorer.current_scores SET valid_until = 'infinity' WHERE score IS NOT NULL")
    with session.transaction():
        write_back(session, hospital.job)
    hospital.execute("UPDATE visits SET sepsis_score = 0.5 WHERE visit_id IN (1, 2)")
    approver = open_session("scorer_approver")
    criteria = Criteria(model_version=model)
    with approver.transaction(keep=False):
        tried = recall_scores(approver, "sepsis", criteria, why="a test", anyway=True, trial=True)
        assert read_recall(approver, tried, max_rows=1).event["entities"] == 2
    with pytest.raises(UserError), approver.transaction():
        recall_scores(approver, "sepsis", Criteria(model_version="none"), why="a test", anyway=True, trial=False)
    with approver.transaction():
        key = recall_scores(approver, "sepsis", criteria, why="a test", anyway=True, trial=False)
        recall = read_recall(approver, key, max_rows=None)
    assert (recall.waiting, recall.unsettled, len(recall.entities)) == (2, 2, 2)
    assert recall.as_json()["waiting"] == 2
    assert {hospital.status(each)[0] for each in (1, 2)} == {"RECALLED"}
    assert hospital.status(3)[0] == "QUARANTINED"
    with session.transaction():
        assert take_back(session, hospital.job) == 0
    with approver.transaction():
        assert read_recall(approver, key, max_rows=1).in_source == 0
        assert len(read_recall(approver, key, max_rows=1).entities) == 1
    with pytest.raises(UserError, match=f"There is no recall {key + 1}"), approver.transaction():
        read_recall(approver, key + 1, max_rows=None)


def test_a_run_of_a_job_version_that_was_recalled_meanwhile_scores_no_more(
    hospital: Any, session: Session, open_session: Callable[..., Session], scored: Any, model: str
) -> None:
    with session.transaction():
        lock_against_recalls(session, hospital.job, model_version=model, run=scored)
        newer = replace(hospital.job, version="newer")
        register_job_version(session, newer)
        begin_run(session, newer, model_version=model, trigger=Trigger.MANUAL, as_of=hospital.noon)
    approver = open_session("scorer_approver")
    with approver.transaction():
        by_version = Criteria(job_version=hospital.job.version)
        recall_scores(approver, "sepsis", by_version, why="a test", anyway=False, trial=False)
    with pytest.raises(UserError, match="was recalled while this run scored by it"), session.transaction():
        lock_against_recalls(session, hospital.job, model_version=model, run=scored)
    with session.transaction():
        lock_against_recalls(session, hospital.job, model_version=model, run=None)


def test_a_recall_counts_those_who_changed_their_band_or_wait() -> None:
    def row(to_status: str, to_band: str | None, entities: int, in_source: int = 0) -> dict[str, Any]:
        plain = {"from_band": "HIGH", "to_status": to_status, "to_band": to_band}
        return plain | {"entities": entities, "in_source": in_source}

    counts = [
        row("RECALLED", None, 3, in_source=2),
        row("SCORED", "HIGH", 4),
        row("SCORED", "LOW", 5, in_source=1),
        row("QUARANTINED", "HIGH", 6),
    ]
    recall = Recall(event={"recall_id": 7, "entities": 18}, counts=counts, entities=[])
    assert (recall.waiting, recall.unsettled, recall.in_source) == (3, 14, 3)
    assert recall.as_json() == {
        "recall_id": 7,
        "entities": 18,
        "waiting": 3,
        "in_source": 3,
        "by_band": counts,
        "by_entity": [],
    }
