"""A small OMOP CDM 5.4 with the same stays as the source tables of the job sepsis, made of these within one database.

    SCORER_DATABASE_URL=... python -m tests.cohorts.omop [--other-units]

By default each value keeps its unit, as far as the concept map has it, and so its bits; with other units it has one that must be converted,
wherever the map knows one: degrees Fahrenheit, kPa, mmol/L ...
"""

from __future__ import annotations

import csv
import os
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "sql" / "omop"
_UNITS = "CREATE TEMPORARY TABLE units (code text, concept_id integer, unit_concept_id integer, factor numeric, shift numeric)"


def units(*, other: bool) -> list[tuple[str, int, int, Decimal, Decimal]]:
    """For each code the line of the shipped concept map that its values are converted by: the first, or the last that is not the job's."""
    with (SHIPPED / "sepsis" / "concepts.csv").open(encoding="utf-8", newline="") as file:
        lines = [
            (
                line["code"],
                int(line["concept_id"]),
                int(line["unit_concept_id"]),
                Decimal(line["factor"]),
                Decimal(line["offset"]),
            )
            for line in csv.DictReader(file)
        ]
    chosen = {}
    for line in lines:
        if line[0] not in chosen or (other and (line[3], line[4]) != (1, 0)):
            chosen[line[0]] = line
    return [*chosen.values()]


def convert(connection: Any, *, other_units: bool = False) -> None:
    """Make the schema cdm anew and fill it from the tables in `public`, in one transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS cdm CASCADE")
        cursor.execute((SHIPPED / "cdm.sql").read_text(encoding="utf-8"))
        cursor.execute(f"DROP TABLE IF EXISTS pg_temp.units; {_UNITS}")
        psycopg2.extras.execute_values(cursor, "INSERT INTO pg_temp.units VALUES %s", units(other=other_units))
        cursor.execute((HERE / "omop.sql").read_text(encoding="utf-8"))


if __name__ == "__main__":
    with closing(psycopg2.connect(os.environ["SCORER_DATABASE_URL"])) as opened:
        convert(opened, other_units="--other-units" in sys.argv)
