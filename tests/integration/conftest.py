"""What the tests of whole runs share: a hospital to fill and score, a job to change, and models made on the spot."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.source.load import load
from scorer.database.source.reader import Source
from scorer.database.store.models import register_model
from scorer.jobs.features import feature_names
from scorer.jobs.folder.example import write_example
from scorer.jobs.folder.new import make
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import MEANING, Job, Task, load_job
from scorer.registry.ensemble import Ensemble, Linear
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries
from scorer.registry.registration import grant_source
from scorer.runs.requests import RequestAnswering
from scorer.runs.run import Ended, run_job
from scorer.runs.worker import Hooks
from tests.integration.weeks import live

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
# The first hours of a clean visit: enough of it to be scored, and no two visits alike.
VITALS = (("HR", 80.0, 60, 100), ("SBP", 120.0, 90, 140), ("TEMP", 36.8, 36, 38), ("RR", 16.0, 12, 20))


@dataclass
class Hospital:
    """A hospital's database, and the runs that score it as of NOON unless another time is said."""

    url: str
    settings: Settings
    job: Job
    noon: datetime = NOON
    _connection: Any = field(default=None, repr=False)

    def connect(self) -> Any:
        """A session of its own, for what must stand open beside the others."""
        return psycopg2.connect(self.url, options="-c TimeZone=UTC")

    def execute(self, sql: str, *parameters: object) -> None:
        """Run a statement, committed at once."""
        with self._cursor() as cursor:
            cursor.execute(sql, parameters or None)

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    def one(self, sql: str, *parameters: object) -> Any:
        """The one value of a query."""
        ((value,),) = self.rows(sql, *parameters)
        return value

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()

    def _cursor(self) -> Any:
        if self._connection is None:
            self._connection = self.connect()
            self._connection.autocommit = True
        return self._connection.cursor()

    def admit(self, *visit_ids: int, observations: int = 8, **columns: object) -> None:
        """Visits admitted ten hours before noon, each with its clean observations, one each hour from then on."""
        for visit_id in visit_ids:
            row = {
                "visit_id": visit_id,
                "client": f"C{visit_id}",
                "admitted_at": self.noon - timedelta(hours=10),
                "age_years": 40.0 + visit_id % 50,
                "sex": "FM"[visit_id % 2],
                "unit": "MICU",
                "hours_before_icu": 3.0,
            } | columns
            self._insert("visits", row)
            for number in range(observations):
                code, value, low, high = VITALS[number % len(VITALS)]
                self.observe(
                    visit_id,
                    hours_ago=9 - number,
                    observation_type_code=code,
                    observation_value=value + number + (visit_id % 13) / 4,
                    reference_range_min=low,
                    reference_range_max=high,
                )

    def observe(self, visit_id: int | None, *, hours_ago: float = 1, **columns: object) -> int:
        """One observation, a clean one but for `columns`; its key."""
        moment = self.noon - timedelta(hours=hours_ago)
        row = {
            "visit_id": visit_id,
            "client": f"C{visit_id}",
            "observation_date": moment,
            "observation_type_code": "HR",
            "observation_value": 75.5,
            "reference_range_min": 60.0,
            "reference_range_max": 100.0,
            "recorded_at": min(moment, self.noon),
        } | columns
        return int(self._insert("patient_observations", row, returning="observation_id"))

    def _insert(self, table: str, row: dict[str, object], *, returning: str = "visit_id") -> Any:
        places = ", ".join(["%s"] * len(row))
        return self.one(
            f"INSERT INTO public.{table} ({', '.join(row)}) VALUES ({places}) RETURNING {returning}", *row.values()
        )

    def run(
        self,
        job: Job | None = None,
        *,
        as_of: datetime | None = None,
        watch: Callable[[str], object] | None = None,
        **arguments: Any,
    ) -> Ended:
        """One run, whose counts balance in what it gives and in its row; `watch` is called with each step."""
        ended = run_job(
            job or self.job,
            database=Database(self.url, self.settings),
            as_of=as_of or self.noon,
            hooks=Hooks(watch=watch),
            **arguments,
        )
        assert ended.counts.balanced
        columns = "eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed"
        ((status, *counts),) = self.rows(
            f"SELECT status, {columns} FROM reporting.runs WHERE run_id = %s", ended.run_id
        )
        assert status == "succeeded"
        assert counts == [getattr(ended.counts, name) for name in columns.split(", ")]
        assert self.one("SELECT count(*) FROM scorer.work") == 0
        return ended

    def status(self, entity_id: object) -> tuple[str, str | None]:
        """How an entity ended when it was last judged, and why."""
        ((status, reason),) = self.rows(
            "SELECT status, reason FROM reporting.current_scores WHERE entity_id = %s", str(entity_id)
        )
        return status, reason

    def statuses(self) -> dict[str, str]:
        """The status of each entity that has one."""
        return dict(self.rows("SELECT entity_id, status FROM reporting.current_scores"))

    def scores(self) -> dict[str, float]:
        """The newest score of each entity that has one."""
        return dict(self.rows("SELECT entity_id, score FROM reporting.current_scores WHERE score IS NOT NULL"))

    def ledger(self, entity_id: object) -> list[str]:
        """The statuses of an entity's ledger rows, oldest first."""
        return [
            status
            for (status,) in self.rows(
                "SELECT status FROM reporting.score_history WHERE entity_id = %s ORDER BY score_id", str(entity_id)
            )
        ]

    def open_findings(self, entity_id: object = None) -> list[tuple[Any, ...]]:
        """(entity_id, rule, action, observation_id, observed) of what is open, of one entity or of all."""
        return self.rows(
            "SELECT entity_id, rule, action, observation_id, observed FROM reporting.quarantine "
            "WHERE resolved_at IS NULL AND entity_id = COALESCE(%s, entity_id) ORDER BY entity_id, rule, observation_id",
            None if entity_id is None else str(entity_id),
        )

    def last_run(self) -> tuple[Any, ...]:
        """(status, error, eligible, scored) of the newest run."""
        (row,) = self.rows("SELECT status, error, eligible, scored FROM reporting.runs ORDER BY run_id DESC LIMIT 1")
        return row

    def ask(self, *entities: object, job: str = "sepsis", priority: int = 0) -> list[int]:
        """Request scores; the keys of the requests, one for each entity, in order."""
        return [
            self.one(
                "INSERT INTO scorer.requests (job, entity_id, priority) VALUES (%s, %s, %s) RETURNING request_id",
                job,
                str(entity),
                priority,
            )
            for entity in entities
        ]

    def answers(self, *requests: int) -> list[tuple[Any, ...]]:
        """(status, outcome) of each request, in order."""
        found = {
            request_id: (status, outcome)
            for request_id, status, outcome in self.rows("SELECT request_id, status, outcome FROM reporting.requests")
        }
        return [found[each] for each in requests]

    def under_another_name(self, job: Job) -> Job:
        """The same job, called "other", with the same model in production."""
        other = replace(job, name="other")
        (shipped,) = (shipped_root() / "models" / job.name).glob(f"{job.first_model}/manifest.json")
        folder = self.settings.home_dir / "models" / "other" / shipped.parent.name
        shutil.copytree(shipped.parent, folder)
        manifest = json.loads(shipped.read_text(encoding="utf-8")) | {"job": "other"}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        self.put_into_production(other, folder)
        return other

    def put_into_production(self, job: Job, model: Path) -> None:
        """Register the model in a folder, and have it in production, past all that the registry asks for."""
        manifest = json.loads((model / MANIFEST).read_text())
        version = manifest["model_version"]
        store = Session(Target.of(self.url, self.settings, role=None))
        try:
            with store.transaction():
                assert register_model(
                    store, job.name, model_version=version, sha256=manifest["sha256"], manifest=manifest
                )
        finally:
            store.close()
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute("ALTER TABLE scorer.model_versions DISABLE TRIGGER model_versions_step")
            cursor.execute("SELECT set_config('scorer.why', 'a test', true)")
            step = "UPDATE scorer.model_versions SET status = %s, promoted_at = %s WHERE job = %s AND "
            cursor.execute(f"{step} status = 'production'", ("archived", datetime.now(UTC), job.name))
            for status in ("staging", "production"):
                cursor.execute(f"{step} model_version = %s", (status, datetime.now(UTC), job.name, version))
            cursor.execute("ALTER TABLE scorer.model_versions ENABLE TRIGGER model_versions_step")


