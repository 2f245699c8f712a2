"""The Polars script of afternoon.py, hour by hour: it reads all observations of the stays that last, each time."""

from __future__ import annotations

from datetime import timedelta

from tests.benchmarks import afternoon
from tests.benchmarks.task import AS_OF


class Contestant(afternoon.Contestant):
    """Each run of one database is an hour later than the last."""

    visits = "discharged_at IS NULL"
    url = ""

    def ready(self, url: str) -> None:
        """The next hour."""
        self.as_of = (self.as_of if url == self.url else AS_OF) + timedelta(hours=1)
        super().ready(url)
