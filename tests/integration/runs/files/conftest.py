"""A hospital's files, and a scratch database that is made once for all tests that score them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.jobs.job import Job
from scorer.runs.files.conduct import Conduct, Order, Summary
from scorer.runs.files.scratch import Models, Scratch, opened_scratch

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
VITALS = (("HR", 80.0, 60, 100), ("SBP", 120.0, 90, 140), ("TEMP", 36.8, 36, 38), ("RR", 16.0, 12, 20))
OBSERVED = (
    "visit_id",
    "client",
    "observation_date",
    "observation_type_code",
    "observation_value",
    "reference_range_min",
    "reference_range_max",
)
VISITS = ("visit_id", "client", "admitted_at", "discharged_at", "age_years")
Row = tuple[object, ...]


def observed(*visit_ids: int, noon: datetime = NOON, zone: bool = True) -> list[Row]:
    """Eight hourly observations of each visit, up to an hour before noon."""
    return [
        (
            visit,
            f"C{visit}",
            (moment.isoformat() if zone else moment.strftime("%Y-%m-%d %H:%M:%S")),
            code,
            value + visit % 7,
            low,
            high,
        )
        for visit in visit_ids
        for hour, (code, value, low, high) in enumerate(VITALS * 2)
        for moment in [noon - timedelta(hours=8 - hour)]
    ]


def admitted(*visit_ids: int) -> list[Row]:
    """A row of visits for each, admitted nine hours before noon, still in stay."""
    return [(visit, f"C{visit}", (NOON - timedelta(hours=9)).isoformat(), None, 50 + visit % 30) for visit in visit_ids]


def write(path: Path, header: tuple[str, ...], rows: list[Row]) -> Path:
    """Write a CSV file."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file by the names of its columns."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass
class Site:
    """Two folders, and the command's engine, on a scratch database that is there already."""

    inbox: Path
    outbox: Path
    job: Job
    scratch: Scratch
    models: Models

    def deal(self, **more: object) -> Summary:
        """Deal with what is there."""
        order = replace(Order(self.inbox, self.outbox), **more)  # type: ignore[arg-type]
        return Conduct(self.job, order, scratch=self.scratch, models=self.models, tables=()).all()

    def predictions(self, name: str) -> list[dict[str, str]]:
        """The rows of a delivery's predictions."""
        return read(self.outbox / f"predictions_{name}.csv")

    def statuses(self, name: str) -> dict[str, str]:
        """Each visit's status."""
        return {row["visit_id"]: row["status"] for row in self.predictions(name)}

    def names(self, folder: str) -> list[str]:
        """What lies in a folder of the inbox."""
        return sorted(path.name for path in (self.inbox / folder).iterdir())


@pytest.fixture(scope="session")
def scratch(sepsis: Job, server: Server, settings: Settings) -> Iterator[Scratch]:
    """One for all: deliveries leave nothing in it."""
    with opened_scratch(sepsis, server=server, settings=settings, tables=()) as opened:
        yield opened


@pytest.fixture(scope="session")
def models(sepsis: Job, server: Server, settings: Settings) -> Models:
    """Those of a database without a schema."""
    return Models(sepsis, Database(server.url_of("postgres"), settings))


@pytest.fixture
def site(tmp_path: Path, sepsis: Job, scratch: Scratch, models: Models) -> Site:
    """A site with empty folders."""
    for each in ("in", "out"):
        (tmp_path / each).mkdir()
    return Site(tmp_path / "in", tmp_path / "out", sepsis, scratch, models)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little time passes between looks."""
    monkeypatch.setattr("scorer.runs.files.conduct._BETWEEN_LOOKS", 0.02)
