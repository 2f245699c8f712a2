"""The guide's way: the sepsis guide's database pattern, as its user would write it today.

pandas.read_sql of the observations of visits without a score, groupby and unstack into features, predict_proba, DataFrame.to_sql into a
table of predictions, and one UPDATE for each visit, all of them in one transaction.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import create_engine, text

from scorer.jobs.features import feature_names
from tests.benchmarks.task import AS_OF, Task

OBSERVATIONS = """
    SELECT
        visit_id, client, observation_date, observation_type_code, observation_value, reference_range_min, reference_range_max
    FROM patient_observations
    WHERE visit_id IN (SELECT visit_id FROM visits WHERE sepsis_score IS NULL)
      AND observation_date <= %(as_of)s"""
VISITS = """
    SELECT visit_id, admitted_at, age_years, sex, unit, hours_before_icu
    FROM visits
    WHERE sepsis_score IS NULL"""
UPDATE = """
    UPDATE visits
    SET sepsis_score = :score, risk_level = :risk_level, scored_at = :scored_at
    WHERE visit_id = :visit_id"""


class Contestant:
    """A DatabasePredictor, as the guide calls it; its model is loaded before the clock starts."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.model = task.model
        self.columns = feature_names(task.job.features)

    def ready(self, url: str) -> None:
        """An engine."""
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://", 1))

    def run(self) -> None:
        """Process the pending visits."""
        observations = pd.read_sql(OBSERVATIONS, self.engine, params={"as_of": AS_OF})
        visits = pd.read_sql(VISITS, self.engine, index_col="visit_id")
        rows = features(observations, visits, columns=self.columns)

        predictions = pd.DataFrame({"visit_id": rows.index})
        predictions["sepsis_probability"] = self.model.predict_proba(rows.to_numpy())[:, 1]
        predictions["risk_level"] = self._risk_levels(predictions["sepsis_probability"])
        predictions["scored_at"] = pd.Timestamp.now(tz="UTC")
        predictions.to_sql("sepsis_predictions", self.engine, if_exists="append", index=False)

        with self.engine.begin() as connection:
            for _, row in predictions.iterrows():
                connection.execute(
                    text(UPDATE),
                    {
                        "score": row["sepsis_probability"],
                        "risk_level": row["risk_level"],
                        "scored_at": row["scored_at"],
                        "visit_id": row["visit_id"],
                    },
                )

    def _risk_levels(self, score: Any) -> Any:
        names = [name for name, _ in self.task.limits]
        return np.select([score > limit for _, limit in self.task.limits], names, default=self.task.lowest)

    def done(self) -> dict[str, object]:
        """Nothing to tell beside the time."""
        self.engine.dispose()
        return {}

    def close(self) -> None:
        """Nothing is left."""


def features(observations: Any, visits: Any, *, columns: tuple[str, ...]) -> Any:
    """A row per visit, in the order of the model's columns."""
    observations = observations.sort_values(["visit_id", "observation_date", "observation_value"])
    by_code = observations.groupby(["visit_id", "observation_type_code"])
    stay = by_code["observation_value"].agg(["last", "mean", "std", "count"])
    stay["hours_since"] = (AS_OF - by_code["observation_date"].last()) / pd.Timedelta(hours=1)
    recent = observations[observations["observation_date"] > AS_OF - timedelta(hours=6)]
    recent = recent.groupby(["visit_id", "observation_type_code"])["observation_value"].agg(["min", "max", "mean"])

    table = pd.concat([_wide(stay, window="stay"), _wide(recent, window="6h")], axis="columns")
    table = table.reindex(index=visits.index)
    table["age_years"] = visits["age_years"]
    table["hours_before_icu"] = visits["hours_before_icu"]
    table["hours_since_admitted_at"] = (AS_OF - visits["admitted_at"]) / pd.Timedelta(hours=1)
    for column, values in (("sex", ["F", "M"]), ("unit", ["MICU", "SICU"])):
        for value in values:
            table[f"{column}={value}"] = (visits[column] == value).where(visits[column].isin(values))
    table = table.reindex(columns=list(columns)).astype("float64")
    counts = [column for column in columns if "_count_" in column]
    table[counts] = table[counts].fillna(0)
    return table


def _wide(statistics: Any, *, window: str) -> Any:
    wide = statistics.unstack("observation_type_code")
    wide.columns = [f"{code}_{statistic}_{window}" for statistic, code in wide.columns]
    return wide
