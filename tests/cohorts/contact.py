"""The set covidaffect as the source tables of the job contact, and a sample of the same kind for the demo and the tests.

CoVidAffect (Bailon C et al., Sci Data 2020;7:365, doi 10.5281/zenodo.3774526; CC BY 4.0, columns left out).
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

SET = "covidaffect"
ZONE = ZoneInfo("Europe/Madrid")
HOURS = (7, 10, 13, 16, 19, 22)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FEWEST_DAYS = 3

Slot = tuple[date, int]


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job contact` takes them.

    *Supplied*: the prompts, which the set has only where they were answered. From a person's first day with an answer to the last, each of
    the six hours of each day had one, of those who have three days or more. An answer belongs to the hour at or before its prompt's
    time. `left_at` is the midnight after the last day. People without prompts keep their answers.
    """
    _write_slots(out)
    people = list(_rows(data / SET / "participants.csv.gz"))
    answers = list(_rows(data / SET / "mood.csv.gz"))
    prompted: dict[str, dict[Slot, None]] = {}
    for row in answers:
        if row["input_method"] == "App":
            prompted.setdefault(row["participant"], {})[slot_of(_moment(row["timestamp"]))] = None
    prompts: dict[tuple[str, Slot], int] = {}
    left: dict[str, date] = {}
    for person, slots in sorted(prompted.items(), key=lambda each: int(each[0])):
        days = sorted({day for day, _ in slots})
        if (days[-1] - days[0]).days + 1 >= _FEWEST_DAYS:
            left[person] = days[-1] + timedelta(days=1)
            for number, hour in itertools.product(range((days[-1] - days[0]).days + 1), HOURS):
                prompts[person, (days[0] + timedelta(days=number), hour)] = len(prompts) + 1
    # Some answered before the day on which the set says that they had registered.
    first: dict[str, datetime] = {}
    for row in answers:
        moment = _moment(row["timestamp"])
        first[row["participant"]] = min(moment, first.get(row["participant"], moment))
    _write(
        out / "people.csv.gz",
        ["person_id", "joined_at", "left_at", "work", "sex", "age_years"],
        (
            (
                row["id"],
                min(_moment(row["registered_date"]), first.get(row["id"], _moment(row["registered_date"]))).isoformat(),
                _at(left[row["id"]], 0).isoformat() if row["id"] in left else "",
                row["work_previous"],
                row["sex"],
                row["age"],
            )
            for row in people
        ),
    )
    _write(
        out / "prompts.csv.gz",
        ["prompt_id", "person_id", "slot_id", "sent_at"],
        ((number, person, slot_id(*slot), _at(*slot).isoformat()) for (person, slot), number in prompts.items()),
    )
    _write(
        out / "answers.csv.gz",
        ["answer_id", "person_id", "prompt_id", "prompted_at", "answered_at", "valence", "arousal"],
        (
            (
                number,
                row["participant"],
                prompts.get((row["participant"], slot_of(_moment(row["timestamp"]))), "") if row["input_method"] == "App" else "",
                _moment(row["timestamp"]).isoformat(),
                _moment(row["answer_timestamp"]).isoformat(),
                row["valence"],
                row["arousal"],
            )
            for number, row in enumerate(answers, start=1)
        ),
    )


def slot_of(moment: datetime) -> Slot:
    """The day and hour of the slot at or before the moment.

    >>> slot_of(datetime(2020, 4, 2, 6, 59, tzinfo=ZONE))
    (datetime.date(2020, 4, 1), 22)
    """
    local = moment.astimezone(ZONE)
    hours = [hour for hour in HOURS if hour <= local.hour]
    return (local.date(), hours[-1]) if hours else (local.date() - timedelta(days=1), HOURS[-1])


def slot_id(day: date, hour: int) -> str:
    """The slot's name in a week, such as Mon-07."""
    return f"{DAYS[day.weekday()]}-{hour:02}"


def _write_slots(out: Path, suffix: str = ".csv.gz") -> None:
    _write(
        out / f"slots{suffix}",
        ["slot_id", "weekday", "hour"],
        ((f"{name}-{hour:02}", number, hour) for (number, name), hour in itertools.product(enumerate(DAYS, start=1), HOURS)),
    )


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    # No name and no time in the head of the file: the same rows, the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
        packed.write(("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n").encode())