@pytest.fixture
def hospital(migrated_url: str, tmp_path: Path, sepsis: Job) -> Iterator[Hospital]:
    """An empty hospital, everything in place."""
    made = Hospital(url=migrated_url, settings=Settings(home=tmp_path / "home"), job=sepsis)
    yield made
    made.close()


@pytest.fixture
def source(hospital: Any) -> Iterator[Source]:
    """The hospital's tables, as the worker reads them."""
    opened = Source(Target.of(hospital.url, hospital.settings, role=hospital.settings.worker_role))
    yield opened
    opened.close()


_VISITS = 30
_HEART_RATE = "HR_last_stay"


def _linear(job: Job, *, bias: float = -11.0, **weights: float) -> Ensemble:
    """A model by hand: the last heart rate in twenties from 70, the age, a missing lactate, and what else is asked for."""
    names = feature_names(job.features)
    width = len(names)
    weight, missing, centre, scale = np.zeros(width), np.zeros(width), np.zeros(width), np.ones(width)
    for name, each in {_HEART_RATE: 2.0, "age_years": 0.02, **weights}.items():
        weight[names.index(name)] = each
    centre[names.index(_HEART_RATE)], scale[names.index(_HEART_RATE)] = 70.0, 20.0
    missing[names.index("LACTATE_last_stay")] = 0.25
    member = Linear(centre=centre, scale=scale, weight=weight, missing=missing, bias=bias, limit=1e9)
    return Ensemble([member]).calibrated(slope=1.0, intercept=3.5)


