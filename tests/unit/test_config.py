"""Settings: which source wins, every mistake as one sentence that says where it was made, and spans of time."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer import config
from scorer.config import Settings, load_settings, require_readable_url, url_place
from scorer.errors import UserError
from scorer.types.options import CronEntry


@pytest.fixture
def toml(tmp_path: Path) -> Any:
    """Writes a scorer.toml and gives the environment that names it."""

    def write(text: str, **environment: str) -> dict[str, str]:
        path = tmp_path / "scorer.toml"
        path.write_text(text, encoding="utf-8")
        return {"SCORER_CONFIG": str(path), **environment}

    return write


def refusal(environment: dict[str, str], **arguments: Any) -> str:
    """The sentence with which the settings are refused."""
    with pytest.raises(UserError) as raised:
        load_settings(environment=environment, **arguments)
    sentence = str(raised.value)
    assert sentence.endswith((".", "?"))
    return sentence


def test_nothing_said_is_all_defaults() -> None:
    assert load_settings(environment={"SCORER_CONFIG": os.devnull}) == Settings()


def test_arguments_go_before_the_environment_before_the_credential_before_the_file(toml: Any, tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text("postgresql://credential\n")
    says = 'database_url = "postgresql://file"\nbatch_size = 1\nretry_tries = 1\nlock_timeout = "1 s"\n'
    environment = toml(says)
    assert load_settings(environment=environment).database_url == "postgresql://file"
    environment["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert load_settings(environment=environment).database_url == "postgresql://credential"
    environment |= {"SCORER_DATABASE_URL": "postgresql://environment", "SCORER_BATCH_SIZE": "2"}
    settings = load_settings(environment=environment, batch_size=3, retry_tries=None)
    assert settings.database_url == "postgresql://environment"
    assert (settings.batch_size, settings.retry_tries) == (3, 1)
    assert settings.lock_timeout == timedelta(seconds=1)


def test_an_empty_variable_says_nothing(toml: Any) -> None:
    assert load_settings(environment=toml("batch_size = 7", SCORER_BATCH_SIZE="")).batch_size == 7


def test_other_programs_variables_are_let_be() -> None:
    assert load_settings(environment={"SCORER_CONFIG": os.devnull, "SCORERS": "1", "PGHOST": "x"}) == Settings()


def test_the_systems_file_is_read_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SYSTEM_CONFIG", tmp_path / "scorer.toml")
    assert load_settings(environment={}) == Settings()
    (tmp_path / "scorer.toml").write_text("batch_size = 9")
    assert load_settings(environment={}).batch_size == 9
    assert load_settings(environment={"SCORER_CONFIG": ""}).batch_size == 9
    assert load_settings(environment={"SCORER_CONFIG": os.devnull}).batch_size is None


# The service's host: a command finds what the service has


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's folder of settings, with the service's URL in it."""
    monkeypatch.setattr(config, "SYSTEM_CONFIG", tmp_path / "scorer.toml")
    (tmp_path / "database_url").write_text("postgresql://service@/hospital\n")
    return tmp_path


