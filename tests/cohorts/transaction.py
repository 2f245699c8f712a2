"""The mortgage applications of Texas, 2022, as the job `transaction` takes them: applications, and what they were for.

Data: FFIEC/CFPB, HMDA public data 2022. *Supplied* is the day of the application, a day of 2022 drawn by lot: the register has none.
What the sample is made of, MEASURED, is printed by

    python -m tests.cohorts.transaction DATA
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.cohorts._files import write_table

NAMES = ["loan_amount", "property_value", "income", "debt_to_income_ratio", "loan_to_value_ratio"]
PEOPLE = ["applicant_age", "applicant_sex", "applicant_race"]
APPLICATIONS = 600
CLASSES = {"BUY": ("1", "1"), "REFINANCE": ("32", "1"), "INVESTMENT": ("1", "3"), "IMPROVE_OR_OTHER": ("2", "1")}
MEASURED: dict[str, Any] = {
    "BUY": {
        "share": 0.567,
        "log_property_value": [12.6987, 0.6427],
        "log_income": [4.6403, 0.652],
        "loan_to_value_ratio": [86.8562, 14.7738],
        "whole_ratio": 0.5738,
        "without_ratio": 0.1184,
        "debts": {
            "30%-<36%": 0.1389,
            "50%-60%": 0.1257,
            "20%-<30%": 0.1243,
            ">60%": 0.0618,
            "49": 0.0444,
            "44": 0.0396,
            "42": 0.0381,
            "43": 0.0369,
        },
    },
    "REFINANCE": {
        "share": 0.2549,
        "log_property_value": [12.8139, 0.574],
        "log_income": [4.5319, 0.701],
        "loan_to_value_ratio": [61.9092, 17.5301],
        "whole_ratio": 0.3545,
        "without_ratio": 0.0496,
        "debts": {
            "20%-<30%": 0.1541,
            "30%-<36%": 0.1501,
            "<20%": 0.0611,
            ">60%": 0.0581,
            "44": 0.0536,
            "50%-60%": 0.0512,
            "43": 0.0416,
        },
    },
    "INVESTMENT": {
        "share": 0.0617,
        "log_property_value": [12.5668, 0.5493],
        "log_income": [5.005, 0.8239],
        "loan_to_value_ratio": [70.1124, 12.9261],
        "whole_ratio": 0.6807,
        "without_ratio": 0.0376,
        "debts": {
            "30%-<36%": 0.1424,
            "20%-<30%": 0.1408,
            "<20%": 0.0862,
            ">60%": 0.053,
            "Exempt": 0.0477,
            "38": 0.0364,
            "39": 0.0352,
        },
    },
    "IMPROVE_OR_OTHER": {
        "share": 0.1164,
        "log_property_value": [12.9265, 0.7041],
        "log_income": [4.6954, 0.8116],
        "loan_to_value_ratio": [62.2051, 23.7053],
        "whole_ratio": 0.1282,
        "without_ratio": 0.0877,
        "debts": {
            "20%-<30%": 0.1449,
            ">60%": 0.1447,
            "30%-<36%": 0.1219,
            "50%-60%": 0.0928,
            "<20%": 0.0917,
            "42": 0.0298,
            "44": 0.0291,
        },
    },
}


def write(data: Path, out: Path) -> None:
    """Write the source tables of the real applications in DATA/hmda_texas_2022 into `out`."""
    _write(_dated(_read(data), np.random.default_rng(2022)), out)


def write_sample(out: Path, *, seed: int = 9) -> None:
    """Write the source tables of made-up applications into `out`, with each trap of the data in it."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, (purpose, occupancy) in CLASSES.items():
        facts = MEASURED[name]
        size = round(facts["share"] * APPLICATIONS)
        value = _to_midpoint(np.exp(rng.normal(*facts["log_property_value"], size=size)))
        ratio = np.clip(rng.normal(*facts["loan_to_value_ratio"], size=size), 5, 105).round(3)
        ratio = np.where(rng.random(size) < facts["whole_ratio"], ratio.round(), ratio)
        part = pd.DataFrame(
            {
                "loan_amount": [f"{each:.1f}" for each in _to_midpoint(value * ratio / 100)],
                "property_value": [f"{each:.0f}" for each in value],
                "income": [f"{each:.1f}" for each in np.exp(rng.normal(*facts["log_income"], size=size)).round()],
                "debt_to_income_ratio": rng.choice(list(facts["debts"]), p=_shares(facts["debts"]), size=size),
                "loan_to_value_ratio": [f"{each:.3f}".rstrip("0").rstrip(".") for each in ratio],
                "applicant_age": rng.choice(["25-34", "35-44", "45-54", "55-64"], size=size),
                "applicant_sex": rng.choice(["1", "2"], size=size),
                "applicant_race": rng.choice(["5.0", "6.0", "3.0"], size=size),
                "loan_purpose": purpose,
                "occupancy_type": occupancy,
            }
        )
        part.loc[rng.random(size) < facts["without_ratio"], "loan_to_value_ratio"] = ""
        parts.append(part)
    table = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=seed).reset_index(drop=True)
    table["application"] = table.index + 1
    _write(_dated(_with_traps(table), rng), out)


