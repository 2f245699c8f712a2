"""The set physionet2019 as the source tables of the job sepsis: its files are these tables as they stand.

PhysioNet/CinC Challenge 2019, set B, the first 6,500 patients (CC BY 4.0). `scorer demo` generates the job's example; none is shipped.
"""

from __future__ import annotations

import shutil
from pathlib import Path

SET = "physionet2019"


def write(data: Path, out: Path) -> None:
    """Copy the set's tables as `scorer load` takes them."""
    for table in ("visits", "patient_observations", "outcomes"):
        shutil.copyfile(data / SET / f"{table}.csv.gz", out / f"{table}.csv.gz")


# How what holds an entity is mended, by the rule: for the acceptance test of all shipped jobs.
MEND = {
    "one_client": "UPDATE public.patient_observations AS o SET client = v.client FROM public.visits AS v "
    "WHERE v.visit_id = o.visit_id AND CAST(o.visit_id AS text) = %s",
    "age_possible": "UPDATE public.visits SET age_years = 60 WHERE CAST(visit_id AS text) = %s",
}
