"""One entity all the way: what is shown is what a run then records, and nothing of it stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.runs.try_one import try_one


def test_without_a_model_the_way_ends_with_the_features(shop: Any) -> None:
    entity = shop.entity(events=12)
    tried = try_one(shop.job, entity, database=shop.database)
    assert (tried.outcome, tried.reasons, tried.writes_back) == (None, (), False)
    assert tried.without is not None
    assert "scorer train shop --full" in tried.without
    features = {each.feature: each for each in tried.features}
    recent = [
        row for row in tried.rows if row.observation_date and tried.as_of - row.observation_date < timedelta(days=90)
    ]
    assert features["LOGIN_count_90d"].value == sum(row.used and row.code == "LOGIN" for row in recent) > 0
    assert features["LOGIN_hours_since_90d"].source.startswith("last LOGIN: observation ")
    assert features["region=north"].source == "attribute region"
    assert tried.attributes["region"] in {"north", "south"}


def test_rows_that_are_refused_say_by_which_rule(shop: Any) -> None:
    hospital = shop.hospital
    entity = shop.entity(events=12)
    hospital.execute(
        "INSERT INTO shop_data.events VALUES (900001, %s, now(), 'LOGIN', NULL), (900002, %s, NULL, 'LOGIN', 5), "
        "(900003, %s, now(), 'DANCE', 5), (900004, %s, now(), 'LOGIN', 1e9)",
        *[entity] * 4,
    )
    tried = try_one(shop.job, entity, database=shop.database)
    rules = {row.observation_id: (row.used, row.rules) for row in tried.rows if row.observation_id.startswith("9000")}
    assert rules == {
        "900001": (False, ("value_present (drop)",)),
        "900002": (False, ("date_present (drop)",)),
        "900003": (False, ("code_known (drop)",)),
        "900004": (False, ("value_not_too_high (drop)",)),
    }
    assert {each.rule for each in tried.rejections} >= {
        "value_present",
        "date_present",
        "code_known",
        "value_not_too_high",
    }


def test_what_is_shown_is_what_a_run_records(shop: Any, make_model: Callable[..., Path]) -> None:
    shop.promote(make_model)
    hospital, entity = shop.hospital, shop.entity(events=12)
    now = hospital.one("SELECT now()")
    tried = try_one(shop.job, entity, database=shop.database, as_of=now)
    for table in ("scores", "runs", "batches", "work", "job_versions WHERE job = 'shop'"):
        assert hospital.one(f"SELECT count(*) FROM scorer.{table}") == 0
    hospital.run(shop.job, as_of=now)
    ((score, band, status, features),) = hospital.rows(
        "SELECT score, risk_band, status, features FROM scorer.scores WHERE entity_id = %s", entity
    )
    assert tried.outcome is not None
    assert (tried.outcome.score, tried.outcome.risk_band, tried.outcome.status) == (score, band, status)
    assert tried.outcome.features == bytes(features)
    assert tried.model_version == "1"
    assert len(tried.reasons) == shop.job.reasons.top + 2


def test_an_entity_that_is_held_or_has_too_little_is_told(shop: Any, make_model: Callable[..., Path]) -> None:
    shop.promote(make_model)
    hospital, entity = shop.hospital, shop.entity(events=12)
    hospital.execute("INSERT INTO shop_data.clients VALUES ('new', now() - interval '1 day')")
    few = try_one(shop.job, "new", database=shop.database)
    assert few.outcome is not None
    assert (few.outcome.status, few.outcome.reason) == ("INSUFFICIENT", "0 usable observations, 3 needed")
    hospital.execute("UPDATE shop_data.clients SET age_years = 300 WHERE client_id = %s", entity)
    held = try_one(shop.job, entity, database=shop.database)
    assert held.outcome is not None
    assert (held.outcome.status, held.outcome.reason) == ("QUARANTINED", "age_possible")


def test_a_model_of_other_features_does_not_hide_the_features(shop: Any, make_model: Callable[..., Path]) -> None:
    shop.promote(make_model)
    shop.edit("job.toml", '"28 days", "90 days"', '"7 days", "90 days"')
    tried = try_one(shop.job, shop.entity(events=12), database=shop.database)
    assert any(each.feature == "LOGIN_count_7d" for each in tried.features)
    assert tried.without is not None
    assert "other features" in tried.without


def test_the_past_is_tried_as_it_was(shop: Any) -> None:
    hospital, entity = shop.hospital, shop.entity(events=12)
    joined = hospital.one("SELECT joined_at FROM shop_data.clients WHERE client_id = %s", entity)
    tried = try_one(shop.job, entity, database=shop.database, as_of=joined)
    assert tried.rows == ()
    with pytest.raises(UserError, match=r"has no client nobody as of "):
        try_one(shop.job, "nobody", database=shop.database, as_of=joined)
