"""The tables of the job symptoms, from NHANES 2005-2012; and a sample of women who are made up.

CDC/NCHS, National Health and Nutrition Examination Survey, 2005-2012: for statistical reporting and analysis only; nobody is to be
identified. The survey tells half a year and no day: the day of each interview is supplied here. The design columns and what the condition
is made of (MCQ) are not written as answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from tests.cohorts._files import read_rows, write_rows

SET = "nhanes_symptoms"
REPORTS = ("report_id", "woman_id", "interviewed_at", "age_years", "smoking", "ethnicity")
ANSWERS = ("answer_id", "report_id", "answered_at", "question", "answer", "recorded_at")
CONDITIONS = ("report_id", "condition")

# SDDSRVYR 4 are the years 2005 and 2006, and so on; RIDEXMON 1 is November to April, 2 is May to October.
_FIRST_YEAR = 1997
_ETHNICITIES = {
    "1": "Mexican American",
    "2": "other Hispanic",
    "3": "non-Hispanic white",
    "4": "non-Hispanic black",
    "5": "other",
}

# Of the set: by question, the share of women without an answer, under 40 years and from 40 on (`df[df.RIDAGEYR < 40][q].isna().mean()`),
# and the answers with their shares (`value_counts(normalize=True)`, refused ones left out; of counts, the deciles); of measurements,
# the share without, mean and spread; of women, mean and spread of the ages, shares of smoking and of conditions.
_QUESTIONS: dict[str, tuple[tuple[float, float], tuple[int, ...], tuple[float, ...]]] = {
    "RDQ031": ((1.0, 0.0), (1, 2), (0.104, 0.896)),
    "RDQ050": ((1.0, 0.0), (1, 2), (0.085, 0.915)),
    "RDQ070": ((0.0, 0.0), (1, 2), (0.14, 0.86)),
    "RDQ080": ((0.87, 0.85), (1, 1, 2, 2, 2, 3, 4, 6, 12, 12), (1,) * 10),
    "RDQ090": ((0.87, 0.85), (0, 1, 2), (0.47, 0.291, 0.239)),
    "RDQ100": ((0.87, 0.85), (1, 2), (0.481, 0.519)),
    "RDQ134": ((0.87, 0.85), (1, 2), (0.589, 0.411)),
    "RDQ135": ((0.87, 0.85), (1, 2, 3, 4, 5), (0.53, 0.234, 0.111, 0.046, 0.079)),
    "RDQ137": ((0.87, 0.88), (0, 1, 2, 3), (0.828, 0.143, 0.022, 0.007)),
    "RDQ140": ((0.0, 0.0), (1, 2), (0.062, 0.938)),
    "CDQ001": ((1.0, 0.0), (1, 2), (0.265, 0.735)),
    "CDQ002": ((1.0, 0.74), (1, 2, 3), (0.307, 0.634, 0.059)),
    "CDQ003": ((1.0, 0.9), (1, 2), (0.34, 0.66)),
    "CDQ004": ((1.0, 0.92), (1, 2), (0.93, 0.07)),
    "CDQ005": ((1.0, 0.92), (1, 2), (0.883, 0.117)),
    "CDQ006": ((1.0, 0.93), (1, 2), (0.852, 0.148)),
    "CDQ008": ((1.0, 0.74), (1, 2), (0.226, 0.774)),
    "CDQ009A": ((1.0, 0.99), (1,), (1.0,)),
    "CDQ009B": ((1.0, 0.99), (2,), (1.0,)),
    "CDQ009C": ((1.0, 0.99), (3,), (1.0,)),
    "CDQ009D": ((1.0, 0.97), (4,), (1.0,)),
    "CDQ009E": ((1.0, 0.99), (5,), (1.0,)),
    "CDQ009F": ((1.0, 0.98), (6,), (1.0,)),
    "CDQ009G": ((1.0, 0.99), (7,), (1.0,)),
    "CDQ009H": ((1.0, 1.0), (8,), (1.0,)),
    "CDQ010": ((1.0, 0.0), (1, 2), (0.375, 0.625)),
    "DPQ010": ((0.17, 0.14), (0, 1, 2, 3), (0.73, 0.186, 0.046, 0.038)),
    "DPQ020": ((0.17, 0.14), (0, 1, 2, 3), (0.718, 0.192, 0.045, 0.044)),
    "DPQ030": ((0.17, 0.14), (0, 1, 2, 3), (0.568, 0.252, 0.075, 0.105)),
    "DPQ040": ((0.17, 0.14), (0, 1, 2, 3), (0.441, 0.359, 0.091, 0.109)),
    "DPQ050": ((0.17, 0.14), (0, 1, 2, 3), (0.709, 0.18, 0.055, 0.055)),
    "DPQ060": ((0.17, 0.14), (0, 1, 2, 3), (0.806, 0.127, 0.034, 0.033)),
    "DPQ070": ((0.17, 0.14), (0, 1, 2, 3), (0.811, 0.121, 0.034, 0.034)),
    "DPQ080": ((0.17, 0.14), (0, 1, 2, 3), (0.873, 0.085, 0.023, 0.02)),
    "DPQ090": ((0.17, 0.14), (0, 1, 2, 3), (0.959, 0.028, 0.007, 0.006)),
    "DPQ100": ((0.38, 0.4), (0, 1, 2, 3), (0.706, 0.243, 0.036, 0.015)),
    "HSD010": ((0.17, 0.13), (1, 2, 3, 4, 5), (0.09, 0.271, 0.395, 0.2, 0.044)),
    "HSQ470": ((0.17, 0.13), (0, 0, 0, 0, 0, 0, 2, 4, 10, 30), (1,) * 10),
    "HSQ480": ((0.17, 0.13), (0, 0, 0, 0, 0, 1, 3, 5, 14, 30), (1,) * 10),
    "HSQ490": ((0.17, 0.13), (0, 0, 0, 0, 0, 0, 0, 0, 3, 15), (1,) * 10),
    "HSQ500": ((0.17, 0.13), (1, 2), (0.174, 0.826)),
    "HSQ510": ((0.17, 0.13), (1, 2), (0.099, 0.901)),
    "HSQ520": ((0.17, 0.13), (1, 2), (0.046, 0.954)),
    "SLQ030": ((0.5, 0.52), (0, 1, 2, 3), (0.372, 0.194, 0.171, 0.263)),
    "SLQ040": ((0.5, 0.52), (0, 1, 2, 3), (0.837, 0.073, 0.047, 0.043)),
    "SLQ050": ((0.0, 0.0), (1, 2), (0.272, 0.728)),
    "SLQ060": ((0.0, 0.0), (1, 2), (0.074, 0.926)),
    "SLD010H": ((0.0, 0.0), (4, 5, 6, 6, 7, 7, 8, 8, 8, 9), (1,) * 10),
    "KIQ005": ((0.17, 0.14), (1, 2, 3, 4, 5), (0.601, 0.13, 0.124, 0.066, 0.079)),
    "KIQ010": ((0.8, 0.59), (1, 2, 3), (0.672, 0.236, 0.092)),
    "KIQ042": ((0.17, 0.14), (1, 2), (0.41, 0.59)),
    "KIQ044": ((0.17, 0.14), (1, 2), (0.288, 0.712)),
    "KIQ046": ((0.17, 0.14), (1, 2), (0.096, 0.904)),
    "KIQ480": ((0.17, 0.14), (0, 1, 2, 3, 4, 5), (0.296, 0.368, 0.193, 0.09, 0.031, 0.022)),
    "PFQ049": ((0.0, 0.0), (1, 2), (0.143, 0.857)),
    "PFQ054": ((0.0, 0.0), (1, 2), (0.104, 0.896)),
    "PFQ057": ((0.0, 0.0), (1, 2), (0.091, 0.909)),
    "PFQ059": ((0.12, 0.34), (1, 2), (0.024, 0.976)),
    "PFQ061B": ((0.89, 0.51), (1, 2, 3, 4, 5), (0.705, 0.181, 0.056, 0.042, 0.017)),
    "PFQ061C": ((0.89, 0.51), (1, 2, 3, 4, 5), (0.788, 0.144, 0.036, 0.024, 0.008)),
}
_BODY = {
    "BMXBMI": (0.05, 29.3, 7.4),
    "BMXWAIST": (0.09, 96.6, 16.2),
    "BMXWT": (0.05, 75.7, 20.5),
    "BMXHT": (0.05, 160.7, 7.3),
    "BPXPLS": (0.08, 74.7, 12.1),
    "BPXSY1": (0.13, 122.8, 20.7),
    "BPXDI1": (0.13, 68.3, 13.1),
    "BPXSY2": (0.14, 121.7, 20.2),
    "BPXDI2": (0.14, 68.0, 13.3),
}
_AGES = (49.1, 18.3)
_SMOKING = {"never": 0.633, "former": 0.191, "every day": 0.148, "some days": 0.028}
_SHARES_OF_CONDITIONS = {"none": 0.83, "asthma": 0.068, "heart": 0.05, "two or more": 0.033, "COPD": 0.019}
_SAMPLE_WOMEN = 150


def write(data: Path, out: Path) -> None:
    """Write reports, answers and conditions (.csv.gz) into `out`, from the set in the folder of its name in `data`."""
    reports, answers, conditions = [], [], []
    for row in read_rows(data / SET / "women.csv.gz"):
        woman, day = int(row["SEQN"]), _interviewed(row)
        smoking, ethnicity = _smoking(row), _ETHNICITIES[row["RIDRETH1"]]
        reports.append((woman, woman, day, row["RIDAGEYR"], smoking, ethnicity))
        given = [(question, row[question]) for question in (*_QUESTIONS, *_BODY) if row[question]]
        answers += _rows(woman, day, given)
        conditions.append((woman, row["condition"]))
    write_rows(out / "reports.csv.gz", REPORTS, reports)
    write_rows(out / "answers.csv.gz", ANSWERS, answers)
    write_rows(out / "conditions.csv.gz", CONDITIONS, conditions)


def _interviewed(row: Mapping[str, str]) -> str:
    """A day of the half year in which the woman was seen, by her number: supplied."""
    number = int(row["SEQN"])
    year = _FIRST_YEAR + 2 * int(row["SDDSRVYR"]) + number % 2
    begins, days = {"1.0": (1, 119), "1": (1, 119), "2.0": (121, 183), "2": (121, 183)}.get(row["RIDEXMON"], (1, 364))
    return _midnight(date(year, 1, 1) + timedelta(days=begins + number * 97 % days))


def _smoking(row: Mapping[str, str]) -> str | None:
    """How she smokes, by the two questions; None where she would not say."""
    if row["SMQ020"].startswith("2"):
        return "never"
    return {"1": "every day", "2": "some days", "3": "former"}.get(row["SMQ040"][:1])


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write reports, answers and conditions into `out`: women made up by the set's shares and means, with each kind of dirt a few times."""
    chance = random.Random(seed)
    reports, answers, conditions = [], [], []
    for woman in range(900_001, 900_001 + _SAMPLE_WOMEN):
        day = _midnight(date(2012, 1, 1) + timedelta(days=chance.randrange(365)))
        age = min(85, max(20, round(chance.gauss(*_AGES))))
        ethnicity = chance.choice(list(_ETHNICITIES.values()))
        reports.append([woman, woman, day, age, _drawn(chance, _SMOKING), ethnicity])
        answers += [list(row) for row in _rows(woman, day, list(_answers(chance, age=age)))]
        conditions.append((woman, _drawn(chance, _SHARES_OF_CONDITIONS)))
    _plant(chance, reports, answers)
    for number, row in enumerate(answers, start=900_000_001):
        row[0] = number
    write_rows(out / "reports.csv.gz", REPORTS, reports)
    write_rows(out / "answers.csv.gz", ANSWERS, answers)
    write_rows(out / "conditions.csv.gz", CONDITIONS, conditions)


