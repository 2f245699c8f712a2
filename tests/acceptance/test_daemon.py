"""The daemon as systemd sees it: a process with a notify socket, a watchdog and signals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import shipped_root

PATIENCE = 60.0


class Service:
    """A `scorer daemon` and all that it said, to the service manager and on stderr."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self.url = url
        self.site = folder / "site"
        for kind in ("sql", "expectations"):
            shutil.copytree(shipped_root() / kind / "sepsis", self.site / kind / "sepsis")
        self._signs: list[str] = []
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._receiver.bind(str(folder / "notify"))
        self._receiver.setblocking(False)
        self._errors = folder / "stderr"
        self.settings = folder / "scorer.toml"
        self.settings.touch()
        environment = {
            **os.environ,
            "SCORER_DATABASE_URL": url,
            "SCORER_CONFIG": str(self.settings),
            "SCORER_HOME": str(folder),
            "SCORER_JOBS_DIR": str(self.site),
            "SCORER_POLL": "1 s",
            "SCORER_HEALTH_ADDRESS": f"unix:{folder / 'health'}",
            "SCORER_LOG_FORMAT": "text",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "3000000",
        }
        self.health = folder / "health"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from scorer.cli.main import main; main()", "daemon"],
                env=environment,
                stderr=errors,
            )

    def signs(self) -> list[str]:
        """All that the service manager was told so far."""
        while True:
            try:
                self._signs.append(self._receiver.recv(4096).decode())
            except BlockingIOError:
                return self._signs

    def said(self) -> str:
        """All that was logged so far."""
        return self._errors.read_text(encoding="utf-8")

    def wait_for(self, what: str, holds: Any) -> None:
        """Until it holds, or fail with what was said."""
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, f"{what} did not come; said was:\n{self.said()}\n{self.signs()}"
            assert self.process.poll() is None, f"the daemon ended before {what}:\n{self.said()}"
            time.sleep(0.05)

    def ask(self, path: str) -> tuple[int, str]:
        """Status and body of an HTTP request over its unix socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.health))
            client.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        head, _, body = answer.partition("\r\n\r\n")
        return int(head.split()[1]), body

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._receiver.close()


@pytest.fixture
def serve(tmp_path: Path, migrated_url: str) -> Iterator[Callable[[], Service]]:
    """Starts a daemon on a database with everything in place."""
    started: list[Service] = []

    def start() -> Service:
        started.append(Service(tmp_path, url=migrated_url))
        return started[-1]

    yield start
    for service in started:
        service.close()


def test_the_life_of_a_daemon(serve: Callable[[], Service]) -> None:
    service = serve()
    service.wait_for("READY", lambda: any(sign.startswith("READY=1") for sign in service.signs()))
    assert service.ask("/live")[0] == service.ask("/ready")[0] == 200
    assert "scorer_up" in service.ask("/metrics")[1]
    service.wait_for("a heartbeat", lambda: service.rows("SELECT ready FROM scorer.daemons") == [(True,)])
    assert service.rows("SELECT ready, daemons FROM reporting.health") == [(True, 1)]

    # Asked for: answered at once, long before any tick.
    service.rows(
        "INSERT INTO public.visits (visit_id, client, admitted_at) VALUES (1, 'C1', now() - interval '1 day') RETURNING 1"
    )
    service.rows("SELECT scorer.request_score('sepsis', '1')")
    service.wait_for(
        "an answer",
        lambda: service.rows("SELECT status, outcome FROM reporting.requests") == [("done", "INSUFFICIENT")],
    )

    # A schedule that has changed is kept from now on; one that cannot be read is refused, and the old one kept.
    definition = service.site / "sql" / "sepsis" / "job.toml"
    text = definition.read_text()
    definition.write_text(text.replace("5 * * * *", "7 3 * * *"))
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("RELOADING", lambda: any(sign.startswith("RELOADING=1") for sign in service.signs()))
    service.wait_for("the reload", lambda: "Service reloaded" in service.said())
    service.wait_for("the new schedule", lambda: any("03:07" in sign for sign in service.signs()))
    definition.write_text(text.replace("5 * * * *", "99 * * * *"))
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("a refusal", lambda: "Job goes on as it was before the reload job=sepsis" in service.said())
    assert "no schedule" in service.said()
    assert service.ask("/ready")[0] == 200

    # The watchdog is fed three times in its period.
    before = service.signs().count("WATCHDOG=1")
    time.sleep(3.0)
    assert service.signs().count("WATCHDOG=1") > before

    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
    assert service.signs()[-1].startswith("STOPPING=1")
    assert service.rows("SELECT * FROM scorer.daemons") == []
    lines = [line for line in service.said().splitlines() if " WARNING " in line or " ERROR " in line]
    assert len(lines) == 1, lines  # the job's reload that was refused
    assert "Traceback" not in service.said()


def test_it_waits_until_all_holds_and_claims_nothing_meanwhile(serve: Callable[[], Service], migrated_url: str) -> None:
    with closing(psycopg2.connect(migrated_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT scorer.move_model('sepsis', '2026.11.29', 'archived', 'a test')")
    service = serve()
    service.wait_for("the reason", lambda: "Service not ready" in service.said())
    assert service.ask("/live")[0] == 200
    code, why = service.ask("/ready")
    assert code == 503
    assert "no model in production" in why
    assert not any(sign.startswith("READY=1") for sign in service.signs())
    service.rows("SELECT scorer.roll_back_model('sepsis', '2026.11.29', 'a test')")
    service.wait_for("READY", lambda: any(sign.startswith("READY=1") for sign in service.signs()))
    assert service.said().count("Service not ready") == 1


def reload(service: Service) -> None:
    """Have the settings and jobs read anew, and wait until they are."""
    before = service.said().count("Service reloaded")
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("the reload", lambda: service.said().count("Service reloaded") > before)


def test_a_broken_job_is_told_by_name_and_stops_no_other(serve: Callable[[], Service]) -> None:
    service = serve()
    service.wait_for("READY", lambda: any(sign.startswith("READY=1") for sign in service.signs()))
    assert service.ask("/ready") == (200, "ready\njob sepsis: ready\n")
    definition = service.site / "sql" / "sepsis" / "job.toml"
    text = definition.read_text()

    # A second job without a model is not run; named in the settings it is broken. The schedule of the first is taken on all the same.
    for kind in ("sql", "expectations"):
        shutil.copytree(service.site / kind / "sepsis", service.site / kind / "readmit")
    reload(service)
    assert "Job is not run here job=readmit" in service.said()
    service.settings.write_text('jobs = ["sepsis", "readmit"]\nschedules = {sepsis = "7 3 * * *"}\n')
    reload(service)
    code, body = service.ask("/ready")
    assert (code, body.splitlines()[0], body.splitlines()[-1]) == (200, "ready", "job sepsis: ready")
    assert "job readmit: not ready: Job readmit has no model in production" in body
    assert "Job cannot be run; the other jobs go on job=readmit" in service.said()
    service.wait_for("the schedule of the settings", lambda: any("03:07" in sign for sign in service.signs()))
    service.wait_for("its metric", lambda: 'scorer_job_broken{job_name="readmit"} 1.0' in service.ask("/metrics")[1])
    service.wait_for("a beat", lambda: service.rows("SELECT jobs FROM scorer.daemons") == [(["sepsis"],)])
    assert service.rows("SELECT job, ready FROM reporting.health") == [("sepsis", True)]

    # New files of the first job that do not hold: it goes on as it was, while the second is taken out.
    definition.write_text("entity = ")
    service.settings.write_text('jobs = ["sepsis"]\n')
    reload(service)
    assert "Job goes on as it was before the reload job=sepsis" in service.said()
    assert service.ask("/ready")[1].splitlines() == [
        "ready",
        "job readmit: not run here: the option jobs does not name it",
        f"job sepsis: ready, as it was before the reload: {definition} is not valid TOML: Invalid value (at end of document).",
    ]
    service.rows("INSERT INTO public.visits (visit_id, client, admitted_at) VALUES (1, 'C1', now()) RETURNING 1")
    service.rows("SELECT scorer.request_score('sepsis', '1')")
    answered = "SELECT status, outcome FROM reporting.requests"
    service.wait_for("an answer", lambda: service.rows(answered) == [("done", "INSUFFICIENT")])
    definition.write_text(text)
    service.wait_for("the mended job", lambda: "Job can be run again job=sepsis" in service.said())
    assert service.ask("/ready")[1].splitlines()[-1] == "job sepsis: ready"

    # A name that is no job, and settings that leave nothing to run: refused as a whole.
    service.settings.write_text('jobs = ["sepsiss"]\n')
    service.process.send_signal(signal.SIGHUP)
    service.wait_for("the name", lambda: 'There is no job "sepsiss"; did you mean "sepsis"?' in service.said())
    assert "Traceback" not in service.said()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(PATIENCE) == 0
