"""The load test in its short form: a hundred sessions on a server of the usual hundred connections, and no request is lost.

make crowd          # the same for five minutes
"""

from __future__ import annotations

import pytest

from tests.benchmarks.many_sessions import measure


@pytest.mark.timeout(600)
def test_a_hundred_sessions_lose_no_request() -> None:
    figures = measure(sessions=100, spawn=20, seconds=15, connections=100, visits=300)
    print(f"\n{figures}")
    assert not figures["errors"]
    assert (figures["lost"], figures["waiting"]) == (0, 0)
    assert set(figures["ended"]) <= {"done", "expired"}
    assert sum(figures["ended"].values()) == figures["asked"]
    assert figures["ended"]["done"] > 30
    assert figures["refused_by_quota"] > 0, "the sessions of the login with the default quota"
    assert figures["turned_away_by_the_server"] > 0, "of a hundred connections the service has some, and superusers"
    assert figures["p99_ms"] < 30_000, "none was answered after its deadline"
