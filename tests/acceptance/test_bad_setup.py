"""What an operator can get wrong: each ends in one sentence on stderr and exit 1, with nothing claimed and nothing written."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Target
from scorer.database.embedded.server import Server
from scorer.database.session import engine

PASSWORD = "Zwetschgen-Datschi-7"
MODEL = "2026.11.29"
EMPTY_PRODUCTION = "SELECT scorer.move_model(job, model_version, 'archived', 'a test') FROM scorer.model_versions"

SAMPLE = """
    INSERT INTO visits (visit_id, client, admitted_at)
    SELECT v, 'P' || v, now() - interval '30 hours' FROM generate_series(1, 3) AS v;
    INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, recorded_at)
    SELECT v, 'P' || v, now() - h * interval '1 hour', 'HR', 80 + h, now() - h * interval '1 hour'
    FROM generate_series(1, 3) AS v, generate_series(1, 20) AS h;
"""


@dataclass(frozen=True)
class Ended:
    """How a call of the command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The one thing said, beside log lines."""
        said = [line for line in self.err.splitlines() if not re.match(r"\d{4}-\d\d-\d\dT[\d:]{8}Z [A-Z]+ ", line)]
        assert (self.code, len(said)) == (1, 1), f"exit {self.code}, {self.err[-500:]!r}"
        assert said[0].startswith("scorer: "), said[0]
        assert said[0].endswith((".", "?")), said[0]
        assert not re.search(r"[a-z\"'`)]\. [A-Z]", said[0]), f"more than one sentence: {said[0]}"
        assert "Traceback" not in self.err
        return said[0].removeprefix("scorer: ")


Warm = Callable[..., Ended]


@pytest.fixture(scope="module")
def scorer(program: Any) -> Warm:
    """Calls the installed command; keyword arguments are its environment."""

    def call(*arguments: str, **environment: str) -> Ended:
        done = program(*arguments, environment={**os.environ, **environment})
        return Ended(done.code, done.out, done.err)

    return call


@dataclass(frozen=True)
class Site:
    """A database with three visits that are due, and the environment that leads there."""

    scorer: Warm
    url: str
    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **more: str) -> Ended:
        plain = {"SCORER_DATABASE_URL": self.url, "SCORER_HOME": str(self.home)}
        return self.scorer(*arguments, **(plain | self.environment | more))

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def refuses(self, words: str, **more: str) -> str:
        """The sentence of a run that is refused, which has `words`; nothing was written, and `scorer check` says the same."""
        sentence = self("run", "sepsis", **more).sentence
        assert re.search(words, sentence), sentence
        checked = self("check", **more)
        assert sentence in checked.out, checked.out
        assert checked.sentence.endswith(sentence)
        return sentence

    @property
    def written(self) -> list[tuple[object, ...]]:
        return self.execute(
            "SELECT (SELECT count(*) FROM scorer.runs WHERE status <> 'failed' OR error IS NULL), (SELECT count(*) FROM scorer.work),"
            " (SELECT count(*) FROM scorer.scores), (SELECT count(*) FROM scorer.rejections),"
            " (SELECT count(*) FROM visits WHERE sepsis_score IS NOT NULL OR scored_at IS NOT NULL)"
        )


NOTHING = [(0, 0, 0, 0, 0)]


@pytest.fixture(scope="module")
def shared(
    scorer: Warm, make_database: Callable[[str], str], template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """One for all the tests that change nothing in it."""
    site = Site(scorer, make_database(template), tmp_path_factory.mktemp("home"))
    site.execute(SAMPLE)
    yield site
    assert site.written == NOTHING
    done = site("run", "sepsis", "--json")
    assert (done.code, json.loads(done.out)["scored"]) == (0, 3), "what was tested was refused for another reason"


@pytest.fixture
def site(scorer: Warm, migrated_url: str, tmp_path: Path) -> Site:
    """One that a test may change."""
    found = Site(scorer, migrated_url, tmp_path / "home")
    found.execute(SAMPLE)
    return found


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A site's own copy of the shipped job's folders, to be broken."""
    root = tmp_path / "jobs"
    for part in ("sql/sepsis", "expectations/sepsis", "models/sepsis"):
        shutil.copytree(shipped_root() / part, root / part)
    return root


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# The database


