"""A small job of each task over plain tables: customers of a shop, their events, and what came true of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import Landmarks, read_landmarks
from scorer.governance.promotion import Promoted, promote
from scorer.jobs.job import Job, Task, load_job
from scorer.registry import registration
from scorer.training.trainer import Trained, train

PASSWORD = "only-for-tests"
CUSTOMERS, WEEKS = 90, 4
STATEMENTS = {
    "due": """
SELECT c.customer AS entity_id, CAST(:as_of AS timestamptz) AS as_of, false AS settled
FROM shop.customers AS c
WHERE c.since <= :as_of
""",
    "observations": """
SELECT k.position, e.event_id AS observation_id, e.at AS observation_date, e.what AS observation_type_code,
    e.amount AS observation_value, CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max, e.at AS known_from
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN shop.events AS e ON e.customer = k.entity_id
WHERE e.at <= k.as_of
""",
    "landmarks": """
SELECT o.customer AS entity_id, o.customer AS cohort, o.as_of, o.{column} AS label
FROM shop.outcomes AS o
""",
    "outcomes_known": """
SELECT k.position, o.{column} AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN shop.outcomes AS o ON o.customer = k.entity_id AND o.as_of = k.as_of
""",
    "grants": "GRANT USAGE ON SCHEMA shop TO scorer_worker; GRANT SELECT ON ALL TABLES IN SCHEMA shop TO scorer_worker;",
}
TOML = """
entity = "customer"
task = "{task}"
valid_for = "7 days"
due_again = "change"
{top}
[schedule]
cron = "0 6 * * *"
[statements]
due = "due.sql"
observations = "observations.sql"
landmarks = "landmarks.sql"
outcomes_known = "outcomes_known.sql"
grants = "grants.sql"
[codes]
SPENT = {{ unit = "EUR", plausible = [-1000, 1000] }}
VISITS = {{ unit = "count", plausible = [0, 1000] }}
[features]
[[features.groups]]
name = "all"
codes = ["SPENT", "VISITS"]
statistics = ["last", "mean"]
windows = ["stay"]
[training]
parameters = {{ trees = 30, min_child_samples = 5 }}
[monitoring]
min_entities = 20
{rest}
"""
BANDS = {
    Task.BINARY: '[bands]\nlowest = "LOW"\nabove = { HIGH = 0.5 }',
    Task.MULTICLASS: '[bands]\nclass = "loyal"\nlowest = "LOW"\nabove = { HIGH = 0.5 }',
    Task.REGRESSION: '[bands]\nlowest = "LOW"\nabove = { HIGH = 12 }',
}
COLUMNS = {Task.BINARY: "bought", Task.MULTICLASS: "kind", Task.REGRESSION: "amount"}


@dataclass
class Shop:
    """A database with the shop's tables, and the jobs over them."""

    hospital: Any
    jobs: Path

    def job(self, task: Task, *, top: str = "", rest: str = "") -> Job:
        """Write the job of a task and load it."""
        name = f"shop_{task.value}"
        folder = self.jobs / "sql" / name
        folder.mkdir(parents=True, exist_ok=True)
        for statement, text in STATEMENTS.items():
            (folder / f"{statement}.sql").write_text(text.replace("{column}", COLUMNS[task]))
        configuration = "" if task is not Task.BINARY else 'configuration = "lightgbm small"\n'
        text = TOML.format(task=task.value, top=top, rest=f"{BANDS[task]}\n{rest}")
        (folder / "job.toml").write_text(text.replace("[training]\n", f"[training]\n{configuration}"))
        suites = self.jobs / "expectations" / name
        suites.mkdir(parents=True, exist_ok=True)
        for suite in ("observations", "features", "scores"):
            (suites / f"{suite}.json").write_text(json.dumps({"name": f"{name}.{suite}", "expectations": []}))
        job = load_job(name, jobs_dir=self.jobs)
        registration.grant_source(database=self.database)
        return job

    @property
    def settings(self) -> Settings:
        """The settings, with the shop's jobs."""
        return Settings(home=self.hospital.settings.home, jobs_dir=self.jobs)

    @property
    def database(self) -> Database:
        """The database as its owner reaches it."""
        return Database(self.hospital.url, self.settings)

    def landmarks(self, job: Job) -> Landmarks:
        """The landmarks of a job."""
        with closing(Source(Target.of(self.hospital.url, self.settings, role="scorer_worker"))) as source:
            return read_landmarks(job, source)

    def train(self, job: Job, *, version: str = "v1", **recipe: Any) -> Trained:
        """Train the job's recipe and register the version."""
        trained = train(
            job,
            self.landmarks(job),
            replace(job.training, **recipe),
            models=self.settings.home_dir / "models",
            model_version=version,
            folds=3,
            workers=1,
        )
        with closing(Session(self.database.as_worker())) as session, session.transaction():
            registration.register(job, trained.folder, session)
        return trained

    def promote(self, job: Job, *, version: str = "v1") -> Promoted:
        """Promote a version by another login than the one that registered it, with all that the registry asks for."""
        self.hospital.execute(
            f"DO $$ BEGIN CREATE ROLE shop_bob LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_worker, scorer_approver; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        fields = (
            "intended_use out_of_scope training_data performance subgroups limits ethical_considerations owner contact"
        )
        self.hospital.execute(
            "INSERT INTO scorer.model_cards (job, model_version, card) VALUES (%s, %s, %s)",
            job.name,
            version,
            json.dumps(dict.fromkeys(fields.split(), "said")),
        )
        url = re.sub(r"//\w+@", f"//shop_bob:{PASSWORD}@", self.hospital.url)
        return promote(job, version, why="a test", database=Database(url, self.settings))

    def run(self, job: Job, **arguments: Any) -> Any:
        """A run of the job as of noon."""
        self.hospital.settings = self.settings
        return self.hospital.run(job, **arguments)


