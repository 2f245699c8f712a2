"""Which settings of retention are refused, because the program looks back farther."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.upkeep.maintenance import maintain
from scorer.database.upkeep.retention import TABLES, Retention
from scorer.errors import UserError

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keep_ledger": 99 * DAY}, 'keep_ledger is 99 days, .* make it "100 days" or more'),
        ({"keep_operations": DAY}, "keep_operations is 1 days"),
        ({"keep_requests": timedelta(hours=12)}, "keep_requests is 0.5 days"),
        ({"keep_rejections": DAY}, "keep_rejections is 1 days"),
    ],
)
def test_settings_that_keep_too_little_are_refused_before_anything_is_done(
    options: dict[str, timedelta], sentence: str
) -> None:
    settings = replace(Settings(), **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=sentence) as raised:
        maintain(Database("postgresql:///nowhere?host=/nowhere", settings), dry_run=False, report=print)
    assert "\n" not in str(raised.value)
    assert str(raised.value).endswith(".")


def test_the_defaults_keep_the_ledger_for_ever_and_drop_nothing() -> None:
    retention = Retention.of(Settings())
    assert (retention.ledger, retention.drop) == (None, False)
    assert retention.classes.keys() == TABLES.keys()


def test_the_least_may_be_kept() -> None:
    retention = Retention.of(replace(Settings(), keep_ledger=100 * DAY, keep_requests=7 * DAY, expired_ledger="drop"))
    assert (retention.ledger, retention.drop) == (100 * DAY, True)
    assert retention.classes["keep_requests"] == 7 * DAY
