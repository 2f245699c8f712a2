"""Dask schedulers that cannot be used are refused in a sentence; what a cluster does is tested with whole runs."""

from __future__ import annotations

import pytest

from scorer.config import Settings
from scorer.errors import UserError
from scorer.runs import cluster
from scorer.runs.cluster import Cluster


@pytest.mark.parametrize("address", ["tcp://dask.example:8786", "dask.example:8786", "tcp://10.0.0.7:8786"])
def test_a_scheduler_that_could_be_sent_to_unencrypted_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="would be unencrypted, and what it is sent is executed; name it as tls://"):
        Cluster(Settings(scheduler=address))
    Cluster(Settings(scheduler=address, allow_plaintext=True))


@pytest.mark.parametrize(
    "address", ["tls://dask.example:8786", "tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786"]
)
def test_a_scheduler_that_is_encrypted_or_on_this_machine_is_accepted(address: str) -> None:
    Cluster(Settings(scheduler=address))


def test_a_scheduler_must_be_named() -> None:
    with pytest.raises(UserError, match="needs the address of a scheduler"):
        Cluster(Settings())


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    refusal = pytest.raises(UserError, match=r"The Dask scheduler at tcp://127\.0\.0\.1:9 cannot be reached")
    with refusal, Cluster(Settings(scheduler="tcp://127.0.0.1:9")):
        pass
