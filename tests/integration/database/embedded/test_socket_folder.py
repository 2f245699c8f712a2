"""The folder of the embedded server's socket: wherever the home lies, whatever its name."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from scorer.database.embedded.account import Account
from scorer.database.embedded.server import Server
from scorer.database.embedded.socket_folder import make_socket_folder
from scorer.errors import UserError
from tests.integration.database.embedded.servers import needs_postgresql, ordinary, root_only, rows

pytestmark = needs_postgresql


def test_a_home_with_an_odd_name(folder: Path) -> None:
    with Server.at(folder / "h 'o' $m%41 é").serving() as server:
        assert rows(server.url, "SELECT 1") == [(1,)]
    with Server.at(folder / 'a, "b"').serving() as server:
        assert rows(server.url, "SELECT 1") == [(1,)]
        socket_folder = (server.folder / "socket").resolve()
    shutil.rmtree(socket_folder)


def test_a_deep_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is elsewhere, and found there whatever the temporary folder is by then."""
    server = Server.at(folder / ("d" * 60) / ("e" * 60) / "home")
    first, second = folder / "t1", folder / "t2"
    for place in (first, second):
        place.mkdir()
        place.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(first))
    server.start()
    (private,) = first.iterdir()
    assert stat.S_IMODE(private.lstat().st_mode) == 0o700
    assert private.lstat().st_uid == Account.unprivileged().uid
    url = server.url
    monkeypatch.setattr(tempfile, "tempdir", str(second))
    assert server.running()
    assert server.url == url
    rows(server.url, "CREATE TABLE kept AS SELECT 7 AS value")
    server.stop()
    server.start()
    assert len(list(second.iterdir())) == 1
    assert rows(server.url, "SELECT value FROM kept") == [(7,)]
    server.stop()


@root_only
def test_a_socket_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = folder / ("d" * 60) / ("e" * 60)
    home.mkdir(parents=True)
    shared = folder / "tmp"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    private = make_socket_folder(home / "socket", home=home, account=Account.unprivileged())
    assert list(shared.iterdir()) == [private]
    stranger = ordinary()
    os.chown(private, stranger.uid, stranger.gid)
    with pytest.raises(UserError, match="is not a folder of user"):
        make_socket_folder(home / "socket", home=home, account=Account.unprivileged())