def close(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `path` closed to this user, be it root."""
    may, read = os.access, Path.read_text
    monkeypatch.setattr(os, "access", lambda each, mode: may(each, mode) and Path(each) != path)

    def refuse(each: Path, encoding: str | None = None) -> str:
        if each == path:
            raise PermissionError(13, "Permission denied")
        return read(each, encoding=encoding)

    monkeypatch.setattr(Path, "read_text", refuse)


def test_on_the_services_host_its_url_and_its_home_are_found(etc: Path) -> None:
    (etc / "scorer.toml").write_text('database_url = "postgresql://file@/hospital"')
    (etc / "read_url").write_text("postgresql://service@standby/hospital")
    (etc / "owner_database_url").write_text("postgresql://owner@/hospital")
    settings = load_settings(environment={})
    assert settings.database_url == "postgresql://service@/hospital", "a credential goes before the file"
    assert settings.read_url == "postgresql://service@standby/hospital"
    assert settings.owner_database_url == "postgresql://owner@/hospital"
    assert settings.home_dir == Path("/var/lib/scorer")
    (etc / "scorer.toml").write_text('home = "/srv/scorer"')
    assert load_settings(environment={}).home_dir == Path("/srv/scorer")


@pytest.mark.parametrize("named", ["SCORER_CONFIG", "CREDENTIALS_DIRECTORY"])
def test_a_process_with_settings_of_its_own_leaves_the_services_alone(etc: Path, named: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    of_its_own = {"SCORER_CONFIG": os.devnull, "CREDENTIALS_DIRECTORY": str(tmp_path / "empty")}
    assert load_settings(environment={named: of_its_own[named]}) == Settings()


def test_another_database_has_another_standby(etc: Path) -> None:
    (etc / "read_url").write_text("postgresql://service@standby/hospital")
    (etc / "owner_database_url").write_text("postgresql://owner@/hospital")
    settings = load_settings(environment={"SCORER_DATABASE_URL": "postgresql://dba@/other"})
    assert (settings.database_url, settings.read_url) == ("postgresql://dba@/other", None)
    assert settings.owner_database_url is None
    assert settings.home_dir == Path("/var/lib/scorer"), "the service's models are there"


def test_a_user_who_may_not_read_the_services_url_is_told(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_readable_url({})
    close(etc / "database_url", monkeypatch)
    assert load_settings(environment={}) == Settings(), "--help works for everybody"
    with pytest.raises(UserError) as raised:
        require_readable_url({})
    assert str(raised.value) == (
        f"The database's URL is in {etc}/database_url, which root and the group scorer alone may read; run it with sudo, or as a "
        "member of that group (or set SCORER_DATABASE_URL)."
    )
    require_readable_url({"SCORER_CONFIG": os.devnull})


def test_a_file_that_is_closed_to_a_member_of_the_group_is_left_out(etc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (etc / "owner_database_url").write_text("postgresql://owner@/hospital")
    close(etc / "owner_database_url", monkeypatch)
    settings = load_settings(environment={})
    assert (settings.database_url, settings.owner_database_url) == ("postgresql://service@/hospital", None)


def test_a_sentence_names_the_place_where_the_url_is(etc: Path, toml: Any) -> None:
    assert url_place({}) == f"{etc}/database_url"
    assert url_place({"SCORER_DATABASE_URL": "postgresql://other"}) == "SCORER_DATABASE_URL"
    assert url_place({"CREDENTIALS_DIRECTORY": str(etc)}) == f"{etc}/database_url", "where the unit has it from"
    assert url_place({"SCORER_CONFIG": os.devnull}) == "SCORER_DATABASE_URL"
    (etc / "database_url").rename(etc / "owner_database_url")
    assert url_place({"CREDENTIALS_DIRECTORY": str(etc)}) == f"{etc}/owner_database_url"
    (etc / "owner_database_url").unlink()
    assert url_place({}) == url_place({"CREDENTIALS_DIRECTORY": str(etc)}) == "SCORER_DATABASE_URL"
    assert url_place(toml('database_url = "postgresql://file"')) == f"{etc}/scorer.toml"
    assert url_place({}) == f"{etc}/scorer.toml"
    assert url_place(toml("no TOML")) == "SCORER_DATABASE_URL"


EVERY_KIND = {
    "database_url": ('"postgresql://u@h/d"', "postgresql://u@h/d"),
    "owner_database_url": ('"postgresql://owner@h/d"', "postgresql://owner@h/d"),
    "home": ('"/srv/scorer"', Path("/srv/scorer")),
    "jobs_dir": ('"~/jobs"', Path.home() / "jobs"),
    "jobs": ('["sepsis", "readmit"]', ("sepsis", "readmit")),
    "worker_role": ('"other"', "other"),
    "batch_size": ("12", 12),
    "statement_timeout": ('"90 s"', timedelta(seconds=90)),
    "lock_timeout": ('"500 ms"', timedelta(seconds=0.5)),
    "idle_timeout": ('"2 min"', timedelta(minutes=2)),
    "connect_timeout": ('"3 s"', timedelta(seconds=3)),
    "allow_plaintext": ("true", True),
    "read_url": ('"postgresql://u@standby/d"', "postgresql://u@standby/d"),
    "read_lag_limit": ('"1 s"', timedelta(seconds=1)),
    "kept_rows": ("0", 0),
    "neighbour_active_sessions": ("7", 7),
    "neighbour_replication_lag": ("64", 64),
    "neighbour_lock_waits": ("1", 1),
    "neighbour_longest_transaction": ('"1 h"', timedelta(hours=1)),
    "neighbour_patience": ('"5 min"', timedelta(minutes=5)),
    "workers": ("2", 2),
    "backend": ('"threads"', "threads"),
    "scheduler": ('"tls://dask:8786"', "tls://dask:8786"),
    "late_after": ('"2 min"', timedelta(minutes=2)),
    "breaker_failures": ("4", 4),
    "breaker_pause": ('"1 h"', timedelta(hours=1)),
    "nightly": ('"@daily"', "@daily"),
    "replay_sample": ("0", 0),
    "partitions_ahead": ("6", 6),
    "keep_ledger": ('"1830 days"', timedelta(days=1830)),
    "expired_ledger": ('"drop"', "drop"),
    "keep_operations": ('"200 days"', timedelta(days=200)),
    "keep_requests": ('"30 days"', timedelta(days=30)),
    "keep_rejections": ('"31 days"', timedelta(days=31)),
    "keep_changes": ('"2 days"', timedelta(days=2)),
    "report_dir": ('"/srv/reports"', Path("/srv/reports")),
    "report_keep": ('"31 days"', timedelta(days=31)),
    "poll": ('"5 s"', timedelta(seconds=5)),
    "run_limit": ('"1 h"', timedelta(hours=1)),
    "stop_grace": ('"30 s"', timedelta(seconds=30)),
    "retry_tries": ("5", 5),
    "retry_first_wait": ('"2 s"', timedelta(seconds=2)),
    "retry_last_wait": ('"1 min"', timedelta(minutes=1)),
    "health_address": ('"127.0.0.1:9187"', "127.0.0.1:9187"),
    "log_format": ('"json"', "json"),
    "validation": ('"great_expectations"', "great_expectations"),
    "model_store": ('"database"', "database"),
    "schedules": ('{sepsis = "*/15 * * * *"}', (CronEntry("sepsis", "*/15 * * * *", None),)),
}


def test_every_option_has_its_case() -> None:
    assert list(EVERY_KIND) == [option.name for option in fields(Settings)]


@pytest.mark.parametrize("option", EVERY_KIND)
def test_every_option_is_read_from_file_and_environment(toml: Any, option: str) -> None:
    text, value = EVERY_KIND[option]
    assert getattr(load_settings(environment=toml(f"{option} = {text}")), option) == value
    in_environment = {"SCORER_CONFIG": os.devnull, f"SCORER_{option.upper()}": text.strip('"')}
    assert getattr(load_settings(environment=in_environment), option) == value


def test_relative_paths_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environment={"SCORER_CONFIG": os.devnull, "SCORER_HOME": "here"}).home == tmp_path / "here"


@pytest.mark.parametrize(
    ("option", "nearest"),
    [
        ("batchsize", "batch_size"),
        ("databse_url", "database_url"),
        ("job_dir", "jobs_dir"),
        ("lock-timeout", "lock_timeout"),
    ],
)
def test_an_unknown_option_is_refused_with_its_neighbour(toml: Any, tmp_path: Path, option: str, nearest: str) -> None:
    sentence = refusal(toml(f'{option} = "1 s"'))
    assert sentence == f'{tmp_path}/scorer.toml: {option} is not an option of scorer; did you mean "{nearest}"?'


def test_an_unknown_option_without_a_neighbour_is_refused_with_all_options() -> None:
    sentence = refusal({"SCORER_CONFIG": os.devnull, "SCORER_COLOUR": "red"})
    assert sentence.startswith("SCORER_COLOUR is not an option of scorer; the options are ")
    for option in fields(Settings):
        assert option.name in sentence


@pytest.mark.parametrize(
    "line",
    [
        "batch_size = 0",
        "batch_size = -1",
        "batch_size = 1.5",
        "batch_size = true",
        'batch_size = "many"',
        'batch_size = ""',
        "batch_size = 99999999999",
        "batch_size = [1]",
        "retry_tries = 0",
        "statement_timeout = 5",
        'statement_timeout = "5"',
        'statement_timeout = "5 m"',
        'statement_timeout = "0 s"',
        'statement_timeout = "0.1 ms"',
        'statement_timeout = "-1 s"',
        'statement_timeout = "1e3 s"',
        'statement_timeout = "99999999999999 days"',
        'retry_first_wait = "0 s"',
        "lock_timeout = true",
        "idle_timeout = []",
        "home = 5",
        "home = true",
        'home = ""',
        'home = "~no-user-of-that-name/scorer"',
        'jobs_dir = ["/a"]',
        "jobs = []",
        "jobs = 5",
        "jobs = [5]",
        'schedules = "5 * * * *"',
        "schedules = {sepsis = 5}",
        "owner_database_url = 1",
        "worker_role = 1",
        'worker_role = ""',
        "database_url = 1",
        "read_url = 1",
        'allow_plaintext = "yes"',
        'allow_plaintext = "True"',
        "allow_plaintext = 1",
        "allow_plaintext = []",
        "neighbour_active_sessions = 0",
        'neighbour_longest_transaction = "long"',
        'log_format = "JSON"',
        "log_format = 1",
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(toml: Any, tmp_path: Path, line: str) -> None:
    sentence = refusal(toml(line))
    assert sentence.startswith(f"{tmp_path}/scorer.toml: {line.split(' =', maxsplit=1)[0]}")
    assert "\n" not in sentence


def test_a_wrong_variable_is_named() -> None:
    assert refusal({"SCORER_CONFIG": os.devnull, "SCORER_LOCK_TIMEOUT": "soon"}).startswith(
        'SCORER_LOCK_TIMEOUT: "soon" is'
    )


@pytest.mark.parametrize("line", ['database_url = ["postgresql://u:secret@h/d"]', 'database_url = { a = "secret" }'])
def test_a_password_is_not_repeated(toml: Any, line: str) -> None:
    assert "secret" not in refusal(toml(line))


def test_a_table_is_no_option(toml: Any) -> None:
    assert "database is not an option of scorer" in refusal(toml('[database]\nurl = "x"'))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert refusal({"SCORER_CONFIG": str(missing)}).startswith(f"SCORER_CONFIG names {missing}, which is not there")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal({"SCORER_CONFIG": str(tmp_path)}) == f"The settings in {tmp_path} cannot be read: Is a directory."


@pytest.mark.parametrize("content", [b"batch_size = ", b"batch_size 3", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "scorer.toml"
    path.write_bytes(content)
    assert refusal({"SCORER_CONFIG": str(path)}).startswith(f"{path} is not valid TOML: ")


def test_credentials_without_a_database_url_say_nothing(tmp_path: Path) -> None:
    assert (
        load_settings(environment={"SCORER_CONFIG": os.devnull, "CREDENTIALS_DIRECTORY": str(tmp_path)}) == Settings()
    )


def test_the_standbys_url_may_be_a_credential_as_well(tmp_path: Path) -> None:
    (tmp_path / "read_url").write_text("postgresql://u:secret@standby/d\n")
    environment = {"SCORER_CONFIG": os.devnull, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load_settings(environment=environment) == Settings(read_url="postgresql://u:secret@standby/d")


@pytest.mark.parametrize("name", ["database_url", "read_url"])
@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_broken_credential_is_named(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    sentence = refusal({"SCORER_CONFIG": os.devnull, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert sentence.startswith(f"The credential {tmp_path}/{name}")


def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "database_url").mkdir()
    sentence = refusal({"SCORER_CONFIG": os.devnull, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert sentence == f"The credential {tmp_path}/database_url cannot be read; see LoadCredential= in the unit."


def test_home_is_the_systems_for_root_and_ones_own_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(home=tmp_path).home_dir == tmp_path
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert Settings().home_dir == Path("/var/lib/scorer")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert Settings().home_dir == tmp_path / "data" / "scorer"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().home_dir == tmp_path / ".local" / "share" / "scorer"


@pytest.mark.parametrize(
    ("tries", "first", "last", "waits"),
    [(3, 1, 10, (1.0, 10**0.5, 10.0)), (1, 2, 8, (2.0,)), (2, 2, 8, (2.0, 8.0)), (4, 1, 8, (1.0, 2.0, 4.0, 8.0))],
)
def test_waits_grow_from_the_first_to_the_last(tries: int, first: int, last: int, waits: tuple[float, ...]) -> None:
    settings = Settings(
        retry_tries=tries, retry_first_wait=timedelta(seconds=first), retry_last_wait=timedelta(seconds=last)
    )
    assert settings.retry_waits == pytest.approx(waits)


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().batch_size = 1  # type: ignore[misc]
