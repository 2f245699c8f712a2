"""The sample cohort: as measured, dirty as announced, and the same again from the same seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scorer.config import shipped_root
from scorer.database.source.sample import SampleCohort, generate, write

CHECKOUT = Path(__file__).parents[4]
REAL_COHORT = Path(os.environ.get("REAL_COHORT") or CHECKOUT.parent / "shared" / "data" / "physionet2019")
NOW = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
KINDS = {
    "null_value",
    "nan_value",
    "infinite_value",
    "impossible_value",
    "wrong_unit",
    "future_date",
    "before_admission",
    "orphan",
    "two_clients",
    "range_reversed",
    "unknown_code",
    "duplicate",
    "no_observations",
    "few_observations",
}


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def cohort(facts: dict[str, Any]) -> SampleCohort:
    return generate(facts, visits=1000, seed=7, first_visit=5001, now=NOW)


@pytest.fixture(scope="module")
def joined(cohort: SampleCohort) -> pd.DataFrame:
    """Observations with their visit's columns; those of orphans are empty."""
    visits = cohort.visits.rename(columns={"client": "visit_client"})
    return cohort.patient_observations.merge(visits, on="visit_id", how="left")


@pytest.fixture(scope="module")
def clean(facts: dict[str, Any], joined: pd.DataFrame) -> pd.DataFrame:
    """Finite observations of known codes within what was seen, as floats."""
    value = joined["observation_value"].to_numpy(dtype=np.float64, na_value=np.nan)
    limits = {code: (fact["quantiles"][0], fact["quantiles"][-1]) for code, fact in facts["codes"].items()}
    known = joined["observation_type_code"].map(limits).dropna()
    low, high = (known.str[end].reindex(joined.index).to_numpy(dtype=np.float64) for end in (0, 1))
    return joined.assign(observation_value=value)[(value >= low) & (value <= high)]


def test_the_same_seed_gives_the_same_cohort_and_another_seed_another(facts: dict[str, Any]) -> None:
    first, again, other = (generate(facts, visits=120, seed=seed, first_visit=1, now=NOW) for seed in (3, 3, 4))
    for name in ("visits", "patient_observations", "outcomes"):
        pd.testing.assert_frame_equal(getattr(first, name), getattr(again, name))
        assert not getattr(first, name).equals(getattr(other, name))
    assert first.dirty == again.dirty


def test_tables_have_the_columns_that_load_reads(cohort: SampleCohort) -> None:
    assert list(cohort.visits) == [
        "visit_id",
        "client",
        "admitted_at",
        "discharged_at",
        "age_years",
        "sex",
        "unit",
        "hours_before_icu",
    ]
    assert list(cohort.patient_observations) == [
        "visit_id",
        "client",
        "observation_date",
        "observation_type_code",
        "observation_value",
        "reference_range_min",
        "reference_range_max",
        "recorded_at",
    ]
    assert list(cohort.outcomes) == ["visit_id", "sepsis", "onset_at"]


@pytest.mark.parametrize("visits", [1, 13, 100])
def test_visits_are_as_many_as_asked_for_numbered_from_the_first(facts: dict[str, Any], visits: int) -> None:
    cohort = generate(facts, visits=visits, seed=1, first_visit=42, now=NOW)
    assert cohort.visits["visit_id"].tolist() == list(range(42, 42 + visits))
    assert cohort.outcomes["visit_id"].tolist() == cohort.visits["visit_id"].tolist()


def test_now_must_be_aware(facts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="aware"):
        generate(facts, visits=1, seed=1, first_visit=1, now=NOW.replace(tzinfo=None))


def test_the_zone_of_now_makes_no_difference(facts: dict[str, Any]) -> None:
    elsewhere = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    here, there = (generate(facts, visits=20, seed=1, first_visit=1, now=now) for now in (NOW, elsewhere))
    pd.testing.assert_frame_equal(here.patient_observations, there.patient_observations)


def test_nothing_is_later_than_now_but_planted_future_dates(cohort: SampleCohort) -> None:
    rows = cohort.patient_observations
    assert (cohort.visits["admitted_at"] >= pd.Timestamp(NOW - timedelta(days=7, seconds=1))).all()
    for times in (
        cohort.visits["admitted_at"],
        cohort.visits["discharged_at"],
        cohort.outcomes["onset_at"],
        rows["recorded_at"],
    ):
        assert (times.dropna() <= NOW).all()
        assert str(times.dtype) == "datetime64[us, UTC]"
    assert (rows["observation_date"] > NOW).sum() == cohort.dirty["future_date"]


