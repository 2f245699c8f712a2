"""The daemon under a real systemd: ready, scoring, killed, hung, without its database, reloaded, stopped; and what the journal says of it.

The tests share one machine and go on from where the one before left it: with the service running.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scorer.log import events

UNIT = "scorer.service"
SHIPPED = "/usr/local/lib/scorer/lib/python3.11/site-packages/scorer"
EVERY_MINUTE, IN_A_WHILE = "* * * * *", "7 3 1 1 *"
RUNS = "SELECT count(*) FROM reporting.runs WHERE trigger IN ('schedule', 'catch-up') AND status = 'succeeded'"


@pytest.fixture(scope="module")
def schedule(machine: Any) -> Callable[[str], None]:
    """Sets when the site's own copy of the job runs."""
    for part in ("sql", "expectations"):
        machine.call("mkdir", "--parents", f"/etc/scorer/jobs/{part}")
        machine.call("cp", "--recursive", f"{SHIPPED}/{part}/sepsis", f"/etc/scorer/jobs/{part}/")
    machine.write(
        "/etc/scorer/scorer.toml", 'jobs_dir = "/etc/scorer/jobs"\npoll = "2 s"\nhealth_address = "127.0.0.1:9187"\n'
    )
    job = machine.out("cat", f"{SHIPPED}/sql/sepsis/job.toml")

    def write(cron: str) -> None:
        changed, times = re.subn(r'^cron = ".*"$', f'cron = "{cron}"', job, flags=re.MULTILINE)
        assert times == 1
        machine.write("/etc/scorer/jobs/sql/sepsis/job.toml", changed)

    return write


@pytest.fixture(scope="module")
def service(machine: Any, schedule: Callable[[str], None]) -> Iterator[Any]:
    """The machine with the service enabled and started, running the job every minute."""
    schedule(EVERY_MINUTE)
    machine.systemctl("enable", "--now", UNIT)
    yield machine
    machine.systemctl("disable", "--now", UNIT)


def active(machine: Any) -> bool:
    return machine.show(UNIT, "ActiveState") == "active"


def main_process(machine: Any) -> int:
    return int(machine.show(UNIT, "MainPID"))


def messages(machine: Any, after: str, unit: str) -> list[str]:
    """What a unit said after a place."""
    return [entry["MESSAGE"] for entry in machine.journal(after=after, unit=unit)]


def restarted(machine: Any, before: int) -> bool:
    return active(machine) and main_process(machine) not in {0, before}


def answer(machine: Any) -> str:
    """What became of a request made now."""
    request = machine.sql("SELECT scorer.request_score('sepsis', '7')")
    status = f"SELECT status FROM reporting.requests WHERE request_id = {request} AND status <> 'waiting'"
    return str(machine.wait("an answer", lambda: machine.sql(status)))


def test_it_is_ready_once_all_holds(service: Any) -> None:
    assert active(service)
    ready = service.journal(event=events.DAEMON_READY.message_id)[-1]
    assert ready["_SYSTEMD_UNIT"] == UNIT
    # The threads of the jobs say when their next tick is once they have looked.
    service.wait("the next tick", lambda: "sepsis" in service.show(UNIT, "StatusText"))


def test_it_scores_on_its_schedule(service: Any) -> None:
    service.wait("a scheduled run", lambda: int(service.sql(RUNS)) > 0)
    outcome = "SELECT DISTINCT outcome FROM reporting.ticks"
    assert service.sql(outcome) in {"ran", "late"}


def test_it_scores_on_demand(service: Any) -> None:
    assert answer(service) == "done"


def test_its_entries_carry_fields_and_are_explained(service: Any) -> None:
    entry = service.journal(event=events.RUN_SUCCEEDED.message_id)[-1]
    fields = {"RUN_ID", "JOB", "ELIGIBLE", "SCORED", "QUARANTINED", "CODE_FILE", "CODE_LINE", "CODE_FUNC"}
    assert fields <= set(entry)
    assert (entry["JOB"], entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]) == ("sepsis", "6", "scorer")
    explained = service.out("journalctl", "--catalog", "--no-pager", "--lines=1", f"MESSAGE_ID={entry['MESSAGE_ID']}")
    assert "Defined-By: scorer" in explained


def test_a_quiet_stretch_has_no_warning(service: Any, place: str) -> None:
    before = int(service.sql(RUNS))
    service.wait("two more runs", lambda: int(service.sql(RUNS)) >= before + 2, seconds=200)
    heard = service.journal(after=place, unit="scorer*")
    assert [entry["MESSAGE"] for entry in heard if int(entry["PRIORITY"]) <= 4] == []
    assert any(entry.get("MESSAGE_ID") == events.RUN_SUCCEEDED.message_id for entry in heard)


