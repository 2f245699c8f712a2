"""The set oulad as the source tables of the job churn, and a sample of the same kind for the demo and the tests.

Open University Learning Analytics Dataset (Kuzilek J, Hlosta M, Zdrahal Z, 2017; CC BY 4.0, https://analyse.kmi.open.ac.uk).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cohorts._files import read_rows, write_rows

SET = "oulad"
# *Supplied*: the first day of a course is its month's first; registrations lie in the morning, work comes in at noon and is due at 17:00.
_MONTH = {"B": 2, "J": 10}
_REGISTERED, _SUBMITTED, _DUE = 9, 12, 17
# *Supplied*: days until a score is given out, by who marks.
_MARKING = {"TMA": 10, "CMA": 0, "EXAM": 10}

# What the sample is made of, measured on the set (pandas, of student_registration, student_info and student_assessment): mean and standard
# deviation of the days from registration to the start, share that leaves after day 0 and quartiles of the day, shares of credits and
# of earlier attempts, mean and standard deviation of scores and of the days after the due day (those further off than 30 days at 30).
_SAMPLE_REGISTERED = (69.5, 49.2)
_SAMPLE_LEAVES, _SAMPLE_LEFT_DAY = 0.227, (0, 17, 66, 136, 213)
_SAMPLE_CREDITS = {60: 0.52, 120: 0.19, 30: 0.12, 90: 0.10, 180: 0.03}
_SAMPLE_AGAIN = 0.128
_SAMPLE_SCORE = {"TMA": (72.6, 18.4), "CMA": (81.1, 17.8)}
_SAMPLE_LATE = (-0.4, 5.7)
_SAMPLE_NO_BAND = 0.034
_SAMPLE_COURSES = {"BBB-2026B": 240, "DDD-2026J": 268}  # days that they last
_SAMPLE_TODAY = datetime(2026, 11, 20, tzinfo=UTC)  # nothing happens later
_EDUCATION = (
    "No Formal quals",
    "Lower Than A Level",
    "A Level or Equivalent",
    "HE Qualification",
    "Post Graduate Qualification",
)

_ENROLMENT = [
    *("enrolment_id", "user_id", "course_id", "registered_at", "unregistered_at", "previous_attempts", "credits"),
    *("education", "deprivation", "region", "gender", "age_band", "disability"),
]
_ASSESSMENT = ["assessment_id", "course_id", "kind", "due_at", "weight"]
_SUBMISSION = ["submission_id", "enrolment_id", "assessment_id", "submitted_at", "banked", "score", "marked_at"]


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job churn` takes them.

    *Supplied*, beside what the constants above say: the numbers of submissions and clicks, in the order of the files.
    """
    begins = {_course(row): row for row in read_rows(data / SET / "courses.csv.gz")}
    write_rows(
        out / "courses.csv.gz",
        ["course_id", "module", "starts_at", "ends_at"],
        (
            (course, row["code_module"], _at(course, "0", 0), _at(course, row["module_presentation_length"], 0))
            for course, row in begins.items()
        ),
    )
    registered = {_enrolment(row): row for row in read_rows(data / SET / "student_registration.csv.gz")}
    infos = list(read_rows(data / SET / "student_info.csv.gz"))
    write_rows(
        out / "enrolments.csv.gz",
        _ENROLMENT,
        (
            (
                _enrolment(row),
                row["id_student"],
                _course(row),
                _at(_course(row), registered[_enrolment(row)]["date_registration"], _REGISTERED),
                _at(_course(row), registered[_enrolment(row)]["date_unregistration"], _SUBMITTED),
                *(row[name] for name in ("num_of_prev_attempts", "studied_credits", "highest_education")),
                *(row[name] for name in ("imd_band", "region", "gender", "age_band", "disability")),
            )
            for row in infos
        ),
    )
    write_rows(
        out / "outcomes.csv.gz", ["enrolment_id", "result"], ((_enrolment(row), row["final_result"]) for row in infos)
    )
    work = {row["id_assessment"]: row for row in read_rows(data / SET / "assessments.csv.gz")}
    write_rows(
        out / "assessments.csv.gz",
        _ASSESSMENT,
        (
            (each, _course(row), row["assessment_type"].upper(), _at(_course(row), row["date"], _DUE), row["weight"])
            for each, row in work.items()
        ),
    )
    _write_submissions(out, read_rows(data / SET / "student_assessment.csv.gz"), work)
    activity = {row["id_site"]: row["activity_type"] for row in read_rows(data / SET / "vle.csv.gz")}
    write_rows(
        out / "clicks.csv.gz",
        ["click_id", "enrolment_id", "clicked_at", "activity", "clicks"],
        (
            (
                number,
                _enrolment(row),
                _at(_course(row), row["date"], _SUBMITTED),
                activity.get(row["id_site"], ""),
                row["sum_click"],
            )
            for number, row in enumerate(read_rows(data / SET / "student_vle_sample.csv.gz"), start=1)
        ),
    )