def _answers(chance: random.Random, *, age: int) -> Iterator[tuple[str, object]]:
    """The answers of a woman of this age, and what was measured of her."""
    no_pain = False
    for question, (missing, values, weights) in _QUESTIONS.items():
        if question in _OF_TREATMENT or chance.random() < missing[age >= 40]:
            continue
        (answer,) = chance.choices(values, weights)
        if question == "CDQ001":
            no_pain = answer == 2
        if not (no_pain and "CDQ001" < question < "CDQ010"):
            yield question, answer
    for question, (absent, mean, spread) in _BODY.items():
        if chance.random() >= absent:
            yield question, round(max(mean - 2.5 * spread, chance.gauss(mean, spread)), 1)


_OF_TREATMENT = ("RDQ134", "RDQ135", "RDQ137")


def _plant(chance: random.Random, reports: list[list[object]], answers: list[list[object]]) -> None:
    """Plant each kind of dirt a few times, each in a report of its own."""
    own: dict[object, list[list[object]]] = {}
    for row in answers:
        own.setdefault(row[1], []).append(row)
    ages = {row[0]: int(str(row[3])) for row in reports}
    young = [report for report, age in ages.items() if age < 40 and len(own[report]) > 20]
    older = [report for report, age in ages.items() if age >= 40 and _has_no_pain(own[report])]
    drawn = iter(chance.sample([report for report in young if own[report][-1][4] is not None], 12))
    others = iter(chance.sample(older, 3 * (len(_CHANGES) + 3)))
    for change in _CHANGES:
        for _ in range(3):
            change(own[next(others)][1])
    for _ in range(3):
        report = next(drawn)
        answers.append(_beside(own[report][0], "CDQ001", 1))  # asked from 40 years on
        answers.append(_beside(own[next(drawn)][0], "MCQ010", 1))
        answers.append(_beside(own[next(drawn)][0], "XYZ001", 1))
        answers.append(_beside(own[next(others)][0], "CDQ002", 1))  # of a pain that there is not
        first = own[next(others)][0]
        answers.append(list(first))
        corrected, contradicted = own[next(others)][:2]
        answers.append([*_beside(corrected, str(corrected[3]), 3 - int(str(corrected[4])))[:5], _later(corrected)])
        answers.append(_beside(contradicted, str(contradicted[3]), 3 - int(str(contradicted[4]))))
    reports[0][3], reports[1][3] = 17, 140
    reports[2][4] = "pipe"
    reports[4][2] = None
    for row in own[reports[3][0]][:45]:
        row[4] = None  # most of a report refused


