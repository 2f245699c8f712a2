"""Who sees which facility: readers and requesters of two hospitals log in and try to see, ask for and count what is not theirs."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from scorer.database.access.facilities import list_facilities, list_views_past_facilities
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.registry import registration
from scorer.runs.requests import RequestAnswering

Denied = psycopg2.errors.InsufficientPrivilege
# Every view that names entities, whoever makes it and whenever.
OF_ENTITIES = (
    "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid "
    "WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v' AND a.attname IN ('entity_id', 'visit_id') ORDER BY 1"
)
FILLED = {
    *("challenger_pairs", "current_scores", "feature_vectors", "published_scores", "quarantine", "recalls", "replays"),
    *("requests", "score_history", "score_reasons", "sepsis_predictions"),
}


@pytest.fixture
def readers(hospitals: Any) -> dict[str, str]:
    """URLs by whom: readers of north, of south, of both by a role, of all; one with nothing; one who runs the scorer."""
    urls = {
        name: hospitals.login(f"seen_{name}", "scorer_reader") for name in ("north", "south", "both", "all", "none")
    }
    urls["worker"] = hospitals.login("seen_worker", "scorer_worker")
    hospitals.hospital.execute(
        "DO $$ BEGIN CREATE ROLE seen_group NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$; GRANT seen_group TO seen_both"
    )
    hospitals.grant("seen_north", "north")
    hospitals.grant("seen_south", "south")
    hospitals.grant("seen_group", "north", "south")
    hospitals.grant("seen_all")
    return urls


def sets_of(hospitals: Any) -> dict[str, set[str]]:
    """The visits that each may see."""
    north, south, unknown = (
        {str(each) for each in part} for part in (hospitals.NORTH, hospitals.SOUTH, hospitals.UNKNOWN)
    )
    everyone = north | south | unknown
    return {"north": north, "south": south, "both": north | south, "all": everyone, "none": set(), "worker": everyone}


def test_each_sees_the_visits_of_its_facilities_in_every_view(hospitals: Any, readers: dict[str, str]) -> None:
    views = hospitals.rows(hospitals.hospital.url, OF_ENTITIES)
    assert {view for view, _ in views} >= FILLED
    for view, column in views:
        everything = hospitals.rows(hospitals.hospital.url, f"SELECT CAST({column} AS text) FROM reporting.{view}")
        for who, visits in sets_of(hospitals).items():
            found = hospitals.rows(readers[who], f"SELECT CAST({column} AS text) FROM reporting.{view}")
            expected = sorted(each for each in everything if each[0] in visits)
            assert sorted(found) == expected, (who, view)
            assert expected or who == "none" or view not in FILLED, (who, view)
            one = f"SELECT count(*) FROM reporting.{view} WHERE {column} = '20'"
            assert hospitals.rows(readers[who], one) == [
                (len([e for e in everything if e[0] == "20" and "20" in visits]),)
            ]


def test_nothing_is_told_by_a_cheap_function_of_the_readers_own(hospitals: Any, readers: dict[str, str]) -> None:
    """The planner calls cheap functions first; none is to be called for a row of another facility."""
    columns = hospitals.rows(
        hospitals.hospital.url,
        "SELECT c.relname, a.attname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.relnamespace = 'reporting'::regnamespace AND c.relkind = 'v' "
        "AND a.attname IN ('entity_id', 'visit_id', 'score_id', 'recalled_why', 'why', 'eligible', 'scored', 'judged', 'replay_id', "
        "'rows') "
        "AND c.relname NOT IN ('models', 'model_events', 'challengers', 'drift')",
    )
    ours = {row[0] for row in hospitals.rows(readers["north"], "SELECT score_id::text FROM reporting.score_history")}
    assert ours
    of_jobs = {
        "runs",
        "batches",
        "validation",
        "recall_events",
        "live_performance",
        "facility_performance",
        "facility_drift",
    }
    with closing(psycopg2.connect(readers["north"])) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION pg_temp.tell(told text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
            "$$ BEGIN RAISE NOTICE 'told %', told; RETURN true; END $$"
        )
        for view, column in columns:
            connection.notices.clear()
            cursor.execute(f"SELECT count(*) FROM reporting.{view} WHERE pg_temp.tell(CAST({column} AS text))")
            told = {each.split("told ", 1)[1].strip() for each in connection.notices} - {"<NULL>"}
            if view in of_jobs:
                assert not told, (view, column)
            elif column in {"entity_id", "visit_id"}:
                assert told <= sets_of(hospitals)["north"], (view, column)
            elif column == "score_id":
                assert told <= ours, (view, column)
            elif column in {"why", "recalled_why"}:
                assert {each.rsplit(" ", 1)[1] for each in told} <= sets_of(hospitals)["north"], (view, column)


def test_what_sums_over_facilities_is_told_to_who_sees_all(hospitals: Any, readers: dict[str, str]) -> None:
    counts = "SELECT status, eligible, scored, error FROM reporting.runs"
    assert hospitals.rows(readers["north"], counts) == [("succeeded", None, None, None)]
    assert (
        hospitals.rows(readers["all"], counts)
        == hospitals.rows(readers["worker"], counts)
        == [("succeeded", 30, 30, None)]
    )
    for view in ("batches", "validation", "model_health", "retrain_due"):
        assert hospitals.rows(readers["north"], f"SELECT 1 FROM reporting.{view}") == [], view
        assert hospitals.rows(readers["all"], f"SELECT 1 FROM reporting.{view} LIMIT 1") == [(1,)], view
    own = "SELECT valid + stale, requests_waiting, backlog, write_backs_waiting FROM reporting.health WHERE job = 'sepsis'"
    assert hospitals.rows(readers["north"], own) == [(15, 15, None, None)]
    assert hospitals.rows(readers["none"], own) == [(0, 0, None, None)]
    assert hospitals.rows(readers["all"], own) == [(30, 30, 0, 0)]
    waiting = "SELECT waiting FROM reporting.request_statistics"
    assert hospitals.rows(readers["south"], waiting) == [(13,)]
    facilities = "SELECT DISTINCT facility FROM reporting.feature_counts ORDER BY 1"
    everyone = hospitals.rows(readers["all"], facilities)
    assert hospitals.rows(readers["north"], facilities) == [each for each in everyone if each == ("north",)]


def test_jobs_that_publish_no_facility_are_seen_by_all(scored: Any, hospital: Any) -> None:
    """As shipped, also where visits have a facility: nobody is kept from anything."""
    hospital.execute("UPDATE public.visits SET facility = 'north'")
    hospital.run()
    hospital.execute(
        "DO $$ BEGIN CREATE ROLE seen_plain LOGIN PASSWORD 'only-for-tests' IN ROLE scorer_reader; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    url = re.sub(r"//\w+@", "//seen_plain:only-for-tests@", hospital.url)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for view, count in (("current_scores", 30), ("runs WHERE eligible = 30", 1), ("batches", 1)):
            cursor.execute(f"SELECT count(*) FROM reporting.{view}")
            assert cursor.fetchone() == (count,)


def test_another_job_beside_it_stays_open(hospitals: Any, readers: dict[str, str]) -> None:
    hospitals.hospital.execute(
        "INSERT INTO scorer.job_versions (job, job_version, definition) VALUES ('open', 'v', '{}'); "
        "INSERT INTO scorer.current_scores (job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_job, reason) "
        "VALUES ('open', '1', 'score', 'FAILED', now(), now(), '', 'v', 'x')"
    )
    for who in ("none", "north"):
        assert hospitals.rows(readers[who], "SELECT entity_id FROM reporting.current_scores WHERE job = 'open'") == [
            ("1",)
        ]


def test_a_facility_that_an_entity_comes_to_shows_it_from_then_on(hospitals: Any, readers: dict[str, str]) -> None:
    hospital = hospitals.hospital
    hospital.execute("UPDATE public.visits SET facility = 'south' WHERE visit_id = 1")
    hospital.observe(1, hours_ago=0.1, observation_value=90.0)
    hospital.run(hospitals.job)
    current, past = (
        "SELECT count(*) FROM reporting.current_scores WHERE entity_id = '1'",
        "SELECT count(*) FROM reporting.score_history WHERE NOT shadow AND entity_id = '1'",
    )
    assert hospitals.rows(readers["north"], current) == [(0,)]
    assert hospitals.rows(readers["south"], current) == [(1,)]
    assert hospitals.rows(readers["north"], past) == hospitals.rows(readers["south"], past) == [(1,)]


def test_set_role_changes_nothing(hospitals: Any, readers: dict[str, str]) -> None:
    """The daemon reads as scorer_reader and sees all; a reader cannot shed what it is."""
    count = "SET ROLE scorer_reader; SELECT count(*) FROM reporting.current_scores"
    assert hospitals.rows(readers["worker"], count) == [(30,)]
    assert hospitals.rows(readers["north"], count) == [(15,)]


# Asking


@pytest.fixture
def asker(hospitals: Any) -> str:
    """A requester of north's."""
    url: str = hospitals.login("seen_asker", "scorer_requester")
    hospitals.grant("seen_asker", "north")
    return url