def _write_submissions(out: Path, rows: Iterable[dict[str, str]], work: dict[str, dict[str, str]]) -> None:
    def line(number: int, row: dict[str, str]) -> tuple[object, ...]:
        of = work[row["id_assessment"]]
        marked = int(row["date_submitted"]) + _MARKING[of["assessment_type"].upper()]
        return (
            number,
            _enrolment({**of, "id_student": row["id_student"]}),
            row["id_assessment"],
            _at(_course(of), row["date_submitted"], _SUBMITTED),
            "true" if row["is_banked"] == "1" else "false",
            row["score"],
            # A banked score is known from the beginning.
            _at(_course(of), row["date_submitted"] if row["is_banked"] == "1" else str(marked), _SUBMITTED),
        )

    write_rows(
        out / "submissions.csv.gz",
        _SUBMISSION,
        (line(number, row) for number, row in enumerate(rows, start=1)),
    )


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write a generated sample of 300 enrolments in two courses, one of them over, with dirt planted. No row is one of the set's."""
    chance = random.Random(seed)
    work = [
        (f"{course[:3]}{number}", course, "CMA" if number % 3 == 0 else "TMA", day, 100 / 8)
        for course in _SAMPLE_COURSES
        for number, day in enumerate(range(19, 220, 28), start=1)
    ]
    enrolments = [
        _sample_enrolment(chance, f"U{number:03}", list(_SAMPLE_COURSES)[number % 2]) for number in range(1, 301)
    ]
    outcomes = [[row[0], "Withdrawn" if row[4] else chance.choice(["Pass", "Pass", "Fail"])] for row in enrolments]
    submissions = [line for row in enrolments for line in _sample_submissions(chance, row, work)]
    _plant(enrolments, outcomes, submissions)
    tables = {
        "courses": (
            ["course_id", "module", "starts_at", "ends_at"],
            [
                [course, course[:3], _at(course, "0", 0), _at(course, str(days), 0)]
                for course, days in _SAMPLE_COURSES.items()
            ],
        ),
        "enrolments": (_ENROLMENT, enrolments),
        "assessments": (
            _ASSESSMENT,
            [[each, course, kind, _at(course, str(day), _DUE), weight] for each, course, kind, day, weight in work]
            + [["BBB-exam", "BBB-2026B", "EXAM", "", 100]],
        ),
        "submissions": (_SUBMISSION, [[number, *row] for number, row in enumerate(submissions, start=1)]),
        "outcomes": (["enrolment_id", "result"], outcomes),
    }
    for name, (header, rows) in tables.items():
        write_rows(out / f"{name}.csv.gz", header, rows)


def _sample_enrolment(chance: random.Random, user: str, course: str) -> list[object]:
    leaves = chance.random() < _SAMPLE_LEAVES
    quarter = chance.randrange(4)
    day = chance.uniform(_SAMPLE_LEFT_DAY[quarter], _SAMPLE_LEFT_DAY[quarter + 1])
    left = _at(course, str(day), _SUBMITTED) if leaves else ""
    tenth = 10 * chance.randrange(10)
    return [
        f"{course}-{user}",
        user,
        course,
        _at(course, str(-max(1.0, chance.gauss(*_SAMPLE_REGISTERED))), _REGISTERED),
        left if not left or datetime.fromisoformat(left) < _SAMPLE_TODAY else "",
        int(chance.random() < _SAMPLE_AGAIN),
        chance.choices(list(_SAMPLE_CREDITS), list(_SAMPLE_CREDITS.values()))[0],
        chance.choice(_EDUCATION),
        "" if chance.random() < _SAMPLE_NO_BAND else "10-20" if tenth == 10 else f"{tenth}-{tenth + 10}%",
        chance.choice(["Wales", "Scotland", "London Region"]),
        chance.choice("FM"),
        chance.choice(["0-35", "35-55", "55<="]),
        chance.choices([0, 1], [9, 1])[0],
    ]


