"""A pipeline: which models publish, which scores published before it looks up, and whose sessions it uses."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.job import Job
from scorer.jobs.publication import Split
from scorer.scoring.challenger import Challenger
from scorer.scoring.opening import Pipeline
from scorer.types.values import Published

ROWS_NEEDED = 20


class Closable:
    """Stands for a session or a source."""

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def beside(self) -> Closable:
        return Closable()

    def open_ahead(self) -> None:
        pass


def model(version: str) -> Any:
    return SimpleNamespace(
        manifest=SimpleNamespace(model_version=version, sha256="a"), training_quantile=lambda score: score / 2
    )


@pytest.fixture
def pipeline(sepsis: Job) -> Pipeline:
    """A pipeline of the shipped job, with nothing behind it."""
    parts: Any = {
        "job": sepsis,
        "session": Closable(),
        "source": Closable(),
        "suites": SimpleNamespace(pool_rows=ROWS_NEEDED),
        "model": model("one"),
        "worker": "here/1",
        "batch_size": 1000,
    }
    return Pipeline(**parts)


def test_the_model_publishes_alone_where_there_is_no_challenger(pipeline: Pipeline) -> None:
    assert pipeline.publishers == ("one",)
    assert pipeline.publisher_of("1") == pipeline.model_version == "one"


def test_a_challenger_publishes_for_its_share_of_the_entities(pipeline: Pipeline) -> None:
    job = replace(pipeline.job, split=Split(share=0.5))
    both = replace(pipeline, job=job, challenger=Challenger(model("two"), job=job.name))
    assert both.publishers == ("one", "two")
    ids = [str(number) for number in range(50)]
    by_challenger = {each for each in ids if both.publisher_of(each) == "two"}
    assert by_challenger == {each for each in ids if job.split.takes(job.name, each)}
    assert 0 < len(by_challenger) < len(ids)
    assert both.model_version == "one"


@pytest.mark.parametrize(
    ("published", "looks", "found"),
    [
        (5, [80, 10_000], 5),  # all there are
        (ROWS_NEEDED, [80], ROWS_NEEDED),
        (60, [80], 60),
    ],
)
def test_few_scores_are_pooled_with_those_published_before(
    pipeline: Pipeline, published: int, looks: list[int], found: int
) -> None:
    looked: list[int] = []

    def recent_scores(_: Any, job: Job, *, model_version: str, look_back: int) -> list[Published]:
        assert (job.name, model_version) == (pipeline.job.name, "one")
        looked.append(look_back)
        return [Published(str(number), bytes([number]), number / 100) for number in range(published)]

    pool = replace(pipeline, recent_scores=recent_scores).pool_for(["new"], input_hashes=[b"new"])
    assert pool is not None
    assert looked == looks
    assert len(pool.by_entity) == len(pool.by_inputs) == found
    assert np.array_equal(pool.by_entity["training_quantile"], pool.by_entity["score"] / 2)


@pytest.mark.parametrize("count", [0, ROWS_NEEDED, ROWS_NEEDED + 1])
def test_enough_scores_or_none_need_no_pool(pipeline: Pipeline, count: int) -> None:
    def recent_scores(*_: Any, **__: Any) -> list[Published]:
        raise AssertionError("the ledger was read")

    alone = replace(pipeline, recent_scores=recent_scores)
    assert alone.pool_for([str(n) for n in range(count)], input_hashes=[b""] * count) is None


def test_a_copy_for_a_second_thread_has_its_own_sessions_and_shares_all_else(pipeline: Pipeline) -> None:
    database = Database("postgresql://localhost/none", Settings())
    second = pipeline.with_own_sessions(database)
    assert second.session is not pipeline.session
    assert second.source is not pipeline.source
    assert replace(second, session=pipeline.session, source=pipeline.source) == pipeline
    assert second.at_a_time is pipeline.at_a_time
    second.close()
    pipeline.close()
    sessions: Any = (pipeline.session, pipeline.source, second.source)
    assert [each.closed for each in sessions] == [1, 1, 1]
