"""A real Prometheus that scrapes one daemon every second, and answers as it answers Grafana; on the loopback alone."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

PATIENCE = 120.0
HERE = shutil.which("prometheus") is not None
CONFIGURATION = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs:
  - job_name: scorer
    static_configs: [{{targets: ["{target}"]}}]
"""


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel: its labels, and its values that are numbers."""

    labels: Mapping[str, str]
    values: Sequence[float]


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Prometheus:
    """The server, from its start until `close`."""

    def __init__(self, folder: Path, *, target: str) -> None:
        self._address = f"127.0.0.1:{free_port()}"
        configuration = folder / "prometheus.yml"
        configuration.write_text(CONFIGURATION.format(target=target), encoding="utf-8")
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={folder / 'prometheus'}",
                    f"--web.listen-address={self._address}",
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
            )

    def ask(self, path: str, **parameters: str) -> Any:
        """What it answers; an error of its is an error here, in its own words."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def now(self, expression: str) -> list[Series]:
        """What an expression gives at this moment."""
        found = self.ask("query", query=expression)
        assert found["resultType"] == "vector", f"{expression} gives a {found['resultType']}"
        return [Series(each["metric"], _numbers([each["value"]])) for each in found["result"]]

    def over(self, expression: str, *, since: datetime, until: datetime) -> list[Series]:
        """What an expression gives each second from `since` until `until`."""
        found = self.ask(
            "query_range", query=expression, start=str(since.timestamp()), end=str(until.timestamp()), step="1"
        )
        return [Series(each["metric"], _numbers(each["values"])) for each in found["result"]]

    def values(self, of_label: str, *, metric: str) -> list[str]:
        """The values of a label of a metric."""
        return list(self.ask(f"label/{of_label}/values", **{"match[]": metric}))

    def wait_until(self, expression: str) -> None:
        """Return once an expression gives anything."""
        until = time.monotonic() + PATIENCE
        while not self._answers(expression):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, f"waited in vain for {expression}: {self._log.read_text()}"
            time.sleep(0.1)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()

    def _answers(self, expression: str) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=PATIENCE):
                return bool(self.now(expression))
        except (urllib.error.URLError, ConnectionError):
            return False  # it begins


def _numbers(points: Sequence[Sequence[Any]]) -> list[float]:
    return [float(value) for _, value in points if math.isfinite(float(value))]
