"""The facts that the demo's sample cohort is generated from, measured on the real one: aggregates only, no rows.

Run by hand, where the real cohort is at hand as visits, patient_observations and outcomes (.csv.gz) in DIR:

    python tests/measure_cohort.py DIR > sql/sepsis/cohort.json

Correlations and shifts are measured on normal scores, each value replaced by the standard normal's of the same rank
within its code, so that neither skewed laboratory values nor a mistyped one can bend them.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]

SOURCE = {
    "source": "PhysioNet/CinC Challenge 2019 set B, first 6,500 patients",
    "license": "CC BY 4.0",
    "doi": "10.13026/v64v-d857",
    "reference": "Reyna et al., Crit Care Med 2020;48:210-217",
    "measured_by": "python tests/measure_cohort.py DIR > sql/sepsis/cohort.json",
}
MEANING = {
    "quantiles_at": "where on the standard normal the quantiles stand; the first and last are 0.1 % and 99.9 %",
    "share": "of visits without and with the outcome, the share that has the code at all",
    "rate_per_hour": "measurements after the first, per hour from 2 after admission, in visits that have the code",
    "interval_hours": "mean time between two measurements in one visit",
    "sd_between": "standard deviation between the medians of visits, from their quartiles, in the code's unit",
    "sd_within": "median over visits of the standard deviation within one, in the code's unit",
    "lasting": "correlation of values a day or more apart in one visit (normal scores): what the visit brings along",
    "memory": "what is left after an hour of the correlation beyond that",
    "offset": "visits with the outcome, until 12 hours before onset, against those without (normal scores)",
    "shift": "the same visits, from 3 hours before onset to 3 after, against until 12 before (normal scores)",
    "offset_in_units": "the first of these in the code's unit; with fewer than 25 visits to measure on, both are 0",
    "shift_in_units": "the second in the code's unit",
    "correlation": "of the visits' mean normal scores, codes in their order here",
    "supplied": "not measured: made up, or usual adult reference ranges",
}
# What the sample is dirtied with: a value v of the code is entered as factor * v + plus.
SUPPLIED = {
    "impossible_value": {"code": "HR", "factor": 0, "plus": 900},
    "wrong_unit": {"code": "TEMP", "factor": 1.8, "plus": 32},
    "unknown_code": "HEART_RATE",
}
QUANTILES_AT = np.array([-3.09, *np.arange(-2.75, 3, 0.25), 3.09])
FIRST_HOUR = 2.0  # after admission, in which most records begin
FAR, NEAR = 12.0, 3.0  # hours from onset
FEWEST = 25  # visits, below which a shift says more about chance than about illness


def main(folder: Path) -> None:
    """Print the facts of the cohort in `folder` as JSON."""
    visits, observations = read(folder)
    codes = sorted(observations["code"].unique())
    facts = {
        **SOURCE,
        "meaning": MEANING,
        "quantiles_at": rounded(QUANTILES_AT, decimals=2),
        "visits": visit_facts(visits),
        "outcome": outcome_facts(visits),
        "codes": {code: code_facts(visits, observations[observations["code"] == code]) for code in codes},
        "correlation": correlation(observations),
        "supplied": SUPPLIED,
    }
    text = json.dumps(facts, indent=2)
    print(re.sub(r"\[[^\[\]{}]*\]", lambda numbers: re.sub(r"\s+", " ", numbers[0]), text))


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Visits with their outcome, and observations sorted by visit, code and time; times as hours since admission."""
    visits = pd.read_csv(folder / "visits.csv.gz", parse_dates=["admitted_at", "discharged_at"])
    outcomes = pd.read_csv(folder / "outcomes.csv.gz", parse_dates=["onset_at"])
    observations = pd.read_csv(
        folder / "patient_observations.csv.gz",
        keep_default_na=False,  # a code may read "NA"
        na_values=[""],
        parse_dates=["observation_date"],
    ).rename(columns={"observation_type_code": "code", "observation_value": "value"})
    visits = visits.merge(outcomes, on="visit_id")
    visits["stay"] = hours(visits["discharged_at"] - visits["admitted_at"])
    visits["onset"] = hours(visits["onset_at"] - visits["admitted_at"])
    observations = observations.merge(visits[["visit_id", "admitted_at", "stay", "sepsis", "onset"]], on="visit_id")
    observations["hour"] = hours(observations["observation_date"] - observations["admitted_at"])
    observations["z"] = observations.groupby("code")["value"].transform(normal_scores)
    return visits, observations.sort_values(["visit_id", "code", "hour"], ignore_index=True)


def hours(span: pd.Series) -> pd.Series:
    """`span` in hours."""
    return span.dt.total_seconds() / 3600


def normal_scores(values: pd.Series) -> pd.Series:
    """The standard normal's values of the same ranks; ties share the middle of theirs."""
    return pd.Series(ndtri((values.rank() - 0.5) / len(values)), index=values.index)


def rounded(numbers: npt.ArrayLike, *, decimals: int) -> list[float]:
    """`numbers` as a list for JSON."""
    return [float(number) for number in np.round(np.asarray(numbers, dtype=float), decimals)]


def distribution(values: pd.Series, *, decimals: int = 1) -> dict[str, Any]:
    """Mean, standard deviation and the quantiles at QUANTILES_AT."""
    return {
        "mean": round(float(values.mean()), decimals + 2),
        "sd": round(float(values.std()), decimals + 2),
        "quantiles": rounded(values.quantile(ndtr(QUANTILES_AT)), decimals=decimals),
    }


