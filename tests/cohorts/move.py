"""The sales of houses in Seattle as the job `move` takes them: parcels, sales, market reports. _seattle_sales.py says what is supplied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cohorts._files import write_table
from tests.cohorts._seattle_sales import markets, parcels, read, sample, sample_markets

HOUSES = 400
KNOWN = ["parcel", "area", "use_type", "lot_sf", "year_built", "latitude", "longitude"]

# How an entity that a rule holds is mended.
MEND = {"price_possible": "UPDATE move.sales SET price = 400000 WHERE sale = %s"}


def write(data: Path, out: Path) -> None:
    """Write the source tables of the real sales in DATA/seattle_sales into `out`."""
    sales = read(data)
    _write(parcels(sales), _sales(sales), markets(sales), out)


def write_sample(out: Path, *, seed: int = 8) -> None:
    """Write the source tables of a made-up sample into `out`, with each trap of the data in it."""
    rng = np.random.default_rng(seed)
    sales, reports = sample(rng, houses=HOUSES), sample_markets(rng)
    houses = parcels(sales).astype({"year_built": float}).reset_index(drop=True)
    houses.loc[[0, 1], "year_built"] = 2019  # built again after the sale
    houses.loc[[2, 3], "use_type"] = "condo"
    houses.loc[[4], ["latitude", "longitude"]] = 0
    houses.loc[[5], "latitude"] = np.nan
    _write(houses, _with_bad_sales(_sales(sales)), reports, out)


def _sales(sales: pd.DataFrame) -> pd.DataFrame:
    named = sales.rename(columns={"sale_id": "sale", "pinx": "parcel", "sale_price": "price"})
    return named[["sale", "parcel", "sold_at", "price", "recorded_at"]]


def _with_bad_sales(sales: pd.DataFrame) -> pd.DataFrame:
    """Sales as those of the data, twice a day or again within 30 days; purchases for a dollar, without a price, undated, long ago."""
    parcel = sorted(sales["parcel"].unique())
    first = sales.drop_duplicates("parcel").set_index("parcel")

    def more(places: range, *, times: float, days: int, name: str) -> pd.DataFrame:
        rows = first.loc[[parcel[place] for place in places]].reset_index()
        rows["price"] = rows["price"] * times
        rows["sold_at"] = rows["sold_at"] + pd.Timedelta(days=days)
        rows["recorded_at"] = rows["recorded_at"] + pd.Timedelta(days=days, hours=1)
        return rows.assign(sale=[f"{name}-{place}" for place in places])

    twice = more(range(12, 16), times=1.1, days=0, name="same-day")
    at_once = more(range(16, 20), times=1.2, days=20, name="at-once")
    found = pd.concat([sales, twice, at_once], ignore_index=True).astype({"price": float})
    found["sold_at"] = pd.to_datetime(found["sold_at"], utc=True)
    found["recorded_at"] = pd.to_datetime(found["recorded_at"], utc=True)
    of = {place: found["parcel"] == parcel[place] for place in range(20, 28)}
    found.loc[of[20] | of[21], "price"] = 1.0
    found.loc[of[22], "price"] = np.nan
    found.loc[of[24], "sold_at"] = pd.NaT
    found.loc[of[26], "sold_at"] = pd.Timestamp("1900-01-01", tz="UTC")
    return found[list(sales.columns)]


def _write(houses: pd.DataFrame, sales: pd.DataFrame, reports: pd.DataFrame, out: Path) -> None:
    write_table(houses[KNOWN], out / "parcels.csv.gz")
    write_table(sales, out / "sales.csv.gz")
    write_table(reports.drop(columns="median_price_sf"), out / "markets.csv.gz")