def _fill(hospital: Any) -> None:
    hospital.execute(
        """
        CREATE SCHEMA shop;
        CREATE TABLE shop.customers (customer text PRIMARY KEY, since timestamptz);
        CREATE TABLE shop.events (
            event_id bigint GENERATED ALWAYS AS IDENTITY, customer text, at timestamptz, what text, amount double precision);
        CREATE TABLE shop.outcomes (customer text, as_of timestamptz, bought integer, kind text, amount double precision)
        """
    )
    random = np.random.default_rng(4)
    for number in range(CUSTOMERS):
        name, level = f"customer {number}", random.normal(scale=2)
        hospital.execute("INSERT INTO shop.customers VALUES (%s, %s)", name, hospital.noon - timedelta(days=100))
        for week in range(WEEKS + 1):
            at = hospital.noon - timedelta(days=7 * (WEEKS - week))
            spent, visits = level + random.normal(scale=2), float(random.integers(0, 5))
            events = "INSERT INTO shop.events (customer, at, what, amount) VALUES (%s, %s, %s, %s)"
            hospital.execute(events, name, at - timedelta(hours=1), "SPENT", spent)
            hospital.execute(events, name, at - timedelta(hours=2), "VISITS", visits)
            amount = 10 + 2 * spent + visits + random.normal(scale=0.5 + abs(spent) / 4)
            kind = ("lost", "new", "loyal")[
                int(np.argmax(np.array([-2 * spent, 1.0, 2 * spent]) + random.gumbel(size=3)))
            ]
            hospital.execute(
                "INSERT INTO shop.outcomes VALUES (%s, %s, %s, %s, %s)",
                name,
                at,
                int(spent + random.normal() > 0),
                kind,
                amount,
            )


@pytest.fixture
def shop(hospital: Any, tmp_path: Path) -> Shop:
    """A shop of 90 customers with five weekly outcomes each."""
    _fill(hospital)
    return Shop(hospital, tmp_path / "jobs")


@pytest.fixture
def shopped() -> Callable[[Shop, Task], Job]:
    """Makes a job of a task, with a model trained, promoted and run once."""

    def make(shop: Shop, task: Task) -> Job:
        job = shop.job(task)
        shop.train(job)
        shop.promote(job)
        shop.run(job)
        return job

    return make
