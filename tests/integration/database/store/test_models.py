"""Model versions by the functions of the store: registered, moved, with cards, evidence, bytes and challenges."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.session import Session
from scorer.database.store.batches import next_batch
from scorer.database.store.ledger import write_outcomes
from scorer.database.store.models import (
    admit_first_model,
    count_models,
    list_current,
    list_evidence,
    list_model_events,
    list_models,
    list_pairs,
    model_before,
    move_model,
    production_model,
    promotion_lacks,
    read_artefact,
    read_card,
    read_challenge,
    read_model,
    record_evidence,
    register_model,
    start_challenge,
    stop_challenge,
    store_artefact,
    write_card,
)
from scorer.errors import StatementFailed, UserError
from scorer.types.enums import Status

CONTENT = b"an artefact"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MANIFEST = {"golden": {"inputs": [[0.0]], "scores": [0.5]}, "libraries": {"python": "3.11"}, "metrics": {}}


@pytest.fixture
def owner(open_session: Callable[..., Session]) -> Session:
    """A session of the login itself, which may do all."""
    return open_session(None)


@pytest.fixture
def next_model(owner: Session) -> str:
    """A registered version."""
    with owner.transaction():
        assert register_model(owner, "sepsis", model_version="next", sha256=SHA256, manifest=MANIFEST)
    return "next"


def test_a_version_is_registered_once_as_a_candidate(owner: Session, model: str, next_model: str) -> None:
    with owner.transaction():
        assert not register_model(owner, "sepsis", model_version=next_model, sha256=SHA256, manifest=MANIFEST)
        found = read_model(owner, "sepsis", next_model)
        assert (found.status, found.sha256, found.manifest, found.promoted_at) == ("candidate", SHA256, MANIFEST, None)
        assert count_models(owner, "sepsis") == 2
        assert {row["model_version"] for row in list_models(owner)} == {model, next_model}
    with pytest.raises(UserError, match="Model none of sepsis is not registered"), owner.transaction():
        read_model(owner, "sepsis", "none")


def test_a_version_is_moved_for_a_reason_and_each_step_is_an_event(owner: Session, next_model: str) -> None:
    with owner.transaction():
        move_model(owner, "sepsis", model_version=next_model, status="staging", why="a test")
    with pytest.raises(UserError, match="cannot go from staging to candidate"), owner.transaction():
        move_model(owner, "sepsis", model_version=next_model, status="candidate", why="a test")
    with owner.transaction():
        events = list_model_events(owner, "sepsis", next_model)
        assert read_model(owner, "sepsis", next_model).status == "staging"
    assert [(each["to_status"], each["why"]) for each in events] == [("candidate", "registered"), ("staging", "a test")]


def test_the_first_model_is_admitted_once(owner: Session, model: str, next_model: str) -> None:
    with owner.transaction():
        found = production_model(owner, "sepsis")
        assert found is not None
        assert found[0] == model
        assert production_model(owner, "another") is None
        assert model_before(owner, "sepsis") is None
    with pytest.raises(UserError, match=r"\.$"), owner.transaction():
        admit_first_model(owner, "sepsis", next_model, why="a test")


def test_a_card_has_its_gaps_until_they_are_filled(owner: Session, next_model: str) -> None:
    with owner.transaction():
        assert read_card(owner, "sepsis", next_model) is None
        assert "intended_use" not in write_card(owner, "sepsis", next_model, card={"intended_use": "tests"})
        card = read_card(owner, "sepsis", next_model)
        assert card is not None
        assert card.content == {"intended_use": "tests"}
        assert "limits" in card.gaps
    with owner.transaction():
        filled = dict.fromkeys(("intended_use", *card.gaps), "for tests")
        assert write_card(owner, "sepsis", next_model, card=filled) == ()
        newest = read_card(owner, "sepsis", next_model)
        assert newest is not None
        assert (newest.content, newest.gaps) == (filled, ())


def test_evidence_is_recorded_newest_first_and_is_what_a_promotion_needs(owner: Session, next_model: str) -> None:
    with owner.transaction():
        model = read_model(owner, "sepsis", next_model)
        assert "registered" in str(promotion_lacks(owner, "sepsis", next_model, tried=True))
        for difference in (0.5, 0.0):
            result = {"rows": 1, "max_difference": difference}
            record_evidence(owner, model, kind="golden", fingerprint={"python": "3.11"}, host="here", result=result)
        found = list_evidence(owner, "sepsis", next_model)
    assert [(each["kind"], each["host"], each["result"]["max_difference"]) for each in found] == [
        ("golden", "here", 0.0),
        ("golden", "here", 0.5),
    ]


def test_only_the_registered_bytes_are_stored(owner: Session, next_model: str) -> None:
    with owner.transaction():
        assert read_artefact(owner, "sepsis", next_model) is None
    with pytest.raises((StatementFailed, UserError)), owner.transaction():
        store_artefact(owner, "sepsis", next_model, sha256=SHA256, content=b"others")
    with owner.transaction():
        for _ in range(2):
            store_artefact(owner, "sepsis", next_model, sha256=SHA256, content=CONTENT)
        assert read_artefact(owner, "sepsis", next_model) == CONTENT
        assert read_model(owner, "sepsis", next_model).stored


def test_a_version_in_staging_challenges_alone(owner: Session, next_model: str) -> None:
    with owner.transaction():
        assert read_challenge(owner, "sepsis") is None
        assert not stop_challenge(owner, "sepsis", why="a test")
    with pytest.raises(UserError, match="staging"), owner.transaction():
        start_challenge(owner, "sepsis", model_version=next_model, why="a test")
    with owner.transaction():
        move_model(owner, "sepsis", model_version=next_model, status="staging", why="a test")
        start_challenge(owner, "sepsis", model_version=next_model, why="a test")
        challenge = read_challenge(owner, "sepsis")
        assert challenge is not None
        assert (challenge.model_version, challenge.why) == (next_model, "a test")
    with pytest.raises(UserError), owner.transaction():
        start_challenge(owner, "sepsis", model_version=next_model, why="again")
    with owner.transaction():
        assert stop_challenge(owner, "sepsis", why="a test")
        assert read_challenge(owner, "sepsis") is None


def test_everyone_in_stay_may_be_scored_due_or_not(hospital: Any, session: Session, begin: Any, carry: Any) -> None:
    hospital.admit(1, 2, 3)
    run, _ = begin()
    carry(run)
    long_ago = hospital.noon - timedelta(days=60)
    hospital.admit(4, admitted_at=long_ago, discharged_at=long_ago + timedelta(days=2))
    with session.transaction():
        everyone = list_current(session, hospital.job, as_of=hospital.noon, limit=None)
        some = list_current(session, hospital.job, as_of=hospital.noon, limit=2)
    assert sorted(item.entity_id for item in everyone) == ["1", "2", "3"]
    assert len(set(some)) == 2
    assert set(some) <= set(everyone)


def test_pairs_are_of_the_same_entity_and_time(
    hospital: Any, session: Session, begin: Any, model: str, outcome: Any
) -> None:
    hospital.admit(1, 2)
    run, _ = begin()
    held = outcome("2", Status.QUARANTINED)
    shadow = outcome("1", score=0.75, risk_band="HIGH", shadow=True, model_version="next")
    with session.transaction():
        batch_id = next_batch(session)
        outcomes = [outcome("1"), shadow, held]
        write_outcomes(session, hospital.job, run, batch_id=batch_id, model_version=model, outcomes=outcomes)
    with session.transaction():
        now = run.started_at + timedelta(minutes=5)
        span = {"since": timedelta(days=1), "now": now, "limit": None}
        (pair,) = list_pairs(session, hospital.job, one=model, other="next", **span)
        assert list_pairs(session, hospital.job, one="next", other="none", **span) == []
        (turned,) = list_pairs(session, hospital.job, one="next", other=model, **span)
    assert (pair.entity_id, pair.as_of) == ("1", hospital.noon)
    assert (pair.statuses, pair.scores, pair.bands) == (("SCORED", "SCORED"), (0.5, 0.75), ("LOW", "HIGH"))
    assert turned.scores == (0.75, 0.5)