@pytest.fixture
def linear() -> Callable[..., Ensemble]:
    """Makes a model of a job by hand."""
    return _linear


@pytest.fixture
def scored(hospital: Any, make_model: Callable[..., Path]) -> Any:
    """A hospital of 30 visits whose model is made by hand, and where every tenth visit is HIGH."""
    model = make_model(hospital.job, _linear(hospital.job), version="by-hand")
    hospital.put_into_production(hospital.job, model)
    hospital.admit(*range(1, _VISITS + 1))
    for visit in range(10, _VISITS + 1, 10):
        hospital.observe(visit, hours_ago=0.5, observation_value=140.0)
    return hospital


@pytest.fixture(scope="session")
def lived() -> dict[str, str]:
    """The name of the database in which `week` was lived the first time, for all others to copy."""
    return {}


@pytest.fixture
def week(
    request: pytest.FixtureRequest,
    make_database: Callable[[str], str],
    lived: dict[str, str],
    tmp_path: Path,
    sepsis: Job,
) -> Iterator[Hospital]:
    """Some days of a hospital, in a database of the test's own (tests/integration/weeks.py)."""
    if not lived:
        hospital, make_model = (request.getfixturevalue(name) for name in ("hospital", "make_model"))
        hospital.put_into_production(sepsis, make_model(sepsis, _linear(sepsis), version="by-hand", metrics=_METRICS))
        live(hospital)
        name = hospital.one("SELECT current_database()")
        hospital.close()
        lived["database"] = make_database(name).split("?")[0].split("/")[-1]
    made = Hospital(url=make_database(lived["database"]), settings=Settings(home=tmp_path / "home"), job=sepsis)
    made.noon = datetime.now(UTC)
    yield made
    made.close()


