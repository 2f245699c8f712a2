"""Metrics of a real database: runs, batches and requests are counted once; and what is left when the database is gone."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.cli.main import cli
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import RunStopped
from scorer.jobs.schedule import Schedule
from scorer.monitoring.prometheus import JobState, Metrics

ROOT = Path(__file__).parents[3]
METRICS_PAPER = ROOT / "systemd" / "grafana" / "README.md"
PATIENCE = timedelta(seconds=1)
OUTCOMES = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")


@dataclass
class Daemonlike:
    """A daemon that is live and ready."""

    jobs: dict[str, Schedule] = field(
        default_factory=lambda: {"sepsis": Schedule.of("5 * * * *", "UTC", where="a test")}
    )
    states: dict[str, JobState] = field(default_factory=lambda: {"sepsis": JobState()})

    def live(self) -> bool:
        return True

    def ready(self) -> str | None:
        return None

    def job_states(self) -> Mapping[str, JobState]:
        return self.states

    def schedules(self) -> Mapping[str, Schedule]:
        return self.jobs


class Scraper:
    """A daemon's metrics, scraped as often as a test likes: its clock goes on by an hour from one to the next."""

    def __init__(self, target: Target) -> None:
        self._hours = 0
        self.session = ReadOnlySession(target, patience=PATIENCE)
        self.daemon = Daemonlike()
        self.metrics = Metrics(self.session, state=self.daemon, clock=lambda: self._hours * 3600.0)

    def text(self) -> str:
        self._hours += 1
        return self.metrics.text().decode()

    def scrape(self) -> dict[str, float]:
        """Each series with its value; the labels in order."""
        found = {}
        for line in self.text().splitlines():
            if not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                found[series] = float(value)
        return found


def series(name: str, **labels: str) -> str:
    text = ",".join(f'{key}="{value}"' for key, value in sorted({"job_name": "sepsis", **labels}.items()))
    return f"{name}{{{text}}}"


@pytest.fixture
def target(hospital: Any) -> Target:
    return Target.of(hospital.url, hospital.settings, role="scorer_worker")


@pytest.fixture
def scraper(target: Target) -> Iterator[Scraper]:
    made = Scraper(target)
    yield made
    made.session.close()


def test_what_was_done_is_counted_once(hospital: Any, target: Target, scraper: Scraper) -> None:
    """Each of two daemons counts it; one that begins later begins at 0."""
    hospital.admit(*range(770_001, 770_021))
    hospital.admit(770_050, observations=1)
    hospital.observe(770_001, observation_value=1e9)
    other = Scraper(target)
    first = scraper.scrape()
    begun = {name for name in first if name.startswith("scorer_batch_step_seconds_count")}
    assert other.scrape()[series("scorer_entities_total", outcome="scored")] == 0
    assert first[series("scorer_runs_total", trigger="manual", status="succeeded")] == 0
    hospital.run()
    for each in (scraper, other):
        for _ in range(2):
            scraped = each.scrape()
            assert scraped[series("scorer_runs_total", trigger="manual", status="succeeded")] == 1
            for outcome in OUTCOMES:
                expected = hospital.one(f"SELECT sum({outcome}) FROM scorer.batches")
                assert scraped[series("scorer_entities_total", outcome=outcome)] == expected, outcome
            assert scraped[series("scorer_observations_read_total")] == hospital.one(
                "SELECT sum(observations_read) FROM scorer.batches"
            )
            assert scraped[series("scorer_observations_dropped_total")] == 1
            failures = "SELECT suite, rule, sum(unexpected) FROM scorer.validation_results GROUP BY 1, 2"
            for suite, rule, unexpected in hospital.rows(failures):
                assert scraped[series("scorer_validation_failures_total", suite=suite, rule=rule)] == unexpected
            for step, seconds in hospital.rows(
                "SELECT s.key, sum(s.value::double precision) FROM scorer.batches, jsonb_each_text(seconds) AS s GROUP BY 1"
            ):
                assert scraped[series("scorer_batch_step_seconds_sum", step=step)] == pytest.approx(seconds)
                assert scraped[series("scorer_batch_step_seconds_count", step=step)] == 1
                assert series("scorer_batch_step_seconds_count", step=step) in begun
    assert (
        scraper.scrape()[series("scorer_validation_failures_total", suite="observations", rule="value_not_too_high")]
        == 1
    )
    late = Scraper(target)
    assert late.scrape()[series("scorer_entities_total", outcome="scored")] == 0
    late.session.close()
    other.session.close()


