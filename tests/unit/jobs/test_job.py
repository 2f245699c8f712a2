"""A job from its files: every mistake is one sentence that names file and key, and its version is what decides its scores."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs import job as jobs
from scorer.jobs.job import DueAgain, Job, Task, job_names, load_job
from scorer.jobs.publication import Bands
from scorer.jobs.schedule import Schedule
from scorer.types.enums import Action


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site's jobs_dir, with a copy of the shipped job to break."""
    for folder in ("sql", "expectations"):
        shutil.copytree(shipped_root() / folder / "sepsis", tmp_path / folder / "sepsis")
    return tmp_path


Edit = Callable[..., None]


@pytest.fixture
def edit(site: Path) -> Edit:
    """Replaces a text that stands once in a file of the job."""

    def replace(old: str, new: str, file: str = "sql/sepsis/job.toml") -> None:
        path = site / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace


def refusal(site: Path) -> str:
    """The sentence with which the job is refused."""
    with pytest.raises(UserError) as raised:
        load_job("sepsis", jobs_dir=site)
    sentence = str(raised.value)
    assert sentence.endswith((".", "?"))
    assert "\n" not in sentence
    return sentence


def test_the_shipped_job_is_read(sepsis: Job) -> None:
    assert (sepsis.name, sepsis.entity, sepsis.task, sepsis.output) == (
        "sepsis",
        "visit",
        Task.BINARY,
        "sepsis_probability",
    )
    assert (sepsis.batch_size, sepsis.min_observations, sepsis.valid_for) == (5000, 5, timedelta(hours=6))
    assert (sepsis.due_again, sepsis.schedule) == (DueAgain.CHANGE, Schedule(cron="5 * * * *", timezone="UTC"))
    assert sepsis.bands == Bands(limits=(("HIGH", 0.08), ("MEDIUM", 0.025)), lowest="LOW")
    assert {*sepsis.statements, "source_faults"} == {*jobs.REQUIRED_STATEMENTS, *jobs.OPTIONAL_STATEMENTS}
    assert set(sepsis.suites) == set(jobs.SUITES)
    assert sepsis.codes[0].name == "HR"
    assert (sepsis.codes[0].plausible_min, sepsis.codes[0].plausible_max) == (0, 350)
    assert sepsis.parameters["recheck"] == "30 days"
    assert re.fullmatch("[0-9a-f]{16}", sepsis.version)
    assert sepsis.features.groups[1].windows == (timedelta(hours=6),)
    assert sepsis.features.groups[0].windows == (None,)


def test_a_sites_job_goes_before_the_shipped_one(site: Path, edit: Edit) -> None:
    edit("batch_size = 5000", "batch_size = 7")
    assert load_job("sepsis", jobs_dir=site).batch_size == 7
    assert load_job("sepsis").batch_size == 5000
    assert load_job("sepsis", jobs_dir=site).model_folder == site / "models" / "sepsis"


def test_a_site_adds_a_job(site: Path) -> None:
    for folder in ("sql", "expectations"):
        shutil.copytree(site / folder / "sepsis", site / folder / "delirium")
    assert set(job_names(site)) == {"delirium", *job_names(None)}
    assert "delirium" not in job_names(None)
    assert load_job("delirium", jobs_dir=site).name == "delirium"


@pytest.mark.parametrize("name", ["sepsi", "Sepsis", "../sepsis", "", "/etc", "sepsis/"])
def test_a_job_that_is_not_there_is_one_sentence(name: str) -> None:
    with pytest.raises(
        UserError, match=r'^There is no job ".*"; (did you mean "sepsis"\?|did you mean .*|there are: .*sepsis.*\.)$'
    ):
        load_job(name)