_METRICS = {"auroc": {"value": 0.82, "low": 0.8, "high": 0.84}}

# What a card says whose every field is filled.
CARD = dict.fromkeys(
    (
        "intended_use",
        "out_of_scope",
        "training_data",
        "performance",
        "subgroups",
        "limits",
        "ethical_considerations",
        "owner",
        "contact",
    ),
    "for tests alone",
)


@pytest.fixture
def approve() -> Callable[..., None]:
    """Gives (cursor, job, version): put a registered version into production, by what an approver with a login of his own would record."""

    def act(cursor: Any, job: str, version: str) -> None:
        cursor.execute(
            "DO $$ BEGIN CREATE ROLE test_approver LOGIN IN ROLE scorer_approver, scorer_worker; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        cursor.execute(
            "SELECT model_version FROM scorer.model_versions WHERE job = %s AND status = 'production'", (job,)
        )
        present = cursor.fetchone()
        cursor.execute(
            "SELECT sha256, manifest FROM scorer.model_versions WHERE job = %s AND model_version = %s", (job, version)
        )
        sha256, manifest = cursor.fetchone()
        shadow = {"production": present and present[0], "entities": 1}
        golden = {"rows": len(manifest["golden"]["scores"]), "max_difference": 0.0}
        cursor.execute("SET SESSION AUTHORIZATION test_approver")
        cursor.execute(
            "INSERT INTO scorer.model_cards (job, model_version, card) VALUES (%s, %s, %s)",
            (job, version, json.dumps(CARD)),
        )
        for kind, result in (("golden", golden), ("shadow", shadow)):
            cursor.execute(
                "INSERT INTO scorer.model_evidence (job, model_version, sha256, kind, fingerprint, host, result) "
                "VALUES (%s, %s, %s, %s, %s, 'here', %s)",
                (job, version, sha256, kind, json.dumps(manifest["libraries"]), json.dumps(result)),
            )
        for status in ("staging", "production"):
            cursor.execute("SELECT scorer.move_model(%s, %s, %s, 'a test')", (job, version, status))
        cursor.execute("RESET SESSION AUTHORIZATION")

    return act


@pytest.fixture
def changed_job(tmp_path: Path, sepsis: Job) -> Callable[..., Job]:
    """Gives the shipped job with one of its files changed: (file, old, new) as text, or a function of a suite's expectations."""
    folder = tmp_path / "site"

    def change(
        *texts: tuple[str, str, str], suites: dict[str, Callable[[list[dict[str, Any]]], object]] | None = None
    ) -> Job:
        if not folder.exists():
            for kind in ("sql", "expectations"):
                shutil.copytree(shipped_root() / kind / sepsis.name, folder / kind / sepsis.name)
        for name, old, new in texts:
            path = folder / "sql" / sepsis.name / name
            assert old in path.read_text(), f"{old!r} is not in {name}"
            path.write_text(path.read_text().replace(old, new))
        for name, alter in (suites or {}).items():
            path = folder / "expectations" / sepsis.name / f"{name}.json"
            suite = json.loads(path.read_text())
            alter(suite["expectations"])
            path.write_text(json.dumps(suite))
        return load_job(sepsis.name, jobs_dir=folder)

    return change


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model version, a fitted estimator and its manifest, where runs look for it; gives its folder."""

    def make(job: Job, estimator: Any, *, version: str, models: Path | None = None, **manifest: Any) -> Path:
        folder = (models or tmp_path / "home" / "models") / job.name / version
        folder.mkdir(parents=True)
        artefact = io.BytesIO()
        joblib.dump(estimator, artefact)
        content = {
            "job": job.name,
            "model_version": version,
            "task": job.task.value,
            "features": list(feature_names(job.features)),
            "sha256": hashlib.sha256(artefact.getvalue()).hexdigest(),
            "libraries": libraries(),
            "meaning": MEANING,
            "score_quantiles": np.linspace(0, 1, 101).tolist(),
            "metrics": {},
        } | manifest
        (folder / ARTEFACT).write_bytes(artefact.getvalue())
        (folder / MANIFEST).write_text(json.dumps(content))
        return folder

    return make


# Scores on demand


@pytest.fixture
def ward(hospital: Any) -> Any:
    """A hospital whose noon is now, since requests are answered by the database's clock."""
    hospital.noon = datetime.now(UTC)
    return hospital


