"""What a job's flags do to its batches: scores in the shadow alone, scores not written back, no reasons; and what is recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.ledger import read_waiting
from scorer.database.store.replays import ReplayVerdict
from scorer.governance.replay import replay
from scorer.jobs.job import Job
from scorer.runs import worker
from scorer.runs.requests import RequestAnswering
from scorer.runs.run import dry_run, run_job
from scorer.scoring.challenger import predict_both
from scorer.types.flags import bucket
from scorer.types.values import Counts

HOUR = timedelta(hours=1)
VISITS = range(1, 21)
OFF = "sepsis.scores is off for it"


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Twenty visits of today, the even ones of the hospital in the north; none scored yet."""
    hospital.noon = datetime.now(UTC) - timedelta(seconds=20)  # runs may be as of some seconds later
    for visit in VISITS:
        hospital.admit(visit, facility="north" if visit % 2 == 0 else "south")
    return hospital


def put(
    ward: Any, flag: str, enabled: bool, *, share: float | None = None, facilities: list[str] | None = None
) -> None:
    ward.execute("SELECT scorer.set_flag(%s, %s, %s, %s, 'a test')", flag, enabled, share, facilities)


def clear(ward: Any, flag: str) -> None:
    ward.execute("SELECT scorer.clear_flag(%s, 'a test')", flag)


def shadows(ward: Any) -> dict[str, int]:
    """How many scores in the shadow each entity has."""
    return dict(
        ward.rows("SELECT entity_id, count(*) FROM scorer.scores WHERE shadow AND status = 'SCORED' GROUP BY entity_id")
    )


def written(ward: Any) -> list[int]:
    return [key for (key,) in ward.rows("SELECT visit_id FROM visits WHERE scored_at IS NOT NULL ORDER BY 1")]


def recorded(ward: Any) -> Any:
    return ward.one("SELECT flags FROM reporting.batches ORDER BY batch_id DESC LIMIT 1")


def changed_since(ward: Any, *visits: int) -> None:
    for visit in visits:
        ward.observe(visit, hours_ago=0.5, observation_value=91.0)


def verdicts(ward: Any) -> set[tuple[str, bool]]:
    """What becomes of every row of the ledger when it is replayed."""
    keys = [key for (key,) in ward.rows("SELECT score_id FROM scorer.scores")]
    return {(each.verdict.value, each.alarming) for each in replay(keys, database=Database(ward.url, ward.settings))}


IDENTICAL = {(ReplayVerdict.IDENTICAL.value, False)}


# Scores


def test_where_no_flag_is_set_nothing_is_recorded_of_any(ward: Any) -> None:
    assert ward.run().counts == Counts(eligible=20, scored=20)
    assert recorded(ward) is None
    assert shadows(ward) == {}


def test_scores_that_are_off_stand_in_the_shadow_alone(ward: Any) -> None:
    put(ward, "sepsis.scores", False)
    assert ward.run().counts == Counts(eligible=20, indeterminate=20)
    assert recorded(ward) == {"sepsis.scores": {"enabled": False}}
    assert {ward.status(visit) for visit in VISITS} == {("INDETERMINATE", OFF)}
    assert ward.scores() == {}
    assert written(ward) == []
    assert shadows(ward) == {str(visit): 1 for visit in VISITS}
    assert ward.one("SELECT sum(shadows) FROM scorer.batches") == 20
    assert ward.rows("SELECT * FROM reporting.challenger_pairs") == []
    assert verdicts(ward) == IDENTICAL


def test_what_was_published_is_taken_back_and_published_again_at_the_next_run(ward: Any) -> None:
    ward.run()
    before = ward.scores()
    assert len(before) == len(written(ward)) == 20
    put(ward, "sepsis.scores", False)
    assert ward.run(as_of=ward.noon + timedelta(seconds=1)).counts == Counts(eligible=20, indeterminate=20)
    assert ward.scores() == {}
    assert written(ward) == []
    assert ward.rows("SELECT DISTINCT why FROM reporting.recalls") == [("switched_off",)]
    ward.run(as_of=ward.noon + timedelta(seconds=2))
    assert shadows(ward) == {str(visit): 1 for visit in VISITS}, "the same inputs add nothing to the ledger"
    clear(ward, "sepsis.scores")
    assert ward.run(as_of=ward.noon + timedelta(seconds=3)).counts == Counts(eligible=20, scored=20)
    assert sorted(ward.scores()) == sorted(before)
    assert len(written(ward)) == 20
    assert ward.run(as_of=ward.noon + timedelta(seconds=4)).counts == Counts(eligible=20, unchanged=20)
    assert verdicts(ward) == IDENTICAL


