"""The units: systemd understands every line, finds little to fear, and each line that is not a default has its reason above it."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path for pattern in ("*.service", "*.timer") for path in FOLDER.glob(pattern))
SERVICES = [path for path in UNITS if path.suffix == ".service"]
LOCKED = "# From here on: what it may not do."
EXPOSURE = 1.5
MOST_UNDER_ONE_REASON = 7

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
each_service = pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def directives(unit: Path) -> dict[str, list[str]]:
    """The values of each directive of a unit, in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The units as `make install` writes them, for a prefix where the programs that they start are there."""
    prefix = tmp_path_factory.mktemp("prefix")
    for program in ("bin/scorer", "lib/scorer/bin/scorer-alert"):
        path = prefix / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    written = []
    for unit in UNITS:
        path = prefix / unit.name
        path.write_text(unit.read_text(encoding="utf-8").replace("/usr/local/", f"{prefix}/"))
        written.append(path)
    return written


@needs_systemd
def test_systemd_understands_the_units(placed: list[Path]) -> None:
    verified = analyze("verify", "--man=no", *placed)  # its status is 0 even where it knows a line not
    ours = [line for line in verified.stderr.splitlines() if "scorer" in line]
    assert (verified.returncode, ours) == (0, [])


@needs_systemd
def test_a_line_that_systemd_does_not_know_would_be_seen(placed: list[Path]) -> None:
    wrong = placed[0].with_name("scorer-wrong.service")
    wrong.write_text("[Service]\nExecStart=/bin/true\nWatchdogSecs=1\n")
    assert "WatchdogSecs" in analyze("verify", "--man=no", wrong).stderr


@needs_systemd
@each_service
def test_the_services_are_hardened(unit: Path) -> None:
    told = analyze("security", "--offline=true", f"--threshold={round(EXPOSURE * 10)}", unit)
    assert told.returncode == 0, told.stdout.splitlines()[-1]


@each_service
def test_every_service_is_locked_in_alike(unit: Path) -> None:
    assert locked(unit) == locked(FOLDER / "scorer.service")


def locked(unit: Path) -> list[str]:
    after = unit.read_text(encoding="utf-8").split(LOCKED)[1].split("[Install]")[0]
    return [line for line in after.splitlines()[1:] if "=" in line and not line.startswith("#")]


# What needs no reason: what the unit is, and how it is started.
PLAIN = {
    "Description",
    "Documentation",
    "Type",
    "ExecStart",
    "User",
    "Group",
    "After",
    "Wants",
    "Before",
    "WantedBy",
    "OnCalendar",
}
# What shares the reason of the line above it.
PAIRS = {
    "NotifyAccess": "Type",
    "StartLimitBurst": "StartLimitIntervalSec",
    "StateDirectoryMode": "StateDirectory",
    "LogExtraFields": "SyslogIdentifier",
    "Environment": "RuntimeDirectory",
    "LimitCORE": "MemoryMax",
}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_every_line_has_its_reason(unit: Path) -> None:
    """In what locks the services in, lines that belong together have one reason."""
    lines = unit.read_text(encoding="utf-8").split(LOCKED)[0].splitlines()
    for above, line in itertools.pairwise(lines):
        name = line.partition("=")[0]
        if "=" in line and not line.startswith("#") and name not in PLAIN:
            assert above.startswith(("# ", f"{name}=", f"{PAIRS.get(name)}=")), f"{unit.name}: {line}"


@each_service
def test_every_lock_has_its_reason(unit: Path) -> None:
    after = unit.read_text(encoding="utf-8").split(LOCKED)[1].split("[Install]")[0]
    groups = re.split(r"^# .*$", after, flags=re.MULTILINE)[1:]
    assert [group for group in groups if not 1 <= group.count("=") <= MOST_UNDER_ONE_REASON] == []


def test_the_daemon_never_holds_what_changes_tables() -> None:
    """Migrations have a credential of their own, and the daemon's units name another."""
    credentials = {unit.name: directives(unit).get("LoadCredential") for unit in SERVICES}
    assert credentials == {
        "scorer-alert@.service": None,
        "scorer-migrate.service": ["owner_database_url:/etc/scorer/owner_database_url"],
        "scorer-run@.service": ["database_url:/etc/scorer/database_url"],
        "scorer.service": ["database_url:/etc/scorer/database_url"],
        "scorer@.service": ["database_url:/etc/scorer/database_url"],
    }


def test_a_further_worker_is_the_daemon_again() -> None:
    first, further = directives(FOLDER / "scorer.service"), directives(FOLDER / "scorer@.service")
    differ = {name for name in first | further if first.get(name) != further.get(name)}
    assert differ == {"Description", "RuntimeDirectory", "Environment"}


@each_service
def test_somebody_is_told_of_every_failure_but_that_of_telling(unit: Path) -> None:
    told = directives(unit).get("OnFailure")
    assert told == (None if unit.name.startswith("scorer-alert") else ["scorer-alert@%n.service"])


def test_what_the_alert_says_is_explained() -> None:
    """Its line carries the id that the catalog knows, and every field that the catalog's text names."""
    catalog = (FOLDER / "scorer-alert.catalog").read_text(encoding="utf-8")
    fields = dict(value.split("=") for value in directives(FOLDER / "scorer-alert@.service")["LogExtraFields"])
    assert [fields.pop("MESSAGE_ID")] == re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.MULTILINE)
    assert set(re.findall(r"@([A-Z_]+)@", catalog)) == set(fields)


def test_the_alert_says_which_unit_failed_and_how() -> None:
    told = subprocess.run(
        ["sh", FOLDER / "scorer-alert", "scorer@2.service"],
        env={"MONITOR_SERVICE_RESULT": "watchdog"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "<1>scorer@2.service has failed (result: watchdog) and is not started again by itself\n"


@pytest.mark.parametrize("script", ["install.sh", "scorer-alert"])
def test_the_scripts_can_be_read_by_any_shell(script: str) -> None:
    assert subprocess.run(["sh", "-n", FOLDER / script], capture_output=True, check=False).returncode == 0
