"""Categories as hospitals write them: padded, in other words, of other types. What the job does not know is told by its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scorer.errors import UserError


def words(hospital: Any, visit_id: int) -> list[tuple[str, str]]:
    """(rule, value) of the visit's open findings."""
    return [(rule, observed) for _, rule, _, _, observed in hospital.open_findings(visit_id)]


def test_the_blanks_of_a_fixed_width_column_do_not_count(hospital: Any) -> None:
    hospital.admit(*range(1, 9))
    hospital.observe(
        1, observation_type_code="LACTATE", observation_value=2.5, reference_range_min=0.5, reference_range_max=2
    )
    hospital.run()
    before = hospital.rows("SELECT entity_id, score, attributes, input_hash FROM scorer.current_scores ORDER BY 1")
    hospital.execute(
        "ALTER TABLE public.visits ALTER COLUMN sex TYPE char(10), ALTER COLUMN unit TYPE char(12), "
        "ALTER COLUMN client TYPE char(8)"
    )
    hospital.execute(
        "ALTER TABLE public.patient_observations ALTER COLUMN observation_type_code TYPE char(20), "
        "ALTER COLUMN client TYPE char(9)"
    )
    assert hospital.run().counts.unchanged == 8  # the same inputs, to the hash
    hospital.execute("DELETE FROM scorer.current_scores")
    assert hospital.run().counts.scored == 8
    assert hospital.open_findings() == []
    assert (
        hospital.rows("SELECT entity_id, score, attributes, input_hash FROM scorer.current_scores ORDER BY 1") == before
    )


def test_words_that_the_job_maps_are_the_words_that_it_knows(hospital: Any) -> None:
    hospital.admit(2, 4, sex="M")
    hospital.admit(6, sex="F")
    hospital.run()
    before = hospital.scores()
    hospital.execute(
        "UPDATE public.visits SET sex = CASE visit_id WHEN 2 THEN 'male' WHEN 4 THEN 'm' ELSE 'Female' END"
    )
    hospital.execute("UPDATE public.visits SET unit = 'Medical ICU' WHERE visit_id = 2")
    hospital.execute("DELETE FROM scorer.current_scores")
    assert hospital.run().counts.scored == 3
    assert (hospital.scores(), hospital.open_findings()) == (before, [])


UNKNOWN = [
    "diverse",
    " M",
    "mALE",
    "1",
    "",
    "   ",
    "\N{MALE SIGN}",
    "Weiblich\N{COMBINING DIAERESIS}",
    "x" * 300,
    "NULL",
]


def test_a_word_that_the_job_does_not_know_is_told_by_its_value_and_the_visit_is_scored(hospital: Any) -> None:
    visits = dict(enumerate(UNKNOWN, start=1))
    for visit, word in visits.items():
        hospital.admit(visit, sex=word)
    hospital.admit(90, sex="M")
    hospital.admit(91, sex=None, unit=None)
    hospital.admit(92, sex="divers", unit="CCU")
    assert hospital.run().counts.scored == len(visits) + 3
    for visit, word in visits.items():
        told = word.rstrip(" ") or "(empty)"
        assert words(hospital, visit) == [("sex_known", told if len(told) <= 200 else f"{told[:199]}…")], word
    assert words(hospital, 90) == words(hospital, 91) == []
    assert words(hospital, 92) == [("sex_known", "divers"), ("unit_known", "CCU")]
    counted = hospital.one("SELECT unknown_codes FROM scorer.batches")
    assert counted["unit=CCU"] == counted["sex=diverse"] == 1
    assert counted["sex=(empty)"] == 2
    assert hospital.one("SELECT bool_and(action = 'warn') FROM reporting.quarantine")

    hospital.execute("UPDATE public.visits SET sex = 'F', unit = NULL")
    hospital.run()
    assert hospital.open_findings() == []


def test_a_job_may_hold_what_it_does_not_know(hospital: Any, changed_job: Callable[..., Any]) -> None:
    job = changed_job(("job.toml", "[actions]", '[actions]\nunit_known = "quarantine"\n'))
    hospital.admit(1, unit="CCU")
    hospital.run(job)
    assert hospital.status(1) == ("QUARANTINED", "unit_known")


def test_an_enum_is_a_text(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.run()
    before = hospital.scores()
    hospital.execute("CREATE TYPE public.sexes AS ENUM ('F', 'M', 'X')")
    hospital.execute("ALTER TABLE public.visits ALTER COLUMN sex TYPE public.sexes USING sex::public.sexes")
    hospital.execute("DELETE FROM scorer.current_scores")
    hospital.run()
    assert hospital.scores() == before
    hospital.execute("UPDATE public.visits SET sex = 'X' WHERE visit_id = 1")
    hospital.run()
    assert words(hospital, 1) == [("sex_known", "X")]


@pytest.mark.parametrize("kind", ["boolean", "integer", "uuid"])
def test_a_category_of_another_type_is_refused_before_anything_is_scored(hospital: Any, kind: str) -> None:
    hospital.admit(1)
    hospital.execute(f"ALTER TABLE public.visits ALTER COLUMN sex TYPE {kind} USING NULL::{kind}")
    with pytest.raises(UserError, match=r"column 'sex'.*CAST it AS text"):
        hospital.run()
