"""The sets physionet2019, physionet2019_b and physionet2019_a as the source tables of the job sepsis: ICU stays of two hospitals.

PhysioNet/CinC Challenge 2019 (CC BY 4.0): 15,229 patients of set B, 14,000 of set A. Their files are these tables as they stand, but for
the hospital that a visit belongs to. `scorer demo` generates the job's example; none is shipped.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.cohorts._files import write_lines

FACILITIES = {"physionet2019": "B", "physionet2019_b": "B", "physionet2019_a": "A"}  # by set
FIRST = "physionet2019"


def write(data: Path, out: Path) -> None:
    """Write the sets' tables as one, as `scorer load` takes them."""
    for table in ("visits", "patient_observations", "outcomes"):
        write_lines(out / f"{table}.csv.gz", _joined(data, table, told=table == "visits"))


def write_first(data: Path, out: Path) -> None:
    """Copy the tables of the first set alone, in which no visit has a facility."""
    for table in ("visits", "patient_observations", "outcomes"):
        shutil.copyfile(data / FIRST / f"{table}.csv.gz", out / f"{table}.csv.gz")


# What an older model was made on, by its version.
OLDER = {"2026.11.28": write_first}


def _joined(data: Path, table: str, *, told: bool) -> Iterator[str]:
    """The lines of a table of all sets, under one head; with the facility in each, if it is to be `told`."""
    heads = set()
    for name, facility in FACILITIES.items():
        with gzip.open(data / name / f"{table}.csv.gz", "rt", encoding="utf-8") as file:
            head = next(file)
            if not heads:
                yield f"{head.rstrip()},facility\n" if told else head
            heads.add(head)
            yield from (f"{line.rstrip()},{facility}\n" for line in file) if told else file
    assert len(heads) == 1, f"{table}: the sets have other columns"


# How what holds an entity is mended, by the rule: for the acceptance test of all shipped jobs.
MEND = {
    "one_client": "UPDATE public.patient_observations AS o SET client = v.client FROM public.visits AS v "
    "WHERE v.visit_id = o.visit_id AND CAST(o.visit_id AS text) = %s",
    "age_possible": "UPDATE public.visits SET age_years = 60 WHERE CAST(visit_id AS text) = %s",
}
