"""The tables of the job cycle, from the simulated cycles of 5,000 users; and a sample of users that are made up.

The set is simulated by its source, after a model of Li et al. (J Am Med Inform Assoc 2022;29:3-11). It has no dates: the first day of each
user is supplied here. How many periods she did not track is a truth that no tracker knows; it is not written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from tests.cohorts._files import read_rows, write_rows

SET = "cycle_lengths_simulated"
USERS = ("user_id", "joined_at")
CYCLES = ("cycle_id", "user_id", "began_on", "ended_on", "length_days", "recorded_at")

# Supplied: the first day is one of the year 2024, by the user's number, so that the last cycles end in all months.
_FIRST_DAY = date(2024, 1, 1)
_YEAR = 365
_STRIDE = 97  # prime to 365: users with neighbouring numbers begin far apart

# Of the set, from cycles.csv.gz grouped by user: mean and spread of the users' means, and the spread within a user, both of the rows with
# periods_not_tracked = 0; the share of rows above 0; and, of those, the share above 1.
_MEANS = (22.1, 2.5)
_WITHIN = 2.6
_UNTRACKED = (0.091, 0.13)
_SAMPLE_USERS = 300
_REFUSED_USER = 900_900  # of her cycles more than half cannot be
_SAMPLE_CYCLES = (1, 11)


def write(data: Path, out: Path) -> None:
    """Write users.csv.gz and cycles.csv.gz into `out`, from the set in the folder of its name in `data`."""
    lengths: dict[int, list[tuple[int, int]]] = {}
    for row in read_rows(data / SET / "cycles.csv.gz"):
        lengths.setdefault(int(row["user"]), []).append((int(row["cycle"]), int(row["length_days"])))
    users, cycles = [], []
    for user, of_user in sorted(lengths.items()):
        first = _FIRST_DAY + timedelta(days=user * _STRIDE % _YEAR)
        users.append((user, _midnight(first)))
        cycles += _rows(user, first, [length for _, length in sorted(of_user)])
    write_rows(out / "users.csv.gz", USERS, users)
    write_rows(out / "cycles.csv.gz", CYCLES, cycles)


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write users.csv and cycles.csv into `out`: users made up by the set's means and spreads, with each kind of dirt a few times."""
    chance = random.Random(seed)
    users, cycles = [], []
    for user in range(900_001, 900_001 + _SAMPLE_USERS):
        first = _FIRST_DAY + timedelta(days=chance.randrange(_YEAR))
        users.append((user, _midnight(first)))
        cycles += _rows(user, first, list(_lengths(chance, chance.randint(*_SAMPLE_CYCLES))))
    numbered = [list(row) for row in cycles]
    for row in _rows(_REFUSED_USER, _FIRST_DAY, [3] * 6 + [22] * 5):
        numbered.append(list(row))
    users.append((_REFUSED_USER, _midnight(_FIRST_DAY)))
    for plant, places in zip(_PLANTED, _places(chance, numbered), strict=True):
        for place in places:
            numbered += plant(numbered[place])
    for number, row in enumerate(numbered, start=900_000_001):
        row[0] = number
    write_rows(out / "users.csv.gz", USERS, users)
    write_rows(out / "cycles.csv.gz", CYCLES, numbered)


def _rows(user: int, first: date, lengths: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """A row per cycle, recorded on the day on which it ended."""
    for place, length in enumerate(lengths, start=1):
        last = first + timedelta(days=length)
        yield user * 100 + place, user, first, last, length, _midnight(last)
        first = last


def _lengths(chance: random.Random, cycles: int) -> Iterator[int]:
    """The lengths of a user's cycles, in days; one in which periods were not tracked is several."""
    own = chance.gauss(*_MEANS)
    for _ in range(cycles):
        true = 1
        while chance.random() < _UNTRACKED[min(true, 2) - 1]:
            true += 1
        yield sum(max(10, round(chance.gauss(own, _WITHIN))) for _ in range(true))


def _places(chance: random.Random, rows: Sequence[object]) -> Iterator[list[int]]:
    """For each kind of dirt, the places of four rows; no row is taken twice."""
    drawn = chance.sample(range(len(rows)), 4 * len(_PLANTED))
    return (drawn[start : start + 4] for start in range(0, len(drawn), 4))


def _no_date(row: list[object]) -> list[list[object]]:
    row[3] = None
    return []


def _in_future(row: list[object]) -> list[list[object]]:
    row[3] = date(2099, 12, 31)
    return []


def _no_length(row: list[object]) -> list[list[object]]:
    row[4] = None
    return []


def _not_a_number(row: list[object]) -> list[list[object]]:
    row[4] = "Infinity"
    return []


def _too_short(row: list[object]) -> list[list[object]]:
    row[4] = 3
    return []


def _too_long(row: list[object]) -> list[list[object]]:
    row[4] = 1200
    return []


def _other_length(row: list[object]) -> list[list[object]]:
    row[4] = int(str(row[4])) + 7
    return []


def _long(row: list[object]) -> list[list[object]]:
    """A cycle of 90 days, begun so much earlier: a period or two were not tracked."""
    row[2] = date.fromisoformat(str(row[3])) - timedelta(days=90)
    row[4] = 90
    return []


def _twice(row: list[object]) -> list[list[object]]:
    return [list(row)]


def _corrected(row: list[object]) -> list[list[object]]:
    """The same end with an earlier beginning, told a day later."""
    began, ended = (date.fromisoformat(str(day)) for day in row[2:4])
    return [
        [0, row[1], began - timedelta(days=2), ended, (ended - began).days + 2, _midnight(ended + timedelta(days=1))]
    ]


def _contradicted(row: list[object]) -> list[list[object]]:
    """The same end with an earlier beginning, told in the same moment."""
    (corrected,) = _corrected(row)
    corrected[5] = row[5]
    return [corrected]


_PLANTED = (
    _no_date,
    _in_future,
    _no_length,
    _not_a_number,
    _too_short,
    _too_long,
    _other_length,
    _long,
    _twice,
    _corrected,
    _contradicted,
)


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
