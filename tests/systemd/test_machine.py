"""Put in place by `make install` under a real systemd: units, user, folders, catalog, and runs without the daemon."""

from __future__ import annotations

from typing import Any


def test_systemd_knows_the_units(machine: Any) -> None:
    for unit in ("scorer.service", "scorer@2.service", "scorer-migrate.service", "scorer-run@sepsis.service"):
        assert machine.show(unit, "LoadState") == "loaded"
        assert machine.show(unit, "FragmentPath").startswith("/usr/local/lib/systemd/system/scorer")
        assert machine.show(unit, "User") == "scorer"


def test_what_others_run_by_hand_is_found_without_knowing_pythons_version(machine: Any) -> None:
    assert "GRANT" in machine.out("cat", "/usr/local/share/scorer/sql/sepsis/grants.sql")
    assert "ScorerGone" in machine.out("cat", "/usr/local/share/scorer/scorer.rules.yml")


def test_the_service_owns_its_folder_and_cannot_read_the_owners_credential(machine: Any) -> None:
    assert machine.out("stat", "--format=%U:%G %a", "/var/lib/scorer") == "scorer:scorer 750"
    machine.call("chmod", "0644", "/etc/scorer/owner_database_url")
    machine.call("systemd-tmpfiles", "--create", "scorer.conf")
    assert machine.out("stat", "--format=%U %a", "/etc/scorer/owner_database_url") == "root 600"
    read = ("runuser", "-u", "scorer", "--", "cat", "/etc/scorer/owner_database_url")
    assert machine.call(*read, check=False).returncode != 0
    assert machine.out("stat", "--format=%U:%G %a", "/etc/scorer/database_url") == "root:scorer 640"


def test_a_run_without_the_daemon(machine: Any, place: str) -> None:
    machine.systemctl("start", "scorer-run@sepsis.service")
    assert machine.show("scorer-run@sepsis.service", "Result") == "success"
    assert (
        machine.sql("SELECT status, eligible > 100 FROM reporting.runs ORDER BY run_id DESC LIMIT 1") == "succeeded|t"
    )


def test_the_schema_is_migrated_by_the_owners_login(machine: Any) -> None:
    machine.systemctl("restart", "scorer-migrate.service")
    assert machine.show("scorer-migrate.service", "Result") == "success"
    assert "was at head" in machine.out("journalctl", "--unit=scorer-migrate", "--lines=20", "--output=cat")