@pytest.fixture
def open_answering(ward: Any) -> Iterator[Callable[..., RequestAnswering]]:
    """Gives what answers requests for the ward's job, or for others."""
    opened: list[RequestAnswering] = []

    def give(*jobs: Job) -> RequestAnswering:
        opened.append(RequestAnswering(database=Database(ward.url, ward.settings), jobs=jobs or [ward.job]))
        return opened[-1]

    yield give
    for each in opened:
        each.close()


@pytest.fixture
def answering(open_answering: Callable[..., RequestAnswering]) -> RequestAnswering:
    """What answers requests for the ward's job."""
    return open_answering()


# A job of one's own


@dataclass(frozen=True)
class Shop:
    """A job as `scorer job new` makes it, its example loaded."""

    hospital: Hospital
    name: str
    folder: Path

    @property
    def job(self) -> Job:
        """As its files stand."""
        return load_job(self.name, jobs_dir=self.hospital.settings.jobs_dir)

    @property
    def database(self) -> Database:
        """Its database, with the settings that find it."""
        return Database(self.hospital.url, self.hospital.settings)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a text that stands in one of its files."""
        path = self.folder / file
        assert old in path.read_text(), f"{old!r} is not in {file}"
        path.write_text(path.read_text().replace(old, new))

    def model(self, make_model: Callable[..., Path], *, version: str) -> Path:
        """Make a model by hand, one by the number of events. Returns its folder."""
        job, names = self.job, feature_names(self.job.features)
        weight = np.array([0.1 if "_count_" in name else 0.0 for name in names])
        nothing, ones = np.zeros(len(names)), np.ones(len(names))
        member = Linear(centre=nothing, scale=ones, weight=weight, missing=nothing, bias=-2.0, limit=1e9)
        return make_model(job, Ensemble([member]), version=version)

    def promote(self, make_model: Callable[..., Path], *, version: str = "1") -> None:
        """Put a model made by hand into production."""
        self.hospital.put_into_production(self.job, self.model(make_model, version=version))

    def entity(self, *, events: int) -> str:
        """A client with so many events or more."""
        return str(
            self.hospital.one(
                f"SELECT min(client_id::text) FROM (SELECT client_id FROM {self.name}_data.events "
                "GROUP BY 1 HAVING count(*) >= %s) AS busy",
                events,
            )
        )


@pytest.fixture
def open_shop(hospital: Any, tmp_path: Path) -> Callable[..., Shop]:
    """Makes a job from the template, of a name and a task, has it changed, and loads its example."""

    def give(name: str = "shop", task: Task = Task.BINARY, change: Callable[[Shop], object] = lambda _: None) -> Shop:
        jobs_dir = tmp_path / "shops"
        hospital.settings = replace(hospital.settings, jobs_dir=jobs_dir)
        folder = make(name, jobs_dir=jobs_dir, task=task).folder
        write_example(folder / "example", task=task, now=datetime.now(UTC))
        change(Shop(hospital, name, folder))
        with closing(psycopg2.connect(hospital.url)) as connection:
            load(
                folder / "example",
                connection=connection,
                rejects=tmp_path / f"{name}-rejects.csv",
                job_tables=read_tables(name, jobs_dir=jobs_dir),
            )
        assert grant_source(database=Database(hospital.url, hospital.settings))[name] is None
        return Shop(hospital, name, folder)

    return give


@pytest.fixture
def shop(open_shop: Callable[..., Shop]) -> Shop:
    """A binary job as `scorer job new` makes it, its example loaded."""
    return open_shop()


@dataclass
class Hospitals:
    """A hospital of two facilities, whose job publishes which one a visit is of, and who may read or ask; nothing is granted yet.

    Visits 1 to 15 are of north, 16 to 28 of south, 29 and 30 of none that is known; every tenth is HIGH and has reasons.
    """

    hospital: Hospital
    job: Job
    site: Path

    NORTH, SOUTH, UNKNOWN = range(1, 16), range(16, 29), range(29, 31)
    PASSWORD = "only-for-tests"

    def login(self, name: str, *roles: str) -> str:
        """The URL of a login, made where it is missing, that is a member of these roles and of nothing else."""
        given = f" IN ROLE {', '.join(roles)}" if roles else ""
        self.hospital.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN PASSWORD '{self.PASSWORD}'{given}; "
            "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        return re.sub(r"//\w+@", f"//{name}:{self.PASSWORD}@", self.hospital.url)

    def grant(self, login: str, *facilities: str, job: str | None = None) -> None:
        """Have a login see facilities; all, where none is named."""
        self.hospital.execute("SELECT scorer.grant_facilities(%s, %s, %s, false)", login, list(facilities) or None, job)

    def rows(self, url: str, text: str) -> list[tuple[Any, ...]]:
        """What a login gets for a query."""
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture
def hospitals(hospital: Any, changed_job: Callable[..., Job], make_model: Callable[..., Path], tmp_path: Path) -> Any:
    """Two facilities, scored; every table of scores has rows of each."""
    job = changed_job(("job.toml", 'published = ["client"]', 'published = ["client", "facility"]'))
    hospital.put_into_production(job, make_model(job, _linear(job), version="by-hand"))
    made = Hospitals(hospital, job, tmp_path / "site")
    for facility, visits in (("north", made.NORTH), ("south", made.SOUTH), (None, made.UNKNOWN)):
        hospital.admit(*visits, facility=facility)
    for visit in range(10, _VISITS + 1, 10):
        hospital.observe(visit, hours_ago=0.5, observation_value=140.0)
    for visit in (5, 25, 30):
        hospital.observe(visit, observation_value=987.0)
    hospital.run(job)
    for sql in _FILLING:
        hospital.execute(sql)
    return made


# Rows of what one run does not leave: a challenger's scores, replays, recalls, feature vectors, requests.
_FILLING = (
    (
        "INSERT INTO scorer.scores (job, entity_id, output, run_id, batch_id, task, status, score, risk_band, attributes, as_of, "
        "as_known_at, valid_until, input_hash, features, model_version, job_version, shadow, run_began_at) "
        "SELECT job, entity_id, output, run_id, batch_id, task, status, score, risk_band, attributes, as_of, as_known_at, "
        "valid_until, input_hash, features, 'challenger', job_version, true, run_began_at FROM scorer.scores WHERE status = 'SCORED'"
    ),
    (
        "INSERT INTO scorer.replays (score_id, run_began_at, part, verdict, alarming, scorer_version) "
        "SELECT score_id, run_began_at, 'vector', 'IDENTICAL', false, '0' FROM scorer.scores WHERE NOT shadow"
    ),
    (
        "INSERT INTO scorer.recalls (score_id, run_began_at, why) "
        "SELECT score_id, run_began_at, 'a test of visit ' || entity_id FROM scorer.scores WHERE shadow"
    ),
    (
        "INSERT INTO scorer.feature_vectors (job, entity_id, as_of, job_version, status, features) "
        "SELECT job, entity_id, as_of, job_version, 'READY', '{}' FROM scorer.scores WHERE NOT shadow"
    ),
    "INSERT INTO scorer.requests (job, entity_id) SELECT job, entity_id FROM scorer.current_scores",
)
