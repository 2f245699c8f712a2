"""The set iedea_art_simulated as the source tables of the job iit, and a sample of the same kind for the demo and the tests.

The set is simulated by its source (Haas A, Zaniewski E, Egger M, for IeDEA Southern Africa, 2017; CC BY 4.0).

    python -m tests.cohorts.iit DATA OUT          # DATA/iedea_art_simulated -> OUT/programmes.csv.gz and so on
    python -m tests.cohorts.iit --sample OUT      # the example in sql/iit/example
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

SET = "iedea_art_simulated"


def write(data: Path, out: Path) -> None:
    """Write the set's tables as `scorer load --job iit` takes them.

    *Supplied*: the numbers of visits and observations, in the order of the files; nothing else. `complete_until` is the corrected closing
    date, not the programme's own; of deaths and transfers those count that are marked as such and have a date.
    """
    patients = list(_rows(data / SET / "patients.csv.gz"))
    closing = {row["programme"]: row["my_close_d"] for row in patients}
    _write(out / "programmes.csv.gz", ["programme", "complete_until"], sorted(closing.items()))
    _write(
        out / "patients.csv.gz",
        ["patient_uuid", "programme", "art_start", "died_on", "transferred_on"],
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
    visits = _rows(data / SET / "visits.csv.gz")
    _write(
        out / "visits.csv.gz",
        ["visit_id", "patient_uuid", "visit_date"],
        ((number, row["id"], row["vis_dmy"]) for number, row in enumerate(visits, start=1)),
    )
    tests = [("CD4", row["id"], row["cd4_dmy"]) for row in _rows(data / SET / "cd4_dates.csv.gz")]
    tests += [("VIRAL_LOAD", row["id"], row["rna_dmy"]) for row in _rows(data / SET / "rna_dates.csv.gz")]
    _write(
        out / "obs.csv.gz",
        ["obs_id", "patient_uuid", "obs_date", "concept"],
        ((number, patient, date, concept) for number, (concept, patient, date) in enumerate(tests, start=1)),
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _write(path: Path, header: list[str], rows: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # No name and no time in the head of the file: the same rows, the same bytes.
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as packed:
        lines = "\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n"  # type: ignore[misc]
        packed.write(lines.encode())