class TestDatabaseUrl:
    @pytest.fixture
    def login(self, shared: Site) -> Iterator[str]:
        name = f"login_{os.getpid()}"
        shared.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
        yield name
        shared.execute(f"DROP ROLE {name}")

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("mysql://u@h/d", r"is not one of PostgreSQL's; write SCORER_DATABASE_URL as postgresql://"),
            (
                "nonsense",
                r"is not one of PostgreSQL's; write SCORER_DATABASE_URL as postgresql://user@host:5432/database",
            ),
            ("postgresql://u@localhost:port/d", r"port is no number; check SCORER_DATABASE_URL"),
            ("postgresql://u@/d?nonsense=1", r"parameter 'nonsense', which PostgreSQL does not know; write"),
            ("postgresql://u@host.invalid/d?sslmode=require", r"host.*host\.invalid.*check SCORER_DATABASE_URL"),
            ("postgresql://u@127.0.0.1:9/d", r"does not answer.*(port 9|refused).*start the server"),
            ("postgresql://u@/d?host=/nowhere", r"does not answer.*/nowhere.*start the server"),
        ],
    )
    def test_that_leads_nowhere(self, shared: Site, url: str, words: str) -> None:
        sentence = shared("run", "sepsis", SCORER_DATABASE_URL=url).sentence
        assert re.search(words, sentence), sentence
        for command in (["status"], ["check"], ["db", "upgrade"], ["load", str(shared.home)]):
            assert re.search(words, shared(*command, SCORER_DATABASE_URL=url).sentence), command

    def test_of_a_database_that_is_missing(self, shared: Site) -> None:
        url = re.sub(r"/test_\d+\?", "/nobodys?", shared.url, count=1)
        shared.refuses(r'database "nobodys" does not exist; .*SCORER_DATABASE_URL', SCORER_DATABASE_URL=url)

    def test_with_a_wrong_password(self, shared: Site, login: str) -> None:
        url = shared.url.replace("scorer@", f"{login}:{PASSWORD}-wrong@", 1)
        commands = [["run", "sepsis"], ["-v", "run", "sepsis"], ["status"], ["check"], ["check", "--json"], ["demo"]]
        for command in commands:
            done = shared(*command, SCORER_DATABASE_URL=url)
            assert "password authentication failed" in done.sentence
            assert PASSWORD not in done.out + done.err

    def test_with_a_password_that_cannot_be_parsed(self, shared: Site) -> None:
        for url in (
            f"postgres:/{PASSWORD}@h/d",
            f"postgresql://u:{PASSWORD}@h:port/d",
            f"postgresql://u:{PASSWORD}@{PASSWORD}@h/d",
            f"postgresql://u:{PASSWORD}/{PASSWORD}@h/d",
            f"postgresql://u:12/{PASSWORD}@h:5533/d",
            f"postgresql://u:{PASSWORD}@x?host={PASSWORD}@h/d",
            f"postgresql://u:{PASSWORD}%zz@h/d",
            f"host=h user=u password={PASSWORD}",
            f"{PASSWORD}://h",
            PASSWORD,
        ):
            for command in (["run", "sepsis"], ["demo"]):
                done = shared(*command, SCORER_DATABASE_URL=url)
                assert re.search(r"SCORER_DATABASE_URL|as %40|to its URL|as %2F", done.sentence)
                assert PASSWORD not in done.out + done.err

    def test_of_a_user_who_is_unknown(self, shared: Site) -> None:
        url = shared.url.replace("scorer@", f"nobody_of_that_name:{PASSWORD}@", 1)
        done = shared("run", "sepsis", SCORER_DATABASE_URL=url)
        assert "nobody_of_that_name" in done.sentence
        assert PASSWORD not in done.err

    def test_with_the_right_password_works(self, site: Site, login: str) -> None:
        site.execute(f"GRANT scorer_worker TO {login}")
        done = site("run", "sepsis", SCORER_DATABASE_URL=site.url.replace("scorer@", f"{login}:{PASSWORD}@", 1))
        assert done.code == 0, done.err
        assert PASSWORD not in done.out + done.err


