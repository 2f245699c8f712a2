"""Checkups by the functions of the store: the model in production, its newest scores, alerts reported once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.store.checkups import (
    Alert,
    LiveFigure,
    count_same_scores,
    count_scored_entities,
    end_alerts,
    list_model_health,
    list_new_codes,
    list_retrain_due,
    lock_checkups,
    open_alert,
    read_monitored,
    record_checkup,
    record_live_performance,
    sample_scores,
    tell_alerts,
)
from scorer.types.enums import Status


def test_the_model_in_production_is_monitored(session: Session, model: str) -> None:
    with session.transaction():
        monitored = read_monitored(session, "sepsis")
        assert read_monitored(session, "another") is None
        listed = list_model_health(session, "sepsis")
        due = list_retrain_due(session, "sepsis")
    assert monitored is not None
    assert monitored.model_version == model
    assert monitored.promoted_at <= monitored.read_at
    assert monitored.metrics
    assert [(row["model_version"], row["status"]) for row in listed] == [(model, "production")]
    assert not any(row["due"] for row in due)


def test_published_scores_are_counted_and_sampled(
    hospital: Any, session: Session, begin: Any, carry: Any, model: str
) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    carry(run, ends={"3": Status.INSUFFICIENT})
    of = {"output": hospital.job.output, "model_version": model}
    since, later = run.started_at - timedelta(hours=1), run.started_at + timedelta(hours=1)
    with session.transaction():
        assert count_scored_entities(session, "sepsis", since=since, **of) == 2
        assert count_scored_entities(session, "sepsis", since=later, **of) == 0
        assert count_same_scores(session, "sepsis", look_back=100, **of) == (2, 2)
        assert count_same_scores(session, "sepsis", look_back=100, output="another", model_version=model) == (0, 0)
        sample = sample_scores(session, "sepsis", since=since, size=100, **of)
    assert sorted(item.entity_id for item in sample.items) == ["1", "2"]
    assert [*sample.attributes] == [{}, {}]
    assert sample.scores == [(0.5, {}), (0.5, {})], "each with the outputs beside it"


def test_a_code_is_new_where_it_was_not_seen_before_the_model_had_settled(
    hospital: Any, session: Session, begin: Any
) -> None:
    run, _ = begin()
    hospital.execute(
        "INSERT INTO scorer.batches (run_id, worker, eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed, "
        "observations_read, observations_dropped, unknown_codes) VALUES (%s, 'w', 0, 0, 0, 0, 0, 0, 0, 9, 9, %s)",
        *(run.run_id, '{"XYZ": 7, "RARE": 1}'),
    )

    def new(settled: timedelta, min_rows: int = 2) -> dict[str, int]:
        with session.transaction():
            return list_new_codes(
                session,
                "sepsis",
                since=run.started_at - timedelta(hours=1),
                settled_at=run.started_at + settled,
                look_back=timedelta(days=30),
                min_rows=min_rows,
            )

    before = timedelta(hours=-2)
    assert new(before) == {"XYZ": 7}
    assert new(before, min_rows=1) == {"XYZ": 7, "RARE": 1}
    assert new(timedelta(minutes=1)) == {}, "it was there before"


def test_a_checkup_is_recorded_with_its_live_figures(hospital: Any, session: Session, begin: Any, model: str) -> None:
    begin()
    figure = LiveFigure("auroc", value=0.75, low=0.5, high=0.875, expected=0.8, expected_low=0.7)
    nothing = LiveFigure("brier", value=None, low=None, high=None, expected=None, expected_low=None)
    span = {"window_from": hospital.noon}
    with session.transaction():
        lock_checkups(session, "sepsis")
        key = record_checkup(
            session,
            job="sepsis",
            model_version=model,
            job_version=hospital.job.version,
            scores=20,
            drifted=None,
            features=2,
            features_moved=1,
            worst_feature="hr_last",
            worst_psi=0.25,
            score_psi=None,
            moved={"hr_last": 0.25},
            constant_share=None,
            new_codes={"XYZ": 7},
            performance_lost=False,
            retrain_after=timedelta(days=91),
            **span,
        )
        record_live_performance(
            session,
            figures=[figure, nothing],
            checkup_id=key,
            job="sepsis",
            model_version=model,
            facility="",
            window_until=hospital.noon + timedelta(days=1),
            rows=20,
            entities=10,
            positives=3,
            **span,
        )
    assert hospital.rows("SELECT checkup_id, worst_feature, moved, new_codes FROM scorer.checkups") == [
        (key, "hr_last", {"hr_last": 0.25}, {"XYZ": 7})
    ]
    figures = "SELECT metric, value, low, high, expected, expected_low FROM scorer.live_performance ORDER BY metric"
    assert hospital.rows(figures) == [
        ("auroc", 0.75, 0.5, 0.875, 0.8, 0.7),
        ("brier", None, None, None, None, None),
    ]


def test_an_alert_is_reported_once_and_ends_with_its_cause_or_its_model(session: Session) -> None:
    def alert(kind: str, *, model: str = "one", detail: str = "far") -> None:
        open_alert(session, "sepsis", kind=kind, model_version=model, detail=detail)

    with session.transaction():
        alert("drift")
        alert("drift", detail="farther")
        alert("age")
        open_alerts = tell_alerts(session, "sepsis")
        assert sorted(open_alerts, key=lambda each: each.kind) == [
            Alert("age", "one", "far"),
            Alert("drift", "one", "farther"),
        ]
        assert tell_alerts(session, "sepsis") == []
        assert end_alerts(session, "sepsis", model_version="one", kinds=["drift"]) == [("drift", "one")]
        alert("drift")
        assert tell_alerts(session, "sepsis") == [Alert("drift", "one", "far")], "it is another one"
        assert sorted(end_alerts(session, "sepsis", model_version="two", kinds=[])) == [
            ("age", "one"),
            ("drift", "one"),
        ]
        assert end_alerts(session, "sepsis", model_version="two", kinds=["drift", "age"]) == []
