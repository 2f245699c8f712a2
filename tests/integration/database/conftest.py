"""What the tests of the database share: a ledger with rows of any age."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scorer.config import Settings
from tests.integration.database.ledgers import Ledger


@pytest.fixture
def ledger(make_database: Callable[[str], str], template: str, settings: Settings) -> Ledger:
    return Ledger(make_database(template), settings)
