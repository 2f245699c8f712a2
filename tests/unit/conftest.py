"""No test here has a database: one that needs it is an integration test."""

from __future__ import annotations

from typing import NoReturn

import pytest


def _refuse() -> NoReturn:
    pytest.fail("a unit test has no database; one that needs it stands in tests/integration")


@pytest.fixture
def server() -> NoReturn:
    """Refused."""
    _refuse()


@pytest.fixture
def make_database() -> NoReturn:
    """Refused."""
    _refuse()


@pytest.fixture
def template() -> NoReturn:
    """Refused."""
    _refuse()


@pytest.fixture
def database_url() -> NoReturn:
    """Refused."""
    _refuse()


@pytest.fixture
def migrated_url() -> NoReturn:
    """Refused."""
    _refuse()
