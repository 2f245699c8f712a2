"""The floor: COPY the observations out to nothing, predict on ready features, COPY the results in and update the visits.

Nobody can be faster through this database: it validates nothing, keeps no ledger, and builds no features. Its session is open, and its
features are ready, before the clock starts.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import psycopg2

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.source.reader import microseconds
from scorer.registry.bands import band_names
from scorer.registry.model import LoadedModel
from scorer.scoring.features.build import build
from scorer.scoring.opening import open_pipeline
from scorer.types.arrays import Features
from scorer.types.values import WorkItem
from tests.benchmarks.task import AS_OF, Task

HERE = Path(__file__).parent
_TOGETHER = 20_000  # visits whose observations are held at once while features are made ready


class Nothing:
    """Takes what is written to it, and keeps none of it."""

    def write(self, data: bytes) -> int:
        return len(data)


class Contestant:
    """Scores with the program's own pipeline and bands, and nothing else of it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.visits: list[str] = []
        self.matrix: Features | None = None
        self.model: LoadedModel | None = None

    def ready(self, url: str) -> None:
        """Open the session; build the features, once for all copies of a database."""
        self.connection = psycopg2.connect(url)
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT visit_id::text FROM visits ORDER BY visit_id")
            visits = [visit for (visit,) in cursor.fetchall()]
        self.connection.commit()
        if visits != self.visits:
            self.visits = visits
            self._build(url)

    def _build(self, url: str) -> None:
        job, parts = self.task.job, []
        line = open_pipeline(job, database=Database(url, Settings(home=self.task.home)))
        try:
            for start in range(0, len(self.visits), _TOGETHER):
                items = tuple(WorkItem(entity_id=each, as_of=AS_OF) for each in self.visits[start : start + _TOGETHER])
                as_of = np.full(len(items), microseconds(AS_OF), dtype=np.int64)
                known = line.source.observations(job, items), line.source.attributes(job, items)
                parts.append(build(*known, as_of=as_of, spec=job.features))
        finally:
            line.close()
        self.model = line.model
        self.matrix = Features(names=parts[0].names, values=np.concatenate([part.values for part in parts]))

    def run(self) -> None:
        """Out, predict, in."""
        assert self.model is not None
        assert self.matrix is not None
        with self.connection.cursor() as cursor:
            cursor.copy_expert((HERE / "copy_out.sql").read_text(), Nothing())
            score = self.model.score(self.matrix).score
            bands = band_names(self.task.job.bands, score)
            rows = "".join(
                f"{visit}\t{each!r}\t{band}\n"
                for visit, each, band in zip(self.visits, score.tolist(), bands, strict=True)
            )
            cursor.execute("CREATE TEMPORARY TABLE results (visit_id bigint, score float8, band text) ON COMMIT DROP")
            cursor.copy_expert("COPY pg_temp.results FROM STDIN", io.StringIO(rows))
            cursor.execute(
                "UPDATE public.visits AS v SET sepsis_score = r.score, risk_level = r.band, scored_at = now() "
                "FROM pg_temp.results AS r WHERE v.visit_id = r.visit_id"
            )
        self.connection.commit()

    def done(self) -> dict[str, object]:
        """Nothing to tell beside the time."""
        self.connection.close()
        return {}

    def close(self) -> None:
        """Nothing is left."""