class TestEmbedded:
    def test_that_was_not_started(self, scorer: Warm, tmp_path: Path) -> None:
        for command in (["run", "sepsis"], ["status"], ["check"], ["db", "upgrade"], ["db", "url"], ["load", "."]):
            done = scorer(*command, SCORER_HOME=str(tmp_path))
            assert "is not running; `scorer db start` starts it" in done.sentence
        assert list(tmp_path.iterdir()) == []

    def test_whose_programs_are_missing(self, scorer: Warm, home: Path) -> None:
        here = home / "of_another_version"
        (here / "postgres" / "99").mkdir(parents=True)
        done = scorer("db", "start", SCORER_HOME=str(here))
        assert re.search(r"PostgreSQL 99, which is not on this machine.*install PostgreSQL 99, or set", done.sentence)

    def test_while_another_server_is_named(self, shared: Site) -> None:
        for command in ("start", "stop"):
            assert "is not ours to start or stop" in shared("db", command).sentence

    @pytest.mark.parametrize("place", ["{file}/home", "/proc/nowhere", "/dev/null"])
    def test_in_a_home_that_cannot_be_written(self, scorer: Warm, home: Path, place: str) -> None:
        (home / "file").touch()
        place = place.format(file=home / "file")
        for command in (["db", "start"], ["demo"]):
            assert "set SCORER_HOME to" in scorer(*command, SCORER_HOME=place).sentence


class TestSchema:
    def test_that_was_never_made(self, scorer: Warm, database_url: str, tmp_path: Path) -> None:
        empty = Site(scorer, database_url, tmp_path)
        empty.refuses(r"not made yet.*run `scorer db upgrade`")
        for command in (["status"], ["model", "list"], ["db", "check"]):
            assert "run `scorer db upgrade`" in empty(*command).sentence

    def test_in_a_cluster_without_the_roles(self, scorer: Warm, home: Path) -> None:
        with Server.at(home / "without_roles").serving() as fresh:
            bare = Site(scorer, fresh.url, home / "without_roles")
            bare.refuses(r"run `scorer db upgrade`")
            assert "run `scorer db upgrade`" in bare("status").sentence

    def test_that_is_behind(self, site: Site, settings: Settings) -> None:
        connected = engine(Target.of(site.url, settings, role=None))
        before = schema.state(connected).head
        schema.downgrade(connected, revision="-1")
        # As it is at an older revision; going back beyond the first takes these away.
        site.execute(
            "GRANT USAGE ON SCHEMA scorer TO scorer_worker; GRANT SELECT ON scorer.alembic_version TO scorer_worker"
        )
        site.refuses(rf"should be at {before}; run `scorer db upgrade`")
        assert json.loads(site("db", "check", "--json").out)["at_head"] is False

    def test_that_is_ahead(self, site: Site) -> None:
        site.execute("UPDATE scorer.alembic_version SET version_num = '9999'")
        site.refuses(r"at revision 9999, which this version of scorer does not know.*install the newer scorer")
        for command in (["db", "upgrade"], ["db", "plan"], ["db", "check"], ["status"]):
            assert "install the newer scorer" in site(*command).sentence
        assert site.written == NOTHING


class TestPrivilege:
    @pytest.fixture
    def login(self, site: Site) -> Iterator[str]:
        """A login that is nothing but a worker."""
        name = f"worker_{os.getpid()}"
        site.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'; GRANT scorer_worker TO {name}")
        yield name
        site.execute(f"DROP ROLE {name}")

    @pytest.mark.parametrize(
        ("statement", "words"),
        [
            (
                "REVOKE SELECT ON visits FROM scorer_worker",
                r"permission denied for table visits \(the statement \w+ of job sepsis\); grant it",
            ),
            (
                "REVOKE SELECT ON patient_observations FROM scorer_worker",
                r"table patient_observations \(the statement observations of job sepsis\); grant it",
            ),
            (
                "REVOKE UPDATE (sepsis_score) ON visits FROM scorer_worker",
                r"table visits \(the statement write_back of job sepsis\); grant it",
            ),
            ("REVOKE USAGE ON SCHEMA scorer FROM scorer_worker", r"permission denied for schema scorer; grant it"),
            ("REVOKE INSERT ON scorer.scores FROM scorer_worker", r"table scores; grant it"),
            ("REVOKE scorer_worker FROM {login}", r'to set role "scorer_worker"; GRANT that role to the user of'),
        ],
    )
    def test_that_is_missing(self, site: Site, login: str, statement: str, words: str) -> None:
        site.execute(statement.format(login=login))
        url = site.url.replace("scorer@", f"{login}:{PASSWORD}@", 1)
        done = site("run", "sepsis", SCORER_DATABASE_URL=url)
        assert re.search(words, done.sentence), done.sentence
        assert site.execute("SELECT count(*) FROM scorer.scores") == [(0,)]
        assert site.execute("SELECT count(*) FROM visits WHERE scored_at IS NOT NULL") == [(0,)]
        assert site.execute("SELECT count(*) FROM scorer.runs WHERE status <> 'failed' OR error IS NULL") == [(0,)]
        checked = site("check", SCORER_DATABASE_URL=url)
        assert re.search(words, checked.sentence), checked.sentence
        assert PASSWORD not in done.err + done.out + checked.err + checked.out

    def test_to_promote_or_to_migrate(self, site: Site, login: str) -> None:
        url = site.url.replace("scorer@", f"{login}:{PASSWORD}@", 1)
        site.execute(EMPTY_PRODUCTION)
        done = site("model", "promote", "sepsis", MODEL, "--why", "test", SCORER_DATABASE_URL=url)
        assert re.search("A privilege is missing|may not promote", done.sentence), done.sentence
        assert site.execute("SELECT status FROM scorer.model_versions") == [("archived",)]