def test_live_figures_are_told_by_the_names_of_the_task(hospital: Any, scraper: Scraper) -> None:
    assert series("scorer_live_figure", figure="auroc") not in scraper.scrape()
    hospital.execute(
        "WITH kept AS (INSERT INTO scorer.checkups (job, model_version, job_version, checked_at, window_from, scores, features, "
        "features_moved, retrain_after) SELECT job, model_version, 'v', now(), now(), 1, 1, 0, '91 days' FROM scorer.model_versions "
        "WHERE status = 'production' RETURNING checkup_id, job, model_version) "
        "INSERT INTO scorer.live_performance (checkup_id, job, model_version, window_from, window_until, metric, value, rows, entities, "
        "positives) SELECT k.checkup_id, k.job, k.model_version, now(), now(), f.metric, f.value, 1, 1, 1 FROM kept AS k, "
        "(VALUES ('mae', 2.5), ('auroc', 0.75), ('r2', -0.5), ('coverage', NULL)) AS f (metric, value)"
    )
    found = scraper.scrape()
    told = {name: value for name, value in found.items() if name.startswith("scorer_live_figure{")}
    assert told == {
        series("scorer_live_figure", figure="mae"): 2.5,
        series("scorer_live_figure", figure="auroc"): 0.75,
        series("scorer_live_figure", figure="r2"): -0.5,
    }
    assert found[series("scorer_live_auroc")] == 0.75
    own = hospital.one(
        "SELECT metrics -> 'calibration_slope' ->> 'value' FROM reporting.models WHERE status = 'production'"
    )
    assert found[series("scorer_model_figure", figure="calibration_slope")] == float(own)