def test_a_shadow_is_the_score_that_would_have_been_published(ward: Any) -> None:
    put(ward, "sepsis.scores", False)
    ward.run()
    inside = dict(ward.rows("SELECT entity_id, score FROM scorer.scores WHERE shadow"))
    put(ward, "sepsis.scores", True)
    ward.run()
    assert ward.scores() == inside
    assert recorded(ward) == {"sepsis.scores": {"enabled": True}}


def test_a_share_is_of_the_same_entities_and_grows(ward: Any) -> None:
    put(ward, "sepsis.scores", True, share=30)
    counts = ward.run().counts
    inside = {str(visit) for visit in VISITS if bucket("sepsis.scores", str(visit)) < 300_000}
    assert set(ward.scores()) == inside
    assert 0 < len(inside) < 20
    assert counts == Counts(eligible=20, scored=len(inside), indeterminate=20 - len(inside))
    put(ward, "sepsis.scores", True, share=60)
    counts = ward.run(as_of=ward.noon + timedelta(seconds=1)).counts
    greater = {str(visit) for visit in VISITS if bucket("sepsis.scores", str(visit)) < 600_000}
    assert inside < set(ward.scores()) == greater
    assert counts == Counts(
        eligible=20, scored=len(greater - inside), unchanged=len(inside), indeterminate=20 - len(greater)
    )
    put(ward, "sepsis.scores", True, share=30)
    ward.run(as_of=ward.noon + timedelta(seconds=2))
    assert set(ward.scores()) == inside
    assert written(ward) == sorted(int(each) for each in inside)
    assert verdicts(ward) == IDENTICAL


def test_facilities_are_those_of_the_entities(ward: Any) -> None:
    ward.admit(21)  # of no facility
    put(ward, "sepsis.scores", True, facilities=["north"])
    assert ward.run().counts == Counts(eligible=21, scored=10, indeterminate=11)
    assert {int(each) % 2 for each in ward.scores()} == {0}
    assert verdicts(ward) == IDENTICAL


def test_a_facility_known_by_a_number_is_named_by_it(ward: Any, changed_job: Callable[..., Job]) -> None:
    job = changed_job(
        ("job.toml", 'facility = "facility"', ""),
        ("job.toml", "facility = []\n", ""),
        ("job.toml", 'published = ["client"]', 'published = ["client", "facility"]'),
        ("attributes.sql", "CAST(facility AS text) AS facility", "v.age_years AS facility"),
    )
    put(ward, "sepsis.scores", True, facilities=["42", "44"])
    assert ward.run(job).counts == Counts(eligible=20, scored=2, indeterminate=18)
    published = [key for (key,) in ward.rows("SELECT score_id FROM scorer.scores WHERE NOT shadow")]
    database = Database(ward.url, replace(ward.settings, jobs_dir=None))
    assert {each.alarming for each in replay(published, database=database)} == {False}


def test_a_score_that_stands_beside_another_outcome_is_taken_back_too(ward: Any) -> None:
    ward.run()
    ward.execute("UPDATE visits SET age_years = 300 WHERE visit_id = 2")
    later = ward.noon + timedelta(seconds=1)
    ward.run(as_of=later)
    ward.execute("UPDATE visits SET age_years = 42 WHERE visit_id = 2")
    put(ward, "sepsis.scores", False)
    ward.run(as_of=later + timedelta(seconds=1))
    assert ward.scores() == {}


def test_the_score_of_an_entity_that_raises_is_taken_back_too(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*arguments: Any, entity_ids: list[str], **named: Any) -> Any:
        assert not {"2", "3"} & {*entity_ids}
        return predict_both(*arguments, entity_ids=entity_ids, **named)

    ward.run()
    monkeypatch.setattr("scorer.scoring.pipeline.predict_both", raising)
    put(ward, "sepsis.scores", True, facilities=["north"])
    for visit in (2, 3):
        ward.observe(visit, hours_ago=-0.0002, recorded_at=ward.noon + timedelta(seconds=0.7))
    ward.run(as_of=ward.noon + timedelta(seconds=1))
    assert (ward.status(2)[0], ward.status(3)[0]) == ("FAILED", "FAILED")
    assert "2" in ward.scores()
    assert "3" not in ward.scores()


def test_entities_that_end_without_a_score_end_as_ever(ward: Any) -> None:
    ward.admit(31, observations=2)
    ward.admit(32, age_years=300.0)
    put(ward, "sepsis.scores", False)
    assert ward.run().counts == Counts(eligible=22, quarantined=1, insufficient=1, indeterminate=20)
    assert ward.status(31)[0] == "INSUFFICIENT"
    assert ward.status(32)[0] == "QUARANTINED"


