"""The set nhanes_pcos as the source tables of the job pcos, and a sample of the same kind for the demo and the tests.

CDC/NCHS, National Health and Nutrition Examination Survey, 2013-2016: for statistical reporting and analysis only; no attempt may be made
to learn who anyone is, nor to link the data to identifiable ones.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cohorts._files import read_rows, write_rows
from tests.cohorts._pcos_facts import ANSWERED, MEASURED

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
WOMEN = 300
HEIGHT_INCHES = (63.9, 2.9)  # mean, spread
# Weights remembered, against now: the question, mean and spread of the logarithm of their ratio, years ago, the share that lacks it.
REMEMBERED = (
    ("WEIGHT_SELF", -0.016, 0.108, 1.0, 0.00),
    ("WEIGHT_SELF", -0.095, 0.170, 10.0, 0.66),
    ("WEIGHT_GREATEST", 0.079, 0.099, 3.0, 0.00),
)
LOG_BMI = (3.33, 0.26)
SHARE_BY_BMI = ((25, 0.006), (30, 0.031), (35, 0.063), (math.inf, 0.101))  # that has hyperandrogenism, below that index
_LABORATORY_AFTER = timedelta(days=3)
_HORMONES_AFTER = timedelta(days=14)
_SECOND_READING = timedelta(minutes=1)
_YEAR = timedelta(days=365.25)


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job pcos` takes them; answers as coded.

    *Supplied*: the day of examination, within the half year that the survey tells, and its hour; that the routine laboratory is in after
    three days, and the hormones after fourteen; that the second blood pressure is taken a minute after the first. Survey weights and
    design, education and marital status are left out.
    """
    women = list(read_rows(data / SET / "women.csv.gz"))
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
    write_rows(out / "examinations.csv.gz", EXAMINATIONS, examinations)
    write_rows(out / "answers.csv.gz", ANSWERS, ((number, *row) for number, row in enumerate(answers, start=1)))
    write_rows(
        out / "measurements.csv.gz", MEASUREMENTS, ((number, *row) for number, row in enumerate(measurements, start=1))
    )
    write_rows(out / "outcomes.csv.gz", OUTCOMES, outcomes)


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


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write a made-up sample of WOMEN women as the same tables, with every trap of the set planted a few times.

    Measurements are lognormal and go with the body mass index as they do in the set; answers are drawn by their shares, refusals too.
    Last come the planted women, whose names tell the rule that holds or tells of them.
    """
    chance = random.Random(seed)
    examinations: list[tuple[Any, ...]] = []
    answers: list[tuple[Any, ...]] = []
    measurements: list[tuple[Any, ...]] = []
    outcomes: list[tuple[Any, ...]] = []
    planted = [f"{trap}_{number}" for trap in TRAPS for number in range(1, 4)]
    for exam, name in enumerate([*(f"W{number:04}" for number in range(WOMEN)), *planted], start=1):
        trap = name.rpartition("_")[0]
        at = datetime(2026, 11, 8, 14, tzinfo=UTC) - timedelta(
            days=chance.randint(0, 300), minutes=chance.randint(0, 300)
        )
        standing = _within(chance.gauss(0, 1))
        age = chance.randint(18, 44) if trap != "age_possible" else 61
        income = 7.5 if trap == "income_possible" else round(min(5, chance.lognormvariate(0.5, 0.8)), 2)
        excluded = "pregnant" if trap == "excluded" else ""
        shown = chance.choice(list(ETHNICITIES.values()))
        examinations.append((exam, name, at.isoformat(), "" if trap == "age_known" else age, income, shown, excluded))
        asked = [*_drawn_answers(chance, standing, at=at), *_strange_answers(trap, at)]
        answers += [(exam, *each) for each in asked]
        taken = [] if trap == "insufficient" else list(_drawn_measurements(chance, standing, at=at))
        measurements += [(exam, *each) for each in (*taken, *_strange_measurements(trap, at, taken))]
        share = next(share for limit, share in SHARE_BY_BMI if math.exp(LOG_BMI[0] + LOG_BMI[1] * standing) < limit)
        outcomes.append((exam, int(chance.random() < share), (at + _HORMONES_AFTER).isoformat()))
        if trap == "insufficient":
            answers = [row for row in answers if row[0] != exam]
    answers.append(
        (999999, "DIABETES", 2, examinations[0][2], examinations[0][2])
    )  # of an examination that does not exist
    write_tables(out, examinations=examinations, answers=answers, measurements=measurements, outcomes=outcomes)


TRAPS = (
    "answered",
    "no_hormone",
    "date_present",
    "not_in_future",
    "code_known",
    "value_present",
    "value_finite",
    "value_not_too_low",
    "value_not_too_high",
    "not_repeated",
    "superseded",
    "ambiguous",
    "age_known",
    "age_possible",
    "income_possible",
    "mostly_usable",
    "excluded",
    "insufficient",
)


def _drawn_answers(chance: random.Random, standing: float, *, at: datetime) -> Iterator[tuple[Any, ...]]:
    now = at.isoformat()
    for question, (missing, shares) in ANSWERED.items():
        if chance.random() >= missing:
            yield question, chance.choices(list(shares), weights=list(shares.values()))[0], now, now
    inches = round(chance.gauss(*HEIGHT_INCHES))
    pounds = math.exp(LOG_BMI[0] + LOG_BMI[1] * standing) * inches * inches / 703.07
    yield "HEIGHT_SELF", inches, now, now
    yield "WEIGHT_SELF", round(pounds), now, now
    for question, mean, spread, years, missing in REMEMBERED:
        if chance.random() >= missing:
            value = 9999 if chance.random() < 0.012 else round(pounds * math.exp(chance.gauss(mean, spread)))
            yield question, value, (at - years * _YEAR).isoformat(), now


def _drawn_measurements(chance: random.Random, standing: float, *, at: datetime) -> Iterator[tuple[Any, ...]]:
    for code, (mean, spread, goes_with, missing) in MEASURED.items():
        if chance.random() >= missing:
            noise = _within(chance.gauss(0, 1)) * math.sqrt(1 - goes_with**2)
            value = math.exp(mean + spread * (goes_with * standing + noise))
            after = _LABORATORY_AFTER if code in LABORATORY.values() else timedelta()
            yield code, round(value, 2), at.isoformat(), (at + after).isoformat()


def _within(deviations: float) -> float:
    """Cut to two standard deviations: a combination beyond what training held would be declined."""
    return max(-2.0, min(2.0, deviations))


def _strange_answers(trap: str, at: datetime) -> list[tuple[Any, ...]]:
    """What a planted woman's answers have beside the usual: question, value, when it is about, when it was given."""
    now = at.isoformat()
    return {
        "answered": [("PHQ_1", 7, now, now), ("MENARCHE_AGE", 999, now, now), ("PREGNANCIES", 77, now, now)],
        "date_present": [("DIABETES", 2, "", "")],
        "not_in_future": [("WEIGHT_SELF", 150, (at + 5 * _YEAR).isoformat(), now)],
        "mostly_usable": [("SHOE_SIZE", number, now, now) for number in range(80)],
    }.get(trap, [])


def _strange_measurements(trap: str, at: datetime, taken: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What a planted woman's measurements have beside the usual: code, value, when measured, when recorded."""
    now, later = at.isoformat(), (at + timedelta(days=2)).isoformat()
    return {
        "no_hormone": [("TESTOSTERONE", 48.5, now, later)],
        "code_known": [("FERRITIN", 60, now, later)],
        "value_present": [("HDL", "", now, later)],
        "value_finite": [("GLUCOSE", "Infinity", now, later)],
        "value_not_too_low": [("DBP", 0, now, later)],
        "value_not_too_high": [("HEIGHT", 1630, now, later)],
        "not_repeated": taken[:3],
        "superseded": [("PULSE", 71, later, now), ("PULSE", 72, later, later)],
        "ambiguous": [("PULSE", 71, later, later), ("PULSE", 72, later, later)],
    }.get(trap, [])