def test_no_password_is_anywhere_but_in_the_credentials(service: Any, passwords: tuple[str, ...]) -> None:
    process = main_process(service)
    told = service.out("journalctl", "--output=json", "--all")
    shown = service.systemctl("show", UNIT, "scorer-migrate.service")
    listed = service.out("ps", "-e", "-o", "args", "e")
    mounted = service.out("cat", f"/proc/{process}/environ")
    for secret in passwords:
        for text in (told, shown, listed, mounted):
            assert secret not in text


def test_it_answers_for_its_health(service: Any) -> None:
    ask = "import urllib.request as ask; print(ask.urlopen('http://127.0.0.1:9187/ready').status)"
    assert service.out("python3", "-c", ask) == "200"


def test_it_runs_as_nobody_much(service: Any) -> None:
    status = service.out("cat", f"/proc/{main_process(service)}/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert service.out("ps", "-o", "user=", "-p", str(main_process(service))) == "scorer"


def test_a_further_worker_shares_the_work(service: Any) -> None:
    before = int(service.sql(RUNS))
    service.systemctl("start", "scorer@2.service")
    daemons = "SELECT count(*) FROM scorer.daemons WHERE ready"
    service.wait("two daemons", lambda: service.sql(daemons) == "2")
    service.call("test", "-S", "/run/scorer-2/health.sock")
    service.wait("one more run", lambda: int(service.sql(RUNS)) > before)
    service.systemctl("stop", "scorer@2.service")
    assert service.show("scorer@2.service", "Result") == "success"
    service.wait("it to leave", lambda: service.sql(daemons) == "1")
    twice = "SELECT count(*) FROM reporting.runs GROUP BY job, scheduled_for HAVING scheduled_for IS NOT NULL AND count(*) > 1"
    assert service.sql(twice) == ""


def test_killed_it_comes_back(service: Any) -> None:
    before, starts = main_process(service), int(service.show(UNIT, "NRestarts"))
    service.systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT)
    service.wait("it to come back", lambda: restarted(service, before))
    assert int(service.show(UNIT, "NRestarts")) == starts + 1
    assert answer(service) == "done"


def test_hung_it_is_killed_by_the_watchdog(service: Any, place: str) -> None:
    before = main_process(service)
    service.systemctl("kill", "--kill-whom=main", "--signal=STOP", UNIT)
    service.wait("the watchdog", lambda: restarted(service, before), seconds=180)
    heard = "\n".join(messages(service, place, UNIT))
    assert "Watchdog timeout" in heard
    assert "Failed with result 'watchdog'" in heard


def test_reloaded_it_takes_the_new_schedule_without_a_restart(
    service: Any, schedule: Callable[[str], None], place: str
) -> None:
    before = main_process(service)
    schedule(IN_A_WHILE)
    service.systemctl("reload", UNIT)
    service.wait("the reload", lambda: service.journal(after=place, event=events.DAEMON_RELOADED.message_id))
    service.wait("active again", lambda: active(service))
    assert main_process(service) == before
    service.wait("a new status", lambda: "-01-01 03:07" in service.show(UNIT, "StatusText"))


def test_a_reload_that_cannot_be_read_changes_nothing(
    service: Any, schedule: Callable[[str], None], place: str
) -> None:
    before = main_process(service)
    schedule("at noon")
    service.systemctl("reload", UNIT)
    # systemctl may come back before the service has said that it reloads (Type=notify with ExecReload).
    (refused,) = service.wait(
        "the refusal", lambda: service.journal(after=place, event=events.JOB_NOT_RELOADED.message_id)
    )
    assert refused["PRIORITY"] == "3"
    schedule(EVERY_MINUTE)
    service.wait("active again", lambda: active(service))
    assert main_process(service) == before
    service.systemctl("reload", UNIT)
    service.wait("the reload", lambda: service.journal(after=place, event=events.DAEMON_RELOADED.message_id))


def test_without_its_database_it_waits_and_recovers(service: Any, place: str) -> None:
    before = main_process(service)
    service.systemctl("stop", "postgresql@15-main.service")
    service.wait("it to notice", lambda: "not ready" in service.show(UNIT, "StatusText").lower())
    assert active(service)
    service.systemctl("start", "postgresql@15-main.service")
    service.wait(
        "it to be ready again", lambda: "not ready" not in service.show(UNIT, "StatusText").lower(), seconds=30
    )
    assert answer(service) == "done"
    assert main_process(service) == before
    lost = service.journal(after=place, event=events.DATABASE_LOST.message_id)
    assert len(lost) == 1, "told once, not at every try"


