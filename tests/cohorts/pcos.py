"""The set nhanes_pcos as the source tables of the job pcos, and a sample of the same kind for the demo and the tests.

CDC/NCHS, National Health and Nutrition Examination Survey, 2013-2016: for statistical reporting and analysis only; no attempt may be made to
learn who anyone is, nor to link the data to identifiable ones.

    python -m tests.cohorts.pcos DATA OUT         # DATA/nhanes_pcos -> OUT/examinations.csv.gz and so on
    python -m tests.cohorts.pcos --sample OUT     # the example in sql/pcos/example
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SET = "nhanes_pcos"
QUESTIONS = {
    "RHQ010": "MENARCHE_AGE",
    "RHQ031": "PERIODS_12M",
    "RHQ060": "LAST_PERIOD_AGE",
    "RHQ074": "INFERTILE_1Y",
    "RHQ076": "SAW_DOCTOR_INFERTILE",
    "RHQ078": "PELVIC_INFECTION",
    "RHQ131": "EVER_PREGNANT",
    "RHQ160": "PREGNANCIES",
    "RHQ166": "DELIVERIES",
    "RHQ169": "CESAREANS",
    "RHQ171": "LIVE_BIRTHS",
    "RHD180": "FIRST_BIRTH_AGE",
    "RHQ420": "EVER_PILL",
    "RHQ540": "EVER_HORMONES",
    "WHQ030": "WEIGHT_OPINION",
    "DIQ010": "DIABETES",
    "DIQ160": "PREDIABETES",
    "SMQ020": "SMOKED_100",
    "SMQ040": "SMOKES_NOW",
    "SLD010H": "SLEEP_HOURS",
    "SLD012": "SLEEP_HOURS",
    "SLQ050": "SLEEP_TROUBLE",
    "MCQ160L": "LIVER_CONDITION",
    "MCQ080": "TOLD_OVERWEIGHT",
    **{f"DPQ0{number}0": f"PHQ_{number}" for number in range(1, 10)},
    "WHD010": "HEIGHT_SELF",
    "WHD020": "WEIGHT_SELF",
}
BODY = {
    "BMXWT": "WEIGHT",
    "BMXHT": "HEIGHT",
    "BMXBMI": "BMI",
    "BMXWAIST": "WAIST",
    "BMXARMC": "ARM",
    "BMXLEG": "LEG",
    "BMDAVSAD": "SAGITTAL",
    "BPXSY1": "SBP",
    "BPXDI1": "DBP",
    "BPXSY2": "SBP",
    "BPXDI2": "DBP",
    "BPXPLS": "PULSE",
}
LABORATORY = {
    "LBXGH": "HBA1C",
    "LBDHDD": "HDL",
    "LBXTC": "CHOLESTEROL",
    "LBXSGL": "GLUCOSE",
    "LBXSUA": "URIC_ACID",
    "LBXSTR": "TRIGLYCERIDES",
    "LBXSATSI": "ALT",
    "LBXSASSI": "AST",
    "LBXSAL": "ALBUMIN",
    "LBXSCR": "CREATININE",
}
HORMONES = {"LBXTST": "TESTOSTERONE", "LBXSHBG": "SHBG", "LBXEST": "ESTRADIOL"}
ETHNICITIES = {
    "1": "Mexican American",
    "2": "other Hispanic",
    "3": "non-Hispanic white",
    "4": "non-Hispanic black",
    "6": "non-Hispanic Asian",
    "7": "other or several",
}
EXAMINATIONS = ["exam_id", "user_id", "examined_at", "age_years", "income_ratio", "ethnicity", "exclusion"]
ANSWERS = ["answer_id", "exam_id", "question", "value", "about_at", "answered_at"]
MEASUREMENTS = ["measurement_id", "exam_id", "code", "value", "measured_at", "recorded_at"]
OUTCOMES = ["exam_id", "hyperandrogenism", "known_at"]
_LABORATORY_AFTER = timedelta(days=3)
_HORMONES_AFTER = timedelta(days=14)
_SECOND_READING = timedelta(minutes=1)
_YEAR = timedelta(days=365.25)


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job pcos` takes them; answers as coded, with what was refused or not known.

    *Supplied*: the day of examination, within the half year that the survey tells, and its hour; that the routine laboratory is in after
    three days, and the hormones after fourteen; that the second blood pressure is taken a minute after the first. Survey weights and design,
    education and marital status are left out.
    """
    women = list(_rows(data / SET / "women.csv.gz"))
    examinations, answers, measurements, outcomes = [], [], [], []
    for row in women:
        at = _examined_at(row)
        examinations.append(
            (
                row["SEQN"],
                f"W{row['SEQN']}",
                at.isoformat(),
                row["RIDAGEYR"],
                row["INDFMPIR"],
                ETHNICITIES[row["RIDRETH3"]],
                exclusion(row),
            )
        )
        answers += [(row["SEQN"], *each) for each in _answers(row, at)]
        measurements += [(row["SEQN"], *each) for each in _measurements(row, at)]
        if row["hyperandrogenism"]:
            known = (at + _HORMONES_AFTER).isoformat()
            outcomes.append((row["SEQN"], int(float(row["hyperandrogenism"])), known))
    write_tables(out, examinations=examinations, answers=answers, measurements=measurements, outcomes=outcomes)


