"""A sample cohort, made up from measured facts: what `scorer demo` scores without a hospital.

The facts (sql/<job>/cohort.json) are aggregates of a real cohort; their header says which, and what each key means.
Values are drawn as standard normals (a constant of the visit, and noise that fades from hour to hour), correlated
between codes as measured, and mapped to each code's own quantiles. Then dirt is planted, of the kinds that hospitals'
tables hold by accident.

Try it: generate(facts, visits=100, seed=1, first_visit=1, now=datetime.now(UTC)).dirty
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scorer.types.arrays import Booleans, Floats, Integers

SHORTEST_HOURS = 8  # of stay, as in the measured cohort: enough for observations, unless dirt takes them away
LONGEST_AGO_HOURS = 7 * 24  # of an admission
DRIFT_HOURS = 12  # before onset, in which values move by the measured shift
STRUCK_VISITS = 0.01  # by each kind of dirt, at least one
STRUCK_ROWS = 0.1  # of a struck visit; ten kinds or so strike rows, hence 1 % of all
ROOM = 7  # visits per kind of dirt that there must be, so that a tiny cohort is not all dirt

Facts = dict[str, Any]
Dirt = Callable[[pd.DataFrame, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SampleCohort:
    """Three tables in the columns that `scorer load` reads, and how much is wrong with them.

    Times are datetime64[us, UTC]. `observation_value` is Float64 in the code's own unit, with NULL (NA) and NaN told
    apart. `dirty` counts rows per kind of dirt; for two_clients, no_observations and few_observations, visits.
    """

    visits: pd.DataFrame
    patient_observations: pd.DataFrame
    outcomes: pd.DataFrame
    dirty: dict[str, int]


def generate(facts: Facts, *, visits: int, seed: int, first_visit: int, now: datetime) -> SampleCohort:
    """A cohort of `visits` visits numbered from `first_visit`, admitted in the week before `now`.

    Some visits are still in stay (no `discharged_at`). An onset later than `now` is not in the outcomes yet, though
    values drift towards it. Only planted future dates are after `now`. Raises ValueError where `now` is not aware.
    """
    if now.tzinfo is None:
        raise ValueError("now must be an aware time")
    rng, moment = np.random.default_rng(seed), pd.Timestamp(now).tz_convert("UTC")
    stays = _stays(rng, facts, visit_ids=np.arange(first_visit, first_visit + visits), now=moment)
    rows, dirty = _dirtied(rng, _observations(rng, facts, stays=stays), visits=visits, supplied=facts["supplied"])
    null = rows.pop("is_null").to_numpy(copy=True)
    rows["observation_value"] = pd.arrays.FloatingArray(rows["observation_value"].to_numpy(copy=True), null)
    return SampleCohort(
        visits=stays.drop(columns=["case", "onset_hours", "slots"]),
        patient_observations=rows,
        outcomes=_outcomes(facts, stays=stays, now=moment),
        dirty=dirty,
    )


def write(cohort: SampleCohort, folder: Path) -> None:
    """Write visits.csv, patient_observations.csv and outcomes.csv into `folder`; NULL is an empty field.

    Two observations with text for a value are added, for the reject file: no table could hold them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("visits", "patient_observations", "outcomes"):
        getattr(cohort, name).to_csv(folder / f"{name}.csv", index=False)
    text = cohort.patient_observations.head(2)
    text = text.assign(observation_value=["haemolysed", "see comment"][: len(text)])
    text.to_csv(folder / "patient_observations.csv", mode="a", header=False, index=False)


def _stays(rng: np.random.Generator, facts: Facts, *, visit_ids: Integers, now: pd.Timestamp) -> pd.DataFrame:
    """The visits as they stand at `now`, each with `case`, `onset_hours` and `slots`.

    `case` is whether it has an onset, which is in hours after admission, NaN where there is none. A slot is an hour in which
    anything may be measured.
    """
    size, known, outcome = len(visit_ids), facts["visits"], facts["outcome"]
    drawn = partial(_drawn, rng, facts["quantiles_at"], size=size)
    case = rng.random(size) < outcome["share"]
    onset = drawn(outcome["onset_hours"])
    stay = np.where(case, onset + drawn(outcome["hours_after_onset"]), drawn(known["stay_hours"])).clip(SHORTEST_HOURS)
    ago = rng.uniform(SHORTEST_HOURS, LONGEST_AGO_HOURS, size)
    admitted_at = pd.Series(now.floor("s") - _hours(ago))
    unit = pd.Series(_chosen(rng, known["unit"], size=size))
    return pd.DataFrame(
        {
            "visit_id": visit_ids,
            "client": "P" + pd.Series(visit_ids).astype(str),
            "admitted_at": admitted_at,
            "discharged_at": (admitted_at + _hours(stay)).where(stay < ago),
            "age_years": drawn(known["age_years"]).round(),
            "sex": _chosen(rng, known["sex"], size=size),
            "unit": unit.where(unit != ""),
            "hours_before_icu": drawn(known["hours_before_icu"]).round(2),
            "case": case,
            "onset_hours": np.where(case, onset, np.nan),
            "slots": (np.minimum(stay, ago) - known["first_observation_hours"]).astype(np.int64),
        }
    )