# The model


class TestModel:
    @pytest.fixture
    def model(self, job: Path) -> Path:
        return job / "models" / "sepsis" / MODEL

    def test_altered_by_one_byte(self, shared: Site, job: Path, model: Path) -> None:
        content = bytearray((model / "pipeline.joblib").read_bytes())
        content[len(content) // 2] ^= 1
        (model / "pipeline.joblib").write_bytes(content)
        shared.refuses(
            r"not the one that was registered: its SHA-256 is .*put the registered", SCORER_JOBS_DIR=str(job)
        )

    def test_altered_with_its_manifest(self, shared: Site, job: Path, model: Path) -> None:
        """The registry decides, not the folder."""
        manifest = json.loads((model / "manifest.json").read_text())
        content = b"cos\nsystem\n(S'false'\ntR."
        (model / "pipeline.joblib").write_bytes(content)
        manifest["sha256"] = hashlib.sha256(content).hexdigest()
        (model / "manifest.json").write_text(json.dumps(manifest))
        shared.refuses(r"not the one that was registered", SCORER_JOBS_DIR=str(job))

    def test_whose_file_is_missing(self, shared: Site, job: Path, model: Path) -> None:
        (model / "pipeline.joblib").unlink()
        shared.refuses(r"pipeline\.joblib cannot be read: No such file", SCORER_JOBS_DIR=str(job))

    def test_whose_folder_is_missing(self, site: Site) -> None:
        site.execute(
            "INSERT INTO scorer.model_versions (job, model_version, sha256, manifest)"
            " SELECT job, 'ghost', sha256, manifest FROM scorer.model_versions;"
            "ALTER TABLE scorer.model_versions DISABLE TRIGGER model_versions_step;"
            "UPDATE scorer.model_versions SET status = 'archived' WHERE status = 'production';"
            "UPDATE scorer.model_versions SET status = 'production' WHERE model_version = 'ghost'"
        )
        site.refuses(r"Model ghost of sepsis is registered, but manifest.json is not in .*; put its folder back")
        assert site.written == NOTHING

    def test_that_is_not_in_production(self, site: Site) -> None:
        site.execute(EMPTY_PRODUCTION)
        site.refuses(r"no model in production; see `scorer model list` and `scorer model promote`")
        assert site.written == NOTHING

    def test_of_another_scikit_learn(self, shared: Site, job: Path, model: Path) -> None:
        manifest = json.loads((model / "manifest.json").read_text())
        manifest["libraries"]["scikit-learn"] = "0.19.1"
        (model / "manifest.json").write_text(json.dumps(manifest))
        shared.refuses(r"fitted with scikit-learn 0\.19\.1.*install scikit-learn==0\.19\.1", SCORER_JOBS_DIR=str(job))

    @pytest.mark.parametrize("key", ["features", "sha256", "libraries", "task"])
    def test_whose_manifest_lacks(self, shared: Site, job: Path, model: Path, key: str) -> None:
        manifest = json.loads((model / "manifest.json").read_text())
        del manifest[key]
        (model / "manifest.json").write_text(json.dumps(manifest))
        shared.refuses(rf'manifest .*manifest\.json has no "{key}"', SCORER_JOBS_DIR=str(job))

    @pytest.mark.parametrize("content", ["{", "[]", '{"job": 1'])
    def test_whose_manifest_is_broken(self, shared: Site, job: Path, model: Path, content: str) -> None:
        (model / "manifest.json").write_text(content)
        shared.refuses(r"manifest .*manifest\.json", SCORER_JOBS_DIR=str(job))

    def test_of_other_features(self, shared: Site, job: Path) -> None:
        replace(job / "sql" / "sepsis" / "job.toml", 'numbers = ["age_years", "hours', 'numbers = ["hours')
        shared.refuses(r"trained on other features than the job declares.*train it again", SCORER_JOBS_DIR=str(job))

    def test_that_nobody_registered(self, shared: Site) -> None:
        done = shared("model", "promote", "sepsis", "2020.1", "--why", "test")
        assert "Model 2020.1 of sepsis is not registered; see `scorer model list`" in done.sentence
        assert "in production already" in shared("model", "promote", "sepsis", MODEL, "--why", "test").sentence


# Settings


class TestSettings:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ('worker_rol = "w"', r'worker_rol is not an option of scorer; did you mean "worker_role"\?'),
            (
                'colour = "blue"',
                r"colour is not an option of scorer; the options are allow_plaintext, backend, batch_size",
            ),
            ('batch_size = "many"', r'batch_size: "many" is not a whole number above 0'),
            ("batch_size = 0", r'batch_size: "0" is not a whole number above 0'),
            ('lock_timeout = "soon"', r'lock_timeout: "soon" is not a span of time; write a number and'),
            ("worker_role = 7", r"worker_role.*text in quotes"),
            ("home = [", r"is not valid TOML"),
        ],
    )
    def test_file(self, shared: Site, tmp_path: Path, content: str, words: str) -> None:
        path = tmp_path / "scorer.toml"
        path.write_text(content)
        for command in (["run", "sepsis"], ["status"], ["check"], ["db", "check"]):
            sentence = shared(*command, SCORER_CONFIG=str(path)).sentence
            assert str(path) in sentence
            assert re.search(words, sentence), sentence

    def test_file_that_is_missing(self, shared: Site, tmp_path: Path) -> None:
        sentence = shared("status", SCORER_CONFIG=str(tmp_path / "scorer.toml")).sentence
        assert re.search(r"scorer\.toml, which is not there; name the scorer\.toml to use", sentence)

    def test_environment(self, shared: Site) -> None:
        sentence = shared("run", "sepsis", SCORER_BATCHSIZE="7").sentence
        assert sentence == 'SCORER_BATCHSIZE is not an option of scorer; did you mean "batch_size"?'
        assert "SCORER_BATCH_SIZE" in shared("run", "sepsis", SCORER_BATCH_SIZE="x").sentence

    def test_password_in_a_wrong_place(self, shared: Site) -> None:
        """A misspelt SCORER_DATABASE_URL is named, and what it holds is not."""
        done = shared("run", "sepsis", SCORER_DATABASEURL=f"postgresql://u:{PASSWORD}@h/d")
        assert done.sentence == 'SCORER_DATABASEURL is not an option of scorer; did you mean "database_url"?'


