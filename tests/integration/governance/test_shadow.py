"""Shadow runs and comparisons: nothing is written, and nothing of the hospital is held."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.governance.shadow import shadow_run
from scorer.registry.registration import register
from scorer.scoring import pipeline
from scorer.scoring.opening import Pipeline

JOB = "sepsis"
SHIPPED = "2026.11.29"

Said = tuple[int, str, str]


def test_a_shadow_run_and_a_comparison_write_nothing_and_agree(
    hospital: Any, scorer: Callable[..., Said], make: Callable[..., Path], fitted: Callable[..., Any]
) -> None:
    hospital.admit(*range(1, 31))
    hospital.admit(99, observations=1)
    for version, seed in (("one", 1), ("two", 2)):
        make(fitted(hospital.job, seed=seed), version=version)
        assert scorer("anna", "model", "register", JOB, version)[0] == 0
    before = hospital.one("SELECT max(xmin::text::bigint) FROM scorer.model_versions")
    noon = hospital.noon.isoformat()
    shadow = json.loads(scorer("anna", "model", "shadow", JOB, "one", "--as-of", noon, "--json")[1])
    assert (shadow["production"], shadow["entities"]) == (SHIPPED, 31)
    assert shadow["bands"]["INSUFFICIENT"] == {"INSUFFICIENT": 1}
    assert shadow["up"] + shadow["down"] == shadow["moved"]
    found = json.loads(scorer("anna", "model", "compare", JOB, "one", "two", "--as-of", noon, "--json")[1])
    assert found["agreement"]["scored_by_both"] == 30
    assert -1 <= found["agreement"]["rank_correlation"] <= 1
    same = json.loads(scorer("anna", "model", "compare", JOB, "one", "one", "--as-of", noon, "--json")[1])
    assert same["migration"]["moved"] == 0
    assert same["agreement"]["rank_correlation"] == pytest.approx(1)
    assert same["agreement"]["largest"] == 0
    few = json.loads(scorer("anna", "model", "compare", JOB, "one", "two", "--as-of", noon, "--limit", 5, "--json")[1])
    assert few["migration"]["entities"] == 5
    assert "The ledger holds no entity" in scorer("anna", "model", "compare", JOB, "one", "two", "--ledger")[2]
    assert "lies in the future" in scorer("anna", "model", "shadow", JOB, "one", "--as-of", "2199-01-01T00:00Z")[2]
    assert hospital.one("SELECT count(*) FROM scorer.runs") == hospital.one("SELECT count(*) FROM scorer.scores") == 0
    assert hospital.one("SELECT max(xmin::text::bigint) FROM scorer.model_versions") == before
    for command in (("shadow", JOB, "one"), ("compare", JOB, "one", "two")):
        assert "would stand elsewhere" in scorer("anna", "model", *command, "--as-of", noon)[1]


def test_a_shadow_run_holds_nothing_of_the_hospital_while_it_scores(
    hospital: Any,
    scorer: Callable[..., Said],
    make: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    fitted: Callable[..., Any],
) -> None:
    hospital.admit(*range(1, 31))
    make(fitted(hospital.job, seed=1), version="one")
    assert scorer("anna", "model", "register", JOB, "one")[0] == 0
    held: list[tuple[str, list[tuple[Any, ...]]]] = []

    def looking(where: Any, name: str) -> Callable[..., Any]:
        plain = getattr(where, name)

        def look(*arguments: Any, **named: Any) -> Any:
            found = hospital.rows(
                "SELECT 'locks public.visits', mode FROM pg_locks WHERE relation = 'public.visits'::regclass "
                "UNION ALL SELECT state, query FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            held.append((name, found))
            return plain(*arguments, **named)

        return look

    # After the hospital's tables were read, and after the ledger was read for scores published before.
    for where, name in ((pipeline, "predict_both"), (Pipeline, "pool_for"), (pipeline, "reasons_for")):
        monkeypatch.setattr(where, name, looking(where, name))
    settings = replace(hospital.settings, batch_size=10)
    beside = shadow_run(hospital.job, "one", database=Database(hospital.url, settings), as_of=hospital.noon)
    assert len(beside.pairs) == 30
    assert held == [(name, []) for _ in range(6) for name in ("predict_both", "pool_for", "reasons_for")]


def test_a_model_of_features_that_the_job_no_longer_has_is_told_with_the_way_out(
    shop: Any, make_model: Callable[..., Path]
) -> None:
    shop.promote(make_model)
    shop.edit("job.toml", '"28 days", "90 days"', '"7 days", "90 days"')
    folder = shop.model(make_model, version="2")
    with closing(Session(shop.database.as_worker())) as session, session.transaction():
        register(shop.job, folder, session)
    with pytest.raises(
        UserError, match=r"Model 1, in production, cannot score beside another: .* scorer model archive shop 1\.$"
    ):
        shadow_run(shop.job, "2", database=shop.database)