@pytest.mark.parametrize("name", ["engine", "source"])
def test_a_job_is_not_called_like_a_folder_of_our_own_statements(tmp_path: Path, name: str) -> None:
    for folder in ("sql", "expectations"):
        shutil.copytree(shipped_root() / folder / "sepsis", tmp_path / folder / name)
    assert job_names(tmp_path) == job_names(None)
    with pytest.raises(
        UserError, match=rf'^A job cannot be called "{name}": sql/{name}/ holds .* statements; give it another name\.$'
    ):
        load_job(name, jobs_dir=tmp_path)
    assert (shipped_root() / "sql" / name).is_dir()


BROKEN = {
    # what is written instead: what the sentence says after the file's name
    ('entity = "visit"', "entity = visit"): r" is not valid TOML: .*",
    ('entity = "visit"', ""): r': "entity" is missing; the shipped job\.toml says what each key means\.',
    ('entity = "visit"', "entity = 5"): r': "entity" must be text, not 5\.',
    (
        'task = "binary"',
        'task = "both"',
    ): r""": "task" must be one of 'binary', 'multiclass', 'regression', not 'both'\.""",
    ('task = "binary"', "task = 1"): r': "task" must be text, not 1\.',
    ("batch_size = 5000", "batch_size = 0"): r': "batch_size" must be a whole number above 0, not 0\.',
    ("batch_size = 5000", "batch_size = 1.5"): r': "batch_size" must be a whole number above 0, not 1\.5\.',
    ("batch_size = 5000", "batch_size = true"): r': "batch_size" must be a whole number above 0, not True\.',
    ("batch_size = 5000", 'batch_size = "5000"'): r""": "batch_size" must be a whole number above 0, not '5000'\.""",
    ("batch_size = 5000", "batchsize = 5000"): r': unknown key "batchsize"; did you mean "batch_size"\?',
    ("min_observations = 5", "colour = 5"): r': unknown key "colour"; known are: .*',
    ("min_observations = 5", "min_observations = -1"): r': "min_observations" must be a whole number above 0, not -1\.',
    ('valid_for = "6 h"', 'valid_for = "soon"'): r': valid_for: "soon" is not a span of time; .*',
    ('valid_for = "6 h"', 'valid_for = "6 m"'): r': valid_for: "6 m" is not a span of time; .*',
    ('valid_for = "6 h"', 'valid_for = "0 h"'): r': valid_for: "0 h" is shorter than a millisecond; .*',
    ('valid_for = "6 h"', "valid_for = 6"): r': "valid_for" must be text, not 6\.',
    ('valid_for = "6 h"', ""): r': "valid_for" is missing; the shipped job\.toml says what each key means\.',
    ('due_again = "change"', 'due_again = "never"'): r""": "due_again" must be one of 'change', .*, not 'never'\.""",
    ('published = ["client"]', 'published = "client"'): r""": "published" must be a list of texts, not 'client'\.""",
    ('published = ["client"]', "published = [1]"): r': "published" must be a list of texts, not \[1\]\.',
    ("[schedule]", "[timetable]"): r": \[schedule\] is missing\.",
    ('cron = "5 * * * *"', ""): r': \[schedule\]: "cron" is missing; the shipped job\.toml says what each key means\.',
    ('timezone = "UTC"', 'zone = "UTC"'): r': \[schedule\]: unknown key "zone"; did you mean "timezone"\?',
    ('lowest = "LOW"', ""): r': \[bands\]: "lowest" is missing; the shipped job\.toml says what each key means\.',
    ("HIGH = 0.08", 'HIGH = "0.08"'): r""": \[bands\]: \[above\]: "HIGH" must be a number, not '0\.08'\.""",
    ("HIGH = 0.08", "HIGH = true"): r': \[bands\]: \[above\]: "HIGH" must be a number, not True\.',
    ('due = "due.sql"', ""): r': \[statements\]: "due" is missing; the shipped job\.toml says what each key means\.',
    ('due = "due.sql"', "due = 1"): r': \[statements\]: "due" must be text, not 1\.',
    (
        'grants = "grants.sql"',
        'grant = "grants.sql"',
    ): r': \[statements\]: unknown key "grant"; did you mean "grants"\?',
    ("[actions] ", '[actions]\nin_range = "ignore" '): (
        r""": \[actions\]: "in_range" must be one of 'warn', 'drop', 'quarantine', 'fail', not 'ignore'\."""
    ),
    ("plausible = [0, 350] }\nSPO2", "plausible = [350, 0] }\nSPO2"): (
        r': \[codes\]: \[HR\]: "plausible" must be a list of two numbers, the lower first, not \[350, 0\]\.'
    ),
    ("plausible = [0, 350] }\nSPO2", "plausible = [0] }\nSPO2"): r': \[codes\]: \[HR\]: "plausible" must be .*',
    ("plausible = [0, 350] }\nSPO2", 'plausible = ["a", "b"] }\nSPO2'): r': \[codes\]: \[HR\]: "plausible" must be .*',
    (
        'HR = { unit = "beats/min", plausible',
        "HR = { plausible",
    ): r': \[codes\]: \[HR\]: "unit" is missing; the shipped job\.toml says what each key means\.',
    ('HR = { unit = "beats/min", plausible', 'HR = { unit = "beats/min", low = 1, plausible'): (
        r': \[codes\]: \[HR\]: unknown key "low"; known are: .*'
    ),
    ('HR = { unit = "beats/min", plausible = [0, 350] }', "HR = 5"): r': \[codes\]: "HR" must be a table, not 5\.',
    (
        'HR = { unit = "beats/min", plausible = [0, 350] }',
        "",
    ): r": \[features\] names codes that \[codes\] does not have: HR\.",
    (
        'due_again = "change"',
        'due_again = "change"\npooled = ["seen"]',
    ): r": pooled names what is none of the numbers of \[features\]: seen\.",
    (
        'windows = ["6 h"]',
        'windows = ["6 o"]',
    ): r': \[features\]: \[\[groups\]\] 2: windows: "6 o" is not a span of time; .*',
    (
        'windows = ["6 h"]',
        "",
    ): r': \[features\]: \[\[groups\]\] 2: "windows" is missing; the shipped job\.toml says what each key means\.',
    ('statistics = ["min", "max", "mean"]', 'statistics = ["mode"]'): (
        r': \[features\]: \[\[groups\]\] 2: "mode" is not a statistic; there are: last, first, .*'
    ),
    (
        'statistics = ["min", "max", "mean"]',
        'statistic = ["min", "max", "mean"]',
    ): r': \[features\]: \[\[groups\]\] 2: "statistics" is missing; is "statistic" meant for it\?',
    ('numbers = ["age_years", "hours_before_icu"]', "number = []"): (
        r': \[features\]: unknown key "number"; did you mean "numbers"\?'
    ),
    ("dt_optimal = -6", "dt_optimum = -6"): r': \[utility\]: unknown key "dt_optimum"; did you mean "dt_optimal"\?',
    ("age_years = [45, 65, 80]", "age_years = [65, 45]"): (
        r": \[evaluation\]: \[subgroups\]: the edges of age_years must rise\."
    ),
    ('sex = ["F", "M"]', 'sex = "F"'): r""": \[features\]: \[categories\]: "sex" must be a list of texts, not 'F'\.""",
}