# The job's files


class TestJob:
    def test_that_does_not_exist(self, shared: Site) -> None:
        assert shared("run", "sepsi").sentence == 'There is no job "sepsi"; did you mean "sepsis"?'
        assert "there are: " in shared("run", "../x").sentence
        assert "there are: " in shared("train", "zzz").sentence

    @pytest.mark.parametrize(
        ("old", "new", "words"),
        [
            ('entity = "visit"', 'entity = "visit', r"is not valid TOML"),
            ('cron = "5 * * * *"', "", r'"cron" is missing'),
            ('task = "binary"', "", r'"task" is missing'),
            ('task = "binary"', 'task = "guess"', r"\"task\" must be one of 'binary', 'multiclass', 'regression'"),
            ("batch_size = 5000", "batch_sise = 5000", r'unknown key "batch_sise"; did you mean "batch_size"\?'),
            ("batch_size = 5000", 'batch_size = "all"', r'"batch_size" must be a whole number above 0'),
            ('valid_for = "6 h"', 'valid_for = "a while"', r'"a while" is not a span of time'),
            ('"std"', '"mode"', r'"mode" is not a statistic; there are: last, first, min'),
            ('["HR", "SPO2", "TEMP", "SBP", "MAP", "DBP", "RR", "ETCO2"]', '["PULSE"]', r"does not have: PULSE"),
            ('"age_years"', '"shoe_size"', r"shoe_size in the job; train it again or put job\.toml back"),
            ('observations = "observations.sql"', 'observations = "obs.sql"', r"obs\.sql cannot be read"),
            ("[actions] ", '[actions]\nno_such_rule = "warn" ', r"\[actions\] names 'no_such_rule', which is no rule"),
            ("[actions] ", '[actions]\ncode_known = "ignore" ', r"\"code_known\" must be one of 'warn', 'drop'"),
        ],
    )
    def test_whose_definition_is_broken(self, shared: Site, job: Path, old: str, new: str, words: str) -> None:
        replace(job / "sql" / "sepsis" / "job.toml", old, new)
        shared.refuses(words, SCORER_JOBS_DIR=str(job))

    @pytest.mark.parametrize(
        ("file", "old", "new", "words"),
        [
            (
                "observations",
                "    o.observation_value,\n",
                "",
                r"statement observations of job sepsis does not give the column 'observation_value'; it gives",
            ),
            ("attributes", "v.sex", "v.sex AS gender", r"column 'sex', which job.toml names"),
            ("attributes", "v.sex", "v.age_years AS sex", r"column 'sex', which job.toml names"),
            ("observations", "FROM unnest", "FORM unnest", r"syntax error.*mend the job's statement"),
            ("observations", "o.observation_value", "o.value AS observation_value", r"o\.value does not exist; mend"),
            (
                "attributes",
                "public.visits",
                "public.vists",
                r'relation "public\.vists" does not exist; make the table.*mend',
            ),
            (
                "due",
                "FROM public.visits",
                "FROM public.vists",
                r'relation "public\.vists" does not exist; make the table.*mend',
            ),
            ("due", "AS v\nWHERE", "AS v\nWERE", r"syntax error.*mend"),
            ("due", " AS settled", " AS finished", r"settled.* does not exist; mend"),
            ("write_back", "risk_level =", "risk_levle =", r'"risk_levle".* does not exist; mend'),
            ("observations", "CASE WHEN o.client <> v.client THEN false END", ":nothing", r"nothing"),
        ],
    )
    def test_whose_statement_is_broken(
        self, shared: Site, job: Path, file: str, old: str, new: str, words: str
    ) -> None:
        replace(job / "sql" / "sepsis" / f"{file}.sql", old, new)
        shared.refuses(words, SCORER_JOBS_DIR=str(job))

    @pytest.mark.parametrize(
        ("column", "instead", "words"),
        [
            ("o.observation_value", "o.observation_date AS observation_value", r"a number is expected"),
            ("o.observation_date", "CAST(o.observation_date AS text) AS observation_date", r"timestamp with time zone"),
            ("o.observation_date", "o.observation_date AT TIME ZONE 'UTC' AS observation_date", r"with time zone"),
            ("o.observation_type_code", "7 AS observation_type_code", r"text is expected"),
        ],
    )
    def test_whose_statement_gives_a_wrong_type(
        self, shared: Site, job: Path, column: str, instead: str, words: str
    ) -> None:
        replace(job / "sql" / "sepsis" / "observations.sql", column, instead)
        shared.refuses(rf"observation_\w+.*{words}", SCORER_JOBS_DIR=str(job))

    @pytest.mark.parametrize(
        ("suite", "old", "new", "words"),
        [
            ("observations", '"code_known"', '"code_none"', r"names the column 'code_none', which is not there"),
            ("features", '"column": "', '"column": "x_', r"names the column 'x_\w+', which is not there"),
            ("scores", '"column": "score"', '"column": "skore"', r"names the column 'skore', which is not there"),
            ("observations", "to_not_be_null", "to_not_be_nul", r"does not understand rule date_present"),
            ("observations", "{", "", r"observations\.json is not valid JSON"),
            ("observations", '"expectations"', '"rules"', r'is not a suite: it needs "name" and a list'),
            ("observations", '"action": "drop"', '"action": "ignore"', r"has the action 'ignore'; there are: warn"),
            ("observations", '"rule": "date_present",', "", r'has no "rule" in its meta'),
        ],
    )
    def test_whose_suite_is_broken(self, shared: Site, job: Path, suite: str, old: str, new: str, words: str) -> None:
        path = job / "expectations" / "sepsis" / f"{suite}.json"
        if '"column": "code_known"' in path.read_text() and old == '"code_known"':
            old, new = '"column": "code_known"', '"column": "code_none"'
        replace(path, old, new)
        shared.refuses(words, SCORER_JOBS_DIR=str(job))