def _drawn(rng: np.random.Generator, quantiles_at: list[float], distribution: Facts, *, size: int) -> Floats:
    """Values (size,) with the quantiles of `distribution`, in its own unit."""
    return np.interp(rng.standard_normal(size), quantiles_at, distribution["quantiles"])


def _chosen(rng: np.random.Generator, shares: dict[str, float], *, size: int) -> npt.NDArray[np.str_]:
    """Names (size,) in the given shares."""
    weights = np.array(list(shares.values()))
    return rng.choice(np.array(list(shares)), size, p=weights / weights.sum())


def _hours(number: npt.ArrayLike) -> pd.TimedeltaIndex:
    """Spans of `number` (n,) hours, to the second."""
    return pd.to_timedelta((np.asarray(number, dtype=np.float64) * 3600).astype(np.int64), unit="s").as_unit("us")


def _outcomes(facts: Facts, *, stays: pd.DataFrame, now: pd.Timestamp) -> pd.DataFrame:
    """What is known of the outcome at `now`, one row per visit, in the columns that the facts name."""
    onset_at = stays["admitted_at"] + _hours(stays["onset_hours"].fillna(0.0))
    begun = stays["case"] & (onset_at <= now)
    columns = {
        facts["outcome"]["column"]: begun.astype(np.int64),
        facts["outcome"]["time_column"]: onset_at.where(begun),
    }
    return pd.DataFrame({"visit_id": stays["visit_id"], **columns})


@dataclass(frozen=True, slots=True)
class _Slots:
    """Every slot of every stay: the stay's position (n,), and hours after admission (n,)."""

    stay: Integers
    hour: Integers


def _observations(rng: np.random.Generator, facts: Facts, *, stays: pd.DataFrame) -> pd.DataFrame:
    """Clean observations, sorted by visit, time and code, with their column `is_null` for dirt to set."""
    codes, count = facts["codes"], stays["slots"].to_numpy()
    hour = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    slots = _Slots(np.repeat(np.arange(len(stays)), count), hour + round(facts["visits"]["first_observation_hours"]))
    slot, code = np.nonzero(_sampled(rng, codes, stays=stays, slots=slots))
    score = _scores(rng, facts, stays=stays, slots=slots)[slot, code]
    stay = stays[["visit_id", "client", "admitted_at"]].iloc[slots.stay[slot]].reset_index(drop=True)
    date = stay["admitted_at"] + _hours(slots.hour + rng.random(len(hour)))[slot]
    ranges = np.array([fact["reference"] or (np.nan, np.nan) for fact in codes.values()])
    return pd.DataFrame(
        {
            "visit_id": stay["visit_id"],
            "client": stay["client"],
            "observation_date": date,
            "observation_type_code": np.array(list(codes))[code],
            "observation_value": _values(facts, score=score, code=code),
            "reference_range_min": ranges[code, 0],
            "reference_range_max": ranges[code, 1],
            "recorded_at": date,
            "is_null": False,
        }
    )


def _sampled(rng: np.random.Generator, codes: Facts, *, stays: pd.DataFrame, slots: _Slots) -> Booleans:
    """Whether a code is measured in a slot (slots, codes); in visits that have it, at least once."""
    shape, case = (len(stays), len(codes)), stays["case"].to_numpy().astype(np.int64)
    has: Booleans = rng.random(shape) < np.array([fact["share"] for fact in codes.values()]).T[case]
    sure = slots.hour.min() + (rng.random(shape) * stays[["slots"]].to_numpy()).astype(np.int64)
    chance = rng.random((len(slots.hour), len(codes))) < _of_codes(codes, "rate_per_hour")
    return np.asarray(has[slots.stay] & (chance | (sure[slots.stay] == slots.hour[:, None])))


def _scores(rng: np.random.Generator, facts: Facts, *, stays: pd.DataFrame, slots: _Slots) -> Floats:
    """Normal scores (slots, codes): the visit's constant, noise that fades by the hour, drift of cases."""
    codes = facts["codes"]
    lasting, memory = _of_codes(codes, "lasting"), _of_codes(codes, "memory")
    root = np.linalg.cholesky(np.array(facts["correlation"])).T
    own = rng.standard_normal((len(stays), len(codes))) @ root
    noise = rng.standard_normal((len(slots.hour), len(codes))) @ root
    for hour in range(slots.hour.min() + 1, slots.hour.max() + 1):
        at = np.flatnonzero(slots.hour == hour)
        noise[at] = memory * noise[at - 1] + np.sqrt(1 - memory**2) * noise[at]
    until = stays["onset_hours"].to_numpy()[slots.stay] - slots.hour
    near = np.nan_to_num(1 - until / DRIFT_HOURS).clip(0, 1)
    drift = np.outer(near, _of_codes(codes, "shift"))
    offset = np.outer(stays["case"].to_numpy()[slots.stay], _of_codes(codes, "offset"))
    return np.asarray(np.sqrt(lasting) * own[slots.stay] + np.sqrt(1 - lasting) * noise + drift + offset)