def _has_no_pain(rows: Sequence[Sequence[object]]) -> bool:
    """Whether a report says that there was no pain in the chest, and begins with cough and phlegm, each answered by 1 or 2."""
    return [row[3] for row in rows[:2]] == ["RDQ031", "RDQ050"] and any(row[3:5] == ["CDQ001", 2] for row in rows)


def _beside(row: Sequence[object], question: str, answer: object) -> list[object]:
    """Another answer of the same report."""
    return [0, row[1], row[2], question, answer, row[5]]


def _later(row: Sequence[object]) -> str:
    """The same day at noon."""
    return str(row[5]).replace("T00:", "T12:")


def _set(place: int, value: object) -> Callable[[list[object]], None]:
    def change(row: list[object]) -> None:
        row[place] = value

    return change


_CHANGES = (
    _set(2, None),
    _set(2, "2099-12-31T00:00:00Z"),
    _set(4, None),
    _set(4, "Infinity"),
    _set(4, 9),
    _set(4, 0),
    _set(4, 55),
)


def _drawn(chance: random.Random, shares: Mapping[str, float]) -> str:
    return chance.choices(list(shares), list(shares.values()))[0]


def _rows(woman: int, day: str, given: Sequence[tuple[str, object]]) -> Iterator[tuple[object, ...]]:
    """A row per answer, charted on the day of the interview."""
    for place, (question, answer) in enumerate(given, start=1):
        yield woman * 100 + place, woman, day, question, answer, day


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