def _with_traps(table: pd.DataFrame) -> pd.DataFrame:
    """Exempt lenders, negative incomes, absurd ratios, ages and purposes not given, one line twice, words among numbers."""
    exempt = ["property_value", "debt_to_income_ratio", "loan_to_value_ratio"]
    table.loc[[0, 1, 2], exempt] = "Exempt"
    table.loc[[3, 4], "income"] = "-1442.0"
    table.loc[[5, 6], "loan_to_value_ratio"] = "10000"
    table.loc[[7, 8], "applicant_age"] = "8888"
    table.loc[[9, 10], "loan_purpose"] = "5"
    table.loc[[12, 14], [*NAMES, *PEOPLE]] = table.loc[[11, 13], [*NAMES, *PEOPLE]].to_numpy()
    table.loc[[15], "income"] = "about 90"
    table.loc[[16], [*NAMES]] = "Exempt"
    table.loc[[17], [*NAMES]] = ""
    return table


def _read(data: Path) -> pd.DataFrame:
    table = pd.read_csv(data / "hmda_texas_2022" / "applications.csv.gz", dtype=str, keep_default_na=False)
    return table.rename(columns={"applicant_race-1": "applicant_race"})


def _dated(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    hours = rng.integers(0, 365 * 24, size=len(table))
    return table.assign(submitted_at=pd.Timestamp("2022-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"))


def _write(table: pd.DataFrame, out: Path) -> None:
    write_table(table[["application", "submitted_at", *NAMES, *PEOPLE]], out / "applications.csv.gz")
    write_table(table[["application", "loan_purpose", "occupancy_type"]], out / "outcomes.csv.gz")


def _to_midpoint(amount: Any) -> Any:
    """Amounts as the CFPB publishes them: the midpoints of tens of thousands of dollars."""
    return np.floor(np.asarray(amount) / 10_000) * 10_000 + 5_000


def _shares(of: dict[str, float]) -> Any:
    shares = np.array(list(of.values()))
    return shares / shares.sum()


def measure(data: Path) -> dict[str, Any]:
    """The facts that the sample is made from: by class its share, means and spreads, and what is missing."""
    table = _read(data)
    invest, purpose = table["occupancy_type"] == "3", table["loan_purpose"]
    rows_of = {
        "BUY": ~invest & (purpose == "1"),
        "REFINANCE": ~invest & purpose.isin(["31", "32"]),
        "INVESTMENT": invest,
        "IMPROVE_OR_OTHER": ~invest & purpose.isin(["2", "4"]),
    }

    def spread(values: pd.Series) -> list[float]:
        return [round(float(values.mean()), 4), round(float(values.std()), 4)]

    found = {}
    for name, chosen in rows_of.items():
        rows = table[chosen]
        numbers = rows[NAMES].apply(pd.to_numeric, errors="coerce")
        ratio = numbers["loan_to_value_ratio"]
        income = numbers["income"]
        found[name] = {
            "share": round(float(chosen.mean()), 4),
            "log_property_value": spread(np.log(numbers["property_value"].dropna())),
            "log_income": spread(np.log(income[income > 0])),
            "loan_to_value_ratio": spread(ratio[ratio < 150]),
            "whole_ratio": round(float((ratio.dropna() % 1 == 0).mean()), 4),
            "without_ratio": round(float((rows["loan_to_value_ratio"] == "").mean()), 4),
            "debts": {
                each: round(float(share), 4)
                for each, share in rows["debt_to_income_ratio"].value_counts(normalize=True).head(8).items()
                if each
            },
        }
    return found


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1])), indent=4))
