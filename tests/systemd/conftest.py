"""Machines of their own: Debian with a real systemd and PostgreSQL in a container.

In one, scorer is put in place by `make install`; another is bare, for the Debian package.

`make test-systemd` runs these; `make test` leaves them out. They need root, debootstrap, systemd-nspawn and a Debian mirror. What takes
longest, the bootstrapped Debian and the wheels, is kept in SCORER_SYSTEMD_CACHE (~/.cache/scorer/systemd); removing it is safe.
A container has no say over its control groups where the host keeps them from it: MemoryMax= and IPAddressDeny= are not tried here.
"""

from __future__ import annotations

import configparser
import fnmatch
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
SUITE = "bookworm"  # systemd 252: the oldest that the units are for
PYTHON = "3.11"  # its own
PACKAGES = "systemd,systemd-sysv,dbus,procps,python3,python3-venv,make,libgomp1,postgresql"
# Of the bare one, without Python; and what the package asks for, which lies in its cache, since it has no network.
BARE = "systemd,systemd-sysv,dbus,procps,postgresql,man-db,bash-completion"
ASKED_FOR = ("python3", "libgomp1", "libstdc++6", "zlib1g", "tzdata", "ca-certificates")
TOOLS = ("debootstrap", "systemd-nspawn", "nsenter", "setpriv")
WHEELS, SOURCE, STAGE = "/srv/wheels", "/usr/src/scorer", "/var/tmp/staged"
LITTER = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups")
# Read here: no SCORER_ variable is left once the first test begins.
CACHE, MIRROR = os.environ.get("SCORER_SYSTEMD_CACHE"), os.environ.get("SCORER_SYSTEMD_MIRROR")
PATIENCE = 90.0  # seconds; a bound for what has gone wrong, on a machine that may be busy