def test_some_visits_are_in_stay_and_some_discharged(cohort: SampleCohort) -> None:
    assert 0.1 < cohort.visits["discharged_at"].isna().mean() < 0.4


def test_observations_are_made_and_recorded_in_the_stay(joined: pd.DataFrame) -> None:
    of_visit = joined.dropna(subset=["admitted_at"])
    assert (of_visit["recorded_at"] >= of_visit["admitted_at"] + pd.Timedelta(hours=2)).all()
    assert (of_visit["recorded_at"] <= of_visit["discharged_at"].fillna(pd.Timestamp(NOW))).all()


@pytest.mark.parametrize("seed", range(10))
def test_every_kind_of_dirt_is_planted_from_100_visits_on(facts: dict[str, Any], seed: int) -> None:
    dirty = generate(facts, visits=100, seed=seed, first_visit=1, now=NOW).dirty
    assert set(dirty) == KINDS
    assert min(dirty.values()) >= 1


def test_a_tiny_cohort_is_not_all_dirt(facts: dict[str, Any]) -> None:
    assert generate(facts, visits=6, seed=1, first_visit=1, now=NOW).dirty == {}
    assert len(generate(facts, visits=21, seed=1, first_visit=1, now=NOW).dirty) == 3


def test_about_one_observation_in_a_hundred_is_dirty(cohort: SampleCohort) -> None:
    rows = sum(count for kind, count in cohort.dirty.items() if not kind.endswith(("_observations", "_clients")))
    assert 0.005 < rows / len(cohort.patient_observations) < 0.02


