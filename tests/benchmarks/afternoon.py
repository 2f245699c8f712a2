"""A good engineer's afternoon: Polars over an Arrow driver, everything vectorised; no validation, no ledger.

Observations come by binary COPY (adbc), are reduced in one lazy group_by on all cores, and predicted at once; results go back by COPY into
a staging table and one UPDATE from it. Reading by two
sessions at once, and prediction in two threads, brought nothing here.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi
import numpy as np
import polars as pl
import psycopg2

from scorer.jobs.features import feature_names
from tests.benchmarks.task import AS_OF, Task

OBSERVATIONS = """
    SELECT o.visit_id, o.observation_type_code AS code, o.observation_date AS at, o.observation_value AS value
    FROM patient_observations AS o
    JOIN visits AS v USING (visit_id)
    WHERE v.{visits}
      AND o.visit_id >= {first}
      AND o.visit_id < {end}
      AND o.observation_date <= '{as_of}'"""
VISITS = """
    SELECT visit_id, admitted_at, age_years, sex, unit, hours_before_icu
    FROM visits
    WHERE {visits}
      AND visit_id >= {first}
      AND visit_id < {end}
    ORDER BY visit_id"""
UPDATE = """
    UPDATE visits AS v
    SET sepsis_score = s.score, risk_level = s.risk_level, scored_at = now()
    FROM staging AS s
    WHERE v.visit_id = s.visit_id"""


class Contestant:
    """Reads, builds, predicts and writes all at once; its model is loaded before the clock starts."""

    visits = "sepsis_score IS NULL"  # who is scored

    def __init__(self, task: Task) -> None:
        self.task, self.as_of = task, AS_OF
        self.model = task.model
        self.columns = feature_names(task.job.features)

    def ready(self, url: str) -> None:
        """Nothing but the address: sessions are opened as they are needed."""
        self.url = url

    def run(self, *, first: int = 0, end: int = 2**62) -> None:
        """Score all from `first` to before `end`."""
        visit_range = {"visits": self.visits, "as_of": self.as_of.isoformat(), "first": first, "end": end}
        with adbc_driver_postgresql.dbapi.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.execute(OBSERVATIONS.format(**visit_range))
            observations = pl.from_arrow(cursor.fetch_arrow_table())
            cursor.execute(VISITS.format(**visit_range))
            visits = pl.from_arrow(cursor.fetch_arrow_table())
        rows = features(observations, visits, columns=self.columns, as_of=self.as_of)
        score = self.model.predict_proba(rows)[:, 1]
        write(self.url, visits, score, task=self.task)

    def done(self) -> dict[str, object]:
        """Nothing to tell beside the time."""
        return {}

    def close(self) -> None:
        """Nothing is left."""


def features(observations: Any, visits: Any, *, columns: tuple[str, ...], as_of: datetime = AS_OF) -> Any:
    """The matrix of the visits, (visits, columns), in their order."""
    value, recent = pl.col("value"), pl.col("recent")
    table = (
        observations.lazy()
        .with_columns(
            pl.col("code").cast(pl.Categorical),
            pl.when(pl.col("at") > as_of - timedelta(hours=6)).then(value).alias("recent"),
        )
        .sort("visit_id", "at", "value")
        .group_by("visit_id", "code")
        .agg(
            value.last().alias("last_stay"),
            value.mean().alias("mean_stay"),
            value.std().alias("std_stay"),
            pl.len().cast(pl.Float64).alias("count_stay"),
            ((pl.lit(as_of) - pl.col("at").last()).dt.total_microseconds() / 3.6e9).alias("hours_since_stay"),
            recent.min().alias("min_6h"),
            recent.max().alias("max_6h"),
            recent.mean().alias("mean_6h"),
        )
        .collect()
    )
    matrix = np.full((len(visits), len(columns)), np.nan)
    place = {name: column for column, name in enumerate(columns)}
    matrix[:, [column for name, column in place.items() if "_count_" in name]] = 0.0
    ids = visits["visit_id"].to_numpy()
    for (code,), part in table.partition_by("code", as_dict=True).items():
        row = np.searchsorted(ids, part["visit_id"].to_numpy())
        for statistic in part.columns[2:]:
            if f"{code}_{statistic}" in place:
                matrix[row, place[f"{code}_{statistic}"]] = part[statistic].to_numpy()
    for name, each in attributes(visits, as_of=as_of).items():
        matrix[:, place[name]] = each
    return matrix


def attributes(visits: Any, *, as_of: datetime) -> dict[str, Any]:
    """What is known of the visits themselves, by column."""
    hours = (pl.lit(as_of) - pl.col("admitted_at")).dt.total_microseconds() / 3.6e9
    known = visits.select(
        "age_years",
        "hours_before_icu",
        hours.alias("hours_since_admitted_at"),
        *(
            pl.when(pl.col(column).is_in(values))
            .then((pl.col(column) == value).cast(pl.Float64))
            .alias(f"{column}={value}")
            for column, values in (("sex", ["F", "M"]), ("unit", ["MICU", "SICU"]))
            for value in values
        ),
    )
    return {name: known[name].to_numpy() for name in known.columns}


def write(url: str, visits: Any, score: Any, *, task: Task) -> None:
    """COPY into a staging table, and one UPDATE from it."""
    band = pl.lit(task.lowest)
    for name, limit in reversed(task.limits):
        band = pl.when(pl.col("score") > limit).then(pl.lit(name)).otherwise(band)
    rows = pl.DataFrame({"visit_id": visits["visit_id"], "score": score}).with_columns(band.alias("risk_level"))
    text = io.BytesIO()
    rows.write_csv(text, include_header=False)
    text.seek(0)
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "CREATE TEMPORARY TABLE staging (visit_id bigint, score float8, risk_level text) ON COMMIT DROP"
            )
            cursor.copy_expert("COPY staging FROM STDIN WITH (FORMAT csv)", text)
            cursor.execute("ANALYZE staging")
            cursor.execute(UPDATE)
    finally:
        connection.close()
