"""Put in place again over what a site has changed, and taken away: what is the site's is left, and is said to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SETTINGS = "/etc/scorer/scorer.toml"


def there(machine: Any, path: str) -> bool:
    return machine.call("test", "-e", path, check=False).returncode == 0


def test_installed_again_it_keeps_what_the_site_has_changed(machine: Any, make: Callable[..., str]) -> None:
    machine.write(SETTINGS, 'poll = "5 s"\n')
    told = make("install")
    assert "kept" in told
    assert machine.out("cat", SETTINGS) == 'poll = "5 s"'
    assert there(machine, f"{SETTINGS}.new")
    assert machine.show("scorer.service", "LoadState") == "loaded"
    machine.systemctl("start", "scorer-run@sepsis.service")
    assert not there(machine, "/usr/local/lib/scorer.new")


def test_taken_away_it_leaves_the_sites_own(machine: Any, make: Callable[..., str]) -> None:
    machine.systemctl("enable", "--now", "scorer-run@sepsis.timer")
    told = make("uninstall")
    for left in ("/etc/scorer", "/var/lib/scorer"):
        assert there(machine, left)
        assert left in told
    assert machine.out("cat", SETTINGS) == 'poll = "5 s"'
    assert machine.out("find", "/usr/local", "/etc/systemd", "-name", "*scorer*") == ""
    assert machine.show("scorer.service", "LoadState") == "not-found"
    assert machine.show("scorer-run@sepsis.timer", "ActiveState") == "inactive"
    assert machine.sql("SELECT count(*) > 0 FROM reporting.current_scores") == "t"


def test_elsewhere_the_units_stand_where_systemd_looks(machine: Any, make: Callable[..., str]) -> None:
    make("install", "PREFIX=/opt/scorer")
    assert machine.show("scorer.service", "FragmentPath") == "/etc/systemd/system/scorer.service"
    assert "/opt/scorer/bin/scorer" in machine.show("scorer.service", "ExecStart")
    machine.systemctl("start", "scorer-run@sepsis.service")
    make("uninstall", "PREFIX=/opt/scorer")
    assert machine.show("scorer.service", "LoadState") == "not-found"
    assert not there(machine, "/opt/scorer/lib/scorer")
