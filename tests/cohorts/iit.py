"""The set iedea_art_simulated as the source tables of the job iit, and a sample of the same kind for the demo and the tests.

The set is simulated by its source (Haas A, Zaniewski E, Egger M, for IeDEA Southern Africa, 2017; CC BY 4.0).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from tests.cohorts._files import read_rows, write_rows

SET = "iedea_art_simulated"
PROGRAMMES = ["programme", "complete_until"]
COLUMNS = ["patient_uuid", "programme", "art_start", "died_on", "transferred_on"]
VISITS = ["visit_id", "patient_uuid", "visit_date"]
OBS = ["obs_id", "patient_uuid", "obs_date", "concept"]

PATIENTS = 300
CLOSING = date(2026, 10, 31)


@dataclass(frozen=True, slots=True)
class Gaps:
    """The gaps between contacts of a programme: mean of their logarithm in days, its spread between and within patients; who is lost."""

    mean: float
    between: float
    within: float
    lost: float


# Measured on the set, after treatment began and up to the corrected closing date: log(days) by programme, mean(), std() and
# std() of the patients' means, with pandas; `lost`: the share of gaps above 180 days.
FACTS = {
    "Program_A": Gaps(mean=3.81, between=0.73, within=0.80, lost=0.075),
    "Program_B": Gaps(mean=3.64, between=0.50, within=0.80, lost=0.006),
    "Program_C": Gaps(mean=3.46, between=0.49, within=0.62, lost=0.010),
}
NEVER_BACK = 0.5  # supplied: of those who stay away
DIED, TRANSFERRED = 0.054, 0.139
WITH_CD4, WITH_VIRAL_LOAD, WITHOUT_VISIT, REPEATED = (
    0.13,
    0.05,
    0.33,
    0.4,
)  # of days of contact; of those with a test; of CD4 counts


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job iit` takes them.

    *Supplied*: the numbers of visits and observations, in the order of the files; nothing else. `complete_until` is the corrected closing
    date, not the programme's own; of deaths and transfers those count that are marked as such and have a date.
    """
    patients = list(read_rows(data / SET / "patients.csv.gz"))
    closing = {row["programme"]: row["my_close_d"] for row in patients}
    write_rows(out / "programmes.csv.gz", PROGRAMMES, sorted(closing.items()))
    write_rows(
        out / "patients.csv.gz",
        COLUMNS,
        (
            (
                row["id"],
                row["programme"],
                row["haart_d"],
                row["death_d"] if row["death_y"] == "1" else "",
                row["transfer_d"] if row["transfer_y"] == "1" else "",
            )
            for row in patients
        ),
    )
    visits = read_rows(data / SET / "visits.csv.gz")
    write_rows(
        out / "visits.csv.gz",
        VISITS,
        ((number, row["id"], row["vis_dmy"]) for number, row in enumerate(visits, start=1)),
    )
    tests = [("CD4", row["id"], row["cd4_dmy"]) for row in read_rows(data / SET / "cd4_dates.csv.gz")]
    tests += [("VIRAL_LOAD", row["id"], row["rna_dmy"]) for row in read_rows(data / SET / "rna_dates.csv.gz")]
    write_rows(
        out / "obs.csv.gz",
        OBS,
        ((number, patient, date, concept) for number, (concept, patient, date) in enumerate(tests, start=1)),
    )


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write a made-up sample of PATIENTS patients as the same tables, with every trap of the set planted a few times.

    Gaps between contacts are lognormal, with a mean of each patient's own; who is lost stays away for long, or for good. Last come the
    planted patients, whose names tell the rule that holds or tells of them.
    """
    chance = random.Random(seed)
    patients: list[tuple[str, ...]] = []
    contacts: list[tuple[str, date, str]] = []
    for number in range(PATIENTS):
        name = f"P{number:04}"
        programme = chance.choices(list(FACTS), weights=[1, 1, 1])[0]
        start = CLOSING - timedelta(days=chance.randint(60, 1800))
        days = list(_contacts(chance, FACTS[programme], start=start))
        died = days[-1] + timedelta(days=20) if chance.random() < DIED else None
        moved = days[-1] + timedelta(days=30) if died is None and chance.random() < TRANSFERRED else None
        patients.append((name, programme, start.isoformat(), _text(died), _text(moved)))
        contacts += [(name, day, kind) for day in days for kind in _kinds(chance)]
    planted, strange = _planted()
    visits = [(name, day.isoformat(), "") for name, day, kind in contacts if kind == "VISIT"]
    tests = [(name, day.isoformat(), kind, "") for name, day, kind in contacts if kind != "VISIT"]
    visits += [(name, day, recorded) for name, day, kind, recorded in strange if kind == "VISIT"]
    tests += [(name, day, kind, recorded) for name, day, kind, recorded in strange if kind != "VISIT"]
    write_rows(out / "programmes.csv.gz", PROGRAMMES, [(name, CLOSING.isoformat()) for name in FACTS])
    write_rows(out / "patients.csv.gz", COLUMNS, [*patients, *planted])
    write_rows(out / "visits.csv.gz", [*VISITS, "recorded_at"], _numbered(visits))
    write_rows(out / "obs.csv.gz", [*OBS, "recorded_at"], _numbered(tests))


def _contacts(chance: random.Random, facts: Gaps, *, start: date) -> Iterator[date]:
    """The days of contact of one patient, oldest first, up to the day of closing."""
    for before in sorted(chance.expovariate(1 / 90) for _ in range(chance.randint(0, 4))):
        yield start - timedelta(days=1 + int(180 - min(before, 179)))
    own, day = chance.gauss(facts.mean, facts.between), start
    while day <= CLOSING:
        yield day
        away = chance.random() < facts.lost * (1 + (own > facts.mean))
        gap = chance.uniform(181, 900) if away else min(chance.lognormvariate(own, facts.within), 179)
        day += timedelta(days=max(1, round(gap)))
        if away and chance.random() < NEVER_BACK:
            return


def _kinds(chance: random.Random) -> list[str]:
    """What was done on a day of contact: a visit, or blood taken, or both; a CD4 count may stand there twice."""
    tests = ["CD4"] * (chance.random() < WITH_CD4) + ["VIRAL_LOAD"] * (chance.random() < WITH_VIRAL_LOAD)
    alone = tests and chance.random() < WITHOUT_VISIT
    return ([] if alone else ["VISIT"]) + tests + ["CD4"] * ("CD4" in tests and chance.random() < REPEATED)


def _planted() -> tuple[list[tuple[str, ...]], list[tuple[str, str, str, str]]]:
    """Patients of whom something is wrong, and their contacts: patient, day, kind, when recorded."""
    usual = (
        "2025-01-10",
        "2025-03-10",
        "2025-05-12",
        "2025-07-14",
        "2025-09-15",
        "2025-11-17",
        "2026-01-19",
        "2026-03-16",
    )
    people: list[tuple[str, ...]] = []
    contacts: list[tuple[str, str, str, str]] = []
    for number in range(1, 4):
        for trap, programme, start, died, moved, strange in (
            ("not_after_death", "Program_A", "2025-01-10", "2025-08-01", "", []),
            ("death_not_before_treatment", "Program_B", "2025-01-10", "2000-01-22", "", []),
            ("not_after_transfer", "Program_C", "2025-01-10", "", "2025-08-01", []),
            ("treatment_known", "Program_A", "", "", "", []),
            ("programme_known", "Program_X", "2025-01-10", "", "", []),
            ("date_present", "Program_B", "2025-01-10", "", "", [("", "VISIT", "")]),
            ("not_in_future", "Program_C", "2025-01-10", "", "", [("2026-12-24", "VISIT", "2026-03-01 08:00+00")]),
            ("not_long_before_treatment", "Program_A", "2025-01-10", "", "", [("1900-01-01", "VISIT", "")]),
            ("code_known", "Program_B", "2025-01-10", "", "", [("2025-11-17", "CHEST_XRAY", "")]),
            ("not_repeated", "Program_C", "2025-01-10", "", "", [("2025-11-17", "CD4", ""), ("2025-11-17", "CD4", "")]),
            ("mostly_usable", "Program_A", "2025-01-10", "", "", [("2025-11-17", "CHEST_XRAY", "")] * 20),
            ("ended", "Program_A", "2025-01-10", "2026-04-01", "", []),
            ("after_closing", "Program_B", "2025-01-10", "", "", [("2026-11-05", "VISIT", "")]),
        ):
            name = f"{trap}_{number}"
            people.append((name, programme, start, died, moved))
            contacts += [(name, day, "VISIT", "") for day in usual]
            contacts += [(name, *row) for row in strange]
    contacts += [("nobody", usual[0], "VISIT", ""), ("", usual[0], "CD4", "")]
    return people, contacts


def _numbered(rows: Iterable[tuple[str, ...]]) -> list[tuple[object, ...]]:
    return [(number, *row) for number, row in enumerate(rows, start=1)]


def _text(day: date | None) -> str:
    return "" if day is None or day > CLOSING else day.isoformat()
