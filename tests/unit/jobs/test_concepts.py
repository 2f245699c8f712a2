"""Concept maps: what a statement is given of them, and what is refused with its line."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from scorer.errors import UserError
from scorer.jobs.concepts import filled, read_concepts

SEPSIS = Path(__file__).parents[3] / "sql" / "omop" / "sepsis" / "concepts.csv"
HEADER = "code,loinc,concept_id,unit,unit_concept_id,factor,offset\n"
HR = "HR,8867-4,3027018,/min,8541,1,0\n"
TEMP = "TEMP,8310-5,3020891,[degF],9289,0.5555555555555556,-17.77777777777778\n"
CODES = {"HR": 1, "TEMP": 2}


def read(text: str) -> str:
    return read_concepts(text, codes=CODES, where="concepts.csv")


def test_each_line_is_a_row_in_the_place_that_a_statement_has_for_it() -> None:
    rows = read(HEADER + HR + "\n" + TEMP)
    assert filled("VALUES {concepts} AS map", rows) == (
        "VALUES (3027018, 8541, 'HR', 1, 0, '8867-4', '/min'),\n"
        "    (3020891, 9289, 'TEMP', 0.5555555555555556, -17.77777777777778, '8310-5', '[degF]') AS map"
    )


def test_columns_stand_in_any_order() -> None:
    assert read("unit,code,loinc,factor,offset,concept_id,unit_concept_id\n/min,HR,8867-4,1,0,3027018,8541\n") == read(
        HEADER + HR
    )


def test_a_spreadsheets_mark_and_line_ends_change_nothing() -> None:
    assert read("\ufeff" + (HEADER + HR).replace("\n", "\r\n")) == read(HEADER + HR)


def test_a_unit_that_the_cdm_does_not_name_and_a_concept_of_the_sites_own_may_stand_there() -> None:
    assert "(2000000001, 0, 'HR', 1, 0, '', '/min')" in read(HEADER + HR + "HR,,2000000001,/min,0,1,0\n")


def test_a_quote_in_a_unit_is_a_quote() -> None:
    assert "'it''s'" in read(HEADER + HR.replace("/min", "it's"))


REFUSED = {
    "a missing column": ("code,loinc,concept_id,unit,unit_concept_id,factor\n", "line 1: the columns must be .*offset; there are: code"),
    "an unknown column": (HEADER.replace("unit,", "units,") + HR, "line 1: the columns must be"),
    "a column twice": (HEADER.replace("offset", "factor") + HR, "line 1: the columns must be"),
    "nothing": ("", "line 1: the columns must be .*there are: none"),
    "no line": (HEADER, "has no line below its header"),
    "a code that nobody knows": (HEADER + HR + HR.replace("HR", "PULSE"), 'line 3: "PULSE" is none of the codes of job.toml'),
    "a concept without a unit": (HEADER + "HR,8867-4,3027018,,,1,0\n", r"line 2: concept 3027018 \(HR\) has no unit; write one"),
    "a unit without its concept": (HEADER + "HR,8867-4,3027018,/min,,1,0\n", "line 2: concept 3027018 .*has no unit"),
    "a unit twice": (HEADER + HR + TEMP + HR, r"line 4: concept 3027018 \(HR\) has unit 8541 in line 2 already"),
    "a concept of two codes": (HEADER + HR + HR.replace("HR", "TEMP"), r"line 3: concept 3027018 is TEMP .*, and HR \(8867-4\) in line 2"),
    "a concept of two LOINC codes": (HEADER + HR + HR.replace("8867-4", "8310-5").replace("8541", "8483"), "line 3: concept 3027018 is HR"),
    "a word for a factor": (HEADER + HR.replace(",1,", ",one,"), 'line 2: the factor of concept 3027018 .*is "one"; it must be a number'),
    "no factor": (HEADER + HR.replace(",1,", ",,"), 'line 2: the factor of concept 3027018 .*is ""'),
    "an infinite factor": (HEADER + HR.replace(",1,", ",inf,"), "line 2: the factor"),
    "a factor of nothing": (HEADER + HR.replace(",1,", ",0.0,"), "line 2: the factor 0.0 of concept 3027018 .*is not above 0"),
    "a factor below nothing": (HEADER + HR.replace(",1,", ",-1,"), "line 2: the factor -1"),
    "an offset in words": (HEADER + HR.replace(",0\n", ",1e5;\n"), "line 2: the offset of concept 3027018"),
    "a concept that is none": (HEADER + HR.replace("3027018", "0"), "line 2: concept_id is .0.; it must be a whole number from 1"),
    "a concept in words": (HEADER + HR.replace("3027018", "30.5"), "line 2: concept_id"),
    "a unit in words": (HEADER + HR.replace("8541", "1/min"), "line 2: unit_concept_id is .1/min."),
    "a slip in a LOINC code": (HEADER + HR.replace("8867-4", "8876-4"), 'line 2: "8876-4" of concept 3027018 .*is no LOINC code'),
    "no LOINC code": (HEADER + HR.replace("8867-4", ""), 'line 2: "" of concept 3027018 .*is no LOINC code'),
    "a field too many": (HEADER + HR.replace("\n", ",x\n"), "line 2 has 8 fields; the header has 7"),
    "a field too few": (HEADER + "HR,8867-4\n", "line 2 has 2 fields"),
    "an open quote": (HEADER + '"HR,8867-4', "line 2, is not CSV"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_read_is_one_sentence_with_its_line(what: str) -> None:
    text, words = REFUSED[what]
    with pytest.raises(UserError, match=words) as refused:
        read(text)
    assert str(refused.value).startswith("concepts.csv")
    assert "\n" not in str(refused.value)


def test_the_shipped_map_has_every_code_in_its_own_unit_or_one_that_becomes_it() -> None:
    job = tomllib.loads((SEPSIS.parents[2] / "sepsis" / "job.toml").read_text(encoding="utf-8"))
    read_concepts(SEPSIS.read_text(encoding="utf-8"), codes=job["codes"], where="concepts.csv")
    lines = [line.split(",") for line in SEPSIS.read_text(encoding="utf-8").splitlines()[1:]]
    assert {line[0] for line in lines} == {*job["codes"]}
    as_it_is = {line[0] for line in lines if (line[5], line[6]) == ("1", "0")}
    assert {*job["codes"]} - as_it_is == {"FIO2"}, "which a CDM has in percent"


# What 1 of the job's unit is in the other, as job.toml has it, where it has that unit.
SAME = {
    "mmol/L": "mmol/L",
    "umol/L": "umol/L",
    "kPa": "kPa",
    "g/L": "g/L",
    "ng/L": "ng/L",
    "pg/mL": "ng/L",
    "/uL": "1/uL",
    "%": "%",
    "L/L": "fraction",
}


def test_the_factors_of_the_shipped_map_are_those_that_the_job_knows_of_other_units() -> None:
    job = tomllib.loads((SEPSIS.parents[2] / "sepsis" / "job.toml").read_text(encoding="utf-8"))
    compared = 0
    for code, _, _, unit, _, factor, offset in (
        line.split(",") for line in SEPSIS.read_text(encoding="utf-8").splitlines()[1:]
    ):
        others = job["codes"][code].get("others", {})
        if (factor, offset) == ("1", "0") or SAME.get(unit) not in others:
            continue
        compared += 1
        assert abs(Decimal(factor) * Decimal(str(others[SAME[unit]])) - 1) < Decimal("0.005"), (code, unit)
    assert compared > 20
