"""The check of one job in depth: what `scorer check` says of it, its statements, leaks; a job without a model too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scorer.checks.in_depth.job import check_in_depth


def test_a_job_that_is_being_written_is_checked_without_a_model(shop: Any) -> None:
    results = [*check_in_depth("shop", database=shop.database)]
    assert all(result.holds for result in results)
    assert [result.name for result in results][:3] == ["definition", "job shop", "statements"]
    assert results[1].found.startswith("not run here: it has no model in production")
    assert not results[1].runs
    assert results[-1].name == "leaks: outcomes"


def test_so_it_is_where_no_job_has_all(shop: Any) -> None:
    shop.hospital.execute("ALTER TABLE public.visits RENAME TO visits_of_before")
    results = [*check_in_depth("shop", database=shop.database)]
    assert all(result.holds for result in results)


def test_of_a_job_with_a_model_all_is_told_that_the_check_of_all_says(
    shop: Any, make_model: Callable[..., Path]
) -> None:
    shop.promote(make_model)
    names = [result.name for result in check_in_depth("shop", database=shop.database)]
    assert names[:4] == ["definition", "job shop", "job shop data", "job shop times"]
    assert {"statements", "leaks: later rows"} < set(names)


def test_a_job_whose_folder_is_broken_is_one_sentence(shop: Any) -> None:
    shop.edit("job.toml", 'entity = "client"', "entity = 7")
    results = [*check_in_depth("shop", database=shop.database)]
    assert [(result.name, result.holds) for result in results] == [("definition", False)]
    assert '"entity" must be text' in results[0].found


def test_nothing_of_a_check_stays(shop: Any) -> None:
    list(check_in_depth("shop", database=shop.database))
    assert shop.hospital.one("SELECT count(*) FROM scorer.job_versions WHERE job = 'shop'") == 0
    assert shop.hospital.one("SELECT count(*) FROM scorer.runs") == 0