def write_tables(
    out: Path,
    *,
    examinations: Iterable[tuple[Any, ...]],
    answers: Iterable[tuple[Any, ...]],
    measurements: Iterable[tuple[Any, ...]],
    outcomes: Iterable[tuple[Any, ...]],
) -> None:
    """Write the four tables into `out`; answers and measurements come without their numbers."""
    _write(out / "examinations.csv.gz", EXAMINATIONS, examinations)
    _write(out / "answers.csv.gz", ANSWERS, ((number, *row) for number, row in enumerate(answers, start=1)))
    _write(
        out / "measurements.csv.gz", MEASUREMENTS, ((number, *row) for number, row in enumerate(measurements, start=1))
    )
    _write(out / "outcomes.csv.gz", OUTCOMES, outcomes)


def exclusion(row: Mapping[str, str]) -> str:
    """Why a woman is not assessed, by her answers; empty where she is."""
    reasons = {
        "pregnant": row["RIDEXPRG"] in {"1", "1.0"} or row["RHD143"] in {"1", "1.0"},
        "breastfeeding": row["RHQ200"] in {"1", "1.0"},
        "no uterus": row["RHD280"] in {"1", "1.0"},
        "no ovaries": row["RHQ305"] in {"1", "1.0"},
        "periods absent for another reason": row["RHD043"] in {"1", "1.0", "2", "2.0", "3", "3.0", "7", "7.0"},
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _examined_at(row: Mapping[str, str]) -> datetime:
    """The supplied moment of the examination: a day of the half year that is told (1: November to April, 2: May to October)."""
    chance = int.from_bytes(hashlib.sha256(row["SEQN"].encode()).digest()[:8], "big")
    first_year = 2013 if float(row["SDDSRVYR"]) == 8 else 2015
    half = float(row["RIDEXMON"] or 1 + chance % 2)
    begin = datetime(first_year + chance // 2 % 2, 5 if half == 2 else 11, 1, 13, tzinfo=UTC)
    return begin + timedelta(days=chance // 4 % 180, hours=chance // 1024 % 8)


def _answers(row: Mapping[str, str], at: datetime) -> Iterator[tuple[str, str, str, str]]:
    """Question, value, when it is about, when it was given."""
    age = float(row["RIDAGEYR"])
    for column, question in QUESTIONS.items():
        if row[column]:
            yield question, row[column], at.isoformat(), at.isoformat()
    for column, years in (("WHD050", 1.0), ("WHD110", 10.0), ("WHD120", age - 25.0)):
        if row[column] and years > 0:
            yield "WEIGHT_SELF", row[column], (at - years * _YEAR).isoformat(), at.isoformat()
    greatest = float(row["WHQ150"] or age)
    if row["WHD140"]:
        years = age - greatest if 5 <= greatest <= age else 0.0  # refused, not known, or an age to come: as of now
        yield "WEIGHT_GREATEST", row["WHD140"], (at - years * _YEAR).isoformat(), at.isoformat()


def _measurements(row: Mapping[str, str], at: datetime) -> Iterator[tuple[str, str, str, str]]:
    """Code, value, when it was measured, when the result came."""
    for column, code in BODY.items():
        if row[column]:
            moment = at + _SECOND_READING if column in {"BPXSY2", "BPXDI2"} else at
            yield code, row[column], moment.isoformat(), moment.isoformat()
    for names, after in ((LABORATORY, _LABORATORY_AFTER), (HORMONES, _HORMONES_AFTER)):
        for column, code in names.items():
            if row[column]:
                yield code, row[column], at.isoformat(), (at + after).isoformat()


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: list[str], rows: Iterable[Iterable[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time in the head of the file: the same rows, the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
        lines = "\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n"
        packed.write(lines.encode())
