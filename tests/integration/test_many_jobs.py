"""Three jobs of a site's own beside the shipped one in one database: schemas, keys, zones, bands and grants, each its own."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scorer.checks.check import check
from scorer.checks.in_depth.job import check_in_depth
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.registry.registration import grant_source, install_jobs
from scorer.runs.requests import RequestAnswering
from scorer.runs.try_one import try_one

KEYS: dict[str, Callable[[str], str]] = {
    "text": lambda client: f"№ {client}",
    "uuid": lambda client: str(uuid.uuid5(uuid.NAMESPACE_URL, client)),
    "bigint": lambda client: str(9_000_000_000 + int(client[1:])),
}


def keyed_by(kind: str, *, zone: str, cron: str, high: float) -> Callable[[Any], None]:
    """Changes a new job to one whose clients have such keys, with a schedule and a band of its own."""

    def change(shop: Any) -> None:
        for path in (shop.folder / "example").glob("*.csv"):
            path.write_text(re.sub(r"\bC[0-9]{3}\b", lambda match: KEYS[kind](match[0]), path.read_text()))
        if kind != "text":
            shop.edit("tables.toml", 'client_id = "text"', f'client_id = "{kind}"')
            for file in ("due.sql", "landmarks.sql"):
                shop.edit(file, "client_id AS entity_id", "client_id::text AS entity_id")
            shop.edit("landmarks.sql", "client_id AS cohort", "client_id::text AS cohort")
            for file in ("observations.sql", "attributes.sql"):
                shop.edit(file, "client_id = k.entity_id", f"client_id = CAST(k.entity_id AS {kind})")
        shop.edit("job.toml", 'cron = "0 6 * * *"', f'cron = "{cron}"')
        shop.edit("job.toml", "Europe/Vienna", zone)
        shop.edit("job.toml", "HIGH = 0.6", f"TOP = {high}")

    return change


SCHEDULES = {"in_texts": "Europe/Vienna", "in_uuids": "America/New_York", "in_numbers": "Asia/Kolkata"}


@pytest.fixture
def shops(open_shop: Callable[..., Any], make_model: Callable[..., Path]) -> dict[str, Any]:
    """The three, each with a model; one writes back, and has a view of its own."""
    made = {
        "in_texts": open_shop("in_texts", change=keyed_by("text", zone="Europe/Vienna", cron="0 6 * * *", high=0.4)),
        "in_uuids": open_shop("in_uuids", change=keyed_by("uuid", zone="America/New_York", cron="0 6 * * *", high=0.5)),
        "in_numbers": open_shop("in_numbers", change=writing_back),
    }
    for shop in made.values():
        shop.promote(make_model)
    install_jobs(database=made["in_texts"].database)
    return made


def writing_back(shop: Any) -> None:
    keyed_by("bigint", zone="Asia/Kolkata", cron="30 5 * * *", high=0.9)(shop)
    shop.edit(
        "job.toml", 'grants = "grants.sql"', 'grants = "grants.sql"\nwrite_back = "write_back.sql"\nviews = "views.sql"'
    )
    band = "ALTER TABLE in_numbers_data.clients ADD COLUMN IF NOT EXISTS band text;\n"
    write = "GRANT UPDATE (band) ON in_numbers_data.clients TO scorer_worker;\n"
    shop.edit("grants.sql", "GRANT USAGE", f"{band}{write}GRANT USAGE")
    (shop.folder / "write_back.sql").write_text(
        "WITH locked AS (SELECT c.client_id, s.entity_id, s.risk_band FROM in_numbers_data.clients AS c "
        "JOIN pg_temp.staged_write_back AS s "
        "ON c.client_id = CAST(s.entity_id AS bigint) FOR NO KEY UPDATE OF c SKIP LOCKED) UPDATE in_numbers_data.clients AS c "
        "SET band = locked.risk_band FROM locked WHERE c.client_id = locked.client_id RETURNING locked.entity_id AS entity_id"
    )
    (shop.folder / "views.sql").write_text(
        "CREATE OR REPLACE VIEW reporting.in_numbers_bands AS SELECT CAST(entity_id AS bigint) AS client_id, risk_band "
        "FROM reporting.current_scores WHERE job = 'in_numbers'; GRANT SELECT ON reporting.in_numbers_bands TO scorer_reader;"
    )


def test_each_job_scores_its_own_entities_into_its_own_bands(shops: dict[str, Any]) -> None:
    hospital = next(iter(shops.values())).hospital
    hospital.admit(1)
    now = hospital.one("SELECT now()")
    for name, shop in shops.items():
        ended = hospital.run(shop.job, as_of=now)
        assert ended.counts.eligible == 100
        assert ended.counts.scored > 50
        bands = {
            band
            for (band,) in hospital.rows(
                "SELECT DISTINCT risk_band FROM reporting.current_scores WHERE job = %s AND score IS NOT NULL", name
            )
        }
        assert bands <= {"TOP", "MEDIUM", "LOW"}
    assert hospital.run(as_of=now).counts.eligible == 1
    for name, shop in shops.items():
        assert hospital.run(shop.job, as_of=now + timedelta(seconds=0)).counts.scored == 0, name
        entities = {
            entity for (entity,) in hospital.rows("SELECT entity_id FROM reporting.current_scores WHERE job = %s", name)
        }
        assert entities == {entity for (entity,) in hospital.rows(f"SELECT client_id::text FROM {name}_data.clients")}
    assert hospital.rows(
        "SELECT client_id, band FROM in_numbers_data.clients WHERE band IS NOT NULL ORDER BY 1"
    ) == hospital.rows(
        "SELECT client_id, risk_band FROM reporting.in_numbers_bands WHERE risk_band IS NOT NULL ORDER BY 1"
    )
    assert {
        (each.job, each.holds) for each in check(database=Database(hospital.url, hospital.settings)) if each.job
    } == {
        *((name, True) for name in shops),
        ("sepsis", True),
    }


def test_requests_of_all_are_answered_by_one_daemon(shops: dict[str, Any]) -> None:
    hospital = next(iter(shops.values())).hospital
    hospital.admit(1)
    asked = {name: hospital.ask(shop.entity(events=12), "nobody", job=name) for name, shop in shops.items()}
    answering = RequestAnswering(
        database=Database(hospital.url, hospital.settings), jobs=[*(shop.job for shop in shops.values()), hospital.job]
    )
    try:
        for _ in range(2 * len(shops) + 1):
            answering.answer_waiting()
    finally:
        answering.close()
    for name, (known, unknown) in asked.items():
        assert hospital.answers(known, unknown) == [("done", "SCORED"), ("refused", None)], name


def test_each_keeps_its_schedule_in_its_own_zone(shops: dict[str, Any]) -> None:
    hospital = next(iter(shops.values())).hospital
    yesterday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
    now = [yesterday]
    loops = [
        ScheduleLoop(shop.job, database=Database(hospital.url, replace(hospital.settings)), clock=lambda: now[0])
        for shop in shops.values()
    ]
    try:
        for _ in range(26):
            for loop in loops:
                loop.step()
            now[0] += timedelta(hours=1)
    finally:
        for loop in loops:
            loop.close()
    ticks = dict(hospital.rows("SELECT job, scheduled_for FROM reporting.ticks WHERE outcome <> 'missed'"))
    assert {name: f"{tick.astimezone(ZoneInfo(SCHEDULES[name])):%H:%M}" for name, tick in ticks.items()} == {
        "in_texts": "06:00",
        "in_uuids": "06:00",
        "in_numbers": "05:30",
    }


def test_what_is_wrong_with_one_is_nothing_to_the_others(shops: dict[str, Any]) -> None:
    hospital = next(iter(shops.values())).hospital
    database = Database(hospital.url, hospital.settings)
    hospital.execute("DROP SCHEMA in_uuids_data CASCADE")
    hospital.execute("REVOKE ALL ON in_texts_data.events FROM scorer_worker")
    now = hospital.one("SELECT now()")
    assert hospital.run(shops["in_numbers"].job, as_of=now).counts.scored > 50
    for name in ("in_uuids", "in_texts"):
        with pytest.raises(UserError, match=f"of job {name}"):
            hospital.run(shops[name].job, as_of=now)
    lines = {each.name: each for each in check(database=database)}
    assert (lines["job in_numbers"].holds, lines["job in_texts"].holds) == (True, False)
    assert lines["job in_uuids"].found.startswith("not run here: its source tables in_uuids_data.")
    refused = grant_source(database=database)
    assert refused["in_numbers"] is None
    assert refused["in_uuids"] is not None

    shops["in_uuids"].edit("job.toml", 'entity = "client"', "entity = 7")
    with pytest.raises(UserError, match='"entity" must be text'):
        install_jobs(database=database)
    assert hospital.run(shops["in_numbers"].job, as_of=now).counts.unchanged > 50
    held = {each.job: each.holds for each in check(database=database) if each.job}
    assert (held["in_numbers"], held["in_uuids"]) == (True, False)
    assert all(each.holds for each in check_in_depth("in_numbers", database=database))


def test_each_is_tried_by_its_own_keys(shops: dict[str, Any]) -> None:
    for shop in shops.values():
        tried = try_one(shop.job, shop.entity(events=12), database=shop.database)
        assert tried.outcome is not None
        assert tried.outcome.score is not None
        with pytest.raises(UserError, match="has no client nobody now"):
            try_one(shop.job, "nobody", database=shop.database)
