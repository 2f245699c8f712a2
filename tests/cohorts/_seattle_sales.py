"""The sales of houses in Seattle, as two jobs take them: the real ones, and a sample made from their means and spreads.

Data: King County Assessor, via R package hpiR (A. Krause). What the sample is made of, MEASURED, is printed by

    python -m tests.cohorts._seattle_sales DATA

The data set has days and prices alone. *Supplied* are: the hour of a sale (midnight in Seattle), when its deed was recorded (seven days
later; sales of one day in the order of their numbers), and the market reports (the first of each month, of the 90 days before, made from
the sales themselves).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RECORDED_AFTER = pd.Timedelta(days=7)
REPORTED = pd.Timedelta(days=90)
CITY = "CITY"
USE_TYPES = ("sfr", "townhouse")
PARCEL = [
    "area",
    "use_type",
    "lot_sf",
    "tot_sf",
    "wfnt",
    "bldg_grade",
    "beds",
    "baths",
    "year_built",
    "latitude",
    "longitude",
]
# fmt: off
MEASURED: dict[str, Any] = {"townhouses": 0.2036,
 "waterfront": 0.0059,
 "growth_a_year": 0.1109,
 "log_price_sf_sd": 0.2679,
 "city": {"log_price_2016": 13.3455, "log_price_sf_2016": 5.9915, "sales_in_90_days": 1613},
 "use_types": {"sfr": {"log_lot_sf_mean": 8.5763,
                       "log_lot_sf_sd": 0.4215,
                       "log_tot_sf_mean": 7.4917,
                       "log_tot_sf_sd": 0.4331,
                       "bldg_grade_mean": 7.467,
                       "bldg_grade_sd": 1.074,
                       "beds_mean": 3.2584,
                       "beds_sd": 0.9608,
                       "baths_mean": 1.9719,
                       "baths_sd": 0.8199,
                       "year_built_mean": 1946.2807,
                       "year_built_sd": 31.2636},
               "townhouse": {"log_lot_sf_mean": 7.1908,
                             "log_lot_sf_sd": 0.3162,
                             "log_tot_sf_mean": 7.2549,
                             "log_tot_sf_sd": 0.2136,
                             "bldg_grade_mean": 7.9849,
                             "bldg_grade_sd": 0.7021,
                             "beds_mean": 2.7014,
                             "beds_sd": 0.5302,
                             "baths_mean": 2.3151,
                             "baths_sd": 0.5682,
                             "year_built_mean": 2007.469,
                             "year_built_sd": 10.3189}},
 "areas": {"6": {"latitude": 47.7066,
                 "latitude_sd": 0.0133,
                 "longitude": -122.3466,
                 "longitude_sd": 0.011,
                 "log_price_2016": 13.125,
                 "log_price_sf_2016": 5.8917,
                 "sales_in_90_days": 110},
           "15": {"latitude": 47.6088,
                  "latitude_sd": 0.0098,
                  "longitude": -122.3027,
                  "longitude_sd": 0.0071,
                  "log_price_2016": 13.3975,
                  "log_price_sf_2016": 6.1048,
                  "sales_in_90_days": 115},
           "12": {"latitude": 47.639,
                  "latitude_sd": 0.0064,
                  "longitude": -122.3577,
                  "longitude_sd": 0.0132,
                  "log_price_2016": 13.714,
                  "log_price_sf_2016": 6.2087,
                  "sales_in_90_days": 81},
           "11": {"latitude": 47.6484,
                  "latitude_sd": 0.008,
                  "longitude": -122.3979,
                  "longitude_sd": 0.009,
                  "log_price_2016": 13.5606,
                  "log_price_sf_2016": 6.0832,
                  "sales_in_90_days": 71},
           "19": {"latitude": 47.6792,
                  "latitude_sd": 0.0068,
                  "longitude": -122.3864,
                  "longitude_sd": 0.0063,
                  "log_price_2016": 13.4203,
                  "log_price_sf_2016": 6.116,
                  "sales_in_90_days": 82},
           "77": {"latitude": 47.5318,
                  "latitude_sd": 0.009,
                  "longitude": -122.3633,
                  "longitude_sd": 0.0098,
                  "log_price_2016": 12.8991,
                  "log_price_sf_2016": 5.6835,
                  "sales_in_90_days": 84}}}
# fmt: on


def read(data: Path) -> pd.DataFrame:
    """The sales in DATA/seattle_sales, in order of time; with `sold_at`, `recorded_at` and `year_built`."""
    texts = dict.fromkeys(("pinx", "sale_id", "area", "use_type"), str)
    sales = pd.read_csv(data / "seattle_sales" / "sales.csv.gz", dtype=texts, parse_dates=["sale_date"])
    sales["number"] = sales["sale_id"].str.rpartition(".")[2].astype(int)
    sales = sales.sort_values(["sale_date", "number"], kind="stable").reset_index(drop=True)
    sales["sold_at"] = sales["sale_date"].dt.tz_localize("America/Los_Angeles")
    later = sales.groupby(["pinx", "sale_date"]).cumcount()
    sales["recorded_at"] = sales["sold_at"] + RECORDED_AFTER + pd.to_timedelta(later, unit="h")
    sales["year_built"] = sales["sale_date"].dt.year - sales["age"]
    return sales


def parcels(sales: pd.DataFrame) -> pd.DataFrame:
    """One row per parcel, with its characteristics; without `eff_age`, which tells later remodellings to earlier sales."""
    found = sales.drop_duplicates("pinx", keep="last").sort_values("pinx")
    return found[["pinx", *PARCEL]].rename(columns={"pinx": "parcel", "wfnt": "waterfront"})


def markets(sales: pd.DataFrame) -> pd.DataFrame:
    """The market reports: of each area, and of the city, on the first of each month; of sales recorded in the 90 days before."""
    priced = sales.assign(price_sf=sales["sale_price"] / sales["tot_sf"]).dropna(subset=["recorded_at", "price_sf"])
    both = pd.concat([priced, priced.assign(area=CITY)])
    rows = []
    for day in pd.date_range("2010-02-01", "2017-01-01", freq="MS", tz="America/Los_Angeles"):
        known = both[(both["recorded_at"] <= day) & (both["recorded_at"] > day - REPORTED)]
        each = known.groupby("area").agg(
            median_price=("sale_price", "median"), median_price_sf=("price_sf", "median"), sales=("sale_price", "size")
        )
        rows.append(each.reset_index().assign(reported_at=day))
    found = pd.concat(rows)[["area", "reported_at", "median_price", "median_price_sf", "sales"]]
    return found.round({"median_price": 0, "median_price_sf": 2})


def sample_markets(rng: np.random.Generator) -> pd.DataFrame:
    """Market reports of the sample's areas and of the city, 2014 to 2016: the level of 2016, less its growth until then."""
    rows = []
    for day in pd.date_range("2014-01-01", "2017-01-01", freq="MS", tz="America/Los_Angeles"):
        years = (day - pd.Timestamp("2016-07-01", tz="America/Los_Angeles")).days / 365.25
        for area, facts in [*MEASURED["areas"].items(), (CITY, MEASURED["city"])]:
            level = np.exp(MEASURED["growth_a_year"] * years + rng.normal(scale=0.02))
            price, price_sf = np.exp(facts["log_price_2016"]) * level, np.exp(facts["log_price_sf_2016"]) * level
            rows.append((area, day, price, price_sf, rng.poisson(facts["sales_in_90_days"])))
    found = pd.DataFrame(rows, columns=["area", "reported_at", "median_price", "median_price_sf", "sales"])
    return found.round({"median_price": 0, "median_price_sf": 2})


