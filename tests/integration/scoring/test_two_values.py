"""Two values of one code at one moment: the one recorded last counts; where that cannot tell, it is told and the higher counts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from scorer.jobs.features import feature_names


def creatinine(hospital: Any, visit_id: int) -> tuple[float, float]:
    """The last creatinine of the visit's newest score, and how many there were."""
    features = hospital.one(
        "SELECT s.features FROM scorer.scores AS s WHERE s.entity_id = %s AND s.status = 'SCORED' "
        "ORDER BY s.score_id DESC LIMIT 1",
        str(visit_id),
    )
    vector = dict(zip(feature_names(hospital.job.features), np.frombuffer(features, dtype="<f8").tolist(), strict=True))
    return vector["CREATININE_last_stay"], vector["CREATININE_count_stay"]


def observe(hospital: Any, visit_id: int, *values: tuple[Any, int | None], **columns: Any) -> None:
    """Observe creatinine an hour ago: (value, recorded so many minutes ago, None where nobody knows when)."""
    for value, minutes in values:
        hospital.observe(
            visit_id,
            **{
                "observation_type_code": "CREATININE",
                "observation_value": value,
                "reference_range_min": 0.6,
                "reference_range_max": 1.3,
                "recorded_at": None if minutes is None else hospital.noon - timedelta(minutes=minutes),
            }
            | columns,
        )


def rules(hospital: Any, visit_id: int) -> list[tuple[str, str]]:
    return [(rule, observed) for _, rule, _, _, observed in hospital.open_findings(visit_id)]


OLD = ("superseded", "CREATININE (1 observations)")
MOMENT = "2025-06-01T11:00:00.000000Z"


@pytest.mark.parametrize(
    ("values", "counts", "told"),
    [
        ([(18, 50), (1.8, 10)], 1.8, [OLD]),
        ([(1.8, 50), (18, 10)], 18, [OLD]),
        ([(18, 50), (1.8, 30), (2.5, 10)], 2.5, [("superseded", "CREATININE (2 observations)")]),
        # The first value again, recorded last.
        ([(18, 50), (1.8, 30), (18, 10)], 18, [("not_repeated", f"CREATININE {MOMENT}"), OLD]),
        # The same twice is one value.
        ([(1.8, 50), (1.8, 10)], 1.8, [("not_repeated", f"CREATININE {MOMENT}")]),
        # Nothing tells which is the later.
        ([(18, 10), (1.8, 10)], 18, [("ambiguous", f"CREATININE {MOMENT} 1.8")]),
        ([(1.8, None), (18, None)], 18, [("ambiguous", f"CREATININE {MOMENT} 1.8")]),
        ([(18, 10), (1.8, None)], 18, [("ambiguous", f"CREATININE {MOMENT} 1.8")]),
        ([(2.5, 50), (18, 10), (1.8, 10)], 18, [("ambiguous", f"CREATININE {MOMENT} 1.8"), OLD]),
        # What is refused stands for nothing.
        ([(18, 50), (None, 10)], 18, [("value_present", "CREATININE null")]),
        ([(1.8, 50), (900, 10)], 1.8, [("value_not_too_high", "CREATININE 900.0")]),
        ([(1.8, 10), (900, 10)], 1.8, [("value_not_too_high", "CREATININE 900.0")]),
    ],
)
def test_which_of_several_values_counts(
    hospital: Any, values: list[tuple[Any, int | None]], counts: float, told: list[tuple[str, str]]
) -> None:
    """In whatever order they lie in the table; the score is that of the value that counts alone."""
    orders = dict(enumerate(itertools.permutations(values), start=100))
    hospital.admit(1, *orders, age_years=50, sex="F")
    hospital.execute(
        "UPDATE public.patient_observations AS o SET observation_value = n.observation_value "
        "FROM public.patient_observations AS n WHERE n.visit_id = 1 AND n.observation_date = o.observation_date"
    )
    observe(hospital, 1, (counts, 10))
    for visit, order in orders.items():
        observe(hospital, visit, *order)
    hospital.run()
    scores = hospital.scores()
    for visit in orders:
        assert creatinine(hospital, visit) == (counts, 1)
        assert scores[str(visit)] == scores["1"]
        assert rules(hospital, visit) == told
    assert rules(hospital, 1) == []