def _sample_submissions(
    chance: random.Random, enrolment: list[object], work: list[tuple[str, str, str, int, float]]
) -> Iterator[list[object]]:
    """What an enrolment handed in before it ended or today; who is about to leave hands in less."""
    course, left = str(enrolment[2]), str(enrolment[4])
    end = min(_SAMPLE_TODAY, datetime.fromisoformat(left)) if left else _SAMPLE_TODAY
    for assessment, of, kind, due, _ in work:
        day = round(due + chance.gauss(*_SAMPLE_LATE))
        at = _at(course, str(day), _SUBMITTED)
        if of != course or datetime.fromisoformat(at) > end or chance.random() < (0.35 if left else 0.08):
            continue
        score = min(100, max(0, round(chance.gauss(*_SAMPLE_SCORE[kind]))))
        yield [enrolment[0], assessment, at, "false", score, _at(course, str(day + _MARKING[kind]), _SUBMITTED)]


def _plant(enrolments: list[list[object]], outcomes: list[list[object]], submissions: list[list[object]]) -> None:
    """Plant each trap a few times, in enrolments that stay and have at least three submissions."""
    busy = Counter(row[0] for row in submissions)
    clean = [row for row in enrolments if not row[4] and busy[row[0]] >= 3]
    result = {row[0]: row for row in outcomes}
    for rows, column, value in (
        (clean[0:3], 3, ""),  # registered nobody knows when
        (clean[3:5], 6, -60),  # credits
        (clean[5:7], 7, "Diploma"),  # no education that the job knows
        (clean[7:9], 8, "1O-20%"),  # a letter for a digit
        (clean[11:15], 5, 1),  # tried before: their scores may be carried over
        (clean[15:17], 5, 0),  # never tried before: theirs may not
    ):
        for row in rows:
            row[column] = value
    for row in clean[9:11]:
        result[row[0]][1] = "Withdrawn"  # without a date
    of = {row[0]: place for place, row in enumerate(submissions)}
    for row, score in zip(clean[19:23], (999, -1, "", ""), strict=True):
        submissions[of[row[0]]][4] = score
    submissions += [_planted(row, f"{str(row[2])[:3]}7", -1, banked=True) for row in clean[11:17]]
    submissions += [_planted(row, "no such work", 20) for row in clean[17:19]]
    # An examination that has no due date.
    submissions += [_planted(row, "BBB-exam", 235) for row in clean if row[2] == "BBB-2026B"][-3:]
    # Handed in after leaving.
    submissions += [_planted(row, f"{str(row[2])[:3]}8", 300) for row in enrolments if row[4]][:2]
    submissions.append(["no such enrolment", "BBB1", _at("BBB-2026B", "20", _SUBMITTED), "false", 50, ""])
    submissions.append([clean[23][0], "BBB2", "yesterday", "false", 50, ""])


def _planted(enrolment: list[object], assessment: str, day: int, *, banked: bool = False) -> list[object]:
    at = _at(str(enrolment[2]), str(day), _SUBMITTED)
    return [enrolment[0], assessment, at, str(banked).lower(), 61, at]


def _course(row: dict[str, str]) -> str:
    return f"{row['code_module']}-{row['code_presentation']}"


def _enrolment(row: dict[str, str]) -> str:
    return f"{_course(row)}-{row['id_student']}"


def _at(course: str, day: str, hour: int) -> str:
    """The hour of a day counted from the course's first, as text; nothing where there is no day."""
    if not day:
        return ""
    year, term = int(course[-5:-1]), course[-1]
    first = datetime(year, _MONTH[term], 1, tzinfo=UTC)
    return (first + timedelta(days=int(float(day)), hours=hour)).isoformat()
