"""Values in another unit than the job's: refused by the limits, or by the range that comes with them; a range of ours never is."""

from __future__ import annotations

from typing import Any

import pytest

# Usual values and ranges in the job's units, and what other units make of them.
VALUES: dict[str, tuple[float, float | None, float]] = {
    "SPO2": (97, 95, 100),
    "SAO2": (97, 95, 100),
    "TEMP": (36.9, 36.1, 37.8),
    "SBP": (124, 90, 140),
    "MAP": (84, 70, 105),
    "DBP": (65, 60, 90),
    "ETCO2": (33.5, 35, 45),
    "FIO2": (0.4, None, 0.5),
    "PACO2": (39, 35, 45),
    "AST": (33, 10, 40),
    "BUN": (17, 7, 20),
    "ALP": (71, 44, 147),
    "CALCIUM": (8.2, 8.5, 10.5),
    "CHLORIDE": (107, 96, 106),
    "CREATININE": (0.98, 0.6, 1.3),
    "BILIRUBIN_DIRECT": (0.2, 0, 0.3),
    "BILIRUBIN_TOTAL": (0.8, 0.1, 1.2),
    "GLUCOSE": (128, 70, 140),
    "LACTATE": (1.99, 0.5, 2),
    "MAGNESIUM": (2.0, 1.7, 2.2),
    "PHOSPHATE": (3.3, 2.5, 4.5),
    "POTASSIUM": (4, 3.5, 5),
    "TROPONIN_I": (0.22, 0, 0.04),
    "HCT": (30.4, 36, 50),
    "HGB": (9.9, 12, 17),
    "PTT": (32.5, 25, 35),
    "WBC": (9.5, 4.5, 11),
    "FIBRINOGEN": (250, 200, 400),
    "PLATELETS": (182, 150, 450),
}
FAHRENHEIT = {"TEMP": (98.4, 97, 100)}
REFUSED = {"range_fits_unit", "value_not_too_low", "value_not_too_high"}


def others() -> list[tuple[str, str]]:
    from scorer.jobs.job import load_job

    return [(code.name, unit) for code in load_job("sepsis").codes for unit in code.others]


def by_code(hospital: Any) -> dict[str, set[str]]:
    """The rules that each visit's observations broke."""
    found: dict[str, set[str]] = {}
    for entity_id, rule, *_ in hospital.open_findings():
        found.setdefault(entity_id, set()).add(rule)
    return found


def test_every_code_has_its_other_units_or_none_that_anybody_sends(hospital: Any) -> None:
    # degF and nmol/L are no multiples of the job's unit: the limits shut them out.
    without = {code.name for code in hospital.job.codes if not code.others}
    assert without == {
        "HR",
        "TEMP",
        "RR",
        "BASE_EXCESS",
        "HCO3",
        "PH",
    }


def test_values_in_another_unit_with_ranges_in_it_are_refused(hospital: Any) -> None:
    factors = {code.name: code.others for code in hospital.job.codes}
    visits = {}
    for visit, (code, unit) in enumerate([*others(), ("TEMP", "degF"), ("PH", "nmol/L")], start=1):
        factor = factors[code].get(unit, 0.0)
        value, low, high = (
            (98.4, 97, 100)
            if unit == "degF"
            else (42, 35, 45)
            if code == "PH"
            else (each if each is None else each * factor for each in VALUES[code])
        )
        visits[str(visit)] = (code, unit)
        hospital.admit(visit)
        hospital.observe(
            visit,
            observation_type_code=code,
            observation_value=value,
            reference_range_min=low,
            reference_range_max=high,
        )
    hospital.run()
    found = by_code(hospital)
    assert {visits[visit] for visit in visits if not found.get(visit, set()) & REFUSED} == set()


