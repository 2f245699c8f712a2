"""A sample cohort, made up from measured facts: what `scorer demo` scores where there is no hospital.

The facts (sql/<job>/cohort.json) are aggregates of a real cohort; their header says which, and what each key means. Values
are drawn as standard normals (what the visit brings along, and noise that fades from hour to hour), correlated between codes
as measured, then carried to each code's own quantiles. Rows of the kinds that hospitals' tables hold by accident are planted.

Try it: generate(facts, visits=100, seed=1, first_visit=1, now=datetime.now(UTC)).dirty
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scorer.types import Booleans, Floats, Integers

VISITS = ("visit_id", "client", "admitted_at", "discharged_at", "age_years", "sex", "unit", "hours_before_icu")
OBSERVATIONS = (
    "visit_id",
    "client",
    "observation_date",
    "observation_type_code",
    "observation_value",
    "reference_range_min",
    "reference_range_max",
    "recorded_at",
)

SHORTEST_HOURS = 8  # of stay, as in the measured cohort; so nobody lacks observations but by planted dirt
LONGEST_AGO_HOURS = 7 * 24  # of an admission
DRIFT_HOURS = 12  # before onset in which values move by the measured shift
STRUCK_VISITS = 0.01  # by each kind of dirt, and at least one
STRUCK_ROWS = 0.1  # of a struck visit; as about ten kinds strike rows, 1 % of all
SPARED = 7  # visits for each kind of dirt that there must be room for, so that a tiny cohort is not all dirt

Entered = Callable[[pd.DataFrame, Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Three tables in the columns that `scorer load` reads, and what is wrong with them.

    Times are datetime64[us, UTC]. `observation_value` is Float64, with NULL (NA) and NaN told apart, in the code's own unit.
    `dirty` counts rows per kind; visits for two_clients, no_observations and few_observations.
    """

    visits: pd.DataFrame
    patient_observations: pd.DataFrame
    outcomes: pd.DataFrame
    dirty: dict[str, int]


def generate(facts: dict[str, Any], *, visits: int, seed: int, first_visit: int, now: datetime) -> Cohort:
    """A cohort of `visits` visits numbered from `first_visit`, admitted in the week before `now`; the same again for the same seed.

    About a quarter of them are still in stay, without `discharged_at`. An onset later than `now` is not in the outcomes, though values
    drift towards it. Only planted future dates are after `now`, which must be aware (else ValueError).
    """
    if now.tzinfo is None:
        raise ValueError("now must be an aware time")
    rng = np.random.default_rng(seed)
    stays = _stays(rng, facts, np.arange(first_visit, first_visit + visits), pd.Timestamp(now).tz_convert("UTC"))
    rows, dirty = _dirtied(rng, _measured(rng, facts, stays), visits=visits, supplied=facts["supplied"])
    rows["observation_value"] = pd.arrays.FloatingArray(
        rows["observation_value"].to_numpy(copy=True), rows["is_null"].to_numpy(copy=True)
    )
    return Cohort(
        visits=stays[list(VISITS)],
        patient_observations=rows[list(OBSERVATIONS)],
        outcomes=_outcomes(facts["outcome"], stays, now=pd.Timestamp(now)),
        dirty=dirty,
    )


