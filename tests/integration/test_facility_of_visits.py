"""The shipped job where visits say which hospital they belong to, where they do not, and where their table has no such column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.governance.explain import explain
from scorer.governance.replay import replay
from scorer.registry.ensemble import Ensemble, PerFacility
from scorer.runs.requests import RequestAnswering

VISITS = range(1, 13)
TABLES = {
    "without the column": "ALTER TABLE public.visits DROP COLUMN facility",
    "of nobody": "UPDATE public.visits SET facility = NULL",
    "of some": "UPDATE public.visits SET facility = substr('ABC', CAST((visit_id + 3) / 4 AS integer), 1) WHERE visit_id < 12",
}
# What a score is made of before any feature: of everyone, and by the fits and calibrations of A and B.
EVERYONE, OWN = -11.0 + 3.5, {"A": -12.0 + 3.0, "B": -10.0 + 4.0}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def wards(ward: Any, make_model: Callable[..., Path], linear: Callable[..., Ensemble]) -> Any:
    """Twelve visits, of which every other one has ended, and a model with a fit and a calibration of A and of B."""
    fits = {"A": linear(ward.job, bias=-12.0), "B": linear(ward.job, bias=-10.0)}
    calibrations = {"A": {"slope": 1.0, "intercept": 3.0}, "B": {"slope": 1.0, "intercept": 4.0}}
    model = make_model(
        ward.job,
        PerFacility(linear(ward.job), fits),
        version="hospitals",
        facilities={name: {"calibration": each} for name, each in calibrations.items()},
    )
    ward.put_into_production(ward.job, model)
    ward.noon -= 30 * MINUTE
    for visit_id in VISITS:
        ward.admit(visit_id, discharged_at=None if visit_id % 2 else ward.noon - MINUTE)
        ward.execute("INSERT INTO public.outcomes VALUES (%s, 0, NULL)", visit_id)
    return ward


def facility_of(visit_id: int, table: str) -> str | None:
    """What the visit says of its hospital."""
    return None if table != "of some" or visit_id == 12 else "ABC"[(visit_id - 1) // 4]


def begins_at(ward: Any, visit_id: int) -> float:
    """What the visit's score is made of before any feature."""
    told = explain(ward.job, str(visit_id), database=Database(ward.url, ward.settings), top=100)
    (bias,) = (each.contribution for each in told.reasons if each.kind == "bias")
    return float(bias)


def replayed(ward: Any) -> set[str]:
    """What becomes of all scores, made again."""
    score_ids = [each for (each,) in ward.rows("SELECT score_id FROM scorer.scores")]
    return {str(each.verdict) for each in replay(score_ids, database=Database(ward.url, ward.settings))}


def again(ward: Any, minutes: int = 1) -> Any:
    """A run as of some minutes later."""
    return ward.run(as_of=ward.noon + minutes * MINUTE).counts


@pytest.mark.parametrize("table", TABLES)
def test_visits_are_scored_explained_and_replayed_by_their_facility(
    table: str, wards: Any, answering: RequestAnswering
) -> None:
    wards.execute(TABLES[table])
    assert wards.run().counts.scored == len(VISITS)
    for visit_id in VISITS:
        own = OWN.get(facility_of(visit_id, table) or "", EVERYONE)
        assert begins_at(wards, visit_id) - begins_at(wards, 12) == pytest.approx(own - EVERYONE)
    shown = wards.rows("SELECT CAST(entity_id AS integer), attributes ->> 'facility' FROM reporting.current_scores")
    assert dict(shown) == {visit_id: facility_of(visit_id, table) for visit_id in VISITS}
    wards.observe(3, hours_ago=0, recorded_at=wards.noon + MINUTE)
    requests = wards.ask(1, 3, 12)
    assert answering.answer_waiting() == 3
    assert wards.answers(*requests) == [("done", "UNCHANGED"), ("done", "SCORED"), ("done", "UNCHANGED")]
    assert replayed(wards) == {"IDENTICAL"}


@pytest.mark.parametrize("table", TABLES)
def test_landmarks_have_the_facility_of_their_visits(table: str, wards: Any, source: Source) -> None:
    wards.execute(TABLES[table])
    found = read_landmarks(wards.job, source)
    assert found.scorable.any()
    told = dict(zip(map(int, found.entity_ids), found.features.facility, strict=True))
    assert told == {visit_id: facility_of(visit_id, table) for visit_id in VISITS if visit_id % 2 == 0}


def test_a_facility_that_is_corrected_makes_a_score_due_again(wards: Any, answering: RequestAnswering) -> None:
    wards.execute(TABLES["of some"])
    wards.run()
    wards.execute("UPDATE public.visits SET facility = 'B' WHERE visit_id IN (1, 2)")
    wards.execute("UPDATE public.visits SET facility = NULL WHERE visit_id = 5")
    counts = again(wards)
    assert (counts.scored, counts.unchanged) == (3, len(VISITS) - 3), "one that has ended is scored as of its end"
    assert begins_at(wards, 1) == begins_at(wards, 2) == begins_at(wards, 6)
    assert begins_at(wards, 5) == begins_at(wards, 12)
    assert replayed(wards) == {"IDENTICAL", "DIFFERS"}, "what the earlier ones were made of has changed in the source"
    assert again(wards, 2).unchanged == len(VISITS)
    wards.execute("UPDATE public.visits SET facility = 'A' WHERE visit_id = 1")
    request = wards.ask(1)
    assert answering.answer_waiting() == 1
    assert wards.answers(*request) == [("done", "SCORED")]


def test_a_column_that_is_added_later_changes_nothing_until_it_is_filled(wards: Any) -> None:
    wards.execute(TABLES["without the column"])
    wards.run()
    wards.execute("ALTER TABLE public.visits ADD COLUMN facility text")
    assert again(wards).unchanged == len(VISITS)
    assert replayed(wards) == {"IDENTICAL"}
    wards.execute("UPDATE public.visits SET facility = 'A'")
    assert again(wards, 2).scored == len(VISITS)


def test_a_facility_may_be_known_by_a_number(wards: Any) -> None:
    wards.execute("ALTER TABLE public.visits ALTER COLUMN facility TYPE integer USING 7")
    assert wards.run().counts.scored == len(VISITS)
    assert wards.rows("SELECT DISTINCT attributes ->> 'facility' FROM reporting.current_scores") == [("7",)]


@pytest.mark.parametrize("table", ["without the column", "of nobody"])
def test_a_worker_needs_to_read_no_other_columns_than_before(table: str, wards: Any) -> None:
    wards.execute(TABLES[table])
    read = "visit_id, client, admitted_at, discharged_at, age_years, sex, unit, hours_before_icu, risk_level"
    wards.execute("REVOKE SELECT ON public.visits FROM scorer_worker")
    facility = "" if table == "without the column" else ", facility"
    wards.execute(f"GRANT SELECT ({read}{facility}) ON public.visits TO scorer_worker")
    assert wards.run().counts.scored == len(VISITS)
