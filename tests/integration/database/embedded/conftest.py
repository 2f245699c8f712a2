"""A folder for the embedded servers of a test, and each installation in turn."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scorer.database.embedded.installs import Install
from tests.integration.database.embedded.servers import INSTALLS, gone


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an unprivileged user can enter; servers that a test left in it are ended."""
    made = Path(tempfile.mkdtemp(prefix="scorer-embedded-")).resolve()
    made.chmod(0o755)
    yield made
    for lock in made.rglob("postmaster.pid"):
        with suppress(OSError, ValueError):
            pid = int(lock.read_text().split("\n")[0])
            if str(made).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGQUIT)
                gone(pid, within=10)
    shutil.rmtree(made)


@pytest.fixture(params=INSTALLS, ids=lambda install: f"postgresql-{install.version}")
def install(request: pytest.FixtureRequest) -> Install:
    return request.param