def write(cohort: Cohort, folder: Path) -> None:
    """Write visits.csv, patient_observations.csv and outcomes.csv into `folder`, NULL as an empty field.

    Two observations with text for a value are added, for the reject file: no table could hold them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("visits", "patient_observations", "outcomes"):
        getattr(cohort, name).to_csv(folder / f"{name}.csv", index=False)
    text = cohort.patient_observations.head(2)
    text = text.assign(observation_value=["haemolysed", "see comment"][: len(text)])
    text.to_csv(folder / "patient_observations.csv", mode="a", header=False, index=False)


def _stays(rng: np.random.Generator, facts: dict[str, Any], visit_ids: Integers, now: pd.Timestamp) -> pd.DataFrame:
    """Every visit as it stands at `now`, one row each; beside the columns of VISITS, `case`, `onset_hours` and `slots`.

    Onset is in hours after admission, NaN where there is none. A slot is an hour of the stay in which anything may be measured.
    """
    size, known, outcome = len(visit_ids), facts["visits"], facts["outcome"]
    case = rng.random(size) < outcome["share"]
    onset = np.where(case, _drawn(rng, facts, outcome["onset_hours"], size), np.nan)
    stay = np.where(
        case,
        onset + _drawn(rng, facts, outcome["hours_after_onset"], size),
        _drawn(rng, facts, known["stay_hours"], size),
    ).clip(SHORTEST_HOURS)
    ago = np.maximum(rng.uniform(SHORTEST_HOURS, LONGEST_AGO_HOURS, size).round(2), SHORTEST_HOURS)
    admitted = pd.Series(now.floor("min") - _hours(ago))
    unit = pd.Series(_chosen(rng, known["unit"], size))
    return pd.DataFrame(
        {
            "visit_id": visit_ids,
            "client": "P" + pd.Series(visit_ids).astype(str),
            "admitted_at": admitted,
            "discharged_at": (admitted + _hours(stay)).where(stay <= ago),
            "age_years": _drawn(rng, facts, known["age_years"], size).round(),
            "sex": _chosen(rng, known["sex"], size),
            "unit": unit.where(unit != ""),
            "hours_before_icu": _drawn(rng, facts, known["hours_before_icu"], size).round(2),
            "case": case,
            "onset_hours": onset,
            "slots": (np.minimum(stay, ago) - known["first_observation_hours"]).astype(np.int64),
        }
    )


def _drawn(rng: np.random.Generator, facts: dict[str, Any], distribution: dict[str, Any], size: int) -> Floats:
    """Values (size,) with the quantiles of `distribution`, in its own unit."""
    return np.interp(rng.standard_normal(size), facts["levels"], distribution["quantiles"])


def _chosen(rng: np.random.Generator, shares: dict[str, float], size: int) -> npt.NDArray[Any]:
    """Names (size,) in the given shares."""
    weights = np.array(list(shares.values()))
    return rng.choice(np.array(list(shares)), size, p=weights / weights.sum())


def _hours(number: npt.ArrayLike) -> pd.TimedeltaIndex:
    """Spans of `number` (n,) hours, to the second."""
    return pd.to_timedelta((np.asarray(number, dtype=np.float64) * 3600).astype(np.int64), unit="s").as_unit("us")


def _outcomes(names: dict[str, Any], stays: pd.DataFrame, *, now: pd.Timestamp) -> pd.DataFrame:
    """What is known of the outcome at `now`, one row per visit, in the columns that the facts name."""
    onset_at = stays["admitted_at"] + _hours(stays["onset_hours"].fillna(0.0))
    begun = stays["case"] & (onset_at <= now)
    return pd.DataFrame(
        {
            "visit_id": stays["visit_id"],
            names["column"]: begun.astype(np.int64),
            names["time_column"]: onset_at.where(begun),
        }
    )


def _measured(rng: np.random.Generator, facts: dict[str, Any], stays: pd.DataFrame) -> pd.DataFrame:
    """Clean observations in the columns of OBSERVATIONS, sorted by visit, time and code, and `is_null`."""
    codes = facts["codes"]
    visit = np.repeat(np.arange(len(stays)), stays["slots"])
    slot = np.arange(len(visit)) - np.repeat(stays["slots"].cumsum() - stays["slots"], stays["slots"]).to_numpy()
    row, code = np.nonzero(_sampled(rng, codes, stays, visit, slot))
    score = _scores(rng, facts, stays, visit, slot)[row, code]
    minutes = (facts["visits"]["first_observation_hours"] + slot) * 60 + rng.integers(60, size=len(slot))
    of_visit = stays.iloc[visit[row]].reset_index(drop=True)
    ranges = np.array([each["reference"] or (np.nan, np.nan) for each in codes.values()])
    date = of_visit["admitted_at"] + _hours(minutes[row] / 60)
    return pd.DataFrame(
        {
            "visit_id": of_visit["visit_id"],
            "client": of_visit["client"],
            "observation_date": date,
            "observation_type_code": np.array(list(codes))[code],
            "observation_value": _values(facts, score, code),
            "reference_range_min": ranges[code, 0],
            "reference_range_max": ranges[code, 1],
            "recorded_at": date,
            "is_null": False,
        }
    )


def _sampled(
    rng: np.random.Generator, codes: dict[str, Any], stays: pd.DataFrame, visit: Integers, slot: Integers
) -> Booleans:
    """Whether a code is measured in a slot (slots, codes): in the measured share of visits, once for sure, and then by chance."""
    shape = (len(stays), len(codes))
    share = np.array([each["share"] for each in codes.values()])[:, stays["case"].astype(int)].T
    first = (rng.random(shape) * stays[["slots"]].to_numpy()).astype(np.int64)
    again = rng.random((len(visit), len(codes))) < _of_codes(codes, "rate_per_hour")
    has: Booleans = rng.random(shape) < share
    return has[visit] & (again | (first[visit] == slot[:, None]))


def _scores(
    rng: np.random.Generator, facts: dict[str, Any], stays: pd.DataFrame, visit: Integers, slot: Integers
) -> Floats:
    """Normal scores (slots, codes): the visit's own level, noise that fades from hour to hour, and the drift of cases."""
    codes = facts["codes"]
    level, memory = _of_codes(codes, "level"), _of_codes(codes, "memory")
    root = np.linalg.cholesky(np.array(facts["correlation"]))
    own = rng.standard_normal((len(stays), len(codes))) @ root.T
    noise = rng.standard_normal((len(visit), len(codes))) @ root.T
    for hour in range(1, slot.max() + 1):
        at = np.flatnonzero(slot == hour)
        noise[at] = memory * noise[at - 1] + np.sqrt(1 - memory**2) * noise[at]
    until = stays["onset_hours"].to_numpy()[visit] - facts["visits"]["first_observation_hours"] - slot
    near = np.nan_to_num((1 - until / DRIFT_HOURS).clip(0, 1))[:, None]
    moved = near * _of_codes(codes, "shift") + stays["case"].to_numpy()[visit, None] * _of_codes(codes, "offset")
    scores: Floats = np.sqrt(level) * own[visit] + np.sqrt(1 - level) * noise + moved
    return scores


