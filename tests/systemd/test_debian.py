"""The Debian package on a bare Debian 12 under a real systemd: installed, upgraded from the version before, removed, purged.

The tests share one machine and go on from where the one before left it. Both packages are built from this checkout; the older has an older
version and an older settings file, and lacks the newest revision of the schema.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.systemd.conftest import AS_POSTGRES, CHECKOUT, LITTER, LOGINS, PASSWORDS, SAMPLE, boot

UNIT, SETTINGS, URL, OWNER = (
    "scorer.service",
    "/etc/scorer/scorer.toml",
    "/etc/scorer/database_url",
    "/etc/scorer/owner_database_url",
)
HELD = "/srv/packages"
REVISION = "SELECT version_num FROM scorer.alembic_version"
COMMANDS = sorted(path.stem for path in (CHECKOUT / "tests" / "house" / "help").glob("*.txt"))


def build(source: Path, folder: Path, wheels: Path) -> Path:
    """The package of a checkout, from wheels that are here."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "COMPRESSION": "gzip"}
    environment |= {"OUT": str(folder), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        ["make", f"--directory={source}", "deb", f"OUT={folder}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (package,) = folder.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def newer(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout."""
    return build(CHECKOUT, tmp_path_factory.mktemp("newer"), wheels)


@pytest.fixture(scope="module")
def older(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a checkout as it may have been before."""
    source = tmp_path_factory.mktemp("older") / "source"
    shutil.copytree(CHECKOUT, source, ignore=LITTER)
    version = source / "scorer" / "__init__.py"
    changed, times = re.subn(r'^__version__ = ".*"$', '__version__ = "0.0.1"', version.read_text(), flags=re.MULTILINE)
    assert times == 1
    version.write_text(changed)
    with (source / "systemd" / "scorer.toml").open("a") as settings:
        settings.write("# As it was in 0.0.1.\n")
    for part in newest_revision():
        (source / part.relative_to(CHECKOUT)).unlink()
    return build(source, source.parent / "built", wheels)


def newest_revision() -> list[Path]:
    """The files of the newest revision of the schema."""
    versions = CHECKOUT / "migrations" / "versions"
    newest = max(path.name[:4] for path in versions.glob("[0-9]*.py"))
    return sorted(versions.glob(f"{newest}_*"))


HEAD = newest_revision()[0].name[:4]
BEFORE = f"{int(HEAD) - 1:04}"


@pytest.fixture(scope="module")
def host(cache: Path, bare: Path, older: Path, newer: Path) -> Iterator[Any]:
    """A bare Debian that has booted, with the packages in a folder."""

    def fill(root: Path) -> None:
        folder = root / HELD.lstrip("/")
        folder.mkdir(parents=True)
        for name, package in (("older", older), ("newer", newer)):
            shutil.copy(package, folder / f"{name}.deb")

    with boot(cache, bare, fill, name="bare") as machine:
        yield machine


def apt(host: Any, *arguments: str, check: bool = True) -> str:
    """What apt said, without anybody to answer a question."""
    done = host.call("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", *arguments, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout + done.stderr)


def install(host: Any, which: str, *options: str, check: bool = True) -> str:
    return apt(host, *options, "--no-install-recommends", "install", f"{HELD}/{which}.deb", check=check)


def state(host: Any) -> str:
    """How dpkg has the package: "installed" is a whole one."""
    found = host.call("dpkg-query", "--show", "--showformat=${db:Status-Status}", "scorer", check=False)
    return str(found.stdout)


def there(host: Any, path: str) -> bool:
    return host.call("test", "-e", path, check=False).returncode == 0


def put_url(host: Any, path: str, login: str, secret: str) -> None:
    host.write(path, f"postgresql://{login}:{secret}@127.0.0.1:5432/hospital\n", mode=0o600)
    host.call("systemd-tmpfiles", "--create", "scorer.conf")


def active(host: Any) -> bool:
    return host.show(UNIT, "ActiveState") == "active"


def test_lintian_finds_no_error(newer: Path) -> None:
    if not shutil.which("lintian"):
        pytest.skip("needs lintian")
    found = subprocess.run(
        ["lintian", "--allow-root", "--fail-on=error", newer], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


def test_another_scorer_in_the_way_is_told_and_nothing_is_installed(host: Any) -> None:
    host.call("mkdir", "/usr/local/lib/scorer")
    assert "take it away with `make uninstall` first" in install(host, "older", check=False)
    assert state(host) != "installed"
    assert not there(host, "/usr/bin/scorer")
    host.call("rmdir", "/usr/local/lib/scorer")


def test_it_installs_without_a_network_and_starts_nothing(host: Any) -> None:
    told = install(host, "older")
    assert "nothing was started: put the database's URL into /etc/scorer/database_url" in told
    assert state(host) == "installed"
    assert host.out("scorer", "--version") == "scorer 0.0.1"
    assert host.show(UNIT, "FragmentPath").endswith("/lib/systemd/system/scorer.service")
    assert host.show(UNIT, "ActiveState") == "inactive"
    assert host.show(UNIT, "UnitFileState") == "disabled"
    assert host.out("id", "--name", "--user", "scorer") == "scorer"


def test_every_library_finds_what_it_needs(host: Any) -> None:
    everything = "import scorer.daemon.daemon, scorer.training.trainer, great_expectations, matplotlib.pyplot, lightgbm, psycopg2"
    host.call("/usr/lib/scorer/bin/python", "-c", everything)
    find = "find /usr/lib/scorer -name '*.so*' -type f -exec ldd {} + 2>/dev/null | grep 'not found' | sort --unique"
    missing = host.call("sh", "-c", find).stdout
    # Of the wheels' own, which are loaded before whatever names them.
    assert [line for line in missing.splitlines() if not re.search(r"-[0-9a-f]{8}\.so", line)] == []


def test_no_module_is_compiled_again(host: Any) -> None:
    """What was compiled for the package serves, though the files have other times here."""
    loads = "import sys; import scorer.cli.main; print(sys.modules['scorer.cli.main'].__cached__)"
    seen = host.call("/usr/lib/scorer/bin/python", "-v", "-c", loads)
    assert "matches /usr/lib/scorer/lib/python3.11/site-packages/scorer/cli/main.py" in seen.stderr
    assert not re.search(r"wrote .*/usr/lib/scorer", seen.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_manual_page(host: Any, command: str) -> None:
    shown = host.call("env", "MANROFFOPT=-ww", "man", "--warnings", "--encoding=utf8", command)
    assert shown.stderr == ""
    assert shown.stdout.startswith(f"{command.upper()}(1)")
    assert "EXIT STATUS" in shown.stdout


def test_commands_and_options_are_completed(host: Any) -> None:
    load = "source /usr/share/bash-completion/bash_completion; _completion_loader scorer"
    ask = "_scorer_completion scorer; echo ${COMPREPLY[@]}"
    of_a_command = host.out("bash", "-c", f"{load}; COMP_WORDS=(scorer mod); COMP_CWORD=1; {ask}")
    of_an_option = host.out("bash", "-c", f"{load}; COMP_WORDS=(scorer run --dry); COMP_CWORD=2; {ask}")
    assert (of_a_command, of_an_option) == ("model", "--dry-run")


def test_without_a_database_a_sentence_says_so(host: Any) -> None:
    done = host.call("scorer", "check", check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "SCORER_DATABASE_URL" in done.stdout + done.stderr


def test_the_demo_runs_on_the_hosts_postgresql_programs(host: Any) -> None:
    """It makes the embedded database, which a purge must leave."""
    as_scorer = ("runuser", "-u", "scorer", "--", "env", "SCORER_HOME=/var/lib/scorer", "scorer")
    host.call(*as_scorer, "demo", "--visits", "120")
    host.call(*as_scorer, "db", "stop")
    assert there(host, "/var/lib/scorer/postgres")


def test_it_scores_as_a_service(host: Any) -> None:
    host.call(*AS_POSTGRES, "createdb", "--template=template0", "--encoding=UTF8", "--locale=C.UTF-8", "hospital")
    here = ("SCORER_DATABASE_URL=postgresql:///hospital?host=/var/run/postgresql", "SCORER_HOME=/var/tmp")
    host.call(*AS_POSTGRES, "env", *here, "scorer", "db", "upgrade")
    assert host.sql(REVISION) == BEFORE
    host.call(*AS_POSTGRES, "/usr/lib/scorer/bin/python", "-c", SAMPLE)
    host.call(*AS_POSTGRES, "env", *here, "scorer", "load", "/var/tmp/sample")
    host.sql(LOGINS)
    put_url(host, URL, "scorer_daemon", PASSWORDS[0])
    host.call("scorer", "check")
    host.systemctl("enable", "--now", UNIT)
    host.call("scorer", "run", "sepsis")
    assert host.sql("SELECT status, eligible > 100 FROM reporting.runs ORDER BY run_id DESC LIMIT 1") == "succeeded|t"
    assert "Active: active" in host.systemctl("status", UNIT)


def test_the_catalogue_explains_its_entries(host: Any) -> None:
    assert "Defined-By: scorer" in host.out("journalctl", "--catalog", "--no-pager", f"--unit={UNIT}")


def test_upgraded_it_keeps_settings_and_says_who_migrates(host: Any) -> None:
    host.write(SETTINGS, 'poll = "5 s"\n')
    before = host.show(UNIT, "MainPID")
    told = install(host, "newer", "--option=Dpkg::Options::=--force-confold")
    assert "a DBA runs `scorer db upgrade`" in told
    assert state(host) == "installed"
    assert host.sql(REVISION) == BEFORE
    assert host.out("cat", SETTINGS) == 'poll = "5 s"'
    assert there(host, f"{SETTINGS}.dpkg-dist")
    assert host.show(UNIT, "UnitFileState") == "enabled"
    host.wait("the daemon to wait for the schema", lambda: host.show(UNIT, "MainPID") not in {"0", before})


def test_a_migration_that_fails_leaves_the_package_whole(host: Any) -> None:
    put_url(host, OWNER, "scorer_migrator", "wrong-secret")
    told = apt(host, "install", "--reinstall", f"{HELD}/newer.deb")
    assert "the schema could not be migrated, and is as it was" in told
    assert state(host) == "installed"
    assert host.sql(REVISION) == BEFORE


def test_with_the_owners_url_it_migrates_and_goes_on(host: Any) -> None:
    put_url(host, OWNER, "scorer_migrator", PASSWORDS[1])
    host.systemctl("reset-failed")
    told = apt(host, "install", "--reinstall", f"{HELD}/newer.deb")
    assert "scorer:" not in told
    assert host.sql(REVISION) == HEAD
    host.wait("the daemon to be ready", lambda: active(host))
    assert host.out("cat", SETTINGS) == 'poll = "5 s"', "changed here alone, it is kept without a question"


def test_who_is_on_call_needs_no_root_and_a_visitor_sees_no_password(host: Any) -> None:
    host.call("useradd", "--create-home", "--groups", "scorer,systemd-journal", "oncall")
    host.call("useradd", "--create-home", "visitor")
    for command in ("scorer status", "scorer check", "systemctl status scorer", "journalctl -u scorer -x -n 5"):
        host.call("runuser", "--login", "oncall", "--command", command)
    refused = host.call("runuser", "--login", "visitor", "--command", "scorer status", check=False)
    assert "root and the group scorer alone may read" in refused.stderr
    found = host.call("grep", "--recursive", "--files-with-matches", PASSWORDS[0], "/etc", "/usr/share", check=False)
    assert found.stdout.split() == [URL]
    assert host.out("stat", "--format=%U:%G %a", URL) == "root:scorer 640"


def test_removed_it_leaves_settings_and_database(host: Any) -> None:
    apt(host, "remove", "scorer")
    assert state(host) == "config-files"
    assert host.call("pgrep", "--euid", "scorer", check=False).stdout == ""
    assert host.show(UNIT, "LoadState") == "not-found"
    assert there(host, SETTINGS)
    assert there(host, URL)
    assert not there(host, "/usr/lib/scorer")
    assert host.sql("SELECT count(*) > 0 FROM reporting.current_scores") == "t"


def test_installed_again_it_is_as_it_was(host: Any) -> None:
    install(host, "newer")
    assert host.out("cat", SETTINGS) == 'poll = "5 s"'
    assert host.show(UNIT, "UnitFileState") == "enabled"
    host.call("scorer", "check")


def test_purged_it_leaves_the_databases_and_says_what_is_left(host: Any) -> None:
    host.write("/etc/scorer/jobs/sql/own/job.toml", "# a site's own\n")
    told = apt(host, "purge", "scorer")
    assert "the database is as it was" in told
    for left in ("/etc/scorer", "/var/lib/scorer"):
        assert there(host, left)
        assert f"left as it is: {left};" in told
    assert "an embedded database is in /var/lib/scorer/postgres" in told
    for gone in (SETTINGS, URL, OWNER, "/usr/bin/scorer", "/etc/systemd/system/multi-user.target.wants/scorer.service"):
        assert not there(host, gone)
    assert there(host, "/etc/scorer/jobs/sql/own/job.toml")
    assert there(host, "/var/lib/scorer/postgres")
    assert state(host) in {"", "not-installed"}
    assert host.sql("SELECT count(*) > 0 FROM reporting.current_scores") == "t"