@pytest.mark.parametrize(
    "asking",
    [
        "SELECT scorer.request_score('sepsis', '20')",
        "INSERT INTO scorer.requests (job, entity_id) VALUES ('sepsis', '1'), ('sepsis', '20')",
    ],
)
def test_a_requester_asks_for_its_own_facility_alone(hospitals: Any, asker: str, asking: str) -> None:
    with pytest.raises(
        psycopg2.DatabaseError, match="entity '20' of job sepsis is of no facility that login seen_asker may see"
    ) as told:
        hospitals.rows(asker, asking)
    assert told.value.pgcode == "SC001"
    assert hospitals.hospital.one("SELECT count(*) FROM scorer.requests") == 30
    hospitals.rows(asker, "SELECT scorer.request_score('sepsis', '1')")
    assert hospitals.rows(asker, "SELECT entity_id, requested_by FROM reporting.requests") == [("1", "seen_asker")]


def test_who_sees_nothing_of_a_job_asks_for_nothing_of_it(hospitals: Any) -> None:
    url = hospitals.login("seen_empty", "scorer_requester")
    for entity in ("1", "4711"):
        with pytest.raises(psycopg2.DatabaseError, match="may see no facility of job sepsis"):
            hospitals.rows(url, f"SELECT scorer.request_score('sepsis', '{entity}')")