def test_started_before_its_database_it_waits_to_be_ready(service: Any) -> None:
    service.systemctl("stop", UNIT, "postgresql@15-main.service")
    service.systemctl("start", "--no-block", UNIT)
    service.wait("its status", lambda: main_process(service) and service.show(UNIT, "StatusText"))
    assert service.show(UNIT, "ActiveState") == "activating"
    service.systemctl("start", "postgresql@15-main.service")
    service.wait("it to be ready", lambda: active(service))


def test_it_stops_in_time_and_leaves_nothing_behind(service: Any, place: str) -> None:
    row = f"SELECT count(*) FROM scorer.daemons WHERE daemon LIKE '%/{main_process(service)}'"
    assert service.sql(row) == "1"
    service.systemctl("stop", UNIT)
    assert service.show(UNIT, "Result") == "success"
    assert (service.show(UNIT, "ExecMainCode"), service.show(UNIT, "ExecMainStatus")) == ("1", "0")  # 1: it exited
    heard = "\n".join(messages(service, place, UNIT))
    assert not re.search("timed out|Killing process|remains running", heard)
    assert service.call("pgrep", "--euid", "scorer", check=False).stdout == ""
    assert service.sql(row) == "0"
    service.systemctl("start", UNIT)


# What cannot start


@pytest.fixture
def stopped(service: Any) -> Iterator[Any]:
    """The machine with the service stopped, and as many starts left to it as on a quiet day."""
    service.systemctl("stop", UNIT)
    service.systemctl("reset-failed", UNIT)
    yield service
    service.call("systemctl", "reset-failed", UNIT)
    service.systemctl("start", UNIT)


def test_a_missing_credential_is_told_before_anything_starts(stopped: Any) -> None:
    stopped.call("mv", "/etc/scorer/database_url", "/etc/scorer/away")
    try:
        assert stopped.call("systemctl", "start", UNIT, check=False).returncode != 0
        told = stopped.call("systemctl", "status", UNIT, check=False).stdout
        assert "AssertPathExists=/etc/scorer/database_url was not met" in told
    finally:
        stopped.call("mv", "/etc/scorer/away", "/etc/scorer/database_url")


@pytest.fixture
def pager(machine: Any) -> Iterator[str]:
    """The site's own program for alerts, and what it says when it is called."""
    machine.write("/etc/scorer/alert", '#!/bin/sh\necho "paged: $1 $2 as $(id -un)"\n', mode=0o755)
    yield "paged: scorer.service exit-code as scorer"
    machine.call("rm", "/etc/scorer/alert")


def test_what_a_person_must_mend_is_tried_once_and_somebody_is_told(stopped: Any, pager: str, place: str) -> None:
    settings = stopped.out("cat", "/etc/scorer/scorer.toml")
    stopped.write("/etc/scorer/scorer.toml", 'jbos_dir = "/etc/scorer/jobs"\n')
    try:
        assert stopped.call("systemctl", "start", UNIT, check=False).returncode != 0
        assert stopped.show(UNIT, "ActiveState") == "failed"
        assert stopped.show(UNIT, "NRestarts") == "0"
        stopped.wait("the pager", lambda: pager in messages(stopped, place, "scorer-alert@*"))
        (told,) = [each for each in stopped.journal(after=place, unit="scorer-alert@*") if each["PRIORITY"] == "1"]
        assert (told["PRIORITY"], told["FAILED_UNIT"]) == ("1", UNIT)
        explained = stopped.out("journalctl", "--catalog", "--no-pager", f"MESSAGE_ID={told['MESSAGE_ID']}")
        assert f"systemctl start {UNIT}" in explained
        assert any("jobs_dir" in message for message in messages(stopped, place, UNIT))
    finally:
        stopped.write("/etc/scorer/scorer.toml", settings + "\n")


def test_a_fault_that_starting_does_not_mend_ends_and_somebody_is_told(stopped: Any, pager: str, place: str) -> None:
    folder = f"/etc/systemd/system/{UNIT}.d"
    stopped.write(f"{folder}/fault.conf", "[Service]\nExecStart=\nExecStart=/bin/sh -c 'exit 70'\nRestartSec=100ms\n")
    stopped.systemctl("daemon-reload")
    try:
        stopped.call("systemctl", "start", UNIT, check=False)
        stopped.wait("the pager", lambda: pager in messages(stopped, place, "scorer-alert@*"))
        assert stopped.show(UNIT, "ActiveState") == "failed"
        tries = [text for text in messages(stopped, place, UNIT) if "status=70" in text]
        assert len(tries) == int(stopped.show(UNIT, "StartLimitBurst"))
        assert sum(text.startswith("paged:") for text in messages(stopped, place, "scorer-alert@*")) == 1
    finally:
        stopped.call("rm", "--recursive", folder)
        stopped.systemctl("daemon-reload")