def seen_dirt(cohort: SampleCohort, joined: pd.DataFrame, *, facts: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """What a reader of the tables counts of each kind."""
    null = joined["observation_value"].isna().to_numpy()
    value = joined["observation_value"].to_numpy(dtype=np.float64, na_value=0.0)
    code = joined["observation_type_code"]
    per_visit = cohort.patient_observations["visit_id"].value_counts().reindex(cohort.visits["visit_id"], fill_value=0)
    yield "null_value", null.sum()
    yield "nan_value", np.isnan(value).sum()
    yield "infinite_value", np.isinf(value).sum()
    yield "impossible_value", ((code == "HR") & (value == 900)).sum()
    yield "wrong_unit", ((code == "TEMP") & np.isfinite(value) & (value > 80)).sum()
    yield "future_date", (joined["observation_date"] > NOW).sum()
    yield "before_admission", (joined["observation_date"] < joined["admitted_at"]).sum()
    yield "orphan", joined["admitted_at"].isna().sum()
    yield "two_clients", (cohort.patient_observations.groupby("visit_id")["client"].nunique() > 1).sum()
    yield "range_reversed", (joined["reference_range_min"] > joined["reference_range_max"]).sum()
    yield "unknown_code", (~code.isin(facts["codes"])).sum()
    yield "duplicate", cohort.patient_observations.duplicated().sum()
    yield "no_observations", (per_visit == 0).sum()
    yield "few_observations", per_visit.between(1, 4).sum()


def test_dirt_is_counted_as_a_reader_would(facts: dict[str, Any], cohort: SampleCohort, joined: pd.DataFrame) -> None:
    assert dict(seen_dirt(cohort, joined, facts=facts)) == cohort.dirty


def test_means_and_spreads_are_as_measured(facts: dict[str, Any], clean: pd.DataFrame) -> None:
    found = clean.groupby("observation_type_code")["observation_value"].agg(["mean", "std", "size"])
    for code, row in found[found["size"] > 1000].iterrows():
        fact = facts["codes"][code]
        assert abs(row["mean"] - fact["mean"]) < 0.2 * fact["sd"], code
        assert 0.7 < row["std"] / fact["sd"] < 1.3, code


def test_spread_within_a_visit_is_as_measured(facts: dict[str, Any], clean: pd.DataFrame) -> None:
    vitals = clean[clean["observation_type_code"].isin(["HR", "SBP", "MAP", "DBP", "RR", "TEMP", "SPO2"])]
    within = vitals.groupby(["observation_type_code", "visit_id"])["observation_value"].std().groupby(level=0).median()
    for code, spread in within.items():
        assert 0.6 < spread / facts["codes"][code]["sd_within"] < 1.6, code


def test_codes_are_present_and_as_often_as_measured(facts: dict[str, Any], clean: pd.DataFrame) -> None:
    per_visit = clean.groupby(["observation_type_code", "visit_id"]).size()
    for code, fact in facts["codes"].items():
        assert abs(len(per_visit[code]) / 1000 - fact["share"][0]) < 0.1, code
    # A vital sign nearly every hour of a stay of a day and a half; a laboratory value once or twice.
    assert 20 < per_visit["HR"].mean() < 35
    assert 1 < per_visit["CREATININE"].mean() < 3


def test_attributes_are_as_measured(facts: dict[str, Any], cohort: SampleCohort) -> None:
    known, visits = facts["visits"], cohort.visits
    assert visits["age_years"].mean() == pytest.approx(known["age_years"]["mean"], abs=2)
    assert (visits["sex"] == "F").mean() == pytest.approx(known["sex"]["F"], abs=0.06)
    assert visits["unit"].isna().mean() == pytest.approx(known["unit"][""], abs=0.06)
    assert set(visits["unit"].dropna()) == set(known["unit"]) - {""}


def test_cases_move_as_onset_nears(facts: dict[str, Any]) -> None:
    all_cases = {**facts, "outcome": {**facts["outcome"], "share": 1.0}}
    cohort = generate(all_cases, visits=1500, seed=1, first_visit=1, now=NOW)
    rows = cohort.patient_observations.merge(cohort.outcomes.dropna(subset=["onset_at"]), on="visit_id")
    rows = rows[(rows["observation_type_code"] == "TEMP") & rows["observation_value"].between(30, 43)]
    until = (rows["onset_at"] - rows["recorded_at"]).dt.total_seconds() / 3600
    moved = rows.loc[until.abs() <= 3, "observation_value"].mean() - rows.loc[until >= 12, "observation_value"].mean()
    assert moved == pytest.approx(facts["codes"]["TEMP"]["shift_in_units"], abs=0.15)


def test_outcomes_are_those_known_by_now(facts: dict[str, Any], cohort: SampleCohort) -> None:
    begun = cohort.outcomes["sepsis"] == 1
    assert (cohort.outcomes["onset_at"].notna() == begun).all()
    assert 0.02 < begun.mean() <= facts["outcome"]["share"] + 0.03


def test_write_tells_null_from_nan_and_adds_text_for_the_reject_file(cohort: SampleCohort, tmp_path: Path) -> None:
    write(cohort, tmp_path / "new")
    lines = (tmp_path / "new" / "patient_observations.csv").read_text(encoding="utf-8").splitlines()
    values = [line.split(",")[4] for line in lines[1:]]
    assert values.count("") == cohort.dirty["null_value"]
    assert values.count("nan") == cohort.dirty["nan_value"]
    assert values.count("inf") + values.count("-inf") == cohort.dirty["infinite_value"]
    assert values[-2:] == ["haemolysed", "see comment"]
    assert len(values) == len(cohort.patient_observations) + 2


def test_write_keeps_times_and_numbers(cohort: SampleCohort, tmp_path: Path) -> None:
    write(cohort, tmp_path)
    read = pd.read_csv(tmp_path / "visits.csv", parse_dates=["admitted_at", "discharged_at"])
    pd.testing.assert_frame_equal(read, cohort.visits)
    read = pd.read_csv(tmp_path / "outcomes.csv", parse_dates=["onset_at"])
    pd.testing.assert_frame_equal(read, cohort.outcomes)


@pytest.mark.real_data
def test_the_shipped_facts_are_those_that_the_script_measures(facts: dict[str, Any]) -> None:
    if not REAL_COHORT.exists():
        pytest.skip("the real cohort is not here")
    script = [sys.executable, str(CHECKOUT / "tests" / "measure_cohort.py"), str(REAL_COHORT)]
    measured = json.loads(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    assert leaves(measured) == pytest.approx(leaves(facts), abs=2e-3)  # as near as rounding leaves them


def leaves(facts: Any, *, path: str = "") -> dict[str, Any]:
    """Every number and text under its path."""
    if isinstance(facts, dict | list):
        items = facts.items() if isinstance(facts, dict) else enumerate(facts)
        return {key: leaf for name, each in items for key, leaf in leaves(each, path=f"{path}/{name}").items()}
    return {path: facts}