@pytest.mark.parametrize(("change", "sentence"), BROKEN.items(), ids=lambda each: str(each)[:60])
def test_a_broken_definition_is_one_sentence(site: Path, edit: Edit, change: tuple[str, str], sentence: str) -> None:
    edit(*change)
    refused = refusal(site)
    assert re.fullmatch(re.escape(f"{site}/sql/sepsis/job.toml") + sentence, refused), refused


@pytest.mark.parametrize("value", ["5", "true", "nan", "1979-05-27"])
def test_one_value_where_a_list_belongs_is_one_sentence(site: Path, edit: Edit, value: str) -> None:
    edit('published = ["client"]', f"published = {value}")
    assert '"published" must be a list of texts' in refusal(site)


def test_a_required_statement_without_a_file_is_one_sentence(site: Path, edit: Edit) -> None:
    edit('due = "due.sql"', 'due = ""')
    assert '"due"' in refusal(site)


def test_a_definition_without_features_is_one_sentence(site: Path) -> None:
    path = site / "sql" / "sepsis" / "job.toml"
    path.write_text(path.read_text(encoding="utf-8").partition("[features]")[0], encoding="utf-8")
    assert refusal(site) == f"{path}: [features] is missing."


@pytest.mark.parametrize("statement", ["due.sql", "observations.sql", "views.sql"])
def test_a_statement_that_is_not_there_is_one_sentence(site: Path, statement: str) -> None:
    (site / "sql" / "sepsis" / statement).unlink()
    assert f"{site}/sql/sepsis/{statement} cannot be read" in refusal(site)


