"""The list of jobs: which there are, by which model, and why one does not run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.folder.new import copy
from scorer.jobs.job import job_names
from scorer.monitoring.job_list import list_jobs


def test_shipped_and_own_jobs_are_listed(shop: Any, make_model: Callable[..., Path]) -> None:
    listed = {each.name: each for each in list_jobs(shop.database.settings, database=shop.database)}
    own, shipped = listed["shop"], listed["sepsis"]
    assert {name: each.enabled for name, each in listed.items()} == {
        name: name in {"shop", "sepsis"} for name in ("shop", *job_names(None))
    }
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
    found = list_jobs(settings, database=None)
    assert [each.name for each in found] == list(job_names(None))
    assert {(each.model_version, each.why_not, each.enabled) for each in found} == {
        (None, "no database was asked", None)
    }
    nowhere = Database("postgresql://nobody@localhost:1/nothing", replace(settings, allow_plaintext=True))
    assert all(each.why_not is not None for each in list_jobs(settings, database=nowhere))


def test_on_an_older_schema_no_job_is_taken_for_one_that_lacks_a_table(shop: Any) -> None:
    shop.hospital.execute("UPDATE scorer.alembic_version SET version_num = '0015'")
    found = list_jobs(shop.database.settings, database=shop.database)
    assert all("run `scorer db upgrade`" in str(each.why_not) and each.enabled is None for each in found)
