"""What a sample of the source tells before any run: units that are not the job's, words that it does not list."""

from __future__ import annotations

from typing import Any

from scorer.checks.result import CheckResult
from scorer.checks.units import check_values
from scorer.database.connection import Database

VISITS = 30


def looked(ward: Any) -> dict[str, CheckResult]:
    return {each.name: each for each in check_values("sepsis", database=Database(ward.url, ward.settings))}


def fill(ward: Any, *, factor: float = 1.0, ranges: bool = True) -> None:
    """Visits, each with a glucose as the model knows it, times `factor`."""
    ward.admit(*range(1, VISITS + 1))
    for visit in range(1, VISITS + 1):
        ward.observe(
            visit,
            observation_type_code="GLUCOSE",
            observation_value=(90 + 4 * visit) * factor,
            reference_range_min=70 * factor if ranges else None,
            reference_range_max=140 * factor if ranges else None,
        )


def test_a_source_in_the_job_s_units_and_words_holds(ward: Any) -> None:
    fill(ward)
    found = looked(ward)
    assert {name: (each.holds, each.blocks, each.job) for name, each in found.items()} == {
        "job sepsis units": (True, False, "sepsis"),
        "job sepsis words": (True, False, "sepsis"),
    }
    units = found["job sepsis units"].found
    assert "fit: HR, TEMP, SBP, RR, GLUCOSE;" in units
    assert "without a value: SPO2, " in units


def test_a_code_in_another_unit_is_told_with_the_unit(ward: Any) -> None:
    for ranges in (True, False):
        ward.execute("TRUNCATE public.visits, public.patient_observations")
        fill(ward, factor=0.0555, ranges=ranges)
        units = looked(ward)["job sepsis units"]
        assert not units.holds
        assert "GLUCOSE lies 0.0" in units.found
        assert "as if in mmol/L" in units.found
        assert "fit: HR, TEMP, SBP, RR;" in units.found


def test_a_code_of_which_most_is_refused_does_not_fit_however_few_there_are(ward: Any) -> None:
    ward.admit(1, 2)
    ward.execute(
        "UPDATE public.patient_observations SET observation_value = observation_value * 1.8 + 32 "
        "WHERE observation_type_code = 'TEMP'"
    )
    units = looked(ward)["job sepsis units"]
    assert not units.holds
    assert "TEMP is not in degC: 100% of 4 values" in units.found


def test_words_that_the_job_does_not_list_are_told_by_value(ward: Any) -> None:
    ward.admit(1, 2, 3, sex="divers")
    ward.admit(4, sex="male", unit="CCU   ")
    words = looked(ward)["job sepsis words"]
    assert not words.holds
    assert 'sex "divers" (3); unit "CCU" (1)' in words.found


def test_an_empty_source_holds(ward: Any) -> None:
    assert all(each.holds for each in looked(ward).values())