@pytest.mark.parametrize("suite", jobs.SUITES)
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        ("{", "is not valid JSON"),
        ("[]", "is not a suite"),
        ('{"name": "x"}', "is not a suite"),
        ('{"expectations": {}}', "is not a suite"),
        (
            '{"expectation_suite_name": "x", "expectations": []}',
            'has the key "expectation_suite_name", of Great Expectations before 1.0; write "name" instead',
        ),
        ('{"name": "x", "expectations": [], "ge_cloud_id": null}', 'has the key "ge_cloud_id", of'),
        ('{"name": "x", "expectations": [], "evaluation_parameters": {}}', 'has the key "evaluation_parameters", of'),
    ],
)
def test_a_broken_suite_is_one_sentence(site: Path, suite: str, content: str | None, sentence: str) -> None:
    path = site / "expectations" / "sepsis" / f"{suite}.json"
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert refusal(site).startswith(f"{path} {sentence}")


def test_what_is_not_text_is_one_sentence(site: Path) -> None:
    (site / "sql" / "sepsis" / "due.sql").write_bytes(b"SELECT 1\n-- S\xfcd\n")
    assert refusal(site) == f"{site}/sql/sepsis/due.sql is not UTF-8: see line 2; save it as UTF-8."


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("SELECT 1\n\0", "holds a zero byte, in line 2; take it out"),
        ("SELECT 1;\nSELECT 2;\n", "holds a second statement, in line 2; a file is one statement"),
        ("-- to be written\n", "holds no statement"),
        ("SELECT 1 -- one\nWHERE 'a", "has no end of the literal that begins in line 2"),
    ],
)
def test_a_file_that_is_not_one_statement_is_one_sentence(site: Path, content: str, fault: str) -> None:
    (site / "sql" / "sepsis" / "due.sql").write_text(content, encoding="utf-8")
    assert refusal(site) == f"{site}/sql/sepsis/due.sql {fault}."


def test_a_script_may_hold_no_statement(site: Path) -> None:
    (site / "sql" / "sepsis" / "grants.sql").write_text("-- granted by hand\n", encoding="utf-8")
    assert jobs.load_job("sepsis", jobs_dir=site)


def test_a_file_is_read_as_psql_reads_it(site: Path, sepsis: Job) -> None:
    """A mark at its beginning is no part of it, and a line's end is what it was: it may stand in a literal."""
    for path in (site / "sql" / "sepsis").iterdir():
        if path.suffix in {".sql", ".toml"}:
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    site_job = jobs.load_job("sepsis", jobs_dir=site)
    assert site_job.statements["due"] == sepsis.statements["due"].replace("\n", "\r\n")
    assert site_job.features == sepsis.features


def test_what_may_be_left_out_may_be_left_out(site: Path) -> None:
    (site / "sql" / "sepsis" / "job.toml").write_text(
        """
        entity = "bed"
        task = "regression"
        valid_for = "1 day"
        due_again = "expiry"
        [schedule]
        cron = "@daily"
        [statements]
        due = "due.sql"
        observations = "observations.sql"
        [codes]
        [features]
        """,
        encoding="utf-8",
    )
    job = load_job("sepsis", jobs_dir=site)
    assert (job.output, job.batch_size, job.min_observations, job.schedule.timezone) == ("score", 1000, 1, "UTC")
    assert (job.bands, job.published, job.first_model, job.actions, job.parameters) == (None, (), None, {}, {})
    assert set(job.statements) == {"due", "observations"}


