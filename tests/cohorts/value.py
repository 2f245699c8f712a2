"""The sales of houses in Seattle as the job `value` takes them: parcels, sales, market reports. _seattle_sales.py says what is supplied."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.cohorts._files import write_table
from tests.cohorts._seattle_sales import markets, parcels, read, sample, sample_markets

HOUSES = 350


def write(data: Path, out: Path) -> None:
    """Write the source tables of the real sales in DATA/seattle_sales into `out`."""
    sales = read(data)
    _write(parcels(sales), _sales(sales), markets(sales), out)


def write_sample(out: Path, *, seed: int = 7) -> None:
    """Write the source tables of a made-up sample into `out`, with each trap of the data in it."""
    rng = np.random.default_rng(seed)
    sales, reports = sample(rng, houses=HOUSES), sample_markets(rng)
    _write(_with_traps(parcels(sales)), _with_bad_sales(_sales(sales)), reports, out)


def _sales(sales: pd.DataFrame) -> pd.DataFrame:
    named = sales.rename(columns={"sale_id": "sale", "pinx": "parcel", "sale_price": "price"})
    return named[["sale", "parcel", "sold_at", "price", "recorded_at"]]


def _with_traps(houses: pd.DataFrame) -> pd.DataFrame:
    """Of the first parcels: baths beside few beds, built after the sale, no size, an area in words, a place outside the city."""
    found = houses.astype({"year_built": float, "tot_sf": float}).reset_index(drop=True)
    found.loc[[0, 1, 2], ["beds", "baths"]] = [1, 8]
    found.loc[[3, 4], "year_built"] = 2019
    found.loc[[5], "tot_sf"] = np.nan
    found.loc[[6], "tot_sf"] = 20
    found.loc[[7, 8], "use_type"] = "condo"
    found.loc[[9], ["latitude", "longitude"]] = 0
    return found


def _with_bad_sales(sales: pd.DataFrame) -> pd.DataFrame:
    """Sales of other parcels beside: twice a day, again within 30 days, for a dollar, undated, long ago, of no parcel, one line twice."""
    parcel = sorted(sales["parcel"].unique())
    first = sales.drop_duplicates("parcel").set_index("parcel")

    def more(places: range, *, price: float = 1.0, at: float | None = None, days: int = 0, name: str) -> pd.DataFrame:
        rows = first.loc[[parcel[place] for place in places]].reset_index()
        rows["price"] = rows["price"] * price if at is None else at
        rows["sold_at"] = rows["sold_at"] + pd.Timedelta(days=days)
        rows["recorded_at"] = rows["recorded_at"] + pd.Timedelta(days=days, hours=1)
        return rows.assign(sale=[f"{name}-{place}" for place in places])

    undated = more(range(24, 27), name="undated").assign(sold_at=pd.NaT)
    old = more(range(27, 29), name="old").assign(sold_at=pd.Timestamp("1900-01-01", tz="UTC"))
    elsewhere = more(range(29, 31), name="elsewhere").assign(parcel="9999999999")
    parts = [
        sales,
        more(range(12, 16), price=1.1, name="same-day"),
        more(range(16, 20), price=1.2, days=20, name="at-once"),
        more(range(20, 24), at=1.0, days=90, name="dollar"),
        undated,
        old,
        elsewhere,
    ]
    for part in parts:
        part["sold_at"] = pd.to_datetime(part["sold_at"], utc=True)
        part["recorded_at"] = pd.to_datetime(part["recorded_at"], utc=True)
    return pd.concat(parts, ignore_index=True)[list(sales.columns)]


def _write(houses: pd.DataFrame, sales: pd.DataFrame, reports: pd.DataFrame, out: Path) -> None:
    write_table(houses, out / "parcels.csv.gz")
    write_table(sales, out / "sales.csv.gz")
    write_table(reports, out / "markets.csv.gz")
