"""Two models where outcomes are known: both are measured at the same landmarks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

JOB = "sepsis"

Said = tuple[int, str, str]


def test_where_outcomes_are_known_a_comparison_measures_both(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], fitted: Callable[..., Any]
) -> None:
    hospital.admit(*range(1, 41), discharged_at=hospital.noon)
    for visit in range(1, 41):
        onset = f"'{hospital.noon.isoformat()}'" if visit % 4 == 0 else "NULL"
        hospital.execute(f"INSERT INTO public.outcomes VALUES ({visit}, {int(visit % 4 == 0)}, {onset})")
    for version, seed in (("one", 1), ("two", 2)):
        make(fitted(hospital.job, seed=seed), version=version)
        scorer("anna", "model", "register", JOB, version)
    noon = hospital.noon.isoformat()
    arguments = ("model", "compare", JOB, "one", "two", "--as-of", noon, "--outcomes")
    code, out, said = scorer("anna", *arguments, "--json")
    assert code == 0, said
    measured = json.loads(out)["outcomes"]
    assert measured["events"] > 0
    assert set(measured["models"]) == {"one", "two"}
    for model in measured["models"].values():
        assert {"auroc", "average_precision", "brier"} <= set(model["metrics"])
        assert sum(each["rows"] for each in model["calibration"]) == measured["rows"]
    assert "auroc" in scorer("anna", *arguments)[1]
