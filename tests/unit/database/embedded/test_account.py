"""The account that the embedded PostgreSQL runs as: by number, and what it may reach."""

from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from scorer.database.embedded.account import Account, environment
from scorer.errors import UserError

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_an_account_without_a_name_is_refused_in_one_sentence() -> None:
    free = next(uid for uid in range(60_000, 65_000) if uid not in {each.pw_uid for each in pwd.getpwall()})
    with pytest.raises(UserError, match=f"^User id {free} has no name, .*; add it to /etc/passwd.$"):
        Account.of(free)


@root_only
def test_root_takes_an_ordinary_account(monkeypatch: pytest.MonkeyPatch) -> None:
    account = Account.unprivileged()
    assert account.uid != 0
    assert account.run("id", "-u").stdout.split() == [str(account.uid)]
    assert account.run("id", "-G").stdout.split() == [str(account.gid)]
    monkeypatch.setattr(pwd, "getpwnam", {}.__getitem__)
    with pytest.raises(UserError, match="neither postgres nor nobody is a user"):
        Account.unprivileged()


@root_only
def test_what_an_account_reaches_is_what_it_may_enter() -> None:
    account = Account.unprivileged()
    with tempfile.TemporaryDirectory() as name:
        closed = Path(name)
        (closed / "within").mkdir()
        assert not account.reaches(closed / "within")
        closed.chmod(0o711)
        assert account.reaches(closed / "within")
        assert not account.reaches(closed / "missing")


def test_a_command_runs_without_the_variables_of_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5999")
    monkeypatch.setenv("LC_ALL", "xx_XX")
    assert "PGPORT" not in environment()
    assert environment()["LC_ALL"] == "C"
    assert Account.of(os.geteuid()).run("printenv", "PGPORT").stdout == ""


def test_a_command_reads_the_text() -> None:
    ended = Account.of(os.geteuid()).run("tee", "/dev/stderr", text="as it stands\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "as it stands\n", "as it stands\n")