def test_a_challenger_keeps_no_second_shadow_of_an_entity(
    ward: Any, make_model: Callable[..., Any], linear: Callable[..., Any], challenge: Callable[..., None]
) -> None:
    challenge(ward, make_model, linear)
    put(ward, "sepsis.scores", True, facilities=["north"])
    assert ward.run().counts == Counts(eligible=20, scored=10, indeterminate=10)
    by_model = ward.rows(
        "SELECT model_version = 'beside', count(*), min(CAST(entity_id AS integer) % 2), max(CAST(entity_id AS integer) % 2) "
        "FROM scorer.scores WHERE shadow GROUP BY 1 ORDER BY 1"
    )
    assert by_model == [(False, 10, 1, 1), (True, 10, 0, 0)]
    assert ward.one("SELECT count(*) FROM reporting.challenger_pairs") == 10


@pytest.fixture
def challenge() -> Callable[..., None]:
    """Has a model by hand, called "beside", score beside production."""

    def act(ward: Any, make_model: Any, linear: Any) -> None:
        ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job, bias=-9.0), version="beside"))
        ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job), version="by-hand"))
        ward.execute("ALTER TABLE scorer.model_versions DISABLE TRIGGER model_versions_step")
        ward.execute("UPDATE scorer.model_versions SET status = 'staging' WHERE model_version = 'beside'")
        ward.execute("ALTER TABLE scorer.model_versions ENABLE TRIGGER model_versions_step")
        ward.execute("INSERT INTO scorer.challengers (job, model_version, why) VALUES ('sepsis', 'beside', 'a test')")

    return act


def test_a_request_and_a_dry_run_heed_the_flags(ward: Any, answering: RequestAnswering) -> None:
    put(ward, "sepsis.scores", True, facilities=["north"])
    database = Database(ward.url, ward.settings)
    assert dry_run(ward.job, database=database, as_of=ward.noon).counts == Counts(
        eligible=20, scored=10, indeterminate=10
    )
    asked = ward.ask(1, 2)
    answering.answer_waiting()
    assert ward.answers(*asked) == [("done", "INDETERMINATE"), ("done", "SCORED")]
    assert written(ward) == [2]


def test_a_record_that_ended_while_scores_were_off_is_published_when_it_is_asked_for(
    ward: Any, answering: RequestAnswering
) -> None:
    ward.execute("UPDATE visits SET discharged_at = %s", ward.noon - HOUR)
    put(ward, "sepsis.scores", False)
    assert ward.run().counts == Counts(eligible=20, indeterminate=20)
    clear(ward, "sepsis.scores")
    (asked,) = ward.ask(1)
    answering.answer_waiting()
    assert ward.answers(asked) == [("done", "SCORED")]
    assert verdicts(ward) == IDENTICAL