def _of_codes(codes: Facts, key: str) -> Floats:
    """One fact of every code (codes,)."""
    return np.array([fact[key] for fact in codes.values()], dtype=np.float64)


def _values(facts: Facts, *, score: Floats, code: Integers) -> Floats:
    """Values (n,) in each code's unit, rounded as they were recorded, from normal scores (n,)."""
    values = np.empty_like(score)
    for number, fact in enumerate(facts["codes"].values()):
        at = code == number
        values[at] = np.interp(score[at], facts["quantiles_at"], fact["quantiles"]).round(fact["decimals"])
    return values


def _mistaken(kind: str) -> Dirt:
    """The values that the mistake `kind` of the facts enters."""
    return lambda rows, supplied: {
        "observation_value": rows["observation_value"] * supplied[kind]["factor"] + supplied[kind]["plus"]
    }


# What each kind of dirt enters in the rows that it strikes, in place of what stood there.
_ENTERED: dict[str, Dirt] = {
    "null_value": lambda _, __: {"is_null": True},
    "nan_value": lambda _, __: {"observation_value": np.nan},
    "infinite_value": lambda rows, _: {"observation_value": np.where(rows.index % 2, np.inf, -np.inf)},
    "impossible_value": _mistaken("impossible_value"),
    "wrong_unit": _mistaken("wrong_unit"),
    "future_date": lambda rows, _: {"observation_date": rows["observation_date"] + pd.Timedelta(days=365)},
    "before_admission": lambda rows, _: {"observation_date": rows["observation_date"] - pd.Timedelta(days=365)},
    "orphan": lambda rows, _: {"visit_id": rows["visit_id"] + 1_000_000_000},
    "two_clients": lambda rows, _: {"client": rows["client"] + "X"},
    "range_reversed": lambda rows, _: {
        "reference_range_min": rows["reference_range_max"],
        "reference_range_max": rows["reference_range_min"],
    },
    "unknown_code": lambda _, supplied: {"observation_type_code": supplied["unknown_code"]},
    "duplicate": lambda _, __: {},  # the same again, and what stood there stays
}
_LEFT = {"no_observations": 0, "few_observations": 4}  # rows of a struck visit; the others are taken away


def _dirtied(
    rng: np.random.Generator, rows: pd.DataFrame, *, visits: int, supplied: Facts
) -> tuple[pd.DataFrame, dict[str, int]]:
    """`rows` with the kinds of dirt that there is room for, each in visits of its own; and their counts."""
    clean, gone = np.full(len(rows), True), np.full(len(rows), False)
    pieces, dirty = [], {}
    for kind in (*_ENTERED, *_LEFT)[: visits // ROOM]:
        open_to = rows[clean & _open_to(kind, rows, supplied=supplied)]
        visit_ids = open_to["visit_id"].unique()
        struck = rng.choice(visit_ids, max(1, round(visits * STRUCK_VISITS)), replace=False)
        clean &= ~rows["visit_id"].isin(struck).to_numpy()
        open_to = open_to[open_to["visit_id"].isin(struck)]
        if kind in _LEFT:
            gone[open_to.index[open_to.groupby("visit_id").cumcount() >= _LEFT[kind]]] = True
        else:
            some = (rng.random(len(open_to)) < STRUCK_ROWS) | ~open_to["visit_id"].duplicated()
            pieces.append(open_to[some].assign(**_ENTERED[kind](open_to[some], supplied)))
            gone[pieces[-1].index] = kind != "duplicate"
        dirty[kind] = len(struck) if kind in {"two_clients", *_LEFT} else len(pieces[-1])
    return pd.concat([rows[~gone], *pieces]).sort_index(kind="stable", ignore_index=True), dirty


def _open_to(kind: str, rows: pd.DataFrame, *, supplied: Facts) -> Booleans:
    """Whether `kind` can strike a row (n,): a mistake is of one code, and only a range can be reversed."""
    if kind == "range_reversed":
        return np.asarray(rows["reference_range_min"].notna())
    if kind in {"impossible_value", "wrong_unit"}:
        return np.asarray(rows["observation_type_code"] == supplied[kind]["code"])
    return np.full(len(rows), True)