def _of_codes(codes: dict[str, Any], key: str) -> Floats:
    """One fact of every code (codes,)."""
    return np.array([each[key] for each in codes.values()], dtype=np.float64)


def _values(facts: dict[str, Any], score: Floats, code: Integers) -> Floats:
    """Values (n,) in each code's unit, rounded as the hospital does, from normal scores (n,)."""
    values = np.empty_like(score)
    for number, fact in enumerate(facts["codes"].values()):
        at = code == number
        values[at] = np.interp(score[at], facts["levels"], fact["quantiles"]).round(fact["decimals"])
    return values


def _mistaken(kind: str) -> Entered:
    """What is entered for a value by the mistake that the facts call `kind`."""
    return lambda rows, supplied: {
        "observation_value": rows["observation_value"] * supplied[kind]["factor"] + supplied[kind]["plus"]
    }


# What each kind of dirt enters in place of the rows that it strikes; with nothing entered, they stand there twice.
_ENTERED: dict[str, Entered] = {
    "null_value": lambda _rows, _: {"is_null": True},
    "nan_value": lambda _rows, _: {"observation_value": np.nan},
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
    "unknown_code": lambda _rows, supplied: {"observation_type_code": supplied["unknown_code"]},
    "duplicate": lambda _rows, _: {},
}
_LEFT = {"no_observations": 0, "few_observations": 4}  # rows of a visit that lacks the others


def _dirtied(
    rng: np.random.Generator, rows: pd.DataFrame, *, visits: int, supplied: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, int]]:
    """`rows` with dirt of every kind that there is room for, and how much of each; no visit is struck by two kinds."""
    clean = np.ones(len(rows), dtype=np.bool_)
    pieces, replaced, dirty = [], [], {}
    for kind in (*_ENTERED, *_LEFT)[: visits // SPARED]:
        candidates = rows[clean & _open_to(kind, rows, supplied)]
        struck = _struck_visits(rng, candidates, visits)
        clean &= ~rows["visit_id"].isin(struck)
        candidates = candidates[candidates["visit_id"].isin(struck)]
        if kind in _LEFT:
            replaced.append(candidates.index[candidates.groupby("visit_id").cumcount() >= _LEFT[kind]])
            dirty[kind] = len(struck)
            continue
        chosen = (rng.random(len(candidates)) < STRUCK_ROWS) | ~candidates["visit_id"].duplicated()
        piece = candidates[chosen]
        pieces.append(piece.assign(**_ENTERED[kind](piece, supplied)))
        replaced.append(piece.index if kind != "duplicate" else piece.index[:0])
        dirty[kind] = len(struck) if kind == "two_clients" else len(piece)
    kept = rows.drop(np.concatenate([np.empty(0, dtype=np.int64), *replaced]))
    return pd.concat([kept, *pieces]).sort_index(kind="stable", ignore_index=True), dirty


def _open_to(kind: str, rows: pd.DataFrame, supplied: dict[str, Any]) -> Booleans:
    """Whether `kind` can strike a row (n,): a mistake is made with one code, and only a range can be reversed."""
    if kind == "range_reversed":
        return rows["reference_range_min"].notna().to_numpy(dtype=np.bool_)
    code = supplied[kind]["code"] if kind in ("impossible_value", "wrong_unit") else None
    return np.full(len(rows), True) if code is None else (rows["observation_type_code"] == code).to_numpy(np.bool_)


def _struck_visits(rng: np.random.Generator, candidates: pd.DataFrame, visits: int) -> Integers:
    """The ids of the visits that one kind of dirt strikes."""
    open_to: Integers = candidates["visit_id"].unique()
    return rng.choice(open_to, min(max(1, round(visits * STRUCK_VISITS)), len(open_to)), replace=False)
