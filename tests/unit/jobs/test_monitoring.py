"""[monitoring]: limits that are read, left out, or make no sense."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.jobs.monitoring import Limits
from scorer.jobs.toml_table import TomlTable


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"psy": 0.3}, 'unknown key "psy"; did you mean "psi"?'),
        ({"psi": 0}, '"psi" must be above 0'),
        ({"features_share": 1.5}, '"features_share" is a share'),
        ({"constant_share": 0}, '"constant_share" is a share'),
        ({"retrain_after": "soon"}, '"soon" is not a span of time'),
        ({"min_entities": 0}, '"min_entities" must be a whole number above 0'),
    ],
)
def test_limits_that_cannot_be_read(content: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        Limits.read(TomlTable(content, where="job.toml: [monitoring]"))
    assert sentence in str(raised.value)


def test_limits_that_are_left_out_have_their_defaults() -> None:
    assert Limits.read(TomlTable({}, where="job.toml: [monitoring]")) == Limits()


def test_limits_that_are_set_are_read() -> None:
    content = {"psi": 0.3, "window": "7 days", "min_positives": 5}
    limits = Limits.read(TomlTable(content, where="job.toml: [monitoring]"))
    assert limits == Limits(psi=0.3, window=timedelta(days=7), min_positives=5)