# Arguments and files


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["run", "sepsis", "--as-of", "2025-06-01T00:00:00"], r"no time zone; write it as 2025-06-01T00:00:00Z"),
            (["run", "sepsis", "--as-of", "2025-06-01"], r"no time zone; write it as 2025-06-01T00:00:00Z"),
            (["run", "sepsis", "--as-of", "yesterday"], r'"yesterday" is not a time; write it as'),
            (["run", "sepsis", "--as-of", "2025-02-30T00:00:00Z"], r"is not a time; write it as"),
            (["run", "sepsis", "--limit", "0"], r"--limit"),
            (["run", "sepsis", "--workers", "none"], r"--workers"),
            (["run"], r"Missing argument 'JOB'.*see `scorer run --help`"),
            (["run", "sepsis", "--quickly"], r"--quickly.*see `scorer run --help`"),
            (["runn", "sepsis"], r"No such command 'runn'; did you mean 'run'\?"),
            (["db", "begin"], r"No such command 'begin'"),
            (["model", "promote", "sepsis", MODEL], r"--why"),
            (["load", "/no/such/folder"], r"/no/such/folder.*does not exist"),
        ],
    )
    def test_that_cannot_be_understood(self, shared: Site, arguments: list[str], words: str) -> None:
        sentence = shared(*arguments).sentence
        assert re.search(words, sentence), sentence


