"""What a look costs where a million scores are current: the count of them, and a scrape of /metrics, for once and from what is kept.

Try it: python tests/benchmarks/look_at_many_scores.py --scores 1000000
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg2

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Target
from scorer.database.embedded.server import Server
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import engine
from scorer.database.store.status import count_scores, list_health
from scorer.jobs.schedule import Schedule
from scorer.monitoring.prometheus import JobState, Metrics

FILL = """
INSERT INTO scorer.current_scores (
    job, entity_id, output, status, status_as_of, status_at, input_hash, judged_by_model, judged_by_job, attributes, score_id, score,
    risk_band, as_of, scored_at, valid_until, model_version
)
SELECT
    'job', n::text, 'probability', 'SCORED', now(), now(), decode(md5(n::text) || md5(n::text), 'hex'), '1', 'abcdefabcdefabcd',
    '{"client": "C1"}', n, 0.1, 'LOW', now(), now(), now() + (n %% 1000 - 900) * INTERVAL '1 min', '1'
FROM generate_series(1, %s) AS n
"""


class Daemonlike:
    """A daemon that is well."""

    def live(self) -> bool:
        """It lives."""
        return True

    def ready(self) -> str | None:
        """It is ready."""
        return None

    def job_states(self) -> Mapping[str, JobState]:
        """None stands in any way but as the database says."""
        return {}

    def schedules(self) -> Mapping[str, Schedule]:
        """It has one job."""
        return {"job": Schedule.of("5 * * * *", "UTC", where="here")}


def show(what: str, do: Callable[[], object]) -> None:
    """Print how long it takes, five times."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        do()
        taken.append((time.perf_counter() - began) * 1000)
    print(f"{what:45} {min(taken):8.1f} ms at best, {max(taken):8.1f} ms at worst of 5")


def main() -> None:
    """Fill, look, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=1_000_000)
    scores = parser.parse_args().scores
    with tempfile.TemporaryDirectory(prefix="scorer-look-") as home:
        Path(home).chmod(0o755)
        settings = Settings(home=Path(home))
        with Server.at(Path(home)).serving() as server:
            schema.upgrade(engine(Target.of(server.url, settings, role=None)))
            with closing(psycopg2.connect(server.url)) as connection, connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO scorer.job_versions VALUES ('job', 'abcdefabcdefabcd', '{}')")
                cursor.execute(FILL, (scores,))
            target = Target.of(server.url, settings, role="scorer_worker")
            with closing(ReadOnlySession(target, patience=timedelta(minutes=1))) as watch:
                hour = [0.0]
                eager = Metrics(watch, state=Daemonlike(), clock=lambda: hour[0])

                def an_hour_later() -> bytes:
                    hour[0] += 3600
                    return eager.text()

                usual = Metrics(watch, state=Daemonlike())
                show(f"count of {scores:,} current scores", lambda: count_scores(watch))
                show("all else of reporting.health", lambda: list_health(watch))
                show("scrape that looks and counts", an_hour_later)
                show("scrape from what is kept (the first looks)", usual.text)


if __name__ == "__main__":
    main()
