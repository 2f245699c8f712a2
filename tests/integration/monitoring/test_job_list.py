"""The list of jobs: which there are, by which model, and why one does not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.folder.new import copy
from scorer.monitoring.job_list import list_jobs


def test_shipped_and_own_jobs_are_listed(shop: Any, make_model: Callable[..., Path]) -> None:
    own, shipped = sorted(list_jobs(shop.database.settings, database=shop.database), key=lambda each: each.origin)
    assert (shipped.name, shipped.origin, shipped.task, shipped.entity, shipped.why_not) == (
        "sepsis",
        "shipped",
        "binary",
        "visit",
        None,
    )
    assert shipped.model_version is not None
    assert (own.name, own.origin) == ("shop", "own")
    assert str(own.why_not).startswith("it has no model in production")
    shop.promote(make_model)
    (own,) = (each for each in list_jobs(shop.database.settings, database=shop.database) if each.origin == "own")
    assert (own.model_version, own.why_not, own.job_version) == ("1", None, shop.job.version)


def test_a_job_that_cannot_be_read_is_listed_with_why(shop: Any) -> None:
    copy("other", jobs_dir=shop.hospital.settings.jobs_dir, like="shop")
    shop.edit("job.toml", 'entity = "client"', "entity = 7")
    found = {each.name: each for each in list_jobs(shop.database.settings, database=shop.database)}
    assert found["shop"].task is None
    assert '"entity" must be text' in str(found["shop"].why_not)
    assert found["other"].task == "binary"


def test_without_a_database_the_jobs_are_listed_all_the_same(settings: Settings) -> None:
    (only,) = list_jobs(settings, database=None)
    assert (only.name, only.model_version, only.why_not) == ("sepsis", None, "no database was asked")
    nowhere = Database("postgresql://nobody@localhost:1/nothing", replace(settings, allow_plaintext=True))
    (only,) = list_jobs(settings, database=nowhere)
    assert only.why_not is not None