def test_no_entity_and_no_value_is_reported(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(*range(770_001, 770_006))
    hospital.observe(770_001, observation_value=987654.25, observation_type_code="NONSENSE")
    scraper.text()
    hospital.run()
    text = scraper.text()
    assert series("scorer_entities_total", outcome="scored") in text
    for never in ("77000", "987654", "NONSENSE", "C77"):
        assert never not in text


def test_a_rule_that_stops_a_run_is_counted_although_its_batch_is_rolled_back(
    hospital: Any, scraper: Scraper, changed_job: Any
) -> None:
    job = changed_job(("job.toml", "[actions]", '[actions]\nvalue_present = "fail"'))
    hospital.admit(1, 2)
    hospital.observe(1, observation_value=None)
    scraper.text()
    with pytest.raises(RunStopped):
        hospital.run(job=job)
    scraped = scraper.scrape()
    assert scraped[series("scorer_runs_total", trigger="manual", status="failed")] == 1
    assert scraped[series("scorer_validation_failures_total", suite="observations", rule="value_present")] == 1
    assert scraper.scrape()[series("scorer_validation_failures_total", suite="observations", rule="value_present")] == 1


def test_how_long_requests_took(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    hospital.run()
    scraper.text()
    run_id = hospital.one(
        "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, status, finished_at) "
        "SELECT job, job_version, 'request', now(), now(), '0', 'succeeded', now() FROM scorer.runs LIMIT 1 RETURNING run_id"
    )
    for milliseconds in (40, 80, 400):
        hospital.execute(
            "INSERT INTO scorer.requests (job, entity_id, status, outcome, run_id, requested_at, finished_at) "
            "VALUES ('sepsis', '1', 'done', 'UNCHANGED', %s, now(), now() + %s * INTERVAL '1 ms')",
            run_id,
            milliseconds,
        )
    hospital.execute(
        "INSERT INTO scorer.requests (job, entity_id, requested_at) VALUES ('sepsis', '1', now() - INTERVAL '90 s')"
    )
    scraped = scraper.scrape()
    assert scraped[series("scorer_request_seconds_count")] == 3
    assert scraped[series("scorer_request_seconds_sum")] == pytest.approx(0.52)
    assert [scraped[series("scorer_request_seconds_bucket", le=le)] for le in ("0.05", "0.1", "0.5", "+Inf")] == [
        1,
        2,
        3,
        3,
    ]
    assert scraped[series("scorer_requests_waiting")] == 1
    assert scraped[series("scorer_requests_age_seconds")] == pytest.approx(90, abs=60)


def test_the_state_of_jobs_scores_and_daemons(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(*range(1, 6))
    hospital.run(as_of=None)
    hospital.execute("UPDATE scorer.current_scores SET valid_until = now() - INTERVAL '1 s' WHERE entity_id = '1'")
    hospital.execute("UPDATE scorer.current_scores SET valid_until = now() + INTERVAL '30 min' WHERE entity_id = '2'")
    hospital.execute(
        "UPDATE scorer.current_scores SET valid_until = now() + INTERVAL '2 h' WHERE entity_id IN ('3', '4', '5')"
    )
    hospital.execute("UPDATE scorer.runs SET finished_at = now() - INTERVAL '3 h'")
    hospital.execute(
        "INSERT INTO scorer.daemons (daemon, version, beat_at, ready, detail) VALUES ('a/1', '1', now(), true, ''), "
        "('b/2', '1', now(), false, ''), ('c/3', '1', now() - INTERVAL '2 h', true, '')"
    )
    hospital.execute(
        "INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, schedule, recorded_by, run_id) "
        "SELECT 'sepsis', now() - n * INTERVAL '1 h', "
        "CASE WHEN n = 1 THEN 'ran' ELSE 'missed' END, 'why', '', 'a/1', CASE WHEN n = 1 THEN 1 END FROM generate_series(1, 4) AS n"
    )
    scraped = scraper.scrape()
    assert {
        name: scraped[series(name)] for name in ("scorer_scores_valid", "scorer_scores_expiring", "scorer_scores_stale")
    } == {
        "scorer_scores_valid": 4,
        "scorer_scores_expiring": 1,
        "scorer_scores_stale": 1,
    }
    states = {state: scraped[f'scorer_daemons{{state="{state}"}}'] for state in ("ready", "not ready", "silent")}
    assert states == {"ready": 1, "not ready": 1, "silent": 1}
    assert scraped[series("scorer_ticks_since_success")] == 3
    assert scraped[series("scorer_ticks_missed_last_day")] == 3
    assert scraped[series("scorer_model_info", model_version="2026.11.29")] == 1
    assert scraped[series("scorer_last_tick_info", outcome="ran")] == 1
    assert scraped[series("scorer_job_ready")] == 1
    assert scraped[series("scorer_next_tick_timestamp_seconds")] % 3600 == 300
    assert series("scorer_last_missed_timestamp_seconds") in scraped
    hospital.execute("INSERT INTO scorer.breakers VALUES ('sepsis', 3, 'why', now(), now(), now())")
    scraped = scraper.scrape()
    assert (scraped[series("scorer_breaker_open")], scraped[series("scorer_failures_in_a_row")]) == (1, 3)
    assert scraped[series("scorer_job_ready")] == 0
    hospital.execute("DELETE FROM scorer.daemons")
    hospital.execute("DELETE FROM scorer.breakers")
    assert scraper.scrape()[series("scorer_job_ready")] == 0


def test_a_database_that_is_gone_and_comes_back(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1, 2)
    assert scraper.scrape()["scorer_up"] == 1
    hospital.run()
    name = hospital.one("SELECT current_database()")
    server = hospital.url.replace(f"/{name}?", "/postgres?", 1)
    hospital.close()
    with closing(psycopg2.connect(server)) as outside, outside.cursor() as cursor:
        outside.autocommit = True
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        gone = scraper.scrape()
        assert gone["scorer_up"] == 0
        assert gone["process_resident_memory_bytes"] > 0
        assert series("scorer_scores_valid") not in gone
        assert gone[series("scorer_entities_total", outcome="scored")] == 0, "a counter went away, or was guessed"
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    back = scraper.scrape()
    assert back["scorer_up"] == 1
    assert back[series("scorer_entities_total", outcome="scored")] == 2


def test_a_database_that_hangs_is_given_up_and_read_again(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    assert scraper.scrape()["scorer_up"] == 1
    with closing(hospital.connect()) as stuck, stuck.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.daemons IN ACCESS EXCLUSIVE MODE")
        assert scraper.scrape()["scorer_up"] == 0
    assert scraper.scrape()["scorer_up"] == 1


def test_many_scrapes_at_once_are_one_read(hospital: Any, scraper: Scraper) -> None:
    """While one waits for the database, no other asks it; all are answered."""
    waiting = (
        "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'scorer'"
    )
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(scraper.text())) for _ in range(20)]
    with closing(hospital.connect()) as stuck, stuck.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.daemons IN ACCESS EXCLUSIVE MODE")
        for thread in threads:
            thread.start()
        seen = set(hospital.rows(waiting))
        while (1, 1) not in seen:
            seen |= set(hospital.rows(waiting))
        assert seen <= {(0, 0), (0, 1), (1, 1)}
    for thread in threads:
        thread.join()
    assert len(texts) == 20
    assert all("\nscorer_up " in text for text in texts)


def test_alerts_name_only_metrics_that_there_are(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    scraper.text()
    hospital.run()
    hospital.execute(
        "INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, schedule, recorded_by) "
        "VALUES ('sepsis', now(), 'missed', 'why', '', 'a')"
    )
    scraped = {name.partition("{")[0] for name in scraper.scrape()}
    rules = (ROOT / "systemd" / "scorer.rules.yml").read_text()
    named = {
        name
        for expr in re.findall(r"expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):", rules)
        for name in re.findall(r"\bscorer_\w+", expr)
    }
    assert len(named) > 10
    assert named <= scraped
    assert (
        len(re.findall("- alert:", rules))
        == len(re.findall("severity: (?:page|ticket)}", rules))
        == len(re.findall("action:", rules))
    )
    typed = {
        word
        for action in re.findall(r"action: (?:>-\n)?(.*)", rules)
        for word in re.findall(r"(?:^ *|; |then |\$\()scorer ([a-z]+)", action)
    }
    assert {"status", "run", "db"} <= typed <= set(cli.commands)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here: apt-get install prometheus")
def test_promtool_finds_no_fault_with_the_metrics(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    scraper.text()
    hospital.run()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=scraper.text(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_view_says_the_same_as_the_metrics(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1, 2, 3)
    hospital.run()
    scraped = scraper.scrape()
    ((valid, stale, backlog, ready),) = hospital.rows(
        "SELECT valid, stale, backlog, ready FROM reporting.health WHERE job = 'sepsis'"
    )
    assert (valid, stale, backlog, ready) == tuple(
        scraped[series(name)]
        for name in ("scorer_scores_valid", "scorer_scores_stale", "scorer_backlog_entities", "scorer_job_ready")
    )
    assert stale == 3


def test_every_metric_is_told_in_a_paper_and_no_other(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    scraper.text()
    hospital.run()
    told = re.findall(r"`(scorer_[a-z_]+)`", METRICS_PAPER.read_text(encoding="utf-8").partition("## Metrics")[2])
    assert len(set(told)) == len(told)
    families = set(re.findall(r"^# TYPE (scorer_\w+?)(?:_total|_info)? ", scraper.text(), re.MULTILINE))
    assert set(told) == families


def test_what_a_job_that_is_not_run_here_left_behind_is_not_told(hospital: Any, scraper: Scraper) -> None:
    hospital.admit(1)
    hospital.run()
    assert 'scorer_job_ready{job_name="sepsis"}' in scraper.text()
    assert 'scorer_job_broken{job_name="sepsis"} 0.0' in scraper.text()
    scraper.daemon.states["sepsis"] = JobState(runs=False, why="the option jobs does not name it")
    assert 'scorer_job_ready{job_name="sepsis"}' not in scraper.text()
    assert "scorer_job_broken{" not in scraper.text()