def sample(rng: np.random.Generator, *, houses: int) -> pd.DataFrame:
    """Sales of `houses` houses that never stood, in the form of `read`: six areas, 2014 to 2016, one house in four sold twice."""
    area = rng.choice(sorted(MEASURED["areas"]), size=houses)
    use = np.where(rng.random(houses) < MEASURED["townhouses"], "townhouse", "sfr")
    of_area = pd.DataFrame(MEASURED["areas"]).T.loc[area].reset_index(drop=True)
    of_use = pd.DataFrame(MEASURED["use_types"]).T.loc[use].reset_index(drop=True)

    def drawn(name: str) -> Any:
        return of_use[f"{name}_mean"] + of_use[f"{name}_sd"] * rng.standard_normal(houses)

    table = pd.DataFrame(
        {
            "pinx": [f"{number:010d}" for number in rng.choice(9_999_999_999, size=houses, replace=False)],
            "area": area,
            "use_type": use,
            "lot_sf": np.exp(drawn("log_lot_sf")).round(),
            "tot_sf": np.exp(drawn("log_tot_sf")).clip(420, 8000).round(-1),
            "wfnt": (rng.random(houses) < MEASURED["waterfront"]).astype(float),
            "bldg_grade": drawn("bldg_grade").clip(4, 12).round(),
            "beds": drawn("beds").clip(1, 7).round(),
            "baths": (drawn("baths").clip(1, 5) * 4).round() / 4,
            "year_built": drawn("year_built").clip(1900, 2013).round(),
            "latitude": (of_area["latitude"] + of_area["latitude_sd"] * rng.standard_normal(houses)).clip(47.50, 47.73),
            "longitude": (of_area["longitude"] + of_area["longitude_sd"] * rng.standard_normal(houses)).clip(
                -122.41, -122.24
            ),
        }
    ).round({"latitude": 5, "longitude": 5})
    day = rng.integers(0, 1090, size=houses)
    again = np.flatnonzero((rng.random(houses) < 0.25) & (day < 700))
    table = pd.concat([table, table.loc[again]], ignore_index=True)
    of_area = pd.concat([of_area, of_area.loc[again]], ignore_index=True)
    day = np.concatenate([day, day[again] + rng.integers(200, 390, size=len(again))])
    table["sale_date"] = pd.Timestamp("2014-01-01") + pd.to_timedelta(day, unit="D")
    growth = MEASURED["growth_a_year"] * (day / 365.25 - 2.5)
    level = of_area["log_price_sf_2016"] + growth + MEASURED["log_price_sf_sd"] * rng.standard_normal(len(table))
    table["sale_price"] = (np.exp(level) * table["tot_sf"]).clip(150_000, 5_000_000).round(-3)
    table = table.sort_values("sale_date", kind="stable").reset_index(drop=True)
    table["sale_id"] = [f"{year}..{place + 1}" for place, year in enumerate(table["sale_date"].dt.year)]
    table["sold_at"] = table["sale_date"].dt.tz_localize("America/Los_Angeles")
    table["recorded_at"] = table["sold_at"] + RECORDED_AFTER
    return table