def test_actions_of_the_definition_are_read(site: Path, edit: Edit) -> None:
    edit("[actions] ", '[actions]\nin_range = "warn" ')
    assert load_job("sepsis", jobs_dir=site).actions == {"in_range": Action.WARN}


# The version


def version(site: Path) -> str:
    return load_job("sepsis", jobs_dir=site).version


def test_the_version_is_the_same_wherever_and_whenever_it_is_read(site: Path, sepsis: Job) -> None:
    assert version(site) == version(site) == sepsis.version


@pytest.mark.parametrize("file", sorted(path.name for path in (shipped_root() / "sql" / "sepsis").glob("*.sql")))
def test_the_version_changes_with_each_statement(site: Path, sepsis: Job, file: str) -> None:
    path = site / "sql" / "sepsis" / file
    path.write_text(path.read_text(encoding="utf-8") + "\n-- changed", encoding="utf-8")
    assert version(site) != sepsis.version


@pytest.mark.parametrize("suite", jobs.SUITES)
def test_the_version_changes_with_what_a_suite_says_and_not_with_its_layout(
    site: Path, sepsis: Job, suite: str
) -> None:
    path = site / "expectations" / "sepsis" / f"{suite}.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content), encoding="utf-8")
    assert version(site) == sepsis.version
    content["expectations"][0]["meta"]["expected"] += " at all"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert version(site) != sepsis.version


@pytest.mark.parametrize(
    "change",
    [
        ("HIGH = 0.08", "HIGH = 0.080001"),
        ('valid_for = "6 h"', 'valid_for = "7 h"'),
        ('recheck = "30 days"', 'recheck = "31 days"'),
        ("[actions] ", '[actions]\nin_range = "warn" '),
        ("plausible = [0, 350] }\nSPO2", "plausible = [0, 351] }\nSPO2"),
        ("min_observations = 5", "min_observations = 6"),
    ],
)
def test_the_version_changes_with_the_definition(site: Path, edit: Edit, sepsis: Job, change: tuple[str, str]) -> None:
    edit(*change)
    assert version(site) != sepsis.version


def test_the_version_changes_with_nothing_else(site: Path, sepsis: Job) -> None:
    for path in (
        site / "sql" / "sepsis" / "cohort.json",
        site / "sql" / "sepsis" / "notes.md",
        site / "expectations" / "sepsis" / "more.json",
        site / "expectations" / "delirium" / "observations.json",
        site / "models" / "sepsis" / "1" / "manifest.json",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}", encoding="utf-8")
    assert version(site) == sepsis.version


def test_the_version_changes_with_the_meaning_of_features(
    site: Path, sepsis: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MEANING", jobs.MEANING + 1)
    assert version(site) != sepsis.version


def test_a_version_can_be_made_again_from_what_the_database_keeps(sepsis: Job, tmp_path: Path) -> None:
    kept = json.loads(json.dumps(sepsis.definition))
    (tmp_path / "sql" / "sepsis").mkdir(parents=True)
    (tmp_path / "expectations" / "sepsis").mkdir(parents=True)
    (tmp_path / "sql" / "sepsis" / "job.toml").write_text(kept["job.toml"], encoding="utf-8")
    for name, text in kept["statements"].items():
        (tmp_path / "sql" / "sepsis" / f"{name}.sql").write_text(text, encoding="utf-8")
    for name, suite in kept["suites"].items():
        (tmp_path / "expectations" / "sepsis" / f"{name}.json").write_text(json.dumps(suite), encoding="utf-8")
    assert version(tmp_path) == sepsis.version