class TestLoad:
    VISITS = "visit_id,client,admitted_at\n1,P1,2025-06-01T00:00:00Z\n"
    OBSERVATIONS = "visit_id,client,observation_date,observation_type_code,observation_value\n"

    @pytest.mark.parametrize(
        ("visits", "observations", "words"),
        [
            (None, OBSERVATIONS, r"holds neither visits\.csv nor visits\.csv\.gz; put one of them there"),
            (VISITS, None, r"neither patient_observations\.csv"),
            (VISITS.replace("client", "cleint"), OBSERVATIONS, r'visits\.csv: the column "client" is missing; add it'),
            ("", OBSERVATIONS, r"visits\.csv has no header"),
            (VISITS.encode() + b"2,\xff\xfe,2025-06-01T00:00:00Z\n", OBSERVATIONS, r"is not UTF-8 after line"),
            (b"\x7fELF\x02\x01\x01\x00\x00", OBSERVATIONS, r"visits\.csv"),
        ],
    )
    def test_of_a_folder_that_is_not_one(
        self, shared: Site, tmp_path: Path, visits: str | bytes | None, observations: str | None, words: str
    ) -> None:
        for name, content in (("visits", visits), ("patient_observations", observations)):
            if content is not None:
                plain = content if isinstance(content, bytes) else content.encode()
                (tmp_path / f"{name}.csv").write_bytes(plain)
        before = shared.execute("SELECT count(*) FROM visits")
        sentence = shared("load", str(tmp_path)).sentence
        assert re.search(words, sentence), sentence
        assert shared.execute("SELECT count(*) FROM visits") == before

    def test_packed_by_name_only(self, shared: Site, tmp_path: Path) -> None:
        (tmp_path / "visits.csv.gz").write_text(self.VISITS)
        (tmp_path / "patient_observations.csv").write_text(self.OBSERVATIONS)
        assert re.search(r"visits\.csv\.gz cannot be read after line", shared("load", str(tmp_path)).sentence)

    def test_with_nowhere_for_the_rejects(self, shared: Site, tmp_path: Path) -> None:
        (tmp_path / "visits.csv").write_text("visit_id,client,admitted_at\nx,P1,2025-06-01T00:00:00Z\n")
        (tmp_path / "patient_observations.csv").write_text(self.OBSERVATIONS)
        before = shared.execute("SELECT count(*) FROM visits")
        for more in ({"SCORER_HOME": "/dev/null"}, {"SCORER_HOME": "/proc/nowhere"}):
            assert "The reject file" in shared("load", str(tmp_path), **more).sentence
        done = shared("load", str(tmp_path), "--rejects", "/dev/null/rejects.csv")
        assert "The reject file /dev/null/rejects.csv cannot be written" in done.sentence
        assert shared.execute("SELECT count(*) FROM visits") == before