@dataclass(frozen=True, slots=True)
class Machine:
    """A container that has booted: the process that is its init, and the folder that is its root."""

    init: int
    root: Path

    def call(self, *command: str, check: bool = True, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """What a command ended with, run as root inside."""
        inside = ["nsenter", f"--target={self.init}", "--all", "env", "-i", "LANG=C.UTF-8", "HOME=/root"]
        place = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run([*inside, place, *command], input=text, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def out(self, *command: str) -> str:
        """What a command printed; it must end well."""
        return self.call(*command).stdout.strip()

    def systemctl(self, *arguments: str) -> str:
        return self.out("systemctl", *arguments)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.out("systemctl", "show", "--value", f"--property={name}", unit)

    def sql(self, statement: str) -> str:
        """What the administrator of the database gets for a statement: rows as lines, columns parted by |."""
        psql = (
            "psql",
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--dbname=hospital",
        )
        return self.out(*AS_POSTGRES, *psql, "--command", statement)

    def journal(self, *, after: str = "", unit: str = "*", event: str = "") -> list[dict[str, Any]]:
        """Entries of the journal, oldest first: those after a place, of units by a pattern, with a MESSAGE_ID.

        They are chosen here, because journalctl 252 passes over the first match after a place that does not match itself.
        Whole, a long message too, for which JSON would have null.
        """
        entries = map(
            json.loads,
            self.out(
                "journalctl", "--all", "--output=json", *([f"--after-cursor={after}"] if after else [])
            ).splitlines(),
        )
        return [
            entry
            for entry in entries
            if any(fnmatch.fnmatch(entry.get(name, ""), unit) for name in ("_SYSTEMD_UNIT", "UNIT"))
            and entry.get("MESSAGE_ID", "").startswith(event)
        ]

    def cursor(self) -> str:
        """A place in the journal: `journal(after=...)` gives what came later."""
        self.call("journalctl", "--sync")
        return (
            self.out("journalctl", "--lines=1", "--output=json")
            .split('"__CURSOR":"')[1]
            .split('"')[0]
            .replace("\\/", "/")
        )

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Put a file there."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)

    def wait(self, what: str, held: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
        """What `held` gives, once it is true; it fails with what is wrong, and the journal's end, after so many seconds."""
        end = time.monotonic() + seconds
        while not (found := held()):
            if time.monotonic() > end:
                last = self.call("journalctl", "--no-pager", "--unit=scorer*", "--lines=40", check=False).stdout
                pytest.fail(f"waited {seconds:.0f} s for {what}; the journal ends with\n{last}")
            time.sleep(0.2)
        return found


def _missing() -> str | None:
    """What this needs and is not here."""
    if os.geteuid() != 0:
        return "needs root, to boot a container"
    absent = [tool for tool in TOOLS if not shutil.which(tool)]
    return f"needs {', '.join(absent)} (apt install debootstrap systemd-container util-linux)" if absent else None


def _mirror() -> str:
    """The Debian mirror: SCORER_SYSTEMD_MIRROR, or Debian's own."""
    return MIRROR or "http://deb.debian.org/debian"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Where what takes long to fetch is kept."""
    absent = _missing()
    if absent:
        pytest.skip(absent)
    above = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(CACHE or above / "scorer" / "systemd").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _bootstrapped(cache: Path, packages: str, prepare: Callable[[Path], None], *, name: str) -> Path:
    """A Debian that has never booted, fetched the first time."""
    ready = cache / f"{name}-{hashlib.sha256(packages.encode()).hexdigest()[:8]}"
    if not ready.exists():
        try:
            urllib.request.urlopen(f"{_mirror()}/dists/{SUITE}/Release", timeout=30).close()
        except OSError as error:
            pytest.skip(
                f"needs the Debian mirror {_mirror()}, which does not answer ({error}); set SCORER_SYSTEMD_MIRROR"
            )
        fresh = ready.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        _run("debootstrap", "--variant=minbase", f"--include={packages}", SUITE, fresh, _mirror())
        _run("chroot", fresh, "apt-get", "clean")
        # Another one, where a server of this host listened there while the cluster was made.
        _run(
            "chroot", fresh, "sed", "--in-place", "s/^port = .*/port = 5432/", "/etc/postgresql/15/main/postgresql.conf"
        )
        prepare(fresh)
        fresh.rename(ready)
    return ready


@pytest.fixture(scope="session")
def debian(cache: Path) -> Path:
    """The one for `make install`, which has Python."""
    return _bootstrapped(cache, PACKAGES, lambda _: None, name=SUITE)


@pytest.fixture(scope="session")
def bare(cache: Path) -> Path:
    """The one for the package, which has none; what the package asks for waits in apt's cache."""

    def fetch(fresh: Path) -> None:
        _run("chroot", fresh, "apt-get", "update")
        _run("chroot", fresh, "apt-get", "install", "--yes", "--download-only", *ASKED_FOR)

    return _bootstrapped(cache, BARE, fetch, name=f"{SUITE}-bare")


@pytest.fixture(scope="session")
def wheels(cache: Path) -> Path:
    """All that scorer needs, in the versions that the other tests run with, as wheels for Debian's Python."""
    setup = configparser.ConfigParser()
    setup.read(CHECKOUT / "setup.cfg", encoding="utf-8")
    told = setup["options"]["install_requires"] + setup["options.extras_require"]["report"]
    wanted = [line for line in told.splitlines() if line and not line.startswith("#")]
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    versions = _run(*pip, "freeze", "--exclude-editable")
    ready = cache / f"wheels-{hashlib.sha256(f'{wanted}{versions}'.encode()).hexdigest()[:8]}"
    if not ready.exists():
        fresh = ready.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        constraints = fresh / "constraints.txt"
        constraints.write_text(versions)
        take = [*pip, "download", "--quiet", "--only-binary=:all:", f"--python-version={PYTHON}", f"--dest={fresh}"]
        _run(*take, f"--constraint={constraints}", *wanted)
        _run(*take, "setuptools>=77", "wheel")
        for outdated in cache.glob("wheels-*[0-9a-f]"):
            shutil.rmtree(outdated)
        fresh.rename(ready)
    return ready


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, env=os.environ | {"LANG": "C.UTF-8"}
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def booted(cache: Path, debian: Path, wheels: Path) -> Iterator[Machine]:
    """A copy of that Debian, running, with this checkout in /usr/src/scorer and no network but its own."""

    def fill(root: Path) -> None:
        shutil.copytree(CHECKOUT, root / SOURCE.lstrip("/"), ignore=LITTER)

    with boot(cache, debian, fill, f"--bind-ro={wheels}:{WHEELS}", name="machine") as machine:
        yield machine


@contextmanager
def boot(cache: Path, debian: Path, fill: Callable[[Path], None], *options: str, name: str) -> Iterator[Machine]:
    """A copy of a Debian, running, with what `fill` puts into it and no network but its own."""
    root = cache / f"{name}-{os.getpid()}"
    _run("cp", "--archive", "--reflink=auto", debian, root)
    fill(root)
    console = root.with_suffix(".log")
    # On a host that systemd runs, it gets a scope of its own; elsewhere there is nobody to ask for one.
    kept = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
    command = [
        "setpriv",
        "--pdeathsig=KILL",
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        *kept,
        f"--directory={root}",
    ]
    with console.open("w") as output:
        nspawn = subprocess.Popen(
            [*command, "--private-network", *options, "--boot"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        machine = Machine(init=_init_of(nspawn), root=root)
        machine.wait("the machine to boot", lambda: _has_booted(machine))
        yield machine
        os.kill(machine.init, signal.SIGRTMIN + 4)  # power off
        nspawn.wait(PATIENCE)
    finally:
        nspawn.kill()
        nspawn.wait()
        shutil.rmtree(root, ignore_errors=True)
        console.unlink()


def _init_of(nspawn: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and nspawn.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.05)
    pytest.fail("systemd-nspawn did not boot")


def _has_booted(machine: Machine) -> bool:
    state = machine.call("systemctl", "is-system-running", check=False).stdout.strip()
    return state in {"running", "degraded"}


@pytest.fixture(scope="session")
def staged(booted: Machine) -> Machine:
    """The machine with scorer in place, as a package would put it there: `make install` into a staging folder, then copied."""
    booted.call(*_make("install", f"DESTDIR={STAGE}"))
    booted.call("cp", "--archive", f"{STAGE}/.", "/")
    left = booted.call("grep", "--recursive", "--files-with-matches", STAGE, "/usr/local", "/etc/scorer", check=False)
    assert left.stdout == "", "files name the folder that they were staged in"
    booted.call("rm", "--recursive", STAGE)
    booted.call("systemd-sysusers")
    booted.call("systemd-tmpfiles", "--create", check=False)
    booted.call("journalctl", "--update-catalog")
    booted.systemctl("daemon-reload")
    return booted


def _make(*arguments: str) -> tuple[str, ...]:
    offline = ("PIP_NO_INDEX=1", f"PIP_FIND_LINKS={WHEELS}", "PIP_ROOT_USER_ACTION=ignore")
    return ("env", *offline, "make", f"--directory={SOURCE}", *arguments)


@pytest.fixture(scope="session")
def make(booted: Machine) -> Callable[..., str]:
    """`make` in the checkout inside."""
    return lambda *arguments: booted.out(*_make(*arguments))


SAMPLE = """
import json, pathlib, datetime
from scorer.database.source.sample import generate, write
from scorer.config import shipped_root
facts = json.loads((shipped_root() / "sql" / "sepsis" / "cohort.json").read_text(encoding="utf-8"))
now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
folder = pathlib.Path("/var/tmp/sample")
folder.mkdir(mode=0o755)
write(generate(facts, visits=200, seed=1, first_visit=1, now=now), folder)
"""
LOGINS = """
CREATE ROLE scorer_daemon LOGIN PASSWORD 'daemon-secret';
GRANT scorer_worker TO scorer_daemon;
CREATE ROLE scorer_migrator LOGIN PASSWORD 'owner-secret';
GRANT scorer_owner TO scorer_migrator;
"""
PASSWORDS = ("daemon-secret", "owner-secret")


@pytest.fixture(scope="session")
def machine(staged: Machine) -> Machine:
    """The machine with a hospital's database beside it: migrated, a sample loaded, a login for the daemon and one for migrations."""
    staged.call(*AS_POSTGRES, "createdb", "--template=template0", "--encoding=UTF8", "--locale=C.UTF-8", "hospital")
    here = "SCORER_DATABASE_URL=postgresql:///hospital?host=/var/run/postgresql"
    scorer = (*AS_POSTGRES, "env", here, "SCORER_HOME=/var/tmp", "/usr/local/bin/scorer")
    staged.call(*scorer, "db", "upgrade")
    staged.call(*AS_POSTGRES, "/usr/local/lib/scorer/bin/python", "-c", SAMPLE)
    staged.call(*scorer, "load", "/var/tmp/sample")
    staged.sql(LOGINS)
    for name, login, secret in (("", "scorer_daemon", PASSWORDS[0]), ("owner_", "scorer_migrator", PASSWORDS[1])):
        staged.write(
            f"/etc/scorer/{name}database_url", f"postgresql://{login}:{secret}@127.0.0.1:5432/hospital\n", mode=0o600
        )
    staged.call("systemd-tmpfiles", "--create", "scorer.conf")
    return staged


@pytest.fixture(scope="session")
def passwords() -> tuple[str, ...]:
    """What may stand nowhere but in the two credentials."""
    return PASSWORDS


@pytest.fixture
def place(machine: Machine) -> str:
    """The journal's end before the test."""
    return machine.cursor()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One test at a time needs minutes here: what is fetched and installed counts to the first."""
    for item in items:
        if re.search(r"tests/systemd/", str(item.path)):
            item.add_marker(pytest.mark.timeout(1800))