def test_a_batch_goes_by_what_it_read_whatever_is_set_meanwhile(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    flipped: list[str] = []

    def flip(step: str) -> None:
        if step == "features" and not flipped:
            flipped.append(step)
            put(ward, "sepsis.scores", False)
            put(ward, "sepsis.write_back", False)

    assert ward.run(watch=flip).counts == Counts(eligible=20, scored=20)
    assert flipped == ["features"]
    assert len(written(ward)) == 20
    assert recorded(ward) is None
    assert verdicts(ward) == IDENTICAL


def test_a_batch_that_dies_leaves_nothing_of_it(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ward.run()
    before = ward.scores()
    put(ward, "sepsis.scores", False)

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    later = ward.noon + timedelta(seconds=1)
    monkeypatch.setattr("scorer.scoring.pipeline.write_back", die)
    with pytest.raises(SystemExit):
        run_job(ward.job, database=Database(ward.url, ward.settings), as_of=later, hooks=worker.Hooks())
    monkeypatch.undo()
    assert ward.scores() == before
    assert shadows(ward) == {}
    ward.run(as_of=later + timedelta(seconds=1))
    assert ward.scores() == {}
    assert shadows(ward) == {str(visit): 1 for visit in VISITS}


# Reasons


@pytest.fixture
def explained(ward: Any) -> Job:
    """The job with reasons for every band."""
    bands = frozenset(name for name, _ in ward.job.bands.limits) | {ward.job.bands.lowest}
    return replace(ward.job, reasons=replace(ward.job.reasons, bands=bands))


def test_reasons_are_made_for_those_for_whom_they_are_on(ward: Any, explained: Job) -> None:
    put(ward, "sepsis.reasons", True, facilities=["north"])
    assert ward.run(explained).counts == Counts(eligible=20, scored=20)
    with_reasons = {int(key) for (key,) in ward.rows("SELECT DISTINCT entity_id FROM reporting.score_reasons")}
    assert with_reasons == {visit for visit in VISITS if visit % 2 == 0}


def test_reasons_off_for_all_are_none_and_a_replay_is_the_same(ward: Any, explained: Job) -> None:
    put(ward, "sepsis.reasons", False)
    ward.run(explained)
    assert ward.one("SELECT count(*) FROM scorer.score_reasons") == 0
    assert len(ward.scores()) == 20
    assert recorded(ward) == {"sepsis.reasons": {"enabled": False}}
    assert verdicts(ward) == IDENTICAL


def test_a_score_in_the_shadow_has_no_reasons(ward: Any, explained: Job) -> None:
    put(ward, "sepsis.scores", True, facilities=["north"])
    ward.run(explained)
    with_reasons = {int(key) for (key,) in ward.rows("SELECT DISTINCT entity_id FROM reporting.score_reasons")}
    assert with_reasons == {visit for visit in VISITS if visit % 2 == 0}


# Write-back


def waiting(ward: Any) -> list[int]:
    return [
        int(key) for (key,) in ward.rows("SELECT entity_id FROM scorer.write_backs ORDER BY CAST(entity_id AS integer)")
    ]


def test_scores_that_are_not_written_back_wait_and_are_written_once_that_is_on(ward: Any) -> None:
    put(ward, "sepsis.write_back", True, facilities=["north"])
    assert ward.run().counts == Counts(eligible=20, scored=20)
    north = [visit for visit in VISITS if visit % 2 == 0]
    assert len(ward.scores()) == 20
    assert written(ward) == north
    assert waiting(ward) == [visit for visit in VISITS if visit % 2]
    ward.run(as_of=ward.noon + timedelta(seconds=1))
    assert written(ward) == north
    database = Database(ward.url, ward.settings)
    with closing(Session(database.as_worker())) as session, session.transaction():
        assert read_waiting(session, ward.job).entities == 0, "they wait for a person, and nobody is warned"
    clear(ward, "sepsis.write_back")
    assert ward.run(as_of=ward.noon + timedelta(seconds=2)).counts.unchanged == 20
    assert written(ward) == list(VISITS)
    assert waiting(ward) == []


def test_what_was_written_stays_and_what_is_taken_back_goes(ward: Any) -> None:
    ward.run()
    before = ward.rows("SELECT visit_id, sepsis_score, scored_at FROM visits ORDER BY 1")
    put(ward, "sepsis.write_back", False)
    changed_since(ward, 1, 2)
    ward.run(as_of=ward.noon + timedelta(seconds=1))
    assert ward.rows("SELECT visit_id, sepsis_score, scored_at FROM visits ORDER BY 1") == before
    assert waiting(ward) == [1, 2]
    ward.execute("DELETE FROM patient_observations WHERE visit_id = 3")
    ward.run(as_of=ward.noon + timedelta(seconds=2))
    assert written(ward) == [visit for visit in VISITS if visit != 3]


def test_a_recalled_score_does_not_stand_in_the_table_where_its_successor_is_not_written(ward: Any) -> None:
    ward.run()
    put(ward, "sepsis.write_back", False)
    ward.execute("INSERT INTO scorer.write_backs (job, entity_id, recalled) VALUES ('sepsis', '4', true)")
    changed_since(ward, 4)
    ward.run(as_of=ward.noon + timedelta(seconds=1))
    assert written(ward) == [visit for visit in VISITS if visit != 4]
    assert ward.rows("SELECT entity_id, recalled FROM scorer.write_backs") == [("4", False)]
    put(ward, "sepsis.write_back", True)
    ward.run(as_of=ward.noon + timedelta(seconds=2))
    assert written(ward) == list(VISITS)


def test_a_batch_asks_the_database_for_nothing_more(ward: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    plain = Session.execute

    def count(self: Session, *arguments: Any, **named: Any) -> Any:
        asked.append(1)
        return plain(self, *arguments, **named)

    monkeypatch.setattr(Session, "execute", count)

    def statements() -> int:
        asked.clear()
        ward.run(as_of=ward.noon + timedelta(seconds=next(seconds)))
        return len(asked)

    seconds = iter(range(10))
    statements()
    without = statements()
    put(ward, "sepsis.scores", True)
    put(ward, "sepsis.write_back", True)
    put(ward, "sepsis.reasons", True)
    assert statements() == without