def visit_facts(visits: pd.DataFrame) -> dict[str, Any]:
    """Age, stay and hours before the unit as distributions; sex and unit as shares, "" where unknown."""
    return {
        "measured_on": len(visits),
        "first_observation_hours": FIRST_HOUR,
        "stay_hours": distribution(visits.loc[visits["sepsis"] == 0, "stay"]),
        "age_years": distribution(visits["age_years"], decimals=0),
        "hours_before_icu": distribution(visits["hours_before_icu"].abs(), decimals=2),
        "sex": shares(visits["sex"]),
        "unit": shares(visits["unit"]),
    }


def shares(values: pd.Series) -> dict[str, float]:
    """The share of each value, "" where unknown."""
    counted = values.fillna("").value_counts(normalize=True).sort_index()
    return {str(value): round(float(share), 4) for value, share in counted.items()}


def outcome_facts(visits: pd.DataFrame) -> dict[str, Any]:
    """The outcome's columns and share; when it begins after admission, and how long the record goes on after."""
    cases = visits[visits["sepsis"] == 1]
    return {
        "column": "sepsis",
        "time_column": "onset_at",
        "share": round(len(cases) / len(visits), 4),
        "onset_hours": distribution(cases["onset"]),
        "hours_after_onset": distribution(cases["stay"] - cases["onset"]),
    }


def code_facts(visits: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """What one code looks like; the keys are explained in MEANING."""
    low, high = rows[["reference_range_min", "reference_range_max"]].iloc[0]
    decimals = decimals_of(rows["value"])
    return {
        "reference": None if pd.isna(low) else [float(low), float(high)],
        "decimals": decimals,
        **sampling(visits, rows),
        **distribution(rows["value"], decimals=decimals),
        **spreads(rows),
        **shifts(rows),
    }


def decimals_of(values: pd.Series) -> int:
    """The decimals that 98 of 100 values get by with, at most 3."""
    return next((d for d in range(3) if (values.sub(values.round(d)).abs() < 1e-6).mean() > 0.98), 3)


def sampling(visits: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """How many visits have the code, and how often."""
    per_visit = rows.groupby("visit_id").agg(
        n=("hour", "size"), first=("hour", "min"), last=("hour", "max"), stay=("stay", "first")
    )
    has = visits["visit_id"].isin(per_visit.index)
    again = per_visit["n"].sum() - len(per_visit)
    return {
        "share": rounded(has.groupby(visits["sepsis"]).mean(), decimals=4),
        "rate_per_hour": round(float(again / (per_visit["stay"] - FIRST_HOUR).sum()), 4),
        "interval_hours": round(float((per_visit["last"] - per_visit["first"]).sum() / again), 2),
    }


def spreads(rows: pd.DataFrame) -> dict[str, float]:
    """Between and within visits."""
    visit = rows.groupby("visit_id")
    low, high = visit["value"].median().quantile([0.25, 0.75])
    lasting, near, gap = correlations_in_time(rows)
    memory = max((near - lasting) / (1 - lasting), 0.0) ** (1 / gap)
    return {
        "sd_between": round(float(high - low) / 1.349, 3),
        "sd_within": round(float(visit["value"].std().median()), 3),
        "lasting": round(lasting, 3),
        "memory": round(min(memory, 0.98), 3),
    }


def correlations_in_time(rows: pd.DataFrame) -> tuple[float, float, float]:
    """Correlations of values a day or more apart in a visit, and of successive ones; mean hours between the latter."""
    power = float((rows["z"] ** 2).mean())
    ends = rows.groupby("visit_id").agg(
        first=("z", "first"), last=("z", "last"), begin=("hour", "first"), end=("hour", "last")
    )
    far = ends[ends["end"] - ends["begin"] >= 24]
    same = rows["visit_id"].eq(rows["visit_id"].shift())
    near = (rows["z"] * rows["z"].shift())[same].mean() / power
    lasting = float(np.clip((far["first"] * far["last"]).mean() / power, 0.05, 0.9))
    return lasting, float(near), float(rows["hour"].diff()[same].mean())


def shifts(rows: pd.DataFrame) -> dict[str, float]:
    """How visits with the outcome differ from the others before it, and how they move as it nears."""
    until = rows["onset"] - rows["hour"]
    before, around = rows[until >= FAR], rows[until.abs() <= NEAR]
    found = {}
    for suffix, column, decimals in (("", "z", 3), ("_in_units", "value", 3)):
        others = rows[rows["sepsis"] == 0].groupby("visit_id")[column].mean()
        baseline = before.groupby("visit_id")[column].mean()
        moved = (around.groupby("visit_id")[column].mean() - baseline).dropna()
        found["offset" + suffix] = (baseline.mean() - others.mean(), len(baseline), decimals)
        found["shift" + suffix] = (moved.mean(), len(moved), decimals)
    return {name: round(float(mean), decimals) if n >= FEWEST else 0.0 for name, (mean, n, decimals) in found.items()}


def correlation(observations: pd.DataFrame) -> list[list[float]]:
    """Correlations of the visits' mean normal scores; made positive definite, which seldom measured codes spoil."""
    means = observations.groupby(["visit_id", "code"])["z"].mean().unstack()
    matrix = means.corr(min_periods=4 * FEWEST).fillna(0.0).to_numpy(copy=True)
    np.fill_diagonal(matrix, 1.0)
    values, vectors = np.linalg.eigh(matrix)
    mended = (vectors * values.clip(0.02)) @ vectors.T
    scale = np.sqrt(np.diag(mended))
    return [rounded(row, decimals=3) for row in mended / np.outer(scale, scale)]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
