"""The set oulad as the source tables of the job churn, and a sample of the same kind for the demo and the tests.

Open University Learning Analytics Dataset (Kuzilek J, Hlosta M, Zdrahal Z, 2017; CC BY 4.0, https://analyse.kmi.open.ac.uk).
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

SET = "oulad"
# *Supplied*: the first day of a course is its month's first; registrations lie in the morning, work comes in at noon and is due at 17:00.
_MONTH = {"B": 2, "J": 10}
_REGISTERED, _SUBMITTED, _DUE = 9, 12, 17
# *Supplied*: days until a score is given out, by who marks.
_MARKING = {"TMA": 10, "CMA": 0, "EXAM": 10}


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job churn` takes them.

    *Supplied*, beside what the constants above say: the numbers of submissions and clicks, in the order of the files.
    """
    begins = {_course(row): row for row in _rows(data / SET / "courses.csv.gz")}
    _write(
        out / "courses.csv.gz",
        ["course_id", "module", "starts_at", "ends_at"],
        (
            (course, row["code_module"], _at(course, "0", 0), _at(course, row["module_presentation_length"], 0))
            for course, row in begins.items()
        ),
    )
    registered = {_enrolment(row): row for row in _rows(data / SET / "student_registration.csv.gz")}
    infos = list(_rows(data / SET / "student_info.csv.gz"))
    _write(
        out / "enrolments.csv.gz",
        [
            *("enrolment_id", "user_id", "course_id", "registered_at", "unregistered_at", "previous_attempts", "credits"),
            *("education", "deprivation", "region", "gender", "age_band", "disability"),
        ],
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
    _write(out / "outcomes.csv.gz", ["enrolment_id", "result"], ((_enrolment(row), row["final_result"]) for row in infos))
    work = {row["id_assessment"]: row for row in _rows(data / SET / "assessments.csv.gz")}
    _write(
        out / "assessments.csv.gz",
        ["assessment_id", "course_id", "kind", "due_at", "weight"],
        (
            (each, _course(row), row["assessment_type"].upper(), _at(_course(row), row["date"], _DUE), row["weight"])
            for each, row in work.items()
        ),
    )
    _write_submissions(out, _rows(data / SET / "student_assessment.csv.gz"), work)
    activity = {row["id_site"]: row["activity_type"] for row in _rows(data / SET / "vle.csv.gz")}
    _write(
        out / "clicks.csv.gz",
        ["click_id", "enrolment_id", "clicked_at", "activity", "clicks"],
        (
            (number, _enrolment(row), _at(_course(row), row["date"], _SUBMITTED), activity.get(row["id_site"], ""), row["sum_click"])
            for number, row in enumerate(_rows(data / SET / "student_vle_sample.csv.gz"), start=1)
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

    _write(
        out / "submissions.csv.gz",
        ["submission_id", "enrolment_id", "assessment_id", "submitted_at", "banked", "score", "marked_at"],
        (line(number, row) for number, row in enumerate(rows, start=1)),
    )


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


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    # No name and no time in the head of the file: the same rows, the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
        packed.write(("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n").encode())