def measure(data: Path) -> dict[str, Any]:
    """The facts that the sample is made from: means, spreads and shares of the real sales."""
    sales = read(data)
    logs = pd.DataFrame({f"log_{name}": np.log(sales[name]) for name in ("lot_sf", "tot_sf")})
    sales = sales.assign(
        **logs, log_price_sf=np.log(sales["sale_price"] / sales["tot_sf"]), log_price=np.log(sales["sale_price"])
    )
    lately = sales[sales["sale_date"] >= "2016"]
    largest = sales["area"].value_counts().index[:6]
    names = ("log_lot_sf", "log_tot_sf", "bldg_grade", "beds", "baths", "year_built")
    yearly = sales.groupby(sales["sale_date"].dt.year)["log_price_sf"].median()

    def market(rows: pd.DataFrame) -> dict[str, float]:
        return {
            "log_price_2016": round(float(rows["log_price"].median()), 4),
            "log_price_sf_2016": round(float(rows["log_price_sf"].median()), 4),
            "sales_in_90_days": round(len(rows) * 90 / 365),
        }

    def facts(rows: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, float]:
        return {
            f"{name}_{what}": round(float(getattr(rows[name], how)()), 4)
            for name in columns
            for what, how in (("mean", "mean"), ("sd", "std"))
        }

    return {
        "townhouses": round(float((sales["use_type"] == "townhouse").mean()), 4),
        "waterfront": round(float(sales["wfnt"].mean()), 4),
        "growth_a_year": round(float((yearly[2016] - yearly[2013]) / 3), 4),
        "log_price_sf_sd": round(
            float(
                (lately["log_price_sf"] - lately.groupby(["area", "use_type"])["log_price_sf"].transform("mean")).std()
            ),
            4,
        ),
        "city": market(lately),
        "use_types": {use: facts(sales[sales["use_type"] == use], names) for use in USE_TYPES},
        "areas": {
            area: {
                "latitude": round(float(rows["latitude"].mean()), 4),
                "latitude_sd": round(float(rows["latitude"].std()), 4),
                "longitude": round(float(rows["longitude"].mean()), 4),
                "longitude_sd": round(float(rows["longitude"].std()), 4),
                **market(lately[lately["area"] == area]),
            }
            for area, rows in ((each, sales[sales["area"] == each]) for each in largest)
        },
    }


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1])), indent=4))