def test_an_entity_not_known_yet_may_be_asked_for_and_its_answer_is_seen_where_it_is_ours(
    hospitals: Any, asker: str
) -> None:
    hospital = hospitals.hospital
    hospitals.rows(asker, "SELECT scorer.request_score('sepsis', '98', '99')")
    hospital.admit(98, facility="north")
    hospital.admit(99, facility="south")
    hospital.run(hospitals.job)
    hospital.execute(
        "UPDATE scorer.requests SET status = 'done', outcome = 'SCORED', finished_at = now(), run_id = 1 WHERE entity_id IN ('98', '99')"
    )
    seen = "SELECT entity_id, status, outcome, run_id FROM reporting.requests ORDER BY entity_id"
    assert hospitals.rows(asker, seen) == [("98", "done", "SCORED", 1), ("99", "done", None, None)]


def test_of_a_cohort_nothing_is_counted_that_proves_to_be_of_another_facility(hospitals: Any, asker: str) -> None:
    hospital = hospitals.hospital
    hospital.execute("DELETE FROM scorer.requests")
    hospitals.rows(asker, "SELECT scorer.request_cohort('sepsis', ARRAY['98', '99', 'nobody'])")
    hospital.admit(98, facility="north")
    hospital.admit(99, facility="south")
    answering = RequestAnswering(database=Database(hospital.url, hospital.settings), jobs=[hospitals.job])
    with closing(answering):
        answering.answer_waiting()
    counts = "SELECT status, entities, answered, scored, failed, absent FROM reporting.requests"
    assert hospitals.rows(asker, counts) == [("done", 3, 3, 1, 0, 1)]
    assert hospitals.rows(hospital.url, counts) == [("done", 3, 3, 2, 0, 1)]
    each = "SELECT entity_id, outcome FROM reporting.request_entities ORDER BY entity_id"
    assert hospitals.rows(asker, each) == [("98", "SCORED"), ("99", None), ("nobody", "ABSENT")]


