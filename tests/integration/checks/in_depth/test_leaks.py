"""Leaks: each kind, planted in a job's statements, is found; and a job without one has none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.in_depth.leaks import check_leaks
from scorer.checks.result import CheckResult
from scorer.database.connection import Database
from scorer.jobs.job import Job, Task

LATER, PAST, OUTCOMES = "leaks: later rows", "leaks: past scores", "leaks: outcomes"


def looks(shop: Any) -> dict[str, CheckResult]:
    """What each look found."""
    results = list(check_leaks(shop.job, database=shop.database))
    assert not any(result.blocks for result in results)
    assert {result.job for result in results} == {shop.name}
    return {result.name: result for result in results}


def add_attribute(shop: Any, column: str, *, join: str = "", kind: str = "numbers") -> None:
    """Have attributes give one more column, and make a feature of it."""
    name = column.rsplit(maxsplit=1)[-1].rsplit(".", maxsplit=1)[-1]
    shop.edit("attributes.sql", "    c.age_years\n", f"    c.age_years,\n    {column}\n")
    if join:
        shop.edit("attributes.sql", "c.client_id = k.entity_id\n", f"c.client_id = k.entity_id\n{join}\n")
    old = {"numbers": '["age_years"]', "hours_since": "[]"}[kind]
    shop.edit("job.toml", f"{kind} = {old}", f'{kind} = ["{name}"]')


def found(shop: Any, look: str, *words: str) -> None:
    result = looks(shop)[look]
    assert not result.holds, result.found
    for word in words:
        assert word in result.found
    assert result.found.endswith((".", "?"))
    assert "\n" not in result.found


@pytest.mark.parametrize("task", Task)
def test_a_job_without_a_leak_has_none(open_shop: Callable[..., Any], task: Task) -> None:
    results = looks(open_shop(task=task))
    assert {name: result.holds for name, result in results.items()} == dict.fromkeys((LATER, PAST, OUTCOMES), True)
    assert "20 of the job's clients read the same" in results[LATER].found
    assert "21 features" in results[OUTCOMES].found


def test_the_shipped_job_has_none(ward: Any) -> None:
    ward.admit(*range(1, 30))
    ward.execute("UPDATE public.visits SET discharged_at = now() - interval '1 hour'")
    ward.execute(
        "INSERT INTO public.outcomes SELECT visit_id, visit_id % 2, "
        "CASE visit_id % 2 WHEN 1 THEN now() - interval '2 hours' END FROM public.visits"
    )
    ward.observe(3, hours_ago=8, recorded_at=ward.noon)
    ward.observe(4, hours_ago=-8, recorded_at=ward.noon)
    results = list(check_leaks(ward.job, database=Database(ward.url, ward.settings)))
    assert [(each.name, each.found) for each in results if not each.holds] == []


JOINED_OUTCOME = "LEFT JOIN public.outcomes AS t ON t.visit_id = v.visit_id\nWHERE"
AMONG_TABLES = ", public.outcomes t WHERE t.visit_id = v.visit_id AND"
PLANTED = {
    "an outcome": ("v.hours_before_icu", "t.sepsis AS hours_before_icu", JOINED_OUTCOME),
    "an outcome among tables": ("v.hours_before_icu", "t.sepsis AS hours_before_icu", AMONG_TABLES),
    "a time of an outcome": ("v.admitted_at", "t.onset_at AS admitted_at", JOINED_OUTCOME),
    "the end of a stay": ("v.admitted_at", "v.discharged_at AS admitted_at", "WHERE"),
    "a stay's length": ("v.hours_before_icu", "EXTRACT(EPOCH FROM v.discharged_at - v.admitted_at)::float8 AS hours_before_icu", "WHERE"),
}  # fmt: skip


@pytest.mark.parametrize("leak", PLANTED)
def test_a_leak_that_is_planted_in_the_shipped_job_is_found(
    ward: Any, changed_job: Callable[..., Job], leak: str
) -> None:
    ward.admit(*range(1, 41))
    ward.execute("UPDATE public.visits SET discharged_at = now() - interval '1 hour'")
    ward.execute(
        "INSERT INTO public.outcomes SELECT visit_id, visit_id % 2, "
        "CASE visit_id % 2 WHEN 1 THEN now() - interval '2 hours' END FROM public.visits"
    )
    column, instead, joined = PLANTED[leak]
    job = changed_job(("attributes.sql", column, instead), ("attributes.sql", "WHERE", joined))
    results = list(check_leaks(job, database=Database(ward.url, ward.settings)))
    told = [each.found for each in results if not each.holds]
    assert told
    assert instead.split()[-1] in told[0]


def test_a_time_that_is_filled_in_later_is_found(shop: Any) -> None:
    shop.hospital.execute("ALTER TABLE shop_data.clients ADD left_at timestamptz")
    shop.hospital.execute("UPDATE shop_data.clients SET left_at = now() - interval '1 day'")
    add_attribute(shop, "c.left_at", kind="hours_since")
    found(shop, LATER, "hours_since_left_at, left_at (attributes) for 20 of 20", "as of 2", "planned")


def test_a_time_that_is_known_ahead_is_none(shop: Any) -> None:
    shop.hospital.execute("ALTER TABLE shop_data.clients ADD contract_ends_at timestamptz")
    shop.hospital.execute("UPDATE shop_data.clients SET contract_ends_at = now() + interval '1 year'")
    add_attribute(shop, "c.contract_ends_at", kind="hours_since")
    shop.edit("job.toml", 'due_again = "change"', 'planned = ["contract_ends_at"]\ndue_again = "change"')
    assert looks(shop)[LATER].holds


def test_a_row_that_says_when_it_was_overwritten_is_found(shop: Any) -> None:
    shop.hospital.execute("ALTER TABLE shop_data.clients ADD visits int, ADD updated_at timestamptz")
    shop.hospital.execute("UPDATE shop_data.clients SET visits = age_years, updated_at = now()")
    add_attribute(shop, "c.visits")
    found(shop, LATER, "visits (attributes) for 20 of 20")


MADE = {
    "counted": "SELECT count(*) AS seen FROM shop_data.events AS e WHERE e.client_id = c.client_id",
    "highest": "SELECT max(e.amount) AS seen FROM shop_data.events AS e WHERE e.client_id = c.client_id AND e.kind = 'LOGIN'",
    "newest": "SELECT max(happened_at) AS seen FROM shop_data.events WHERE client_id = c.client_id",
    "in a group": "SELECT g.seen FROM (SELECT client_id, sum(amount) AS seen FROM shop_data.events GROUP BY 1) AS g "
    "WHERE g.client_id = c.client_id",
}


@pytest.mark.parametrize("made", MADE)
def test_what_is_made_of_rows_that_came_later_is_found(shop: Any, made: str) -> None:
    kind = "hours_since" if made == "newest" else "numbers"
    add_attribute(shop, "s.seen", join=f"LEFT JOIN LATERAL ({MADE[made]}) AS s ON true", kind=kind)
    found(shop, LATER, "seen (attributes)")


def test_rows_that_were_recorded_later_are_found_where_observations_takes_them(shop: Any) -> None:
    shop.hospital.execute("UPDATE shop_data.events SET recorded_at = recorded_at + interval '40 days'")
    assert looks(shop)[LATER].holds
    shop.edit("observations.sql", "  AND (e.recorded_at > k.known_at) IS NOT TRUE\n", "")
    found(shop, LATER, "(observations)")


def test_what_observations_cannot_be_asked_is_told(shop: Any) -> None:
    for clause in ("  AND (e.recorded_at > k.known_at) IS NOT TRUE\n", ", :known_ats", " known_at,"):
        shop.edit("observations.sql", clause, "")
    assert "does not name :known_ats" in looks(shop)[LATER].found


def test_an_outcome_with_a_time_of_its_own_is_found(shop: Any) -> None:
    shop.hospital.execute(
        "CREATE TABLE shop_data.losses AS SELECT client_id, max(as_of) + interval '20 days' AS lost_at "
        "FROM shop_data.outcomes WHERE outcome = 1 GROUP BY 1"
    )
    shop.hospital.execute("GRANT SELECT ON shop_data.losses TO scorer_worker")
    add_attribute(
        shop,
        "CAST(o.lost_at IS NOT NULL AS int) AS lost",
        join="LEFT JOIN shop_data.losses AS o ON o.client_id = c.client_id",
    )
    found(shop, LATER, "lost (attributes)")


JOINED = "LEFT JOIN shop_data.outcomes AS o ON o.client_id = c.client_id AND o.as_of = k.as_of"


@pytest.mark.parametrize("task", Task)
@pytest.mark.parametrize("made", ["as it is", "where it is there"])
def test_an_outcome_that_is_joined_in_is_found(open_shop: Callable[..., Any], task: Task, made: str) -> None:
    shop = open_shop(task=task)
    if task is Task.MULTICLASS or made == "where it is there":
        column = "CASE WHEN CAST(o.outcome AS text) IN ('1', 'much') THEN 5 END AS told"
    else:
        column = "CAST(o.outcome AS double precision) * 3 + 7 AS told"
    if task is Task.REGRESSION:
        column = "CAST(o.outcome AS double precision) * 3 + 7 AS told"
    add_attribute(shop, column, join=JOINED)
    found(shop, OUTCOMES, "told", "joined in")


def test_an_outcome_that_is_joined_in_as_a_category_is_found(open_shop: Callable[..., Any]) -> None:
    shop = open_shop(task=Task.MULTICLASS)
    shop.edit("attributes.sql", "    c.age_years\n", "    c.age_years,\n    o.outcome AS plan\n")
    shop.edit("attributes.sql", "c.client_id = k.entity_id\n", f"c.client_id = k.entity_id\n{JOINED}\n")
    shop.edit(
        "job.toml", 'categories = { region = ["north", "south"] }', 'categories = { plan = ["none", "some", "much"] }'
    )
    found(shop, OUTCOMES, "plan=none")


def test_a_column_that_is_overwritten_without_a_trace_is_found_once_there_are_scores(
    shop: Any, make_model: Callable[..., Path]
) -> None:
    shop.hospital.execute("ALTER TABLE shop_data.clients ADD visits int DEFAULT 0")
    add_attribute(shop, "c.visits")
    shop.promote(make_model)
    shop.hospital.run(shop.job, as_of=shop.hospital.one("SELECT now()"))
    assert looks(shop)[PAST].found == "20 past scores read the same attributes for their times as they did then"
    shop.hospital.execute(
        "UPDATE shop_data.clients SET visits = 1 WHERE client_id = (SELECT entity_id FROM scorer.scores LIMIT 1)"
    )
    assert looks(shop)[PAST].holds, "one row may have been corrected"
    shop.hospital.execute("UPDATE shop_data.clients SET visits = 2")
    found(shop, PAST, "visits for 20 of 20", "overwritten")


def test_a_corrected_row_of_one_is_no_leak_in_what_is_pooled_of_all(shop: Any, make_model: Callable[..., Path]) -> None:
    shop.hospital.execute("ALTER TABLE shop_data.clients ADD visits int DEFAULT 0")
    add_attribute(shop, "s.seen", join="CROSS JOIN (SELECT avg(a.visits) AS seen FROM shop_data.clients AS a) AS s")
    shop.promote(make_model)
    shop.hospital.run(shop.job, as_of=shop.hospital.one("SELECT now()"))
    shop.hospital.execute(
        "UPDATE shop_data.clients SET visits = 1 WHERE client_id = (SELECT entity_id FROM scorer.scores LIMIT 1)"
    )
    found(shop, PAST, "seen for 20 of 20")
    shop.edit("job.toml", 'due_again = "change"', 'pooled = ["seen"]\ndue_again = "change"')
    shop.hospital.run(shop.job, as_of=shop.hospital.one("SELECT now()"))
    shop.hospital.execute("UPDATE shop_data.clients SET visits = 0")
    told = looks(shop)[PAST]
    assert told.holds
    assert told.found.endswith("past scores read the same attributes for their times as they did then")