def test_a_row_that_another_rule_refuses_takes_no_other_with_it(hospital: Any) -> None:
    """The same value twice, once with a reversed range: the other counts."""
    hospital.admit(1)
    observe(hospital, 1, (1.8, 50), reference_range_min=1.3, reference_range_max=0.6)
    observe(hospital, 1, (1.8, 10))
    hospital.run()
    assert creatinine(hospital, 1) == (1.8, 1)
    assert [rule for rule, _ in rules(hospital, 1)] == ["range_in_order"]


def test_other_codes_and_other_moments_have_nothing_to_do_with_it(hospital: Any) -> None:
    hospital.admit(1)
    observe(hospital, 1, (18, 50))
    observe(hospital, 1, (1.8, 10), hours_ago=1 - 1e-3 / 3600)
    observe(hospital, 1, (2, 50), observation_type_code="LACTATE")
    hospital.run()
    assert creatinine(hospital, 1) == (1.8, 2)
    assert rules(hospital, 1) == []


def test_a_correction_changes_the_score_and_its_time_of_recording_too(hospital: Any) -> None:
    hospital.admit(1)
    observe(hospital, 1, (18, 50))
    hospital.run()
    before = hospital.scores()
    observe(hospital, 1, (1.8, 10))
    assert hospital.run().counts.scored == 1
    assert creatinine(hospital, 1) == (1.8, 1)
    assert hospital.run().counts.unchanged == 1
    late = "UPDATE public.patient_observations SET recorded_at = recorded_at + INTERVAL '%s min' WHERE observation_value = 18"
    hospital.execute(late % 5)  # still the earlier
    assert hospital.run().counts.unchanged == 1
    hospital.execute(late % 40)
    assert hospital.run().counts.scored == 1
    assert (creatinine(hospital, 1), hospital.scores()) == ((18, 1), before)


def test_as_known_before_the_correction_the_value_corrected_counts(hospital: Any) -> None:
    hospital.admit(1)
    observe(hospital, 1, (18, 50), (1.8, -60))  # recorded an hour after noon
    hospital.run(as_known_at=hospital.noon)
    assert creatinine(hospital, 1) == (18, 1)
    hospital.run(as_known_at=hospital.noon + timedelta(hours=2))
    assert creatinine(hospital, 1) == (1.8, 1)


def test_preliminary_and_corrected_values_throughout_hold_no_visit(hospital: Any) -> None:
    """Two rows of three are superseded, and nothing is wrong with them."""
    hospital.admit(1)
    hospital.run()
    before = hospital.scores()
    for plus, recorded in ((2, "10 s"), (1, "20 s")):
        hospital.execute(
            "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, "
            "observation_value, recorded_at) SELECT visit_id, client, observation_date, observation_type_code, "
            "observation_value + %s, recorded_at - %s::interval FROM public.patient_observations WHERE observation_id <= 8",
            plus,
            recorded,
        )
    assert hospital.run().counts.scored == 1
    assert hospital.scores() == before
    assert {rule for rule, _ in rules(hospital, 1)} == {"superseded"}


def test_a_job_may_hold_a_visit_for_it(hospital: Any, changed_job: Callable[..., Any]) -> None:
    job = changed_job(("job.toml", "[actions]", '[actions]\nambiguous = "quarantine"\n'))
    hospital.admit(1)
    observe(hospital, 1, (18, 10), (1.8, 10))
    hospital.run(job)
    assert hospital.status(1) == ("QUARANTINED", "ambiguous")


def test_a_statement_that_does_not_say_when_a_row_was_recorded_leaves_it_ambiguous(
    hospital: Any, changed_job: Callable[..., Any]
) -> None:
    job = changed_job(("observations.sql", "    o.recorded_at,\n", ""))
    hospital.admit(1)
    observe(hospital, 1, (18, 50), (1.8, 10))
    hospital.run(job)
    assert creatinine(hospital, 1) == (18, 1)
    assert [rule for rule, _ in rules(hospital, 1)] == ["ambiguous"]
