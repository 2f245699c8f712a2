"""The set covidaffect as the source tables of the job contact, and a sample of the same kind for the demo and the tests.

CoVidAffect (Bailon C et al., Sci Data 2020;7:365, doi 10.5281/zenodo.3774526; CC BY 4.0, columns left out).
"""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.cohorts._files import read_rows, write_rows

SET = "covidaffect"
ZONE = ZoneInfo("Europe/Madrid")
AS_OF = datetime(2026, 11, 16, tzinfo=UTC)  # of the sample: the day after its last prompts
HOURS = (7, 10, 13, 16, 19, 22)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_FEWEST_DAYS = 3

# What the sample is made of, measured on the set (pandas, of the derived prompts): mean and standard deviation over people of the
# share that is answered within three hours, how much of it at 7 h, and quantiles (10, 25, 50, 75, 90 %) of the minutes to an answer.
_SAMPLE_ANSWERS = (0.435, 0.24)
_SAMPLE_AT_7 = 0.5
_SAMPLE_MINUTES = (0.17, 0.5, 6.2, 23.4, 44.3)
_SAMPLE_FIRST, _SAMPLE_DAYS = date(2026, 10, 19), 28

Slot = tuple[date, int]

_PEOPLE = ["person_id", "joined_at", "left_at", "work", "sex", "age_years"]
_PROMPTS = ["prompt_id", "person_id", "slot_id", "sent_at"]
_ANSWERS = ["answer_id", "person_id", "prompt_id", "prompted_at", "answered_at"]


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job contact` takes them.

    *Supplied*: the prompts, which the set has only where they were answered. From a person's first day with an answer to the last, each of
    the six hours of each day had one, of those who have three days or more. An answer belongs to the hour at or before its prompt's
    time. `left_at` is the midnight after the last day. People without prompts keep their answers.
    """
    _write_slots(out)
    people = list(read_rows(data / SET / "participants.csv.gz"))
    answers = list(read_rows(data / SET / "mood.csv.gz"))
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
    write_rows(
        out / "people.csv.gz",
        _PEOPLE,
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
    write_rows(
        out / "prompts.csv.gz",
        _PROMPTS,
        ((number, person, slot_id(*slot), _at(*slot).isoformat()) for (person, slot), number in prompts.items()),
    )
    write_rows(
        out / "answers.csv.gz",
        _ANSWERS,
        (
            (
                number,
                row["participant"],
                prompts.get((row["participant"], slot_of(_moment(row["timestamp"]))), "")
                if row["input_method"] == "App"
                else "",
                _moment(row["timestamp"]).isoformat(),
                _moment(row["answer_timestamp"]).isoformat(),
            )
            for number, row in enumerate(answers, start=1)
        ),
    )


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write a generated sample of 12 people over four weeks, 504 slots, with dirt planted. No row is one of the set's."""
    chance = random.Random(seed)
    _write_slots(out)
    people, prompts, answers = [], [], []
    for number in range(1, 13):
        person = f"P{number:02}"
        days = 1 if number == 12 else _SAMPLE_DAYS - 7 * (number == 11)  # one is new: too little is known; one left
        first = _SAMPLE_FIRST + timedelta(days=_SAMPLE_DAYS - days if number == 12 else 0)
        left = _at(first + timedelta(days=days), 0).isoformat() if number == 11 else ""
        age = {3: 12, 4: 150}.get(number, chance.randint(18, 75))
        people.append(
            [
                person,
                _at(first, 6).isoformat(),
                left,
                chance.choice(["employee", "student"]),
                chance.choice(["fem", "masc"]),
                age,
            ]
        )
        rate = min(0.95, max(0.05, chance.gauss(*_SAMPLE_ANSWERS)))
        for day, hour in itertools.product(range(days), HOURS[:2] if number == 12 else HOURS):
            slot = (first + timedelta(days=day), hour)
            prompts.append([len(prompts) + 1, person, slot_id(*slot), _at(*slot).isoformat()])
            if chance.random() < rate * (_SAMPLE_AT_7 if hour == 7 else 1):
                came = _at(*slot) + timedelta(minutes=chance.randint(0, 20))
                minutes = chance.choice(_SAMPLE_MINUTES) * chance.uniform(0.5, 1.5)
                answers.append(
                    [person, len(prompts), came.isoformat(), (came + timedelta(minutes=minutes)).isoformat()]
                )
    _plant(prompts, answers)
    write_rows(out / "people.csv.gz", _PEOPLE, people)
    write_rows(out / "prompts.csv.gz", _PROMPTS, prompts)
    write_rows(out / "answers.csv.gz", _ANSWERS, ([number, *row] for number, row in enumerate(answers, start=1)))


def _plant(prompts: list[list[object]], answers: list[list[object]]) -> None:
    """Plant each trap a few times."""
    for place, minutes in (
        (20, -3),
        (40, -1977),
        (60, 1500),
        (80, 3888),
        (100, 48620),
    ):  # to the answer, before the prompt or days after
        answers[place][3] = (_moment(str(answers[place][2])) + timedelta(minutes=minutes)).isoformat()
    for place in (120, 140, 160):  # answers that nobody had asked for
        row = answers[place]
        answers.append([row[0], "", row[2], (_moment(str(row[2])) + timedelta(minutes=90)).isoformat()])
    for place in (180, 200):  # a second answer to one prompt
        row = answers[place]
        answers.append([*row[:3], (_moment(str(row[3])) + timedelta(minutes=5)).isoformat()])
    answers.append(["P02", prompts[0][0], answers[0][2], answers[0][3]])  # to another person's prompt
    answers.append(["P01", "", "yesterday", "yesterday"])
    number = len(prompts)
    prompts.append([number + 1, "P01", "Mon-07", ""])  # sent nobody knows when
    prompts.append([number + 2, "P02", "Mon-25", prompts[200][3]])  # at no slot
    prompts.append([number + 3, "P99", "Mon-07", prompts[0][3]])  # of a person who does not exist


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
    write_rows(
        out / f"slots{suffix}",
        ["slot_id", "weekday", "hour"],
        (
            (f"{name}-{hour:02}", number, hour)
            for (number, name), hour in itertools.product(enumerate(DAYS, start=1), HOURS)
        ),
    )


def _at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