# Plans


QUALS = {
    "current_scores": (
        "true",
        "job = 'sepsis' AND entity_id = '5'",
        "job = 'sepsis' AND CAST(entity_id AS bigint) = 5",
        "score_id = 1",
    ),
    "scores": ("true", "job = 'sepsis' AND entity_id = '5'", "score_id = 7", "run_began_at > now() - interval '1 day'"),
    "score_reasons": ("score_id = 7", "score_id = 7 AND rank = 1"),
    "rejections": ("job = 'sepsis' AND entity_id = '5' AND resolved_at IS NULL",),
    "requests": ("request_id = 5", "requested_at > now() - interval '1 day'"),
}


def plan(url: str, text: str) -> list[str]:
    """The nodes of a plan and what their indexes are asked, without what asks once who is asking, and filters, whose words differ."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (COSTS OFF) {text}")
        lines = [line.strip().removeprefix("->  ") for (line,) in cursor.fetchall()]
    kept = [each for each in lines if not each.startswith(("InitPlan", "Result", "Filter"))]
    return [re.sub(r"(?<= on )(\S+).*", r"\1", re.sub(r"\bt(_\d+)?\.", "", each)) for each in kept]


@pytest.mark.parametrize("table", QUALS)
def test_who_sees_all_has_the_plans_of_the_table_itself(hospitals: Any, readers: dict[str, str], table: str) -> None:
    hospitals.hospital.execute("ANALYZE")
    columns = [
        row[0]
        for row in hospitals.rows(
            hospitals.hospital.url,
            f"SELECT attname FROM pg_attribute WHERE attrelid = 'scorer.seen_{table}'::regclass AND attnum > 0 ORDER BY attnum",
        )
    ]
    hospitals.hospital.execute(
        "GRANT SELECT ON ALL TABLES IN SCHEMA scorer TO seen_all; GRANT USAGE ON SCHEMA scorer TO seen_all"
    )
    for qual in QUALS[table]:
        asked = f"SELECT {', '.join(columns)} FROM scorer.{{}} AS t WHERE {qual}"
        for who in (hospitals.hospital.url, readers["all"]):
            found, wanted = plan(who, asked.format(f"seen_{table}")), plan(who, asked.format(table))
            assert found == wanted, qual
            assert not any("Subquery" in each or "own_" in each for each in found)


def test_a_query_planned_before_a_change_shows_no_more_than_one_planned_after(
    hospitals: Any, readers: dict[str, str]
) -> None:
    with closing(psycopg2.connect(readers["all"])) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute("PREPARE many AS SELECT count(*) FROM reporting.current_scores")
        cursor.execute("EXECUTE many")
        assert cursor.fetchone() == (30,)
        hospitals.hospital.execute("SELECT scorer.revoke_facilities('seen_all', NULL, true, NULL)")
        with pytest.raises(psycopg2.DatabaseError, match="may see has changed since this query was planned"):
            cursor.execute("EXECUTE many")
        hospitals.grant("seen_all", "north")
        cursor.execute("PREPARE few AS SELECT count(*) FROM reporting.current_scores")
        cursor.execute("EXECUTE few")
        assert cursor.fetchone() == (15,)
        hospitals.hospital.execute("SELECT scorer.revoke_facilities('seen_all', ARRAY['north'], false, NULL)")
        cursor.execute("EXECUTE few")
        assert cursor.fetchone() == (0,)
        hospitals.grant("seen_all")
        cursor.execute("EXECUTE few")
        assert cursor.fetchone() == (30,)


# What comes later


def test_no_view_of_reporting_reads_past_facilities(hospitals: Any) -> None:
    """A view reads scorer.seen_<table>, or is a barrier that asks scorer.sees_all itself."""
    hospital = hospitals.hospital
    assert hospital.rows("SELECT * FROM scorer.views_past_facilities") == []
    for number, (text, table) in enumerate(
        (
            ("SELECT s.entity_id FROM scorer.scores AS s", "scores"),
            ("SELECT q.observed FROM scorer.rejections AS q WHERE q.job = 'sepsis'", "rejections"),
            ("SELECT sum(b.scored) FROM scorer.batches AS b", "batches"),
        )
    ):
        hospital.execute(f"CREATE VIEW reporting.leak_{number} AS {text}")
        assert (f"leak_{number}", table) in hospital.rows(
            "SELECT view_name, table_name FROM scorer.views_past_facilities"
        )
    hospital.execute(
        "CREATE VIEW reporting.leak_other AS SELECT s.entity_id FROM scorer.scores AS s WHERE s.job = 'other'"
    )
    session = Session(Target.of(hospital.url, hospital.settings, role="scorer_owner"))
    with closing(session), session.transaction():
        assert list_views_past_facilities(session, "sepsis") == [
            ("leak_0", "scores"),
            ("leak_1", "rejections"),
            ("leak_2", "batches"),
        ]


def test_a_job_whose_view_reads_past_facilities_is_not_installed(
    hospital: Any, changed_job: Callable[..., Any], tmp_path: Any
) -> None:
    past = (
        "views.sql",
        "FROM reporting.current_scores AS c",
        "FROM (SELECT s.*, false AS stale FROM scorer.current_scores AS s) AS c",
    )
    changed_job(past)
    settings = type(hospital.settings)(home=tmp_path / "home", jobs_dir=tmp_path / "site")
    registration.install_jobs(database=Database(hospital.url, settings))  # as long as it publishes no facility
    changed_job(("job.toml", 'published = ["client"]', 'published = ["client", "facility"]'))
    with pytest.raises(
        UserError, match=r"the view reporting\.sepsis_predictions reads scorer\.current_scores, past who may see"
    ):
        registration.install_jobs(database=Database(hospital.url, settings))


def test_grants_are_listed_to_whom_they_concern(hospitals: Any, readers: dict[str, str]) -> None:
    def listed(url: str) -> list[tuple[Any, ...]]:
        session = Session(Target.of(url, hospitals.hospital.settings, role=None))
        with closing(session), session.transaction():
            return [(row["login"], row["job"], row["facility"]) for row in list_facilities(session)]

    assert listed(readers["north"]) == [("seen_north", "all", "north")]
    assert listed(readers["both"]) == [("seen_group", "all", "north"), ("seen_group", "all", "south")]
    assert listed(readers["none"]) == []
    assert len(listed(readers["worker"])) == 5


def test_a_version_recorded_by_an_older_program_is_told_of_its_facility_at_its_next_run(
    hospitals: Any, readers: dict[str, str]
) -> None:
    hospitals.hospital.execute("UPDATE scorer.job_versions SET facility = NULL")
    assert hospitals.rows(readers["none"], "SELECT count(*) FROM reporting.current_scores") == [(30,)]
    hospitals.hospital.run(hospitals.job)
    assert hospitals.rows(readers["none"], "SELECT count(*) FROM reporting.current_scores") == [(0,)]