def test_values_in_another_unit_without_a_range_are_refused_wherever_the_limits_can_tell(hospital: Any) -> None:
    factors = {code.name: code.others for code in hospital.job.codes}
    overlapping = {
        ("BUN", "mmol/L"), ("BUN", "mg/dL of urea"), ("CALCIUM", "mEq/L"),
        ("BILIRUBIN_DIRECT", "umol/L"), ("BILIRUBIN_TOTAL", "umol/L"),
        ("CREATININE", "mmol/L"), ("LACTATE", "mg/dL"), ("MAGNESIUM", "mmol/L"),
        ("PHOSPHATE", "mmol/L"), ("PHOSPHATE", "mg/dL of phosphate"),
        ("TROPONIN_I", "ng/L"), ("HGB", "mmol/L"),
    }  # fmt: skip
    visits = {}
    for visit, (code, unit) in enumerate(others(), start=1):
        visits[str(visit)] = (code, unit)
        hospital.admit(visit)
        hospital.observe(
            visit,
            observation_type_code=code,
            observation_value=VALUES[code][0] * factors[code][unit],
            reference_range_min=None,
            reference_range_max=None,
        )
    hospital.run()
    found = by_code(hospital)
    told = {visits[visit] for visit in visits if found.get(visit, set()) & REFUSED}
    assert {each for each in visits.values() if each not in told} <= overlapping


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_case(hospital: Any, number: int) -> None:
    """A fraction for percent, mmol/L for mg/dL, umol/L for mg/dL; ranges move along."""
    code, factor = {2: ("SPO2", 0.01), 3: ("GLUCOSE", 0.0555), 4: ("CREATININE", 88.4)}[number]
    hospital.admit(1)
    hospital.run()
    before = hospital.scores()
    value, low, high = VALUES[code]
    for hours_ago, times in ((1, 1.0), (2, 0.5), (3, 2.0)):
        hospital.observe(
            1,
            hours_ago=hours_ago,
            observation_type_code=code,
            observation_value=value * times * factor,
            reference_range_min=low * factor,
            reference_range_max=high * factor,
        )
    assert hospital.run().counts.scored == 1
    assert hospital.scores() == before
    assert len({key for _, _, _, key, _ in hospital.open_findings()}) == 3


# Ranges as laboratories send them in the job's unit.
RANGES: list[tuple[str, float | None, float | None]] = [
    ("GLUCOSE", 70, 99),
    ("GLUCOSE", 65, 200),
    ("GLUCOSE", None, 140),
    ("GLUCOSE", 70, None),
    ("GLUCOSE", 0, 0),
    ("GLUCOSE", 0, 999),
    ("GLUCOSE", 0, 9999),
    ("GLUCOSE", None, float("inf")),
    ("GLUCOSE", float("nan"), float("nan")),
    ("GLUCOSE", -1, -1),
    ("CREATININE", 0.5, 0.9),
    ("CREATININE", 0.6, 1.5),
    ("CREATININE", 0, 99999),
    ("BUN", 6, 18),
    ("BUN", 8, 26),
    ("BILIRUBIN_TOTAL", None, 1),
    ("BILIRUBIN_DIRECT", 0, 0.2),
    ("TROPONIN_I", 0, 0.01),
    ("TROPONIN_I", None, 1.5),
    ("HGB", 11.5, 14.5),
    ("HGB", 13.5, 18),
    ("CALCIUM", 8.4, 10.2),
    ("MAGNESIUM", 1.6, 2.6),
    ("PHOSPHATE", 2.5, 4.9),
    ("LACTATE", 0.5, 1.6),
    ("LACTATE", None, 4),
    ("SPO2", 95, None),
    ("SPO2", 95, 99),
    ("AST", None, 34),
    ("PLATELETS", 140, 400),
    ("WBC", 3.5, 10),
]


def test_a_range_in_the_job_s_unit_is_never_refused(hospital: Any) -> None:
    for visit, (code, low, high) in enumerate(RANGES, start=1):
        hospital.admit(visit)
        hospital.observe(
            visit,
            observation_type_code=code,
            observation_value=VALUES[code][0],
            reference_range_min=low,
            reference_range_max=high,
        )
    hospital.run()
    assert by_code(hospital) == {}


def test_a_lower_limit_alone_tells_where_it_lies_above_every_upper_limit(hospital: Any) -> None:
    hospital.admit(1)
    hospital.observe(
        1, observation_type_code="CREATININE", observation_value=44, reference_range_min=45, reference_range_max=None
    )
    hospital.run()
    assert by_code(hospital) == {"1": {"range_fits_unit"}}
